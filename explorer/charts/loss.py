"""Curves of what a phase minimises, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from explorer.charts.style import GREY, PALETTE, TRAIN, VALIDATION, apply_style, transparent
from sae_core.training.events import HistoryRow, Phase

LOSS_UNITS = {
    "squared_error": "squared error per row",
    "absolute_error": "absolute error per row",
    "binary_cross_entropy": "cross-entropy per row (nats)",
    "huber": "Huber loss per row",
    "cross_entropy": "cross-entropy per row (nats)",
}
MAX_POINTS = 600  # of one line: more cannot be told apart, and all travel to the browser at each redraw

Curve = Sequence[tuple[float, float]]  # (epochs done, loss)


def loss_curve(phase: Phase, rows: Sequence[HistoryRow], curve: Curve = (), *, height: int = 250) -> go.Figure:
    """Loss of one phase on training and validation rows, with the course within epochs behind it.

    Args:
        phase: names the loss and the length of the horizontal axis.
        rows: the phase's epochs so far.
        curve: (epoch position, loss) within epochs, so that even the first epoch moves.
    """
    figure = go.Figure()
    if len(curve) < len(rows):  # epochs passed faster than they were sampled: a chord across them would mislead
        curve = ()
    rows, curve = thinned(rows), thinned(curve)
    if curve:
        figure.add_scatter(
            x=[x for x, _ in curve],
            y=[_or_gap(y) for _, y in curve],
            mode="lines",
            name="within epochs",
            showlegend=False,
            line={"color": transparent(TRAIN, 0.35), "width": 1.5},
            hovertemplate="epoch %{x:.2f}: %{y:.4g}<extra>within epochs</extra>",
        )
    _line(figure, rows, "train_loss", "training", TRAIN, ".4g")
    _line(figure, rows, "validation_loss", "validation", VALIDATION, ".4g")
    apply_style(
        figure,
        x_title="epoch",
        y_title=LOSS_UNITS.get(phase.loss, phase.loss),
        height=height,
        revision=phase.title,
        legend="top right",
    )
    _epoch_axis(figure, phase.epochs)
    figure.update_yaxes(rangemode="tozero" if _spread(rows, curve) > 3 else "normal")
    return _waiting(figure)


def accuracy_curve(lines: Sequence[tuple[str, Phase, Sequence[HistoryRow]]], *, height: int = 250) -> go.Figure:
    """Share of rows that classifiers get right, epoch by epoch.

    Args:
        lines: (name, phase, its epochs so far). One line shows training and validation; several show the validation
            accuracy of each (training where there are no validation rows).
    """
    figure = go.Figure()
    if len(lines) == 1:
        rows = lines[0][2]
        _line(figure, thinned(rows), "train_accuracy", "training", TRAIN, ".1%")
        _line(figure, thinned(rows), "validation_accuracy", "validation", VALIDATION, ".1%")
    else:
        for (name, _, rows), colour in zip(lines, [GREY, *PALETTE], strict=False):
            held_out = any(math.isfinite(row.validation_accuracy) for row in rows)
            _line(figure, thinned(rows), "validation_accuracy" if held_out else "train_accuracy", name, colour, ".1%")
    y_title = "accuracy" if len(lines) == 1 else "validation accuracy"
    apply_style(figure, x_title="epoch", y_title=y_title, height=height, revision="accuracy", legend="bottom right")
    _epoch_axis(figure, max(phase.epochs for _, phase, _ in lines))
    figure.update_yaxes(tickformat=".0%")
    return _waiting(figure)


def _waiting(figure: go.Figure) -> go.Figure:
    """A chart without a curve yet has no numbers on its vertical axis."""
    if not figure.data:
        figure.update_yaxes(range=[0, 1], showticklabels=False)
        figure.update_layout(showlegend=False)
        figure.add_annotation(text="not begun", showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", opacity=0.5)
    return figure


def thinned(points: Sequence[object]) -> list:  # type: ignore[type-arg]
    """At most MAX_POINTS of a sequence, evenly, the last one kept."""
    if len(points) <= MAX_POINTS:
        return list(points)
    step = math.ceil(len(points) / MAX_POINTS)
    return [*points[:-1:step], points[-1]]


def _line(figure: go.Figure, rows: Sequence[HistoryRow], field: str, name: str, colour: str, form: str) -> None:
    values = [_or_gap(getattr(row, field)) for row in rows]
    if any(value is not None for value in values):
        figure.add_scatter(
            x=[row.epoch for row in rows],
            y=values,
            mode="lines+markers" if len(rows) <= 40 else "lines",
            name=name,
            line={"color": colour, "width": 2},
            marker={"size": 5},
            hovertemplate=f"epoch %{{x}}: %{{y:{form}}}<extra>{name}</extra>",
        )


def _or_gap(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _epoch_axis(figure: go.Figure, epochs: int) -> None:
    # The whole length from the start, so that the curve grows into the picture and the axis does not jump.
    steps = {"dtick": 1} if epochs <= 8 else {"nticks": 8}  # of whole epochs
    figure.update_xaxes(range=[0, epochs * 1.02], tickformat="d", **steps)


def _spread(rows: Sequence[HistoryRow], curve: Curve) -> float:
    values = [row.train_loss for row in rows] + [y for _, y in curve]
    values = [value for value in values if math.isfinite(value) and value > 0]
    return max(values) / min(values) if values else math.inf
