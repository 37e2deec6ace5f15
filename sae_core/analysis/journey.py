"""One row on its way through the stack: its code, what comes back of it, its neighbours, what each classifier says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.neighbours import nearest
from sae_core.analysis.sampling import stratified_rows
from sae_core.data.dataset import Dataset, Features
from sae_core.errors import DataError

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

MAX_POOL = 20_000  # rows among which neighbours are sought; of more, a stratified sample

Way = Literal["next", "previous", "random"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows among which neighbours are sought.

    Attributes:
        rows: (m,) row numbers in the data set.
        codes: (m, units) of the rows at each level, 0 .. L.
    """

    rows: NDArray[np.int64]
    codes: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class Stop:
    """A row at one level.

    Attributes:
        level: 0 is the prepared input.
        code: (units,) float32.
        given_back: the row decoded from this level, in the form of `Dataset.features`; None at level 0.
        error: mean squared error per prepared value; 0 at level 0.
        neighbours: (k,) row numbers, nearest first, itself excluded.
        distances: (k,) Euclidean, in the units of the code.
    """

    level: int
    code: NDArray[np.float32]
    given_back: Features | None
    error: float
    neighbours: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Journey:
    """One row through the stack.

    Attributes:
        row: its number in the data set.
        original: the row, in the form of `Dataset.features`.
        stops: level 0 .. L.
        probabilities: class probabilities by classifier: level of the frozen code, or None for the fine-tuned stack;
            each (classes,) float32. {} without classifiers.
    """

    row: int
    original: Features
    stops: tuple[Stop, ...]
    probabilities: Mapping[int | None, NDArray[np.float32]]


def pool_of(model: TrainedStack, data: Dataset) -> Pool:
    """The rows among which neighbours are sought, encoded to every level."""
    rows = stratified_rows(data.class_codes, MAX_POOL)
    codes = [model.prepare(data.take(rows))]
    for level in range(1, model.n_levels + 1):
        codes.append(model.encode_prepared(codes[-1], level, start=level - 1))
    return Pool(rows, tuple(codes))


def journey(model: TrainedStack, data: Dataset, row: int, pool: Pool, *, neighbours: int = 10) -> Journey:
    """Follow one row through the stack.

    Args:
        row: its number in the data set.
        pool: of the same model and data.

    Raises:
        DataError: there is no such row.
    """
    if not 0 <= row < len(data):
        raise DataError(f"There is no row {row:,}: the rows of this data set are numbered 0 to {len(data) - 1:,}.")
    original = data.take([row])
    x = code = model.prepare(original)  # (1, n_inputs)
    stops = []
    for level in range(model.n_levels + 1):
        given_back, error = None, 0.0
        if level:
            code = model.encode_prepared(code, level, start=level - 1)
            back = model.decode_prepared(code, level)
            given_back, error = model.preparation.inverse_transform(back), float(np.square(back - x).mean())
        rows, distances = _nearest(pool, level, code, row, neighbours)
        stops.append(Stop(level, code[0], given_back, error, rows, distances))
    classifiers: list[int | None] = [*model.softmax_levels, *([None] if model.is_fine_tuned else [])]
    said = {level: model.predict_proba_prepared(x, level=level)[0] for level in classifiers}
    return Journey(row, original, tuple(stops), said)


def _nearest(
    pool: Pool, level: int, code: NDArray[np.float32], row: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    found = nearest(pool.codes[level], min(k + 1, len(pool.rows)), queries=code)  # itself may be among them
    rows, distances = pool.rows[found.indices[0]], found.distances[0]
    others = rows != row
    return rows[others][:k], distances[others][:k]


def kept_neighbours(found: Journey) -> tuple[float, ...]:
    """Share of each level's neighbours that were neighbours at the input, too, for levels 1 .. L."""
    first = set(found.stops[0].neighbours.tolist())
    return tuple(len(first & set(stop.neighbours.tolist())) / max(len(stop.neighbours), 1) for stop in found.stops[1:])


def step(pool: NDArray[np.int64], row: int, way: Way, *, seed: int | None = None) -> int:
    """Another row of a sorted list of rows: the next or the one before (round and round), or any.

    >>> step(np.array([2, 5, 9]), 5, "next"), step(np.array([2, 5, 9]), 1, "previous")
    (9, 9)
    """
    if not len(pool):
        return row
    if way == "random":
        others = pool[pool != row] if len(pool) > 1 else pool
        return int(np.random.default_rng(seed).choice(others))
    if way == "next":
        return int(pool[np.searchsorted(pool, row, side="right") % len(pool)])
    return int(pool[np.searchsorted(pool, row, side="left") - 1])
