"""Loss and accuracy of several runs, laid over each other phase by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.charts.loss import MAX_POINTS
from explorer.charts.style import apply_style, escape
from sae_core.analysis.comparison import phase_table, phase_title

Axis = Literal["epoch", "step", "seconds"]
Measure = Literal["loss", "accuracy"]

AXES: dict[Axis, tuple[str, str]] = {
    "epoch": ("epoch", "epoch"),
    "step": ("phase_step", "gradient steps"),
    "seconds": ("phase_seconds", "training time (s)"),
}
AUTOENCODERS = ("pretrain", "joint", "unrolled")  # kinds of phases that minimise a reconstruction error
CLASSIFIERS = ("softmax", "fine_tune")
LEGEND_LETTERS = 34  # of a run's name: two of them stand beside each other on a narrow page
NARROW = 600  # pixels of a chart in a window of 1000
ORDER = (*AUTOENCODERS, *CLASSIFIERS)


@dataclass(frozen=True)
class RunCurve:
    """One run to draw.

    Attributes:
        id: tells runs of the same name apart.
        name: shown in the legend.
        history: columns as of `HistoryRow`, in the order of training.
    """

    id: str
    name: str
    history: pd.DataFrame


def phases(curves: Sequence[RunCurve], kinds: Sequence[str] = ORDER) -> list[tuple[str, int]]:
    """(kind, level) of every phase of these kinds that at least one run has, in the order of training."""
    found = {
        (str(phase), int(level))
        for curve in curves
        for phase, level in zip(curve.history["phase"], curve.history["level"], strict=True)
        if phase in kinds
    }
    return sorted(found, key=lambda phase: (ORDER.index(phase[0]), phase[1]))


def overlaid(
    curves: Sequence[RunCurve],
    shown: Sequence[tuple[str, int]],
    colours: Mapping[str, str],
    *,
    axis: Axis = "epoch",
    measure: Measure = "loss",
    logarithmic: bool = False,
    columns: int = 3,
    height: int = 270,
) -> go.Figure:
    """Runs laid over each other, one panel a phase, one legend for all of them.

    Validation is solid and training dotted; training is solid where there is no validation. A click on a run in the
    legend hides it in every panel.

    Args:
        shown: (kind, level) of the phases, from `phases`.
        colours: by run id.
        axis: counted from the beginning of each phase.
        logarithmic: scale of the loss.
        height: of a row of panels, in pixels.
    """
    columns = max(1, min(columns, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[phase_title(*phase) for phase in shown],
        horizontal_spacing=0.2 / columns,
        vertical_spacing=min(0.3, 90 / (rows * height)),
    )
    in_legend: set[str] = set()
    for place, phase in enumerate(shown):
        longest = 0.0
        at = {"row": place // columns + 1, "col": place % columns + 1}
        for curve in curves:
            for trace in _lines(curve, phase, AXES[axis][0], measure, colours[curve.id]):
                trace.showlegend = bool(trace.showlegend) and curve.id not in in_legend
                in_legend |= {curve.id} if trace.showlegend else set()
                figure.add_trace(trace, **at)
                longest = max(longest, *trace.x)
        if axis == "epoch" and longest < 10:
            figure.update_xaxes(dtick=1, **at)  # no halves of epochs
    above = _legend_height([str(trace.name) for trace in figure.data if trace.showlegend])
    apply_style(figure, height=rows * height + above, revision=f"{axis}-{measure}-{logarithmic}-{shown}")
    figure.update_layout(
        margin={"t": above},
        legend={"x": 0, "xanchor": "left", "xref": "container", "y": 1, "yref": "container", "yanchor": "top"},
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_text=AXES[axis][1], rangemode="tozero")
    for place, (kind, _) in enumerate(shown):
        title = _y_title(kind, measure) if place % columns == 0 or kind != shown[place - 1][0] else ""
        figure.update_yaxes(title_text=title, title_standoff=16, row=place // columns + 1, col=place % columns + 1)
    if measure == "accuracy":
        figure.update_yaxes(tickformat=".0%")
    elif logarithmic:
        figure.update_yaxes(type="log", minor_showgrid=False)
    return figure


def levels_compared(
    curves: Sequence[RunCurve],
    figures: Mapping[str, Mapping[str, float]],
    colours: Mapping[str, str],
    *,
    y_title: str,
    share: bool = False,
) -> go.Figure:
    """One figure for each level, a line a run.

    Args:
        figures: by run id, then by level ("input", "level 1", .., "fine-tuned"), in that order.
        colours: by run id.
        y_title: the quantity with its unit.
        share: shown as per cent.
    """
    form = ".1%" if share else ".4g"
    figure = go.Figure()
    for curve in curves:
        points = figures.get(curve.id, {})
        name = escape(curve.name)
        figure.add_scatter(
            x=list(points),
            y=list(points.values()),
            mode="lines+markers",
            name=name,
            line={"color": colours[curve.id], "width": 2},
            marker={"size": 8},
            customdata=[[name]] * len(points),
            hovertemplate=f"%{{customdata[0]}}<br>%{{x}}: %{{y:{form}}}<extra></extra>",
        )
    apply_style(figure, y_title=y_title, height=280, legend=False)
    order = sorted({name for points in figures.values() for name in points}, key=_level_order)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)
    figure.update_yaxes(tickformat=".0%" if share else None, title_standoff=16)
    return figure


def _level_order(name: str) -> tuple[int, int]:
    if name == "input":
        return (0, 0)
    return (1, int(name.removeprefix("level "))) if name.startswith("level ") else (2, 0)


def _legend_height(names: Sequence[str]) -> int:
    """Pixels for a legend above the panels and for their titles, as it is laid out on a narrow page."""
    widest = 50 + 6 * max((len(name) for name in names), default=0)
    return 42 + 19 * -(-len(names) // max(1, NARROW // widest))


def _lines(curve: RunCurve, phase: tuple[str, int], column: str, measure: Measure, colour: str) -> list[go.Scatter]:
    table = phase_table(curve.history)
    if table.empty:
        return []
    table = table[(table["phase"].astype(str) == phase[0]) & (table["level"] == phase[1])]
    if table.empty:
        return []
    table = table.iloc[np.unique(np.linspace(0, len(table) - 1, min(len(table), MAX_POINTS)).astype(np.int64))]
    validated = bool(table[f"validation_{measure}"].notna().any())
    parts = ("train", "validation") if validated else ("train",)
    return [
        _line(curve, table, column, part, measure, colour, solid=part == "validation" or not validated)
        for part in parts
    ]


def _line(
    curve: RunCurve, table: pd.DataFrame, column: str, part: str, measure: Measure, colour: str, *, solid: bool
) -> go.Scatter:
    values = table[f"{part}_{measure}"].to_numpy(dtype=np.float64)
    shown = ".1%" if measure == "accuracy" else ".4g"
    name = escape(curve.name)
    return go.Scatter(
        x=table[column],
        y=values,
        mode="lines+markers" if len(table) < 16 else "lines",
        marker={"size": 5},
        line={"color": colour, "width": 2 if solid else 1.3, "dash": "solid" if solid else "dot"},
        opacity=1.0 if solid else 0.75,
        name=escape(curve.name, LEGEND_LETTERS),
        legendgroup=curve.id,
        showlegend=solid,
        customdata=[[name, "Training" if part == "train" else "Validation"]] * len(table),
        hovertemplate=f"%{{customdata[0]}}<br>%{{customdata[1]}}: %{{y:{shown}}}<br>%{{x:.4g}}<extra></extra>",
    )


def _y_title(kind: str, measure: Measure) -> str:
    if measure == "accuracy":
        return "accuracy (share of rows)"
    return "cross-entropy per row (nats)" if kind in CLASSIFIERS else "loss per row"
