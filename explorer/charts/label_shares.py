"""Accuracy against the share of labels used, with and without pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from explorer.charts import style
from sae_core.training.few_labels import Method, ShareSummary

COLOURS: dict[Method, str] = {
    "pretrained": style.BLUE,
    "random weights": style.VERMILION,
    "linear on the code": style.GREEN,
    "linear on the input": style.GREY,
}
TITLES: dict[Method, str] = {
    "pretrained": "Pretrained, then fine-tuned",
    "random weights": "Without pretraining",
    "linear on the code": "Linear classifier on the code",
    "linear on the input": "Linear classifier on the input",
}
_MARKERS: dict[Method, str] = {
    "pretrained": "circle",
    "random weights": "square",
    "linear on the code": "diamond-open",
    "linear on the input": "x-thin-open",
}


def accuracy_by_share(found: Sequence[ShareSummary]) -> go.Figure:
    """A line a method: its mean over the seeds with the spread between them, and every seed as a faint dot."""
    figure = go.Figure()
    for method, colour in COLOURS.items():
        own = [summary for summary in found if summary.method == method]
        if not own:
            continue
        minor = method.startswith("linear")
        figure.add_scatter(
            x=[s.share for s in own for _ in s.accuracies],
            y=[value for s in own for value in s.accuracies],
            mode="markers",
            marker={"size": 5, "color": colour, "opacity": 0.4},
            hoverinfo="skip",
            legendgroup=method,
            showlegend=False,
        )
        figure.add_scatter(
            x=[s.share for s in own],
            y=[s.mean for s in own],
            mode="lines+markers",
            name=TITLES[method],
            legendgroup=method,
            line={"color": colour, "width": 1.5 if minor else 2.5, "dash": "dot" if minor else "solid"},
            marker={"size": 9, "symbol": _MARKERS[method], "line": {"width": 2, "color": colour}},
            error_y={
                "type": "data",
                "array": [s.spread if np.isfinite(s.spread) else 0.0 for s in own],
                "color": style.transparent(colour, 0.6),
                "thickness": 1.5,
                "width": 4,
            },
            customdata=[[s.rows, len(s.accuracies), style.number(100 * s.spread)] for s in own],
            hovertemplate="%{x:.0%} of the labels (%{customdata[0]:,} rows)<br>mean %{y:.1%} over %{customdata[1]} "
            "seeds<br>standard deviation %{customdata[2]} points<extra>%{fullData.name}</extra>",
        )
    style.apply_style(
        figure, x_title="share of the training labels used", y_title="accuracy (held-out rows)", height=400
    )
    rows = {summary.share: summary.rows for summary in found}
    ticks = sorted(rows)
    figure.update_xaxes(
        type="log",
        tickvals=ticks,
        ticktext=[f"{100 * share:.3g} %<br>{rows[share]:,} rows" for share in ticks],
        showgrid=True,
    )
    figure.update_yaxes(tickformat=".0%", title_standoff=16)
    return figure
