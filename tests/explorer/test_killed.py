"""A server killed in the middle of a sweep, a checkpoint, a download, an export to a file and two imports at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer import imports, store, uploads
from explorer.tasks import Task
from sae_core.data.samples import load_sample
from sae_core.errors import InUseError
from sae_core.export.bundle import export_bundle
from sae_core.export.codes import export_codes
from sae_core.jobs.sweep import go_on
from sae_core.runs.sweep import open_sweep
from sae_core.runs.tidy import tidy
from sae_core.runs.workspace import Workspace
from sae_core.temporary import sweep_scratch
from sae_core.training.trainer import fit
from tests.explorer.doomed import BASE, UPLOAD
from tests.export.conftest import array_set, random_model

ROOT = Path(__file__).parents[2]
WAIT = 60


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*") if not path.name.endswith(".guard")]


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[None]:
    """At the end of the block, or when it fails."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)


def done(task: Task) -> Any:
    assert task.join(WAIT)
    assert not task.snapshot().error
    return task.snapshot().result


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, here and in the program."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / "scratch"


def test_nothing_that_was_finished_is_lost_and_nothing_half_is_left(
    workspace_folder: Path, scratch: Path, tmp_path: Path
) -> None:
    workspace, iris = Workspace(workspace_folder), load_sample("iris")
    other = random_model(array_set())
    bundle = export_bundle(other, tmp_path / "other.zip").path
    codes = tmp_path / "codes.csv"
    codes.write_text("of before")
    program = [sys.executable, "-m", "tests.explorer.doomed", str(bundle), str(codes)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process, killed(process):
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        kept, sweep = workspace.run(told["kept"]), open_sweep(workspace, told["sweep"])
        assert [trial.record.state for trial in sweep.trials()] == ["finished", "running"]
        assert [data.name for data in workspace.datasets()] == ["Iris"]
        assert len(workspace.runs()) == 3  # the half import is no run
        with pytest.raises(InUseError, match="Stop it first"):
            sweep.delete()
        before = contents(workspace_folder)
        tidy(workspace)  # another program comes while it works
        sweep_scratch()
        assert contents(workspace_folder).keys() == before.keys()
        assert list(scratch.iterdir())

    assert [trial.record.state for trial in sweep.trials()] == ["finished", "interrupted"]
    assert (sweep.plan.state, len(workspace.runs()), len(workspace.datasets())) == ("interrupted", 3, 1)
    assert hidden(workspace_folder)
    finished = contents(kept.folder), contents(workspace.run(sweep.trials()[0].record.id).folder)
    tidy(workspace)
    sweep_scratch()
    assert hidden(workspace_folder) == []
    assert list(scratch.iterdir()) == []
    assert len(list((workspace_folder / "runs").glob("2*"))) == 3
    assert finished == (contents(kept.folder), contents(workspace.run(sweep.trials()[0].record.id).folder))
    np.testing.assert_array_equal(kept.model().encode(iris), fit(iris, kept.record.config).encode(iris))

    assert codes.read_text() == "of before"
    assert len(list(tmp_path.glob(".codes.*"))) == 1
    export_codes(kept.model(), iris, codes)
    assert list(tmp_path.glob(".codes.*")) == []

    assert workspace.run(sweep.trials()[1].record.id).checkpoint() is not None
    assert go_on(sweep).join(WAIT)
    assert [trial.record.state for trial in sweep.trials()] == ["finished"] * 3
    cut_off = workspace.run(sweep.trials()[1].record.id)
    np.testing.assert_array_equal(cut_off.model().encode(iris), fit(iris, cut_off.record.config).encode(iris))

    imported = done(imports.importing(imports.received("other.zip", bundle.read_bytes()), None))
    assert imported.is_new
    np.testing.assert_array_equal(imported.run.model().encode(array_set()), other.encode(array_set()))
    data = done(uploads.reading(uploads.received(UPLOAD), None))
    assert store.workspace().load_dataset(data.fingerprint).fingerprint == data.fingerprint
    assert hidden(workspace_folder) == []


def test_what_an_unknown_owner_left_stays(workspace_folder: Path) -> None:
    workspace = Workspace(workspace_folder)
    run = workspace.create_run(load_sample("iris"), BASE)
    os.remove(run.folder / "run.json")  # nobody says that it was being made
    (workspace_folder / "datasets" / ".kept.part").touch()
    tidy(workspace)
    assert run.folder.exists()
    assert (workspace_folder / "datasets" / ".kept.part").exists()


def test_checkpoints_go_once_the_run_is_finished(workspace_folder: Path) -> None:
    run = Workspace(workspace_folder).create_run(load_sample("iris"), BASE)
    (run.folder / "checkpoints" / "000001").mkdir(parents=True)
    (run.folder / "model").mkdir()
    for state, kept in (("running", True), ("finished", False)):
        run.update(state=state)
        tidy(run.workspace)
        assert (run.folder / "checkpoints").exists() is kept
    assert (run.folder / "model").exists()
