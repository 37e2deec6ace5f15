"""Whether a code keeps rows beside the rows that they lie beside in the input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Order:
    """Every row's other rows by distance.

    Attributes:
        order: (n, n) int32; the row itself first, then its neighbours, nearest first.
        ranks: (n, n) int32; the place of row j in row i's order: 0 is the row itself, 1 its nearest neighbour.
    """

    order: NDArray[np.int32]
    ranks: NDArray[np.int32]


def distance_order(x: Matrix) -> Order:
    """Sort all rows by their distance from every row; memory and time grow with the square of the rows.

    Args:
        x: (n, d) finite values.
    """
    rows = np.asarray(x, dtype=np.float64)
    rows = rows - rows.mean(axis=0)  # small numbers: the squares below lose fewer digits
    squares = np.square(rows).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * rows @ rows.T  # (n, n)
    np.fill_diagonal(distances, -np.inf)
    order = np.argsort(distances, axis=1, kind="stable").astype(np.int32)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(len(rows), dtype=np.int32), order.shape), axis=1)
    return Order(order, ranks)


def trustworthiness(x: Order, code: Order, k: int) -> float:
    """How far the neighbours in a code can be trusted to be neighbours in the input (Venna & Kaski 2001, section 3).

    With the roles swapped it is the continuity: how far neighbours in the input are still neighbours in the code.

    Args:
        x, code: the same n rows in both spaces.
        k: neighbours looked at, below n / 2.

    Returns:
        0..1; 1 where every row has the same k neighbours in both. NaN with too few rows.

    >>> line = distance_order(np.arange(9.0)[:, None])
    >>> trustworthiness(line, line, 3)
    1.0
    """
    n = len(x.order)
    if k < 1 or 2 * k >= n:
        return float("nan")
    neighbours = code.order[:, 1 : k + 1]
    too_far = np.maximum(np.take_along_axis(x.ranks, neighbours, axis=1) - k, 0)
    return 1.0 - float(too_far.sum(dtype=np.int64)) * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0))
