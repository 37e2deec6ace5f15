"""One column of a table: fitted, prepared and brought back, with the arithmetic that `prepared_columns` documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data import prepared_columns as cells
from sae_core.data.prepared_arrays import fit_scale
from sae_core.data.prepared_columns import (
    BooleanColumn,
    CategoryColumn,
    DateColumn,
    FittedScaling,
    NumericColumn,
    TableColumn,
)


def fit_column(values: pd.Series[Any], name: str, kind: str, scaling: FittedScaling) -> TableColumn:
    """The fitted state of one column, from its training rows."""
    if kind == "category":
        chosen, has_other = cells.choose_categories(values)
        has_indicator = bool(values.isna().any()) or not chosen
        return CategoryColumn(name, chosen, has_other, has_indicator)
    if kind == "boolean":
        truth = cells.truths(values, name)
        missing = np.isnan(truth)
        share = float(truth[~missing].mean()) if not missing.all() else 0.0
        return BooleanColumn(name, 1 if share > 0.5 else 0, bool(missing.any()))
    numbers = cells.days(values, name) if kind == "date" else cells.numbers(values, name)
    missing = np.isnan(numbers)
    has_indicator = bool(missing.any())
    fill = float(np.median(numbers[~missing])) if not missing.all() else 0.0
    whole = bool((numbers[~missing] == np.rint(numbers[~missing])).all())
    if has_indicator:
        numbers = np.where(missing, fill, numbers)
    center, scale = (float(part[0]) for part in fit_scale(numbers[:, None], scaling))
    if kind == "date":
        return DateColumn(name, fill, center, scale, has_indicator, whole_days=whole)
    return NumericColumn(name, fill, center, scale, has_indicator)


def fill(column: TableColumn, values: pd.Series[Any], out: NDArray[np.float32], clip: tuple[float, float]) -> None:
    """Write one column's prepared inputs into its part of the result, (rows, width)."""
    if isinstance(column, CategoryColumn):
        codes = cells.category_codes(column, values)
        out[:] = 0
        rows = np.flatnonzero(codes >= 0)
        out[rows, codes[rows]] = 1
        return
    if isinstance(column, BooleanColumn):
        numbers = cells.truths(values, column.name)
    else:
        numbers = (cells.days if isinstance(column, DateColumn) else cells.numbers)(values, column.name)
    missing = np.isnan(numbers)
    if column.has_indicator:
        out[:, 1] = missing
    numbers = np.where(missing, column.fill, numbers)
    if not isinstance(column, BooleanColumn):
        numbers -= column.center
        numbers /= column.scale
        np.clip(numbers, *clip, out=numbers)
    out[:, 0] = numbers


def unfill(column: TableColumn, x: NDArray[np.float32]) -> Any:
    """One column of the user's table from its prepared inputs, (rows, width) -> (rows,)."""
    if isinstance(column, CategoryColumn):
        table: list[str | None] = list(column.values)
        table += [column.other] if column.has_other else []
        table += [None] if column.has_indicator else []
        return pd.array(np.array(table, dtype=object)[np.argmax(x, axis=1)], dtype="str")
    missing = x[:, 1] > 0.5 if column.has_indicator else np.zeros(len(x), dtype=np.bool_)
    if isinstance(column, BooleanColumn):
        return pd.arrays.BooleanArray(x[:, 0] > 0.5, missing)
    numbers = x[:, 0].astype(np.float64) * column.scale + column.center
    numbers[missing] = np.nan
    return cells.dates(numbers, column.whole_days) if isinstance(column, DateColumn) else numbers
