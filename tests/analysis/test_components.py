from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sae_core.analysis import components
from sae_core.analysis.components import principal_components

ROWS = np.random.default_rng(0).normal(size=(80, 6)) * [5, 4, 3, 2, 1, 0.5]


@pytest.mark.parametrize("exact", [True, False])
def test_is_scikit_learns_pca(monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    if not exact:
        monkeypatch.setattr(components, "_EXACT_FEATURES", 3)
    ours, theirs = principal_components(ROWS, 3), PCA(3, svd_solver="full").fit(ROWS)
    np.testing.assert_allclose(ours.shares, theirs.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(ours.components @ theirs.components_.T), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(ours.reconstruct(ROWS, 3), theirs.inverse_transform(theirs.transform(ROWS)), atol=1e-6)


def test_all_components_give_the_rows_back() -> None:
    np.testing.assert_allclose(principal_components(ROWS, 6).reconstruct(ROWS, 6), ROWS, atol=1e-9)


def test_signs_do_not_depend_on_the_solver() -> None:
    largest = np.abs(principal_components(ROWS, 6).components).argmax(axis=1)
    assert (principal_components(ROWS, 6).components[np.arange(6), largest] > 0).all()


def test_more_components_than_there_are() -> None:
    assert principal_components(ROWS[:2], 10).components.shape == (2, 6)


def test_nothing_varies() -> None:
    found = principal_components(np.ones((5, 3)), 2)
    np.testing.assert_array_equal(found.shares, [0, 0])
    np.testing.assert_array_equal(found.reconstruct(np.ones((5, 3)), 2), np.ones((5, 3)))
