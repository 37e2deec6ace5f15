"""Small static charts as SVG text, for a report that is one file: no script, no font, nothing from outside.

Colours come from classes and presentation attributes, never from `style=`, so that a page may forbid inline styles.
Text and axes take `currentColor`: the charts stand on light and dark paper. Every text goes through `escape`.
"""

from __future__ import annotations

import colorsys
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The explorer's palette (a test holds the two together): colour-blind safe, legible on light and dark.
PALETTE = (
    "#2974b0", "#e28d0d", "#08a275", "#c54b07", "#da7eb2", "#10abec", "#b2a04f", "#696573", "#8b5b35", "#5b5ac6",
)  # fmt: skip
NO_LABEL = "#8a8f98"
TRAIN, VALIDATION = PALETTE[0], PALETTE[1]
MAX_POINTS = 240  # of one curve

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 10, 38  # margins around the plot, in the SVG's units


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: in the legend.
        x, y: (n,) values; NaN leaves a gap.
        colour: `#rrggbb`.
        dashed: drawn with dashes.
    """

    name: str
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    colour: str
    dashed: bool = False


def escape(text: object, limit: int = 80) -> str:
    """Text of the user's on one line, not endless, with nothing that HTML or SVG reads as its own.

    >>> escape("<b>a & b</b>")
    '&lt;b&gt;a &amp; b&lt;/b&gt;'
    """
    line = "".join(letter if letter.isprintable() else " " for letter in str(text)).strip() or "(empty)"
    return html.escape(line if len(line) <= limit else line[: limit - 1] + "…")


def number(value: float) -> str:
    """Three significant digits, without an exponent below a million.

    >>> number(1234.5), number(0.012345), number(float("nan"))
    ('1,234', '0.0123', '–')
    """
    if value != value:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def colours(n: int) -> list[str]:
    """n colours, the palette first, then further hues by the golden angle."""
    chosen = list(PALETTE[:n])
    for i in range(n - len(chosen)):
        red, green, blue = colorsys.hls_to_rgb((0.11 + i * 0.618034) % 1.0, (0.42, 0.55, 0.66)[i % 3], 0.55)
        chosen.append(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}")
    return chosen


def line_chart(
    lines: Sequence[Line], *, x_title: str, y_title: str, about: str, width: int = 305, height: int = 205
) -> str:
    """Curves over a common x.

    Args:
        about: what the chart shows, for those who cannot see it.
    """
    xs = np.concatenate([line.x for line in lines]) if lines else np.empty(0)
    ys = np.concatenate([line.y for line in lines]) if lines else np.empty(0)
    x_low, x_high = _extent(xs)
    y_low, y_high = _extent(ys)
    padding = 0.05 * (y_high - y_low)
    y_low, y_high = (max(0.0, y_low - padding) if y_low >= 0 else y_low - padding), y_high + padding
    wide, high = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def place_x(x: float) -> float:
        return _LEFT + wide * (x - x_low) / (x_high - x_low)

    def place_y(y: float) -> float:
        return _TOP + high * (1 - (y - y_low) / (y_high - y_low))

    parts = []
    for tick in ticks(y_low, y_high, 4):
        at = place_y(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{width - _RIGHT}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{number(tick)}</text>')
    whole = [tick for tick in ticks(x_low, x_high, 5) if tick == int(tick)]  # epochs are whole
    for tick in whole:
        parts.append(
            f'<text class="tick" x="{place_x(tick):.1f}" y="{height - _BOTTOM + 15}" text-anchor="middle">'
            f"{number(tick)}</text>"
        )
    for line in lines:
        parts.append(_curve(line, place_x, place_y))
    middle_x, middle_y = _LEFT + wide / 2, _TOP + high / 2
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{_TOP + high}H{width - _RIGHT}"/>')
    parts.append(f'<text x="{middle_x:.0f}" y="{height - 4}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(
        f'<text x="12" y="{middle_y:.0f}" text-anchor="middle" transform="rotate(-90 12 {middle_y:.0f})">'
        f"{escape(y_title)}</text>"
    )
    return _svg(parts, width, height, about)


def scatter(points: NDArray[np.floating], colour_of: Sequence[str], *, about: str, side: int = 300) -> str:
    """A map: (m, 2) points in one scale for both axes, without axes of its own. Colours are drawn in groups."""
    finite = np.isfinite(points).all(axis=1)
    low, high = (points[finite].min(axis=0), points[finite].max(axis=0)) if finite.any() else (np.zeros(2), np.ones(2))
    span = float(max(high - low)) or 1.0
    placed = 8 + (side - 16) * ((points - (low + high) / 2) / span + 0.5)
    radius = 2.6 if len(points) <= 400 else 1.8
    groups: dict[str, list[str]] = {}
    for (x, y), colour, good in zip(placed.tolist(), colour_of, finite, strict=True):
        if good:
            groups.setdefault(colour, []).append(f"M{x:.1f} {side - y:.1f}h0")
    parts = [
        f'<path d="{"".join(marks)}" stroke="{colour}" stroke-width="{2 * radius}" stroke-linecap="round" '
        'stroke-opacity="0.75" fill="none"/>'
        for colour, marks in groups.items()
    ]
    return _svg(parts, side, side, about)


def stack(widths: Sequence[int], *, about: str, width: int = 700, height: int = 190) -> str:
    """The levels as boxes from the input to the deepest code, the taller the more values they have."""
    n = len(widths)
    largest = math.log1p(max(widths))
    step = width / n
    wide = min(46.0, step * 0.5)
    middle = (height - 34) / 2 + 6
    heights = [max(18.0, (height - 46) * math.log1p(value) / largest) for value in widths]
    centres = [step * (at + 0.5) for at in range(n)]
    parts = []
    for at in range(n - 1):
        left, right = centres[at] + wide / 2, centres[at + 1] - wide / 2
        parts.append(
            f'<path class="flow" d="M{left:.1f} {middle - heights[at] / 2:.1f}L{right:.1f} '
            f"{middle - heights[at + 1] / 2:.1f}V{middle + heights[at + 1] / 2:.1f}L{left:.1f} "
            f'{middle + heights[at] / 2:.1f}Z"/>'
        )
    for at, value in enumerate(widths):
        colour = NO_LABEL if at == 0 else PALETTE[0]
        parts.append(
            f'<rect x="{centres[at] - wide / 2:.1f}" y="{middle - heights[at] / 2:.1f}" width="{wide:.1f}" '
            f'height="{heights[at]:.1f}" rx="5" fill="{colour}"/>'
        )
        parts.append(
            f'<text class="on" x="{centres[at]:.1f}" y="{middle + 4:.1f}" text-anchor="middle">{value:,}</text>'
        )
        name = f"Level {at}" if at else "Input"
        parts.append(f'<text x="{centres[at]:.1f}" y="{height - 6}" text-anchor="middle">{name}</text>')
    return _svg(parts, width, height, about)


def legend(entries: Sequence[tuple[str, str, bool]]) -> str:
    """Names with their colours: (name, `#rrggbb`, dashed), as a list in HTML."""
    items = []
    for name, colour, dashed in entries:
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        mark = f'<path d="M1 6H17" stroke="{colour}" stroke-width="3"{dash}/>'
        items.append(
            f'<li><svg class="mark" viewBox="0 0 18 12" aria-hidden="true">{mark}</svg>{escape(name, 40)}</li>'
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values within low..high, at most `most` + 1 of them.

    >>> ticks(0.0, 10.0, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    raw = (high - low) / max(1, most)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + at) * step, 12) for at in range(count)]


def _curve(line: Line, place_x: object, place_y: object) -> str:
    assert callable(place_x)
    assert callable(place_y)
    chosen = np.unique(np.linspace(0, len(line.x) - 1, min(len(line.x), MAX_POINTS)).astype(np.int64))
    path, pen = [], "M"
    for at in chosen:
        x, y = float(line.x[at]), float(line.y[at])
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        path.append(f"{pen}{place_x(x):.1f} {place_y(y):.1f}")
        pen = "L"
    if len(path) == 1:
        path.append("h0")  # a single epoch is a dot
    dash = ' stroke-dasharray="5 3"' if line.dashed else ""
    return (
        f'<path d="{"".join(path)}" stroke="{line.colour}" stroke-width="2" stroke-linecap="round" fill="none"{dash}/>'
    )


def _extent(values: NDArray[np.floating]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _svg(parts: Sequence[str], width: int, height: int, about: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(about, 200)}">{"".join(parts)}</svg>'
    )
