"""What each level gives back once it is decoded down to the input, and how far that is from the original.

Two scales of error: *per row*, the mean squared error over the prepared inputs (so that every column counts alike, and
the number does not grow with the number of columns), and *per column*, in the user's own units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.analysis.progress import Report, silent
from sae_core.data.dataset import Dataset, Features

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

Choice = Literal["random", "best", "worst", "each class"]
Rows = NDArray[np.int64]

_BATCH = 8192  # rows decoded at a time


@dataclass(frozen=True, eq=False)
class RowErrors:
    """How far rows are from what each level gives back.

    Attributes:
        rows: (m,) row numbers in the data set.
        levels: 1 .. L.
        values: (L, m) float32, mean squared error per prepared value: 0 is perfect; for inputs scaled to a standard
            deviation of 1, giving back every column's mean would cost about 1.
    """

    rows: Rows
    levels: tuple[int, ...]
    values: NDArray[np.float32]

    def at(self, level: int) -> NDArray[np.float32]:
        """(m,) errors of one level."""
        of_level: NDArray[np.float32] = self.values[self.levels.index(level)]
        return of_level


@dataclass(frozen=True, eq=False)
class ColumnErrors:
    """How well each column comes back.

    Attributes:
        names: of the c columns (or pixels).
        levels: 1 .. L.
        units: for each column what `values` counts: "mean absolute error" in the column's own units (dates: days), or
            "share of rows changed" for categories and yes/no columns.
        values: (L, c) float64; NaN where no row has both an original and a value given back.
        relative: (L, c) the same error as a share of what one constant guess for all rows would cost: 0 is perfect, 1
            no better than the guess (the median; the most frequent category). NaN for a constant column.
    """

    names: tuple[str, ...]
    levels: tuple[int, ...]
    units: tuple[str, ...]
    values: NDArray[np.float64]
    relative: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """Rows beside what each level gives back, all in the form and units of `Dataset.features`.

    Attributes:
        rows: (m,) row numbers in the data set.
        levels: 1 .. L.
        original: m rows.
        given_back: for each level, m rows.
    """

    rows: Rows
    levels: tuple[int, ...]
    original: Features
    given_back: tuple[Features, ...]

    def at(self, level: int) -> Features:
        """What one level gives back."""
        return self.given_back[self.levels.index(level)]


def row_errors(model: TrainedStack, data: Dataset, rows: Rows | None = None, *, report: Report = silent) -> RowErrors:
    """Errors of rows (None: all) at every level."""
    rows = np.arange(len(data), dtype=np.int64) if rows is None else np.asarray(rows, dtype=np.int64)
    levels = tuple(range(1, model.n_levels + 1))
    values = np.empty((len(levels), len(rows)), dtype=np.float32)
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        code = x = model.prepare(data.take(rows[batch]))
        for i, level in enumerate(levels):
            report((start + (i / len(levels)) * _BATCH) / len(rows), "Reconstructing every row")
            code = model.encode_prepared(code, level, start=level - 1)
            values[i, batch] = squared_errors(x, model.decode_prepared(code, level))
    return RowErrors(rows, levels, values)


def squared_errors(x: NDArray[np.floating], given_back: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d), (n, d) -> (n,) mean squared error per value.

    >>> squared_errors(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    array([5.])
    """
    difference = given_back.astype(np.float64) - x
    return np.asarray(np.mean(np.square(difference), axis=1))


def reconstructions(model: TrainedStack, data: Dataset, rows: Sequence[int] | Rows) -> Reconstructions:
    """Rows and what every level gives back of them, in the user's units."""
    rows = np.asarray(rows, dtype=np.int64)
    original = data.take(rows)
    levels = tuple(range(1, model.n_levels + 1))
    return Reconstructions(rows, levels, original, tuple(model.reconstruct(original, level) for level in levels))


def choose_rows(
    errors: NDArray[np.floating],
    how: Choice,
    count: int,
    *,
    class_codes: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Positions of rows to look at, by their errors at one level.

    Args:
        errors: (m,).
        how: "random"; "best", smallest errors first; "worst", largest first; "each class": in turn from every class the
            row whose error is most typical of it, grouped by class.
        class_codes: (m,) class of each row, for "each class"; rows with -1 are passed over.
        seed: of the random choice.

    Returns:
        (at most count,) positions in `errors`, none twice. Rows whose error is NaN come last.
    """
    m = len(errors)
    if how == "random":
        return np.random.default_rng(seed).permutation(m)[:count].astype(np.int64)
    if how == "each class" and class_codes is not None:
        return _typical_of_each_class(errors, class_codes, count)
    return np.argsort(-errors if how == "worst" else errors, kind="stable")[:count].astype(np.int64)


def _typical_of_each_class(
    errors: NDArray[np.floating], class_codes: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    queues = []
    for code in np.unique(class_codes[class_codes >= 0]):
        members = np.flatnonzero(class_codes == code)
        off_centre = np.abs(errors[members] - np.nanmedian(errors[members]))
        queues.append(members[np.argsort(off_centre, kind="stable")])
    turns = [
        (turn, place, position) for place, queue in enumerate(queues) for turn, position in enumerate(queue[:count])
    ]
    chosen = sorted(turns)[:count]
    return np.array(
        [position for _, _, position in sorted(chosen, key=lambda item: (item[1], item[0]))], dtype=np.int64
    )


def column_errors(shown: Reconstructions) -> ColumnErrors:
    """How well each column (or pixel) of these rows comes back at every level."""
    original = shown.original
    if not isinstance(original, pd.DataFrame):
        return _array_errors(shown, original)
    names = tuple(str(name) for name in original.columns)
    columns = [original.iloc[:, i] for i in range(len(names))]
    numeric = [is_numeric(column) for column in columns]
    values, relative = np.full((2, len(shown.levels), len(names)), np.nan)
    for i, (column, as_number) in enumerate(zip(columns, numeric, strict=True)):
        guess = _guess_error(column, as_number)
        for j, level in enumerate(shown.levels):
            back = shown.at(level)
            assert isinstance(back, pd.DataFrame)
            error = _mean_without_nan(difference(column, back.iloc[:, i]))
            values[j, i] = error
            relative[j, i] = error / guess if guess > 0 else np.nan
    units = tuple("mean absolute error" if as_number else "share of rows changed" for as_number in numeric)
    return ColumnErrors(names, shown.levels, units, values, relative)


def is_numeric(column: pd.Series[object]) -> bool:
    """Whether differences of a column are amounts (numbers, dates) rather than changes (categories, yes/no)."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(is_number or pd.api.types.is_datetime64_any_dtype(column))


def difference(original: pd.Series[object], given_back: pd.Series[object]) -> NDArray[np.float64]:
    """(n,) absolute differences of one column in its own units (dates: days); categories: 1 where changed, else 0.

    NaN where a number is missing on either side; two missing categories count as equal.
    """
    if is_numeric(original):
        return np.abs(signed_difference(original, given_back))
    before = original.astype(object).where(original.notna(), None).to_numpy()
    after = given_back.astype(object).where(given_back.notna(), None).to_numpy()
    return np.array([a != b for a, b in zip(before, after, strict=True)], dtype=np.float64)


def signed_difference(original: pd.Series[object], given_back: pd.Series[object]) -> NDArray[np.float64]:
    """(n,) given back minus original of a numeric or date column, in its units (dates: days)."""
    if pd.api.types.is_datetime64_any_dtype(original):
        return np.asarray((given_back.to_numpy() - original.to_numpy()) / np.timedelta64(1, "D"), dtype=np.float64)
    before = original.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(given_back.to_numpy(dtype=np.float64, na_value=np.nan) - before)


def _guess_error(column: pd.Series[object], as_number: bool) -> float:
    known = column.dropna()
    if not len(known):
        return 0.0
    if as_number:
        guess = pd.Series([known.median()] * len(column), index=column.index)
        return _mean_without_nan(np.abs(signed_difference(column, guess)))
    return 1.0 - float(column.value_counts(dropna=False).iloc[0]) / len(column)


def _array_errors(shown: Reconstructions, original: NDArray[np.float32]) -> ColumnErrors:
    c = original.shape[1]
    guess = np.abs(original - np.median(original, axis=0)).mean(axis=0).astype(np.float64)
    values = np.array([np.abs(shown.at(level) - original).mean(axis=0) for level in shown.levels], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(guess > 0, values / guess, np.nan)
    names = tuple(f"{i}" for i in range(c))
    return ColumnErrors(
        names, shown.levels, ("mean absolute error",) * c, values.reshape(-1, c), relative.reshape(-1, c)
    )


def _mean_without_nan(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
