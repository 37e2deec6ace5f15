"""One row on its way through the stack: its code at every level, and what each classifier says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style

MAX_CLASSES = 12  # of the probabilities; of more, those that any classifier thinks likeliest
MAX_UNITS = 1_024  # of a code that are drawn


def code_figure(code: NDArray[np.floating], *, title: str, height: int = 190) -> go.Figure:
    """A code as tiles, in the order of its units, line by line.

    Args:
        code: (units,).
        title: escaped here.
    """
    shown = np.asarray(code[:MAX_UNITS], dtype=np.float64)
    columns = min(len(shown), max(4, math.ceil(math.sqrt(1.6 * len(shown)))))
    lines = math.ceil(len(shown) / columns)
    tiles = np.full(lines * columns, np.nan)
    tiles[: len(shown)] = shown
    number = np.arange(1, lines * columns + 1).reshape(lines, columns)
    figure = go.Figure(
        go.Heatmap(
            z=tiles.reshape(lines, columns),
            customdata=number,
            colorscale=style.SEQUENTIAL,
            colorbar={"thickness": 8, "outlinewidth": 0, "nticks": 4, "tickfont": {"size": 10}},
            xgap=1 if len(shown) <= 256 else 0,
            ygap=1 if len(shown) <= 256 else 0,
            hoverongaps=False,
            hovertemplate="unit %{customdata}<br>activity %{z:.4g}<extra></extra>",
        )
    )
    style.apply_style(figure, title=style.escape(title), height=height, legend=False)
    bare = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(constraintoward="left", **bare)
    figure.update_yaxes(autorange="reversed", scaleanchor="x", constraintoward="top", **bare)
    return figure


def code_numbers(level: int, code: NDArray[np.floating]) -> pd.DataFrame:
    """Level, unit (from 1) and activity of all units of a code, also of those that are not drawn."""
    return pd.DataFrame({"level": level, "unit": np.arange(1, len(code) + 1), "activity": code})


def probability_chart(
    names: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[object], *, truth: int
) -> go.Figure:
    """What each classifier says of one row; the true class has a frame.

    Args:
        names: of the classifiers; escaped here.
        probabilities: (classifiers, classes) 0..1.
        truth: position of the row's own class; -1 without one.
    """
    likeliest = np.argsort(-probabilities.max(axis=0), kind="stable")[:MAX_CLASSES]
    if truth >= 0 and truth not in likeliest:
        likeliest[-1] = truth
    shown = np.sort(likeliest)
    z = probabilities[:, shown]
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=list(range(len(shown))),
            y=list(range(len(names))),
            # Opaque where there is a number: plotly chooses a legible colour for it.
            colorscale=[[0.0, style.transparent(style.BLUE, 0.0)], [0.005, "#edf4fa"], [1.0, style.BLUE]],
            text=[[f"{value:.0%}" if value >= 0.005 else "" for value in line] for line in z],
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y}: class %{x}<br>probability %{z:.2%}<extra></extra>",
        )
    )
    if truth in shown:
        place = int(np.flatnonzero(shown == truth)[0])
        figure.add_shape(
            type="rect",
            x0=place - 0.5,
            x1=place + 0.5,
            y0=-0.5,
            y1=len(names) - 0.5,
            line={"color": style.CHOSEN, "width": 2.5},
        )
    style.apply_style(
        figure,
        x_title="class" + (" (framed: its label)" if truth in shown else ""),
        y_title="what the classifier reads",
        height=36 * len(names) + 90,
        legend=False,
    )
    labels = [style.escape(classes[code], 16) for code in shown]
    figure.update_xaxes(tickvals=list(range(len(shown))), ticktext=labels, showgrid=False, fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[style.escape(name, 30) for name in names],
        showgrid=False,
        autorange="reversed",
        fixedrange=True,
    )
    return figure
