"""Originals beside what each level gives back: pictures in a grid, table rows as differences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer import pictures
from explorer.charts import style
from sae_core.analysis.reconstruction import is_numeric, signed_difference

PIXELS_PER_PICTURE = 112  # at least, so that the browser's smoothing does not blur small pictures
# Given back too small (blue) or too large (orange), with nothing in between: holds on light and dark.
DIVERGING = [
    [0.0, style.transparent(style.BLUE, 1.0)],
    [0.5, "rgba(128, 138, 150, 0.10)"],
    [1.0, style.transparent(style.ORANGE, 1.0)],
]


def picture_grid(
    strips: Sequence[NDArray[np.float32]],
    shape: pictures.ImageShape,
    *,
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    hover: Sequence[Sequence[str]],
    rows: Sequence[int] | Sequence[Sequence[int]],
    cell: int = 84,
    chosen: Collection[int] = (),
) -> go.Figure:
    """Pictures in a grid: a line for the originals and for each level, a column for each row of the data.

    Args:
        strips: for each line (m, n_pixels) pictures.
        row_titles, column_titles: of the lines and of the m columns; escaped here. "": none.
        hover: for each line and column what to say on hover; escaped already.
        rows: (m,) row numbers in the data set, as customdata; or (m,) of them for each line.
        cell: height of a picture in pixels of the screen, where the page is wide enough.
        chosen: row numbers that get a frame.
    """
    m = len(column_titles)
    numbers: Sequence[Any] = rows if len(rows) and isinstance(rows[0], Sequence) else [rows] * len(hover)
    texts = [[each[column], line[column]] for each, line in zip(numbers, hover, strict=True) for column in range(m)]
    figure = _sheet(pictures.sheet(strips, shape, gap=_gap(shape)), shape, m, len(strips), texts, cell, chosen)
    height, width = shape[0] + _gap(shape), shape[1] + _gap(shape)
    figure.update_xaxes(
        visible=True,
        side="top",
        tickvals=[width * (i + 0.5) for i in range(m)],
        ticktext=[style.escape(title, 14) for title in column_titles],
        tickangle=0,
    )
    figure.update_yaxes(
        visible=True,
        tickvals=[height * (i + 0.5) for i in range(len(strips))],
        ticktext=[style.escape(title, 40) if title else "" for title in row_titles],
    )
    figure.update_layout(height=len(strips) * cell + 40, margin={"l": 8, "r": 8, "t": 28, "b": 4})
    return figure


def picture_wall(
    strip: NDArray[np.float32],
    shape: pictures.ImageShape,
    *,
    hover: Sequence[str],
    rows: Sequence[int],
    columns: int,
    cell: int = 52,
    chosen: Collection[int] = (),
) -> go.Figure:
    """Pictures of rows, wrapped into lines of `columns`; arguments as of `picture_grid`."""
    lines = max(1, -(-len(strip) // columns))
    texts = [[row, text] for row, text in zip(rows, hover, strict=True)]
    image = pictures.montage(strip, shape, columns=columns, gap=_gap(shape))
    return _sheet(image, shape, columns, lines, texts, cell, chosen)


def _sheet(
    image: NDArray[np.uint8],
    shape: pictures.ImageShape,
    columns: int,
    lines: int,
    texts: Sequence[Sequence[object]],
    cell: int,
    chosen: Collection[int],
) -> go.Figure:
    """A sheet of pictures with invisible marks that speak on hover: [row number, text] line by line."""
    height, width = shape[0] + _gap(shape), shape[1] + _gap(shape)
    scale = max(1, -(-PIXELS_PER_PICTURE // max(shape[:2])))
    figure = go.Figure()
    figure.add_layout_image(
        source=pictures.data_uri(pictures.png(image, scale=scale)),
        xref="x",
        yref="y",
        x=0,
        y=0,
        sizex=image.shape[1],
        sizey=image.shape[0],
        sizing="stretch",
        xanchor="left",
        yanchor="top",
        layer="below",
    )
    figure.add_scatter(
        x=[width * (i % columns + 0.5) for i in range(len(texts))],
        y=[height * (i // columns + 0.5) for i in range(len(texts))],
        customdata=list(texts),
        mode="markers",
        marker={"size": 0.7 * cell, "opacity": 0, "symbol": "square"},
        hovertemplate="%{customdata[1]}<extra></extra>",
    )
    framed = [i for i, text in enumerate(texts) if text[0] in chosen]
    if framed:
        add_frames(figure, [(width * (i % columns), height * (i // columns)) for i in framed], shape)
    style.apply_style(figure, height=lines * cell + 4, legend=False)
    bare = {"visible": False, "showgrid": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(range=[0, columns * width], constraintoward="left", **bare)
    figure.update_yaxes(range=[lines * height, 0], scaleanchor="x", constraintoward="top", **bare)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 2, "b": 2})
    return figure


def add_frames(figure: go.Figure, corners: Sequence[tuple[float, float]], shape: pictures.ImageShape) -> None:
    """A frame around each picture whose upper left corner is given, all in one trace."""
    x: list[float | None] = []
    y: list[float | None] = []
    for left, top in corners:
        right, bottom = left + shape[1], top + shape[0]
        x += [left, right, right, left, left, None]
        y += [top, top, bottom, bottom, top, None]
    line = {"color": style.CHOSEN, "width": 3}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", name="chosen rows")


def _gap(shape: pictures.ImageShape) -> int:
    return max(1, round(0.06 * max(shape[:2])))


def difference_map(
    original: pd.DataFrame,
    given_back: pd.DataFrame,
    scales: Sequence[float],
    *,
    rows: Sequence[int],
    title: str,
    chosen: Collection[int] = (),
) -> go.Figure:
    """Columns of a table down, chosen rows across: how much larger or smaller each value comes back.

    Args:
        original, given_back: m rows in the user's units.
        scales: for each column what counts as one step of colour: its standard deviation; unused for categories.
        rows: (m,) row numbers in the data set.
        chosen: row numbers that are marked below the map.
    """
    names = [str(name) for name in original.columns]
    z = np.zeros((len(names), len(original)))
    said = np.empty((len(names), len(original), 5), dtype=object)  # row, column, original, given back, difference
    for i, name in enumerate(names):
        before, after = original.iloc[:, i], given_back.iloc[:, i]
        z[i], said[i, :, 4] = _differences(before, after, scales[i])
        said[i, :, 0] = [f"{row:,}" for row in rows]
        said[i, :, 1] = style.escape(name)
        said[i, :, 2] = [style.escape(show_value(value)) for value in before]
        said[i, :, 3] = [style.escape(show_value(value)) for value in after]
    figure = go.Figure()
    figure.add_heatmap(
        z=z,
        x=list(range(len(rows))),
        y=list(range(len(names))),
        customdata=said,
        zmin=-2,
        zmax=2,
        colorscale=DIVERGING,
        xgap=2,
        ygap=2,
        colorbar={
            "thickness": 10,
            "outlinewidth": 0,
            "len": min(1.0, 160 / (24 * len(names))),
            "lenmode": "fraction",
            "y": 1,
            "yanchor": "top",
            "tickvals": [-2, 0, 2],
            "ticktext": ["−2 sd", "exact", "+2 sd"],
        },
        hovertemplate="row %{customdata[0]}, <b>%{customdata[1]}</b><br>original %{customdata[2]}"
        "<br>given back %{customdata[3]}<br>%{customdata[4]}<extra></extra>",
    )
    style.apply_style(
        figure, x_title="row", height=max(240, 24 * len(names) + 90), title=style.escape(title), legend=False
    )
    figure.update_xaxes(
        tickvals=list(range(len(rows))),
        ticktext=[f"<b>▸{row:,}</b>" if row in chosen else f"{row:,}" for row in rows],
        tickangle=-45 if len(rows) > 8 else 0,
        showgrid=False,
        fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[style.escape(name, 24) for name in names],
        showgrid=False,
        autorange="reversed",
        fixedrange=True,
    )
    return figure


def _differences(before: pd.Series[Any], after: pd.Series[Any], scale: float) -> tuple[NDArray[np.float64], list[str]]:
    if is_numeric(before):
        signed = signed_difference(before, after)
        unit = " days" if pd.api.types.is_datetime64_any_dtype(before) else ""
        steps = np.nan_to_num(signed / scale if scale > 0 else np.sign(signed), nan=0.0)
        return steps, [f"difference {signed_number(value)}{unit}" for value in signed]
    changed = [show_value(a) != show_value(b) for a, b in zip(before, after, strict=True)]
    return np.where(changed, 2.0, 0.0), ["changed" if each else "the same" for each in changed]


def value_table(original: pd.DataFrame, given_back: Sequence[tuple[str, pd.DataFrame]], position: int) -> pd.DataFrame:
    """One row of a table, its columns below each other: the original, what each level gives back, and the difference.

    Args:
        given_back: (title, rows) of each level.
        position: of the row within the frames.
    """
    table = pd.DataFrame({"Column": [str(name) for name in original.columns]})
    table["Original"] = [show_value(value) for value in original.iloc[position]]
    for title, back in given_back:
        table[title] = [show_value(value) for value in back.iloc[position]]
    last_title, last = given_back[-1]
    words = []
    for i in range(original.shape[1]):
        before, after = original.iloc[[position], i], last.iloc[[position], i]
        if is_numeric(before):
            unit = " days" if pd.api.types.is_datetime64_any_dtype(before) else ""
            words.append(f"{signed_number(float(signed_difference(before, after)[0]))}{unit}")
        else:
            words.append("the same" if show_value(before.iloc[0]) == show_value(after.iloc[0]) else "changed")
    table[f"Difference at {last_title.lower()}"] = words
    return table


def show_value(value: object) -> str:
    """A cell of the user's for people: numbers short, dates without midnight, "–" where it is missing."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, pd.Timestamp):
        return str(value)[: 10 if value == value.normalize() else 16]
    if isinstance(value, int | float | np.number):
        return style.number(float(value), 4)
    return str(value)


def signed_number(value: float) -> str:
    """A difference with its sign.

    >>> signed_number(0.5), signed_number(-2.0), signed_number(float("nan"))
    ('+0.5', '−2', '–')
    """
    if value != value:
        return "–"
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{style.number(abs(value))}"
