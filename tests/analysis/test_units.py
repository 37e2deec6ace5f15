"""What single units stand for, against numpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import sae_core
from sae_core.analysis.units import (
    correlations,
    decoded_units,
    goes_with,
    in_order,
    look_at_units,
    most_active_rows,
    read_by,
    units_of,
)
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack


@pytest.fixture(scope="module")
def convolutional() -> tuple[TrainedStack, Dataset]:
    pixels = np.random.default_rng(0).random((30, 64)).astype(np.float32)
    data = Dataset("p", "images", pixels, image_shape=(8, 8, 1))
    layers = (LayerConfig(units=1, kind="convolution", channels=3), LayerConfig(units=4))
    return sae_core.fit(data, StackConfig(layers=layers, epochs=1).fitted((8, 8, 1))), data


def test_a_report_is_of_the_code(iris: Dataset, iris_model: TrainedStack) -> None:
    found = look_at_units(iris_model, iris, 1)
    codes = iris_model.encode(iris, 1)
    np.testing.assert_array_equal(found.codes, codes)
    assert found.units.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found.activity.mean, codes.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.weight_norm, np.linalg.norm(iris_model.encoder_weights(1)[0], axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.high, np.percentile(codes, 95, axis=0), rtol=1e-5)


def test_sorted_and_filtered(iris: Dataset, iris_model: TrainedStack) -> None:
    found = look_at_units(iris_model, iris, 1)
    assert in_order(found, "variance").tolist() == np.argsort(-found.codes.std(axis=0)).tolist()
    assert in_order(found, "activity").tolist() == np.argsort(-found.codes.mean(axis=0)).tolist()
    assert in_order(found, "number", "alive").tolist() == [0, 1, 2, 3]
    assert in_order(found, "weight norm", "dead").tolist() == []


def test_rows_that_excite_a_unit_most(iris: Dataset, iris_model: TrainedStack) -> None:
    found = look_at_units(iris_model, iris, 2)
    rows = most_active_rows(found, 1, 5)
    values = found.of(1)
    assert values[rows].min() >= np.sort(values)[-5]
    assert (np.diff(values[rows]) <= 0).all()


def test_correlations_are_numpys() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_allclose(correlations(values), np.corrcoef(values.T), atol=1e-12)
    with_dead = correlations(np.column_stack([values[:, 0], np.ones(50)]))
    assert with_dead[0, 0] == pytest.approx(1)
    assert np.isnan(with_dead[1]).all()
    assert np.isnan(with_dead[0, 1])


def test_a_unit_alone_is_a_column_of_the_decoder_where_that_is_linear(iris: Dataset, iris_model: TrainedStack) -> None:
    found = look_at_units(iris_model, iris, 1)
    weights, bias = iris_model.decoder_weights(1)
    active, at_rest = decoded_units(iris_model, found, np.array([2, 0]))
    np.testing.assert_allclose(at_rest, np.tile(bias, (2, 1)), rtol=1e-5)
    np.testing.assert_allclose(active - at_rest, weights[[2, 0]] * found.high[[2, 0], None], rtol=1e-4, atol=1e-6)
    raised, lowered = decoded_units(iris_model, found, np.array([2]), "mean")
    np.testing.assert_allclose(raised - lowered, weights[[2]] * (found.high - found.low)[2], rtol=1e-4, atol=1e-6)


def test_what_the_first_level_reads(iris_model: TrainedStack) -> None:
    np.testing.assert_array_equal(read_by(iris_model, np.array([3])), iris_model.encoder_weights(1)[0][:, [3]].T)


def test_what_goes_with_a_unit_is_its_covariance_with_the_inputs(iris: Dataset, iris_model: TrainedStack) -> None:
    found = look_at_units(iris_model, iris, 1)
    x, codes = iris_model.prepare(iris.take(found.rows)), found.codes
    both = np.cov(np.column_stack([x, codes]).T, bias=True)
    expected = both[: x.shape[1], x.shape[1] :].T / codes.std(axis=0, dtype=np.float64)[:, None]
    units = np.array([2, 0])
    np.testing.assert_allclose(goes_with(iris_model, iris, found, units), expected[units], rtol=1e-4, atol=1e-5)
    same = dataclasses.replace(found, codes=np.ones_like(codes))
    assert not goes_with(iris_model, iris, same, units).any()


def test_of_a_convolution_the_middle_of_each_channel(convolutional: tuple[TrainedStack, Dataset]) -> None:
    model, data = convolutional
    shape = model.code_shape(1)
    assert shape is not None
    units = units_of(model, 1)
    grid = np.arange(model.width(1)).reshape(shape)
    assert units.tolist() == grid[shape[0] // 2, shape[1] // 2].tolist()
    found = look_at_units(model, data, 1)
    assert len(found.weight_norm) == 3
    assert decoded_units(model, found, units)[0].shape == (3, 64)
    assert in_order(found, "weight norm").tolist() == units[np.argsort(-found.weight_norm)].tolist()
