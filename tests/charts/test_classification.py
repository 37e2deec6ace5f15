"""Charts of classifiers: the numbers that they draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from explorer.charts.classification import (
    accuracy_chart,
    cells,
    confusion_chart,
    largest_mistake,
    moves_chart,
    score_chart,
)
from sae_core.analysis.classification import with_interval
from sae_core.analysis.fine_tuning import Move

NASTY = "<script>alert(1)</script>"


def test_accuracies_with_their_intervals() -> None:
    found = [with_interval(80, 100), with_interval(95, 100)]
    figure = accuracy_chart(["raw input", "fine-tuned stack"], found, None, part="test")
    marks = figure.data[0]
    assert list(marks.y) == [0.8, 0.95]
    np.testing.assert_allclose(np.array(marks.y) + marks.error_y.array, [each.high for each in found])
    np.testing.assert_allclose(np.array(marks.y) - marks.error_y.arrayminus, [each.low for each in found])
    assert list(marks.text) == ["80.0%", "95.0%"]
    assert len(accuracy_chart(["raw input"], found[:1], found[:1], part="test").data) == 2


def test_confusion_parts_right_from_wrong() -> None:
    matrix = np.array([[8, 2], [0, 10]])
    right, wrong, marks = confusion_chart(matrix, ["a", "b"], title="x").data
    assert right.z[0][0] == 0.8
    assert np.isnan(right.z[0][1])
    assert wrong.z[0][1] == 0.2
    assert np.isnan(wrong.z[1][1])
    assert [str(text) for text in wrong.text[0]] == ["", "2"]
    assert [str(text) for text in right.text[0]] == ["8", ""]
    assert right.texttemplate == wrong.texttemplate == "%{text}"
    assert marks.customdata[1][:2] == [0, 1]
    assert "2 of 10 rows (20.0%)" in marks.customdata[1][2]


def test_cells_with_chosen_rows_get_a_frame_and_clicked_ones_are_told() -> None:
    matrix = np.array([[8, 2], [0, 10]])
    frames = confusion_chart(matrix, ["a", "b"], title="", chosen=np.array([[0, 1], [0, 0]])).data[-1]
    assert (min(frames.x[:5]), max(frames.x[:5])) == (0.52, 1.48)
    assert frames.y[0] == -0.48
    assert len(frames.x) == 6  # one cell
    event = {"selection": {"points": [{"customdata": [0, 1, "text"]}, {"customdata": [0, 1, "text"]}, {}]}}
    assert cells(event) == ((0, 1),)
    assert cells(None) == cells({"selection": {"points": []}}) == ()


def test_moves_of_every_level() -> None:
    figure = moves_chart([Move(1, 0.5, 0.2, 0.9, 60), Move(2, 0.1, 0.0, 1.0, 60)])
    assert [list(bar.y) for bar in figure.data] == [[0.5, 0.1], [0.2, 0.0], [pytest.approx(0.1), 0.0]]


def test_two_confusions_share_their_scale() -> None:
    a, b = np.array([[9, 1], [0, 10]]), np.array([[5, 5], [0, 10]])
    assert largest_mistake(a, b) == 0.5
    assert confusion_chart(a, ["a", "b"], title="", top=0.5).data[1].zmax == 0.5


def test_perfect_and_empty_matrices() -> None:
    assert largest_mistake(np.eye(3, dtype=np.int64), np.zeros((3, 3), dtype=np.int64)) == 0
    assert confusion_chart(np.zeros((3, 3), dtype=np.int64), list("abc"), title="").data[1].zmax > 0


def test_class_names_are_shown_literally() -> None:
    figure = confusion_chart(np.eye(2, dtype=np.int64), [NASTY, "b"], title=NASTY)
    assert "<script>" not in figure.to_json()
    scores = pd.DataFrame({"class": [NASTY], "f1": [0.5], "rows": [3]})
    assert "<script>" not in score_chart(None, scores, "f1", title="").to_json()


def scores(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"class": [f"c{i}" for i in range(len(values))], "f1": values, "rows": [5] * len(values)})


def test_scores_before_and_after_are_joined() -> None:
    figure = score_chart(scores([0.5, 0.6]), scores([0.9, 0.7]), "f1", title="")
    line, before, after = figure.data
    assert list(before.x) == [0.6, 0.5]  # the first class on top
    assert list(after.x) == [0.7, 0.9]
    assert list(line.x)[:2] == [0.6, 0.7]
    assert len(score_chart(None, scores([0.5]), "f1", title="").data) == 1


def test_of_many_classes_the_worst_are_shown() -> None:
    figure = score_chart(None, scores([i / 100 for i in range(100)]), "f1", title="")
    assert sorted(figure.data[0].x) == [i / 100 for i in range(40)]


def test_classes_without_a_score() -> None:
    figure = score_chart(None, scores([np.nan, 0.5]), "f1", title="")
    assert len(figure.data[0].x) == 2
