"""What each level keeps, level by level: one small chart for each question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from explorer.charts import style
from sae_core.analysis.levels import LevelSummary
from sae_core.analysis.reconstruction import ColumnErrors

HEIGHT = 270
STACK, PCA, OTHER = style.BLUE, style.ORANGE, style.GREEN


@dataclass(frozen=True)
class Line:
    """One quantity at every level.

    Attributes:
        name: in the legend; the user's own names are escaped already.
        values: one for each level; NaN where there is none.
        yardstick: drawn dashed, with open diamonds: something to measure the stack by.
    """

    name: str
    values: Sequence[float]
    colour: str = STACK
    yardstick: bool = False


def level_ticks(summaries: Sequence[LevelSummary]) -> list[str]:
    """Names of the levels on an axis, with their widths."""
    return [f"{'Input' if s.level == 0 else f'Level {s.level}'}<br>{s.units:,}" for s in summaries]


def lines(
    ticks: Sequence[str], shown: Sequence[Line], *, y_title: str, share: bool = False, from_zero: bool = False
) -> go.Figure:
    """Quantities from the input to the deepest level.

    Args:
        ticks: names of the levels.
        y_title: the quantity with its unit.
        share: values are shown as per cent.
        from_zero: the axis begins at 0.
    """
    figure = go.Figure()
    form = ".1%" if share else ".4g"
    for line in shown:
        known = [(i, value) for i, value in enumerate(line.values) if np.isfinite(value)]
        marker: dict[str, Any] = {"size": 9, "symbol": "diamond-open" if line.yardstick else "circle"}
        marker["line"] = {"width": 2, "color": line.colour}
        figure.add_scatter(
            x=[i for i, _ in known],
            y=[value for _, value in known],
            mode="lines+markers",
            name=line.name,
            line={"color": line.colour, "width": 1.5 if line.yardstick else 2.5, "dash": _dash(line)},
            marker=marker,
            customdata=[ticks[i].replace("<br>", ", width ") for i, _ in known],
            hovertemplate=f"%{{customdata}}<br>%{{y:{form}}}<extra>%{{fullData.name}}</extra>",
        )
    style.apply_style(figure, y_title=y_title, height=HEIGHT, legend="above" if len(shown) > 1 else False)
    _level_axis(figure, ticks)
    figure.update_yaxes(
        tickformat=".0%" if share else None, rangemode="tozero" if from_zero else "normal", title_standoff=14
    )
    return figure


def _dash(line: Line) -> str:
    return "dot" if line.yardstick else "solid"


def _level_axis(figure: go.Figure, ticks: Sequence[str]) -> None:
    figure.update_xaxes(
        tickvals=list(range(len(ticks))), ticktext=list(ticks), range=[-0.35, len(ticks) - 0.65], fixedrange=True
    )


def errors(summaries: Sequence[LevelSummary], unit: str) -> go.Figure:
    """Reconstruction error in the input's units, beside PCA of equal width."""
    shown = [
        Line("stack", [s.input_error for s in summaries]),
        Line("PCA, as wide", [s.pca_input_error if s.level else np.nan for s in summaries], PCA, yardstick=True),
    ]
    return lines(level_ticks(summaries), shown, y_title=f"root mean squared error<br>({unit})", from_zero=True)


def column_error(found: ColumnErrors, column: int, summaries: Sequence[LevelSummary]) -> go.Figure:
    """How far one column comes back, in its own unit."""
    share = found.units[column] != "mean absolute error"
    values = [0.0, *(float(value) for value in found.values[:, column])]
    title = "share of rows changed" if share else "mean absolute error<br>(units of the column)"
    name = style.escape(found.names[column], 30)
    return lines(level_ticks(summaries), [Line(name, values)], y_title=title, share=share, from_zero=True)


def explained(summaries: Sequence[LevelSummary]) -> go.Figure:
    """Share of the input's variance that comes back, beside PCA of equal width."""
    shown = [
        Line("stack", [s.explained for s in summaries]),
        Line("PCA, as wide", [s.pca_explained if s.level else np.nan for s in summaries], PCA, yardstick=True),
    ]
    return lines(level_ticks(summaries), shown, y_title="variance explained", share=True)


def accuracies(summaries: Sequence[LevelSummary]) -> go.Figure:
    """What a linear classifier and the nearest neighbours make of each code."""
    shown = [
        Line("linear", [s.linear_accuracy for s in summaries]),
        Line("neighbours", [s.neighbour_accuracy for s in summaries], OTHER),
        Line("linear on PCA", [s.pca_linear_accuracy for s in summaries], PCA, yardstick=True),
    ]
    return lines(level_ticks(summaries), shown, y_title="accuracy (held-out rows)", share=True)


def neighbourhoods(summaries: Sequence[LevelSummary]) -> go.Figure:
    """How well each code keeps the input's neighbourhoods."""
    shown = [
        Line("trustworthiness", [s.trustworthiness for s in summaries]),
        Line("continuity", [s.continuity for s in summaries], OTHER),
    ]
    return lines(level_ticks(summaries), shown, y_title="of 10 nearest neighbours, 0 to 1")


def units(summaries: Sequence[LevelSummary]) -> go.Figure:
    """What the units of each code do: share that works, stays at an end of its range, or says nothing."""
    figure = go.Figure()
    ticks = level_ticks(summaries)
    dead = np.array([s.dead for s in summaries], dtype=np.float64)
    saturated = np.array([0.0 if np.isnan(s.saturated) else s.saturated for s in summaries])
    total = np.array([s.units for s in summaries], dtype=np.float64)
    parts: list[tuple[str, Any, str]] = [
        ("at work", total - dead - saturated, style.transparent(STACK, 0.55)),
        ("saturated", saturated, style.YELLOW),
        ("dead", dead, style.GREY),
    ]
    for name, amount, colour in parts:
        figure.add_bar(
            x=list(range(len(ticks))),
            y=amount / total,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            customdata=amount,
            hovertemplate="%{customdata:,.0f} units, %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.add_scatter(
        x=list(range(len(ticks))),
        y=np.array([s.effective_rank for s in summaries]) / total,
        mode="markers",
        name="effective rank",
        marker={"size": 11, "symbol": "line-ew", "line": {"width": 3, "color": style.VERMILION}},
        customdata=[s.effective_rank for s in summaries],
        hovertemplate="effective rank %{customdata:.1f}, %{y:.1%} of the width<extra></extra>",
    )
    style.apply_style(figure, y_title="share of the units", height=HEIGHT)
    figure.update_layout(barmode="stack", bargap=0.45)
    _level_axis(figure, ticks)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02], title_standoff=14)
    return figure


def activations(summaries: Sequence[LevelSummary]) -> go.Figure:
    """Mean activation over units and rows."""
    shown = [Line("mean activation", [s.mean_activation for s in summaries])]
    return lines(level_ticks(summaries), shown, y_title="mean activation (no unit)", from_zero=True)
