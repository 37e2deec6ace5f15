"""Trustworthiness and continuity, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference

from sae_core.analysis.neighbourhoods import distance_order, trustworthiness


@pytest.mark.parametrize("k", [1, 5, 20])
def test_scikit_learns_figures(k: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    code = x @ rng.normal(size=(8, 2)) + 0.1 * rng.normal(size=(60, 2))
    of_x, of_code = distance_order(x), distance_order(code)
    assert trustworthiness(of_x, of_code, k) == pytest.approx(reference(x, code, n_neighbors=k))
    assert trustworthiness(of_code, of_x, k) == pytest.approx(reference(code, x, n_neighbors=k))


def test_a_turned_copy_keeps_every_neighbour_and_noise_does_not() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3)) + 1000  # far from the origin: squares must not swallow the differences
    q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert trustworthiness(distance_order(x), distance_order(3 * x @ q), 7) == 1
    assert trustworthiness(distance_order(x), distance_order(rng.normal(size=(50, 2))), 7) < 0.7


def test_ranks_are_the_inverse_of_the_order() -> None:
    found = distance_order(np.random.default_rng(2).normal(size=(9, 2)))
    assert (found.order[:, 0] == np.arange(9)).all()
    assert (np.take_along_axis(found.ranks, found.order, axis=1) == np.arange(9)).all()


def test_too_few_rows() -> None:
    few = distance_order(np.arange(4.0)[:, None])
    assert np.isnan(trustworthiness(few, few, 2))
    assert np.isnan(trustworthiness(few, few, 0))
