"""What a person would make of a column: its kind, its role, and the label that a table seems to have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sae_core.data import cells
from sae_core.data.columns import ColumnSummary
from sae_core.limits import MAX_CATEGORIES, MAX_CLASSES

Role = Literal["feature", "label", "ignore", "identifier"]
GuessedKind = Literal["numeric", "category", "date", "boolean", "text"]

_ID_NAME = re.compile(
    r"id|ids|uuid|guid|key|index|idx|no|nr|num|number|#|row|rowid|row ?names|serial|serial no\.?|sno|s\.no\.?|isbn|iban"
    r"|vin|ssn|e-?mail|url|phone|telephone|tel|filename|file|path|image|md5|sha256|hash|unnamed: ?\d+"
    r"|.*[ _.-](id|ids|uuid|guid|key|no|nr|index)|.*(编号|序号|番号)",
    re.IGNORECASE,
)
# "id", "user_id", "userId", but not "paid".
_CAMEL_ID = re.compile(r"(.*[ _.-])?([iI][dD]s?)|[A-Z]{1,2}ID|.*[a-z0-9](Id|ID|Uuid|UUID)")
_CODE_NAME = re.compile(
    r"(.*[ _.-])?(zip|zip ?code|postcode|postal ?code|plz|phone|telephone|tel|fax|ssn|isbn|ean|upc|sku|barcode)",
    re.IGNORECASE,
)
_DATE_NAME = re.compile(r"date|day|datum|time|jour|fecha|日期|_dt$|^dt", re.IGNORECASE)
_LABEL_NAMES = (
    "label", "labels", "class", "target", "species", "y", "outcome", "diagnosis", "survived", "churn", "churned",
    "is_fraud", "fraud", "category", "variety", "cultivar", "default", "response", "result", "income", "quality",
    "attrition", "exited", "klasse", "zielvariable", "etiquette", "clase", "classe", "标签", "类别",
    "group", "status", "type",
)  # fmt: skip


@dataclass(frozen=True)
class ColumnGuess:
    """One column as it was understood.

    Attributes:
        name: unique in the table.
        role: feature, ignore or identifier; "label" only where the user said so.
        kind: numeric, category, date, boolean or text.
        reason: why it is ignored or an identifier, or what was noticed, in words; "" where there is nothing to say.
        missing: cells without a value.
        unfit: cells that are not of this kind and count as missing.
        distinct: different values; at least so many where `distinct_is_exact` is False.
        minimum, maximum: of numbers; of dates as ISO text; None otherwise.
        frequent: the most frequent values with their counts, unless there are too many to count.
        histogram: counts in equal bins from minimum to maximum, of an even sample of the rows (numbers only).
        date_format: of dates: "ISO8601" or a strptime format; "" for columns that a file stores as dates.
        can_be_label: two to `limits.MAX_CLASSES` different values.
        text_bytes: size of all cells.
        fits_float32: numbers whose spread is far above the rounding of single precision.
    """

    name: str
    role: Role
    kind: GuessedKind
    reason: str
    missing: int
    unfit: int
    distinct: int
    distinct_is_exact: bool
    minimum: float | str | None
    maximum: float | str | None
    frequent: tuple[tuple[str, int], ...]
    histogram: tuple[int, ...]
    date_format: str | None
    can_be_label: bool
    text_bytes: int
    fits_float32: bool


def guess_column(found: ColumnSummary, position: int, n_columns: int, kind: GuessedKind | None = None) -> ColumnGuess:
    """Kind and role of a column, from its counts.

    Args:
        position: from 0, in the table.
        kind: what the user decided; None: guessed.
    """
    date_format = found.date_format if not found.is_typed else ""
    guessed, reason = _guess_kind(found)
    if guessed == "date" and not found.is_typed and found.date_format is None:
        date_format = cells.COMPACT
    if kind == "date" and guessed != "date":
        date_format = None
    chosen = kind or guessed
    role, why = _guess_role(found, chosen, position, n_columns)
    missing, unfit = _missing(found, chosen)
    distinct, exact = _distinct(found, chosen)
    low: float | str | None = None
    high: float | str | None = None
    if chosen == "numeric" and found.numbers:
        low, high = found.low, found.high
    elif chosen == "date" and found.dates:
        low, high = str(found.first_date)[:19], str(found.last_date)[:19]
    elif chosen == "date" and found.numbers:
        low, high = (f"{int(value)}" for value in (found.low, found.high))
    frequent = [
        (word[:200], count)
        for word, count in sorted((found.words or {}).items(), key=lambda item: (-item[1], item[0]))[:10]
    ]
    return ColumnGuess(
        name=found.name,
        role=role,
        kind=chosen,
        reason="; ".join(filter(None, (why, reason if kind is None else ""))),
        missing=missing,
        unfit=unfit,
        distinct=distinct,
        distinct_is_exact=exact,
        minimum=low,
        maximum=high,
        frequent=tuple(frequent),
        histogram=found.histogram() if chosen == "numeric" else (),
        date_format=date_format if chosen == "date" else None,
        can_be_label=found.words is not None and 2 <= len(found.words) <= MAX_CLASSES,
        text_bytes=found.text_bytes,
        fits_float32=found.fits_float32(),
    )


def _guess_kind(found: ColumnSummary) -> tuple[GuessedKind, str]:
    filled = found.rows - found.empty
    if found.is_unsupported or not filled:
        return "text", ""
    if found.is_typed:
        return ("date", "") if found.dates or not found.numbers + found.infinite else ("numeric", "")
    words = found.words
    if words is not None and cells.truth_words(words) is not None:
        return "boolean", ""
    numbers = found.numbers + found.infinite
    if numbers and not found.codes and _mostly(numbers, found.bad_numbers, found.bad_words):
        if found.whole and found.low >= 19000101 and found.high <= 21001231 and _DATE_NAME.search(found.name):
            sample = [str(word) for word in (words or {})][:500] or [str(int(found.low)), str(int(found.high))]
            if cells.guess_date_format(sample, allow_compact=True) == cells.COMPACT:
                return "date", ""
        if found.whole and _CAMEL_ID.fullmatch(found.name) and words is not None and len(words) <= MAX_CATEGORIES:
            return "category", "is named like an identifier: its size means nothing"
        return "numeric", ""
    if found.dates and _mostly(found.dates, found.bad_dates, {}):
        order = "day" if (found.date_format or "").startswith("%d") else "month"
        return "date", f"day and month could be exchanged: read as {order} first" if found.date_is_ambiguous else ""
    if found.codes and numbers >= 0.95 * (numbers + found.bad_numbers):
        return (
            "category" if words is not None and _is_category(found) else "text"
        ), "digits with leading zeros are codes, not numbers"
    return ("category" if _is_category(found) else "text"), ""


def _mostly(good: int, bad: int, bad_words: dict[str, int]) -> bool:
    """Whether few enough cells are odd: one in twenty, or one in ten if it is always the same word."""
    share = bad / (good + bad)
    return share <= 0.05 or (share <= 0.1 and len(bad_words) == 1) or (bad == 1 and good >= 5)


def _is_category(found: ColumnSummary) -> bool:
    distinct, exact = found.distinct
    if not exact:
        return False
    filled = found.rows - found.empty
    long = found.text_bytes / max(1, filled) > 80
    if distinct <= 2:
        return True
    if filled >= 8 and distinct > 0.9 * filled:
        return False
    return (distinct <= MAX_CATEGORIES and not long) or (distinct <= 1000 and distinct <= 0.5 * filled and not long)


def _guess_role(found: ColumnSummary, kind: GuessedKind, position: int, n_columns: int) -> tuple[Role, str]:
    filled = found.rows - found.empty
    distinct, exact = found.distinct
    if found.is_unsupported:
        return "ignore", "lists, structures and bytes cannot be features"
    if not filled or (found.words and all(word.lower() in cells.MISSING_WORDS for word in found.words)):
        return "ignore", "has no values"
    if exact and distinct == 1 and found.rows > 1 and found.empty == 0 and not found.dates:
        return "ignore", "has the same value in every row"
    unique = found.distinct_share > 0.95
    named = _ID_NAME.fullmatch(found.name) is not None or _CAMEL_ID.fullmatch(found.name) is not None
    if kind == "numeric" and found.rows >= 5 and n_columns > 1:
        first = position == 0 and (found.rows >= 10 or found.name in ("column 1", "row"))
        if found.counting and found.whole and found.low in (0, 1) and (first or named):
            return "identifier", "counts the rows"
        if found.name in ("column 1", "row") and position == 0 and found.has_header and found.whole and unique:
            return "identifier", "has no name and is different in every row"
        without_name = position == 0 and not found.has_header
        if (
            without_name
            and found.whole
            and found.distinct_share > 0.9
            and found.rows >= 50
            and found.high > 100 * found.rows
        ):
            return "identifier", "whole numbers in the first column, different in (nearly) every row"
        if named and found.whole and unique and found.rows >= 10:
            return "identifier", "is named like an identifier and different in every row"
        if _CAMEL_ID.fullmatch(found.name) and found.whole and (not exact or distinct > MAX_CATEGORIES):
            return "identifier", "is named like an identifier"
        if _CODE_NAME.fullmatch(found.name) and found.whole and (not exact or distinct > MAX_CATEGORIES):
            return "identifier", "is named like a code: its size means nothing"
        if found.whole and unique and found.low > 1e12 and found.rows >= 10:
            return "identifier", "long whole numbers, different in every row"
    if kind == "text":
        if unique and filled >= max(5, found.rows / 2):
            return "identifier", "is different in (nearly) every row"
        return "ignore", f"text with {'at least ' if not exact else ''}{distinct:,} different values"
    return "feature", ""


def _missing(found: ColumnSummary, kind: GuessedKind) -> tuple[int, int]:
    """Cells without a value, and cells that do not fit the kind."""
    filled = found.rows - found.empty
    words = found.words or {}
    if kind == "numeric":
        unfit = found.bad_numbers + found.infinite
        return max(0, found.rows - found.numbers - unfit), unfit
    if kind == "date" and found.dates:
        return max(0, found.rows - found.dates - found.bad_dates), found.bad_dates
    if kind in ("category", "boolean"):
        return found.empty + sum(count for word, count in words.items() if word.lower() in cells.MISSING_CATEGORIES), 0
    return found.rows - filled, 0


def _distinct(found: ColumnSummary, kind: GuessedKind) -> tuple[int, bool]:
    distinct, exact = found.distinct
    if found.is_typed and not found.words and found.dates:
        return found.dates, False
    if exact and found.words:
        gone = (
            cells.MISSING_WORDS
            if kind in ("numeric", "date")
            else cells.MISSING_CATEGORIES
            if kind != "text"
            else frozenset()
        )
        return sum(word.lower() not in gone for word in found.words), True
    return distinct, exact


def guess_label(columns: Sequence[ColumnGuess], rows: int, has_header: bool = True) -> str | None:
    """The column that is the label, as a person would guess: by its name, else the last one if it has few values.

    Without a header (the UCI files) the first one may be it as well.
    """
    fit = [column for column in columns if column.role == "feature" and _could_be_label(column, rows)]
    others = len([column for column in columns if column.role == "feature"])
    if others < 2:
        return None
    by_name = {re.sub(r"[^\w]+", "_", column.name.strip().lower()).strip("_"): column for column in fit}
    for name in _LABEL_NAMES:
        if name in by_name:
            return by_name[name].name
    usable = [column for column in columns if column.role == "feature"]
    last, first = usable[-1], usable[0]
    if not has_header and first in fit and _stands_out(first, usable[1:], rows):
        return first.name
    return last.name if last in fit and _few(last, rows) else None


def _stands_out(first: ColumnGuess, others: Sequence[ColumnGuess], rows: int) -> bool:
    """Whether the first column has few values and the others are numbers: the classes of many UCI files."""
    if first.kind in ("category", "boolean"):
        return _few(first, rows) and all(column.kind == "numeric" for column in others)
    many = sum(column.kind == "numeric" and column.distinct > 10 for column in others)
    return first.distinct <= 10 and rows >= 30 and many > len(others) / 2 and others[-1].distinct > 10


def _could_be_label(column: ColumnGuess, rows: int) -> bool:
    if (
        not column.can_be_label
        or column.kind in ("date", "text")
        or not 2 <= column.distinct <= min(MAX_CLASSES, rows // 2)
    ):
        return False
    if _CAMEL_ID.fullmatch(column.name):
        return False
    whole = column.kind != "numeric" or all(re.fullmatch(r"[+-]?\d+(\.0*)?", value) for value, _ in column.frequent)
    return whole and (column.kind != "numeric" or column.distinct <= 100)


def _few(column: ColumnGuess, rows: int) -> bool:
    if column.kind == "numeric":
        return column.distinct <= 10 and column.distinct <= rows / 5
    return column.distinct <= min(30, max(2, rows / 3))
