"""Units drawn: signed pictures, bars, histograms, correlations; and decoding by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.charts import decoding, units
from explorer.charts.style import BLUE, ORANGE


def test_signed_pictures_are_orange_blue_and_neutral() -> None:
    pixels, shape = units.signed_pictures(np.array([[2.0, -4.0, 0.0, 0.0]]), (2, 2, 1))
    assert shape == (2, 2, 3)
    picture = pixels.reshape(4, 3)
    np.testing.assert_allclose(picture[1], units.LESS, atol=1e-6)
    np.testing.assert_allclose(picture[2], units.NEUTRAL, atol=1e-6)
    np.testing.assert_allclose(picture[0], (units.NEUTRAL + units.MORE) / 2, atol=1e-6)
    assert np.isfinite(units.signed_pictures(np.zeros((1, 12)), (2, 2, 3))[0]).all()


def test_bars_say_the_sign_and_show_names_literally() -> None:
    (bars,) = units.profile_bars(["<i>a</i>", "b"], [1.0, -2.0], x_title="weight").data
    assert list(bars.marker.color) == [ORANGE, BLUE]
    assert bars.customdata[0] == "&lt;i&gt;a&lt;/i&gt;"


def test_every_cell_of_the_profiles_knows_its_unit() -> None:
    figure = units.profiles(["a", "b"], [7, 3], np.array([[1.0, -2.0], [0.0, 0.0]]), title="t", unit_names=["u7", "u3"])
    heat, marks = figure.data
    np.testing.assert_allclose(np.array(heat.z, dtype=float), [[0.5, 0.0], [-1.0, 0.0]])
    assert [row[0] for row in marks.customdata] == [7, 7, 3, 3]


def test_a_histogram_counts_every_row_once() -> None:
    values, codes = np.linspace(0, 1, 100), np.repeat([0, 1, -1], [50, 30, 20])
    figure = units.histogram(values, codes, ["a", "b"], x_title="v")
    assert [trace.name for trace in figure.data] == ["a", "b", "no label"]
    assert [sum(trace.y) for trace in figure.data] == [50, 30, 20]
    (single,) = units.histogram(np.ones(9), np.zeros(9, dtype=np.int64), [], x_title="v").data
    assert sum(single.y) == 9


def test_correlations_leave_dead_units_blank() -> None:
    (heat,) = units.correlation_map(np.array([[1.0, math.nan], [math.nan, math.nan]]), ["0", "1"]).data
    assert heat.z[0][0] == 1
    assert heat.z[0][1] is None


@pytest.mark.parametrize(
    ("event", "unit"),
    [
        ({"selection": {"points": [{"customdata": [4, "text"]}]}}, 4),
        ({"selection": {"points": [{"customdata": 5}]}}, 5),
        ({"selection": {"points": []}}, None),
        (None, None),
        ({"selection": {"points": [{"customdata": "x"}]}}, None),
    ],
)
def test_which_unit_was_clicked(event: object, unit: int | None) -> None:
    assert units.clicked_unit(event) == unit


def test_a_panel_for_each_column_of_a_walk() -> None:
    shares = np.linspace(0, 1, 3)
    figure = decoding.walk_panels(["<b>", "b"], shares, np.arange(6.0).reshape(3, 2), np.zeros((3, 2)))
    assert [trace.name for trace in figure.data] == ["through the code", "straight"] * 2
    assert list(figure.data[2].y) == [1, 3, 5]
    assert figure.layout.annotations[0].text == "&lt;b&gt;"


def test_the_plane_stands_upright() -> None:
    first, second = np.array([0.0, 1.0]), np.array([5.0, 6.0])
    (heat,) = decoding.plane_map(first, second, np.array([[1.0, 2.0], [3.0, 4.0]]), name="n").data
    assert list(heat.y) == [6, 5]  # the first line of values belongs to the highest second unit
    assert list(heat.z[0]) == [1, 2]
