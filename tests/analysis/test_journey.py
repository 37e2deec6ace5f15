"""One row through the stack: the same numbers as the stack itself gives, and its true neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sae_core.analysis import journey as module
from sae_core.analysis.journey import journey, kept_neighbours, pool_of, step
from sae_core.data.dataset import Dataset
from sae_core.errors import DataError
from sae_core.model.trained import TrainedStack


def test_every_stop_is_what_the_stack_itself_says(iris: Dataset, iris_model: TrainedStack) -> None:
    found = journey(iris_model, iris, 17, pool_of(iris_model, iris), neighbours=5)
    assert [stop.level for stop in found.stops] == list(range(iris_model.n_levels + 1))
    original = iris.take([17])
    for stop in found.stops:
        np.testing.assert_allclose(stop.code, iris_model.encode(original, stop.level)[0], rtol=1e-5, atol=1e-6)
    assert found.stops[0].given_back is None
    back = iris_model.reconstruct(original, 1)
    assert isinstance(back, pd.DataFrame)
    pd.testing.assert_frame_equal(found.stops[1].given_back, back)  # type: ignore[arg-type]
    x = iris_model.prepare(original)
    expected = float(np.square(iris_model.reconstruct_prepared(x, 1) - x).mean())
    assert found.stops[1].error == pytest.approx(expected, rel=1e-4)
    for level, said in found.probabilities.items():
        np.testing.assert_allclose(said, iris_model.predict_proba(original, level=level)[0], rtol=1e-5)
        assert said.sum() == pytest.approx(1.0, abs=1e-5)


def test_neighbours_are_the_nearest_other_rows(iris: Dataset, iris_model: TrainedStack) -> None:
    found = journey(iris_model, iris, 60, pool_of(iris_model, iris), neighbours=7)
    for stop in found.stops:
        codes = iris_model.encode(iris, stop.level).astype(np.float64)
        distances = np.linalg.norm(codes - codes[60], axis=1)
        distances[60] = np.inf
        np.testing.assert_allclose(stop.distances, np.sort(distances)[:7], rtol=1e-3, atol=1e-4)
        assert 60 not in stop.neighbours
        assert len(set(stop.neighbours.tolist())) == 7
    assert all(0 <= share <= 1 for share in kept_neighbours(found))


def test_a_row_outside_the_sample_has_neighbours_too(
    iris: Dataset, iris_model: TrainedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_POOL", 30)
    pool = pool_of(iris_model, iris)
    assert len(pool.rows) == 30
    outside = next(row for row in range(len(iris)) if row not in pool.rows)
    for row in (outside, int(pool.rows[3])):
        found = journey(iris_model, iris, row, pool, neighbours=6)
        assert all(len(stop.neighbours) == 6 and row not in stop.neighbours for stop in found.stops)


def test_more_neighbours_than_rows_are_all_of_them(iris: Dataset, iris_model: TrainedStack) -> None:
    found = journey(iris_model, iris, 0, pool_of(iris_model, iris), neighbours=10_000)
    assert all(len(stop.neighbours) == len(iris) - 1 for stop in found.stops)


def test_a_row_that_is_not_there(iris: Dataset, iris_model: TrainedStack) -> None:
    with pytest.raises(DataError, match="no row"):
        journey(iris_model, iris, len(iris), pool_of(iris_model, iris))


def test_steps_go_round() -> None:
    pool = np.array([2, 5, 9])
    assert [step(pool, row, "next") for row in (2, 3, 9, 0)] == [5, 5, 2, 2]
    assert [step(pool, row, "previous") for row in (2, 3, 9, 0)] == [9, 2, 5, 9]
    assert {step(pool, 5, "random", seed=i) for i in range(20)} == {2, 9}
    assert step(np.array([], dtype=np.int64), 7, "next") == 7
    assert step(np.array([7]), 7, "random") == 7
