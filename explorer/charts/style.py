"""The one look of all charts: colour-blind-safe colours that hold on light and dark, escaping, axes with units.

Colours start from Okabe & Ito (2008), moved until each is legible on both themes and all ten stay apart for readers
with protanopia and deuteranopia (a test holds that).
Backgrounds and fonts are never set here: Streamlit's theme fills them in.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import plotly.graph_objects as go

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#2974b0", "#e28d0d", "#08a275", "#c54b07", "#da7eb2"
SKY, YELLOW, GREY, BROWN, VIOLET = "#10abec", "#b2a04f", "#696573", "#8b5b35", "#5b5ac6"
PALETTE: tuple[str, ...] = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY, BROWN, VIOLET)
NO_LABEL = "#8a8f98"  # rows without a label, and everything that steps back

TRAIN, VALIDATION, TEST = BLUE, ORANGE, GREEN  # the three parts of a split, everywhere
SPLIT_COLOURS: dict[str, str] = {"train": TRAIN, "validation": VALIDATION, "test": TEST}

# Dark to light violet-blue-yellow is legible on both themes and to colour-blind readers.
SEQUENTIAL = "Viridis"
GRID = "rgba(128, 138, 150, 0.22)"
LINE = "rgba(128, 138, 150, 0.55)"

CHOSEN = GREEN  # the rows that were picked out, in charts that are not maps

# A chart's own buttons appear when one points at it: here only the camera.
# None of them may send a chart to plotly's servers.
_CONFIG: dict[str, Any] = {"displaylogo": False, "responsive": True, "showSendToCloud": False}
CHART_CONFIG: dict[str, Any] = {**_CONFIG, "modeBarButtons": [["toImage"]]}
MAP_CONFIG: dict[str, Any] = {
    **_CONFIG,
    "scrollZoom": True,
    "modeBarButtonsToRemove": ["autoScale2d"],
}

_SMALL: dict[str, Any] = {"title": None, "font": {"size": 11}, "traceorder": "normal", "itemwidth": 30}
LEGENDS: dict[str, dict[str, Any]] = {
    "above": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", **_SMALL},
    "top right": {"x": 1, "xanchor": "right", "y": 1, "yanchor": "top", "bgcolor": "rgba(0, 0, 0, 0)", **_SMALL},
    "bottom right": {
        "x": 1,
        "xanchor": "right",
        "y": 0.02,
        "yanchor": "bottom",
        "bgcolor": "rgba(0, 0, 0, 0)",
        **_SMALL,
    },
}

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"})


def escape(text: object, limit: int = 60) -> str:
    """Text of the user's for any place that plotly reads as pseudo-HTML: shown literally, on one line, not endless.

    >>> escape("<b>a & b</b>")
    '&lt;b&gt;a &amp; b&lt;/b&gt;'
    """
    return shorten(text, limit).translate(_ENTITIES)


def shorten(text: object, limit: int = 60) -> str:
    """One line of at most `limit` characters; control and direction-changing characters become visible gaps."""
    line = "".join(character if character.isprintable() else " " for character in str(text)).strip() or "(empty)"
    return line if len(line) <= limit else line[: limit - 1] + "…"


def colours(n: int) -> list[str]:
    """n colours, the palette first, then further hues by the golden angle."""
    chosen = list(PALETTE[:n])
    for i in range(n - len(chosen)):
        hue = (0.11 + i * 0.618034) % 1.0
        red, green, blue = colorsys.hls_to_rgb(hue, (0.42, 0.55, 0.66)[i % 3], (0.6, 0.45)[i % 2])
        chosen.append(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}")
    return chosen


def class_colours(classes: Sequence[int | str]) -> dict[int | str, str]:
    """A colour for each class, the same on every page."""
    return dict(zip(classes, colours(len(classes)), strict=True))


def transparent(colour: str, alpha: float) -> str:
    """`#rrggbb` as rgba text; alpha 0..1.

    >>> transparent("#0072b2", 0.5)
    'rgba(0, 114, 178, 0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def apply_style(
    figure: go.Figure,
    *,
    x_title: str = "",
    y_title: str = "",
    title: str = "",
    height: int = 300,
    legend: bool | Literal["above", "top right", "bottom right"] = "above",
    revision: str = "constant",
) -> go.Figure:
    """The common look; titles of axes name the quantity and its unit. Changes `figure` and returns it.

    Args:
        legend: where it stands; inside the plot where the curves leave that corner free. False: none.
        revision: zoom and hidden traces survive a redraw for as long as this stays the same.
    """
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 40 if title else 26 if legend in (True, "above") else 8, "b": 8},
        title={"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"}
        if title
        else None,
        showlegend=bool(legend),
        legend=LEGENDS["above" if legend in (True, False) else str(legend)],
        uirevision=revision,
        hovermode="closest",
        bargap=0.25,
        dragmode=False,
        font={"size": 12},
    )
    axis = {"gridcolor": GRID, "zeroline": False, "automargin": True, "title_standoff": 8, "title_font": {"size": 12}}
    figure.update_xaxes(title_text=x_title, **{"showgrid": False, **axis})
    figure.update_yaxes(title_text=y_title, **axis)
    return figure


def number(value: float, digits: int = 3) -> str:
    """A number for people: 3 significant digits, thousands separated, no exponent below a million.

    >>> number(1234.5), number(0.012345), number(float("nan"))
    ('1,234', '0.0123', '–')
    """
    if value != value:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them.

    >>> duration(4.2), duration(75), duration(3700), duration(None)
    ('4 s', '1 min 15 s', '1 h 1 min', '–')
    """
    if seconds is None or seconds != seconds or seconds == float("inf"):
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def joined(parts: Iterable[str]) -> str:
    """Parts of a status line with the house's separator."""
    return "  ·  ".join(part for part in parts if part)
