"""Units of a code: what they read and draw as pictures or bars, how their values are spread, which go together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style
from explorer.charts.reconstructions import DIVERGING

Pixels = NDArray[np.float32]
ImageShape = tuple[int, int, int]

NEUTRAL = np.array([0.95, 0.95, 0.96])  # of signed pictures: a light ground on both themes
LESS, MORE = (np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for colour in (style.BLUE, style.ORANGE))
HISTOGRAM_BINS = 40
MAX_CLASSES = 10  # that a histogram tells apart


def signed_pictures(values: NDArray[np.floating], shape: ImageShape) -> tuple[Pixels, ImageShape]:
    """Positive and negative amounts as colour pictures: orange is more, blue is less, each on a scale of its own.

    Args:
        values: (k, height * width * channels); the channels are averaged.

    Returns:
        (k, height * width * 3) 0..1, and the shape of each picture.
    """
    height, width, channels = shape
    grey = np.asarray(values, dtype=np.float64).reshape(len(values), height * width, channels).mean(axis=2)
    largest = np.abs(grey).max(axis=1, keepdims=True)
    amount = np.abs(grey / np.where(largest > 0, largest, 1.0))[..., None]  # (k, h * w, 1), 0..1
    colour = np.where(grey[..., None] > 0, MORE, LESS)
    mixed = NEUTRAL * (1 - amount) + colour * amount
    return mixed.reshape(len(values), -1).astype(np.float32), (height, width, 3)


def profile_bars(names: Sequence[str], amounts: Sequence[float], *, x_title: str) -> go.Figure:
    """The columns that a unit reads from, or draws into, as signed bars.

    Args:
        names: of the prepared inputs, strongest first; escaped here.
        amounts: signed.
    """
    labels = [style.escape(name, 28) for name in names]
    figure = go.Figure(
        go.Bar(
            x=list(amounts),
            y=list(range(len(labels))),
            orientation="h",
            marker={"color": [style.ORANGE if amount > 0 else style.BLUE for amount in amounts]},
            customdata=labels,
            hovertemplate="%{customdata}<br>%{x:.3g}<extra></extra>",
        )
    )
    style.apply_style(figure, x_title=x_title, height=90 + 20 * max(4, len(labels)), legend=False)
    figure.update_xaxes(zeroline=True, zerolinecolor=style.LINE, showgrid=True)
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=labels, autorange="reversed", showgrid=False, fixedrange=True
    )
    return figure


def profiles(
    names: Sequence[str], units: Sequence[int], amounts: NDArray[np.floating], *, title: str, unit_names: Sequence[str]
) -> go.Figure:
    """Columns down, units across: what every unit reads or draws. Carries each unit as customdata.

    Args:
        names: of the c prepared inputs; escaped here.
        units: (k,) numbers, from 0; unit_names: what they are called.
        amounts: (k, c) signed; every unit on a scale of its own.
        title: of the colour scale.
    """
    largest = np.abs(amounts).max(axis=1, keepdims=True)
    z = (amounts / np.where(largest > 0, largest, 1.0)).T  # (c, k)
    labels = [style.escape(name, 28) for name in names]
    said = np.empty((len(names), len(units), 4), dtype=object)
    said[:, :, 0] = np.asarray(units)[None, :]
    said[:, :, 1] = np.array(labels, dtype=object)[:, None]
    said[:, :, 2] = np.array(unit_names, dtype=object)[None, :]
    said[:, :, 3] = np.vectorize(lambda value: f"{value:.3g}", otypes=[object])(amounts.T)
    figure = go.Figure(
        go.Heatmap(
            z=z, x=list(range(len(units))), y=list(range(len(names))), customdata=said, zmin=-1, zmax=1, xgap=2, ygap=2,
            colorscale=DIVERGING,
            colorbar={"thickness": 10, "outlinewidth": 0, "tickvals": [-1, 0, 1], "ticktext": ["less", "0", "more"]},
            hovertemplate="%{customdata[2]}, <b>%{customdata[1]}</b><br>%{customdata[3]}<extra></extra>",
        )
    )  # fmt: skip
    # A heatmap cannot be clicked for a selection: invisible marks on its cells can.
    figure.add_scatter(
        x=[i for i in range(len(units)) for _ in names],
        y=[j for _ in units for j in range(len(names))],
        customdata=[[int(unit)] for unit in units for _ in names],
        mode="markers",
        marker={"size": 14, "opacity": 0, "symbol": "square"},
        hoverinfo="skip",
        showlegend=False,
    )
    style.apply_style(
        figure, x_title=f"unit ({style.escape(title)})", height=max(260, 22 * len(names) + 90), legend=False
    )
    figure.update_xaxes(
        tickvals=list(range(len(units))), ticktext=[f"{unit + 1}" for unit in units], showgrid=False, fixedrange=True
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=labels, autorange="reversed", showgrid=False, fixedrange=True
    )
    return figure


def histogram(
    values: NDArray[np.floating], class_codes: NDArray[np.int64], classes: Sequence[object], *, x_title: str
) -> go.Figure:
    """How a unit's values are spread over rows, by class where there are few enough.

    Args:
        values: (m,); class_codes: (m,) positions in `classes`, -1 without a label.
    """
    figure = go.Figure()
    low, high = float(values.min()), float(values.max())
    step = (high - low) / HISTOGRAM_BINS or 1.0
    edges = low + step * np.arange(HISTOGRAM_BINS + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    groups: list[tuple[str, str, NDArray[np.bool_]]] = [("rows", style.BLUE, np.ones(len(values), dtype=bool))]
    if 1 < len(classes) <= MAX_CLASSES:
        colours = style.colours(len(classes))
        groups = [(style.escape(name, 24), colours[i], class_codes == i) for i, name in enumerate(classes)]
        groups.append(("no label", style.NO_LABEL, class_codes < 0))
    for name, colour, members in groups:
        if members.any():
            counts = np.histogram(values[members], bins=edges)[0]
            figure.add_bar(
                x=centres, y=counts, width=step, name=name, marker={"color": colour, "line": {"width": 0}},
                hovertemplate="around %{x:.3g}: %{y:,} rows<extra>%{fullData.name}</extra>",
            )  # fmt: skip
    style.apply_style(figure, x_title=x_title, y_title="rows", height=230, legend=False)
    figure.update_layout(barmode="stack", bargap=0)
    return figure


def correlation_map(found: NDArray[np.floating], names: Sequence[str]) -> go.Figure:
    """(k, k) correlations of units: orange go together, blue exclude each other."""
    figure = go.Figure(
        go.Heatmap(
            z=[[value if np.isfinite(value) else None for value in line] for line in found.tolist()],
            x=list(range(len(names))),
            y=list(range(len(names))),
            customdata=[[[a, b] for b in names] for a in names],
            zmin=-1,
            zmax=1,
            colorscale=DIVERGING,
            colorbar={"thickness": 10, "outlinewidth": 0, "tickvals": [-1, 0, 1]},
            hovertemplate="%{customdata[0]} and %{customdata[1]}<br>correlation %{z:.2f}<extra></extra>",
        )
    )
    style.apply_style(figure, x_title="unit", y_title="unit", height=420, legend=False)
    step = max(1, len(names) // 12)
    ticks = {"tickvals": list(range(0, len(names), step)), "ticktext": list(names[::step]), "showgrid": False}
    figure.update_xaxes(constrain="domain", **ticks)
    figure.update_yaxes(autorange="reversed", scaleanchor="x", constrain="domain", **ticks)
    return figure


def clicked_unit(event: object) -> int | None:
    """The unit whose picture or column was clicked, from a selection event; None for none."""
    try:
        points = event["selection"]["points"]  # type: ignore[index]
        data = points[-1]["customdata"]
        return int(data[0] if isinstance(data, list | tuple) else data)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
