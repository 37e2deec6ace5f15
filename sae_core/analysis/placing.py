"""New rows on a map that is already drawn, and a few rows that stand for a whole map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.layout import membership
from sae_core.analysis.neighbours import nearest
from sae_core.analysis.projections import LevelMap, Matrix, Metric, in_metric, metric_space
from sae_core.errors import ProjectionError


def place_rows(
    new: Matrix, known: Matrix, drawn: LevelMap, *, neighbours: int = 15, metric: Metric = "euclidean"
) -> NDArray[np.float32]:
    """Where rows that had no part in a map would lie on it; the map stays as it is.

    On a PCA they are projected onto its plane. Elsewhere each lies at the mean of its nearest rows, weighted by how
    surely they are its neighbours: where umap-learn's `transform` starts new rows from. A row of the map's own falls
    onto its place.

    Args:
        new: (k, d) codes of the new rows.
        known: (m, d) codes of the rows of the map, in its order.

    Returns:
        (k, 2) float32.

    Raises:
        ProjectionError: codes that are not finite numbers.
    """
    new, known = np.asarray(new), np.asarray(known)
    if not np.isfinite(new).all():
        raise ProjectionError(
            "Some of these rows have codes that are not finite numbers, so their place on a map is not defined. "
            "Leave them out."
        )
    if not len(new):
        return np.zeros((0, 2), dtype=np.float32)
    if drawn.method == "pca":
        middle = known.mean(axis=0, dtype=np.float64)
        plane, *_ = np.linalg.lstsq(known - middle, drawn.points.astype(np.float64) - drawn.points.mean(axis=0))
        return np.asarray((new - middle) @ plane + drawn.points.mean(axis=0), dtype=np.float32)
    k = min(neighbours, len(known))
    found = in_metric(nearest(metric_space(known, metric), k, queries=metric_space(new, metric)), metric)
    strength = membership(found)  # (k, neighbours)
    same = found.distances[:, 0] <= 1e-7 * (1 + np.abs(found.distances).max())
    strength[same] = 0.0
    strength[same, 0] = 1.0
    weights = strength / strength.sum(axis=1, keepdims=True)
    return np.asarray((drawn.points[found.indices] * weights[:, :, None]).sum(axis=1), dtype=np.float32)


APART = 0.85  # of a square of `spread_rows`: the least distance, along either axis, between two of its points


def spread_rows(points: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Positions of at most `count` points that stand for all of them, none close to another.

    The map is divided into squares; from each of the fullest ones comes the point nearest to its middle.

    Args:
        points: (m, 2).

    >>> spread_rows(np.array([[0.0, 0.0], [0.01, 0.0], [1.0, 1.0]]), 4).tolist()
    [1, 2]
    """
    if not len(points) or count < 1:
        return np.zeros(0, dtype=np.int64)
    low, extent = points.min(axis=0), float(np.ptp(points, axis=0).max()) or 1.0
    side = squares(count)
    cells = np.minimum(((points - low) / extent * side).astype(np.int64), side - 1)
    middles = low + (cells + 0.5) * extent / side
    off = np.square(points - middles).sum(axis=1)
    number = cells[:, 0] * side + cells[:, 1]
    order = np.lexsort((off, number))  # by square, the nearest to its middle first
    _, first, sizes = np.unique(number[order], return_index=True, return_counts=True)
    candidates = order[first][np.argsort(-sizes, kind="stable")]
    apart = APART * extent / side
    chosen: list[int] = []
    for candidate in candidates.tolist():
        off_others = np.abs(points[chosen] - points[candidate]).max(axis=1)
        if len(chosen) < count and (off_others >= apart).all():
            chosen.append(candidate)
    return np.sort(np.array(chosen, dtype=np.int64))


def squares(count: int) -> int:
    """Squares along a side of the map for about that many points: half of them tend to be empty."""
    return max(1, int(np.ceil(np.sqrt(1.6 * count))))
