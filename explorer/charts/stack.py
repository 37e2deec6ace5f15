"""The drawing of a stack: codes as bars, encoders between them, the decoders below, the classifier at the end.

Read left to right along the top to encode, right to left along the bottom to decode. While a level trains, its encoder
and decoder stand out; once it is done its decoder steps back: it is dropped from training and kept for reconstructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import plotly.graph_objects as go

from explorer.charts.style import BLUE, GREEN, GREY, ORANGE, VERMILION, apply_style, transparent

PartState = Literal["waiting", "training", "trained"]
ACTIVE = VERMILION  # whatever is in training right now
BAR = 0.09  # half the width of a code's bar; levels stand 1 apart


@dataclass(frozen=True)
class StackDrawing:
    """What to draw.

    Attributes:
        widths: of the prepared input and of each level's code.
        encoders, decoders: parameters of each level; a tied decoder has its biases only.
        encoder_states, decoder_states: of each level. A decoder of a trained level is drawn as dropped.
        n_classes: 0 draws no classifier.
        softmax: parameters of the classifier.
        softmax_state: of the classifier.
        notes: for each level, words on how it learns (shown on hover).
        live: whether states mean something (a run) or everything is drawn alike (a design).
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
    live: bool = False
    tied: tuple[bool, ...] = field(default=())


def stack_drawing(drawing: StackDrawing, *, height: int = 330) -> go.Figure:
    """The stack as one figure; hover names every part with its shape and parameters."""
    depth = len(drawing.widths) - 1
    tall = [_height(width, max(drawing.widths)) for width in drawing.widths]
    figure = go.Figure()
    for level in range(1, depth + 1):
        _encoder(figure, drawing, level, tall)
        _decoder(figure, drawing, level, tall)
    for level, width in enumerate(drawing.widths):
        _code(figure, drawing, level, width, tall[level])
    if drawing.n_classes > 1:
        _classifier(figure, drawing, tall[-1])
    apply_style(figure, height=height, legend=False, revision="stack")
    if depth <= 6:  # else there is no room beside the last one
        figure.add_annotation(
            x=depth + 0.04, y=BOTTOM, text="← decode", showarrow=False, xanchor="left", font={"size": 11}, opacity=0.65
        )
    right = depth + (1.05 if drawing.n_classes > 1 else 0.75)
    figure.update_xaxes(visible=False, range=[-0.3, right], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-1.4, 1.36], fixedrange=True)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, hovermode="closest")
    return figure


def _height(width: int, widest: int) -> float:
    """Half the height of a bar: grows slower than the width, so that 784 and 2 fit in one picture."""
    return float(max(0.07, 0.55 * (width / widest) ** 0.35))


TOP, BOTTOM = 0.62, -0.72  # centre lines of the two rows


def _encoder(figure: go.Figure, drawing: StackDrawing, level: int, tall: Sequence[float]) -> None:
    state = drawing.encoder_states[level - 1] if drawing.live else "trained"
    below, width = drawing.widths[level - 1], drawing.widths[level]
    colour = ACTIVE if state == "training" else BLUE
    strength = {"waiting": 0.12, "training": 0.55, "trained": 0.38}[state]
    note = f"<br>{drawing.notes[level - 1]}" if drawing.notes else ""
    words = {"waiting": "not trained yet", "training": "in training", "trained": "trained"}[state]
    text = (
        f"<b>Encoder of level {level}</b><br>{below:,} to {width:,}, {drawing.encoders[level - 1]:,} parameters{note}"
    )
    text += f"<br>{words}" if drawing.live else ""
    left, right = level - 1 + BAR, level - BAR
    xs, ys = (
        [left, right, right, left, left],
        [
            TOP + tall[level - 1],
            TOP + tall[level],
            TOP - tall[level],
            TOP - tall[level - 1],
            TOP + tall[level - 1],
        ],
    )
    _shape(figure, xs, ys, colour, strength, text, width=2.5 if state == "training" else 1)
    _label(figure, level - 0.5, TOP, f"{drawing.encoders[level - 1]:,}" if len(drawing.widths) <= 8 else "")


def _decoder(figure: go.Figure, drawing: StackDrawing, level: int, tall: Sequence[float]) -> None:
    state = drawing.decoder_states[level - 1] if drawing.live else "waiting"
    below, width = drawing.widths[level - 1], drawing.widths[level]
    tied = bool(drawing.tied) and drawing.tied[level - 1]
    colour = {"waiting": GREY if drawing.live else ORANGE, "training": ACTIVE, "trained": GREY}[state]
    strength = {"waiting": 0.10 if drawing.live else 0.22, "training": 0.5, "trained": 0.05}[state]
    words = {
        "waiting": "not trained yet",
        "training": "in training",
        "trained": "dropped from training, kept for reconstructions",
    }[state]
    if not drawing.live:
        words = "dropped from training once its level is done"
    text = f"<b>Decoder of level {level}</b><br>{width:,} back to {below:,}, {drawing.decoders[level - 1]:,} parameters"
    text += (" (weights tied to the encoder)" if tied else "") + f"<br>{words}"
    # A dropped decoder sinks a little and loses its fill.
    centre = BOTTOM - (0.16 if drawing.live and state == "trained" else 0)
    shrink = 0.8
    left, right = level - 1 + BAR, level - BAR
    high, low = tall[level - 1] * shrink, tall[level] * shrink
    xs, ys = [left, right, right, left, left], [centre + high, centre + low, centre - low, centre - high, centre + high]
    _shape(
        figure,
        xs,
        ys,
        colour,
        strength,
        text,
        dash="dot" if state != "training" else "solid",
        width=2.5 if state == "training" else 1,
    )
    if len(drawing.widths) <= 8:
        dropped = drawing.live and state == "trained"
        _label(figure, level - 0.5, centre, "dropped" if dropped else f"{drawing.decoders[level - 1]:,}", faint=dropped)


def _code(figure: go.Figure, drawing: StackDrawing, level: int, width: int, tall: float) -> None:
    state: PartState = drawing.encoder_states[level - 1] if drawing.live and level else "trained"
    name = "Prepared input" if level == 0 else f"Code of level {level}"
    xs = [level - BAR, level + BAR, level + BAR, level - BAR, level - BAR]
    ys = [TOP + tall, TOP + tall, TOP - tall, TOP - tall, TOP + tall]
    colour, strength = (ACTIVE if state == "training" else BLUE), (0.35 if state == "waiting" else 0.95)
    _shape(figure, xs, ys, colour, strength, f"<b>{name}</b><br>{width:,} values for each row")
    _label(figure, level, TOP + tall + 0.1, f"<b>{width:,}</b>")
    _label(figure, level, TOP - tall - 0.12, "input" if level == 0 else f"level {level}", faint=True)


def _classifier(figure: go.Figure, drawing: StackDrawing, tall: float) -> None:
    depth = len(drawing.widths) - 1
    state = drawing.softmax_state if drawing.live else "trained"
    colour = ACTIVE if state == "training" else GREEN
    strength = {"waiting": 0.12, "training": 0.55, "trained": 0.35}[state]
    end = max(0.12, min(tall, 0.3))
    shape = f"{drawing.widths[-1]:,} to {drawing.n_classes:,} classes"
    text = f"<b>Softmax classifier</b><br>{shape}, {drawing.softmax:,} parameters"
    left, right = depth + BAR, depth + 0.72
    xs, ys = [left, right, right, left, left], [TOP + tall, TOP + end, TOP - end, TOP - tall, TOP + tall]
    _shape(figure, xs, ys, colour, strength, text)
    bar = [right, right + 2 * BAR, right + 2 * BAR, right, right]
    _shape(
        figure,
        bar,
        [TOP + end, TOP + end, TOP - end, TOP - end, TOP + end],
        colour,
        0.35 if state == "waiting" else 0.9,
        text,
    )
    _label(figure, (left + right) / 2, TOP, f"{drawing.softmax:,}" if depth <= 7 else "")
    _label(figure, right + BAR, TOP + end + 0.1, f"<b>{drawing.n_classes:,}</b>")
    _label(figure, right + BAR, TOP - end - 0.12, "classes", faint=True)


def _shape(
    figure: go.Figure,
    xs: list[float],
    ys: list[float],
    colour: str,
    strength: float,
    text: str,
    *,
    dash: str = "solid",
    width: float = 1,
) -> None:
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        fill="toself",
        fillcolor=transparent(colour, strength),
        line={"color": transparent(colour, min(1, strength + 0.4)), "width": width, "dash": dash},
        hoveron="fills",
        text=text,
        hoverinfo="text",
    )


def _label(figure: go.Figure, x: float, y: float, text: str, *, faint: bool = False) -> None:
    if text:
        figure.add_annotation(
            x=x, y=y, text=text, showarrow=False, font={"size": 11 if faint else 12}, opacity=0.65 if faint else 1
        )
