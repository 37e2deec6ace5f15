"""Ways of training, measured alike and summed up."""

from __future__ import annotations

import numpy as np
import pytest

from sae_core.analysis.contest import WayResult, fit_pca, material, measure, measure_pca, sum_up
from sae_core.analysis.levels import level_summaries
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack


def right(share: float, n: int = 1000) -> np.ndarray:
    return np.arange(n) < share * n


def result(way: str, explained: float, accuracy: float | None = None, tuned: float | None = None) -> WayResult:
    some = np.zeros(0, dtype=bool)
    return WayResult(
        way, 8, 0.1, explained, some if accuracy is None else right(accuracy), some if tuned is None else right(tuned)
    )


def test_a_clear_winner() -> None:
    found = sum_up([result("greedy", 0.80), result("joint", 0.90), result("PCA", 0.7)])
    assert found == (
        "Joint training gives the input back best (90.0 % of its variance; greedy training 80.0 %, PCA 70.0 %)."
    )


def test_equals_are_named_together() -> None:
    found = sum_up([result("greedy", 0.80), result("joint", 0.803), result("PCA", 0.7)])
    assert found.startswith("Joint training and greedy training give the input back equally well (80.3 % and 80.0 %")


def test_accuracies_within_chance_are_equal() -> None:
    found = sum_up([result("greedy", 0.9, 0.904, 0.98), result("joint", 0.8, 0.90, 0.95), result("PCA", 0.7, 0.5)])
    assert "greedy training and joint training have codes on which a linear classifier is, within chance, " in found
    assert "greedy training is the best start for fine-tuning (98.0 % of the rows; joint training 95.0 %)" in found
    assert found.endswith(".")


def test_nothing_to_compare() -> None:
    assert sum_up([]) == sum_up([result("greedy", 0.8)]) == ""


def test_a_diverged_way_comes_last() -> None:
    assert sum_up([result("greedy", float("nan")), result("joint", 0.5)]).startswith("Joint training gives")


def test_measured_as_on_the_levels_page(iris: Dataset, iris_model: TrainedStack) -> None:
    deepest = level_summaries(iris_model, iris)[-1]
    rows = material(iris, 4)
    found = measure(iris_model, rows, "greedy")
    assert found.units == 2
    assert found.error == pytest.approx(deepest.error)
    assert found.explained == pytest.approx(deepest.explained)
    assert found.accuracy == pytest.approx(deepest.linear_accuracy)
    truth = iris.class_codes[rows.held_out]
    expected = (iris_model.predict_proba(iris.take(rows.held_out)).argmax(axis=1) == truth).mean()
    assert found.fine_tuned_accuracy == pytest.approx(expected)
    pca = measure_pca(iris_model.preparation, rows, fit_pca(iris_model.preparation, rows, 2))
    assert pca.error == pytest.approx(deepest.pca_error)
    assert pca.accuracy == pytest.approx(deepest.pca_linear_accuracy)
    assert np.isnan(pca.fine_tuned_accuracy)


def test_without_labels(mixed: Dataset, mixed_model: TrainedStack) -> None:
    plain = Dataset(name="p", kind="table", features=mixed.features, columns=mixed.columns)
    found = measure(mixed_model, material(plain, mixed_model.width(0)), "greedy")
    assert np.isnan(found.accuracy)
    assert np.isfinite(found.explained)
