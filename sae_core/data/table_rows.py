"""The rows of a text table as batches of columns: fast while they are regular, tolerant from the first odd one on."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from sae_core.data.dialect import DELIMITERS, Dialect, csv_settings, prepared, split_lines
from sae_core.data.fast_rows import IrregularRowError, can_be_fast, fast_batches
from sae_core.data.layout import Layout
from sae_core.data.table_source import Scan, TableSource
from sae_core.errors import TooLargeError, UnreadableFileError
from sae_core.limits import MAX_COLUMN_NAME, MAX_TABLE_CELL, MAX_TABLE_COLUMNS, MAX_TABLE_LINE, MAX_TABLE_ROWS, MEGABYTE

_BATCH_CELLS = 400_000
_LEAST_ROWS = 512  # even of wide tables: less would be slow
_END = "\0end\0"  # follows the last line: where it is no row of its own, a quote was left open
_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class RowProblem:
    """A row that was changed or left out.

    Attributes:
        line: 1-based line of the file where it ends.
        what: "padded" (too few cells), "cut" (further empty cells), "dropped" (too many cells) or "stray" (a single
            cell where the table has several).
        text: how it begins.
    """

    line: int
    what: str
    text: str


@dataclass
class Problems:
    """Rows that were changed or left out while reading: counted all, kept the first."""

    counts: dict[str, int] = field(default_factory=dict)
    first: list[RowProblem] = field(default_factory=list)

    def add(self, what: str, line: int, text: str) -> None:
        """Count one more."""
        self.counts[what] = self.counts.get(what, 0) + 1
        if len(self.first) < _MOST_PROBLEMS:
            self.first.append(RowProblem(line, what, text[:200]))

    def notes(self) -> tuple[str, ...]:
        """Sentences for people."""
        texts = {
            "padded": "{} with fewer cells than the header: the cells that lack count as missing",
            "cut": "{} with further empty cells at the end: these were left out",
            "dropped": "{} with more cells than the header, so that nobody can tell which cell belongs where: left out",
            "stray": "{} with a single cell, such as a footer: left out",
            "blank": "{} without any value: left out",
        }
        notes = []
        for what, text in texts.items():
            if count := self.counts.get(what, 0):
                lines = [str(problem.line) for problem in self.first if problem.what == what][:5]
                where = (
                    f" (line{'s' if len(lines) > 1 else ''} {', '.join(lines)}{', ...' if count > len(lines) else ''})"
                    if lines
                    else ""
                )
                notes.append(text.format(f"{count:,} row{'s' if count > 1 else ''}") + where + ".")
        return tuple(notes)


class Rows(Protocol):
    """A table file, opened: its columns' names and its rows in batches."""

    names: tuple[str, ...]
    notes: tuple[str, ...]
    most_rows: int
    problems: Problems

    def batches(self, progress: Callable[[float], None] | None = None) -> Iterator[list[Any]]:
        """One Arrow array for each column, a few thousand rows at a time, from the start."""
        ...


class UnclosedQuoteError(UnreadableFileError):
    """A quote mark opens a cell that never ends."""


class TextRows:
    """A text table: arrays of strings, trimmed, null where a cell is empty."""

    def __init__(self, source: TableSource, layout: Layout, found: Scan) -> None:
        self.source, self.layout, self.dialect, self.scan = source, layout, layout.dialect, found
        self.names, notes = column_names(layout)
        self.notes = (*layout.notes, *notes, *self._encoding_notes())
        self.most_rows = found.lines
        self.problems = Problems()

    def _encoding_notes(self) -> tuple[str, ...]:
        encoding = self.dialect.encoding
        try:
            if encoding.startswith(("utf-16", "utf-32")) or self.scan.is_ascii:
                return ()
            if not (encoding.startswith("utf-8") and not self.scan.is_utf8):
                # The sample consists of whole lines, cut at 2,048 bytes: its last letters may be cut as well.
                for line in self.scan.odd_sample.split(b"\n"):
                    if len(line) < 2048:
                        line.decode(encoding)
                return ()
        except UnicodeDecodeError:
            pass
        return (f"Some letters are not valid {encoding} and are read as \ufffd.",)

    def batches(self, progress: Callable[[float], None] | None = None) -> Iterator[list[Any]]:
        """One array of strings for each column, a few thousand rows at a time."""
        self.problems = Problems()
        total = 0
        with contextlib.closing(self._raw_batches(progress)) as batches:
            for raw in batches:
                columns = self._without_blank_rows(raw)
                total += len(columns[0])
                if total > MAX_TABLE_ROWS and not self.source.any_size:
                    raise TooLargeError(
                        f"{self.source.name} has more than {MAX_TABLE_ROWS:,} rows, the most that are read. "
                        "Bring fewer."
                    )
                if len(columns[0]):
                    yield columns

    def _raw_batches(self, progress: Callable[[float], None] | None) -> Generator[list[Any], None, None]:
        """Batches with rows that have no value: fast as long as rows are regular, then tolerant from that row on."""
        done = 0
        size = max(1, self.scan.size)
        extra = self.layout.extra_header_rows
        if not extra and can_be_fast(self.dialect, self.scan):
            try:
                with self.source.open() as stream:
                    for columns in fast_batches(stream, self.names, self.dialect, self.scan):
                        yield columns
                        done += len(columns[0])
                        if progress is not None:
                            progress(min(1.0, stream.tell() / size))
                return
            except IrregularRowError:
                pass
        most = max(_LEAST_ROWS, _BATCH_CELLS // len(self.names))
        with self.source.open() as stream:
            rows = itertools.islice(self._rows(stream), extra + done, None)
            while chunk := list(itertools.islice(rows, most)):
                yield [_strings(column) for column in zip(*chunk, strict=True)]
                if progress is not None:
                    progress(min(1.0, stream.tell() / size))

    def _rows(self, stream: IO[bytes]) -> Iterator[list[str]]:
        """Rows of exactly as many cells as there are columns."""
        width, line = len(self.names), 0
        text = io.TextIOWrapper(stream, encoding=self.dialect.encoding, errors="replace", newline="")
        lines = bounded_lines(text, self.source.name)
        skip = self.dialect.skip_rows
        for _ in itertools.islice(lines, skip):
            pass
        dialect = self.dialect
        marked = itertools.chain(lines, ["\n", _END])
        csv.field_size_limit(MAX_TABLE_CELL)  # of the process; other code may have changed it
        reader = csv.reader(prepared(marked, dialect.delimiter), **csv_settings(dialect.delimiter, dialect.quote))
        try:
            header_to_come = dialect.header
            for row in reader:
                if len(row) == width and not row[-1].endswith(_END):
                    if header_to_come:
                        header_to_come = not any(cell.strip() for cell in row)
                    else:
                        yield row
                elif len(row) == 1 and row[0] == _END:
                    return
                elif row:
                    if header_to_come and any(cell.strip() for cell in row):
                        header_to_come = False
                    elif (fitted := self._fitted(row, skip + reader.line_num)) is not None:
                        yield fitted
                line = reader.line_num
        except csv.Error as error:
            if "field larger" in str(error) or "limit" in str(error):
                raise self._unclosed(skip + line + 1, f"is longer than {MAX_TABLE_CELL:,} characters") from None
            raise UnreadableFileError(
                f"{self.source.name} cannot be read near line {skip + line + 1:,} ({error}). Repair that line."
            ) from None
        except UnicodeError as error:
            raise UnreadableFileError(
                f"{self.source.name} is not {dialect.encoding} text ({error}). Choose another encoding."
            ) from None
        finally:
            text.detach()

    def _fitted(self, row: list[str], line: int) -> list[str] | None:
        """A row of another length made to fit, or None: it is left out."""
        width = len(self.names)
        if _END in row[-1]:
            raise self._unclosed(line, "has a quote mark that is never closed")
        if not any(cell.strip() for cell in row):
            self.problems.counts["blank"] = self.problems.counts.get("blank", 0) + 1
            return None
        text = self.dialect.delimiter.join(row)
        if len(row) < width:
            if len(row) == 1 and width > 2:
                self.problems.add("stray", line, text)
                return None
            self.problems.add("padded", line, text)
            return row + [""] * (width - len(row))
        if any(cell.strip() for cell in row[width:]):
            self.problems.add("dropped", line, text)
            return None
        self.problems.add("cut", line, text)
        return row[:width]

    def _unclosed(self, line: int, what: str) -> UnclosedQuoteError:
        return UnclosedQuoteError(
            f"{self.source.name}: a cell that begins near line {line:,} {what}. "
            "Close its quote mark, shorten it, or choose that quotes have no meaning in this file."
        )

    def _without_blank_rows(self, columns: list[Any]) -> list[Any]:
        import pyarrow.compute as pc

        if not columns or not all(column.null_count for column in columns):
            return columns
        filled = pc.is_valid(columns[0])
        for column in columns[1:]:
            filled = pc.or_(filled, pc.is_valid(column))
        blank = len(columns[0]) - (pc.sum(filled).as_py() or 0)
        if blank:
            self.problems.counts["blank"] = self.problems.counts.get("blank", 0) + blank
            return [column.filter(filled) for column in columns]
        return columns


def _strings(cells: tuple[str, ...]) -> Any:
    """Trimmed strings, null where nothing is left."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values = pa.array(cells, pa.string())
    except (pa.ArrowException, UnicodeError):  # lone surrogates
        values = pa.array([cell.encode("utf-8", "replace").decode() for cell in cells], pa.string())
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(values, ""), None, values)


def bounded_lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    """Lines with their ends, the BOM taken off.

    Raises:
        TooLargeError: a line longer than `limits.MAX_TABLE_LINE`.
    """
    first = True
    while line := text.readline(MAX_TABLE_LINE):
        if len(line) >= MAX_TABLE_LINE and line[-1] not in "\r\n":
            raise TooLargeError(
                f"{name} has a line of more than {MAX_TABLE_LINE // MEGABYTE} million characters: it is not a table, "
                "or has no line ends. Choose another file."
            )
        if first:
            line, first = line.removeprefix("\ufeff"), False
        yield line


def column_names(layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A name of its own for each column, and notes on names that were changed."""
    header = list(layout.header)
    if layout.row_names:
        header.insert(0, "row")
    if not layout.dialect.header:
        return tuple(f"column {at + 1}" for at in range(layout.width)), ()
    written = [_shortened(" ".join(cell.split())) for cell in header[: layout.width]]
    names: list[str] = []
    taken = set(written)
    changed = 0
    seen: set[str] = set()
    for at, name in enumerate(written):
        new = name or f"column {at + 1}"
        copy = 2
        while new in seen or (new != name and new in taken):
            new = f"{name or f'column {at + 1}'} ({copy})"
            copy += 1
        changed += bool(name) and new != name
        seen.add(new)
        names.append(new)
    blank = sum(not name for name in written)
    notes = []
    if changed:
        notes.append(
            f"{changed} column name{'s occur' if changed > 1 else ' occurs'} more than once: the later ones were "
            "numbered."
        )
    if blank:
        notes.append(f"{blank} column{'s have' if blank > 1 else ' has'} no name: named after the position.")
    if layout.row_names:
        notes.append("Rows have one cell more than the header: their first cell is taken as the row's name.")
    return tuple(names), tuple(notes)


def refuse_wide_lines(name: str, lines: list[str], given: Dialect) -> None:
    """Refuse a table that is far too wide by a look at its first lines, before they are split into cells.

    Raises:
        TooLargeError: more columns than `limits.MAX_TABLE_COLUMNS`.
    """
    for line in lines[:50]:
        if len(line) <= MAX_TABLE_COLUMNS:
            continue
        delimiter = given.delimiter or max(DELIMITERS, key=lambda mark: line.count(mark) * (0.4 if mark == " " else 1))
        count = line.count(delimiter) + 1
        if count > MAX_TABLE_COLUMNS:
            start = line[: 64 * MAX_TABLE_COLUMNS]
            cells = next((row for _, row in split_lines([start], delimiter, '"')), [])
            if len(cells) > MAX_TABLE_COLUMNS:
                refuse_too_many_columns(name, [cell.strip() for cell in cells], count)


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_COLUMN_NAME else name[: MAX_COLUMN_NAME - 1] + "…"


def refuse_too_many_columns(name: str, names: tuple[str, ...] | list[str], count: int | None = None) -> None:
    """Refuse a table that is too wide, before it is parsed whole.

    Raises:
        TooLargeError: more columns than `limits.MAX_TABLE_COLUMNS`; the message names the first one beyond.
    """
    if len(names) > MAX_TABLE_COLUMNS:
        first = str(names[MAX_TABLE_COLUMNS]) or f"column {MAX_TABLE_COLUMNS + 1}"
        raise TooLargeError(
            f"{name} has {count or len(names):,} columns, more than {MAX_TABLE_COLUMNS:,}: from {first[:60]!r} on "
            "there are too many. Keep the columns that matter and bring the table again."
        )
