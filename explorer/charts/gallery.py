"""Pictures in named rows, as one image: classes, or originals above what a stack gives back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer import pictures
from explorer.charts.reconstructions import add_frames
from explorer.charts.style import apply_style, escape

SHORTEST_SIDE = 56  # pixels of a picture in the file, so that browsers do not blur small ones
MARGIN = 12


def gallery(
    rows: Sequence[tuple[str, NDArray[np.float32]]],
    shape: tuple[int, int, int],
    *,
    hover: Sequence[Sequence[str]] = (),
    cell: int = 52,
    revision: str = "gallery",
    framed: Sequence[Sequence[bool]] = (),
) -> go.Figure:
    """Named rows of pictures.

    Args:
        rows: (name or "", (m, n_pixels) 0..1) each; rows may differ in m.
        shape: (height, width, channels) of a picture.
        hover: for each row, a text for each picture.
        cell: height of a picture on the page, in pixels, where the page is wide enough.
        framed: for each row, which pictures get a frame.
    """
    height, width = shape[:2]
    most = max((len(pixels) for _, pixels in rows), default=1)
    scale = max(1, -(-SHORTEST_SIDE // max(height, width)))
    gap = max(1, round(0.06 * max(height, width)))
    sheet = _sheet([pixels for _, pixels in rows], shape, most, gap)
    figure = go.Figure(
        go.Image(
            source=pictures.data_uri(pictures.png(sheet, scale=scale)),
            dx=1 / scale,
            dy=1 / scale,
            x0=0,
            y0=0,
            hoverinfo="skip",
        )
    )
    centres = [(i * (height + gap) + height / 2) for i in range(len(rows))]
    if hover:
        points = [
            (j * (width + gap) + width / 2, centres[i], text)
            for i, texts in enumerate(hover)
            for j, text in enumerate(texts)
        ]
        figure.add_scatter(
            x=[x for x, _, _ in points],
            y=[y for _, y, _ in points],
            mode="markers",
            marker={"size": cell * 0.8, "opacity": 0, "symbol": "square"},
            text=[text for _, _, text in points],
            hoverinfo="text",
        )
    corners = [
        (j * (width + gap), i * (height + gap)) for i, line in enumerate(framed) for j, has in enumerate(line) if has
    ]
    if corners:
        add_frames(figure, corners, shape)
    names = [escape(name, 24) if name else "" for name, _ in rows]
    apply_style(
        figure, height=round(len(rows) * (cell + cell * gap / height) + 2 * MARGIN), legend=False, revision=revision
    )
    full_width, full_height = most * (width + gap) - gap, len(rows) * (height + gap) - gap
    bare = {"showgrid": False, "zeroline": False, "ticks": "", "fixedrange": True, "title": None, "constrain": "domain"}
    figure.update_xaxes(range=[0, full_width], showticklabels=False, constraintoward="left", **bare)
    figure.update_yaxes(
        range=[full_height, 0], tickvals=centres, ticktext=names, scaleanchor="x", constraintoward="top", **bare
    )
    figure.update_layout(margin={"l": 4, "r": 4, "t": MARGIN, "b": MARGIN})
    return figure


def _sheet(rows: Sequence[NDArray[np.float32]], shape: tuple[int, int, int], most: int, gap: int) -> NDArray[np.uint8]:
    """Rows padded to the longest one -> (H, W, 4) uint8."""
    height, width = shape[:2]
    sheet = np.zeros((len(rows) * (height + gap) - gap, most * (width + gap) - gap, 4), dtype=np.uint8)
    for i, row in enumerate(rows):
        if len(row):
            strip = pictures.montage(row, shape, columns=len(row), gap=gap)
            top = i * (height + gap)
            sheet[top : top + height, : strip.shape[1]] = strip
    return sheet
