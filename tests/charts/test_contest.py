"""Ways of training beside each other, drawn."""

from __future__ import annotations

import math

import numpy as np

from explorer.charts import contest as charts
from sae_core.analysis.contest import PCA, WayResult
from sae_core.training.events import TracePoint

TRACE = (
    TracePoint("pretrain", 1, 0, 0.0, 1.0),
    TracePoint("pretrain", 1, 10, 0.5, 0.5),
    TracePoint("pretrain", 2, 20, 1.0, 0.8),
    TracePoint("unrolled", 2, 30, 1.5, 0.4),
)


def test_curves_against_steps_and_seconds() -> None:
    line, marks, pca = charts.error_curves({"greedy": TRACE}, pca_error=0.3).data
    assert list(line.x) == [0, 10, 20, 30]
    assert list(line.y) == [1.0, 0.5, 0.8, 0.4]
    assert list(marks.text) == ["level 2", "joint"]
    assert list(marks.x) == [20, 30]
    assert list(pca.y) == [0.3, 0.3]
    assert list(charts.error_curves({"greedy": TRACE}, axis="seconds").data[0].x) == [0, 0.5, 1, 1.5]


def test_what_is_not_there_is_not_drawn() -> None:
    assert charts.error_curves({"greedy": (), "joint": (TracePoint("joint", 2, 0, 0.0, math.nan),)}).data == ()


def test_long_curves_are_thinned_to_their_ends() -> None:
    trace = [TracePoint("joint", 2, step, step / 10, 1.0) for step in range(5000)]
    line = charts.error_curves({"joint": trace}).data[0]
    assert len(line.x) <= charts.MAX_POINTS
    assert (line.x[0], line.x[-1]) == (0, 4999)


def test_outcomes_have_intervals_and_leave_out_what_is_missing() -> None:
    right = np.arange(100) < 90
    figure = charts.outcomes([WayResult("greedy", 8, 0.1, 0.8, right, right), WayResult(PCA, 8, 0.2, 0.7, right)])
    greedy, pca = figure.data
    assert list(greedy.x) == [0.8, 0.9, 0.9]
    assert list(pca.x) == [0.7, 0.9]
    assert greedy.error_x.arrayminus[0] == 0
    assert greedy.error_x.arrayminus[1] > 0.03
    assert len(figure.layout.yaxis.ticktext) == 3
    assert len(charts.outcomes([WayResult(PCA, 8, 0.2, 0.7)]).layout.yaxis.ticktext) == 1


def test_names_of_columns_are_shown_literally() -> None:
    figure = charts.column_errors(["<b>a</b>"], {"greedy": [0.5], PCA: [math.nan]})
    assert figure.layout.yaxis.ticktext == ("&lt;b&gt;a&lt;/b&gt;",)
    assert figure.data[1].x == (None,)
