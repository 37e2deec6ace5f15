"""The figures kept beside a run's name, against the model itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sae_core.analysis import summary
from sae_core.config import StackConfig
from sae_core.data.dataset import SplitOptions
from sae_core.data.samples import load_sample
from sae_core.training.trainer import fit


def test_figures_are_those_of_the_held_out_rows() -> None:
    data = load_sample("wine")
    model = fit(data, StackConfig(layers=[5, 2], epochs=5))
    found = summary.summarise(model, data)
    rows = data.split.test
    x = model.prepare(data.take(rows))
    assert found["rows"] == len(rows)
    for level in (1, 2):
        expected = np.square(model.reconstruct_prepared(x, level) - x).mean()
        assert found["reconstruction_error"][level - 1] == pytest.approx(expected)
    assert data.y is not None
    assert found["test_accuracy"] == (model.predict(data.take(rows)) == data.y[rows]).mean()
    for level, accuracy in found["softmax_accuracy"].items():
        assert accuracy == (model.predict(data.take(rows), level=int(level)) == data.y[rows]).mean()
    assert json.loads(json.dumps(found)) == found


def test_without_classifiers_there_are_no_accuracies() -> None:
    data = load_sample("iris")
    model = fit(data, StackConfig(layers=[2], epochs=1, softmax_epochs=0, fine_tune_epochs=0))
    assert set(summary.summarise(model, data)) == {"rows", "reconstruction_error", "validation_error"}


def test_a_choice_goes_by_the_validation_rows_alone() -> None:
    data = load_sample("wine")
    model = fit(data, StackConfig(layers=[5, 2], epochs=5))
    found = summary.summarise(model, data)
    rows = data.split.validation
    x = model.prepare(data.take(rows))
    assert found["validation_error"] == pytest.approx(np.square(model.reconstruct_prepared(x, 2) - x).mean())
    assert data.y is not None
    assert found["validation_accuracy"] == (model.predict(data.take(rows)) == data.y[rows]).mean()
    no_rows = data.with_split(SplitOptions(validation=0))
    assert summary.validation_figures(model, no_rows) == {}


def test_large_test_sets_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "SUMMARY_ROWS", 9)
    data = load_sample("iris")
    assert summary.summarise(fit(data, StackConfig(layers=[2], epochs=1)), data)["rows"] == 9
