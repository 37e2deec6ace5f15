"""Rows found by what is in them: "age > 40 and colour = red", "12, 100-150", "error at level 2 >= 0.3".

    search     = clause { ("and" | "or") clause }          "and" binds closer
    clause     = numbers | name operator value | name "is missing" | "not" clause
    numbers    = 12 | 100-150, several parted by commas or blanks
    operator   = "=", "!=", "<", "<=", ">", ">=", "in" (3..7), "contains"
    value      = a number, a date, a word, or anything in quotes

A name is a column, an identifier, the label, "split", or one of the further quantities given (errors); in any case, and
in quotes where it would be misread. Nothing is evaluated: the words are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset
from sae_core.errors import DataError

MAX_LENGTH = 2_000  # characters of a search
MAX_CLAUSES = 50

_Mask = NDArray[np.bool_]
_OPERATOR = re.compile(r"\s*(is\s+missing\b|is\s+not\s+missing\b|<=|>=|!=|<>|==|=|<|>|≤|≥|≠|in\b|contains\b)\s*", re.I)
_JOIN = re.compile(r"\s+(and|or)\s+|\s*(&&?|\|\|?)\s*", re.I)
_NUMBERS = re.compile(r"\s*(?:rows?\s+)?(\d[\d\s,\-–.]*?)(?=$|\s+(?:and|or)\s)", re.I)
_NOT = re.compile(r"\s*not\b\s*", re.I)
_SAME = {"≤": "<=", "≥": ">=", "≠": "!=", "<>": "!=", "==": "="}
_QUOTES = "\"'`"


def search_rows(
    data: Dataset, text: str, *, quantities: Mapping[str, NDArray[np.floating]] | None = None
) -> NDArray[np.int64]:
    """Row numbers that a search finds, sorted.

    Args:
        text: see the module.
        quantities: further numbers of each row by name, (n,) each, e.g. {"error at level 2": ...}.

    Raises:
        DataError: the search cannot be understood; the sentence says where, and what there is to search in.

    >>> table = pd.DataFrame({"age": [30.0, 50.0, 70.0]})
    >>> search_rows(Dataset(name="t", kind="table", features=table), "age > 40 and age < 60").tolist()
    [1]
    """
    if len(text) > MAX_LENGTH:
        raise DataError(f"A search may have at most {MAX_LENGTH:,} characters. Shorten it.")
    if not text.strip():
        raise DataError("There is nothing to search for. Write a row number, or a condition such as column = value.")
    return np.flatnonzero(_Reader(data, text, quantities or {}).read()).astype(np.int64)


def searchable_names(data: Dataset, quantities: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """What a search may name, in the order to offer it."""
    label = [data.label_name] if data.labels is not None else []
    identifiers = [] if data.identifiers is None else [str(name) for name in data.identifiers.columns]
    return tuple(dict.fromkeys([*label, "split", *(quantities or {}), *identifiers, *data.feature_names]))


class _Reader:
    """Reads a search from left to right."""

    def __init__(self, data: Dataset, text: str, quantities: Mapping[str, NDArray[np.floating]]) -> None:
        self.data, self.text, self.quantities = data, text, quantities
        self.at, self.clauses = 0, 0
        self.names = sorted(searchable_names(data, quantities), key=len, reverse=True)
        if data.labels is not None:
            self.names += [alias for alias in ("label", "class") if alias not in self.names]
        self.folded = [name.casefold() for name in self.names]

    def read(self) -> _Mask:
        either = self._clause()
        groups = []
        while joined := self._match(_JOIN):
            word = (joined.group(1) or joined.group(2)).lower()
            following = self._clause()
            if word.startswith(("a", "&")):
                either = either & following
            else:
                groups.append(either)
                either = following
        if self.text[self.at :].strip():
            self._refuse("expected “and” or “or”")
        for group in groups:
            either = either | group
        return either

    def _clause(self) -> _Mask:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise DataError(f"A search may have at most {MAX_CLAUSES} conditions. Use fewer.")
        if self._match(_NOT):
            return ~self._clause()
        start = self.at
        name = self._name()
        operator = self._match(_OPERATOR) if name is not None else None
        if name is None or operator is None:
            self.at = start
            numbers = self._match(_NUMBERS)
            if numbers:
                return _of_numbers(numbers.group(1), len(self.data), self._refuse)
            if name is None:
                self._refuse("expected a row number or the name of a column")
            self._name()
            self._refuse(f"expected =, <, >, in or contains after {name!r}")
        word = re.sub(r"\s+", " ", operator.group(1).lower())
        column = self._column(name)
        if word.endswith("missing"):
            missing = np.asarray(column.isna(), dtype=bool)
            return missing if word == "is missing" else ~missing
        return _compare(column, _SAME.get(word, word), self._value(word), self._refuse)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def _name(self) -> str | None:
        self._blanks()
        rest = self.text[self.at :]
        if rest[:1] and rest[0] in _QUOTES and (end := rest.find(rest[0], 1)) > 0:
            wanted = rest[1:end].casefold()
            if wanted in self.folded:
                self.at += end + 1
                return self.names[self.folded.index(wanted)]
        folded = rest.casefold() if len(rest.casefold()) == len(rest) else rest.lower()
        for name, wanted in zip(self.names, self.folded, strict=True):
            end = len(wanted)
            if folded.startswith(wanted) and (end == len(rest) or not (rest[end].isalnum() and name[-1:].isalnum())):
                self.at += end
                return name
        return None

    def _value(self, operator: str) -> str:
        self._blanks()
        rest = self.text[self.at :]
        if rest[:1] and rest[0] in _QUOTES and (end := rest.find(rest[0], 1)) > 0:
            self.at += end + 1
            return rest[1:end]
        stop = _JOIN.search(rest)
        value = (rest[: stop.start()] if stop else rest).strip()
        if not value:
            self._refuse(f"expected a value after {operator!r}")
        self.at += stop.start() if stop else len(rest)
        return value

    def _column(self, name: str) -> pd.Series[Any]:
        data = self.data
        if name in self.quantities:
            return pd.Series(self.quantities[name])
        if (
            data.labels is not None
            and (name == data.label_name or name in ("label", "class"))
            and (name == data.label_name or name not in data.feature_names)
        ):
            return pd.Series(data.labels)
        if name == "split" and "split" not in data.feature_names:
            return pd.Series(data.split.part_of_each_row())
        if name in data.feature_names:
            place = data.feature_names.index(name)
            features = data.features
            return features.iloc[:, place] if isinstance(features, pd.DataFrame) else pd.Series(features[:, place])
        assert data.identifiers is not None
        place = [str(each) for each in data.identifiers.columns].index(name)
        return data.identifiers.iloc[:, place].reset_index(drop=True)

    def _blanks(self) -> None:
        self.at += len(self.text[self.at :]) - len(self.text[self.at :].lstrip())

    def _refuse(self, reason: str) -> NoReturn:
        rest = self.text[self.at :].strip()
        place = f"At “{rest[:40]}”" if rest else "At its end"
        shown = ", ".join(searchable_names(self.data, self.quantities)[:6])
        raise DataError(
            f"The search cannot be understood. {place}: {reason}. "
            f"Write row numbers (12, 100-150) or conditions such as column = value; columns are {shown}, …"
        )


def _of_numbers(text: str, n: int, refuse: Callable[[str], NoReturn]) -> _Mask:
    found = np.zeros(n, dtype=bool)
    for part in re.split(r"[,\s]+", re.sub(r"\s*[-–]\s*|\s*\.\.\s*", "-", text.strip(" ,"))):
        ends = re.fullmatch(r"(\d{1,15})(?:-(\d{1,15}))?", part)
        if not ends:
            refuse(f"{part!r} is neither a row number nor a range such as 100-150")
        low = int(ends.group(1))
        high = int(ends.group(2) or low)
        if low >= n:
            raise DataError(f"There is no row {low:,}: the rows of this data set are numbered 0 to {n - 1:,}.")
        found[low : high + 1] = True
    return found


def _compare(column: pd.Series[Any], operator: str, value: str, refuse: Callable[[str], NoReturn]) -> _Mask:
    if operator == "contains":
        text = column.astype(object).map(lambda cell: "" if pd.isna(cell) else str(cell))
        return np.asarray(text.str.casefold().str.contains(value.casefold(), regex=False), dtype=bool)
    if operator == "in":
        low, parted, high = value.strip("[]()").partition("..")
        if not parted:
            refuse("a range is written as 3..7")
        return _compare(column, ">=", low.strip(), refuse) & _compare(column, "<=", high.strip(), refuse)
    known = np.asarray(column.notna(), dtype=bool)
    if pd.api.types.is_bool_dtype(column):
        truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(value.casefold())
        if truth is None or operator not in ("=", "!="):
            refuse("this column holds yes or no")
        same = column.fillna(False).to_numpy(dtype=bool) == truth
        return np.asarray(known & (same if operator == "=" else ~same))
    left: Any
    right: Any
    if pd.api.types.is_datetime64_any_dtype(column):
        right = pd.to_datetime(value, errors="coerce")
        if pd.isna(right):
            refuse(f"{value!r} is not a date; write it as 2024-12-31")
        left = column
    elif pd.api.types.is_numeric_dtype(column):
        left, right = column.to_numpy(np.float64, na_value=np.nan), _number(value)
        if right is None:
            refuse(f"{value!r} is not a number")
    elif operator in ("=", "!="):
        left, right = column.map(lambda cell: "" if pd.isna(cell) else str(cell).casefold()), value.casefold()
    else:
        left, right = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan), _number(value)
        if right is None:
            refuse("words are compared with =, != or contains")
    outcome = {
        "=": lambda: left == right, "!=": lambda: left != right, "<": lambda: left < right,
        "<=": lambda: left <= right, ">": lambda: left > right, ">=": lambda: left >= right,
    }[operator]()  # fmt: skip
    return np.asarray(np.asarray(outcome, dtype=bool) & known)


def _number(text: str) -> float | None:
    plain = text.strip().replace("\u2212", "-").replace(" ", "")
    try:
        return float(plain)
    except ValueError:
        pass
    try:
        return float(plain.replace(",", "."))
    except ValueError:
        return None
