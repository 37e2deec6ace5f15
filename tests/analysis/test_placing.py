"""New rows on a finished map, and the few rows that stand for it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sae_core.analysis.placing import place_rows, spread_rows, squares
from sae_core.analysis.projections import MapSettings, Method, Metric, draw_map
from sae_core.errors import ProjectionError


@pytest.fixture(scope="module")
def x() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(centre, 1, size=(60, 6)) for centre in (0, 8, 16)])


@pytest.mark.parametrize(("method", "metric"), [("pca", "euclidean"), ("umap", "euclidean"), ("umap", "cosine")])
def test_rows_of_the_map_fall_onto_their_own_place(x: NDArray[np.float64], method: Method, metric: Metric) -> None:
    drawn = draw_map(x, np.arange(len(x)), MapSettings(method, metric=metric, epochs=50))
    placed = place_rows(x[::7], x, drawn, metric=metric)
    np.testing.assert_allclose(placed, drawn.points[::7], atol=1e-3)


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_new_rows_lie_in_their_group_and_move_nothing(x: NDArray[np.float64], method: Method) -> None:
    drawn = draw_map(x, np.arange(len(x)), MapSettings(method))
    before = drawn.points.copy()
    new = np.random.default_rng(1).normal(8, 1, size=(20, 6))
    placed = place_rows(new, x, drawn)
    middles = np.array([drawn.points[60 * i : 60 * (i + 1)].mean(axis=0) for i in range(3)])
    assert (np.linalg.norm(placed[:, None] - middles, axis=2).argmin(axis=1) == 1).all()
    np.testing.assert_array_equal(drawn.points, before)


def test_pca_places_rows_exactly(x: NDArray[np.float64]) -> None:
    drawn = draw_map(x, np.arange(len(x)), MapSettings("pca"))
    middle = place_rows((x[:1] + x[100:101]) / 2, x, drawn)
    np.testing.assert_allclose(middle[0], (drawn.points[0] + drawn.points[100]) / 2, atol=1e-3)


def test_no_rows_and_rows_that_are_not_finite(x: NDArray[np.float64]) -> None:
    drawn = draw_map(x, np.arange(len(x)), MapSettings("pca"))
    assert place_rows(x[:0], x, drawn).shape == (0, 2)
    with pytest.raises(ProjectionError, match="not finite"):
        place_rows(np.full((1, 6), np.nan), x, drawn)


def test_spread_rows_are_few_distinct_and_apart(x: NDArray[np.float64]) -> None:
    points = draw_map(x, np.arange(len(x)), MapSettings("pca")).points
    chosen = spread_rows(points, 12)
    assert 3 <= len(chosen) <= 12
    assert len(set(chosen.tolist())) == len(chosen)
    gaps = np.abs(points[chosen][:, None] - points[chosen][None]).max(axis=2) + 9 * np.eye(len(chosen)) * np.ptp(points)
    assert gaps.min() >= 0.85 * np.ptp(points, axis=0).max() / squares(12)  # side by side without overlap
    assert {0, 1, 2} == set((chosen // 60).tolist())  # every group is represented
    assert len(spread_rows(points[:0], 5)) == 0
    assert len(spread_rows(np.ones((9, 2)), 5)) == 1
