"""Maps laid out together lie closer to one another, and still keep neighbours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from sae_core.analysis.projections import LevelMap, MapSettings, level_maps
from sae_core.errors import CancelledError


def levels(n: int = 40, seed: int = 0) -> dict[int, NDArray[np.float64]]:
    """Three groups of rows, seen through three random layers."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(centre, 1, size=(n, 8)) for centre in (0, 6, 12)])
    return {0: x, 1: np.tanh(x @ rng.normal(size=(8, 6)) / 8), 2: np.tanh(x @ rng.normal(size=(8, 4)) / 8)}


def draw(settings: MapSettings, found: dict[int, NDArray[np.float64]]) -> list[LevelMap]:
    return list(level_maps({level: lambda x=x: x for level, x in found.items()}, np.arange(len(found[0])), settings))  # type: ignore[misc]


def travelled(maps: list[LevelMap]) -> float:
    """Mean distance of a row between neighbouring levels, in shares of the maps' extent."""
    steps = [np.linalg.norm(b.points - a.points, axis=1).mean() for a, b in itertools.pairwise(maps)]
    return float(np.mean(steps) / np.ptp(maps[0].points))


def test_levels_lie_closer_together_than_without_the_pull() -> None:
    found = levels()
    aligned = draw(MapSettings("aligned", alignment=0.2), found)
    apart = draw(MapSettings("aligned", alignment=0.0), found)
    assert [each.method for each in aligned] == ["aligned"] * 3
    assert travelled(aligned) < 0.5 * travelled(apart)


def test_neighbours_are_kept_nearly_as_well() -> None:
    found = levels()
    aligned = draw(MapSettings("aligned"), found)
    apart = draw(MapSettings("umap"), found)
    for one, other, x in zip(aligned, apart, found.values(), strict=True):
        assert trustworthiness(x, one.points, n_neighbors=10) > trustworthiness(x, other.points, n_neighbors=10) - 0.05


def test_the_same_seed_gives_the_same_maps_and_duplicates_share_a_point() -> None:
    found = {level: np.concatenate([x, x[:5]]) for level, x in levels().items()}
    one, two = draw(MapSettings("aligned", epochs=30), found), draw(MapSettings("aligned", epochs=30), found)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.points[:5], a.points[-5:])


def test_a_level_where_all_rows_are_alike_is_drawn_by_pca() -> None:
    found = levels()
    found[1] = np.ones((len(found[0]), 3))
    maps = draw(MapSettings("aligned", epochs=20), found)
    assert [each.method for each in maps] == ["aligned", "pca", "aligned"]
    assert "needs at least" in maps[1].note


def test_it_can_be_stopped_between_two_epochs() -> None:
    def stop(fraction: float, text: str) -> None:
        if fraction > 0.5:
            raise CancelledError("stopped")

    found = levels()
    wanted = {level: (lambda x=x: x) for level, x in found.items()}
    with pytest.raises(CancelledError):
        list(level_maps(wanted, np.arange(len(found[0])), MapSettings("aligned"), report=stop))  # type: ignore[arg-type]
