"""Maps of levels: points in the plane, coloured alike on all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style
from sae_core.analysis.projections import LevelMap, Method

MAX_TRACES = 40  # classes drawn as traces of their own; beyond, colours could not be told apart anyway
MAX_NAMED = 12  # classes whose name stands on the map
MAX_LEGEND = 24
LEGEND_WIDTH = 560  # pixels that a legend has at least
MAX_GROUPS = 11  # values of a column that get a colour; rarer ones are "other"
OPACITY = 0.75  # of points
MUTED = 0.13  # opacity of what is not chosen

NAMES: dict[Method, str] = {"pca": "PCA", "umap": "UMAP", "aligned": "UMAP", "tsne": "t-SNE"}

# Names on the points: a light chip with dark text, legible on any colours and in both themes.
CHIP: dict[str, Any] = {
    "bgcolor": "rgba(255, 255, 255, 0.85)",
    "font": {"size": 11, "color": "#1d2733"},
    "borderpad": 2,
    "borderwidth": 1.5,
}

# No zoom on scrolling: one scrolls the page over these maps.
MAP_CONFIG: dict[str, Any] = {
    **style.MAP_CONFIG,
    "scrollZoom": False,
    # "Save" below a map makes its picture, with what is chosen
    "modeBarButtonsToRemove": ["autoScale2d", "zoomIn2d", "zoomOut2d", "toImage"],
}


@dataclass(frozen=True, eq=False)
class Colouring:
    """What the colours of all maps mean.

    Attributes:
        title: of the quantity, with its unit.
        names: group names, as the user wrote them; for amounts: what each row is called on hover (its class).
        groups: (n,) group of each row of the data set, -1 for none.
        amounts: (n,) float64 for a continuous colouring, NaN where missing; None: the groups are coloured.
        low, high: ends of the colour scale.
        own_colours: of the groups, where they mean something by themselves.
        named: the groups may have places of their own, where their names help.
    """

    title: str
    names: tuple[str, ...]
    groups: NDArray[np.int64]
    amounts: NDArray[np.float64] | None = None
    low: float = 0.0
    high: float = 1.0
    own_colours: tuple[str, ...] = ()
    named: bool = True

    @property
    def colours(self) -> list[str]:
        """One for each group."""
        return list(self.own_colours) or style.colours(len(self.names))


def by_group(
    title: str,
    names: Sequence[object],
    groups: NDArray[np.int64],
    *,
    colours: tuple[str, ...] = (),
    named: bool = True,
) -> Colouring:
    """Coloured by class, part of the split, or another group; the palette's colours unless others are given."""
    return Colouring(title, tuple(str(name) for name in names), groups, own_colours=colours, named=named)


def by_amount(
    title: str, amounts: NDArray[np.floating], names: Sequence[object], groups: NDArray[np.int64]
) -> Colouring:
    """Coloured by a number; the scale ends at the 1st and 99th percentile, so that single rows do not flatten it."""
    known = amounts[np.isfinite(amounts)]
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    numbers = np.where(np.isfinite(amounts), amounts, np.nan).astype(np.float64)
    return Colouring(title, tuple(str(name) for name in names), groups, numbers, float(low), float(high))


def by_column(column: pd.Series[Any], names: Sequence[object], groups: NDArray[np.int64]) -> Colouring:
    """Coloured by a column of the table: numbers and dates on a scale, other values by group, commonest first."""
    title = str(column.name)
    if pd.api.types.is_datetime64_any_dtype(column):
        years = column.dt.year + (column.dt.day_of_year - 1) / 365.25
        return by_amount(f"{title} (year)", years.to_numpy(np.float64, na_value=np.nan), names, groups)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return by_amount(title, column.to_numpy(np.float64, na_value=np.nan), names, groups)
    text = column.astype(object).map(lambda value: "missing" if pd.isna(value) else str(value))
    common = list(text.value_counts().index[:MAX_GROUPS])
    places = {value: place for place, value in enumerate(common)}
    codes = np.array([places.get(value, len(common)) for value in text], dtype=np.int64)
    if (codes == len(common)).any():
        common.append("other values")
    return by_group(title, common, codes)


def map_figure(
    drawn: LevelMap,
    colouring: Colouring,
    *,
    title: str,
    height: int = 380,
) -> go.Figure:
    """One map. Every point carries its row number as customdata, so that the browser can tell the chosen ones."""
    figure = go.Figure()
    _add_points(figure, drawn, colouring)
    _add_names(figure, drawn, colouring)
    style.apply_style(figure, title=style.escape(title), height=height, legend=False, revision=f"map {drawn.method}")
    name = NAMES[drawn.method]
    share = f", {drawn.share:.0%} of the variance" if drawn.share == drawn.share else ""
    hidden = {"showticklabels": False, "showgrid": False, "title_font": {"size": 11}, "title_standoff": 2}
    (left, right), (bottom, top) = (_range(drawn.points[:, i]) for i in (0, 1))
    x_title = f"{name} 1{share}" if share else f"{name} 1, no unit"
    figure.update_xaxes(title_text=x_title, range=[left, right], **hidden)
    figure.update_yaxes(title_text=f"{name} 2", range=[bottom, top], scaleanchor="x", scaleratio=1, **hidden)
    figure.update_layout(dragmode="lasso", margin={"l": 4, "r": 4, "t": 34, "b": 4}, modebar={"orientation": "v"})
    if colouring.amounts is not None:
        scale = {"colorscale": style.SEQUENTIAL, "cmin": colouring.low, "cmax": colouring.high, "showscale": False}
        figure.update_layout(coloraxis=scale)
    return figure


def _add_points(figure: go.Figure, drawn: LevelMap, colouring: Colouring) -> None:
    size = _point_size(len(drawn.rows))
    for name, colours, members in _traces(drawn, colouring):
        positions = np.flatnonzero(members)
        if not len(positions):
            continue
        rows = drawn.rows[positions]
        marker: dict[str, Any] = {"size": size, "opacity": OPACITY}
        hover = "row %{customdata:,}"
        customdata: Any = rows.astype(np.int32)
        if isinstance(colours, str):
            marker["color"] = colours
        else:  # too many groups for traces of their own: every row brings its name along
            marker["color"] = colours[positions]
            labels = [
                style.escape(colouring.names[group]) if group >= 0 else "no label" for group in colouring.groups[rows]
            ]
            hover = "row %{customdata[0]:,}<br>%{customdata[1]}"
            customdata = list(zip(rows.tolist(), labels, strict=True))
        if colouring.amounts is not None:
            marker |= {"color": colouring.amounts[rows], "coloraxis": "coloraxis"}
            hover += "<br>%{marker.color:.4g}"
        figure.add_scattergl(
            x=drawn.points[positions, 0],
            y=drawn.points[positions, 1],
            customdata=customdata,
            mode="markers",
            marker=marker,
            name=style.escape(name) if name else "",
            hovertemplate=hover + ("<extra>%{fullData.name}</extra>" if name else "<extra></extra>"),
            # plotly's own fading of what a lasso left out would stay behind when the selection is cleared
            selected={"marker": {"opacity": OPACITY}},
            unselected={"marker": {"opacity": OPACITY}},
        )


def _traces(drawn: LevelMap, colouring: Colouring) -> list[tuple[str, str | NDArray[np.str_], NDArray[np.bool_]]]:
    """(name, colour or a colour for each point, its points): a trace for every group while they can be told apart."""
    groups = colouring.groups[drawn.rows]
    if len(colouring.names) > MAX_TRACES:
        return [("", np.array([*colouring.colours, style.NO_LABEL])[groups], np.ones(len(groups), dtype=bool))]
    named = zip(colouring.names, colouring.colours, strict=True)
    own = [(name, colour, groups == code) for code, (name, colour) in enumerate(named)]
    return [("no label", style.NO_LABEL, groups < 0), *own]


def _add_names(figure: go.Figure, drawn: LevelMap, colouring: Colouring) -> None:
    """Every class by name at the middle of its points, so that one need not look the colours up."""
    if colouring.amounts is not None or not colouring.named or not 1 < len(colouring.names) <= MAX_NAMED:
        return
    groups = colouring.groups[drawn.rows]
    names = []
    for code, (name, colour) in enumerate(zip(colouring.names, colouring.colours, strict=True)):
        points = drawn.points[groups == code]
        if len(points):
            middle = np.median(points, axis=0)
            place = points[np.square(points - middle).sum(axis=1).argmin()]
            text = {"text": style.escape(name, 16), "showarrow": False, "bordercolor": colour}
            names.append({"x": float(place[0]), "y": float(place[1]), **text, **CHIP})
    figure.update_layout(annotations=names)


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _point_size(n: int) -> float:
    return 8.0 if n <= 200 else 6.0 if n <= 1000 else 4.5 if n <= 3000 else 3.4


def legend_figure(colouring: Colouring) -> go.Figure | None:
    """What the colours mean, once for all maps: a row of names, or a colour scale. None: too many groups to list."""
    if colouring.amounts is not None:
        return _scale_figure(colouring)
    if len(colouring.names) > MAX_LEGEND:
        return None
    figure = go.Figure()
    entries = list(zip(colouring.names, colouring.colours, strict=True))
    if (colouring.groups < 0).any():
        entries.append(("no label", style.NO_LABEL))
    for name, colour in entries:
        marker = {"color": colour, "size": 9}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=style.escape(name, 24))
    width = (
        sum(7 * len(style.shorten(name, 24)) + 46 for name, _ in entries) + 7 * len(style.shorten(colouring.title)) + 20
    )
    style.apply_style(figure, height=24 + 24 * math.ceil(width / LEGEND_WIDTH))
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0.5,
            "yanchor": "middle",
            "itemclick": False,
            "itemdoubleclick": False,
            "title": {"text": f"{style.escape(colouring.title)}  ", "side": "left"},
        },
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def _scale_figure(colouring: Colouring) -> go.Figure:
    figure = go.Figure()
    marker = {
        "color": [colouring.low],
        "cmin": colouring.low,
        "cmax": colouring.high,
        "colorscale": style.SEQUENTIAL,
        "showscale": True,
        "opacity": 0,
        "colorbar": {
            "orientation": "h",
            "thickness": 10,
            "x": 0,
            "xanchor": "left",
            "len": 0.9,
            "y": 0.5,
            "yanchor": "middle",
            "ticks": "",
            "title": {"text": style.escape(colouring.title), "side": "top"},
        },
    }
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, hoverinfo="skip")
    style.apply_style(figure, height=62, legend=False)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def chosen_rows(event: Any) -> tuple[int, ...]:
    """Row numbers in a selection event, sorted, each once; () for an empty event or none.

    They come from customdata: point indices restart in every trace.
    """
    points = ((event or {}).get("selection") or {}).get("points") or []
    rows = set()
    for point in points:
        value = point.get("customdata")
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = value[0] if value else None
        if isinstance(value, int | float):
            rows.add(int(value))
    return tuple(sorted(rows))
