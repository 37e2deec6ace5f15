"""Decoding by hand: handles, walks and planes."""

from __future__ import annotations

import numpy as np
import pytest

from sae_core.analysis.decoding import handles, plane, walk
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 6)) * [1, 5, 0.1, 3, 0, 2]).astype(np.float32)


def test_the_most_varying_units_in_their_order(codes: np.ndarray) -> None:
    found = handles(codes, 3)
    assert found.units.tolist() == [1, 3, 5]
    np.testing.assert_allclose(found.low, np.percentile(codes[:, [1, 3, 5]], 1, axis=0))
    moved = found.moved(codes[0], [1.0, 2.0, 3.0])
    assert moved[[1, 3, 5]].tolist() == [1, 2, 3]
    np.testing.assert_allclose(moved[[0, 2, 4]], codes[0, [0, 2, 4]])


def test_principal_directions_in_standard_deviations(codes: np.ndarray) -> None:
    found = handles(codes, 4, "directions")
    values = np.array([found.values_of(code) for code in codes])
    np.testing.assert_allclose(values.std(axis=0), 1, rtol=1e-3)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    moved = found.moved(codes[0], [0.5, -1, 0, 2])
    np.testing.assert_allclose(found.values_of(moved), [0.5, -1, 0, 2], atol=1e-4)


@pytest.mark.parametrize("kind", ["units", "directions"])
def test_a_code_that_is_not_moved_stays(codes: np.ndarray, kind: str) -> None:
    found = handles(codes, 3, kind)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.moved(codes[3], found.values_of(codes[3])), codes[3], atol=1e-5)


def test_directions_in_which_nothing_varies_have_no_handle(codes: np.ndarray) -> None:
    assert len(handles(codes, 6, "directions").directions) == 5
    assert len(handles(np.ones((5, 3), dtype=np.float32), 3, "directions").directions) == 0


def test_a_walk_ends_at_both_rows(iris: Dataset, iris_model: TrainedStack) -> None:
    x = iris_model.prepare(iris.take([0, 120]))
    found = walk(iris_model, 2, x, 5)
    np.testing.assert_allclose(found.straight[[0, -1]], x, rtol=1e-5)
    np.testing.assert_allclose(found.through_code[[0, -1]], iris_model.reconstruct_prepared(x, 2), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.straight[2], x.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert found.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_the_plane_is_read_like_a_chart(iris: Dataset, iris_model: TrainedStack) -> None:
    codes = iris_model.encode(iris, 2)
    found = plane(iris_model, 2, codes, 4)
    assert found.decoded.shape == (16, 4)
    upper_left = np.array([[found.first[0], found.second[-1]]], dtype=np.float32)
    np.testing.assert_allclose(found.decoded[0], iris_model.decode_prepared(upper_left, 2)[0], rtol=1e-4, atol=1e-6)
    assert (np.diff(found.first) > 0).all()
