"""Rows of numbers as profiles: the original as a line, what the stack gives back as points on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from explorer.charts.style import BLUE, GREY, ORANGE, apply_style, escape, transparent

COLUMNS = 5
MOST_NAMED = 8  # features whose names fit below a panel; hover names them in wider ones
MAX_FEATURES = 400  # of one profile: further ones are left out evenly, they could not be told apart


def profiles(
    original: NDArray[np.float64],
    given_back: NDArray[np.float64] | None,
    names: Sequence[str],
    titles: Sequence[str],
    *,
    revision: str = "profiles",
) -> go.Figure:
    """Small panels, one a row.

    Args:
        original, given_back: (m, d) in standard deviations from each column's mean.
        names: d columns.
        titles: m words on each row, e.g. its label.
    """
    m = len(original)
    columns = min(COLUMNS, m)
    rows = -(-m // columns)
    figure = make_subplots(
        rows,
        columns,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.015,
        vertical_spacing=0.16 / rows,
        subplot_titles=[escape(title, 24) for title in titles],
    )
    chosen = np.unique(np.linspace(0, original.shape[1] - 1, min(original.shape[1], MAX_FEATURES)).astype(int))
    labels = [escape(names[i], 32) for i in chosen]
    dense = len(chosen) > 40
    for i in range(m):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        common = {"x": list(range(len(chosen))), "customdata": labels, "showlegend": i == 0}
        figure.add_scatter(
            y=_plain(original[i, chosen]),
            mode="lines" if dense else "lines+markers",
            name="original",
            legendgroup="original",
            line={"color": transparent(BLUE, 0.9), "width": 1.5},
            marker={"size": 4},
            hovertemplate="%{customdata}: %{y:.2f} sd<extra>original</extra>",
            **common,
            **place,
        )
        if given_back is not None:
            figure.add_scatter(
                y=_plain(given_back[i, chosen]),
                mode="lines" if dense else "markers",
                name="given back",
                legendgroup="given back",
                line={"color": ORANGE, "width": 1.5},
                marker={"size": 7, "symbol": "circle-open", "line": {"width": 2}, "color": ORANGE},
                hovertemplate="%{customdata}: %{y:.2f} sd<extra>given back</extra>",
                **common,
                **place,
            )
    named = len(chosen) <= MOST_NAMED
    apply_style(figure, height=70 + 130 * rows + (50 if named else 0), revision=revision)
    figure.update_layout(legend={"yref": "container", "y": 1, "yanchor": "top"}, margin={"t": 52})
    figure.update_xaxes(showticklabels=False, showgrid=False, title=None)
    if named:
        ticks = {"tickvals": list(range(len(chosen))), "ticktext": [escape(names[i], 12) for i in chosen]}
        figure.update_xaxes(showticklabels=True, tickangle=-40, tickfont={"size": 10}, row=rows, **ticks)
    figure.update_yaxes(title=None, nticks=4)
    figure.update_yaxes(title_text="standard deviations", title_font={"size": 11}, col=1, row=(rows + 1) // 2)
    figure.update_annotations(font={"size": 11, "color": GREY})
    return figure


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
