"""Ways of training beside each other: the input's error while they train, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from explorer.charts import style
from sae_core.analysis.classification import with_interval
from sae_core.analysis.contest import PCA, WayResult
from sae_core.training.events import TracePoint

Axis = Literal["step", "seconds"]

COLOURS: dict[str, str] = {
    "greedy": style.BLUE,
    "joint": style.VERMILION,
    "greedy then joint": style.GREEN,
    PCA: style.ORANGE,
}
TITLES: dict[str, str] = {"greedy": "Greedy", "joint": "Joint", "greedy then joint": "Greedy, then joint", PCA: PCA}
AXES: dict[Axis, str] = {"step": "gradient steps", "seconds": "training time (s)"}
MAX_POINTS = 400  # of a line


def error_curves(
    traces: Mapping[str, Sequence[TracePoint]], *, axis: Axis = "step", pca_error: float = float("nan")
) -> go.Figure:
    """How far off the input is, decoded from the level in training, while each way trains.

    Args:
        traces: by way.
        axis: what runs to the right.
        pca_error: of PCA of equal width, a horizontal line; NaN: not known yet.
    """
    figure = go.Figure()
    right = 1.0
    for way, points in traces.items():
        points = _thinned([point for point in points if np.isfinite(point.error) and point.error > 0])
        if not points:
            continue
        x = [point.step if axis == "step" else point.seconds for point in points]
        right = max(right, *x) if axis == "step" else max([right, *x])
        figure.add_scatter(
            x=x,
            y=[point.error for point in points],
            mode="lines",
            name=TITLES[way],
            line={"color": COLOURS[way], "width": 2.5},
            customdata=[_where(point) for point in points],
            hovertemplate="%{customdata}<br>error %{y:.4g}<br>%{x:,.4g} "
            + ("steps" if axis == "step" else "s")
            + "<extra>%{fullData.name}</extra>",
        )
        _mark_levels(figure, points, x, COLOURS[way], TITLES[way])
    if np.isfinite(pca_error) and pca_error > 0:
        figure.add_scatter(
            x=[0, right],
            y=[pca_error, pca_error],
            mode="lines",
            name=f"{PCA}, as wide",
            line={"color": COLOURS[PCA], "width": 2, "dash": "dot"},
            hovertemplate="error %{y:.4g}<extra>PCA of equal width</extra>",
        )
    style.apply_style(
        figure,
        x_title=AXES[axis],
        y_title="mean squared error of the input<br>(per prepared value, held-out rows)",
        height=340,
        revision=axis,
    )
    figure.update_yaxes(type="log", minor_showgrid=False, dtick="D2", tickformat=".2~g")
    figure.update_xaxes(rangemode="tozero")
    return figure


def _thinned(points: Sequence[TracePoint]) -> list[TracePoint]:
    chosen = np.unique(np.linspace(0, max(len(points) - 1, 0), min(len(points), MAX_POINTS)).astype(int))
    return [points[i] for i in chosen]


def _where(point: TracePoint) -> str:
    return f"level {point.level} in training" if point.phase == "pretrain" else "all levels together"


def _mark_levels(figure: go.Figure, points: Sequence[TracePoint], x: Sequence[float], colour: str, name: str) -> None:
    """A mark where a further level, or the joint phase, begins."""
    begins = [
        i
        for i in range(1, len(points))
        if (points[i].phase, points[i].level) != (points[i - 1].phase, points[i - 1].level)
    ]
    if not begins:
        return
    figure.add_scatter(
        x=[x[i] for i in begins],
        y=[points[i].error for i in begins],
        mode="markers+text",
        text=[f"level {points[i].level}" if points[i].phase == "pretrain" else "joint" for i in begins],
        textposition="top center",
        textfont={"size": 10, "color": colour},
        marker={"size": 7, "color": colour},
        name=name,
        showlegend=False,
        hoverinfo="skip",
    )


def outcomes(results: Sequence[WayResult]) -> go.Figure:
    """What each way came to, as shares: variance that comes back, and rows that classifiers get right."""
    figure = go.Figure()
    measures = ["Variance given back"]
    if any(len(result.right) for result in results):
        measures.append("Linear classifier<br>on the code")
    if any(len(result.fine_tuned_right) for result in results):
        measures.append("Fine-tuned<br>stack")
    heights = {name: -i for i, name in enumerate(measures)}
    for place, result in enumerate(results):
        x, y, low, high = [], [], [], []
        for name, (value, below, above) in zip(measures, _shares(result), strict=False):
            if np.isfinite(value):
                x.append(value)
                y.append(heights[name] + 0.27 - 0.18 * place)
                low.append(value - below)
                high.append(above - value)
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=TITLES[result.way],
            marker={"size": 12, "color": COLOURS[result.way]},
            error_x={
                "type": "data", "symmetric": False, "array": high, "arrayminus": low, "color": COLOURS[result.way],
                "thickness": 1.5, "width": 4,
            },
            hovertemplate="%{x:.1%}<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    style.apply_style(figure, x_title="share of variance, or of held-out rows", height=110 + 78 * len(measures))
    figure.update_xaxes(tickformat=".0%", showgrid=True)
    figure.update_yaxes(
        tickvals=list(heights.values()), ticktext=measures, showgrid=False, range=[-len(measures) + 0.5, 0.5]
    )
    return figure


def _shares(result: WayResult) -> list[tuple[float, float, float]]:
    """(value, low, high) of each measure; NaN where there is none."""
    found = [(result.explained, result.explained, result.explained)]
    for right in (result.right, result.fine_tuned_right):
        interval = with_interval(int(right.sum()), len(right))
        found.append((interval.share, interval.low, interval.high))
    return found


def column_errors(names: Sequence[str], relative: Mapping[str, Sequence[float]]) -> go.Figure:
    """How well each column of a table comes back by each way: a share of what one constant guess would cost.

    Args:
        names: of the columns; escaped here.
        relative: by way, one figure for each column; NaN where it cannot be told.
    """
    figure = go.Figure()
    labels = [style.escape(name, 24) for name in names]
    for way, values in relative.items():
        figure.add_scatter(
            x=[value if np.isfinite(value) else None for value in values],
            y=list(range(len(names))),
            mode="markers",
            name=TITLES[way],
            marker={"size": 10, "color": COLOURS[way], "opacity": 0.85},
            customdata=labels,
            hovertemplate="%{customdata}<br>%{x:.1%} of a constant guess<extra>%{fullData.name}</extra>",
        )
    style.apply_style(
        figure, x_title="error, as a share of what one constant guess costs", height=110 + 22 * len(names)
    )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero", showgrid=True)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=labels, autorange="reversed")
    return figure
