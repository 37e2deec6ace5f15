"""Decoding by hand: a decoded row beside where it began, and walks between two rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from explorer.charts import style

CODE, STRAIGHT = style.BLUE, style.GREY
COLUMNS = 4  # panels beside each other


def walk_panels(
    names: Sequence[str],
    shares: NDArray[np.floating],
    through_code: NDArray[np.floating],
    straight: NDArray[np.floating],
) -> go.Figure:
    """Numeric columns along a walk, one panel each, in their own units.

    Args:
        names: of the c columns; escaped here.
        shares: (s,) 0..1.
        through_code, straight: (s, c).
    """
    across = min(COLUMNS, len(names))
    down = -(-len(names) // across)
    figure = make_subplots(
        down, across, subplot_titles=[style.escape(name, 24) for name in names], vertical_spacing=0.36 / down,
        horizontal_spacing=0.07,
    )  # fmt: skip
    for i in range(len(names)):
        place = {"row": i // across + 1, "col": i % across + 1}
        lines = (("through the code", through_code[:, i], CODE, "solid"), ("straight", straight[:, i], STRAIGHT, "dot"))
        for title, values, colour, dash in lines:
            figure.add_scatter(
                x=shares, y=values, mode="lines+markers", name=title, legendgroup=title, showlegend=i == 0,
                line={"color": colour, "width": 2, "dash": dash}, marker={"size": 5},
                hovertemplate="%{x:.0%} of the way<br>%{y:.4g}<extra>%{fullData.name}</extra>", **place,
            )  # fmt: skip
    style.apply_style(figure, height=60 + 170 * down)
    figure.update_layout(legend={"yref": "container", "y": 1, "yanchor": "top"}, margin={"t": 54})
    figure.update_xaxes(tickformat=".0%", nticks=3, title=None)
    figure.update_yaxes(nticks=4, title=None)
    figure.update_annotations(font={"size": 12})
    return figure


def plane_map(
    first: NDArray[np.floating], second: NDArray[np.floating], values: NDArray[np.floating], *, name: str
) -> go.Figure:
    """One decoded column over the plane of a two-unit code.

    Args:
        values: (s, s), second unit from high to low.
        name: of the column; escaped here.
    """
    figure = go.Figure(
        go.Heatmap(
            x=first,
            y=second[::-1],
            z=values,
            colorscale=style.SEQUENTIAL,
            colorbar={"thickness": 12, "outlinewidth": 0, "title": {"text": style.escape(name, 24)}},
            hovertemplate="unit 1 %{x:.3g}, unit 2 %{y:.3g}<br>" + "decoded %{z:.4g}<extra></extra>",
        )
    )
    style.apply_style(
        figure,
        x_title="value of unit 1",
        y_title="value of unit 2",
        height=420,
        legend=False,
    )
    return figure
