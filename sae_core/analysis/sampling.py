"""Which rows stand for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset
from sae_core.limits import MAX_MAP_ROWS


def stratified_rows(class_codes: NDArray[np.int64], limit: int, *, seed: int = 0) -> NDArray[np.int64]:
    """At most `limit` row numbers, sorted, in which every class keeps its share (and at least one row, if it can).

    Args:
        class_codes: (n,) class of each row; -1, rows without a label, is a class of its own.
        limit: at least 1.

    Returns:
        (min(n, limit),) int64. The same seed draws the same rows.

    >>> stratified_rows(np.array([0] * 90 + [1] * 10), 10).size
    10
    """
    n = len(class_codes)
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(n)
    codes = class_codes[shuffled]
    order = np.argsort(codes, kind="stable")
    counts = np.unique(codes, return_counts=True)[1]
    # Rank of each row within its class as a share of the class: the lowest shares of every class are drawn.
    rank = np.empty(n)
    rank[order] = np.concatenate([np.arange(count) / count for count in counts])
    drawn = shuffled[np.argsort(rank, kind="stable")[:limit]]
    return np.sort(drawn).astype(np.int64)


def map_rows(data: Dataset, *, limit: int = MAX_MAP_ROWS, seed: int = 0) -> NDArray[np.int64]:
    """The rows that a map of this data set shows: all of them, or a stratified sample of `limit`."""
    return stratified_rows(data.class_codes, limit, seed=seed)
