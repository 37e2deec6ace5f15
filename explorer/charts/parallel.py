"""Settings against a result: an axis a setting, a line a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts.style import SEQUENTIAL, apply_style, escape

MOST_AXES = 10  # more cannot be told apart on a page
MOST_TICKS = 8
LOGARITHMIC_FROM = 20.0  # ratio of the largest to the smallest value of a positive setting


def parallel(settings: pd.DataFrame, result: NDArray[np.float64], title: str, *, share: bool = False) -> go.Figure:
    """Parallel coordinates: one line a run through its settings to its result, coloured by the result.

    Dragging along an axis keeps the runs that pass there; axes can be moved.

    Args:
        settings: a row a run, a column for each setting that varies: numbers or text.
        result: (runs,) figures, without NaN.
        title: of the result, with its unit.
        share: shown as per cent.
    """
    axes = [_axis(str(name), settings[name]) for name in settings.columns[:MOST_AXES]]
    last: dict[str, Any] = {"label": escape(title, 34), "values": result, "tickformat": ".1%" if share else ".3g"}
    low, high = float(result.min()), float(result.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
        last["range"] = [low, high]
    bar = {"title": {"text": escape(title, 34), "side": "right"}, "thickness": 12, "tickformat": last["tickformat"]}
    figure = go.Figure(
        go.Parcoords(
            dimensions=[*axes, last],
            line={
                "color": result,
                "colorscale": SEQUENTIAL,
                "cmin": low,
                "cmax": high,
                "showscale": True,
                "colorbar": bar,
            },
            labelangle=-12 if len(axes) > 5 else 0,
            unselected={"line": {"opacity": 0.08}},
        )
    )
    apply_style(figure, height=340, legend=False)
    figure.update_layout(margin={"l": 56, "r": 24, "t": 76 if len(axes) > 5 else 56, "b": 24})
    return figure


def _axis(name: str, column: pd.Series) -> dict[str, Any]:
    if not pd.api.types.is_numeric_dtype(column):
        words = sorted({str(value) for value in column})
        places = {word: place for place, word in enumerate(words)}
        ticks = {"tickvals": list(places.values()), "ticktext": [escape(word, 16) for word in words]}
        return {"label": escape(name, 26), "values": [places[str(value)] for value in column], **ticks}
    values = column.to_numpy(dtype=np.float64)
    different = np.unique(values)
    low, high = float(different[0]), float(different[-1])
    scale = np.log10 if low > 0 and high / low >= LOGARITHMIC_FROM else np.asarray
    axis: dict[str, Any] = {"label": escape(name, 26), "values": scale(values)}
    if len(different) <= MOST_TICKS:
        shown = different
    elif scale is np.log10:
        shown = np.geomspace(low, high, 5)
    else:
        return axis
    return axis | {"tickvals": scale(shown), "ticktext": [f"{value:.3g}" for value in shown]}
