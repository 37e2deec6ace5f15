"""The drawing of a stack: codes as bars, encoders between them, the decoders below, the classifier at the end.

Read left to right along the top to encode, right to left along the bottom to decode. While a level trains, its encoder
and decoder stand out; once it is done its decoder steps back: it is dropped from training and kept for reconstructions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from explorer.charts.style import BLUE, GREEN, GREY, ORANGE, VERMILION, apply_style, transparent

PartState = Literal["waiting", "training", "trained"]
ACTIVE = VERMILION  # whatever is in training right now
BAR = 0.09  # half the width of a code's bar; levels stand 1 apart
TOP, BOTTOM = 0.62, -0.72  # centre lines of the two rows
MOST_WITH_NUMBERS = 7  # levels; in deeper stacks there is no room for the parameters, hover tells them
STRENGTH: dict[PartState, float] = {"waiting": 0.12, "training": 0.55, "trained": 0.38}


@dataclass(frozen=True)
class StackDrawing:
    """What to draw.

    Attributes:
        widths: of the prepared input and of each level's code.
        encoders, decoders: parameters of each level; a tied decoder has its biases only.
        encoder_states, decoder_states: of each level, where `live`. A decoder of a trained level is drawn as dropped.
        n_classes: fewer than 2 draw no classifier.
        softmax: parameters of the classifier; softmax_state: where `live`.
        notes: for each level, words of our own on how it learns (shown on hover).
        tied: for each level, whether its decoder uses the encoder's weights.
        shapes: of each code, input first: (height, width, channels) where it is a picture, else None.
        kernels: for each level, side of a convolution's weights; 0: a dense level.
        live: a run, with states; otherwise a design, in which everything is drawn alike.
    """

    widths: tuple[int, ...]
    encoders: tuple[int, ...]
    decoders: tuple[int, ...]
    n_classes: int = 0
    softmax: int = 0
    encoder_states: tuple[PartState, ...] = ()
    decoder_states: tuple[PartState, ...] = ()
    softmax_state: PartState = "waiting"
    notes: tuple[str, ...] = ()
    tied: tuple[bool, ...] = ()
    shapes: tuple[tuple[int, int, int] | None, ...] = ()
    kernels: tuple[int, ...] = ()
    live: bool = False

    @property
    def depth(self) -> int:
        """Number of levels."""
        return len(self.encoders)

    def shape(self, level: int) -> tuple[int, int, int] | None:
        """Of a level's code, where it is a picture."""
        return self.shapes[level] if self.shapes else None

    def convolution(self, level: int) -> str:
        """What kind of convolution a level is, for people; "" for a dense level."""
        side = self.kernels[level - 1] if self.kernels else 0
        return f"convolution {side} × {side}" if side else ""


@dataclass
class _Canvas:
    """Shapes and labels, as plotly takes them; put into a figure all at once, which is much faster than one by one."""

    shapes: list[dict[str, Any]]
    labels: list[dict[str, Any]]

    def shape(self, points: list[tuple[float, float]], colour: str, strength: float, text: str, **line: Any) -> None:
        closed = [*points, points[0]]
        self.shapes.append(
            {
                "type": "scatter",
                "x": [x for x, _ in closed],
                "y": [y for _, y in closed],
                "mode": "lines",
                "fill": "toself",
                "fillcolor": transparent(colour, strength),
                "line": {"color": transparent(colour, min(1, strength + 0.4)), "width": 1, **line},
                "hoveron": "fills",
                "text": text,
                "hoverinfo": "text",
            }
        )

    def label(self, x: float, y: float, text: str, *, faint: bool = False, left: bool = False) -> None:
        font, opacity = {"size": 11 if faint else 12}, 0.65 if faint else 1
        anchor = "left" if left else "center"
        self.labels.append(
            {"x": x, "y": y, "text": text, "showarrow": False, "font": font, "opacity": opacity, "xanchor": anchor}
        )


def stack_drawing(drawing: StackDrawing, *, height: int = 330) -> go.Figure:
    """The stack as one figure; hover names every part with its shape and parameters."""
    canvas = _Canvas([], [])
    tall = [_height(width, max(drawing.widths)) for width in drawing.widths]
    for level in range(1, drawing.depth + 1):
        _encoder(canvas, drawing, level, tall[level - 1], tall[level])
        _decoder(canvas, drawing, level, tall[level - 1], tall[level])
    for level in range(drawing.depth + 1):
        _code(canvas, drawing, level, tall[level])
    if drawing.n_classes > 1:
        _classifier(canvas, drawing, tall[-1])
    if drawing.depth <= MOST_WITH_NUMBERS:
        canvas.label(drawing.depth + 0.04, BOTTOM, "← decode", faint=True, left=True)
    right = drawing.depth + (1.05 if drawing.n_classes > 1 else 0.75)
    hidden = {"visible": False, "fixedrange": True}
    layout = {
        "annotations": canvas.labels,
        "xaxis": {"range": [-0.3, right], **hidden},
        "yaxis": {"range": [-1.4, 1.36], **hidden},
    }
    figure = go.Figure({"data": canvas.shapes, "layout": layout})
    apply_style(figure, height=height, legend=False, revision="stack")
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0})
    return figure


def _height(width: int, widest: int) -> float:
    """Half the height of a bar: grows slower than the width, so that 784 and 2 fit in one picture."""
    return float(max(0.07, 0.55 * (width / widest) ** 0.35))


def _trapezium(left: float, right: float, centre: float, high: float, low: float) -> list[tuple[float, float]]:
    return [(left, centre + high), (right, centre + low), (right, centre - low), (left, centre - high)]


def _encoder(canvas: _Canvas, drawing: StackDrawing, level: int, high: float, low: float) -> None:
    state: PartState = drawing.encoder_states[level - 1] if drawing.live else "trained"
    below, width, parameters = drawing.widths[level - 1], drawing.widths[level], drawing.encoders[level - 1]
    lines = [f"<b>Encoder of level {level}</b>", f"{below:,} to {width:,}, {parameters:,} parameters"]
    if drawing.convolution(level):
        lines.append(drawing.convolution(level))
    if drawing.notes:
        lines.append(drawing.notes[level - 1])
    if drawing.live:
        lines.append({"waiting": "not trained yet", "training": "in training", "trained": "trained"}[state])
    points = _trapezium(level - 1 + BAR, level - BAR, TOP, high, low)
    colour, line = (ACTIVE, 2.5) if state == "training" else (BLUE, 1)
    canvas.shape(points, colour, STRENGTH[state], "<br>".join(lines), width=line)
    if drawing.depth <= MOST_WITH_NUMBERS:
        canvas.label(level - 0.5, TOP, f"{parameters:,}")
        if drawing.convolution(level):
            canvas.label(level - 0.5, TOP - 0.14, drawing.convolution(level).replace("convolution", "conv"), faint=True)


def _decoder(canvas: _Canvas, drawing: StackDrawing, level: int, high: float, low: float) -> None:
    below, width, parameters = drawing.widths[level - 1], drawing.widths[level], drawing.decoders[level - 1]
    state = drawing.decoder_states[level - 1] if drawing.live else None
    colour, strength, words = {
        None: (ORANGE, 0.22, "dropped from training once its level is done"),
        "waiting": (GREY, 0.10, "not trained yet"),
        "training": (ACTIVE, 0.5, "in training"),
        "trained": (GREY, 0.05, "dropped from training, kept for reconstructions"),
    }[state]
    tied = " (weights tied to the encoder)" if drawing.tied and drawing.tied[level - 1] else ""
    text = f"<b>Decoder of level {level}</b><br>{width:,} back to {below:,}, {parameters:,} parameters{tied}<br>{words}"
    dropped = state == "trained"
    centre = BOTTOM - (0.16 if dropped else 0)  # a dropped decoder sinks a little
    points = _trapezium(level - 1 + BAR, level - BAR, centre, 0.8 * high, 0.8 * low)
    busy = state == "training"
    canvas.shape(points, colour, strength, text, dash="solid" if busy else "dot", width=2.5 if busy else 1)
    if drawing.depth <= MOST_WITH_NUMBERS:
        canvas.label(level - 0.5, centre, "dropped" if dropped else f"{parameters:,}", faint=dropped)


def _code(canvas: _Canvas, drawing: StackDrawing, level: int, tall: float) -> None:
    state: PartState = drawing.encoder_states[level - 1] if drawing.live and level else "trained"
    width = drawing.widths[level]
    colour, strength = (ACTIVE if state == "training" else BLUE), (0.35 if state == "waiting" else 0.95)
    name = f"Code of level {level}" if level else "Prepared input"
    points = _trapezium(level - BAR, level + BAR, TOP, tall, tall)
    lines, shape = [f"<b>{name}</b>", f"{width:,} values for each row"], drawing.shape(level)
    if shape:
        lines.append(f"{shape[0]} × {shape[1]} pixels" + (f" in {shape[2]} channels" if shape[2] > 1 else ""))
    canvas.shape(points, colour, strength, "<br>".join(lines))
    canvas.label(level, TOP + tall + 0.1, f"<b>{width:,}</b>")
    few = drawing.depth <= MOST_WITH_NUMBERS
    canvas.label(level, TOP - tall - 0.12, f"{'level ' if few else ''}{level}" if level else "input", faint=True)
    if few and shape and (level or any(drawing.kernels)):
        canvas.label(level, TOP - tall - 0.26, " × ".join(str(side) for side in shape), faint=True)


def _classifier(canvas: _Canvas, drawing: StackDrawing, tall: float) -> None:
    state: PartState = drawing.softmax_state if drawing.live else "trained"
    colour = ACTIVE if state == "training" else GREEN
    end = max(0.12, min(tall, 0.3))
    shape = f"{drawing.widths[-1]:,} to {drawing.n_classes:,} classes"
    text = f"<b>Softmax classifier</b><br>{shape}, {drawing.softmax:,} parameters"
    left, right = drawing.depth + BAR, drawing.depth + 0.72
    canvas.shape(_trapezium(left, right, TOP, tall, end), colour, STRENGTH[state], text)
    bar = _trapezium(right, right + 2 * BAR, TOP, end, end)
    canvas.shape(bar, colour, 0.35 if state == "waiting" else 0.9, text)
    if drawing.depth <= MOST_WITH_NUMBERS:
        canvas.label((left + right) / 2, TOP, f"{drawing.softmax:,}")
    canvas.label(right + BAR, TOP + end + 0.1, f"<b>{drawing.n_classes:,}</b>")
    canvas.label(right + BAR, TOP - end - 0.12, "classes", faint=True)
