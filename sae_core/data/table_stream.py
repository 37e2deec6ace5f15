"""A table of any length, a few thousand rows at a time, read as `read_table` reads one for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from sae_core.data.column_fillers import Dates, Filler, Texts, feature_filler
from sae_core.data.column_guess import ColumnGuess, GuessedKind, Role
from sae_core.data.dataset import Column
from sae_core.data.dialect import Dialect, FullDialect
from sae_core.data.table_rows import Rows, TextRows
from sae_core.data.table_source import Progress, TableInput, open_source
from sae_core.data.tables import no_such_column, open_rows
from sae_core.errors import DataError, ShapeError


class TableStream:
    """The columns that a model needs, and some more to pass through, in pieces.

    Args:
        source: a path, bytes or an open file: .csv, .tsv, .txt (also .gz) or .parquet, told by content.
        columns: with the kinds that they had in training.
        keep: further columns, read as text.
        name: shown to the user, where the source does not bring one.
        owner: of the columns, for people.

    Raises:
        DataError: the file cannot be used, or a column to keep is not in it.
        ShapeError: a column that the model needs is not in it.
    """

    def __init__(
        self,
        source: TableInput,
        columns: Sequence[Column],
        *,
        keep: Sequence[str] = (),
        name: str | None = None,
        owner: str = "the model was trained on",
    ) -> None:
        opened = open_source(source, name, any_size=True)
        self.name = opened.name
        self._rows: Rows = open_rows(opened, Dialect(), None)
        for wanted in keep:
            if wanted not in self._rows.names:
                raise no_such_column(wanted, list(self._rows.names), self.name)
        missing = [column.name for column in columns if column.name not in self._rows.names]
        if missing:
            listed = ", ".join(map(repr, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise ShapeError(
                f"{self.name} lacks the column{'s' if len(missing) > 1 else ''} {listed} that {owner}. "
                "Give a table with these columns."
            )
        self._columns = [_guess(column.name, column.kind, "feature") for column in columns]
        known = {column.name for column in columns}
        self._columns += [_guess(column, "text", "identifier") for column in keep if column not in known]
        self._unfit: dict[str, int] = {}

    def frames(self, progress: Progress | None = None) -> Iterator[pd.DataFrame]:
        """Pieces with the columns asked for, index 0.. within each.

        Args:
            progress: called with a fraction 0..1 and what is being done; may raise to stop.
        """
        self._unfit = {}
        dialect = self._rows.dialect if isinstance(self._rows, TextRows) else FullDialect()
        date_formats: dict[str, str | None] = {}
        report = None if progress is None else (lambda fraction: progress(fraction, "Encoding the rows"))
        for batch in self._rows.batches(report):
            values = dict(zip(self._rows.names, batch, strict=True))
            n = next((len(column) for column in batch if column is not None), 0)
            parts = {}
            for column in self._columns:
                filler = _filler(column, n, dialect)
                if isinstance(filler, Dates) and date_formats.get(column.name):
                    filler.date_format = date_formats[column.name]
                filler.add(_cells(column.name, values[column.name]), 0, n)
                if isinstance(filler, Dates):
                    date_formats[column.name] = filler.date_format
                self._unfit[column.name] = self._unfit.get(column.name, 0) + filler.unfit
                parts[column.name] = filler.result(n)
            yield pd.DataFrame(parts, copy=False)

    def notes(self) -> tuple[str, ...]:
        """Sentences on rows that were changed or left out, and on cells that are not of their column's kind."""
        unfit = tuple(
            f"Column {name!r}: {count:,} cell{'s are' if count > 1 else ' is'} not of its kind and counted as missing."
            for name, count in self._unfit.items()
            if count
        )
        return (*self._rows.problems.notes(), *unfit)


def _filler(column: ColumnGuess, most: int, dialect: FullDialect) -> Filler:
    if column.role == "identifier":
        return Texts(column, frozenset())
    return feature_filler(column, most, dialect, may_be_empty=True)


def _cells(name: str, values: Any) -> Any:
    if values is None:
        raise DataError(f"Column {name!r} holds lists, structures or bytes. Write it as text or numbers.")
    return values


def _guess(name: str, kind: GuessedKind, role: Role) -> ColumnGuess:
    return ColumnGuess(
        name=name,
        role=role,
        kind=kind,
        reason="",
        missing=0,
        unfit=0,
        distinct=0,
        distinct_is_exact=False,
        minimum=None,
        maximum=None,
        frequent=(),
        histogram=(),
        date_format=None,
        can_be_label=False,
        text_bytes=0,
        fits_float32=False,
    )
