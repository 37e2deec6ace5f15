"""How far rows and columns are from what each level gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer import pictures
from explorer.charts import style
from explorer.charts.style import BLUE, CHOSEN, GREY, VERMILION, apply_style, number, transparent
from sae_core.analysis.levels import LinearYardstick
from sae_core.analysis.reconstruction import ColumnErrors, RowErrors

ERROR_UNIT = "mean squared error per value (prepared scale)"
MAX_COLUMNS = 20
BINS = 60
MAX_LINES = 40  # chosen rows drawn one by one


def level_errors(
    errors: RowErrors,
    units: Sequence[int],
    rows: NDArray[np.bool_],
    *,
    pca: Sequence[LinearYardstick] = (),
    chosen: NDArray[np.int64] | None = None,
) -> go.Figure:
    """Errors of rows at every level as boxes (quartiles; whiskers from the 5th to the 95th percentile), the mean as a
    line, beside what as many principal components would give back.

    Args:
        units: of levels 1 .. L.
        rows: (m,) bool, the rows that count.
        chosen: positions of picked out rows, drawn as lines of their own (their mean, if there are many).
    """
    levels = list(errors.levels)
    values = errors.values[:, rows]  # (L, rows that count)
    low, first, middle, third, high = np.nanpercentile(values, [5, 25, 50, 75, 95], axis=1)
    mean = np.nanmean(values, axis=1)
    names = [level_name(level, units[level - 1]) for level in levels]
    figure = go.Figure()
    figure.add_box(
        x=names,
        q1=first,
        median=middle,
        q3=third,
        lowerfence=low,
        upperfence=high,
        width=0.45,
        name="rows",
        line={"color": BLUE, "width": 1.5},
        fillcolor=transparent(BLUE, 0.18),
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=names,
        y=mean,
        mode="lines+markers",
        name="mean of rows",
        line={"color": BLUE, "width": 2},
        marker={"size": 8},
        customdata=np.column_stack([low, middle, high]),
        hovertemplate="mean %{y:.4g}<br>half of the rows below %{customdata[1]:.4g}"
        "<br>9 of 10 between %{customdata[0]:.3g} and %{customdata[2]:.3g}<extra></extra>",
    )
    if pca:
        figure.add_scatter(
            x=names,
            y=[mark.error for mark in pca],
            mode="markers",
            name="PCA of equal width",
            marker={"color": VERMILION, "size": 11, "symbol": "diamond-open", "line": {"width": 2}},
            hovertemplate="%{y:.4g} with as many principal components<br>"
            "a level below this mark has learned more than PCA can<extra></extra>",
        )
    if chosen is not None and len(chosen):
        _add_chosen(figure, names, errors, chosen)
    apply_style(figure, x_title="level the rows were encoded to", y_title=ERROR_UNIT, height=340)
    figure.update_yaxes(rangemode="tozero", title_font={"size": 11})
    return figure


def _add_chosen(figure: go.Figure, names: list[str], errors: RowErrors, chosen: NDArray[np.int64]) -> None:
    of_chosen = errors.values[:, chosen]  # (L, chosen)
    if len(chosen) <= MAX_LINES:
        gap = [None]
        figure.add_scatter(
            x=[*names, *gap] * len(chosen),
            y=[value for row in of_chosen.T.tolist() for value in (*row, None)],
            customdata=[row for row in errors.rows[chosen].tolist() for _ in range(len(names) + 1)],
            mode="lines+markers" if len(names) > 1 else "markers",
            name="chosen rows",
            line={"color": CHOSEN, "width": 1},
            marker={"size": 4},
            hovertemplate="row %{customdata:,}: %{y:.4g}<extra>chosen</extra>",
        )
        return
    figure.add_scatter(
        x=names,
        y=np.nanmean(of_chosen, axis=1),
        mode="lines+markers",
        name=f"mean of {len(chosen):,} chosen rows",
        line={"color": CHOSEN, "width": 2},
        marker={"size": 8, "symbol": "square"},
        hovertemplate="%{y:.4g}<extra>mean of the chosen rows</extra>",
    )


def level_name(level: int, units: int) -> str:
    """On axes and in titles.

    >>> level_name(2, 64)
    'Level 2 · 64'
    """
    return f"Level {level} · {units:,}"


def distribution(
    values: NDArray[np.floating],
    threshold: float,
    *,
    title: str = "",
    chosen: NDArray[np.bool_] | None = None,
) -> go.Figure:
    """How many rows have which error, those beyond the threshold in another colour.

    Every bar carries the ends of its range, for `ranges`.

    Args:
        values: (m,) errors at one level.
        chosen: (m,) picked out rows, whose distribution is drawn as a line.
    """
    known = values[np.isfinite(values)]
    top = float(known.max()) if len(known) else 1.0
    edges = np.linspace(0, top if top > 0 else 1.0, BINS + 1)
    counts, _ = np.histogram(known, edges)
    beyond, _ = np.histogram(known[known > threshold], edges)
    centres, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    ends = np.column_stack([edges[:-1], edges[1:]]).tolist()  # lists: a browser's event gives them back as they are
    figure = go.Figure()
    for name, y, colour in (("usual rows", counts - beyond, BLUE), ("largest errors", beyond, VERMILION)):
        figure.add_bar(
            x=centres,
            y=y,
            width=width,
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            customdata=ends,
            hovertemplate="%{y:,} rows<br>error %{customdata[0]:.4g} to %{customdata[1]:.4g}<extra>"
            + name
            + "</extra>",
        )
    figure.add_vline(x=threshold, line={"color": GREY, "width": 1.5, "dash": "dot"})
    figure.add_annotation(
        x=threshold,
        y=1,
        yref="paper",
        text=f"{number(threshold)} ",
        xanchor="left",
        yanchor="top",
        showarrow=False,
        font={"size": 11},
        xshift=4,
    )
    if chosen is not None and chosen.any():
        picked = np.histogram(values[chosen & np.isfinite(values)], edges)[0]
        figure.add_scatter(
            x=centres,
            y=picked,
            mode="lines",
            line={"color": CHOSEN, "width": 2, "shape": "hvh"},
            name="chosen rows",
            hovertemplate="%{y:,} chosen rows<extra></extra>",
        )
    apply_style(figure, x_title=ERROR_UNIT, y_title="rows", height=340, title=style.escape(title) if title else "")
    figure.update_layout(barmode="stack", bargap=0, dragmode="select", selectdirection="h")
    figure.update_xaxes(title_font={"size": 11})
    return figure


def ranges(event: Any) -> tuple[tuple[float, float], ...]:
    """Ranges of errors (low, high) of the bars that a selection event caught in a `distribution`, each once."""
    found = set()
    for point in ((event or {}).get("selection") or {}).get("points") or []:
        ends = point.get("customdata")
        if isinstance(ends, Sequence) and not isinstance(ends, str) and len(ends) == 2:
            found.add((float(ends[0]), float(ends[1])))
    return tuple(sorted(found))


def column_errors(errors: ColumnErrors, level: int) -> go.Figure:
    """Columns by how badly they come back, as a share of what one constant guess would cost.

    Constant columns are left out; of more than 20 the worst 20 are shown.
    """
    i = errors.levels.index(level)
    relative = errors.relative[i]
    order = np.argsort(-np.nan_to_num(relative, nan=-1.0), kind="stable")
    order = order[np.isfinite(relative[order])][:MAX_COLUMNS][::-1]  # worst on top
    said = [
        [
            style.escape(errors.names[c]),
            errors.units[c],
            f"{errors.values[i, c]:.1%}" if "share" in errors.units[c] else number(float(errors.values[i, c])),
        ]
        for c in order
    ]
    figure = go.Figure()
    figure.add_bar(
        x=relative[order],
        y=list(range(len(order))),
        orientation="h",
        customdata=said,
        marker={"color": [VERMILION if value > 1 else BLUE for value in relative[order]]},
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} %{customdata[2]}<br>"
        "%{x:.0%} of what a constant guess costs<extra></extra>",
    )
    figure.add_vline(x=1, line={"color": GREY, "width": 1.5, "dash": "dot"})
    apply_style(
        figure,
        x_title="error (100 %: a constant guess)",
        height=max(200, 22 * len(order) + 70),
        legend=False,
    )
    names = [style.escape(errors.names[c], 26) for c in order]
    figure.update_yaxes(tickvals=list(range(len(order))), ticktext=names, showgrid=False)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    return figure


def pixel_errors(errors: ColumnErrors, shape: pictures.ImageShape, units: Sequence[int]) -> go.Figure:
    """Where in the picture each level errs: mean absolute difference of every pixel, 0..1."""
    from plotly.subplots import make_subplots

    height, width, channels = shape
    names = [f"Level {level}" for level in errors.levels]
    figure = make_subplots(1, len(names), subplot_titles=names, horizontal_spacing=0.03)
    pixels = errors.values.reshape(len(names), height, width, channels).mean(axis=3)
    for i, picture in enumerate(pixels, start=1):
        name = level_name(errors.levels[i - 1], units[errors.levels[i - 1] - 1])
        trace: dict[str, Any] = {
            "z": picture,
            "coloraxis": "coloraxis",
            "hovertemplate": "row %{y}, column %{x} of the picture<br>off by %{z:.3f} on average"
            f"<extra>{name}</extra>",
        }
        figure.add_heatmap(**trace, row=1, col=i)
        bare = {"visible": False, "constrain": "domain", "fixedrange": True, "row": 1, "col": i}
        figure.update_xaxes(**bare)
        anchor = f"x{i}" if i > 1 else "x"
        figure.update_yaxes(autorange="reversed", scaleanchor=anchor, constraintoward="top", **bare)
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 34, "b": 50},
        dragmode=False,
        coloraxis={
            "colorscale": style.SEQUENTIAL,
            "cmin": 0,
            "colorbar": {
                "orientation": "h",
                "thickness": 8,
                "outlinewidth": 0,
                "y": 0,
                "yanchor": "top",
                "title": {"text": "mean absolute difference (0 to 1)", "side": "bottom", "font": {"size": 11}},
            },
        },
    )
    figure.update_annotations(font={"size": 12})
    return figure
