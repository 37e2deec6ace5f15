"""Rows on which an export is compared with the model before it is handed out."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset, Features
from sae_core.data.preparation import Preparation
from sae_core.data.prepared_columns import BooleanColumn, CategoryColumn, DateColumn, TableColumn
from sae_core.export.files import relative_difference
from sae_core.model.trained import TrainedStack

TOLERANCE = 1e-4  # of a value, relative to its size where that is above 1
MAX_CHECK_ROWS = 256


class Runnable(Protocol):
    """What runs elsewhere and should give what the model gives."""

    def encode(self, rows: Any, level: int | None = None, *, fine_tuned: bool = False) -> NDArray[np.float32]: ...
    def reconstruct(self, rows: Any, level: int | None = None) -> Any: ...
    def predict_proba(self, rows: Any) -> NDArray[np.float32]: ...


def check_rows(model: TrainedStack, data: Dataset | None) -> Features:
    """Held-out rows of the data set, at most 256, and for tables one that is empty and one with values never seen.

    Args:
        data: None: rows made up from the preparation instead.
    """
    if data is not None:
        rows = data.split.held_out()
        raw = data.take(rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_CHECK_ROWS)).astype(np.int64)])
    else:
        rng = np.random.default_rng(0)
        low, high = model.preparation.output_range or (-2.0, 2.0)
        prepared = rng.uniform(low, high, size=(64, model.preparation.n_inputs)).astype(np.float32)
        raw = model.preparation.inverse_transform(prepared)
    return _with_odd_rows(raw, model.preparation) if isinstance(raw, pd.DataFrame) else raw


def _with_odd_rows(raw: pd.DataFrame, preparation: Preparation) -> pd.DataFrame:
    raw = raw[list(preparation.feature_names_in)].reset_index(drop=True)
    strange = raw.iloc[:1].copy()
    for column in preparation.columns:
        if isinstance(column, CategoryColumn):
            strange[column.name] = pd.array(["a value that training never saw"], dtype="str")
    return pd.concat([raw, strange], ignore_index=True).reindex(range(len(raw) + 2))  # the last one is empty


def largest_difference(model: TrainedStack, other: Runnable, rows: Features) -> float:
    """The largest deviation of codes, reconstructions and probabilities, relative where values are above 1."""
    worst = 0.0
    for level in range(1, model.n_levels + 1):
        worst = max(worst, relative_difference(model.encode(rows, level), other.encode(rows, level)))
    worst = max(worst, reconstruction_difference(model, rows, model.n_levels, other.reconstruct(rows, model.n_levels)))
    if model.is_fine_tuned:
        tuned = model.encode(rows, fine_tuned=True), other.encode(rows, fine_tuned=True)
        worst = max(worst, relative_difference(*tuned))
    if model.is_classifier:
        worst = max(worst, relative_difference(model.predict_proba(rows), other.predict_proba(rows)))
    return worst


def reconstruction_difference(model: TrainedStack, rows: Features, level: int, theirs: Any) -> float:
    """Deviation of a reconstruction in the user's units, measured in the prepared scale.

    Cells whose category, truth or absence hangs on a difference below the tolerance are left out: rounding decides.
    """
    prepared = model.reconstruct_prepared(model.prepare(rows), level)
    if model.preparation.array is not None:
        return relative_difference(np.asarray(model.preparation.inverse_transform(prepared)), np.asarray(theirs))
    ours = model.preparation.inverse_transform(prepared)
    a, b = model.preparation.transform(ours), model.preparation.transform(pd.DataFrame(theirs))
    undecided = _undecided(model.preparation, prepared)
    b[undecided] = a[undecided]
    return relative_difference(a, b)


def _undecided(preparation: Preparation, prepared: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n, n_inputs) whether rounding decides what the cell of that input becomes."""
    result = np.zeros(prepared.shape, dtype=np.bool_)
    at = 0
    for column in preparation.columns:
        width = len(column.feature_names)
        close = _is_close_call(column, prepared[:, at : at + width])
        result[:, at : at + width] = close[:, None]
        at += width
    return result


def _is_close_call(column: TableColumn, x: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) of one column's inputs, (n, width)."""
    if isinstance(column, CategoryColumn):
        best = np.sort(x, axis=1)[:, -2:]
        return np.asarray(best[:, -1] - best[:, 0] < TOLERANCE) if x.shape[1] > 1 else np.zeros(len(x), dtype=np.bool_)
    thresholds = x if isinstance(column, BooleanColumn) else x[:, 1:]
    close = (np.abs(thresholds - 0.5) < TOLERANCE).any(axis=1)
    if isinstance(column, DateColumn) and column.whole_days:
        days = x[:, 0] * column.scale + column.center
        close |= np.abs(days - np.floor(days) - 0.5) < TOLERANCE * max(1.0, column.scale)
    return np.asarray(close)
