"""Accuracies, confusion and class scores against scikit-learn, on a real stack and by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

import sae_core
from sae_core.analysis.classification import (
    Classification,
    Predictions,
    accuracy,
    class_scores,
    classify,
    confusion,
    misclassified,
    most_confused,
    with_interval,
)
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, LabelError
from sae_core.model.trained import TrainedStack


@pytest.fixture(scope="module")
def found(iris: Dataset, iris_model: TrainedStack) -> Classification:
    return classify(iris_model, iris)


def by_hand(truth: list[int], predicted: list[int], confidence: list[float] | None = None) -> Classification:
    n = len(truth)
    says = Predictions(0, np.array(predicted), np.array(confidence or [0.5] * n, np.float32), np.zeros(n, np.float32))
    return Classification(("a", "b", "c"), np.arange(n) + 10, np.array(truth), np.array(["test"] * n), (says,))


def test_every_classifier_is_asked(found: Classification) -> None:
    assert [by.level for by in found.classifiers] == [0, 1, 2, None]
    assert found.before is found.by(2)
    assert found.after is found.by(None)
    assert [by.name for by in found.classifiers] == [
        "raw input",
        "code of level 1",
        "code of level 2",
        "fine-tuned stack",
    ]


def test_predictions_are_the_models(iris: Dataset, iris_model: TrainedStack, found: Classification) -> None:
    for by in found.classifiers:
        predicted = np.array(found.classes, dtype=object)[by.predicted]
        np.testing.assert_array_equal(predicted, iris_model.predict(iris, level=by.level))
        probabilities = iris_model.predict_proba(iris, level=by.level)
        np.testing.assert_allclose(by.confidence, probabilities.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(by.of_truth, probabilities[np.arange(150), iris.class_codes], atol=1e-6)


def test_accuracy_is_scikit_learns(iris: Dataset, found: Classification) -> None:
    rows = iris.split.test
    for by in found.classifiers:
        expected = accuracy_score(found.truth[rows], by.predicted[rows])
        assert accuracy(found, by.level, "test").share == pytest.approx(expected)
        assert accuracy(found, by.level, "test").rows == len(rows)


def test_iris_can_be_told_apart(found: Classification) -> None:
    assert accuracy(found, None, "train").share > 0.9


def test_confusion_is_scikit_learns(iris: Dataset, found: Classification) -> None:
    rows = iris.split.train
    expected = confusion_matrix(found.truth[rows], found.by(1).predicted[rows], labels=[0, 1, 2])
    np.testing.assert_array_equal(confusion(found, 1, "train"), expected)


def test_class_scores_are_scikit_learns(iris: Dataset, found: Classification) -> None:
    rows = iris.split.test
    scores = class_scores(found, None, "test")
    np.testing.assert_allclose(scores["f1"], f1_score(found.truth[rows], found.by(None).predicted[rows], average=None))
    assert scores["rows"].sum() == len(rows)
    assert list(scores["class"]) == list(found.classes)


def test_a_class_without_rows_or_predictions_has_no_score() -> None:
    scores = class_scores(by_hand([0, 0, 1], [0, 1, 1]), 0, "test").set_index("class")
    assert np.isnan(scores.loc["c", ["precision", "recall"]].astype(float)).all()
    assert scores.loc["a", "recall"] == 0.5
    assert scores.loc["b", "precision"] == 0.5


def test_a_part_without_rows() -> None:
    found = by_hand([0], [0])
    assert not found.has("train")
    assert np.isnan(accuracy(found, 0, "train").share)
    assert class_scores(found, 0, "train")["rows"].sum() == 0
    assert confusion(found, 0, "train").sum() == 0
    assert len(misclassified(found, 0, "train")) == 0


def test_mistakes_come_most_confident_first() -> None:
    found = by_hand([0, 1, 2, 0], [1, 1, 0, 2], [0.6, 0.9, 0.95, 0.7])
    assert misclassified(found, 0, "test").tolist() == [2, 3, 0]
    assert misclassified(found, 0, "test", truth=0).tolist() == [3, 0]
    assert misclassified(found, 0, "test", truth=0, predicted=1).tolist() == [0]


def test_commonest_mistakes() -> None:
    matrix = np.array([[9, 3, 0], [1, 9, 0], [0, 5, 9]])
    assert most_confused(matrix, 2) == ((2, 1, 5), (0, 1, 3))
    assert most_confused(np.eye(3, dtype=np.int64)) == ()


@given(rows=st.integers(1, 500), data=st.data())
def test_intervals_hold_the_share_and_stay_in_range(rows: int, data: st.DataObject) -> None:
    found = with_interval(data.draw(st.integers(0, rows)), rows)
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.low < found.high


def test_intervals_narrow_with_rows() -> None:
    few, many = with_interval(9, 10), with_interval(900, 1000)
    assert many.high - many.low < few.high - few.low
    # Brown, Cai & DasGupta (2001): Wilson for 9 of 10 at 95 %
    assert (few.low, few.high) == pytest.approx((0.596, 0.982), abs=1e-3)


def test_rows_without_a_label_are_left_out(mixed: Dataset, mixed_model: TrainedStack) -> None:
    found = classify(mixed_model, mixed)
    assert 7 not in found.rows
    assert len(found.rows) == 59
    assert found.after is None


def test_labels_of_another_order_mean_the_same(iris: Dataset, iris_model: TrainedStack, found: Classification) -> None:
    assert iris.labels is not None
    rows = np.flatnonzero(iris.class_codes > 0)
    fewer = dataclasses.replace(
        iris, features=iris.features.iloc[rows].reset_index(drop=True), labels=iris.labels[rows]
    )
    again = classify(iris_model, fewer)
    assert again.classes == found.classes
    np.testing.assert_array_equal(again.truth, found.truth[rows])


def test_stacks_and_rows_without_labels(iris: Dataset, iris_model: TrainedStack) -> None:
    bare = dataclasses.replace(iris, labels=None)
    with pytest.raises(LabelError, match="trained without labels"):
        classify(sae_core.fit(bare, StackConfig(layers=[2], epochs=1)), iris)
    with pytest.raises(LabelError, match="None of these rows has a label"):
        classify(iris_model, bare)


def test_a_classifier_that_is_not_there(found: Classification) -> None:
    with pytest.raises(LabelError, match="level 7"):
        found.by(7)


def test_can_be_cancelled(iris: Dataset, iris_model: TrainedStack) -> None:
    def stop(fraction: float, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        classify(iris_model, iris, report=stop)
