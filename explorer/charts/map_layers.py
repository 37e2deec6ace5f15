"""What lies on top of a map: pictures of some rows, and rows placed afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style

MAX_PLACED_NAMED = 20  # placed rows whose name stands beside them


def add_pictures(
    figure: go.Figure,
    points: NDArray[np.floating],
    rows: NDArray[np.int64],
    sources: Sequence[str],
    side: float,
) -> go.Figure:
    """Small pictures in the place of some points.

    Args:
        points: (k, 2) their middles.
        rows: (k,) row numbers, kept as the pictures' names.
        sources: data URIs.
        side: of a picture, in units of the map.
    """
    images = [
        {
            "source": source,
            "xref": "x",
            "yref": "y",
            "x": float(x),
            "y": float(y),
            "sizex": side,
            "sizey": side,
            "xanchor": "center",
            "yanchor": "middle",
            "sizing": "contain",
            "layer": "above",
            "opacity": 0.92,
            "name": str(row),
        }
        for (x, y), row, source in zip(points, rows.tolist(), sources, strict=True)
    ]
    figure.update_layout(images=images)
    return figure


def add_placed(figure: go.Figure, points: NDArray[np.floating], texts: Sequence[str]) -> go.Figure:
    """Rows that had no part in the map, as diamonds.

    Args:
        points: (k, 2).
        texts: what each is called on hover; escaped already.
    """
    figure.add_scattergl(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": 11,
            "color": style.VERMILION,
            "line": {"color": "#ffffff", "width": 1.5},
        },
        text=list(texts),
        name="placed rows",
        hovertemplate="%{text}<extra>placed on this map</extra>",
        selected={"marker": {"opacity": 1.0}},
        unselected={"marker": {"opacity": 1.0}},
    )
    if len(points):
        low, high = points.min(axis=0), points.max(axis=0)
        for axis, i in ((figure.layout.xaxis, 0), (figure.layout.yaxis, 1)):
            if axis.range is not None:
                span = axis.range[1] - axis.range[0]
                margin = 0.03 * span
                axis.range = (
                    min(axis.range[0], float(low[i]) - margin),
                    max(axis.range[1], float(high[i]) + margin),
                )
    return figure
