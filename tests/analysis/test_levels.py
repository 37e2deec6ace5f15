"""The yardsticks of a level: by hand, by invariants, and against scikit-learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

import sae_core
from sae_core.analysis.levels import (
    activity,
    effective_rank,
    explained_variance,
    input_unit,
    level_summaries,
    linear_accuracy,
    linear_yardstick,
    neighbour_accuracy,
)
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError
from sae_core.model.trained import TrainedStack


def test_units_that_say_nothing() -> None:
    codes = np.array([[0.0, 1.0, 0.5], [0.0, 3.0, 0.5]], dtype=np.float32)
    found = activity(codes)
    assert found.alive.tolist() == [False, True, False]
    assert found.mean.tolist() == [0.0, 2.0, 0.5]
    assert np.isnan(found.saturated).all()


def test_saturated_units() -> None:
    codes = np.array([[0.001, 0.5], [0.999, 0.5], [0.5, 0.5], [1.0, 0.5]])
    assert activity(codes, "sigmoid").saturated.tolist() == [0.75, 0.0]
    assert activity(codes * 2 - 1, "tanh").saturated.tolist() == [0.75, 0.0]


@given(rank=st.integers(1, 6), seed=st.integers(0, 20))
def test_effective_rank_is_at_most_the_rank(rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(40, rank)) @ rng.normal(size=(rank, 8))
    assert 1 - 1e-9 <= effective_rank(codes) <= rank + 1e-3


def test_effective_rank_of_equal_directions_and_of_nothing() -> None:
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 5)))[0]
    q -= q.mean(axis=0)
    assert effective_rank(np.linalg.qr(q)[0] - np.linalg.qr(q)[0].mean(axis=0)) == pytest.approx(5, abs=0.01)
    assert effective_rank(np.ones((10, 3))) == 0
    assert effective_rank(np.random.default_rng(0).normal(size=(3, 10))) <= 3


def test_explained_variance() -> None:
    x = np.random.default_rng(0).normal(size=(100, 4))
    assert explained_variance(x, x) == 1
    assert explained_variance(x, np.broadcast_to(x.mean(axis=0), x.shape)) == pytest.approx(0)
    assert explained_variance(x, -x) < 0
    assert np.isnan(explained_variance(np.ones((3, 2)), np.ones((3, 2))))


@pytest.fixture(scope="module")
def two_classes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 60)
    x = rng.normal(size=(180, 5)) + 1.2 * np.eye(3, 5)[codes]
    order = rng.permutation(180)
    return x[order[:120]], codes[order[:120]], x[order[120:]], codes[order[120:]]


def test_linear_accuracy_is_that_of_logistic_regression(two_classes: tuple[np.ndarray, ...]) -> None:
    train, train_classes, test, test_classes = two_classes
    expected = LogisticRegression(max_iter=1000).fit(train, train_classes).score(test, test_classes)
    assert linear_accuracy(*two_classes) == pytest.approx(expected, abs=0.04)  # two of 60 rows may fall otherwise


def test_linear_accuracy_with_units_that_say_nothing(two_classes: tuple[np.ndarray, ...]) -> None:
    train, train_classes, test, test_classes = two_classes
    wider = (np.column_stack([codes, np.ones(len(codes))]) for codes in (train, test))
    with_dead = linear_accuracy(next(wider), train_classes, next(wider), test_classes)
    assert with_dead == pytest.approx(linear_accuracy(*two_classes), abs=0.02)


def test_neighbour_accuracy_is_scikit_learns(two_classes: tuple[np.ndarray, ...]) -> None:
    train, train_classes, test, test_classes = two_classes
    expected = KNeighborsClassifier(1).fit(train, train_classes).score(test, test_classes)
    assert neighbour_accuracy(*two_classes, k=1) == expected
    assert neighbour_accuracy(train, train_classes, train, train_classes, k=1) == 1


def test_neighbours_vote_and_ties_go_to_the_nearest() -> None:
    train, classes = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([1, 0, 0, 1])
    assert neighbour_accuracy(train, classes, np.array([[-1.0]]), np.array([0]), k=3) == 1
    assert neighbour_accuracy(train, classes, np.array([[-1.0]]), np.array([1]), k=2) == 1


def test_summaries_of_a_stack(iris: Dataset, iris_model: TrainedStack) -> None:
    found = level_summaries(iris_model, iris)
    assert [(level.level, level.units) for level in found] == [(0, 4), (1, 4), (2, 2)]
    top, first, second = found
    assert top.error == 0
    assert top.explained == 1
    assert first.error < second.error
    assert second.pca_explained == pytest.approx(0.95, abs=0.05)
    assert 1 <= second.effective_rank <= 2
    assert all(level.neighbour_accuracy > 0.7 for level in found)
    assert all(0 <= level.linear_accuracy <= 1 for level in found)


def test_errors_in_the_inputs_units(iris: Dataset, iris_model: TrainedStack) -> None:
    found = level_summaries(iris_model, iris)
    assert found[0].input_error == 0
    assert found[1].input_error == pytest.approx(np.sqrt(found[1].error))  # a table: in its columns' scale
    assert input_unit(iris_model, iris) == "standard deviation of each column"


def test_errors_of_pictures_are_in_brightness() -> None:
    rng = np.random.default_rng(0)
    data = Dataset("p", "images", rng.random((40, 9)).astype(np.float32), image_shape=(3, 3, 1))
    model = sae_core.fit(data, sae_core.StackConfig(layers=[4, 2], epochs=2, scaling="standard"))
    rows = data.split.held_out()
    back = np.asarray(model.reconstruct(data.take(rows), 2))
    expected = np.sqrt(np.square(back - np.asarray(data.take(rows))).mean())
    assert level_summaries(model, data)[2].input_error == pytest.approx(expected, rel=1e-5)
    assert input_unit(model, data) == "pixel brightness, 0 to 1"


def test_accuracies_gain_and_lose_with_their_standard_error(iris: Dataset, iris_model: TrainedStack) -> None:
    below, first, second = level_summaries(iris_model, iris)
    assert np.isnan(below.linear_gain)
    assert first.linear_gain == pytest.approx(first.linear_accuracy - below.linear_accuracy)
    assert second.linear_gain == pytest.approx(second.linear_accuracy - first.linear_accuracy)
    assert 0 <= second.linear_gain_error < 0.2
    assert second.judged == len(iris.split.test)
    assert 0.7 < second.pca_linear_accuracy <= 1


def test_neighbourhoods_of_the_levels(iris: Dataset, iris_model: TrainedStack) -> None:
    found = level_summaries(iris_model, iris, neighbours=5)
    x = iris_model.encode(iris.take(iris.split.test), 0)
    code = iris_model.encode(iris.take(iris.split.test), 2)
    assert (found[0].trustworthiness, found[0].continuity) == (1, 1)
    assert found[2].trustworthiness == pytest.approx(trustworthiness(x, code, n_neighbors=5), abs=1e-3)
    assert found[2].continuity == pytest.approx(trustworthiness(code, x, n_neighbors=5), abs=1e-3)


def test_saturated_units_are_counted_where_there_is_a_range(iris: Dataset, iris_model: TrainedStack) -> None:
    found = level_summaries(iris_model, iris)
    assert np.isnan(found[0].saturated)
    assert found[1].saturated == 0


def test_summaries_without_labels(iris: Dataset, iris_model: TrainedStack) -> None:
    found = level_summaries(iris_model, dataclasses.replace(iris, labels=None))
    assert all(np.isnan([level.linear_accuracy, level.neighbour_accuracy]).all() for level in found)


def test_pca_of_equal_width(iris: Dataset, iris_model: TrainedStack) -> None:
    wide, narrow = linear_yardstick(iris_model, iris)
    assert (wide.units, narrow.units) == (4, 2)
    assert wide.error == pytest.approx(0, abs=1e-9)
    assert 0.9 < narrow.explained < 1
    summaries = level_summaries(iris_model, iris)
    assert narrow.error == pytest.approx(summaries[2].pca_error)


def test_summaries_can_be_cancelled(iris: Dataset, iris_model: TrainedStack) -> None:
    def stop(fraction: float, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        level_summaries(iris_model, iris, report=stop)
