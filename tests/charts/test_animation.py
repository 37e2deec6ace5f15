"""The map that moves: it starts at the input, ends at the deepest code, and tells rows by their colours."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.charts.animation import STEPS, travel_figure
from explorer.charts.map_layers import add_pictures, add_placed
from explorer.charts.maps import by_amount, by_group, map_figure
from sae_core.analysis.projections import LevelMap

ROWS = np.arange(0, 40, 2)


def maps() -> list[LevelMap]:
    rng = np.random.default_rng(0)
    return [
        LevelMap(level, "pca", ROWS, (10.0**level * rng.normal(size=(20, 2))).astype(np.float32), 0.5)
        for level in range(3)
    ]


def test_points_travel_from_map_to_map_at_one_scale() -> None:
    colouring = by_group("k", ["a", "b"], np.arange(40) % 4 // 2)
    figure = travel_figure(maps(), ["<b>Input</b>", "Level 1", "Level 2"], colouring, np.array([0, 5, 7]))
    assert len(figure.frames) == 2 * STEPS + 1
    places = [np.stack([frame.data[0].x, frame.data[0].y], axis=1) for frame in figure.frames]
    assert places[0].shape == (3, 2)
    for level, frame in enumerate((0, STEPS, 2 * STEPS)):
        points = maps()[level].points
        low, high = points.min(axis=0), points.max(axis=0)
        expected = (points - (low + high) / 2) / ((high - low).max() / 2)
        np.testing.assert_allclose(places[frame], expected[[0, 5, 7]], atol=1e-5)
        assert np.abs(expected).max() == pytest.approx(1.0, abs=1e-5)
    labels = [step.label for step in figure.layout.sliders[0].steps]
    assert labels[::STEPS] == ["&lt;b&gt;Input&lt;/b&gt;", "Level 1", "Level 2"]
    assert labels[STEPS + 1] == "Level 1  →  Level 2"
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["▶ Play", "❚❚ Pause"]


def test_chosen_points_stand_out_and_amounts_have_a_scale() -> None:
    colouring = by_amount("x", np.arange(40.0), ["row"], np.zeros(40, dtype=np.int64))
    chosen = np.array([True, False])
    figure = travel_figure(maps(), ["0", "1", "2"], colouring, np.array([1, 2]), chosen=chosen)
    marker = figure.data[0].marker
    assert list(marker.color) == [2.0, 4.0]
    assert marker.opacity[0] > marker.opacity[1]
    assert figure.layout.coloraxis.cmin == colouring.low


def test_pictures_and_placed_rows_lie_on_top_of_a_map() -> None:
    drawn = maps()[0]
    figure = map_figure(drawn, by_group("k", ["a"], np.zeros(40, dtype=np.int64)), title="t")
    before = figure.layout.xaxis.range
    add_pictures(figure, drawn.points[:2], np.array([7, 9]), ["data:a", "data:b"], 0.5)
    assert [image.name for image in figure.layout.images] == ["7", "9"]
    assert [image.source for image in figure.layout.images] == ["data:a", "data:b"]
    assert figure.layout.images[1].x == pytest.approx(float(drawn.points[1, 0]))
    add_placed(figure, np.array([[100.0, 0.0]]), ["row 1"])
    assert list(figure.data[-1].text) == ["row 1"]
    assert figure.layout.xaxis.range[1] > 100 > before[1]
    assert figure.layout.xaxis.range[0] == before[0]
