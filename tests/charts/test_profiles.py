from __future__ import annotations

import numpy as np
import pytest

from explorer.charts.profiles import MAX_FEATURES, profiles


def test_original_and_given_back_in_one_panel_each() -> None:
    original = np.arange(12.0).reshape(3, 4)
    figure = profiles(original, original + 1, ["a", "b", "c", "d"], ["x", "y", "z"])
    assert len(figure.data) == 6
    assert list(figure.data[1].y) == [1, 2, 3, 4]
    assert [annotation.text for annotation in figure.layout.annotations] == ["x", "y", "z"]


def test_before_the_first_reconstruction_there_are_only_originals() -> None:
    figure = profiles(np.ones((2, 3)), None, ["a", "b", "c"], ["x", "y"])
    assert {trace.name for trace in figure.data} == {"original"}


@pytest.mark.parametrize("n", [1, 50, MAX_FEATURES, 5_000])
def test_long_profiles_are_thinned(n: int) -> None:
    figure = profiles(np.ones((1, n)), None, [f"f{i}" for i in range(n)], ["x"])
    assert len(figure.data[0].y) == min(n, MAX_FEATURES)


def test_hostile_names_and_missing_values() -> None:
    figure = profiles(np.array([[np.nan, 1.0]]), None, ["<b>", "%{x}"], ["$x$ <i>"])
    assert list(figure.data[0].y) == [None, 1.0]
    assert figure.data[0].customdata[0] == "&lt;b&gt;"
    assert "<" not in figure.layout.annotations[0].text
