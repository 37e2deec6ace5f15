"""One map in which points travel from level to level."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.charts import style
from explorer.charts.maps import MUTED, Colouring
from sae_core.analysis.projections import LevelMap

STEPS = 12  # frames between two levels: WebGL points do not move by themselves
MAX_POINTS = 3_000
FRAME_MS = 45
REST_MS = 700  # at every level


def travel_figure(
    maps: Sequence[LevelMap],
    titles: Sequence[str],
    colouring: Colouring,
    positions: NDArray[np.int64],
    *,
    chosen: NDArray[np.bool_] | None = None,
    height: int = 620,
) -> go.Figure:
    """Points that travel through the maps of all levels, with a play button and a slider.

    Every map is shifted and scaled to the same extent, so that only the arrangement of points changes.

    Args:
        maps: of the same rows, from the lowest level upwards.
        titles: of the maps; escaped here.
        positions: of the points that are shown, among the rows of the maps.
        chosen: (n of positions,) rows that stand out.
    """
    places = [_scaled(each.points)[positions] for each in maps]
    names = [style.escape(title) for title in titles]
    rows = maps[0].rows[positions]
    marker, hover = _markers(colouring, rows, chosen)
    figure = go.Figure(
        go.Scattergl(
            x=places[0][:, 0],
            y=places[0][:, 1],
            mode="markers",
            marker=marker,
            customdata=hover,
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    )
    figure.frames = [
        go.Frame(name=f"{number}", data=[go.Scattergl(x=xy[:, 0], y=xy[:, 1])], traces=[0])
        for number, xy in enumerate(_path(places))
    ]
    style.apply_style(figure, height=height, legend=False, revision="travel")
    bare = {"visible": False, "range": [-1.06, 1.06]}
    figure.update_xaxes(**bare, constrain="domain")
    figure.update_yaxes(**bare, scaleanchor="x", scaleratio=1, constrain="domain")
    if colouring.amounts is not None:
        scale = {"colorscale": style.SEQUENTIAL, "cmin": colouring.low, "cmax": colouring.high, "showscale": False}
        figure.update_layout(coloraxis=scale)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8}, **_controls(names))
    return figure


def _markers(
    colouring: Colouring, rows: NDArray[np.int64], chosen: NDArray[np.bool_] | None
) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """How the points look, and of each its row number and what is said on hover."""
    groups = colouring.groups[rows]
    marker: dict[str, Any] = {"size": 5.0 if len(rows) > 1000 else 7.0, "opacity": 0.8, "line": {"width": 0}}
    if colouring.amounts is not None:
        marker |= {"color": colouring.amounts[rows], "coloraxis": "coloraxis"}
    else:
        marker["color"] = [*np.array([*colouring.colours, style.NO_LABEL])[groups]]
    if chosen is not None and chosen.any():
        marker["opacity"] = np.where(chosen, 1.0, MUTED).tolist()
        marker["size"] = np.where(chosen, marker["size"] + 3, marker["size"]).tolist()
    known = [style.escape(colouring.names[group]) if group >= 0 else "no label" for group in groups]
    return marker, [(row, f"row {row:,}<br>{name}") for row, name in zip(rows.tolist(), known, strict=True)]


def _scaled(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centred between its extremes, from -1 to 1 along the longer side."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2 or 1.0
    return np.asarray((points - (low + high) / 2) / half, dtype=np.float32)


def _path(places: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Frames: every level, and STEPS - 1 places between it and the next, slow at both ends."""
    frames = [places[0]]
    for before, after in itertools.pairwise(places):
        for step in range(1, STEPS + 1):
            share = step / STEPS
            share = share * share * (3 - 2 * share)
            frames.append(np.asarray(before + np.float32(share) * (after - before), dtype=np.float32))
    return frames


def _where(names: Sequence[str], frame: int) -> str:
    level = frame // STEPS
    return names[level] if frame % STEPS == 0 else f"{names[level]}  →  {names[level + 1]}"


def _controls(names: Sequence[str]) -> dict[str, Any]:
    moving = {"frame": {"duration": FRAME_MS, "redraw": True}, "transition": {"duration": 0}}
    play = {**moving, "fromcurrent": True, "mode": "immediate"}
    stop = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate", "transition": {"duration": 0}}
    buttons = [
        {"label": "▶ Play", "method": "animate", "args": [None, play]},
        {"label": "❚❚ Pause", "method": "animate", "args": [[None], stop]},
    ]
    last = (len(names) - 1) * STEPS
    steps = [
        {"label": _where(names, frame), "method": "animate", "args": [[f"{frame}"], stop]} for frame in range(last + 1)
    ]
    chip = {"bgcolor": "rgba(128, 138, 150, 0.18)", "bordercolor": style.LINE, "font": {"size": 12}}
    return {
        "updatemenus": [
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "buttons": buttons,
                "x": 0,
                "xanchor": "left",
                "y": -0.02,
                "yanchor": "top",
                "pad": {"t": 6},
                **chip,
            }
        ],
        "sliders": [
            {
                "active": 0,
                "steps": steps,
                "x": 0.24,
                "len": 0.74,
                "y": -0.02,
                "yanchor": "top",
                "pad": {"t": 6, "b": 20},
                # Where one is stands above the slider; the labels of single steps would overlap.
                "currentvalue": {"visible": True, "font": {"size": 14, "color": style.NO_LABEL}, "offset": 8},
                "ticklen": 0,
                "minorticklen": 0,
                "bgcolor": "rgba(128, 138, 150, 0.18)",
                "activebgcolor": style.BLUE,
                "bordercolor": style.LINE,
                "font": {"size": 1, "color": "rgba(0, 0, 0, 0)"},
            }
        ],
    }
