"""Where in a text file the table begins, what its columns are called, and how many there are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sae_core.data.cells import MISSING_WORDS, guess_date_format, number
from sae_core.data.dialect import (
    SAMPLE_ROWS,
    Dialect,
    FullDialect,
    guess_delimiter,
    guess_marks,
    guess_quote,
    split_lines,
)
from sae_core.errors import UnreadableFileError

_NO_TABLE = "The file holds no lines of a table. Choose a file with a header line and some rows."
_SAMPLE_CELLS = 50_000  # looked at in wide tables
_COMMENTS = ("#", "%", "//")
_ORANGE_TYPES = frozenset(["c", "d", "s", "t", "continuous", "discrete", "string", "time", ""])
_ORANGE_FLAGS = frozenset(["class", "meta", "ignore", "weight", "c", "m", "i", "w", ""])

Row = list[str]
NumberedRows = Sequence[tuple[int, Row]]


@dataclass(frozen=True)
class Layout:
    """What the first lines tell about a text table.

    Attributes:
        dialect: complete.
        header: the header's cells as written; empty without a header.
        width: cells of a row.
        row_names: rows have one cell more than the header: their first is the row's name.
        notes: what was noticed, for people.
        extra_header_rows: further rows of the header (the types and flags of an Orange file), which are left out.
    """

    dialect: FullDialect
    header: tuple[str, ...]
    width: int
    row_names: bool
    notes: tuple[str, ...]
    extra_header_rows: int = 0


def guess_layout(lines: list[str], encoding: str, given: Dialect) -> Layout:
    """Recognise how a table is written from its first lines.

    Args:
        lines: with their line ends, as many as were read from the file's start.
        encoding: of the file.
        given: what the user decided; the rest is guessed.

    Raises:
        UnreadableFileError: there is no line that could be a table's.
    """
    separator = _separator_line(lines[0]) if lines else None
    skip = given.skip_rows if given.skip_rows is not None else int(separator is not None)
    body = lines[skip:]
    if not any(line.strip() for line in body):
        raise UnreadableFileError(_NO_TABLE)
    quote = given.quote if given.quote is not None else guess_quote(body)
    delimiter = given.delimiter or separator or guess_delimiter(body, quote)
    rows = split_lines(body, delimiter, quote)
    if given.skip_rows is None:
        first = first_table_row(rows)
        skip += rows[first][0] if first < len(rows) else 0
        rows = rows[first:]
    cells = [row for _, row in rows if any(cell.strip() for cell in row)]
    if not cells:
        raise UnreadableFileError(_NO_TABLE)
    has_header = given.header if given.header is not None else guess_header(cells, lines[skip:], delimiter)
    header = cells[0] if has_header else []
    extra = 2 if has_header and is_orange(cells) else 0
    data = cells[int(has_header) + extra :]
    width, row_names = _width(header, data, has_header)
    decimal, thousands = guess_marks(data[: _sample_size(data)], delimiter, given)
    dialect = FullDialect(delimiter, encoding, decimal, thousands, has_header, skip, quote)
    notes = []
    above = 0 if given.skip_rows is not None else skip - (separator is not None)
    if above:
        notes.append(
            "The first line is not part of the table: left out."
            if skip == 1
            else f"The first {skip} lines are not part of the table: left out."
        )
    if not has_header and given.header is None:
        notes.append("The first line holds values, not names: columns are named after their position.")
    if extra:
        notes.append("The two lines of types and flags below the header (Orange) are left out.")
    return Layout(dialect, tuple(header), width, row_names, tuple(notes), extra)


def _separator_line(line: str) -> str | None:
    """The delimiter that Excel's first line `sep=;` names."""
    match = re.fullmatch(r'\ufeff?"?sep=(.)"?', line.strip("\r\n"))
    return match[1] if match else None


def first_table_row(rows: NumberedRows) -> int:
    """Position of the row where the table begins: lines before it are narrower, or comments."""
    widths = Counter(len(row) for _, row in rows if any(cell.strip() for cell in row))
    if not widths:
        return 0
    usual = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))[0]
    return next((at for at in range(min(len(rows), 200)) if _begins_table(rows, at, usual)), 0)


def _begins_table(rows: NumberedRows, at: int, usual: int) -> bool:
    """Whether the row at a position is the table's first, where rows usually have `usual` cells."""
    row = rows[at][1]
    filled = _filled(row)
    is_comment = "".join(row).strip().startswith(_COMMENTS)
    if filled == 0 or (is_comment and (len(row) != usual or usual == 1)):
        return False
    if usual == 1:
        return True
    if len(row) >= usual and (filled > 1 or usual == 2 or len(rows) == at + 1) and not _is_title(row, rows[at + 1 :]):
        return True
    after = [len(later) for _, later in rows[at + 1 : at + 4]]
    if not after:
        return False
    if len(row) == usual - 1 and all(width == usual for width in after) and (usual > 2 or at == 0):
        return True  # rows have a name that the header does not count
    return all(abs(width - usual) <= 1 for width in after) and filled >= max(2.0, 0.6 * usual)


def _filled(row: Row) -> int:
    """Cells up to the last that is not empty."""
    return max((at + 1 for at, cell in enumerate(row) if cell.strip()), default=0)


def _is_title(row: Row, later: NumberedRows) -> bool:
    """A title that a spreadsheet padded with empty cells: one filled cell above rows with several."""
    filled = sum(bool(cell.strip()) for cell in row)
    below = [sum(bool(cell.strip()) for cell in cells) for _, cells in later[:5]]
    return filled == 1 and len(row) > 2 and bool(below) and min(below) > 1


def guess_header(rows: Sequence[Row], lines: Sequence[str] = (), delimiter: str = ",") -> bool:
    """Whether the first of some rows names the columns rather than holding values like those below it.

    Args:
        rows: from the table's first on.
        lines: the same as text, to see which cells are quoted.
    """
    first, body = rows[0], rows[1 : _sample_size(rows)]
    names = [cell.strip() for cell in first]
    longer = sum(len(row) == len(first) + 1 for row in body) > len(body) / 2 and not _all_end_empty(body)
    if longer or not body:
        return not all(_is_value(name) for name in names if name) or not any(names)
    if _only_header_is_quoted(lines, len(first), delimiter):
        return True
    if _counts_up(names, body):
        return True
    evidence = sum(_evidence(name, at, body) for at, name in enumerate(names))
    return evidence > 0 or (evidence == 0 and not any(_is_value(name) for name in names if name))


def _evidence(name: str, at: int, body: Sequence[Row]) -> float:
    """How much the first cell of a column looks like a name (above 0) or like one more value (below)."""
    column = [row[at].strip() for row in body if at < len(row) and row[at].strip()]
    if not column:
        return 0.0
    if not name:
        return 0.5 if at == 0 else -0.2
    if sum(_is_value(cell) for cell in column) > 0.8 * len(column):
        return -1.0 if _is_value(name) else 1.0
    if name in column:
        return -0.7
    return 0.5 if len(set(column)) < len(column) else 0.1


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    if number(cell) is not None or number(cell, ",", ".") is not None or cell.lower() in MISSING_WORDS:
        return True
    return bool(re.match(r"\d", cell)) and len(cell) < 32 and guess_date_format([cell]) is not None


def _only_header_is_quoted(lines: Sequence[str], width: int, delimiter: str) -> bool:
    """All cells of the first line are in quotes, and few of the next lines: as R writes its tables."""
    filled = [line for line in lines[:20] if line.strip()]
    if len(filled) < 2 or delimiter not in filled[0]:
        return False
    quotes = [line.count('"') for line in filled]
    return quotes[0] == 2 * width and max(quotes[1:]) < 2 * width


def _counts_up(names: Sequence[str], body: Sequence[Row]) -> bool:
    """Names that are 0, 1, 2 ..., or words and then 1940, 1945, 1950 ...: a header of numbers.

    Values that happen to count up are found again below; such names are not.
    """
    words = next((at for at, name in enumerate(names) if number(name) is not None), len(names))
    values = [number(name) for name in names[words:]]
    if len(values) < (3 if words else 4) or any(value is None for value in values):
        return False
    steps = {round(b - a, 6) for a, b in pairwise(values) if a is not None and b is not None}
    if len(steps) > 1 or min(steps) <= 0 or (not words and (steps != {1} or values[0] not in (0, 1))):
        return False
    again = sum(any(row[at].strip() == names[at] for row in body if at < len(row)) for at in range(words, len(names)))
    return again <= 0.2 * len(values)


def is_orange(rows: Sequence[Row]) -> bool:
    """Whether the second and third row are the types and flags that Orange writes below the names."""
    if len(rows) < 3:
        return False
    types, flags = ([cell.strip() for cell in row] for row in rows[1:3])
    if not any(types) or not all(flag in _ORANGE_FLAGS or flag.startswith("-") for flag in flags):
        return False
    return sum(kind in _ORANGE_TYPES for kind in types) >= 0.5 * len(types) and any(
        kind in ("class", "c") for kind in flags
    )


def _all_end_empty(rows: Sequence[Row]) -> bool:
    return all(not row[-1].strip() for row in rows if row)


def _sample_size(rows: Sequence[Row]) -> int:
    """Rows to look at: fewer of a wide table."""
    return min(SAMPLE_ROWS, max(10, _SAMPLE_CELLS // max(1, len(rows[0])))) if rows else 0


def _width(header: list[str], data: list[list[str]], has_header: bool) -> tuple[int, bool]:
    """Cells of a row, and whether rows carry a name that the header does not count."""
    widths = Counter(len(row) for row in data)
    if not widths:
        return len(header), False
    usual = max(widths.items(), key=lambda item: (item[1], item[0]))[0]
    if not has_header:
        return usual, False
    longer = [row for row in data if len(row) == len(header) + 1]
    if usual == len(header) + 1 and len(longer) == len(data) and not _all_end_empty(longer):
        return usual, True
    named = len(header) - next((at for at, cell in enumerate(reversed(header)) if cell.strip()), 0)
    if usual < len(header) and usual >= named:
        return usual, False  # the header line ends in delimiters that the rows do not have
    return len(header), False
