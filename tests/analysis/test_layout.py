"""Our layout against umap-learn's own, edge by edge and point by point."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_matrix

from sae_core.analysis.components import principal_components
from sae_core.analysis.layout import Graph, curve, fuzzy_graph, lay_out
from sae_core.analysis.neighbours import Neighbours, nearest

# umap-learn warns on import that TensorFlow is missing
pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(centre, 1.0, size=(60, 8)) for centre in (0.0, 4.0, 9.0)])


@pytest.fixture(scope="module")
def neighbours(rows: NDArray[np.float64]) -> Neighbours:
    return nearest(rows, 14)


@pytest.fixture(scope="module")
def start(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    plane = principal_components(rows, 2).project(rows)
    return (10 * (plane - plane.min(axis=0)) / np.ptp(plane, axis=0)).astype(np.float32)


def umap_graph(neighbours: Neighbours) -> NDArray[np.float32]:
    from umap.umap_ import fuzzy_simplicial_set

    n, k = neighbours.indices.shape
    indices = np.column_stack([np.arange(n), neighbours.indices]).astype(np.int32)  # umap-learn counts the row itself
    distances = np.column_stack([np.zeros(n), neighbours.distances]).astype(np.float32)
    random = np.random.RandomState(0)
    x = np.zeros((n, 1), dtype=np.float32)
    return fuzzy_simplicial_set(x, k + 1, random, "euclidean", knn_indices=indices, knn_dists=distances)[0].toarray()


def dense(graph: Graph) -> NDArray[np.float32]:
    return coo_matrix((graph.weights, (graph.heads, graph.tails)), shape=(graph.n, graph.n)).toarray()


def test_graph_is_umap_learns(neighbours: Neighbours) -> None:
    np.testing.assert_allclose(dense(fuzzy_graph(neighbours)), umap_graph(neighbours), atol=2e-5)


def test_graph_of_duplicates_is_umap_learns(rows: NDArray[np.float64]) -> None:
    doubled = nearest(np.concatenate([rows[:40], rows[:40], rows[:1].repeat(20, axis=0)]), 9)
    np.testing.assert_allclose(dense(fuzzy_graph(doubled)), umap_graph(doubled), atol=2e-5)


def test_graph_is_symmetric_and_between_0_and_1(neighbours: Neighbours) -> None:
    graph = fuzzy_graph(neighbours)
    weights = dense(graph)
    np.testing.assert_array_equal(weights, weights.T)
    assert graph.weights.min() > 0
    assert graph.weights.max() <= 1
    assert (weights.max(axis=1) > 0.999).all(), "every row is surely connected to its nearest neighbour"


def test_curve_is_umap_learns() -> None:
    from umap.umap_ import find_ab_params

    for min_distance in (0.0, 0.1, 0.5, 0.99):
        assert curve(min_distance) == pytest.approx(find_ab_params(1.0, min_distance))


@pytest.mark.parametrize("epochs", [1, 30, 200])
def test_layout_is_umap_learns_bit_for_bit(neighbours: Neighbours, start: NDArray[np.float32], epochs: int) -> None:
    from umap.layouts import optimize_layout_euclidean
    from umap.umap_ import make_epochs_per_sample

    graph = fuzzy_graph(neighbours)
    kept = graph.weights >= graph.weights.max() / epochs
    theirs = start.copy()
    optimize_layout_euclidean(
        theirs,
        theirs,
        graph.heads[kept],
        graph.tails[kept],
        epochs,
        len(start),
        make_epochs_per_sample(graph.weights[kept], epochs),
        *curve(0.1),
        np.random.RandomState(3).randint(-(2**31) + 1, 2**31 - 2, 3).astype(np.int64),
        move_other=True,
    )
    *_, (done, ours) = lay_out(graph, start, epochs=epochs, seed=3)
    assert done == epochs
    np.testing.assert_array_equal(ours, theirs)


def test_layout_yields_on_the_way_and_stops_when_closed(neighbours: Neighbours, start: NDArray[np.float32]) -> None:
    layout = lay_out(fuzzy_graph(neighbours), start, epochs=100, epochs_per_yield=25)
    done, points = next(layout)
    assert done == 25
    kept = points.copy()
    layout.close()
    np.testing.assert_array_equal(points, kept)
    assert [done for done, _ in lay_out(fuzzy_graph(neighbours), start, epochs=100, epochs_per_yield=25)] == [
        25,
        50,
        75,
        100,
    ]


def test_layout_leaves_its_start_alone(neighbours: Neighbours, start: NDArray[np.float32]) -> None:
    before = start.copy()
    list(lay_out(fuzzy_graph(neighbours), start, epochs=5))
    np.testing.assert_array_equal(start, before)


def test_rows_without_neighbours_stay(start: NDArray[np.float32]) -> None:
    nobody = Graph(len(start), *(np.zeros(0, dtype=kind) for kind in (np.int32, np.int32, np.float32)))
    *_, (_, points) = lay_out(nobody, start)
    np.testing.assert_array_equal(points, start)
