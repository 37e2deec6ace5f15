"""Accuracies, confusion and scores of classes, before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style
from explorer.charts.style import BLUE, GREY, ORANGE, apply_style
from sae_core.analysis.classification import Accuracy
from sae_core.analysis.fine_tuning import Move

MAX_NUMBERED = 15  # classes up to which cells hold their number
MAX_SCORED = 40  # classes of the score chart; and up to which cells can be pointed at

# Rightly classified rows step back in grey, mistakes glow: they are what one looks for. The colours are opaque, so that
# the colour of a cell's number, which plotly chooses by the cell, is legible on light and dark pages.
# Empty cells have none.
EMPTY = [0.0, style.transparent(style.GREY, 0.0)]
RIGHT = [EMPTY, [1e-6, "#e6e5e8"], [1.0, "#8d8996"]]
WRONG = [EMPTY, [1e-6, "#fdf1e0"], [0.15, "#f6cf9a"], [1.0, "#d55e00"]]


def accuracy_chart(
    names: Sequence[str], accuracies: Sequence[Accuracy], training: Sequence[Accuracy] | None, *, part: str
) -> go.Figure:
    """Accuracy of each classifier with its 95 % interval; the last one stands out if it is the fine-tuned stack.

    Args:
        names: on the axis, e.g. "raw input", "level 1 · 256", ..., "fine-tuned".
        accuracies: on the rows of `part`.
        training: on the training rows, as hollow marks; None: not shown.
    """
    shares = [each.share for each in accuracies]
    colours = [ORANGE if name.startswith("fine-tuned") else GREY if name == "raw input" else BLUE for name in names]
    figure = go.Figure()
    figure.add_scatter(
        x=list(names),
        y=shares,
        mode="markers+text",
        name=f"{part} rows",
        marker={"color": colours, "size": 12},
        error_y={
            "type": "data",
            "symmetric": False,
            "thickness": 1.5,
            "width": 6,
            "color": style.LINE,
            "array": [each.high - each.share for each in accuracies],
            "arrayminus": [each.share - each.low for each in accuracies],
        },
        text=[f"{share:.1%}" for share in shares],
        textposition="middle right",
        cliponaxis=False,
        customdata=[[each.right, each.rows, each.low, each.high] for each in accuracies],
        hovertemplate="<b>%{x}</b><br>%{customdata[0]:,} of %{customdata[1]:,} rows right"
        "<br>95 % interval %{customdata[2]:.1%} to %{customdata[3]:.1%}<extra></extra>",
    )
    if training is not None:
        figure.add_scatter(
            x=list(names),
            y=[each.share for each in training],
            mode="markers",
            name="training rows",
            marker={"symbol": "circle-open", "size": 9, "color": GREY, "line": {"width": 1.5}},
            hovertemplate="<b>%{x}</b><br>%{y:.1%} on training rows"
            "<br>far above the others means learned by heart<extra></extra>",
        )
    apply_style(figure, x_title="what the classifier reads", y_title="accuracy (share of rows)", height=320)
    figure.update_xaxes(range=[-0.5, len(names) - 0.3], showgrid=False)
    figure.update_yaxes(tickformat=".0%")
    return figure


def confusion_chart(
    matrix: NDArray[np.int64],
    classes: Sequence[object],
    *,
    title: str,
    top: float | None = None,
    chosen: NDArray[np.int64] | None = None,
) -> go.Figure:
    """True classes down, predicted classes across; colour is the share of the true class's rows.

    Args:
        matrix: (classes, classes) counts.
        top: share of mistakes at which their colour is full, so that two charts can be compared; None: the largest.
        chosen: (classes, classes) counts of picked out rows; cells that hold any get a frame.

    Every cell carries [true class, predicted class], for `cells`.
    """
    c = len(classes)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    diagonal = np.eye(c, dtype=bool)
    names = [style.escape(name, 16) for name in classes]
    full = top if top is not None else largest_mistake(matrix)
    figure = go.Figure()
    for z, scale, most in (
        (np.where(diagonal, shares, np.nan), RIGHT, 1.0),
        (np.where(diagonal, np.nan, shares), WRONG, max(full, 1e-9)),
    ):
        numbered: dict[str, Any] = {"text": np.where(np.isnan(z) | (matrix == 0), "", matrix.astype(str))}
        if c <= MAX_NUMBERED:
            numbered |= {"texttemplate": "%{text}", "textfont": {"size": 11}}
        figure.add_heatmap(
            z=z,
            x=list(range(c)),
            y=list(range(c)),
            colorscale=scale,
            zmin=0,
            zmax=most,
            showscale=False,
            xgap=1,
            ygap=1,
            hoverinfo="skip" if c <= MAX_SCORED else "x+y+z",
            **numbered,
        )
    if c <= MAX_SCORED:
        _add_cells(figure, matrix, totals, names, chosen)
    apply_style(
        figure,
        x_title="predicted class",
        y_title="true class",
        title=style.escape(title),
        height=320 if c <= 3 else 430,
        legend=False,
    )
    ticks = {"tickvals": list(range(c)), "ticktext": names} if c <= MAX_SCORED else {"showticklabels": False}
    figure.update_xaxes(showgrid=False, constrain="domain", constraintoward="left", fixedrange=True, **ticks)
    figure.update_yaxes(
        showgrid=False,
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
        constraintoward="top",
        fixedrange=True,
        **ticks,
    )
    return figure


def _add_cells(
    figure: go.Figure,
    matrix: NDArray[np.int64],
    totals: NDArray[np.int64],
    names: Sequence[str],
    chosen: NDArray[np.int64] | None,
) -> None:
    """Invisible marks that speak on hover and can be clicked, as cells cannot, and frames around chosen cells."""
    c = len(matrix)
    told = []
    for i in range(c):
        for j in range(c):
            share = matrix[i, j] / max(int(totals[i, 0]), 1)
            text = f"true class <b>{names[i]}</b>, predicted <b>{names[j]}</b><br>"
            text += f"{matrix[i, j]:,} of {totals[i, 0]:,} rows ({share:.1%})"
            if chosen is not None and chosen[i, j]:
                text += f"<br>{chosen[i, j]:,} of them chosen"
            told.append([i, j, text])
    figure.add_scatter(
        x=[j for _, j, _ in told],
        y=[i for i, _, _ in told],
        mode="markers",
        marker={"size": max(6, min(40, 330 // c)), "opacity": 0, "symbol": "square"},
        customdata=told,
        hovertemplate="%{customdata[2]}<br><i>click to choose these rows</i><extra></extra>",
    )
    if chosen is not None and chosen.any():
        x: list[float | None] = []
        y: list[float | None] = []
        for i, j in np.argwhere(chosen).tolist():
            x += [j - 0.48, j + 0.48, j + 0.48, j - 0.48, j - 0.48, None]
            y += [i - 0.48, i - 0.48, i + 0.48, i + 0.48, i - 0.48, None]
        line = {"color": style.CHOSEN, "width": 2.5}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", name="chosen rows")


def cells(event: Any) -> tuple[tuple[int, int], ...]:
    """(true class, predicted class) of the cells that a selection event caught in a `confusion_chart`."""
    found = set()
    for point in ((event or {}).get("selection") or {}).get("points") or []:
        place = point.get("customdata")
        if isinstance(place, Sequence) and not isinstance(place, str) and len(place) >= 2:
            found.add((int(place[0]), int(place[1])))
    return tuple(sorted(found))


def largest_mistake(*matrices: NDArray[np.int64]) -> float:
    """The largest share of a true class's rows that is taken for one other class, 0..1."""
    found = 0.0
    for matrix in matrices:
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        found = max(found, float(np.where(np.eye(len(matrix), dtype=bool), 0.0, shares).max(initial=0.0)))
    return found


def score_chart(before: pd.DataFrame | None, after: pd.DataFrame, score: str, *, title: str) -> go.Figure:
    """One score of every class, before and after fine-tuning, joined by a line. Of more than 40 classes the worst 40.

    Args:
        before, after: from `class_scores`; before None: only one classifier.
        score: "precision", "recall" or "f1".
    """
    order = after[score].to_numpy(np.float64)
    kept = np.argsort(np.nan_to_num(order, nan=2.0), kind="stable")[:MAX_SCORED]
    kept = np.sort(kept)[::-1] if len(after) <= MAX_SCORED else kept[::-1]
    names = [style.escape(after["class"].iloc[i], 20) for i in kept]
    places = list(range(len(kept)))
    figure = go.Figure()
    if before is not None:
        x: list[float | None] = []
        y: list[int | None] = []
        for place, i in enumerate(kept):
            x += [float(before[score].iloc[i]), float(after[score].iloc[i]), None]
            y += [place, place, None]
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": style.LINE, "width": 2}, hoverinfo="skip", showlegend=False
        )
    for frame, name, colour in (
        (before, "frozen code", BLUE),
        (after, "fine-tuned" if before is not None else "", ORANGE),
    ):
        if frame is not None:
            figure.add_scatter(
                x=frame[score].to_numpy(np.float64)[kept],
                y=places,
                mode="markers",
                name=name,
                marker={"color": colour, "size": 10},
                customdata=[[names[place], int(frame["rows"].iloc[i])] for place, i in enumerate(kept)],
                hovertemplate="class <b>%{customdata[0]}</b>: %{x:.1%}<br>%{customdata[1]:,} rows<extra>"
                + name
                + "</extra>",
            )
    apply_style(
        figure,
        x_title=f"{'F1' if score == 'f1' else score} (1 is perfect)",
        y_title="class",
        title=style.escape(title) if title else "",
        height=max(240, 24 * len(kept) + 110),
        legend=before is not None,
    )
    figure.update_yaxes(tickvals=places, ticktext=names)
    return figure


def moves_chart(moves: Sequence[Move]) -> go.Figure:
    """How far fine-tuning moved weights and codes of each level; 0 is not at all."""
    names = [f"Level {each.level}" for each in moves]
    figure = go.Figure()
    for name, values, colour, words in (
        ("weights", [each.weights for each in moves], BLUE, "change of the weights, share of their norm before"),
        (
            "codes (Procrustes)",
            [each.codes for each in moves],
            ORANGE,
            "left of the distance without shift, turn, scale",
        ),
        ("codes (1 − CKA)", [1 - each.similarity for each in moves], GREY, "1 − linear centred kernel alignment"),
    ):
        figure.add_bar(
            x=names,
            y=values,
            name=name,
            marker={"color": colour},
            hovertemplate=f"%{{x}}: %{{y:.3f}}<br>{words}<extra>{name}</extra>",
        )
    apply_style(figure, x_title="level", y_title="distance from the frozen stack (0: none)", height=320)
    figure.update_layout(barmode="group")
    figure.update_yaxes(rangemode="tozero")
    return figure
