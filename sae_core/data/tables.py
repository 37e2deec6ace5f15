"""Tables that people have: look at one first (`inspect_table`), correct what was guessed, read it (`read_table`)."""

from __future__ import annotations

import dataclasses
import difflib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sae_core.data.column_guess import ColumnGuess, GuessedKind, Role, guess_column, guess_label
from sae_core.data.columns import ColumnSummary
from sae_core.data.dataset import Dataset
from sae_core.data.dialect import Dialect, FullDialect, check_dialect
from sae_core.data.encodings import guess_encoding
from sae_core.data.layout import guess_layout
from sae_core.data.parquet_rows import ParquetRows
from sae_core.data.table_load import load
from sae_core.data.table_rows import (
    RowProblem,
    Rows,
    TextRows,
    UnclosedQuoteError,
    bounded_lines,
    refuse_too_many_columns,
    refuse_wide_lines,
)
from sae_core.data.table_source import Progress, TableInput, TableSource, open_source, scan
from sae_core.errors import DataError, UnreadableFileError
from sae_core.limits import MEGABYTE

PREVIEW_ROWS = 50
_HEAD_BYTES = MEGABYTE
_HEAD_LINES = 1000


@dataclass(frozen=True, eq=False)
class TableGuess:
    """A table as it was understood, before anything is read for good.

    Attributes:
        name: of the file.
        rows: rows with at least one value.
        dialect: how the text is written, complete; None for Parquet.
        columns: one guess for each column, in the file's order.
        label_guess: the column that looks like the label; it is used only when it is asked for.
        preview: the first rows as text, missing cells empty.
        problems: the first rows that were changed or left out.
        notes: sentences on what was noticed, and how many rows were changed or left out.
        source_size: bytes of the file.
    """

    name: str
    rows: int
    dialect: FullDialect | None
    columns: tuple[ColumnGuess, ...]
    label_guess: str | None
    preview: pd.DataFrame
    problems: tuple[RowProblem, ...]
    notes: tuple[str, ...]
    source_size: int

    def column(self, name: str) -> ColumnGuess:
        """The guess for one column.

        Raises:
            DataError: there is no such column; the message offers the nearest name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise no_such_column(name, [column.name for column in self.columns], self.name)


@dataclass(frozen=True)
class TableOptions:
    """What the user decided about a table. Columns that are not named keep what was guessed.

    Attributes:
        dialect: how the text is written; what is None in it is guessed.
        roles: column -> "feature", "label", "ignore" or "identifier".
        kinds: column -> "numeric", "category", "date" or "boolean".
        guess: what `inspect_table` found in the same file with the same dialect, so that it is not looked through
            again.
    """

    dialect: Dialect | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    kinds: Mapping[str, GuessedKind] = field(default_factory=dict)
    guess: TableGuess | None = None


def inspect_table(
    source: TableInput,
    *,
    name: str | None = None,
    dialect: Dialect | None = None,
    any_size: bool = False,
    progress: Progress | None = None,
) -> TableGuess:
    """Look through a table and tell what it seems to hold, in memory that does not grow with the rows.

    Args:
        source: a path, bytes or an open file: .csv, .tsv, .txt (also .gz) or .parquet, told by content.
        name: shown to the user, where the source does not bring one.
        dialect: how the text is written; what is None in it is guessed.
        any_size: also a table that `read_table` refuses because of its size.
        progress: called with a fraction 0..1 and what is being done; may raise to stop.

    Raises:
        DataError: the file cannot be used; the message says why and what to do.
    """
    opened = open_source(source, name, any_size=any_size)
    return _inspect(opened, dialect or Dialect(), {}, progress)[1]


def read_table(
    source: TableInput,
    *,
    label: str | None = None,
    name: str | None = None,
    options: TableOptions | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a table.

    Args:
        source: a path, bytes or an open file: .csv, .tsv, .txt (also .gz) or .parquet, told by content.
        label: the column that holds the classes, kept as they are written; None: no label, unless `options` has one.
        name: shown to the user, where the source does not bring one.
        options: what was decided after `inspect_table`.
        progress: called with a fraction 0..1 and what is being done; may raise to stop.

    Returns:
        A data set of kind "table": numeric columns float64 (in very large tables float32 where that is as good),
        categories str, dates datetime64[us], booleans nullable. Ignored and identifier columns are in `identifiers`,
        as text.

    Raises:
        DataError: the file cannot be used; the message says why and what to do.

    >>> data = read_table(b"height,colour\\n1.5,red\\n2.5,blue\\n", label="colour")
    >>> data.y.tolist(), data.feature_names
    (['red', 'blue'], ('height',))
    """
    options = options or TableOptions()
    opened = open_source(source, name)
    rows, known = _known(opened, options) or _inspect(
        opened, options.dialect or Dialect(), options.kinds, _part(progress, 0.0, 0.5)
    )
    names = [column.name for column in known.columns]
    for wanted in (*options.roles, *options.kinds, *([label] if label is not None else [])):
        if wanted not in names:
            raise no_such_column(str(wanted), names, known.name)
    label = _label(label, options.roles)
    columns = [_decide(column, options, label) for column in known.columns]
    return load(rows, known.rows, columns, known.name, known.notes, _part(progress, 0.5, 1.0))


def _known(source: TableSource, options: TableOptions) -> tuple[Rows, TableGuess] | None:
    """The table opened as it was looked through before, if that was the same file and the same dialect."""
    guess, given = options.guess, options.dialect or Dialect()
    if guess is None or guess.source_size != source.size or (guess.dialect is None) != source.is_parquet:
        return None
    if guess.dialect is not None:
        settings = dataclasses.asdict(given).items()
        if any(value is not None and value != getattr(guess.dialect, key) for key, value in settings):
            return None
    rows = open_rows(source, guess.dialect or Dialect(), None)
    return (rows, guess) if rows.names == tuple(column.name for column in guess.columns) else None


def _label(label: str | None, roles: Mapping[str, Role]) -> str | None:
    chosen = [column for column, role in roles.items() if role == "label"]
    if len(chosen) > 1:
        raise DataError(
            f"{len(chosen)} columns have the role label: {', '.join(map(repr, chosen[:5]))}. Choose one of them."
        )
    if label is not None and chosen and chosen[0] != label:
        raise DataError(
            f"label={label!r} was asked for, but the column {chosen[0]!r} has the role label. Choose one of them."
        )
    return label if label is not None else (chosen[0] if chosen else None)


def _decide(column: ColumnGuess, options: TableOptions, label: str | None) -> ColumnGuess:
    role: Role = options.roles.get(column.name, column.role)
    if column.name == label:
        role = "label"
    kind = options.kinds.get(column.name, column.kind)
    if role == "feature" and kind == "text":
        if column.name in options.kinds:
            raise DataError(
                f"Column {column.name!r}: free text cannot be a feature. "
                "Choose the kind category, or ignore the column."
            )
        kind = "category"
    if role not in ("feature", "label", "ignore", "identifier") or kind not in (
        "numeric",
        "category",
        "date",
        "boolean",
        "text",
    ):
        raise DataError(
            f"Column {column.name!r} cannot have the role {role!r} and the kind {kind!r}. Choose one of those offered."
        )
    changed = column.name in options.roles and role != column.role
    return dataclasses.replace(column, role=role, kind=kind, reason="was chosen" if changed else column.reason)


def no_such_column(name: str, names: list[str], table: str) -> DataError:
    """The error for a column that a table does not have, with the nearest name."""
    near = difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=1, cutoff=0.6)
    match = next((other for other in names if near and other.lower() == near[0]), None)
    listed = ", ".join(repr(other) for other in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    hint = f"Did you mean {match!r}?" if match is not None else f"Choose one of its columns: {listed}."
    return DataError(f"{table} has no column {name!r}. {hint}")


def _inspect(
    source: TableSource, given: Dialect, kinds: Mapping[str, GuessedKind], progress: Progress | None
) -> tuple[Rows, TableGuess]:
    rows = open_rows(source, given, _part(progress, 0.0, 0.1))
    try:
        return rows, _look_through(rows, source, kinds, _part(progress, 0.1, 1.0))
    except UnclosedQuoteError:
        if given.quote is not None or not isinstance(rows, TextRows):
            raise
        plain = open_rows(source, dataclasses.replace(given, quote=""), None)
        guess = _look_through(plain, source, kinds, _part(progress, 0.1, 1.0))
        odd = sum(guess_count for what, guess_count in plain.problems.counts.items() if what != "blank")
        if odd > 0.05 * guess.rows:
            raise
        note = "A quote mark is never closed, so quote marks are taken as ordinary characters."
        return plain, dataclasses.replace(guess, notes=(note, *guess.notes))


def open_rows(source: TableSource, given: Dialect, progress: Progress | None) -> Rows:
    """Open a table: recognise how it is written and what its columns are called."""
    if source.is_parquet:
        return ParquetRows(source)
    check_dialect(given)
    found = scan(source, progress)
    if found.size == 0:
        raise UnreadableFileError(f"{source.name} is empty. Choose a file with a header line and some rows.")
    head = source.head(_HEAD_BYTES)
    encoding = given.encoding or guess_encoding(head, found)
    if found.nul_line is not None and not encoding.startswith(("utf-16", "utf-32")):
        raise UnreadableFileError(
            f"{source.name} has a NUL byte in line {found.nul_line:,}: it is damaged, or not text. "
            "Export it again as CSV (UTF-8)."
        )
    lines = _head_lines(source, encoding)
    refuse_wide_lines(source.name, lines, given)
    try:
        layout = guess_layout(lines, encoding, given)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{source.name}: {error}") from None
    refuse_too_many_columns(source.name, [*layout.header, *[""] * (layout.width - len(layout.header))])
    return TextRows(source, layout, found)


def _head_lines(source: TableSource, encoding: str) -> list[str]:
    lines: list[str] = []
    size = 0
    with source.open() as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        try:
            for line in bounded_lines(text, source.name):
                lines.append(line)
                size += len(line)
                if len(lines) >= _HEAD_LINES or size > _HEAD_BYTES:
                    break
        except UnicodeError as error:
            raise UnreadableFileError(
                f"{source.name} is not {encoding} text ({error}). Choose another encoding."
            ) from None
        finally:
            text.detach()
    return lines


def _look_through(
    rows: Rows, source: TableSource, kinds: Mapping[str, GuessedKind], progress: Progress | None
) -> TableGuess:
    dialect = rows.dialect if isinstance(rows, TextRows) else FullDialect()
    day_first = dialect.delimiter == ";" or dialect.decimal == ","
    n_columns = len(rows.names)
    found = [ColumnSummary(name, dialect, n_columns, day_first) for name in rows.names]
    total = 0
    preview: list[list[str]] = [[] for _ in rows.names]
    for batch in rows.batches(_fraction(progress, "Looking through the columns")):
        n = next((len(values) for values in batch if values is not None), 0)
        for column, values in zip(found, batch, strict=True):
            column.feed(values, n)
        if total < PREVIEW_ROWS:
            for shown, values in zip(preview, batch, strict=True):
                shown += _as_text(values, min(n, PREVIEW_ROWS - total))
        total += n
    if not total:
        raise UnreadableFileError(
            f"{source.name} has a header line but no rows with values. Choose a file that has rows."
            if dialect.header
            else f"{source.name} has no rows with values. Choose a file that has rows."
        )
    columns = tuple(guess_column(column, at, n_columns, kinds.get(column.name)) for at, column in enumerate(found))
    frame = pd.DataFrame(dict(zip(rows.names, preview, strict=True)), dtype="str")
    return TableGuess(
        name=source.name, rows=total, dialect=dialect if isinstance(rows, TextRows) else None, columns=columns,
        label_guess=guess_label(columns, total, dialect.header), preview=frame, problems=tuple(rows.problems.first),
        notes=(*rows.notes, *rows.problems.notes()), source_size=source.size,
    )  # fmt: skip


def _as_text(values: Any, n: int) -> list[str]:
    """The first n cells as text for people."""
    import pyarrow as pa

    if values is None:
        return ["…"] * n
    return ["" if cell is None else cell for cell in values.slice(0, n).cast(pa.string()).to_pylist()]


def _part(progress: Progress | None, start: float, stop: float) -> Progress | None:
    """A progress callback for a part of the whole."""
    if progress is None:
        return None
    return lambda fraction, text: progress(start + (stop - start) * fraction, text)


def _fraction(progress: Progress | None, text: str) -> Callable[[float], None] | None:
    return None if progress is None else (lambda fraction: progress(fraction, text))


__all__ = [
    "ColumnGuess", "Dialect", "RowProblem", "TableGuess", "TableOptions", "inspect_table", "read_table",
]  # fmt: skip
