"""Several processes: the same plan on the same rows, and a worker that dies is survived."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sae_core as sae
from sae_core.errors import ConfigError
from sae_core.runs.workspace import default_workspace
from tests.training.test_sharded import rows

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds: a guard against hanging, not a measure of speed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """1,200 rows in three files."""
    target = tmp_path / "table"
    target.mkdir()
    for number, part in enumerate(np.array_split(np.arange(1200), 3)):
        rows(1200).iloc[part].to_parquet(target / f"part-{number}.parquet", index=False)
    return target


def command(processes: int, *arguments: object) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--max-restarts=3"]
    launcher += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--monitor-interval=0.1", "-m", "sae_core"]
    return [*launcher, *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def workers(launcher: int) -> list[int]:
    """Processes that torchrun started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            told = entry.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if parent == launcher and b"sae_core" in told:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="workers are found through /proc")
def test_a_killed_worker_is_survived(folder: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "model", tmp_path / "model.work"
    train = ["train", folder, "--label", "label", "--layers", "6,3", "--epochs", 12, "--batch-size", 16, "--json"]
    train += ["--set", "softmax_epochs=2", "--set", "fine_tune_epochs=2", "--out", out]
    with subprocess.Popen(
        command(2, *train), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as launcher:
        try:
            deadline = time.monotonic() + PATIENCE
            while not list((work / "checkpoints").glob("[0-9]*")) and time.monotonic() < deadline:
                assert launcher.poll() is None, launcher.communicate()
                time.sleep(0.05)
            reached = len(list((work / "checkpoints").glob("[0-9]*")))
            victims = workers(launcher.pid)
            assert reached
            assert len(victims) == 2
            os.kill(victims[-1], signal.SIGKILL)
            said, errors = launcher.communicate(timeout=PATIENCE)
        finally:
            for left in (*workers(launcher.pid), launcher.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
    assert launcher.returncode == 0, errors
    told = json.loads(said)
    assert told["processes"] == 2
    assert told["rows"] == 1200
    model = sae.load_model(out)
    (record,) = default_workspace().runs()  # the processes that started again went on with the run of the dead
    assert (record.id, record.state, record.shards["processes"]) == (told["run"], "finished", 2)
    history = model.history
    assert [row.epoch for row in default_workspace().run(record.id).history()] == history["epoch"].tolist()
    done = history.groupby(["phase", "level"], sort=False)["epoch"].agg(list)
    assert done["pretrain", 1] == list(range(1, 13))  # no epoch is missing, none was counted twice
    assert done["fine_tune", 2] == [1, 2]
    training = told["training_rows"]
    assert history["samples"].iloc[0] == training


def test_files_are_shared_among_the_processes_that_encode(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from sae_core.cli import cli

    def run(*arguments: object) -> str:
        done = CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    with pytest.raises(ConfigError, match="--layers"):
        run("train", folder)
    np.save(tmp_path / "x.npy", np.eye(9))
    with pytest.raises(ConfigError, match=r"x\*\.npy is no table.*save them as Parquet files"):
        run("train", f"{tmp_path}/x*.npy", "--layers", "3")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="without torchrun"):
        run("train", "mnist", "--layers", "3")
    monkeypatch.delenv("WORLD_SIZE")
    out, codes = tmp_path / "model", tmp_path / "codes"
    settings = ["--set", "softmax_epochs=0", "--set", "fine_tune_epochs=0", "--epochs", 1]
    told = json.loads(run("train", f"{folder}/part-*.parquet", "--layers", "6,3", "--out", out, "--json", *settings))
    assert (told["rows"], told["processes"], told["state"]) == (1200, 1, "finished")
    assert not out.with_name("model.work").exists()
    (record,) = default_workspace().runs()
    assert record.id == told["run"]
    arguments = [f"{folder}/part-*.parquet", "--layers", "6,3", "--json", *settings]
    assert json.loads(run("train", *arguments))["run"] == record.id  # finished: not trained again
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, files in (("0", 2), ("1", 1), ("1", 0)):  # the second time they are there
        monkeypatch.setenv("RANK", rank)
        assert json.loads(run("encode", out, folder, "-o", codes, "--json"))["written"] == files
    parts = [pd.read_parquet(path) for path in sorted(codes.glob("*.parquet"))]
    assert [len(part) for part in parts] == [400, 400, 400]
    found = np.concatenate([part.filter(like="code_").to_numpy() for part in parts])
    np.testing.assert_allclose(found, sae.load_model(out).encode(rows(1200)), atol=1e-5)
