"""One column of a table in its final form, filled batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data import cells
from sae_core.data.column_guess import ColumnGuess
from sae_core.data.dialect import FullDialect
from sae_core.errors import DataError
from sae_core.limits import LARGEST_NUMBER


class Filler:
    """One column of the result.

    Attributes:
        column: its name, kind and role.
        unfit: cells so far that are not of its kind; they count as missing.
        example: the first of them, with its row.
    """

    def __init__(self, column: ColumnGuess) -> None:
        self.column = column
        self.unfit = 0
        self.example = ""

    def add(self, values: Any, start: int, n: int) -> None:
        """Take over a batch of `n` cells, a pyarrow array, as the rows from `start` on. Raises DataError."""
        raise NotImplementedError

    def result(self, n: int) -> Any:
        """The first `n` rows as a column of a DataFrame. Raises DataError."""
        raise NotImplementedError

    def notes(self) -> list[str]:
        """What happened to cells that did not fit."""
        return []

    def _count(self, values: Any, bad: NDArray[np.bool_], start: int) -> None:
        count = int(bad.sum())
        if count and not self.unfit:
            at = int(np.argmax(bad))
            self.example = f"{str(values[at].as_py())[:40]!r} in row {start + at + 1:,}"
        self.unfit += count


class Numbers(Filler):
    """Numbers; what is infinite or beyond `limits.LARGEST_NUMBER` counts as missing."""

    def __init__(self, column: ColumnGuess, most: int, dialect: FullDialect, dtype: type[np.floating[Any]]) -> None:
        super().__init__(column)
        self._dialect, self._values, self._infinite = dialect, np.empty(most, dtype=dtype), 0

    def add(self, values: Any, start: int, n: int) -> None:
        import pyarrow as pa

        if pa.types.is_string(values.type):
            numbers, bad = cells.parse_numbers(values, self._dialect.decimal, self._dialect.thousands)
            self._count(values, bad, start)
        elif pa.types.is_timestamp(values.type):
            raise DataError(f"Column {self.column.name!r} holds dates, not numbers. Choose the kind date.")
        else:
            numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        odd = np.abs(numbers) > LARGEST_NUMBER
        if odd.any():
            self._infinite += int(odd.sum())
            numbers = np.where(odd, np.nan, numbers)
        self._values[start : start + n] = numbers

    def result(self, n: int) -> Any:
        return self._values[:n]

    def notes(self) -> list[str]:
        notes = []
        if self.unfit:
            notes.append(_unfit(self.column.name, self.unfit, "not a number", self.example))
        if self._infinite:
            notes.append(
                f"Column {self.column.name!r}: {_cells(self._infinite)} infinite or beyond ±1e300, and "
                f"{_counts(self._infinite)} as missing."
            )
        return notes


class Dates(Filler):
    """Points in time.

    Attributes:
        date_format: how they are written; None until the first batch with a value has been seen.
    """

    def __init__(self, column: ColumnGuess, most: int, dialect: FullDialect) -> None:
        super().__init__(column)
        self._values = np.empty(most, dtype="datetime64[us]")
        self.date_format = column.date_format
        self._day_first = dialect.delimiter == ";" or dialect.decimal == ","

    def add(self, values: Any, start: int, n: int) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_timestamp(values.type):
            self._values[start : start + n] = values.to_numpy(zero_copy_only=False)
            return
        values = values.cast(pa.string())
        if not self.date_format:
            words = pc.unique(values).drop_null().to_pylist()
            if not words:
                self._values[start : start + n] = np.datetime64("NaT")
                return
            self.date_format = cells.guess_date_format(words, day_first=self._day_first, allow_compact=True)
            if self.date_format is None:
                raise DataError(
                    f"Column {self.column.name!r} cannot be read as dates: {words[0][:40]!r} is in no format that is "
                    "known. Write dates as 2024-05-31, or choose another kind."
                )
        stamps, bad = cells.parse_dates(values, self.date_format)
        self._count(values, bad, start)
        self._values[start : start + n] = stamps

    def result(self, n: int) -> Any:
        return self._values[:n]

    def notes(self) -> list[str]:
        return [_unfit(self.column.name, self.unfit, "not a date", self.example)] if self.unfit else []


class Truths(Filler):
    """True and false, yes and no, 1 and 0.

    Args:
        may_be_empty: rows without any value are a result too (a piece of a larger table), not an error.
    """

    def __init__(self, column: ColumnGuess, most: int, *, may_be_empty: bool = False) -> None:
        super().__init__(column)
        self._may_be_empty = may_be_empty
        self._values = np.empty(most, dtype=np.int8)
        self._words = {
            word: truth
            for pair in (*cells.TRUTHS, ("1", "0"), ("1.0", "0.0"))
            for word, truth in zip(pair, (1, 0), strict=True)
        }

    def add(self, values: Any, start: int, n: int) -> None:
        import pyarrow as pa

        values = values.cast(pa.string())
        truths = cells.map_words(
            values, lambda word: self._words.get(word.strip().lower(), self._other(word)), -1, np.int8
        )
        self._count(values, truths == -2, start)
        self._values[start : start + n] = truths

    @staticmethod
    def _other(word: str) -> int:
        return -1 if word.strip().lower() in cells.MISSING_WORDS else -2

    def result(self, n: int) -> Any:
        values = self._values[:n]
        if n and (values < 0).all() and not self._may_be_empty:
            raise DataError(
                f"Column {self.column.name!r} holds neither true and false nor yes and no. Choose another kind."
            )
        return pd.arrays.BooleanArray(values == 1, values < 0)

    def notes(self) -> list[str]:
        return [_unfit(self.column.name, self.unfit, "neither true nor false", self.example)] if self.unfit else []


class Texts(Filler):
    """Categories, identifiers and labels: text as it is written."""

    def __init__(self, column: ColumnGuess, missing_words: frozenset[str]) -> None:
        super().__init__(column)
        self._chunks: list[Any] = []
        self._missing = missing_words

    def add(self, values: Any, start: int, n: int) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_timestamp(values.type):
            values = pa.array([None if stamp is None else str(stamp) for stamp in values.to_pylist()], pa.string())
        values = values.cast(pa.string())
        if self._missing:
            gone = pc.is_in(pc.utf8_lower(values), pa.array(sorted(self._missing)))
            values = pc.if_else(gone, None, values)
        self._chunks.append(values.cast(pa.large_string()))

    def result(self, n: int) -> Any:
        import pyarrow as pa

        text = pa.chunked_array(self._chunks, pa.large_string())
        self._chunks = []
        return text.to_pandas()  # dtype str, without a copy

    def labels(self) -> NDArray[np.object_]:
        """(n,) object of str, None where a cell is empty."""
        parts = [cells.map_words(chunk, str, None, object) for chunk in self._chunks]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=object)


def feature_filler(
    column: ColumnGuess, most: int, dialect: FullDialect, *, single: bool = False, may_be_empty: bool = False
) -> Filler:
    """The filler of a feature's kind.

    Args:
        most: rows there will be.
        single: keep numbers in float32 where that is as good for training.
        may_be_empty: as of `Truths`.
    """
    if column.kind == "numeric":
        return Numbers(column, most, dialect, np.float32 if single and column.fits_float32 else np.float64)
    if column.kind == "date":
        return Dates(column, most, dialect)
    if column.kind == "boolean":
        return Truths(column, most, may_be_empty=may_be_empty)
    return Texts(column, cells.MISSING_CATEGORIES)


def _unfit(name: str, count: int, what: str, example: str) -> str:
    return f"Column {name!r}: {_cells(count)} {what} and {_counts(count)} as missing (e.g. {example})."


def _cells(count: int) -> str:
    return f"{count:,} cell{'s are' if count > 1 else ' is'}"


def _counts(count: int) -> str:
    return "count" if count > 1 else "counts"
