from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_core.analysis.neighbours import nearest
from sae_core.errors import CancelledError


def test_against_all_distances() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    found = nearest(x, 7)
    np.testing.assert_array_equal(found.indices, np.argsort(distances, axis=1)[:, :7])
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :7], atol=1e-9)


def test_other_rows_may_be_asked_for() -> None:
    x = np.arange(10.0)[:, None]
    found = nearest(x, 1, queries=np.array([[3.2], [8.9]]))
    assert found.indices.ravel().tolist() == [3, 9]


@given(copies=st.integers(2, 30), others=st.integers(0, 10), k=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_no_row_is_its_own_neighbour_even_among_duplicates(copies: int, others: int, k: int) -> None:
    x = np.concatenate([np.ones((copies, 2)), np.arange(2.0 * others).reshape(others, 2)])
    k = min(k, len(x) - 1)
    found = nearest(x, k)
    assert found.indices.shape == (len(x), k)
    if copies <= k + 1:
        assert not (found.indices == np.arange(len(x))[:, None]).any()
    assert all(len(set(row)) == k for row in found.indices.tolist())


def test_what_report_raises_stops_the_search() -> None:
    def stop(fraction: float, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        nearest(np.zeros((5, 2)), 2, report=stop)
