"""History as plain data: rows to JSON lines and back, and as a DataFrame."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from sae_core.errors import ModelFileError
from sae_core.training.events import HistoryRow, TracePoint

COLUMNS = tuple(field.name for field in dataclasses.fields(HistoryRow))


def row_to_json(row: HistoryRow) -> dict[str, Any]:
    """One epoch as JSON values; a value that is not there (NaN) is null."""
    return {name: None if value != value else value for name, value in vars(row).items()}


def row_from_json(value: dict[str, Any]) -> HistoryRow:
    """The inverse of `row_to_json`.

    Raises:
        ModelFileError: other names than those of `HistoryRow`.
    """
    if not isinstance(value, dict) or set(value) != set(COLUMNS):
        raise ModelFileError("A line of the history does not have the fields of this version. Train the run again.")
    fields: dict[str, Any] = {name: math.nan if entry is None else entry for name, entry in value.items()}
    return HistoryRow(**fields)


def rows_to_lines(rows: Iterable[HistoryRow]) -> str:
    """History as JSON lines."""
    return "".join(json.dumps(row_to_json(row), allow_nan=False) + "\n" for row in rows)


def rows_from_lines(text: str) -> tuple[HistoryRow, ...]:
    """The inverse of `rows_to_lines`. A last line that was cut off by a crash is left out."""
    rows = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(row_from_json(json.loads(line)))
        except (ValueError, ModelFileError):
            if number < len(lines):
                raise ModelFileError(f"Line {number} of the history is damaged. Train the run again.") from None
    return tuple(rows)


def trace_line(point: TracePoint) -> str:
    """A moment of the training as a JSON line."""
    values = vars(point) | {"error": point.error if math.isfinite(point.error) else None}
    return json.dumps(values, allow_nan=False) + "\n"


def trace_from_lines(text: str) -> tuple[TracePoint, ...]:
    """The inverse of `trace_line`, line by line.

    Lines that cannot be read are left out. A resumed training goes back to its checkpoint: what it repeats replaces
    what was noted of those steps before.
    """
    points: list[TracePoint] = []
    for line in text.splitlines():
        try:
            values = json.loads(line)
            error = math.nan if values["error"] is None else float(values["error"])
            level, step, seconds = int(values["level"]), int(values["step"]), float(values["seconds"])
            point = TracePoint(values["phase"], level, step, seconds, error)
        except (KeyError, TypeError, ValueError):
            continue
        while points and (points[-1].step > step or (points[-1].step == step and points[-1].level == level)):
            points.pop()
        points.append(point)
    return tuple(points)


def history_frame(rows: Iterable[HistoryRow]) -> pd.DataFrame:
    """History as a DataFrame with one column for each field of `HistoryRow`, one row an epoch."""
    return pd.DataFrame([vars(row) for row in rows], columns=list(COLUMNS))
