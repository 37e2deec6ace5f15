"""Charts of one row's journey: the numbers that they draw."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.charts.journey import MAX_CLASSES, code_figure, code_numbers, probability_chart

NASTY = "<script>alert(1)</script>"


@pytest.mark.parametrize("units", [1, 2, 16, 50, 256, 3000])
def test_every_unit_of_a_code_has_its_tile(units: int) -> None:
    code = np.linspace(0, 1, units)
    tiles = code_figure(code, title="t").data[0]
    shown = np.array(tiles.z).ravel()
    known = shown[~np.isnan(shown)]
    np.testing.assert_allclose(known, code[: len(known)])
    assert len(known) == min(units, 1024)
    assert np.array(tiles.customdata).ravel()[0] == 1


def test_numbers_of_codes_name_level_and_unit() -> None:
    table = code_numbers(1, np.array([0.1, 0.2]))
    assert table.to_dict("list") == {"level": [1, 1], "unit": [1, 2], "activity": [0.1, 0.2]}


def test_probabilities_of_many_classes_show_the_likeliest_and_the_true_one() -> None:
    said = np.full((2, 50), 0.001)
    said[0, 40] = said[1, 41] = 0.9
    figure = probability_chart(["a", "b"], said, [f"c{i}" for i in range(50)], truth=7)
    names = list(figure.layout.xaxis.ticktext)
    assert len(names) == MAX_CLASSES
    assert {"c40", "c41", "c7"} <= set(names)
    frame = figure.layout.shapes[0]
    assert names[round(frame.x0 + 0.5)] == "c7"


def test_names_are_shown_literally_and_a_row_without_a_label_has_no_frame() -> None:
    figure = probability_chart([NASTY], np.array([[0.5, 0.5]]), [NASTY, "b"], truth=-1)
    assert "<script>" not in figure.to_json()
    assert not figure.layout.shapes
    assert "<script>" not in code_figure(np.ones(3), title=NASTY).to_json()
