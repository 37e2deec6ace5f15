"""Chosen rows: what they are made of, what is left when they are turned round, and how they leave as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset

Rows = NDArray[np.int64]
Combination = Literal["replace", "add", "keep", "remove"]


@dataclass(frozen=True)
class Share:
    """One class (or part of the split) among chosen rows.

    Attributes:
        name: the class as the user wrote it; None: rows without a label.
        chosen: rows of it that are chosen.
        rows: rows of it altogether.
    """

    name: int | str | None
    chosen: int
    rows: int


def as_rows(rows: Iterable[int] | Rows, n: int) -> Rows:
    """Row numbers sorted, each once, those that a data set of n rows does not have left out.

    >>> as_rows([5, 1, 5, 99], 10).tolist()
    [1, 5]
    """
    found = np.unique(np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=np.int64))
    return found[(found >= 0) & (found < n)]


def combined(before: Rows, new: Rows, how: Combination) -> Rows:
    """A selection after rows were chosen anew.

    Args:
        how: "replace" the selection, "add" to it, "keep" only what is in both, "remove" the new rows from it.

    >>> combined(np.array([1, 2]), np.array([2, 3]), "keep").tolist()
    [2]
    """
    if how == "add":
        return np.union1d(before, new).astype(np.int64)
    if how == "keep":
        return np.intersect1d(before, new).astype(np.int64)
    if how == "remove":
        return np.setdiff1d(before, new).astype(np.int64)
    return np.unique(new).astype(np.int64)


def inverted(rows: Rows, n: int) -> Rows:
    """All rows of a data set of n rows but these."""
    others = np.ones(n, dtype=bool)
    others[as_rows(rows, n)] = False
    return np.flatnonzero(others).astype(np.int64)


def composition(data: Dataset, rows: Rows) -> tuple[Share, ...]:
    """How many of the rows are of which class, the commonest first; () where the data set has no labels."""
    if data.labels is None or not len(rows):
        return ()
    codes, chosen = np.unique(data.class_codes[rows], return_counts=True)
    whole = np.bincount(data.class_codes + 1, minlength=len(data.classes) + 1)
    order = np.argsort(-chosen, kind="stable")
    return tuple(
        Share(None if codes[i] < 0 else data.classes[codes[i]], int(chosen[i]), int(whole[codes[i] + 1])) for i in order
    )


def parts_of(data: Dataset, rows: Rows) -> tuple[Share, ...]:
    """How many of the rows are in which part of the split; parts without rows are left out."""
    parts = data.split.part_of_each_row()
    of_rows = parts[rows]
    found = ((name, int((of_rows == name).sum()), int((parts == name).sum())) for name in PART_NAMES)
    return tuple(Share(name, chosen, total) for name, chosen, total in found if total)


PART_NAMES = ("train", "validation", "test")


def in_range(values: NDArray[np.floating], low: float = -np.inf, high: float = np.inf) -> Rows:
    """Positions of values from `low` to `high`, both included; NaN is in no range.

    >>> in_range(np.array([0.1, 0.5, np.nan]), 0.5).tolist()
    [1]
    """
    with np.errstate(invalid="ignore"):
        return np.flatnonzero((values >= low) & (values <= high)).astype(np.int64)


def selection_frame(data: Dataset, rows: Rows) -> pd.DataFrame:
    """Chosen rows as a table to take away: row number, label, part of the split, identifiers, the user's own columns.

    Pictures and arrays leave without their values: they are found again by row number (and file name).
    """
    table: dict[str, object] = {"row": rows}
    if data.labels is not None:
        table[f"{data.label_name} (label)"] = data.labels[rows]
    table["split"] = data.split.part_of_each_row()[rows]
    front = pd.DataFrame(table)
    parts = [front]
    if data.identifiers is not None:
        parts.append(data.identifiers.iloc[rows].reset_index(drop=True))
    if isinstance(data.features, pd.DataFrame):
        parts.append(data.features.iloc[rows].reset_index(drop=True))
    return pd.concat(parts, axis=1)
