"""A chart with what one can take away of it: its picture as PNG or SVG, and its numbers as CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.charts import style
from explorer.charts.maps import chosen_rows
from explorer.charts.numbers import figure_numbers
from explorer.session import Session
from explorer.widgets.selection import RowsOf, selectable_chart
from sae_core.export.cells import escape_frame

Numbers = Callable[[], pd.DataFrame]
FORMATS = {"png": "PNG", "svg": "SVG"}


def show_chart(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    name: str = "",
    numbers: Numbers | None = None,
    selecting: Session | None = None,
    rows_of: RowsOf = chosen_rows,
    modes: tuple[Any, ...] = ("points", "box", "lasso"),
    config: dict[str, Any] | None = None,
    space: str = "",
) -> None:
    """A chart, and below it a small menu that saves its picture and its numbers.

    Args:
        name: of the saved files; by default the key.
        numbers: the table to save; by default what the figure shows.
        selecting: the session, where rows can be chosen in the chart; rows_of, modes, space: see `selectable_chart`.
        config: of plotly.
    """
    file = name or key
    drawn = saved_as(config or style.CHART_CONFIG, file)
    if selecting is None:
        st.plotly_chart(figure, key=key, config=drawn, alt=alt)
    else:
        selectable_chart(selecting, figure, key=key, alt=alt, rows_of=rows_of, modes=modes, config=drawn, space=space)
    save_menu(numbers or (lambda: figure_numbers(figure)), key=key, name=file)


def save_menu(numbers: Numbers, *, key: str, name: str) -> None:
    """The menu alone, for what is no single chart."""
    with (
        st.container(horizontal=True, horizontal_alignment="right"),
        st.popover("Save", type="tertiary", icon=":material/download:", key=f"{key}-save"),
    ):
        st.download_button(
            "Numbers as CSV",
            lambda: table_csv(numbers()),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/table:",
            on_click="ignore",
            key=f"{key}-numbers",
        )
        st.caption(
            "Its picture: the camera that appears in the chart's upper right corner when you point at it "
            f"saves {FORMATS[_format()]}."
        )
        other = "svg" if _format() == "png" else "png"
        st.button(f"Save pictures as {FORMATS[other]}", key=f"{key}-format", on_click=_choose_format, args=(other,))


def table_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV (UTF-8), cells that a spreadsheet would run made text."""
    text: str = escape_frame(table).to_csv(index=False)
    return text.encode("utf-8")


def saved_as(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A chart's configuration whose camera button saves in the format that was chosen, under this name."""
    return {**config, "toImageButtonOptions": {"format": _format(), "filename": name, "scale": 2}}


def _format() -> str:
    return str(st.session_state.get("picture_format", "png"))


def _choose_format(name: str) -> None:
    st.session_state["picture_format"] = name
