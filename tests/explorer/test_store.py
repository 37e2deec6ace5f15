"""Cached access by content."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from explorer import store
from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset
from sae_core.errors import RunNotFoundError
from sae_core.jobs import start_job

WAIT = 60


@pytest.fixture
def data() -> Dataset:
    values = np.random.default_rng(0).normal(size=(50, 4))
    columns = tuple(Column(name, "numeric") for name in "abcd")
    return Dataset(name="t.csv", kind="table", features=pd.DataFrame(values, columns=list("abcd")), columns=columns)


@pytest.fixture
def run_id(data: Dataset) -> str:
    store.forget()
    job = start_job(data, StackConfig(layers=[3, 2], epochs=2), workspace=store.workspace())
    assert job.join(WAIT)
    return job.id


def test_codes_of_every_level_are_those_of_the_model(run_id: str, data: Dataset) -> None:
    model = store.model(run_id)
    for level in (0, 1, 2):
        assert np.allclose(store.codes(run_id, level), model.encode(data, level))
    assert np.array_equal(store.codes(run_id), store.codes(run_id, 2))
    assert np.array_equal(store.codes(run_id, 0), store.prepared(run_id))


def test_errors_are_summed_squares_in_the_prepared_scale(run_id: str, data: Dataset) -> None:
    model = store.model(run_id)
    x = model.prepare(data)
    expected = np.square(model.reconstruct_prepared(x, 1) - x).sum(axis=1)
    assert np.allclose(store.errors(run_id, 1), expected, rtol=1e-5)
    assert np.allclose(store.errors(run_id, 0), 0)


def test_nothing_is_computed_twice(run_id: str) -> None:
    assert store.model(run_id) is store.model(run_id)
    assert store.codes(run_id, 1) is store.codes(run_id, 1)


def test_a_deleted_run_is_gone_although_it_was_kept(run_id: str) -> None:
    store.codes(run_id, 1)
    store.run(run_id).delete()
    store.forget(run_id)
    with pytest.raises(RunNotFoundError):
        store.model(run_id)


def test_samples_are_read_once() -> None:
    assert store.sample("iris") is store.sample("iris")


def test_history_and_data_set_of_a_run(run_id: str, data: Dataset) -> None:
    assert store.dataset(run_id).fingerprint == data.fingerprint
    assert [row.epoch for row in store.history(run_id) if row.level == 1] == [1, 2]
