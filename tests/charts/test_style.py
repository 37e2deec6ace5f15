from __future__ import annotations

import itertools

import numpy as np
import plotly.graph_objects as go
import pytest

from explorer.charts import style

LIGHT, DARK = "#ffffff", "#12171e"  # backgrounds in .streamlit/config.toml


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(colour: str, background: str) -> float:
    """WCAG 2 contrast ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    high, low = sorted((float(weights @ linear(colour)), float(weights @ linear(background))), reverse=True)
    return (high + 0.05) / (low + 0.05)


# Linear RGB as a dichromat sees it (Machado, Oliveira & Fernandes 2009, severity 1).
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb.clip(0, 1)
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_every_colour_is_legible_on_both_themes(background: str) -> None:
    assert min(contrast(colour, background) for colour in style.PALETTE) > 2.5


@pytest.mark.parametrize("kind", list(BLINDNESS))
def test_colours_stay_apart_for_colour_blind_readers(kind: str) -> None:
    seen = [lab(np.array(BLINDNESS[kind]) @ linear(colour)) for colour in style.PALETTE]
    distances = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 16


def test_parts_of_a_split_are_far_apart_for_everybody() -> None:
    for matrix in BLINDNESS.values():
        seen = [lab(np.array(matrix) @ linear(colour)) for colour in style.SPLIT_COLOURS.values()]
        assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 20


@pytest.mark.parametrize("n", [0, 1, 10, 11, 60, 1000])
def test_any_number_of_colours(n: int) -> None:
    found = style.colours(n)
    assert len(found) == n
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in found)
    assert len(set(found[:60])) == min(n, 60)


def test_classes_keep_their_colours() -> None:
    assert style.class_colours(("a", "b"))["a"] == style.class_colours(("a", "b", "c"))["a"]


def test_axes_are_named_and_backgrounds_left_to_the_theme() -> None:
    figure = style.apply_style(go.Figure(), x_title="epoch", y_title="loss")
    assert figure.layout.xaxis.title.text == "epoch"
    assert figure.layout.yaxis.title.text == "loss"
    assert figure.layout.paper_bgcolor is None
    assert figure.layout.plot_bgcolor is None
    assert figure.layout.font.color is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "–"),
        (0, "0"),
        (0.5, "0.5"),
        (1234.5, "1,234"),
        (2e-7, "2.00e-07"),
        (-3.14159, "-3.14"),
        (1e9, "1.00e+09"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert style.number(value) == text


def test_durations_for_people() -> None:
    assert [style.duration(s) for s in (0, 59.4, 60, 3600, float("nan"))] == ["0 s", "59 s", "1 min", "1 h 0 min", "–"]
