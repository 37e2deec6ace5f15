"""The model in the user's own units: there and back, saved and loaded, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Column, Dataset
from sae_core.data.samples import load_sample
from sae_core.errors import LabelError, LevelError, ShapeError
from sae_core.model.trained import TrainedStack, load_model
from sae_core.training.trainer import fit


@pytest.fixture(scope="module")
def table() -> Dataset:
    """Mixed columns, some cells missing, labels that look like something else."""
    rng = np.random.default_rng(0)
    size = rng.normal(100, 30, 120)
    size[::17] = np.nan
    frame = pd.DataFrame(
        {
            "size": size,
            "colour": pd.array(rng.choice(["red", "green", "blue"], 120), dtype="str"),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, 120), unit="D"),
            "ripe": pd.array(rng.random(120) < 0.5, dtype="boolean"),
        }
    )
    columns = (
        Column("size", "numeric"),
        Column("colour", "category"),
        Column("seen", "date"),
        Column("ripe", "boolean"),
    )
    labels = np.array(["NA", "007"], dtype=object)[rng.integers(0, 2, 120)]
    return Dataset("fruit", "table", frame, labels=labels, columns=columns)


@pytest.fixture(scope="module")
def model(table: Dataset) -> TrainedStack:
    return fit(table, StackConfig(layers=[6, LayerConfig(units=3, normalisation="layer")], epochs=3))


def test_codes_have_the_width_of_their_level(model: TrainedStack, table: Dataset) -> None:
    for level in (0, 1, 2):
        codes = model.encode(table, level)
        assert codes.shape == (len(table), model.width(level))
        assert codes.dtype == np.float32
    np.testing.assert_array_equal(model.encode(table), model.encode(table, 2))
    np.testing.assert_array_equal(model.encode(table, 0), model.prepare(table))


def test_a_dataset_and_its_features_and_one_row_give_the_same_codes(model: TrainedStack, table: Dataset) -> None:
    codes = model.encode(table)
    assert isinstance(table.features, pd.DataFrame)
    np.testing.assert_array_equal(model.encode(table.features), codes)
    np.testing.assert_array_equal(model.encode(table.features[table.features.columns[::-1]]), codes)
    np.testing.assert_allclose(model.encode(table.features.iloc[7:8]), codes[7:8], rtol=1e-4, atol=1e-5)


def test_reconstructions_are_in_the_users_columns_and_types(model: TrainedStack, table: Dataset) -> None:
    back = model.reconstruct(table, 1)
    assert isinstance(back, pd.DataFrame)
    assert isinstance(table.features, pd.DataFrame)
    assert list(back.columns) == list(table.features.columns)
    assert back.dtypes.astype(str).to_dict() == table.features.dtypes.astype(str).to_dict()
    assert set(back["colour"]) <= {"red", "green", "blue"}
    decoded = model.decode(model.encode(table, 1), 1)
    pd.testing.assert_frame_equal(decoded, back)


def test_many_rows_are_the_same_as_few(model: TrainedStack, table: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.encode(table)
    monkeypatch.setattr("sae_core.model.trained.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(model.encode(table), whole, rtol=1e-4, atol=1e-5)


def test_probabilities_sum_to_one_and_labels_come_back_as_written(model: TrainedStack, table: Dataset) -> None:
    assert model.softmax_levels == (0, 1, 2)
    for level in (None, 0, 1, 2):
        probabilities = model.predict_proba(table, level=level)
        assert probabilities.shape == (len(table), 2)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert set(model.predict(table, level=level)) <= {"NA", "007"}


def test_whole_number_labels_stay_numbers() -> None:
    data = Dataset("numbers", "arrays", np.eye(6, dtype=np.float32), labels=np.array([5, 7, 5, 7, 5, 7]))
    predicted = fit(data, StackConfig(layers=[2], epochs=1)).predict(data)
    assert predicted.dtype == np.int64
    assert set(predicted.tolist()) <= {5, 7}


def test_saved_and_loaded_it_is_the_same_bit_for_bit(model: TrainedStack, table: Dataset, tmp_path: Path) -> None:
    again = load_model(model.save(tmp_path / "model"))
    for level in (0, 1, 2):
        np.testing.assert_array_equal(again.encode(table, level), model.encode(table, level))
        np.testing.assert_array_equal(again.predict_proba(table, level=level), model.predict_proba(table, level=level))
    np.testing.assert_array_equal(again.predict_proba(table), model.predict_proba(table))
    np.testing.assert_array_equal(again.encode(table, fine_tuned=True), model.encode(table, fine_tuned=True))
    pd.testing.assert_frame_equal(again.reconstruct(table), model.reconstruct(table))
    pd.testing.assert_frame_equal(again.history, model.history)
    assert (again.classes, again.config, again.name) == (model.classes, model.config, model.name)


def test_weights_are_those_that_encode() -> None:
    data = load_sample("iris")
    model = fit(data, StackConfig(layers=[3, 2], activation="tanh", epochs=2))
    w, b = model.encoder_weights(2)
    np.testing.assert_allclose(np.tanh(model.encode(data, 1) @ w + b), model.encode(data, 2), rtol=1e-5, atol=1e-6)
    w, b = model.decoder_weights(1)
    np.testing.assert_allclose(
        model.encode(data, 1) @ w + b, model.reconstruct_prepared(model.prepare(data), 1), rtol=1e-5, atol=1e-5
    )


def test_what_it_cannot_do_is_said(model: TrainedStack, table: Dataset) -> None:
    with pytest.raises(LevelError, match="levels 0 to 2"):
        model.encode(table, 3)
    with pytest.raises(ShapeError, match="3 values"):
        model.decode(np.zeros((2, 5), np.float32))
    with pytest.raises(ShapeError, match="colour"):
        model.encode(table.features.drop(columns="colour"))  # type: ignore[union-attr]
    bare = fit(load_sample("iris"), StackConfig(layers=[2], epochs=1, softmax_epochs=0, fine_tune_epochs=0))
    with pytest.raises(LabelError, match="without labels"):
        bare.predict(load_sample("iris"))
    with pytest.raises(LabelError, match="fine-tun"):
        bare.encode(load_sample("iris"), fine_tuned=True)


def test_no_rows_give_no_codes(model: TrainedStack, table: Dataset) -> None:
    assert model.encode(table.features.iloc[:0]).shape == (0, 3)  # type: ignore[union-attr]
