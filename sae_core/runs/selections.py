"""Selections of rows that were saved under a name, kept beside the run they were made on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core.errors import DataError, ModelFileError
from sae_core.files import dump_json, parse_json, write_atomically
from sae_core.runs.run import Run

FILE = "selections.json"
VERSION = 1
MAX_SELECTIONS = 100  # of one run: a list that one can still read
MAX_NAME = 80  # characters

_lock = threading.Lock()  # two tabs save at once


def saved_selections(run: Run) -> dict[str, NDArray[np.int64]]:
    """Row numbers by name, in the order they were saved.

    Raises:
        ModelFileError: the file is damaged.
    """
    try:
        content = (run.folder / FILE).read_bytes()
    except OSError:
        return {}
    value = parse_json(content, FILE)
    try:
        if value["version"] != VERSION:
            raise ValueError("another version")
        return {_text(each["name"]): _rows(each["rows"]) for each in value["selections"]}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"The saved selections of this run cannot be read ({error}). Delete {FILE} in its folder."
        ) from None


def save_selection(run: Run, name: str, rows: Iterable[int] | NDArray[np.int64]) -> str:
    """Keep rows under a name; one of the same name is replaced.

    Returns:
        The name as it was kept: on one line, not endless.

    Raises:
        DataError: no name, no rows, or too many selections. StorageError: it could not be written.
    """
    name = " ".join(name.split())[:MAX_NAME]
    kept = np.unique(np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=np.int64))
    if not name:
        raise DataError("The selection has no name. Give it one, then save it.")
    if not len(kept):
        raise DataError("No row is chosen, so there is nothing to save. Choose rows on a map first.")
    with _lock:
        found = saved_selections(run)
        if name not in found and len(found) >= MAX_SELECTIONS:
            raise DataError(f"A run keeps at most {MAX_SELECTIONS} selections. Delete one first.")
        _write(run, found | {name: kept})
    return name


def delete_selection(run: Run, name: str) -> None:
    """Forget a saved selection; one that does not exist is no error. Raises StorageError."""
    with _lock:
        found = saved_selections(run)
        if found.pop(name, None) is not None:
            _write(run, found)


def _write(run: Run, selections: dict[str, NDArray[np.int64]]) -> None:
    entries = [{"name": name, "rows": rows.tolist()} for name, rows in selections.items()]
    write_atomically(run.folder / FILE, dump_json({"version": VERSION, "selections": entries}))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a name is not a text")
    return value[:MAX_NAME]


def _rows(value: Any) -> NDArray[np.int64]:
    if not isinstance(value, list) or any(isinstance(row, bool) or not isinstance(row, int) for row in value):
        raise ValueError("rows are not whole numbers")
    rows = np.array(value, dtype=np.int64)
    if (rows < 0).any():
        raise ValueError("a row number is negative")
    return rows
