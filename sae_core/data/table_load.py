"""The second pass over a table: every column into its final form, filled batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data import cells
from sae_core.data.column_guess import ColumnGuess
from sae_core.data.dataset import Column, Dataset
from sae_core.data.dialect import FullDialect
from sae_core.data.table_rows import Rows, TextRows
from sae_core.data.table_source import Progress
from sae_core.errors import DataError, LabelError, TooLargeError
from sae_core.limits import (
    LARGEST_NUMBER,
    MAX_CLASSES,
    MAX_IDENTIFIER_BYTES,
    MAX_PREPARED_BYTES,
    MEGABYTE,
)

# Above this size of its float64 columns a table is kept in float32 where that is as good for training.
_EXACT_BYTES = 128 * MEGABYTE


class _Filler:
    """One column of the result, filled batch by batch."""

    def __init__(self, column: ColumnGuess) -> None:
        self.column = column
        self.unfit = 0
        self.example = ""

    def add(self, values: Any, start: int, n: int) -> None:
        raise NotImplementedError

    def result(self, n: int) -> Any:
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


class _Numbers(_Filler):
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


class _Dates(_Filler):
    def __init__(self, column: ColumnGuess, most: int, dialect: FullDialect) -> None:
        super().__init__(column)
        self._values = np.empty(most, dtype="datetime64[us]")
        self._format = column.date_format
        self._day_first = dialect.delimiter == ";" or dialect.decimal == ","

    def add(self, values: Any, start: int, n: int) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_timestamp(values.type):
            self._values[start : start + n] = values.to_numpy(zero_copy_only=False)
            return
        values = values.cast(pa.string())
        if not self._format:
            words = pc.unique(values).drop_null().to_pylist()
            if not words:
                self._values[start : start + n] = np.datetime64("NaT")
                return
            self._format = cells.guess_date_format(words, day_first=self._day_first, allow_compact=True)
            if self._format is None:
                raise DataError(
                    f"Column {self.column.name!r} cannot be read as dates: {words[0][:40]!r} is in no format that is "
                    "known. Write dates as 2024-05-31, or choose another kind."
                )
        stamps, bad = cells.parse_dates(values, self._format)
        self._count(values, bad, start)
        self._values[start : start + n] = stamps

    def result(self, n: int) -> Any:
        return self._values[:n]

    def notes(self) -> list[str]:
        return [_unfit(self.column.name, self.unfit, "not a date", self.example)] if self.unfit else []


class _Truths(_Filler):
    def __init__(self, column: ColumnGuess, most: int) -> None:
        super().__init__(column)
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
        if n and (values < 0).all():
            raise DataError(
                f"Column {self.column.name!r} holds neither true and false nor yes and no. Choose another kind."
            )
        return pd.arrays.BooleanArray(values == 1, values < 0)

    def notes(self) -> list[str]:
        return [_unfit(self.column.name, self.unfit, "neither true nor false", self.example)] if self.unfit else []


class _Texts(_Filler):
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


def load(
    rows: Rows,
    n_rows: int,
    columns: Sequence[ColumnGuess],
    name: str,
    notes: tuple[str, ...],
    progress: Progress | None,
) -> Dataset:
    """Read the rows into a data set.

    Args:
        n_rows: as counted by the first pass.
        columns: role and kind decided; at most one with the role label.

    Raises:
        DataError: a column cannot be read as its kind, or nothing is left to learn from.
    """
    features = [column for column in columns if column.role == "feature"]
    label = next((column for column in columns if column.role == "label"), None)
    _check_features(features, columns, n_rows, name)
    if label is not None:
        _check_label(label)
    dialect = rows.dialect if isinstance(rows, TextRows) else FullDialect()
    kept, too_large = _affordable([column for column in columns if column.role in ("identifier", "ignore")])
    single = n_rows * 8 * sum(column.kind == "numeric" for column in features) > _EXACT_BYTES
    fillers = {column.name: _feature_filler(column, n_rows, dialect, single) for column in features}
    fillers |= {column.name: _Texts(column, frozenset()) for column in kept}
    label_filler = None if label is None else _Texts(label, frozenset())
    _fill(
        rows, n_rows, fillers if label_filler is None else {**fillers, label_filler.column.name: label_filler}, progress
    )
    labels = None if label_filler is None else label_filler.labels()
    all_notes = [*notes, *(note for filler in fillers.values() for note in filler.notes())]
    all_notes += _role_notes(columns, label, labels, too_large)
    if single and any(column.kind == "numeric" and column.fits_float32 for column in features):
        all_notes.append(
            "The table is large: its numbers are kept in single precision (about 7 digits), as training uses them."
        )
    return Dataset(
        name=name,
        kind="table",
        features=_frame(fillers, features, n_rows),
        labels=labels,
        columns=tuple(Column(column.name, column.kind) for column in features if column.kind != "text"),
        identifiers=_frame(fillers, kept, n_rows) if kept else None,
        label_name=label.name if label is not None else "label",
        notes=tuple(all_notes),
    )


def _frame(fillers: dict[str, _Filler], columns: Sequence[ColumnGuess], n: int) -> pd.DataFrame:
    """The results of some fillers, which are let go one by one: nothing is held twice."""
    return pd.DataFrame({column.name: fillers.pop(column.name).result(n) for column in columns}, copy=False)


def _check_features(features: list[ColumnGuess], columns: Sequence[ColumnGuess], n_rows: int, name: str) -> None:
    if not features:
        reasons = ", ".join(f"{column.name!r} {column.reason}" for column in columns[:5] if column.reason)
        raise DataError(
            f"{name} has no feature columns left: {reasons or 'none was chosen'}. "
            "Give at least one column the role feature."
        )
    if len(features) * n_rows * 4 > MAX_PREPARED_BYTES:
        raise TooLargeError(
            f"{name} has {n_rows:,} rows of {len(features):,} feature columns, more than the "
            f"{MAX_PREPARED_BYTES // MEGABYTE:,} MB that training keeps in memory. "
            "Ignore some columns, or bring fewer rows."
        )


def _feature_filler(column: ColumnGuess, most: int, dialect: FullDialect, single: bool) -> _Filler:
    if column.kind == "numeric":
        return _Numbers(column, most, dialect, np.float32 if single and column.fits_float32 else np.float64)
    if column.kind == "date":
        return _Dates(column, most, dialect)
    if column.kind == "boolean":
        return _Truths(column, most)
    return _Texts(column, cells.MISSING_CATEGORIES)


def _fill(rows: Rows, most: int, fillers: dict[str, _Filler], progress: Progress | None) -> None:
    report = None if progress is None else (lambda fraction: progress(fraction, "Reading the rows"))
    start = 0
    wanted = [(at, fillers[name]) for at, name in enumerate(rows.names) if name in fillers]
    for batch in rows.batches(report):
        n = next((len(values) for values in batch if values is not None), 0)
        if start + n > most:
            raise DataError("The file changed while it was read. Read it again.")
        for at, filler in wanted:
            values = batch[at]
            if values is None:
                if filler.column.role in ("feature", "label"):
                    raise DataError(
                        f"Column {filler.column.name!r} holds lists, structures or bytes, which cannot be used. "
                        "Ignore it."
                    )
                import pyarrow as pa

                values = pa.nulls(n, pa.string())
            filler.add(values, start, n)
        start += n
    if start != most:
        raise DataError("The file changed while it was read. Read it again.")


def _check_label(label: ColumnGuess) -> None:
    if label.distinct == 0 and not label.frequent:
        raise LabelError(f"The label column {label.name!r} has no values. Choose another label, or none.")
    if label.distinct > MAX_CLASSES:
        raise TooLargeError(
            f"The label {label.name!r} has {'at least ' if not label.distinct_is_exact else ''}{label.distinct:,} "
            f"different values, more than {MAX_CLASSES:,}: it looks like a number or an identifier, not a class. "
            "Choose another label, or none."
        )


def _affordable(columns: list[ColumnGuess]) -> tuple[list[ColumnGuess], list[ColumnGuess]]:
    """The columns that are kept to be shown with a row, identifiers first, and those that are too large for that."""
    kept: list[ColumnGuess] = []
    too_large: list[ColumnGuess] = []
    total = 0
    for column in sorted(columns, key=lambda column: (column.role != "identifier", column.text_bytes)):
        if total + column.text_bytes > MAX_IDENTIFIER_BYTES:
            too_large.append(column)
        else:
            total += column.text_bytes
            kept.append(column)
    return [column for column in columns if column in kept], too_large


def _role_notes(
    columns: Sequence[ColumnGuess],
    label: ColumnGuess | None,
    labels: NDArray[np.object_] | None,
    too_large: list[ColumnGuess],
) -> list[str]:
    notes = []
    for role, text in (("identifier", "Not used as features, shown with each row"), ("ignore", "Ignored")):
        found = [column for column in columns if column.role == role]
        if found:
            listed = "; ".join(f"{column.name!r} {column.reason}".strip() for column in found[:8])
            notes.append(f"{text}: {listed}{f'; and {len(found) - 8} more' if len(found) > 8 else ''}.")
    if too_large:
        notes.append(
            f"Too large to be shown with each row: {', '.join(repr(column.name) for column in too_large[:8])}."
        )
    if label is not None and labels is not None:
        missing = sum(value is None for value in labels.tolist())
        if missing:
            notes.append(
                f"{missing:,} row{'s have' if missing > 1 else ' has'} no label: used by the autoencoders, not by the "
                "classifier."
            )
        if len({value for value in labels.tolist() if value is not None}) == 1:
            notes.append(f"The label {label.name!r} has one value only, so there is nothing to classify.")
    return notes


def _unfit(name: str, count: int, what: str, example: str) -> str:
    return f"Column {name!r}: {_cells(count)} {what} and {_counts(count)} as missing (e.g. {example})."


def _cells(count: int) -> str:
    return f"{count:,} cell{'s are' if count > 1 else ' is'}"


def _counts(count: int) -> str:
    return "count" if count > 1 else "counts"
