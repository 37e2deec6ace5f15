"""A bundle that becomes a run of another workspace: the same model bit for bit, and what it says about itself."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ModelFileError, SaeError, StorageError
from sae_core.export import imported
from sae_core.export.bundle import export_bundle, open_bundle
from sae_core.export.imported import import_bundle, misfit, use_with
from sae_core.export.origin import Origin
from sae_core.runs.run import Run
from sae_core.runs.workspace import Workspace
from tests.export.conftest import mixed_table, random_model


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def trained(workspace: Workspace, data: Dataset) -> Run:
    from sae_core.jobs import start_job

    config = StackConfig(layers=[5, 3], epochs=2, softmax_epochs=1, fine_tune_epochs=1)
    job = start_job(data, config, workspace=workspace, name="A run")
    job.result()
    return workspace.run(job.id)


def bundle_of(run: Run, path: Path) -> bytes:
    return export_bundle(run.model(), path, origin=Origin.of(run.record)).path.read_bytes()


def test_there_and_back_in_another_workspace(data: Dataset, workspace: Workspace, tmp_path: Path) -> None:
    run = trained(workspace, data)
    content = bundle_of(run, tmp_path / "model.zip")
    other = Workspace(tmp_path / "other")
    made = import_bundle(other, content, name="model.zip")
    assert made.is_new
    assert not made.has_data
    record, before = made.run.record, run.record
    assert (record.name, record.state, record.config) == ("A run", "finished", before.config)
    assert record.dataset_fingerprint == data.fingerprint
    assert record.results == before.results
    for name in ("split", "threads", "precision", "engines", "device", "versions", "seconds"):
        assert getattr(record, name) == getattr(before, name), name
    assert record.message == f"Imported from model.zip; trained {before.created[:10]}."
    assert made.run.history() == run.history()
    model, again = run.model(), made.run.model()
    for level in range(3):
        np.testing.assert_array_equal(again.encode(data, level), model.encode(data, level))
        x = model.prepare(data)
        np.testing.assert_array_equal(again.reconstruct_prepared(x, level), model.reconstruct_prepared(x, level))
    assert [found.id for found in other.runs()] == [made.run.id]
    other.save_dataset(data)
    assert made.run.dataset().fingerprint == data.fingerprint
    assert import_bundle(other, content).has_data


def test_the_same_model_is_not_imported_twice(table: Dataset, workspace: Workspace, tmp_path: Path) -> None:
    run = trained(workspace, table)
    made = import_bundle(workspace, bundle_of(run, tmp_path / "model.zip"))
    assert not made.is_new
    assert made.has_data
    assert made.run.id == run.id
    assert [path.name for path in (workspace.root / "runs").iterdir()] == [run.id]


def test_a_bundle_of_a_model_alone(table: Dataset, workspace: Workspace, tmp_path: Path) -> None:
    content = export_bundle(random_model(table), tmp_path / "model.zip").path.read_bytes()
    record = import_bundle(workspace, content).run.record
    assert record.name == "mixed.csv 7-3"
    assert (record.dataset_name, record.dataset_fingerprint, record.results) == ("mixed.csv", "", {})


def test_cut_off_imports_leave_no_run(
    table: Dataset, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = export_bundle(random_model(table), tmp_path / "model.zip").path.read_bytes()

    def full(*_: Any) -> None:
        raise StorageError("The disk is full. Free some space.")

    monkeypatch.setattr(Run, "write_record", full)
    with pytest.raises(StorageError):
        import_bundle(workspace, content)
    assert workspace.runs() == []
    assert list((workspace.root / "runs").iterdir()) == []


def _set(*path: str, value: Any) -> Callable[[Any], None]:
    def change(origin: Any) -> None:
        for name in path[:-1]:
            origin = origin[name]
        origin[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("run_name", value=7),
        _set("run_name", value="x" * 10_000),
        _set("created", value="../../etc"),
        _set("dataset_fingerprint", value="../" * 20),
        _set("results", "test_accuracy", value="<b>"),
        _set("results", "test_accuracy", value=2.0),
        _set("results", "reconstruction_error", value=["x"]),
        _set("results", "softmax_accuracy", value={"<script>": 0.5}),
        _set("seconds", value=-1.0),
        _set("threads", value=10**9),
        _set("split", value={"seed": "1); import os"}),
        _set("further", value=1),
    ],
)
def test_a_forged_origin_is_one_sentence(change: Callable[[Any], None], table: Dataset, tmp_path: Path) -> None:
    from tests.hostile.test_bundles import packed, signed

    record_like = Origin("run", "2026-01-01T00:00:00.000000+00:00", "d", "0" * 64)
    content = export_bundle(random_model(table), tmp_path / "model.zip", origin=record_like).path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert open_bundle(packed(signed(members)))[1] == record_like
    origin = json.loads(members["origin.json"])
    change(origin)
    members["origin.json"] = json.dumps(origin).encode()
    with pytest.raises(ModelFileError, match="as it was saved"):
        open_bundle(packed(members))
    with pytest.raises(SaeError, match=r"origin\.json in this bundle is not as it was exported") as caught:
        open_bundle(packed(signed(members)))
    assert "../" not in str(caught.value)


def test_which_data_fits(table: Dataset, pictures: Dataset, arrays: Dataset) -> None:
    import dataclasses

    model = random_model(table)
    assert misfit(model, table) == ""
    assert misfit(model, dataclasses.replace(table, labels=None)) == ""
    assert "takes a table" in misfit(model, pictures)
    assert "classes are others" in misfit(model, dataclasses.replace(table, labels=np.array([1, 2] * 60)))
    assert "no column 'ok'" in misfit(
        model,
        dataclasses.replace(table, features=table.features.drop(columns="ok"), columns=table.columns[:-1]),  # type: ignore[union-attr]
    )
    other = dataclasses.replace(arrays, features=arrays.features[:, :4])  # type: ignore[index]
    assert "4 numbers, and the model takes 6" in misfit(random_model(arrays), other)
    smaller = dataclasses.replace(pictures, features=pictures.features[:, :12], image_shape=(2, 2, 3))  # type: ignore[index]
    assert "pictures are 2 x 2 x 3" in misfit(random_model(pictures), smaller)


def test_another_data_set_takes_its_place(table: Dataset, workspace: Workspace, tmp_path: Path) -> None:
    content = export_bundle(random_model(table), tmp_path / "model.zip").path.read_bytes()
    run = import_bundle(workspace, content).run
    rows = mixed_table(60)
    use_with(run, rows)
    assert run.dataset().fingerprint == rows.fingerprint
    with pytest.raises(ModelFileError, match="does not fit this model"):
        use_with(run, Dataset(name="x", kind="arrays", features=np.zeros((4, 2), np.float32)))
    assert imported.import_bundle(workspace, content).has_data
