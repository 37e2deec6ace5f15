"""Nearest neighbours, exactly: at the sizes of a map that is as fast as approximating them, and reproducible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.analysis.progress import Report, silent

_BATCH = 2048  # rows asked for at a time, between two reports


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest rows of every row, nearest first.

    Attributes:
        indices: (n, k) int64 positions among the rows searched.
        distances: (n, k) float64, Euclidean.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]


def nearest(
    x: NDArray[np.floating], k: int, *, queries: NDArray[np.floating] | None = None, report: Report = silent
) -> Neighbours:
    """The k nearest rows of `x` for every query.

    Args:
        x: (n, d) finite values.
        k: 1 .. n, or n - 1 without queries.
        queries: (m, d); None: the rows of `x` themselves, none of which counts as its own neighbour.
    """
    asked = x if queries is None else queries
    search = lazy.package("sklearn.neighbors").NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x)
    indices = np.empty((len(asked), k), dtype=np.int64)
    distances = np.empty((len(asked), k), dtype=np.float64)
    for start in range(0, len(asked), _BATCH):
        report(start / len(asked), "finding neighbours")
        batch = slice(start, start + _BATCH)
        if queries is None:
            indices[batch], distances[batch] = _without_self(search, x[batch], start, k)
        else:
            distances[batch], indices[batch] = search.kneighbors(asked[batch])
    return Neighbours(indices, distances)


def _without_self(
    search: object, rows: NDArray[np.floating], first: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    distances, indices = search.kneighbors(rows, n_neighbors=k + 1)  # type: ignore[attr-defined]
    own = indices == np.arange(first, first + len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # more than k exact duplicates: any of them may be left out
    keep = ~own
    return indices[keep].reshape(-1, k), distances[keep].reshape(-1, k)
