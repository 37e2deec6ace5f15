"""What the pages of insight ask for: made once, shared, and safe to stop."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from explorer import insights, store, tasks
from sae_core.analysis.projections import MapSettings
from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset
from sae_core.jobs import start_job

QUICK = MapSettings(epochs=20)


@pytest.fixture
def run_id() -> Iterator[str]:
    rng = np.random.default_rng(0)
    data = Dataset(
        name="rows.npz",
        kind="arrays",
        features=rng.normal(size=(80, 6)).astype(np.float32),
        labels=np.arange(80, dtype=np.int64) % 2,
    )
    config = StackConfig(layers=[4, 2], epochs=1, softmax_epochs=1, fine_tune_epochs=1)
    store.forget()
    job = start_job(data, config, workspace=store.workspace())
    job.result()
    yield job.id
    for task in list(tasks._tasks.values()):
        task.cancel()
        task.join(30)


def test_the_same_question_is_asked_once(run_id: str) -> None:
    for ask in (insights.row_errors, insights.column_errors, insights.linear_yardstick, insights.classified):
        first = ask(run_id)
        assert first.join(60)
        assert not first.snapshot().error
        assert ask(run_id) is first


def test_results_are_the_engines(run_id: str) -> None:
    task = insights.row_errors(run_id)
    assert task.join(60)
    errors = task.snapshot().result
    model, data = store.model(run_id), store.dataset(run_id)
    x = model.prepare(data)
    np.testing.assert_allclose(
        errors.at(2), np.square(model.reconstruct_prepared(x, 2) - x).mean(axis=1), rtol=1e-3, atol=1e-6
    )


def test_pca_stands_in_until_umap_is_ready(run_id: str) -> None:
    found = insights.atlas(run_id, QUICK)
    assert found.best(1, "umap") is None
    assert found.draw("pca").join(60)
    standing_in = found.best(1, "umap")
    assert standing_in is not None
    assert standing_in.method == "pca"
    assert found.draw("umap").join(120)
    ready = found.best(1, "umap")
    assert ready is not None
    assert ready.method == "umap"
    assert found.is_complete("umap")


def test_an_atlas_serves_both_methods(run_id: str) -> None:
    assert insights.atlas(run_id, QUICK) is insights.atlas(run_id, MapSettings(method="pca", epochs=20))
    assert insights.atlas(run_id, QUICK) is not insights.atlas(run_id, QUICK, fine_tuned=True)


def test_a_stopped_drawing_keeps_what_is_ready_and_can_go_on(run_id: str) -> None:
    found = insights.atlas(run_id, MapSettings(epochs=10_000))
    task = found.draw("umap")
    found.stop("umap")
    assert task.join(60)
    assert not found.is_complete("umap")
    assert found.draw("umap") is not task
    found.stop("umap")


def test_fine_tuned_maps_show_fine_tuned_codes(run_id: str) -> None:
    for fine_tuned in (False, True):
        found = insights.atlas(run_id, QUICK, fine_tuned=fine_tuned)
        codes = list(found.codes())
        model = store.model(run_id)
        np.testing.assert_allclose(
            codes[2], model.encode(store.dataset(run_id), 2, fine_tuned=fine_tuned), rtol=1e-5, atol=1e-6
        )


def test_scales_of_every_kind_of_column() -> None:
    features = pd.DataFrame(
        {
            "age": [1.0, 3.0, np.nan],
            "colour": pd.Series(["red", "blue", None], dtype="str"),
            "seen": pd.to_datetime(["2024-01-01", "2024-01-03", None]),
            "member": pd.Series([True, False, None], dtype="boolean"),
            "empty": [np.nan, np.nan, np.nan],
        }
    )
    kinds = ("numeric", "category", "date", "boolean", "numeric")
    columns = tuple(Column(name, kind) for name, kind in zip(features.columns, kinds, strict=True))
    data = Dataset(name="people.csv", kind="table", features=features, columns=columns)
    assert insights.column_scales(data) == (1.0, 0.0, 1.0, 0.0, 0.0)
