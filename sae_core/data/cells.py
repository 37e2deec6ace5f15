"""Cells of a table, from text to numbers, dates and truth values: whole columns at once, as Arrow arrays of strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Words that stand for "no value" in a feature column. Labels keep every word as it is written.
_WORDS = "na n/a #n/a n.a. n.a nan -nan null (null) <na> nat none nil missing ? - -- — . .. ... \\n k.a."
_SPREADSHEET_ERRORS = "#null! #div/0! #value! #ref! #name? #num!"
MISSING_WORDS = frozenset([*_WORDS.split(), *_SPREADSHEET_ERRORS.split(), "not available", "#n/a n/a", "k. a."])
# In a column of categories some of them may be values ("None" pools, "-" ratings): there, these alone are missing.
_NEVER_CATEGORIES = "na n/a #n/a nan null (null) <na> ? \\n"
MISSING_CATEGORIES = frozenset([*_NEVER_CATEGORIES.split(), *_SPREADSHEET_ERRORS.split()])

TRUTHS: tuple[tuple[str, str], ...] = (
    ("true", "false"),
    ("yes", "no"),
    ("t", "f"),
    ("y", "n"),
    ("on", "off"),
    ("wahr", "falsch"),
    ("ja", "nein"),
    ("oui", "non"),
    ("vrai", "faux"),
)

_CURRENCY = "$€£¥₹₽₩₺"
_BLANKS = " \u00a0\u202f\u2009"
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")
_PLAIN_RE2 = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_INFINITE = re.compile(r"[+-]?(inf|infinity|∞)", re.IGNORECASE)
_CODE = re.compile(r"0\d+")

# (form, formats of that form): the first format that fits all cells is taken, day or month first as the caller says.
_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d", "%Y/%d/%m")),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{4}年\d{1,2}月\d{1,2}日", ("%Y年%m月%d日",)),
    (r"\d{4}-\d{2}", ("%Y-%m",)),
    (r"\d{4}/\d{2}", ("%Y/%m",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%m-%d-%Y", "%d-%m-%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%m/%d/%y", "%d/%m/%y")),
    (r"\d{1,2}-\d{1,2}-\d{2}", ("%m-%d-%y", "%d-%m-%y")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
    (r"\d{1,2}-W-\d{4}", ("%d-%b-%Y", "%d-%B-%Y")),
    (r"\d{1,2}-W-\d{2}", ("%d-%b-%y",)),
    (r"\d{1,2} W \d{4}", ("%d %b %Y", "%d %B %Y")),
    (r"\d{1,2}\. W \d{4}", ("%d. %B %Y", "%d. %b %Y")),
    (r"\d{1,2}W\d{4}", ("%d%b%Y",)),
    (r"\d{1,2}/W/\d{4}", ("%d/%b/%Y",)),
    (r"W \d{1,2}, \d{4}", ("%b %d, %Y", "%B %d, %Y")),
    (r"W \d{1,2} \d{4}", ("%b %d %Y", "%B %d %Y")),
    (r"W[- ]\d{4}", ("%b-%Y", "%b %Y", "%B %Y", "%B-%Y")),
    (r"W, \d{1,2} W \d{4}", ("%a, %d %b %Y", "%A, %d %B %Y")),
    (r"W, W \d{1,2}, \d{4}", ("%A, %B %d, %Y", "%a, %b %d, %Y")),
)
_TIMES: tuple[tuple[str, str], ...] = (
    (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"),
    (r"\d{1,2}:\d{2}:\d{2}\.\d{1,6}", "%H:%M:%S.%f"),
    (r"\d{1,2}:\d{2} ?[AaPp]\.?[Mm]\.?", "%I:%M %p"),
    (r"\d{1,2}:\d{2}:\d{2} ?[AaPp][Mm]", "%I:%M:%S %p"),
    (r"\d{1,2}:\d{2}:\d{2} [+-]\d{2}:?\d{2}", "%H:%M:%S %z"),
    (r"\d{1,2}:\d{2}:\d{2} (?:GMT|UTC)", "%H:%M:%S GMT"),
)
_FORMS = tuple((re.compile(form.replace("W", r"[^\W\d_]{3,9}\.?")), formats) for form, formats in _DATES)
_TIME_FORMS = tuple((re.compile(form), time_format) for form, time_format in _TIMES)
_DATE_AND_TIME = re.compile(r"(.*?)((?:,? |T)(?=\d{1,2}:)|$)(.*)", re.DOTALL)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?")
ISO = "ISO8601"
COMPACT = "%Y%m%d"


def number(text: str, decimal: str = ".", thousands: str = "") -> float | None:
    """The number that a cell states, or None.

    Signs (also − and accounting brackets), currency signs and a per cent sign may stand around it: "50%" is 50.

    >>> number("1,234.5", thousands=","), number("(3)"), number("50 %"), number("1_000")
    (1234.5, -3.0, 50.0, None)
    """
    text = text.strip().replace("\u2212", "-")
    if _INFINITE.fullmatch(text):
        return float(text.replace("∞", "inf"))
    if len(text) > 400 or not any(letter.isdecimal() for letter in text):
        return None
    sign = 1.0
    if text[0] == "(" and text[-1] == ")":
        text, sign = text[1:-1], -1.0
    text = text.strip(_CURRENCY + _BLANKS + "%")
    if text[:1] in ("-", "+"):
        rest = text[1:].strip(_CURRENCY + _BLANKS)
        if rest[:1] in ("-", "+"):
            return None
        sign, text = (-sign if text[0] == "-" else sign), rest
    text = _without_thousands(text, decimal, thousands)
    if decimal != "." and text.count(decimal) <= 1 and not ("." in text and decimal in text):
        text = text.replace(decimal, ".")
    if not text.isascii() or not _PLAIN.fullmatch(text):
        return None
    return sign * float(text)


def _without_thousands(text: str, decimal: str, thousands: str) -> str:
    if not thousands:
        return text
    mark = f"[{_BLANKS}]" if thousands == " " else re.escape(thousands)
    head, dot, tail = text.partition(decimal)
    if re.fullmatch(rf"\d{{1,3}}({mark}\d{{3}})+", head) or (
        thousands == "," and re.fullmatch(r"\d{1,2}(,\d\d)+,\d{3}", head)
    ):
        return re.sub(mark, "", head) + dot + tail
    return text


def parse_numbers(values: Any, decimal: str, thousands: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers of a column.

    Args:
        values: (n,) Arrow array of strings, null where a cell is empty.

    Returns:
        (n,) float64, NaN where a cell is missing or no number (infinite cells stay infinite), and (n,) whether the
        cell is neither a number nor a word for "missing".
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if decimal == "." and not thousands:
        try:
            return _as_float(pc.cast(values, pa.float64())), np.zeros(len(values), dtype=np.bool_)
        except pa.ArrowInvalid:
            pass
    simple = _simple(values, decimal, thousands)
    is_simple = pc.fill_null(pc.match_substring_regex(simple, _PLAIN_RE2), False)
    numbers = _as_float(pc.cast(pc.if_else(is_simple, simple, None), pa.float64())).copy()
    bad = np.zeros(len(values), dtype=np.bool_)
    odd = np.flatnonzero(pc.and_(pc.is_valid(values), pc.invert(is_simple)).to_numpy(zero_copy_only=False))
    if len(odd):
        found = map_words(
            values.take(pa.array(odd)), lambda text: _number_or_missing(text, decimal, thousands), None, object
        )
        bad[odd] = [value is None for value in found]
        numbers[odd] = [np.nan if value is None else value for value in found]
    return numbers, bad


def _simple(values: Any, decimal: str, thousands: str) -> Any:
    """Cells as Python writes numbers, where exchanging the marks is enough; others as they are, or null."""
    import pyarrow.compute as pc

    if thousands:
        mark = f"[{_BLANKS}]" if thousands == " " else re.escape(thousands)
        grouped = pc.match_substring_regex(values, rf"^[+-]?\d{{1,3}}({mark}\d{{3}})+({re.escape(decimal)}\d*)?$")
        if pc.any(grouped).as_py():
            values = pc.if_else(grouped, pc.replace_substring_regex(values, mark, ""), values)
    if decimal != ".":
        # "1.5" among decimal commas is left to `number`, which knows whether the point may be a thousands mark.
        values = pc.if_else(pc.match_substring(values, "."), None, pc.replace_substring(values, decimal, "."))
    return values


def _as_float(values: Any) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = values.to_numpy(zero_copy_only=False)
    return numbers


def _number_or_missing(text: str, decimal: str, thousands: str) -> float | None:
    """A number, NaN for a word that stands for "missing", None for anything else."""
    value = number(text, decimal, thousands)
    return np.nan if value is None and text.strip().lower() in MISSING_WORDS else value


def is_code(text: str) -> bool:
    """Whether digits are a code rather than a number: "007" is, "0" and "0.7" are not."""
    return _CODE.fullmatch(text) is not None


def map_words(values: Any, function: Callable[[str], Any], missing: Any, dtype: Any) -> NDArray[Any]:
    """(n,) `function` of each cell, called once for each different one; `missing` where a cell is empty."""
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(values)
    words = coded.dictionary.to_pylist()
    table = np.empty(len(words) + 1, dtype=dtype)
    table[:-1] = [function(word) for word in words] if words else []
    table[-1] = missing
    result: NDArray[Any] = table[pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)]
    return result


def guess_date_format(words: Iterable[str], *, day_first: bool = False, allow_compact: bool = False) -> str | None:
    """The format in which (nearly) all of some different cells are dates, or None.

    Where day and month cannot be told apart, `day_first` decides. Eight digits are a date only with `allow_compact`.
    """
    sample = [word.strip() for word in words]
    sample = [word for word in sample if word and word.lower() not in MISSING_WORDS][:500]
    if not sample:
        return None
    wanted = min(0.95 * len(sample), len(sample) - (len(sample) >= 6))
    if sum(_ISO.fullmatch(word) is not None for word in sample) >= wanted:
        return ISO if _share(sample, ISO) >= wanted else None
    if allow_compact and sum(re.fullmatch(r"(19|20)\d{6}", word) is not None for word in sample) >= wanted:
        return COMPACT if _share(sample, COMPACT) >= wanted else None
    for date_format in _formats_like(sample[0], day_first):
        if _share(sample, date_format) >= wanted:
            return date_format
    return None


def _formats_like(word: str, day_first: bool) -> list[str]:
    """Formats whose form a cell has."""
    match = _DATE_AND_TIME.fullmatch(word)
    if match is None or len(word) > 48:
        return []
    date, mark, time = match.groups()
    times = [time_format for form, time_format in _TIME_FORMS if form.fullmatch(time)] if mark else [""]
    if mark and re.search(r"\d[AaPp][Mm]$", time):
        times = [time_format.replace(" %p", "%p") for time_format in times]
    if time.endswith("UTC"):
        times = [time_format.replace("GMT", "UTC") for time_format in times]
    dates = [date_format for form, formats in _FORMS if form.fullmatch(date) for date_format in formats]
    if day_first:
        dates.sort(key=lambda date_format: not date_format.startswith("%d"))
    return [date_format + mark + time_format for date_format in dates for time_format in times]


def day_and_month_may_be_exchanged(words: Iterable[str], date_format: str) -> bool:
    """Whether some different cells are dates with day and month exchanged as well: 03/04/2024."""
    if "%m" not in date_format or "%d" not in date_format or date_format.startswith("%Y"):
        return False
    exchanged = date_format.replace("%m", "%x").replace("%d", "%m").replace("%x", "%d")
    sample = [word for word in words if word.strip().lower() not in MISSING_WORDS]
    return _share(sample, exchanged) == _share(sample, date_format)


def parse_dates(values: Any, date_format: str) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Dates of a column.

    Returns:
        (n,) datetime64[us] in UTC, NaT where a cell is missing or no date, and (n,) whether the cell is neither a
        date nor a word for "missing".
    """
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(values)
    words = coded.dictionary.to_pylist()
    stamps = np.append(_to_dates(words, date_format), np.datetime64("NaT", "us"))
    bad = np.isnat(stamps) & np.array(
        [word.strip().lower() not in MISSING_WORDS for word in words] + [False], dtype=np.bool_
    )
    codes = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    return stamps[codes], bad[codes]


def _to_dates(words: list[str], date_format: str) -> NDArray[np.datetime64]:
    if not words:
        return np.zeros(0, dtype="datetime64[us]")
    cells = pd.Series([word.strip() for word in words], dtype=object)
    if date_format == ISO:
        cells = cells.str.replace(",", ".", regex=False)
    with_zone = date_format == ISO or "%z" in date_format
    stamps = pd.to_datetime(cells, format=date_format, errors="coerce", utc=with_zone)
    if with_zone:
        stamps = stamps.dt.tz_localize(None)
    result: NDArray[np.datetime64] = stamps.to_numpy(dtype="datetime64[us]")
    return result


def _share(words: list[str], date_format: str) -> int:
    return int((~np.isnat(_to_dates(words, date_format))).sum())


def truth_words(words: Iterable[str]) -> tuple[str, str] | None:
    """The pair (true, false), in lower case, that all of some different cells belong to, or None."""
    lower = {word.strip().lower() for word in words}
    lower -= MISSING_CATEGORIES
    return next((pair for pair in TRUTHS if lower == set(pair)), None)
