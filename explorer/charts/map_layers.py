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
    sources: Sequence[str],
    side: float,
    stands_out: NDArray[np.bool_] | None = None,
) -> go.Figure:
    """Small pictures in the place of some points.

    Args:
        points: (k, 2) their middles.
        sources: data URIs.
        side: of a picture, in units of the map.
        stands_out: (k,) which do while the others step back; None: nothing is chosen.
    """
    clear = np.ones(len(points), dtype=bool) if stands_out is None else stands_out
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
            "opacity": 0.92 if bright else 0.25,
        }
        for (x, y), source, bright in zip(points, sources, clear, strict=True)
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
