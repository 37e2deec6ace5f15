from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_core.analysis.sampling import map_rows, stratified_rows
from sae_core.data.dataset import Dataset


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=6), limit=st.integers(1, 80), seed=st.integers(0, 5))
def test_classes_keep_their_shares(counts: list[int], limit: int, seed: int) -> None:
    codes = np.repeat(np.arange(len(counts)) - 1, counts)
    rows = stratified_rows(codes, limit, seed=seed)
    assert len(rows) == min(limit, len(codes))
    assert len(set(rows.tolist())) == len(rows)
    assert (np.diff(rows) > 0).all()
    drawn = np.array([(codes[rows] == code).sum() for code in range(-1, len(counts) - 1)])
    if limit >= len(counts):
        assert (drawn >= 1).all()
    expected = np.array(counts) * len(rows) / len(codes)
    assert (np.abs(drawn - expected) <= len(counts) + 1).all()


def test_the_same_seed_draws_the_same_rows() -> None:
    codes = np.zeros(1000, dtype=np.int64)
    np.testing.assert_array_equal(stratified_rows(codes, 10, seed=1), stratified_rows(codes, 10, seed=1))
    assert set(stratified_rows(codes, 10, seed=1)) != set(stratified_rows(codes, 10, seed=2))


def test_small_data_is_mapped_whole(iris: Dataset) -> None:
    np.testing.assert_array_equal(map_rows(iris), np.arange(150))
    assert np.bincount(iris.class_codes[map_rows(iris, limit=30)]).tolist() == [10, 10, 10]
