"""Loss and accuracy of several runs, laid over each other phase by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.charts.style import apply_style, colours, escape
from sae_core.analysis.comparison import phase_table, phase_title

Axis = Literal["epoch", "step", "seconds"]
Measure = Literal["loss", "accuracy"]

AXES: dict[Axis, tuple[str, str]] = {
    "epoch": ("epoch", "Epoch"),
    "step": ("phase_step", "Gradient steps"),
    "seconds": ("phase_seconds", "Training time (s)"),
}
_ORDER = ("pretrain", "joint", "unrolled", "softmax", "fine_tune")


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


def run_colours(ids: Sequence[str]) -> dict[str, str]:
    """A colour for each run, in the order chosen."""
    return dict(zip(ids, colours(len(ids)), strict=True))


def phases(curves: Sequence[RunCurve], measure: Measure = "loss") -> list[tuple[str, int]]:
    """(kind, level) of every phase that at least one run has, in the order of training; for accuracy only those with one."""
    found = {
        (str(phase), int(level))
        for curve in curves
        if not curve.history.empty
        for phase, level in zip(*(_measured(curve.history, measure)[name] for name in ("phase", "level")), strict=True)
    }
    return sorted(found, key=lambda phase: (_ORDER.index(phase[0]), phase[1]))


def overlaid(
    curves: Sequence[RunCurve],
    phase: tuple[str, int],
    *,
    axis: Axis = "epoch",
    measure: Measure = "loss",
    logarithmic: bool = False,
    colours: Mapping[str, str] | None = None,
    height: int = 300,
) -> go.Figure:
    """One phase of several runs: training dotted, validation solid (training solid where there is no validation).

    Args:
        phase: (kind, level), one of `phases`.
        axis: counted from the beginning of the phase.
        logarithmic: scale of the loss.
        colours: by run id; None: the palette in order.
    """
    column, x_title = AXES[axis]
    chosen = colours or run_colours([curve.id for curve in curves])
    figure = go.Figure()
    for curve in curves:
        table = phase_table(curve.history)
        if not table.empty:
            table = table[(table["phase"].astype(str) == phase[0]) & (table["level"] == phase[1])]
        if table.empty:
            continue
        validated = table[f"validation_{measure}"].notna().any()
        for part in ("train", "validation") if validated else ("train",):
            solid = part == "validation" or not validated
            figure.add_trace(_line(curve, table, column, part, measure, chosen[curve.id], solid=solid))
    figure = apply_style(
        figure,
        x_title=x_title,
        y_title=_y_title(phase[0], measure),
        title=phase_title(*phase),
        height=height,
        legend=False,
        revision=f"{phase}-{axis}-{measure}-{logarithmic}",
    )
    if measure == "accuracy":
        figure.update_yaxes(tickformat=".0%")
    elif logarithmic:
        figure.update_yaxes(type="log", dtick="D2", exponentformat="power")
    return figure


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
        name=name,
        legendgroup=curve.id,
        showlegend=solid,
        customdata=[[name, "Training" if part == "train" else "Validation"]] * len(table),
        hovertemplate=f"%{{customdata[0]}}<br>%{{customdata[1]}}: %{{y:{shown}}}<br>%{{x:.4g}}<extra></extra>",
    )


def _measured(history: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    return history if measure == "loss" else history[history["train_accuracy"].notna()]


def _y_title(kind: str, measure: Measure) -> str:
    if measure == "accuracy":
        return "Accuracy"
    return "Cross-entropy a row" if kind in ("softmax", "fine_tune") else "Loss a row"
