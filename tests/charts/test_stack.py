from __future__ import annotations

from dataclasses import replace

import pytest

from explorer.charts.stack import ACTIVE, StackDrawing, stack_drawing
from explorer.charts.style import transparent

DESIGN = StackDrawing(
    widths=(784, 256, 64),
    encoders=(200_960, 16_448),
    decoders=(201_488, 16_640),
    n_classes=10,
    softmax=650,
    notes=("ReLU", "tanh, masking 0.25"),
    tied=(False, True),
)


def texts(drawing: StackDrawing) -> list[str]:
    return [trace.text for trace in stack_drawing(drawing).data]


def labels(drawing: StackDrawing) -> set[str]:
    return {annotation.text for annotation in stack_drawing(drawing).layout.annotations}


def test_every_part_is_drawn_once_and_named() -> None:
    found = texts(DESIGN)
    assert len(found) == 2 + 2 + 3 + 2  # encoders, decoders, codes, classifier and its output
    assert any("Encoder of level 1" in text and "784 to 256" in text and "200,960" in text for text in found)
    assert any("Decoder of level 2" in text and "64 back to 256" in text and "tied" in text for text in found)
    assert any("tanh, masking 0.25" in text for text in found)


def test_widths_and_parameters_stand_in_the_drawing() -> None:
    assert {"<b>784</b>", "<b>256</b>", "<b>64</b>", "<b>10</b>", "200,960", "16,640", "650"} <= labels(DESIGN)


def test_convolutions_say_so() -> None:
    drawn = replace(DESIGN, shapes=((28, 28, 1), (8, 8, 4), None), kernels=(5, 0))
    assert {"28 × 28 × 1", "8 × 8 × 4", "conv 5 × 5"} <= labels(drawn)
    assert any("Encoder of level 1" in text and "convolution 5 × 5" in text for text in texts(drawn))
    assert any("Code of level 1" in text and "8 × 8 pixels in 4 channels" in text for text in texts(drawn))
    assert "28 × 28 × 1" not in labels(replace(DESIGN, shapes=((28, 28, 1), None, None), kernels=(0, 0)))


def test_without_classes_there_is_no_classifier() -> None:
    assert not any("Softmax" in text for text in texts(replace(DESIGN, n_classes=0)))


def test_a_live_stack_shows_what_trains_and_what_is_dropped() -> None:
    live = replace(DESIGN, live=True, encoder_states=("trained", "training"), decoder_states=("trained", "training"))
    figure = stack_drawing(live)
    by_name = {trace.text.split("<br>")[0]: trace for trace in figure.data}
    assert "dropped" in labels(live)
    assert "kept for reconstructions" in by_name["<b>Decoder of level 1</b>"].text
    assert by_name["<b>Encoder of level 2</b>"].line.color == transparent(ACTIVE, 0.55 + 0.4)
    assert by_name["<b>Encoder of level 1</b>"].line.width < by_name["<b>Encoder of level 2</b>"].line.width


def test_bars_shrink_with_the_width() -> None:
    figure = stack_drawing(DESIGN)
    bars = [trace for trace in figure.data if "values for each row" in trace.text]
    heights = [max(bar.y) - min(bar.y) for bar in bars]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] > 0.1


@pytest.mark.parametrize("depth", [1, 7, 8, 12])
def test_any_depth(depth: int) -> None:
    drawing = StackDrawing(widths=(5,) * (depth + 1), encoders=(30,) * depth, decoders=(30,) * depth)
    figure = stack_drawing(drawing)
    assert len(figure.data) == 3 * depth + 1
    assert figure.layout.xaxis.range[1] > depth
    assert ("30" in labels(drawing)) == (depth <= 7)
