"""A chart with what one can take away of it: its picture as PNG or SVG, and its numbers as CSV.

Every chart of the pages is shown by one of these functions (a test holds that).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from explorer.charts import style
from explorer.charts.maps import MAP_CONFIG, chosen_rows
from explorer.charts.numbers import figure_numbers
from explorer.session import Session
from explorer.widgets.live_chart import live_chart
from explorer.widgets.map_chart import map_chart
from explorer.widgets.picture import picture_buttons
from explorer.widgets.selection import RowsOf, selectable_chart
from sae_core.export.cells import escape_frame

Numbers = Callable[[], pd.DataFrame]


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
) -> None:
    """A chart, and below it a small menu that saves its picture and its numbers.

    Args:
        name: of the saved files; by default the key.
        numbers: the table to save; by default what the figure shows.
        selecting: the session, where rows can be chosen in the chart; rows_of, modes: see `selectable_chart`.
        config: of plotly.
    """
    file = name or key
    drawn = saved_as(config or style.CHART_CONFIG, file)
    with st.container(gap="xxsmall"):
        if selecting is None:
            st.plotly_chart(figure, key=key, config=drawn, alt=alt)
        else:
            selectable_chart(selecting, figure, key=key, alt=alt, rows_of=rows_of, modes=modes, config=drawn)
        save_menu(numbers or (lambda: figure_numbers(figure)), key=key, name=file, chart=key)


def show_map(
    session: Session,
    figure: go.Figure,
    rows: NDArray[np.int64],
    *,
    key: str,
    alt: str,
    name: str = "",
    numbers: Numbers | None = None,
    space: str = "",
) -> None:
    """A map on which rows are chosen, with its menu; arguments as of `map_chart` and `show_chart`."""
    with st.container(gap="xxsmall"):
        map_chart(session, figure, rows, key=key, alt=alt, config=MAP_CONFIG, space=space)
        save_menu(numbers or (lambda: figure_numbers(figure)), key=key, name=name or key, chart=key)


def show_live_chart(figure: go.Figure, *, key: str, alt: str, name: str = "", numbers: Numbers | None = None) -> None:
    """A chart that changes often, with its menu; arguments as of `show_chart`."""
    with st.container(gap="xxsmall"):
        live_chart(figure, key=key, alt=alt)
        save_menu(numbers or (lambda: figure_numbers(figure)), key=key, name=name or key, chart=key)


def clickable_chart(figure: go.Figure, *, key: str, alt: str, name: str = "", numbers: Numbers | None = None) -> Any:
    """A chart whose points can be clicked for something else than choosing rows, with its menu. Returns the event."""
    config = saved_as(style.CHART_CONFIG, name or key)
    with st.container(gap="xxsmall"):
        event = st.plotly_chart(figure, key=key, config=config, alt=alt, on_select="rerun", selection_mode="points")
        save_menu(numbers or (lambda: figure_numbers(figure)), key=key, name=name or key, chart=key)
    return event


def show_legend(figure: go.Figure, *, key: str, alt: str) -> None:
    """What the colours of several charts mean, once for all of them."""
    st.plotly_chart(figure, key=key, config={"staticPlot": True}, alt=alt)


def save_menu(numbers: Numbers, *, key: str, name: str, chart: str = "") -> None:
    """The menu alone, for what is no single chart.

    Args:
        chart: key of the chart whose picture can be saved; "": there is none.
    """
    with (
        st.container(horizontal=True, horizontal_alignment="right"),
        st.popover("Save", type="tertiary", icon=":material/download:", key=f"{key}-save"),
    ):
        if chart:
            picture_buttons(chart, name, key=f"{key}-picture")
        st.download_button(
            "Numbers as CSV",
            lambda: table_csv(numbers()),
            file_name=f"{name}.csv",
            mime="text/csv",
            on_click="ignore",
            key=f"{key}-numbers",
            width="stretch",
        )


def table_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV (UTF-8), cells that a spreadsheet would run made text."""
    text: str = escape_frame(table).to_csv(index=False)
    return text.encode("utf-8")


def saved_as(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A chart's configuration whose camera button saves under this name."""
    return {**config, "toImageButtonOptions": {"format": "png", "filename": name, "scale": 2}}
