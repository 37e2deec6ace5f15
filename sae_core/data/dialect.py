"""How a text table is written: encoding, delimiter, decimal mark, header line. Guessed from its first lines."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sae_core.data.cells import number
from sae_core.errors import DataError

DELIMITERS = (",", ";", "\t", "|", " ", ":", "^", "~", "\x01")
SAMPLE_ROWS = 300
_NUMBER_LIKE = re.compile(r"[-+(]?[$€£]?(\d{1,3}([.,' \u00a0\u202f]\d{3})+|\d*)([.,]\d+)?([eE][-+]?\d+)?[%)€]?")
_GROUP = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_NUMBERS_IN_A_ROW = re.compile(r"[-+]?[\d.,]+([ \t]+([-+]?[\d.,]+|\?))+")


@dataclass(frozen=True)
class Dialect:
    """How a text table is written. What is None is guessed.

    Attributes:
        delimiter: one character between cells; " " means any run of blanks.
        encoding: a name that Python knows, e.g. "utf-8" or "gb18030".
        decimal: "." or ",".
        thousands: mark between groups of three digits: ",", ".", " ", "'" or "" for none.
        header: whether the first line of the table names the columns.
        skip_rows: lines before the table (a title, comments, a `sep=` line).
        quote: '"', "'" or "" for none.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    header: bool | None = None
    skip_rows: int | None = None
    quote: str | None = None


@dataclass(frozen=True)
class FullDialect(Dialect):
    """A `Dialect` with nothing left open."""

    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    header: bool = True
    skip_rows: int = 0
    quote: str = '"'


def check_dialect(dialect: Dialect) -> None:
    """Refuse a dialect that no file can have.

    Raises:
        DataError: the message names the setting.
    """
    problems = {
        "delimiter": dialect.delimiter is not None and (len(dialect.delimiter) != 1 or dialect.delimiter in '\r\n"\0'),
        "decimal": dialect.decimal not in (None, ".", ","),
        "thousands": dialect.thousands not in (None, "", ",", ".", " ", "'", "_"),
        "quote": dialect.quote not in (None, "", '"', "'"),
        "skip_rows": dialect.skip_rows is not None and not 0 <= dialect.skip_rows <= 100_000,
    }
    for name, wrong in problems.items():
        if wrong:
            raise DataError(f"The {name} {getattr(dialect, name)!r} is not possible for a table. Choose another.")
    if dialect.decimal is not None and dialect.decimal == dialect.thousands:
        raise DataError("The decimal mark and the thousands mark cannot be the same. Change one of them.")
    if dialect.encoding is not None:
        try:
            if not codecs.lookup(dialect.encoding)._is_text_encoding:
                raise LookupError
        except (LookupError, ValueError):
            raise DataError(
                f"There is no text encoding {dialect.encoding!r}. Choose e.g. utf-8, latin-1 or gb18030."
            ) from None


def split_lines(lines: list[str], delimiter: str, quote: str) -> list[tuple[int, list[str]]]:
    """(index of its first line, cells) of every row that is not blank; a broken last row is left out."""
    rows: list[tuple[int, list[str]]] = []
    start = 0
    reader = csv.reader(prepared(lines, delimiter), **csv_settings(delimiter, quote))
    try:
        for row in reader:
            if row:
                rows.append((start, row))
            start = reader.line_num
    except csv.Error:
        pass
    return rows


def csv_settings(delimiter: str, quote: str) -> dict[str, Any]:
    """Arguments for Python's csv.reader."""
    settings: dict[str, Any] = {"delimiter": delimiter, "skipinitialspace": delimiter == " "}
    if quote:
        return {**settings, "quotechar": quote, "doublequote": True}
    return {**settings, "quoting": csv.QUOTE_NONE}


def prepared(lines: Any, delimiter: str) -> Any:
    """Lines for csv.reader: with " " as the delimiter, blanks at both ends and tabs do not count as cells."""
    if delimiter != " ":
        return lines
    return (line.replace("\t", " ").strip() + "\n" for line in lines)


def guess_quote(lines: list[str]) -> str:
    text = "".join(lines[:SAMPLE_ROWS])
    if '"' in text:
        return '"'
    single = len(re.findall(r"(?:^|[,;\t| ])'[^'\n]*'(?=$|[,;\t| \r\n])", text, re.MULTILINE))
    return "'" if single >= 3 and 2 * single >= 0.9 * text.count("'") else '"'


def guess_delimiter(lines: list[str], quote: str) -> str:
    """The candidate that splits the lines most evenly into plausible cells; "," where none splits them at all."""
    sample = lines[:SAMPLE_ROWS]
    best, best_score = ",", 0.0
    even: dict[str, bool] = {}
    for rank, delimiter in enumerate(DELIMITERS):
        if sum(delimiter in line or (delimiter == " " and "\t" in line) for line in sample) < max(1, len(sample) // 4):
            continue
        rows = split_lines(sample, delimiter, quote)
        if delimiter == " " and not _has_numbers(rows):
            continue  # names and sentences are not tables
        if delimiter == ":" and any(re.search(r"\d:\d\d", line) for line in sample):
            continue  # times of day
        even[delimiter] = len({len(row) for _, row in rows}) == 1
        score = _evenness(rows, delimiter) * (1 - 0.01 * rank) * (0.8 if delimiter in " :" else 1.0)
        if delimiter == " " and even[" "] and best == "\t" and not even["\t"]:
            return " "  # columns aligned by several tabs
        if score > best_score + 1e-9:
            best, best_score = delimiter, score
    return best


def _has_numbers(rows: list[tuple[int, list[str]]]) -> bool:
    cells = [cell for _, row in rows[1:] for cell in row]
    return 3 * sum(number(cell) is not None or number(cell, ",") is not None for cell in cells) >= len(cells) > 0


def _evenness(rows: list[tuple[int, list[str]]], delimiter: str) -> float:
    widths = Counter(len(row) for _, row in rows if any(cell.strip() for cell in row))
    wide = {width: count for width, count in widths.items() if width > 1}
    if not wide:
        return 0.0
    width, count = max(wide.items(), key=lambda item: (item[1], item[0]))
    share = (count + 0.5 * sum(n for w, n in wide.items() if abs(w - width) == 1)) / sum(widths.values())
    others = [mark for mark in (",", ";", "\t", "|") if mark != delimiter]
    cells = [cell for _, row in rows if len(row) == width for cell in row][:5000]
    clean = sum(_is_clean(cell, others, delimiter != " ") for cell in cells) / max(1, len(cells))
    return min(1.0, share) * (0.3 + 0.7 * clean) * (1 + 0.001 * min(width, 20))


def _is_clean(cell: str, others: list[str], blanks: bool) -> bool:
    """Whether a cell looks like one value: no other delimiter in it, unless as a decimal mark or in a sentence."""
    cell = cell.strip()
    if _NUMBER_LIKE.fullmatch(cell):
        return True
    if blanks and _NUMBERS_IN_A_ROW.fullmatch(cell):
        return False
    return not any(mark in cell for mark in others) or re.search(r", \w", cell) is not None


def guess_marks(data: list[list[str]], delimiter: str, given: Dialect) -> tuple[str, str]:
    """Decimal and thousands mark."""
    cells = [cell.strip().strip("+-$€£% ()") for row in data[:SAMPLE_ROWS] for cell in row]
    points = [cell for cell in cells if re.fullmatch(r"\d*\.\d+([eE][+-]?\d+)?", cell)]
    commas = [cell for cell in cells if re.fullmatch(r"\d*,\d+([eE][+-]?\d+)?", cell)]
    mixed_comma = [cell for cell in cells if re.fullmatch(r"\d{1,3}([. '\u00a0\u202f]\d{3})+,\d+", cell)]
    mixed_point = [cell for cell in cells if re.fullmatch(r"\d{1,3}([,' \u00a0\u202f]\d{3})+\.\d+", cell)]
    grouped = [cell for cell in commas if re.fullmatch(r"[1-9]\d{0,2},\d{3}", cell)]
    decimal = given.decimal
    if decimal is None:
        decisive = len(commas) - len(grouped) + len(mixed_comma)
        if delimiter == ",":
            decimal = "," if decisive > 0 and not points and not mixed_point and decisive > 0.5 * len(commas) else "."
        else:
            plain_points = sum(not _GROUP.fullmatch(cell) for cell in points)
            decimal = (
                ","
                if decisive > plain_points + len(mixed_point) or (delimiter == ";" and commas and not points)
                else "."
            )
    if given.thousands is not None:
        return decimal, given.thousands
    other = "," if decimal == "." else "."
    group = re.compile(rf"[1-9]\d{{0,2}}(([{re.escape(other)}' \u00a0\u202f])\d{{3}})+({re.escape(decimal)}\d+)?")
    marks: Counter[str] = Counter()
    for cell in cells:
        if match := group.fullmatch(cell):
            # A single point in a table of decimal commas may still be a decimal point: 1.234
            marks[" " if match[2] in " \u00a0\u202f" else match[2]] += 1
    if (
        decimal == ","
        and marks["."]
        and not any(cell.count(".") > 1 or cell in mixed_comma for cell in cells)
        and _points_are_no_groups(points)
    ):
        del marks["."]
    return decimal, marks.most_common(1)[0][0] if marks else ""


def _points_are_no_groups(points: list[str]) -> bool:
    """Whether some numbers with a point cannot be thousands: 0.5, 12.25."""
    return any(not _GROUP.fullmatch(cell) for cell in points)
