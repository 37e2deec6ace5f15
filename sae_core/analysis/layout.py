"""UMAP (McInnes, Healy & Melville 2018): from nearest neighbours to a map in the plane.

This restates umap-learn's graph and its stochastic layout in the form that a live page needs. umap-learn compiles for
twenty seconds on a fresh machine, keeps Python's global lock for the whole of every epoch (so that pages stall while a
map is drawn), cannot be stopped in between, and aborts the process when two fits meet under numba's workqueue threads.
Here the graph is NumPy, and one small compiled loop, which releases the lock and starts no threads, moves the points.
The tests hold both to umap-learn's own results.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.analysis.neighbours import Neighbours

_TOLERANCE = 1e-5
_SMALLEST_WIDTH = 1e-3  # of a row's kernel, as a share of its mean distance
_NEGATIVES = 5  # random rows that push a row away, for each neighbour that pulls it
_compiling = threading.Lock()


@dataclass(frozen=True, eq=False)
class Graph:
    """Weighted edges between rows, in both directions, sorted by head.

    Attributes:
        n: number of rows.
        heads, tails: (m,) int32.
        weights: (m,) float32, 0 < w <= 1: how surely the two are neighbours.
    """

    n: int
    heads: NDArray[np.int32]
    tails: NDArray[np.int32]
    weights: NDArray[np.float32]


def fuzzy_graph(neighbours: Neighbours) -> Graph:
    """Fuzzy union of every row's neighbourhood (McInnes et al. 2018, section 3.1; algorithms 2 and 3).

    Args:
        neighbours: of every row, without the row itself.
    """
    n, k = neighbours.indices.shape
    strength = membership(neighbours)
    heads = np.repeat(np.arange(n), k)
    one_way = (
        lazy.package("scipy.sparse")
        .coo_matrix((strength.ravel(), (heads, neighbours.indices.ravel())), shape=(n, n))
        .tocsr()
    )
    other_way = one_way.T.tocsr()
    both = (one_way + other_way - one_way.multiply(other_way)).tocoo()
    both.sum_duplicates()
    kept = both.data > 0
    order = np.lexsort((both.col[kept], both.row[kept]))
    return Graph(
        n,
        both.row[kept][order].astype(np.int32),
        both.col[kept][order].astype(np.int32),
        both.data[kept][order].astype(np.float32),
    )


def membership(neighbours: Neighbours) -> NDArray[np.float64]:
    """(n, k) how surely each neighbour belongs to a row's neighbourhood, 0..1; the nearest does for certain."""
    width, nearest = _kernel(neighbours.distances)
    with np.errstate(over="ignore"):
        return np.exp(-np.maximum(neighbours.distances - nearest[:, None], 0.0) / width[:, None])


def _kernel(distances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Width and offset of every row's kernel, so that its strengths add up to log2(k + 1)."""
    n, k = distances.shape
    target = np.log2(k + 1)  # umap-learn counts the row itself among its neighbours
    positive = np.where(distances > 0, distances, np.inf)
    nearest = positive.min(axis=1)
    nearest[np.isinf(nearest)] = 0.0
    gaps = np.maximum(distances - nearest[:, None], 0.0)
    low, high, middle = np.zeros(n), np.full(n, np.inf), np.ones(n)
    active = np.ones(n, dtype=bool)
    for _ in range(64):
        total = np.exp(-gaps / middle[:, None]).sum(axis=1)
        active &= np.abs(total - target) >= _TOLERANCE
        if not active.any():
            break
        too_wide, too_narrow = active & (total > target), active & (total <= target)
        high[too_wide], low[too_narrow] = middle[too_wide], middle[too_narrow]
        unbounded = too_narrow & np.isinf(high)
        bounded = active & ~unbounded
        middle[unbounded] *= 2
        middle[bounded] = (low[bounded] + high[bounded]) / 2
    mean = distances.sum(axis=1) / (k + 1)
    smallest = _SMALLEST_WIDTH * np.where(nearest > 0, mean, mean.mean())
    return np.maximum(np.maximum(middle, smallest), np.finfo(np.float64).tiny), nearest


@cache
def curve(min_distance: float, spread: float = 1.0) -> tuple[float, float]:
    """a and b of 1 / (1 + a d^(2b)), the strength that a distance d in the map stands for.

    Args:
        min_distance: how closely points may lie, in units of the map.
        spread: the distance over which the strength falls off.
    """
    d = np.linspace(0, spread * 3, 300)
    wanted = np.where(d < min_distance, 1.0, np.exp(-(d - min_distance) / spread))
    curve_fit = lazy.package("scipy.optimize").curve_fit
    (a, b), _ = curve_fit(lambda d, a, b: 1.0 / (1.0 + a * d ** (2 * b)), d, wanted)
    return float(a), float(b)


def lay_out(
    graph: Graph,
    start: NDArray[np.floating],
    *,
    min_distance: float = 0.1,
    epochs: int = 200,
    seed: int = 0,
    epochs_per_yield: int = 10,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Move points until neighbours lie together (McInnes et al. 2018, algorithm 5).

    Args:
        start: (n, 2) where the points begin, about 10 units across.
        epochs_per_yield: epochs between two yields; closing the generator stops the layout there.

    Yields:
        (epochs done, the points as they are: the same (n, 2) float32 array every time, at the end the finished map).
    """
    a, b = curve(min_distance)
    points = np.array(start, dtype=np.float32, order="C")
    if not len(graph.weights) or epochs < 1:
        yield epochs, points
        return
    kept = graph.weights >= graph.weights.max() / epochs  # weaker edges would never be sampled
    heads, tails = graph.heads[kept], graph.tails[kept]
    pulls = epochs * (graph.weights[kept] / graph.weights.max())
    every = epochs / pulls.astype(np.float64)  # epochs between two pulls of an edge
    every_negative = every / _NEGATIVES
    next_pull, next_push = every.copy(), every_negative.copy()
    states = np.random.RandomState(seed).randint(-(2**31) + 1, 2**31 - 2, 3).astype(np.int64)
    random = states + points[:, :1].astype(np.float64).view(np.int64)  # (n, 3): a generator of its own for every row
    move = _compiled()
    for epoch in range(epochs):
        rate = np.float64(1.0 if epoch == 0 else 1.0 - (epoch - 1) / epochs)
        move(points, heads, tails, every, every_negative, next_pull, next_push, random, a, b, rate, epoch)
        if (epoch + 1) % epochs_per_yield == 0 and epoch + 1 < epochs:
            yield epoch + 1, points
    yield epochs, points


@cache
def _compile() -> Callable[..., None]:
    compiled: Callable[..., None] = lazy.package("numba").njit(nogil=True, fastmath=True)(_move)
    return compiled


def _compiled() -> Callable[..., None]:
    with _compiling:
        return _compile()


def _move(
    points: Any, heads: Any, tails: Any, every: Any, every_negative: Any, next_pull: Any, next_push: Any, random: Any,
    a: Any, b: Any, rate: Any, epoch: Any,
) -> None:  # fmt: skip
    """One epoch over all edges, in place. Compiled by numba."""
    n = points.shape[0]
    for i in range(heads.shape[0]):
        if next_pull[i] > epoch:
            continue
        j, k = heads[i], tails[i]
        dx, dy = points[j, 0] - points[k, 0], points[j, 1] - points[k, 1]
        square = dx * dx + dy * dy
        pull = 0.0
        if square > 0.0:
            pull = -2.0 * a * b * pow(square, b - 1.0) / (a * pow(square, b) + 1.0)
        gx, gy = min(4.0, max(-4.0, pull * dx)), min(4.0, max(-4.0, pull * dy))
        points[j, 0] += gx * rate
        points[j, 1] += gy * rate
        points[k, 0] -= gx * rate
        points[k, 1] -= gy * rate
        next_pull[i] += every[i]
        pushes = int((epoch - next_push[i]) / every_negative[i])
        state = random[j]
        for _ in range(pushes):
            # Tausworthe generator of umap-learn (L'Ecuyer 1996), three words of state
            s0 = (((state[0] & 4294967294) << 12) & 0xFFFFFFFF) ^ ((((state[0] << 13) & 0xFFFFFFFF) ^ state[0]) >> 19)
            s1 = (((state[1] & 4294967288) << 4) & 0xFFFFFFFF) ^ ((((state[1] << 2) & 0xFFFFFFFF) ^ state[1]) >> 25)
            s2 = (((state[2] & 4294967280) << 17) & 0xFFFFFFFF) ^ ((((state[2] << 3) & 0xFFFFFFFF) ^ state[2]) >> 11)
            state[0], state[1], state[2] = s0, s1, s2
            drawn = (s0 ^ s1 ^ s2) & 0xFFFFFFFF
            if drawn >= 2147483648:
                drawn -= 4294967296
            other = drawn % n
            if other == j:
                continue
            dx, dy = points[j, 0] - points[other, 0], points[j, 1] - points[other, 1]
            square = dx * dx + dy * dy
            if square > 0.0:
                push = 2.0 * b / ((0.001 + square) * (a * pow(square, b) + 1.0))
                points[j, 0] += min(4.0, max(-4.0, push * dx)) * rate
                points[j, 1] += min(4.0, max(-4.0, push * dy)) * rate
        next_push[i] += pushes * every_negative[i]
