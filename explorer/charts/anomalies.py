"""How well reconstruction errors find anomalies: ROC and precision-recall curves of every level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style
from explorer.charts.style import apply_style
from sae_core.analysis.anomalies import Detection

MAX_POINTS = 400  # of a curve; thinned beyond, which the eye cannot see
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def roc_chart(found: Sequence[Detection]) -> go.Figure:
    """Share of anomalies found against share of false alarms, a line for every level."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": style.LINE, "dash": "dot", "width": 1.5},
        name="chance",
        hoverinfo="skip",
    )
    for i, each in enumerate(found):
        _add(figure, i, each, each.false_alarms, each.found, f"area {each.area:.3f}", "false alarms", "found")
    apply_style(
        figure,
        x_title="usual rows beyond the threshold (share)",
        y_title="anomalies beyond the threshold (share)",
        title="ROC",
        height=380,
        legend="bottom right",
    )
    return _bounded(figure)


def precision_chart(found: Sequence[Detection]) -> go.Figure:
    """Share of anomalies among the rows beyond the threshold, against the share of anomalies that are among them."""
    figure = go.Figure()
    if found:
        base = found[0].anomalies / max(found[0].rows, 1)
        line = {"color": style.LINE, "dash": "dot", "width": 1.5}
        figure.add_scatter(x=[0, 1], y=[base, base], mode="lines", line=line, name="chance", hoverinfo="skip")
    for i, each in enumerate(found):
        words = f"average precision {each.average_precision:.3f}"
        _add(figure, i, each, each.recall, each.precision, words, "anomalies found", "precision")
    apply_style(
        figure,
        x_title="anomalies beyond the threshold (share)",
        y_title="anomalies among rows beyond it (share)",
        title="Precision and recall",
        height=380,
        legend="top right",
    )
    return _bounded(figure)


def _add(
    figure: go.Figure,
    i: int,
    each: Detection,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    words: str,
    x_name: str,
    y_name: str,
) -> None:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int))
    figure.add_scatter(
        x=x[kept],
        y=y[kept],
        mode="lines",
        line={"color": style.PALETTE[i % len(style.PALETTE)], "width": 2, "dash": DASHES[i % len(DASHES)]},
        name=f"level {each.level}: {words}",
        hovertemplate=f"{x_name} %{{x:.1%}}<br>{y_name} %{{y:.1%}}<extra>level {each.level}</extra>",
    )


def _bounded(figure: go.Figure) -> go.Figure:
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(range=[-0.01, 1.03], tickformat=".0%", fixedrange=True)
    return figure
