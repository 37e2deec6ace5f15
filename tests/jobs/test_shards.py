"""A training on many files is a run like any other: seen while it trains, stopped, resumed, and found afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explorer import store
from explorer.runview import view_run
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.shards import open_shards
from sae_core.errors import ConfigError, InUseError, RunNotFoundError, SaeError
from sae_core.jobs import find_job, resume_run
from sae_core.jobs.shards import ShardJob, begin, shard_job
from sae_core.model.trained import load_model
from sae_core.runs.run import Run
from sae_core.runs.script import script_text
from sae_core.runs.workspace import Workspace
from sae_core.training import spill
from sae_core.training.sharded import train_shards
from tests.training.test_sharded import rows

SHORT = StackConfig(layers=[4, 2], epochs=2, batch_size=32, softmax_epochs=1, fine_tune_epochs=1, activation="tanh")
LONG = SHORT.replace(epochs=20_000)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """400 rows in two files."""
    monkeypatch.setattr(spill, "SHARD_BYTES", 1)
    (tmp_path / "table").mkdir()
    for number in range(2):
        rows(200, number).to_parquet(tmp_path / "table" / f"part-{number}.parquet", index=False)
    return tmp_path / "table"


@pytest.fixture
def workspace(workspace_folder: Path) -> Workspace:
    return Workspace(workspace_folder)


def started(folder: Path, workspace: Workspace, config: StackConfig, **options: object) -> ShardJob:
    job = shard_job(open_shards(folder, label="label"), config, workspace, source=str(folder), **options)  # type: ignore[arg-type]
    assert isinstance(job, ShardJob)
    begin(job)
    return job


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_is_a_run_of_the_workspace(folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    job = started(folder, workspace, SHORT, name="big")
    model = job.result()
    (record,) = workspace.runs()
    run = workspace.run(record.id)
    assert (record.name, record.state, record.shards["rows"]) == ("big", "finished", 400)
    assert record.results["reconstruction_error"]
    assert [(row.phase, row.level, row.epoch) for row in run.history()][:3] == [
        ("pretrain", 1, 1), ("pretrain", 1, 2), ("pretrain", 2, 1),
    ]  # fmt: skip
    data = run.dataset()
    assert data.classes == model.classes == ("a", "b", "c")
    np.testing.assert_array_equal(run.model().encode(data), model.encode(data))
    assert not job.work.exists()  # it was the run's own
    view = view_run(record.id)
    assert (view.state, view.phase_index, len(view.history)) == ("finished", len(view.phases), len(run.history()))
    monkeypatch.chdir(folder.parent)
    exec(compile(script_text(record), "again.py", "exec"), {})
    assert load_model("repeated").to_files()["weights.safetensors"] == model.to_files()["weights.safetensors"]
    again = shard_job(open_shards(folder, label="label"), SHORT, workspace)
    assert isinstance(again, Run)  # there is nothing left to do
    assert again.id == record.id


def test_it_is_live_and_stopped_and_resumed_to_the_same_weights(folder: Path, workspace: Workspace) -> None:
    config = SHORT.replace(epochs=30)
    job = started(folder, workspace, config)
    until(lambda: job.snapshot().history)
    other = Run(workspace, job.id)  # as another program sees it
    assert other.record.state == "running"
    assert len(other.phases()) == len(job.snapshot().phases) > 3
    with pytest.raises(InUseError, match="at this very training"):
        shard_job(open_shards(folder, label="label"), config, workspace)
    job.stop()
    assert job.join(30)
    assert other.record.state == "stopped"
    assert other.dataset().n_features == 9
    assert 0 < len(other.history()) < 62
    resumed = resume_run(other)
    model = resumed.result()
    assert other.record.state == "finished"
    whole = train_shards(open_shards(folder, label="label"), config, folder.parent / "whole")
    assert whole is not None
    assert model.to_files()["weights.safetensors"] == whole.model.to_files()["weights.safetensors"]
    assert [row.epoch for row in other.history()] == whole.model.history["epoch"].tolist()


def test_it_pauses(folder: Path, workspace: Workspace) -> None:
    job = started(folder, workspace, LONG)
    until(lambda: job.snapshot().history)
    job.pause()
    until(lambda: job.snapshot().state == "paused")
    reached = len(job.snapshot().history)
    time.sleep(0.3)
    assert len(job.snapshot().history) == reached
    job.resume()
    until(lambda: len(job.snapshot().history) > reached)
    job.stop()
    assert job.join(30)


def test_a_run_whose_process_died_goes_on_with_the_same_command(folder: Path, workspace: Workspace) -> None:
    job = started(folder, workspace, LONG)
    until(lambda: len(job.snapshot().history) > 2)
    job.stop()
    job.join(30)
    run = workspace.run(job.id)
    run.update(state="running")  # as `kill -9` leaves it
    assert run.record.state == "interrupted"
    before = len(run.history())
    again = started(folder, workspace, LONG)
    assert again.id == job.id
    until(lambda: len(again.snapshot().history) > before)
    again.stop()
    again.join(30)
    assert len(workspace.runs()) == 1


def test_levels_that_are_trained_are_shown_meanwhile(folder: Path, workspace: Workspace) -> None:
    config = SHORT.replace(layers=(LayerConfig(units=4, epochs=1), LayerConfig(units=2, epochs=20_000)))
    job = started(folder, workspace, config)
    until(lambda: job.snapshot().phase_index == 1 and len(job.snapshot().history) > 1)
    assert Run(workspace, job.id).model().units == (4,)
    job.stop()
    job.join(30)


def test_while_the_files_are_read_there_are_no_rows_yet(
    folder: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sae_core.training import sharded

    job: list[ShardJob] = []

    def slow(table: object, number: int) -> None:
        until(lambda: job and job[0].wants_stop)
        raise SaeError("It was read too long.")

    monkeypatch.setattr(sharded, "count_shard", slow)
    job.append(started(folder, workspace, SHORT))
    until(lambda: job[0].snapshot().message)
    assert "The files are being read, 0%. Counting part-0.parquet." in job[0].snapshot().message
    assert view_run(job[0].id).phases == ()
    assert store.dataset_or_none(job[0].id) is None
    with pytest.raises(RunNotFoundError, match="not read to the end yet"):
        workspace.run(job[0].id).dataset()
    job[0].stop()
    job[0].join(30)


def test_what_is_wrong_with_a_file_is_in_the_run(folder: Path, workspace: Workspace) -> None:
    (folder / "part-1.parquet").write_bytes(b"PAR1 no")
    job = started(folder, workspace, SHORT)
    with pytest.raises(SaeError, match=r"part-1\.parquet"):
        job.result()
    record = workspace.run(job.id).record
    assert record.state == "failed"
    assert "part-1.parquet" in record.message
    assert find_job(job.id) is job


def test_nothing_is_begun_in_the_work_folder_of_another_training(folder: Path, workspace: Workspace) -> None:
    table, work = open_shards(folder), folder.parent / "work"
    train_shards(table, SHORT.replace(epochs=1), work)
    with pytest.raises(ConfigError, match="work folder of another training"):
        shard_job(table, SHORT, workspace, work=work)
    with pytest.raises(ConfigError, match="early stopping"):
        shard_job(table, SHORT.replace(early_stopping=3), workspace)
    assert workspace.runs() == []
