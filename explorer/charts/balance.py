"""How many rows of each class the parts of the split hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts.style import SPLIT_COLOURS, apply_style, escape

MAX_BARS = 40  # further classes are summed up in one last bar


def class_balance(classes: Sequence[int | str], counts: Mapping[str, NDArray[np.int64]], label_name: str) -> go.Figure:
    """Stacked bars: rows of each class in training, validation and test.

    Args:
        classes: k classes, in natural order.
        counts: for each part of the split, (k,) rows.
        label_name: title of the horizontal axis.
    """
    shown = len(classes) if len(classes) <= MAX_BARS else MAX_BARS - 1
    rest = len(classes) - shown
    # Names may repeat once shortened, so bars stand at numbers and names are tick labels.
    names = [escape(name, 22) for name in classes[:shown]] + ([f"{rest} others"] if rest else [])
    figure = go.Figure()
    for part, values in counts.items():
        bars = [*values[:shown].tolist(), *([int(values[shown:].sum())] if rest else [])]
        figure.add_bar(
            x=list(range(len(bars))),
            y=bars,
            name=part,
            marker_color=SPLIT_COLOURS[part],
            customdata=names,
            hovertemplate="%{customdata}<br>" + part + ": %{y:,} rows<extra></extra>",
        )
    apply_style(figure, x_title=escape(label_name, 40), y_title="rows", height=280)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, showgrid=False)
    return figure
