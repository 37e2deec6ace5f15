"""Settings against a result: an axis a setting, a line a run.

Drawn as ordinary lines, not as plotly's own parallel coordinates: those need three of the handful of WebGL contexts
that a browser grants, which the maps below want, and their axes cannot be seen in the dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from explorer.charts.style import LINE, SEQUENTIAL, apply_style, escape

MOST_AXES = 10  # more cannot be told apart on a page
NEAREST_TICKS = 0.07  # of an axis: closer ones would overlap
LOGARITHMIC_FROM = 20.0  # ratio of the largest to the smallest value of a positive setting


@dataclass(frozen=True)
class _Axis:
    """One axis: where each run lies on it (0..1), its ticks (place, text), and each run's value as text."""

    title: str
    places: NDArray[np.float64]
    ticks: tuple[tuple[float, str], ...]
    texts: tuple[str, ...]


def parallel(
    settings: pd.DataFrame,
    result: NDArray[np.float64],
    title: str,
    *,
    share: bool = False,
    names: Sequence[str] = (),
) -> go.Figure:
    """Parallel coordinates: one line a run through its settings to its result, coloured by the result.

    Args:
        settings: a row a run, a column for each setting that varies: numbers or text.
        result: (runs,) figures, without NaN.
        title: of the result, with its unit.
        share: shown as per cent.
        names: of the runs.
    """
    axes = [_axis(str(name), settings[name]) for name in settings.columns[:MOST_AXES]]
    axes.append(_numbers(title, result, "{:.1%}" if share else "{:.3g}", ends=True))
    # The first violets cannot be seen on dark, the last yellows fade on white.
    colours = sample_colorscale(SEQUENTIAL, list(0.15 + 0.75 * axes[-1].places))
    figure = go.Figure()
    for run in np.argsort(axes[-1].places):  # high results on top
        name = escape(names[run]) if len(names) else f"run {run + 1}"
        passes = "<br>".join(f"{escape(axis.title)}: {escape(axis.texts[run])}" for axis in axes)
        figure.add_scatter(
            x=list(range(len(axes))),
            y=[axis.places[run] for axis in axes],
            mode="lines+markers",
            line={"color": colours[run], "width": 2},
            marker={"size": 6, "color": colours[run]},
            name=name,
            customdata=[[name, passes]] * len(axes),
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    for place, axis in enumerate(axes):
        figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line={"color": LINE, "width": 1}, layer="below")
        for height, text in axis.ticks:
            figure.add_annotation(
                x=place, y=height, text=escape(text, 14), showarrow=False, xanchor="right", xshift=-4, yshift=8
            )
    figure.update_annotations(font={"size": 11, "shadow": "auto"})  # a halo: lines pass beneath
    apply_style(figure, height=320, legend=False)
    ticks = {"tickvals": list(range(len(axes))), "ticktext": [_wrapped(axis.title) for axis in axes], "side": "top"}
    figure.update_xaxes(**ticks, showgrid=False, range=[-0.5, len(axes) - 0.8], tickangle=0, zeroline=False)
    figure.update_yaxes(visible=False, range=[-0.06, 1.06])
    figure.update_layout(hovermode="closest", margin={"l": 8, "r": 24, "t": 64, "b": 8})
    return figure


def _axis(name: str, column: pd.Series) -> _Axis:
    if pd.api.types.is_numeric_dtype(column):
        return _numbers(name, column.to_numpy(dtype=np.float64), "{:.3g}")
    words = sorted({str(value) for value in column})
    heights = {word: place / max(1, len(words) - 1) for place, word in enumerate(words)}
    texts = tuple(str(value) for value in column)
    ticks = _spread([(height, word) for word, height in heights.items()])
    return _Axis(name, np.array([heights[text] for text in texts]), ticks, texts)


def _numbers(name: str, values: NDArray[np.float64], form: str, *, ends: bool = False) -> _Axis:
    different = np.unique(values)
    low, high = float(different[0]), float(different[-1])
    logarithmic = low > 0 and high / low >= LOGARITHMIC_FROM
    scaled = np.log10(values) if logarithmic else values
    bottom, top = float(scaled.min()), float(scaled.max())
    places = (scaled - bottom) / (top - bottom) if top > bottom else np.full(len(values), 0.5)
    shown = dict(zip(values.tolist(), places.tolist(), strict=True))
    candidates = [(shown[value], form.format(value)) for value in (different[[0, -1]] if ends else different).tolist()]
    return _Axis(name, places, _spread(candidates), tuple(form.format(value) for value in values))


def _spread(ticks: list[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """The ends, and of the others those that have room."""
    kept = [tick for place, tick in enumerate(ticks) if place in (0, len(ticks) - 1)]
    for tick in ticks[1:-1]:
        if all(abs(tick[0] - other[0]) >= NEAREST_TICKS for other in kept):
            kept.append(tick)
    return tuple(sorted(dict.fromkeys(kept)))


def _wrapped(title: str) -> str:
    """A title in lines of some 12 letters."""
    lines = [""]
    for word in escape(title, 40).split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > 12:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)
