"""Charts of what each level keeps."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from explorer.charts import levels as charts
from sae_core.analysis.levels import LevelSummary
from sae_core.analysis.reconstruction import ColumnErrors


@pytest.fixture
def summaries() -> tuple[LevelSummary, ...]:
    plain: dict[str, Any] = dict.fromkeys(LevelSummary.__dataclass_fields__, 0.5)
    top = LevelSummary(**plain | {"level": 0, "units": 8, "dead": 0, "saturated": math.nan, "effective_rank": 4.0})
    first = dataclasses.replace(top, level=1, units=4, dead=1, saturated=2.0, effective_rank=2.0, input_error=0.25)
    return top, first


def test_levels_carry_their_width(summaries: tuple[LevelSummary, ...]) -> None:
    assert charts.level_ticks(summaries) == ["Input<br>8", "Level 1<br>4"]


def test_the_yardstick_has_no_point_at_the_input(summaries: tuple[LevelSummary, ...]) -> None:
    stack, pca = charts.errors(summaries, "metres").data
    assert list(stack.x) == [0, 1]
    assert list(stack.y) == [0.5, 0.25]
    assert list(pca.x) == [1]
    assert "metres" in charts.errors(summaries, "metres").layout.yaxis.title.text


def test_units_add_up_to_all(summaries: tuple[LevelSummary, ...]) -> None:
    work, saturated, dead, rank = charts.units(summaries).data
    assert (np.array(work.y) + saturated.y + dead.y).tolist() == [1, 1]
    assert list(dead.y) == [0, 0.25]
    assert list(saturated.y) == [0, 0.5]
    assert list(rank.y) == [0.5, 0.5]


def test_every_chart_has_its_axis_named(summaries: tuple[LevelSummary, ...]) -> None:
    drawn = (charts.explained, charts.accuracies, charts.neighbourhoods, charts.activations, charts.units)
    for figure in [draw(summaries) for draw in drawn]:
        assert figure.layout.yaxis.title.text
        assert list(figure.layout.xaxis.ticktext) == ["Input<br>8", "Level 1<br>4"]


def test_a_column_in_its_own_unit(summaries: tuple[LevelSummary, ...]) -> None:
    found = ColumnErrors(
        ("<b>age</b>", "colour"), (1,), ("mean absolute error", "share of rows changed"),
        np.array([[3.0, 0.5]]), np.array([[0.1, 0.2]]),
    )  # fmt: skip
    figure = charts.column_error(found, 0, summaries)
    assert figure.data[0].name == "&lt;b&gt;age&lt;/b&gt;"
    assert list(figure.data[0].y) == [0, 3]
    assert "share of rows changed" in charts.column_error(found, 1, summaries).layout.yaxis.title.text
