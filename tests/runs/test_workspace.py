"""Data sets and runs on disk: found again, told apart, and never half there."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset, SplitOptions
from sae_core.data.samples import load_sample
from sae_core.errors import ModelFileError, RunNotFoundError, StorageError
from sae_core.runs.datasets import write_dataset
from sae_core.runs.run import Run
from sae_core.runs.workspace import Workspace, default_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


@pytest.fixture
def table() -> Dataset:
    frame = pd.DataFrame(
        {
            "n": [1.5, np.nan, 3.0],
            "c": pd.array(["a", "=1+1", None], dtype="str"),
            "d": pd.to_datetime(["2024-01-01", None, "2024-03-01"]),
            "b": pd.array([True, None, False], dtype="boolean"),
        }
    )
    kinds = zip("ncdb", ("numeric", "category", "date", "boolean"), strict=True)
    return Dataset(
        "mixed",
        "table",
        frame,
        labels=np.array(["NA", None, "007"], dtype=object),
        columns=tuple(Column(name, kind) for name, kind in kinds),
        identifiers=pd.DataFrame({"id": ["x", "y", "z"]}),
        label_name="kind",
        notes=("One row was dropped.",),
    )


def test_a_table_comes_back_as_it_was(workspace: Workspace, table: Dataset) -> None:
    back = workspace.load_dataset(workspace.save_dataset(table))
    pd.testing.assert_frame_equal(back.features, table.features)
    pd.testing.assert_frame_equal(back.identifiers, table.identifiers)
    assert back.labels is not None
    assert back.labels.tolist() == ["NA", None, "007"]
    assert back.fingerprint == table.fingerprint
    for name in ("name", "columns", "label_name", "notes", "split_options", "kind"):
        assert getattr(back, name) == getattr(table, name)


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_a_sample_comes_back_as_it_was(workspace: Workspace, name: str) -> None:
    data = load_sample(name)
    back = workspace.load_dataset(workspace.save_dataset(data))
    np.testing.assert_array_equal(np.asarray(back.features), np.asarray(data.features))
    np.testing.assert_array_equal(back.labels, data.labels)
    assert back.labels.dtype == data.labels.dtype  # type: ignore[union-attr]
    assert (back.image_shape, back.fingerprint) == (data.image_shape, data.fingerprint)


@pytest.mark.parametrize(("pixels", "file"), [([0.0, 1 / 255, 1.0], "pixels.npy"), ([0.0, 0.3, 1.0], "features.npy")])
def test_pictures_are_stored_small_only_where_that_changes_nothing(
    workspace: Workspace, pixels: list[float], file: str
) -> None:
    features = np.array([pixels], dtype=np.float32)
    data = Dataset("p", "images", features, image_shape=(1, 3, 1))
    fingerprint = workspace.save_dataset(data)
    assert (workspace.root / "datasets" / fingerprint / file).exists()
    np.testing.assert_array_equal(workspace.load_dataset(fingerprint).features, features)


def test_an_official_test_set_is_kept(workspace: Workspace) -> None:
    official = np.array([False, False, True, False])
    data = Dataset("t", "arrays", np.eye(4, dtype=np.float32), official_test=official)
    back = workspace.load_dataset(workspace.save_dataset(data))
    assert back.split.test.tolist() == [2]


def test_the_same_content_is_stored_once_and_another_split_apart(workspace: Workspace) -> None:
    data = load_sample("iris")
    first = workspace.save_dataset(data)
    stamp = (workspace.root / "datasets" / first / "manifest.json").stat().st_mtime_ns
    assert workspace.save_dataset(load_sample("iris")) == first
    assert (workspace.root / "datasets" / first / "manifest.json").stat().st_mtime_ns == stamp
    assert workspace.save_dataset(data.with_split(SplitOptions(seed=1))) != first
    assert [record.name for record in workspace.datasets()] == [data.name] * 2


def test_a_damaged_data_set_is_refused_and_not_listed(workspace: Workspace, table: Dataset) -> None:
    fingerprint = workspace.save_dataset(table)
    path = workspace.root / "datasets" / fingerprint / "features.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"features\.parquet"):
        workspace.load_dataset(fingerprint)
    (path.parent / "dataset.json").write_text("{")
    assert workspace.datasets() == []


def test_a_deleted_data_set_is_gone_and_its_runs_are_named_first(workspace: Workspace, table: Dataset) -> None:
    run = workspace.create_run(table, StackConfig(layers=[2]))
    assert [record.id for record in workspace.runs_of(table.fingerprint)] == [run.id]
    workspace.delete_dataset(table.fingerprint)
    with pytest.raises(RunNotFoundError, match="Upload it again"):
        run.dataset()
    workspace.save_dataset(table)  # the same file, uploaded again
    assert run.dataset().fingerprint == table.fingerprint


@pytest.mark.parametrize("run_id", ["", "..", "../../etc", "20260101-000000-abcdef", "x" * 500, "a/b", "\0"])
def test_an_id_from_the_address_cannot_leave_the_workspace(workspace: Workspace, run_id: str) -> None:
    with pytest.raises(RunNotFoundError):
        workspace.run(run_id)
    with pytest.raises(RunNotFoundError):
        workspace.load_dataset(run_id)


def test_a_record_round_trips_and_renames(workspace: Workspace, table: Dataset) -> None:
    run = workspace.create_run(table, StackConfig(layers=[3, 2], epochs=4), name="first")
    run.write_result("note", {"x": 1})
    run.rename("  second ")
    run.annotate(tags=[" good ", "good", "", "of May"], note="  keeps more\n")
    record = workspace.run(run.id).record
    assert (record.name, record.results, record.config.units) == ("second", {"note": {"x": 1}}, (3, 2))
    assert record.versions["torch"]
    assert (record.tags, record.note, record.precision) == (("good", "of May"), "keeps more", "float32")
    assert (record.split["seed"], record.split["train_rows"]) == (0, len(table.split.train))
    run.delete()
    assert workspace.runs() == []
    with pytest.raises(RunNotFoundError):
        _ = run.record


def test_runs_are_listed_newest_first_and_damaged_ones_left_out(workspace: Workspace, table: Dataset) -> None:
    runs = [workspace.create_run(table, StackConfig(layers=[2]), name=str(i)) for i in range(3)]
    for i, run in enumerate(runs):
        run.write_record(dataclasses.replace(run.record, created=f"2026-01-0{i + 1}T00:00:00+00:00"))
    (runs[1].folder / "run.json").write_text('{"config": 1}')
    assert [record.name for record in workspace.runs()] == ["2", "0"]


def test_a_run_that_nobody_drives_is_interrupted(workspace: Workspace, table: Dataset) -> None:
    run = workspace.create_run(table, StackConfig(layers=[2]))
    run.update(state="running")
    assert run.record.state == "interrupted"
    run.hold()
    assert workspace.run(run.id).record.state == "running"
    run.let_go()
    assert run.record.state == "interrupted"


def test_a_history_cut_off_by_a_crash_loses_one_line_only(workspace: Workspace) -> None:
    from sae_core.training.trainer import fit

    data = load_sample("iris")
    run = workspace.create_run(data, StackConfig(layers=[2], epochs=3))
    from sae_core.training.events import HistoryRow

    rows = [HistoryRow(**row) for row in fit(data, run.record.config).history.to_dict("records")]  # type: ignore[arg-type]
    for row in rows:
        run.append_history(row)
    assert [dataclasses.astuple(row)[:5] for row in run.history()] == [dataclasses.astuple(row)[:5] for row in rows]
    path = run.folder / "history.jsonl"
    path.write_text(path.read_text()[:-20])
    assert len(run.history()) == len(rows) - 1
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0][:10], *lines[1:]]))
    with pytest.raises(ModelFileError, match="Line 1"):
        run.history()


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAE_WORKSPACE", str(tmp_path / "mine"))
    assert default_workspace().root == tmp_path / "mine"
    monkeypatch.delenv("SAE_WORKSPACE")
    assert default_workspace().root.name == "stacked-autoencoder-explorer"


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, table: Dataset) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="another workspace"):
        Workspace(tmp_path / "file").create_run(table, StackConfig(layers=[2]))


def test_nothing_is_written_as_a_pickle(workspace: Workspace, table: Dataset) -> None:
    workspace.save_dataset(table)
    for path in workspace.root.rglob("*"):
        if path.is_file():
            assert not path.read_bytes().startswith(b"\x80\x04")
            if path.suffix == ".json":
                json.loads(path.read_text())


@pytest.mark.parametrize("hold", [True, False])
def test_a_run_that_could_not_be_written_leaves_nothing(
    workspace: Workspace, table: Dataset, monkeypatch: pytest.MonkeyPatch, hold: bool
) -> None:
    kept = workspace.create_run(table, StackConfig(layers=[2]))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        workspace.create_run(table, StackConfig(layers=[2]), hold=hold)
    assert list((workspace.root / "runs").iterdir()) == [kept.folder]
    kept.delete()  # which a full disk does not hinder
    assert workspace.runs() == []


def test_a_data_set_stored_by_two_at_once_is_stored(
    workspace: Workspace, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(data: Dataset, folder: Path) -> None:
        write_dataset(data, folder)
        raise StorageError("Could not write: Directory not empty.")  # the rename of the slower one

    monkeypatch.setattr("sae_core.runs.workspace.write_dataset", beaten)
    assert workspace.load_dataset(workspace.save_dataset(table)).fingerprint == table.fingerprint


def test_a_data_set_deleted_while_a_run_begins_is_stored_again(
    workspace: Workspace, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another program deletes it in that very moment: no run of it can be seen yet."""
    hold = Run.hold

    def held_too_late(run: Run) -> None:
        workspace.delete_dataset(table.fingerprint)
        hold(run)

    monkeypatch.setattr(Run, "hold", held_too_late)
    assert workspace.create_run(table, StackConfig(layers=[2])).dataset().fingerprint == table.fingerprint
