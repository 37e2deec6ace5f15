"""What a spreadsheet would run is shown as text, and nothing is lost."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_core.export.cells import escape_cell, escape_frame, unescape_cell

FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "=cmd|' /C calc'!A0", "＝1+1", "'=1", "''=1",  # noqa: RUF001
    "-", "+", "=", "@", "-1.5.2", "+49 170", "-1_000", "- 1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_become_text(text: str) -> None:
    escaped = escape_cell(text)
    assert escaped == f"'{text}"
    assert unescape_cell(escaped) == text


@pytest.mark.parametrize(
    "text", ["-1.5", "+2", "-3e-7", "1", "-.5", "12.", "-inf", "", "rose", "a=b", "'tis", "a-b", "007"]
)
def test_numbers_and_ordinary_text_stay(text: str) -> None:
    assert escape_cell(text) == text
    assert unescape_cell(text) == text


@given(st.one_of(st.text(), st.text(alphabet="'=+-@\t\r\n 1.5e")))
def test_nothing_is_lost_and_nothing_runs(text: str) -> None:
    escaped = escape_cell(text)
    assert unescape_cell(escaped) == text
    first = escaped.lstrip()[:1]
    assert first not in "=+-@\t\r" or first == "" or float(escaped) is not None


def test_frames() -> None:
    frame = pd.DataFrame(
        {
            "=a": ["=1", "b", None],
            "n": [-1.5, 2.0, float("nan")],
            "i": [-1, 2, 3],
            "d": pd.to_datetime(["2024-01-01"] * 3),
        }
    )
    escaped = escape_frame(frame)
    assert escaped.columns.tolist() == ["'=a", "n", "i", "d"]
    assert escaped["'=a"].tolist()[:2] == ["'=1", "b"]
    assert escaped["'=a"].isna().tolist() == [False, False, True]
    for name in ("n", "i", "d"):
        pd.testing.assert_series_equal(escaped[name], frame[name])
    assert frame.columns[0] == "=a"


def test_columns_of_one_name() -> None:
    frame = pd.DataFrame([["=1", 2]], columns=["a", "a"])
    assert escape_frame(frame).iloc[0].tolist() == ["'=1", 2]


def test_no_columns() -> None:
    assert escape_frame(pd.DataFrame(index=range(2))).shape == (2, 0)
