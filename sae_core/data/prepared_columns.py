"""The fitted state of each table column: plain numbers and strings, with the arithmetic that turns cells into inputs.

Every column becomes one or more prepared inputs, in this order:

    numeric, date   value [, missing]       value = float32(clip((cell - center) / scale)), in float64 until the cast
    boolean         value [, missing]       0 or 1
    category        one for each of `values` [, other] [, missing]     0 or 1

A missing cell of a numeric, date or boolean column is replaced by `fill` first; a missing category has 0 in all of its
inputs. `missing` is 1 where the cell is missing; the column has that input only where the training rows have missing
cells. Infinite numbers, and numbers beyond ±`limits.LARGEST_NUMBER`, are missing. A date counts days since 1970-01-01
UTC. A category that training never saw, or saw too rarely, is `other`; without that input it has 0 in all inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from sae_core.errors import ShapeError
from sae_core.limits import LARGEST_NUMBER, MAX_CATEGORIES, RARE_CATEGORY_SHARE

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Values = Annotated[tuple[str, ...], Field(max_length=MAX_CATEGORIES)]

_STRICT = ConfigDict(strict=True, extra="forbid")
_MICROSECONDS_PER_DAY = 86_400_000_000
_FIRST_DAY = np.datetime64("0001-01-01", "us").astype(np.int64)
_LAST_DAY = np.datetime64("9999-12-31", "us").astype(np.int64)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


@dataclass(frozen=True)
class NumericColumn:
    """A numeric column.

    Attributes:
        name: the user's column.
        fill: replaces missing cells: the median of the training rows, in the user's units.
        center, scale: subtracted, then divided by, in the user's units; scale > 0.
        has_indicator: a further input that is 1 where the cell is missing.
    """

    __pydantic_config__ = _STRICT

    name: str
    fill: Number
    center: Number
    scale: Positive
    has_indicator: bool
    kind: Literal["numeric"] = "numeric"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the prepared inputs."""
        return (self.name, f"{self.name} is missing") if self.has_indicator else (self.name,)


@dataclass(frozen=True)
class DateColumn:
    """A date column: like a numeric one whose unit is days since 1970-01-01 UTC.

    Attributes:
        whole_days: no training row has a time of day, so that dates come back without one.
    """

    __pydantic_config__ = _STRICT

    name: str
    fill: Number
    center: Number
    scale: Positive
    has_indicator: bool
    whole_days: bool
    kind: Literal["date"] = "date"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the prepared inputs."""
        return (self.name, f"{self.name} is missing") if self.has_indicator else (self.name,)


@dataclass(frozen=True)
class BooleanColumn:
    """A column of true and false; never scaled. `fill` is the more frequent value, 0 or 1."""

    __pydantic_config__ = _STRICT

    name: str
    fill: Literal[0, 1]
    has_indicator: bool
    kind: Literal["boolean"] = "boolean"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the prepared inputs."""
        return (self.name, f"{self.name} is missing") if self.has_indicator else (self.name,)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one-hot; never scaled.

    Attributes:
        values: those that have an input of their own, sorted; at most `limits.MAX_CATEGORIES` inputs with `other`.
        has_other: an input for every other value.
        has_indicator: an input that is 1 where the cell is missing.
    """

    __pydantic_config__ = _STRICT

    name: str
    values: Values
    has_other: bool
    has_indicator: bool
    kind: Literal["category"] = "category"

    @property
    def other(self) -> str:
        """What `inverse` writes for the other values; never one of `values`."""
        return "other" if "other" not in self.values else "(other values)"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the prepared inputs."""
        names = [f"{self.name} = {value}" for value in self.values]
        names += [f"{self.name} = {self.other}"] if self.has_other else []
        names += [f"{self.name} is missing"] if self.has_indicator else []
        return tuple(names)


TableColumn = NumericColumn | DateColumn | BooleanColumn | CategoryColumn
FittedScaling = Literal["standard", "min_max", "robust", "none"]


def numbers(values: pd.Series[Any], name: str) -> NDArray[np.float64]:
    """(n,) float64 of a numeric column; NaN where a cell is missing, infinite or beyond ±`LARGEST_NUMBER`.

    Raises:
        ShapeError: a cell is not a number.
    """
    values = _plain(values)
    try:
        if values.dtype.kind in "mMc":
            raise TypeError("not numbers")
        cells: NDArray[np.float64] = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError):
        raise ShapeError(
            f"Column {name!r} was numeric in training, but these rows hold {_odd(values)!r} there. Give numbers."
        ) from None
    odd = np.abs(cells) > LARGEST_NUMBER
    return np.where(odd, np.nan, cells) if odd.any() else cells


def days(values: pd.Series[Any], name: str) -> NDArray[np.float64]:
    """(n,) float64 days since 1970-01-01 UTC of a date column; NaN where a cell is missing.

    Raises:
        ShapeError: a cell is not a date.
    """
    values = _plain(values)
    try:
        if values.dtype.kind in "iufcbm":
            raise ValueError("numbers are not dates")
        dates = values if values.dtype.kind == "M" else pd.to_datetime(values, utc=True, format="ISO8601")
        if getattr(dates.dtype, "tz", None) is not None:
            dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
        stamps = dates.to_numpy(dtype="datetime64[us]")
    except (TypeError, ValueError, OverflowError):
        raise ShapeError(
            f"Column {name!r} was a date in training, but these rows hold {_odd(values)!r} there. "
            "Give dates, e.g. 2024-05-31."
        ) from None
    result: NDArray[np.float64] = stamps.astype(np.int64) / _MICROSECONDS_PER_DAY
    result[np.isnat(stamps)] = np.nan
    return result


def dates(values: NDArray[np.float64], whole_days: bool) -> NDArray[np.datetime64]:
    """(n,) datetime64[us] of days since 1970-01-01; NaN, and what lies outside the years 1 to 9999, gives NaT."""
    microseconds = np.round(np.round(values) * _MICROSECONDS_PER_DAY if whole_days else values * _MICROSECONDS_PER_DAY)
    bad = ~((microseconds >= _FIRST_DAY) & (microseconds <= _LAST_DAY))
    result = np.where(bad, 0, microseconds).astype(np.int64).astype("datetime64[us]")
    result[bad] = np.datetime64("NaT")
    return result


def truths(values: pd.Series[Any], name: str) -> NDArray[np.float64]:
    """(n,) float64 of a boolean column: 0, 1, or NaN where a cell is missing.

    Raises:
        ShapeError: a cell is neither true nor false.
    """
    values = _plain(values)
    if values.dtype.kind == "b":
        known: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return known
    result = np.full(len(values), np.nan)
    for at, cell in enumerate(values.tolist()):
        if pd.isna(cell):
            continue
        text = str(cell).strip().lower()
        if text not in _TRUE and text not in _FALSE:
            raise ShapeError(
                f"Column {name!r} was true or false in training, but these rows hold {str(cell)[:60]!r} there. "
                "Give true or false."
            )
        result[at] = text in _TRUE
    return result


def words(values: pd.Series[Any]) -> pd.Series[Any]:
    """A category column as text, as the reader writes it (1.0 is "1"); missing cells stay missing."""
    values = _plain(values)
    if isinstance(values.dtype, pd.StringDtype):
        return values
    texts = [None if pd.isna(cell) else _text(cell) for cell in values.tolist()]
    return pd.Series(texts, index=values.index, dtype="str")


def _text(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """The cells of a pandas Categorical, other columns as they are."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(values.cat.categories.dtype)
    return values


def category_codes(column: CategoryColumn, values: pd.Series[Any]) -> NDArray[np.int64]:
    """(n,) position of each cell's input within the column's inputs; -1: none of them is 1."""
    codes, uniques = pd.factorize(words(values))
    places = {value: at for at, value in enumerate(column.values)}
    other = len(column.values) if column.has_other else -1
    missing = len(column.values) + column.has_other if column.has_indicator else -1
    table = np.array([places.get(value, other) for value in uniques.tolist()] + [missing], dtype=np.int64)
    positions: NDArray[np.int64] = table[codes]  # factorize marks missing cells -1, which is the table's last entry
    return positions


def choose_categories(values: pd.Series[Any]) -> tuple[tuple[str, ...], bool]:
    """The values that get an input of their own, sorted, and whether there are others.

    As scikit-learn's `OneHotEncoder(max_categories=MAX_CATEGORIES, min_frequency=RARE_CATEGORY_SHARE,
    handle_unknown="infrequent_if_exist")` chooses them.
    """
    return choose_counted({str(value): int(count) for value, count in words(values).value_counts().items()})


def choose_counted(counts: Mapping[str, int], rest: int = 0) -> tuple[tuple[str, ...], bool]:
    """The same from counts of the values. rest: occurrences of further rare values that were not told apart."""
    order = sorted(counts, key=lambda value: (-counts[value], value))
    least = RARE_CATEGORY_SHARE * (sum(counts.values()) + rest)
    kept = [value for value in order if counts[value] >= least]
    if len(kept) < len(order) or len(kept) > MAX_CATEGORIES or rest:
        kept = kept[: MAX_CATEGORIES - 1]
    return tuple(sorted(kept)), len(kept) < len(order) or rest > 0


def _odd(values: pd.Series[Any]) -> str:
    """A cell to show in a message: the first that is not a number."""
    for cell in values.tolist()[:100_000]:
        try:
            float(cell)
        except (TypeError, ValueError):
            if not pd.isna(cell):
                return str(cell)[:60]
    return str(values.iloc[0])[:60] if len(values) else ""
