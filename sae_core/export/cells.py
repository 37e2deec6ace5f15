"""Cells of the CSV files that we write: what a spreadsheet would run as a formula is shown as text instead.

A spreadsheet takes a cell that begins with = + - @ (also behind blanks, or in their full-width forms), a tab or a
line break as the start of a formula (OWASP, "CSV Injection"). Such text gets one apostrophe in front, which
spreadsheets read as "this is text"; plain numbers such as -1.5 stay as they are. `unescape_cell` takes exactly that
apostrophe away again, so that nothing is lost on the way back.
"""

from __future__ import annotations

import re

import pandas as pd

_FORMULA = re.compile(r"'*(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_ESCAPED = re.compile(r"'+(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|-?inf", re.ASCII)


def escape_cell(text: str) -> str:
    """Text that no spreadsheet runs as a formula.

    >>> escape_cell("=1+1"), escape_cell("-1.5"), escape_cell("rose")
    ("'=1+1", '-1.5', 'rose')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unescape_cell(text: str) -> str:
    """What `escape_cell` was given.

    >>> unescape_cell("'=1+1"), unescape_cell("-1.5")
    ('=1+1', '-1.5')
    """
    return text[1:] if _ESCAPED.match(text) else text


def escape_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy whose headers and text cells are escaped; numbers, dates and missing cells stay as they are.

    Args:
        frame: (n, columns), any dtypes.
    """
    columns = [_escaped(frame.iloc[:, position]) for position in range(frame.shape[1])]
    result = pd.concat(columns, axis=1) if columns else frame.copy()
    return result.set_axis([escape_cell(str(name)) for name in frame.columns], axis=1)


def _escaped(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    return column.map(lambda value: escape_cell(value) if isinstance(value, str) else value).astype(object)
