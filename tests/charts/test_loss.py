from __future__ import annotations

from dataclasses import replace

import pytest

from explorer.charts.loss import MAX_POINTS, accuracy_curve, loss_curve, thinned
from sae_core.training.events import HistoryRow, Phase

NAN = float("nan")
PHASE = Phase(0, "pretrain", 1, "Level 1: 784 -> 256", 10, 256, 1e-3, 8000, "squared_error")


def row(epoch: int, loss: float = 1.0, validation: float = NAN, accuracy: float = NAN) -> HistoryRow:
    return HistoryRow(
        "pretrain", 1, epoch, epoch * 10, epoch * 100, 1.0, loss, 0.0, validation, accuracy, accuracy, 1e-3
    )


def test_training_and_validation_with_units() -> None:
    figure = loss_curve(PHASE, [row(1, 9.0, 8.0), row(2, 5.0, 6.0)], [(0.5, 12.0), (1.5, 7.0)])
    lines = {trace.name: trace for trace in figure.data}
    assert list(lines["training"].y) == [9.0, 5.0]
    assert list(lines["validation"].y) == [8.0, 6.0]
    assert list(lines["within epochs"].x) == [0.5, 1.5]
    assert figure.layout.xaxis.title.text == "epoch"
    assert figure.layout.yaxis.title.text == "squared error per row"


def test_the_first_epoch_already_moves() -> None:
    figure = loss_curve(PHASE, [], [(0.1, 50.0), (0.2, 40.0)])
    assert [trace.name for trace in figure.data] == ["within epochs"]


def test_epochs_that_pass_faster_than_they_are_sampled_get_no_chord_across_them() -> None:
    figure = loss_curve(PHASE, [row(epoch, 9.0 - epoch) for epoch in range(1, 9)], [(0.1, 50.0), (7.9, 1.0)])
    assert [trace.name for trace in figure.data] == ["training"]


def test_the_axis_has_its_whole_length_from_the_start() -> None:
    early, late = loss_curve(PHASE, [row(1)]), loss_curve(PHASE, [row(epoch) for epoch in range(1, 11)])
    assert early.layout.xaxis.range == late.layout.xaxis.range
    assert early.layout.xaxis.range[1] >= 10


def test_without_validation_rows_there_is_no_validation_line() -> None:
    assert [trace.name for trace in loss_curve(PHASE, [row(1), row(2)]).data] == ["training"]


def test_a_chart_that_has_not_begun_says_so() -> None:
    figure = loss_curve(PHASE, [])
    assert not figure.data
    assert figure.layout.annotations[0].text == "not begun"
    assert figure.layout.yaxis.showticklabels is False


@pytest.mark.parametrize("bad", [NAN, float("inf")])
def test_what_is_not_finite_is_a_gap(bad: float) -> None:
    figure = loss_curve(PHASE, [row(1, 2.0), row(2, bad)], [(0.5, bad)])
    assert list({trace.name: trace for trace in figure.data}["training"].y) == [2.0, None]


def test_many_points_are_thinned_and_the_last_stays() -> None:
    points = thinned(list(range(10_000)))
    assert len(points) <= MAX_POINTS + 1
    assert (points[0], points[-1]) == (0, 9_999)


def test_classification_has_its_own_unit() -> None:
    figure = loss_curve(replace(PHASE, loss="cross_entropy"), [row(1)])
    assert "cross-entropy" in figure.layout.yaxis.title.text


def test_one_classifier_shows_both_accuracies() -> None:
    figure = accuracy_curve([("", PHASE, [row(1, accuracy=0.5)])])
    assert {trace.name for trace in figure.data} == {"training", "validation"}


def test_several_classifiers_show_one_line_each() -> None:
    lines = [(name, PHASE, [row(1, accuracy=0.5)]) for name in ("input", "level 1", "level 2")]
    figure = accuracy_curve(lines)
    assert [trace.name for trace in figure.data] == ["input", "level 1", "level 2"]
    assert len({trace.line.color for trace in figure.data}) == 3
