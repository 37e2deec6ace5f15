"""Maps: what they keep, and what they survive."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness
from sklearn.metrics.pairwise import cosine_distances

from sae_core.analysis import projections
from sae_core.analysis.neighbours import nearest
from sae_core.analysis.projections import (
    LevelMap,
    MapSettings,
    Method,
    draw_map,
    in_metric,
    level_maps,
    metric_space,
    turned_onto,
)
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, ProjectionError
from sae_core.model.trained import TrainedStack

QUICK = MapSettings(epochs=60)


def groups(n: int = 40, d: int = 6, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(centre, 1, size=(n, d)) for centre in (0, 8, 16)]).astype(np.float32)


def draw(x: NDArray[np.floating], settings: MapSettings = QUICK) -> LevelMap:
    return draw_map(x, np.arange(len(x)), settings)


def test_neighbours_stay_together() -> None:
    x = groups()
    found = draw(x, MapSettings())
    assert found.method == "umap"
    assert trustworthiness(x, found.points, n_neighbors=10) > 0.85
    labels = np.repeat([0, 1, 2], 40)
    centres = np.array([found.points[labels == label].mean(axis=0) for label in range(3)])
    nearest_centre = np.linalg.norm(found.points[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest_centre == labels).all()


@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_as_trustworthy_as_umap_learns_own() -> None:
    import umap

    x = groups(d=10, seed=3)
    theirs = umap.UMAP(n_neighbors=15, random_state=0, n_jobs=1, init="pca").fit_transform(x)
    assert trustworthiness(x, draw(x, MapSettings()).points) > trustworthiness(x, theirs) - 0.02


def test_the_same_seed_gives_the_same_map() -> None:
    np.testing.assert_array_equal(draw(groups()).points, draw(groups()).points)
    assert not np.array_equal(draw(groups()).points, draw(groups(), MapSettings(epochs=60, seed=1)).points)


def test_tsne_keeps_neighbours_and_begins_at_the_level_below() -> None:
    x = groups()
    first = draw(x, MapSettings("tsne"))
    assert first.method == "tsne"
    assert trustworthiness(x, first.points, n_neighbors=10) > 0.85
    second = draw_map(x + 0.01, first.rows, MapSettings("tsne"), level=1, below=first)
    spread = np.linalg.norm(first.points - first.points.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(second.points - first.points, axis=1).mean() < 0.6 * spread


def test_cosine_does_not_see_the_length_of_rows_and_correlation_nor_their_level() -> None:
    rng = np.random.default_rng(0)
    x = groups(20) + 1
    scaled = x * rng.uniform(0.5, 2.0, size=(len(x), 1))
    shifted = scaled + rng.normal(size=(len(x), 1))
    for metric, one, other in (("cosine", x, scaled), ("correlation", scaled, shifted)):
        near = [nearest(metric_space(z, metric), 5) for z in (one, other)]  # type: ignore[arg-type]
        assert (near[0].indices == near[1].indices).mean() > 0.99
    found = in_metric(nearest(metric_space(x, "cosine"), 5), "cosine")
    expected = cosine_distances(x)
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, 1:6], atol=1e-6)


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_levels_can_be_compared(iris: Dataset, iris_model: TrainedStack, method: Method) -> None:
    rows = np.arange(len(iris))
    codes = {level: (lambda level=level: iris_model.encode(iris, level)) for level in (0, 1, 2)}
    maps = list(level_maps(codes, rows, MapSettings(method=method)))
    assert [found.level for found in maps] == [0, 1, 2]
    setosa = iris.class_codes == 0
    for below, above in itertools.pairwise(maps):
        centred = [found.points - found.points.mean(axis=0) for found in (below, above)]
        cross = centred[1].T.astype(np.float64) @ centred[0]
        np.testing.assert_allclose(cross, cross.T, atol=1e-3 * np.abs(cross).max())  # no further turn fits better
        assert np.linalg.eigvalsh(cross).min() > -1e-3 * np.abs(cross).max()
        a, b = (points[setosa].mean(axis=0) for points in centred)
        assert a @ b > 0.9 * np.linalg.norm(a) * np.linalg.norm(b), "the class apart is found in the same direction"


def test_each_map_comes_as_soon_as_it_is_ready() -> None:
    asked: list[int] = []

    def codes(level: int) -> NDArray[np.float32]:
        asked.append(level)
        return groups()

    maps = level_maps({0: lambda: codes(0), 1: lambda: codes(1)}, np.arange(120), QUICK)
    assert next(maps).level == 0
    assert asked == [0]


def test_progress_grows_and_ends() -> None:
    seen: list[float] = []
    list(level_maps({0: groups, 1: groups}, np.arange(120), QUICK, report=lambda fraction, text: seen.append(fraction)))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("at", ["neighbours", "epoch"])
def test_cancelled_between_epochs_and_before(at: str) -> None:
    def report(fraction: float, text: str) -> None:
        if at in text:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        draw_map(groups(), np.arange(120), QUICK, report=report)
    assert draw(groups()).points.shape == (120, 2), "the next map is drawn as if nothing had happened"


def test_row_numbers_travel_with_the_map() -> None:
    rows = np.arange(1000, 1120)
    np.testing.assert_array_equal(draw_map(groups(), rows, QUICK).rows, rows)


@pytest.mark.parametrize("method", ["pca", "umap"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_few_rows(n: int, method: Method) -> None:
    found = draw(groups()[:n], MapSettings(method=method, epochs=20))
    assert found.points.shape == (n, 2)
    assert np.isfinite(found.points).all()
    assert found.method == ("umap" if n >= 5 and method == "umap" else "pca")
    if n < 5 and method == "umap":
        assert "UMAP needs at least 5" in found.note or n == 1


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_no_rows(method: Method) -> None:
    with pytest.raises(ProjectionError, match="no rows"):
        draw(groups()[:0], MapSettings(method=method))


@pytest.mark.parametrize("method", ["pca", "umap"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers(method: Method, value: float) -> None:
    x = groups()
    x[[3, 8], 1] = value
    with pytest.raises(ProjectionError, match="2 of 120 rows of the input") as caught:
        draw(x, MapSettings(method=method))
    assert "smaller learning rate" in str(caught.value)


@pytest.mark.parametrize("method", ["pca", "umap"])
@pytest.mark.parametrize("scale", [1e300, 1e30, 1e-30, 1e-300])
def test_huge_and_tiny_values_change_nothing(method: Method, scale: float) -> None:
    settings = MapSettings(method=method, epochs=20)
    x = groups().astype(np.float64)
    plain, scaled = draw(x, settings).points, draw(x * scale, settings).points
    assert np.isfinite(scaled).all()
    if method == "pca":
        np.testing.assert_allclose(scaled / np.abs(scaled).max(), plain / np.abs(plain).max(), atol=1e-4)


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_constant_rows_share_one_point(method: Method) -> None:
    found = draw(np.ones((50, 3), dtype=np.float32), MapSettings(method=method))
    assert len(np.unique(found.points, axis=0)) == 1
    assert "same" in found.note


def test_duplicates_share_their_point() -> None:
    x = np.concatenate([groups(), groups(), groups()[:1].repeat(200, axis=0)])
    found = draw(x)
    np.testing.assert_array_equal(found.points[:120], found.points[120:240])
    np.testing.assert_array_equal(found.points[240:], found.points[:1].repeat(200, axis=0))
    assert len(np.unique(found.points, axis=0)) == 120


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_one_feature(method: Method) -> None:
    found = draw(groups()[:, :1], MapSettings(method=method, epochs=20))
    assert found.points.shape == (120, 2)
    assert np.isfinite(found.points).all()


def test_minus_zero_is_zero() -> None:
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 1.0]], dtype=np.float32)
    points = draw(x).points
    np.testing.assert_array_equal(points[0], points[1])


def test_a_code_that_collapsed_starts_from_the_map_below() -> None:
    below = draw(groups())
    collapsed = np.repeat(np.arange(12.0), 10)[:, None]
    found = draw_map(collapsed, np.arange(120), QUICK, level=1, below=below)
    assert len(np.unique(found.points, axis=0)) == 12


def test_very_wide_rows_are_reduced_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "_WIDE", 10)
    x = groups(d=40)
    assert trustworthiness(x, draw(x).points) > 0.8


def test_pca_says_how_much_it_shows() -> None:
    assert draw(groups(), MapSettings(method="pca")).share > 0.9
    assert np.isnan(draw(groups()).share)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ProjectionError):
        MapSettings(neighbours=1)


def test_turning_keeps_distances_and_undoes_a_turn() -> None:
    points = groups()[:, :2].astype(np.float64)
    angle = 2.0
    turned = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * [1, -1] + 5
    np.testing.assert_allclose(turned_onto(turned, points), points, atol=1e-4)
    elsewhere = turned_onto(points, np.random.default_rng(0).normal(size=points.shape))
    np.testing.assert_allclose(
        np.linalg.norm(elsewhere[0] - elsewhere[50]), np.linalg.norm(points[0] - points[50]), rtol=1e-5
    )


TWO_AT_ONCE = """
import threading
import numpy as np
from sae_core.analysis.projections import MapSettings, draw_map

x = np.random.default_rng(0).normal(size=(400, 8))
done = []

def draw():
    for _ in range(3):
        done.append(draw_map(x, np.arange(400), MapSettings(epochs=30)).points.shape)

threads = [threading.Thread(target=draw) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert done == [(400, 2)] * 12
"""


def test_two_maps_at_once_under_workqueue() -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "NUMBA_THREADING_LAYER": "workqueue",
        "NUMBA_NUM_THREADS": "2",
        "PYTHONPATH": str(root),
    }
    finished = subprocess.run(
        [sys.executable, "-c", TWO_AT_ONCE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr
