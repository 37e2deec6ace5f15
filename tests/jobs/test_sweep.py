"""Sweeps: drawn, driven one run after the other, stopped, and gone on with. Killed: tests/explorer/test_killed.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sae_core import jobs
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.data.samples import load_sample
from sae_core.errors import ConfigError, InUseError, RunNotFoundError, StorageError
from sae_core.jobs.sweep import find_sweep, go_on, start_sweep
from sae_core.runs.draws import Space
from sae_core.runs.sweep import open_sweep, ranked, sweeps
from sae_core.runs.workspace import Workspace

WAIT = 60
BASE = StackConfig(layers=[3, 2], epochs=2, softmax_epochs=2, fine_tune_epochs=2, batch_size=32)
SPACE = Space(units=((3, 6), (2, 3)), learning_rate=(1e-3, 1e-1))


@pytest.fixture(scope="module")
def iris() -> Dataset:
    return load_sample("iris")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def until(condition: Callable[[], object], seconds: float = WAIT) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("method", ["grid", "random", "optuna"])
def test_every_run_is_an_ordinary_one_and_the_best_is_first(iris: Dataset, workspace: Workspace, method: str) -> None:
    job = start_sweep(workspace, iris, BASE, SPACE, method=method, runs=4)  # type: ignore[arg-type]
    assert job.join(WAIT)
    plan = job.sweep.plan
    assert (plan.state, plan.objective, find_sweep(plan.id)) == ("finished", "validation_accuracy", None)
    trials = job.sweep.trials()
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert len({trial.record.config for trial in trials}) == 4
    assert all(trial.value == trial.record.results["validation_accuracy"] for trial in trials)
    values = [trial.value for trial in ranked(trials, plan)]
    assert values == sorted(values, key=lambda value: -(value or 0))
    assert [found.id for found in sweeps(workspace)] == [plan.id]
    job.sweep.delete()
    assert sweeps(workspace) == []
    assert len(workspace.runs()) == 4  # the runs stay
    with pytest.raises(RunNotFoundError):
        open_sweep(workspace, plan.id)


def test_without_labels_the_error_decides(iris: Dataset, workspace: Workspace) -> None:
    plain = Dataset("plain", "table", iris.features, columns=iris.columns)
    job = start_sweep(workspace, plain, BASE, SPACE, runs=2)
    assert job.join(WAIT)
    plan, trials = job.sweep.plan, job.sweep.trials()
    assert plan.objective == "validation_error"
    best = ranked(trials, plan)[0]
    assert best.value == min(trial.value or 0 for trial in trials)


def test_stop_keeps_what_is_finished_and_going_on_does_the_rest(iris: Dataset, workspace: Workspace) -> None:
    job = start_sweep(workspace, iris, BASE.replace(epochs=40), SPACE, runs=4, seed=1)
    with pytest.raises(InUseError):
        go_on(open_sweep(workspace, job.sweep.id))
    until(lambda: any(trial.value is not None for trial in job.sweep.trials()))
    job.stop()
    assert job.join(WAIT)
    assert job.sweep.plan.state == "stopped"
    before = {trial.record.id: trial.record.results for trial in job.sweep.trials() if trial.value is not None}
    assert 1 <= len(before) < 4
    again = go_on(open_sweep(workspace, job.sweep.id))
    assert again.join(WAIT)
    trials = again.sweep.trials()
    assert [trial.record.state for trial in trials] == ["finished"] * 4
    assert before.items() <= {trial.record.id: trial.record.results for trial in trials}.items()
    plan = again.sweep.plan
    drawn = [plan.space.configured(plan.base, draw) for draw in plan.draws() or ()]
    assert [trial.record.config for trial in trials] == drawn


def test_a_run_that_diverges_does_not_end_the_sweep(iris: Dataset, workspace: Workspace) -> None:
    base = BASE.replace(optimiser="sgd", activation="linear", epochs=60)
    space = Space(units=((3, 3), (2, 2)), learning_rate=(1e-3, 100.0))
    job = start_sweep(workspace, iris, base, space, method="grid", runs=2)
    assert job.join(WAIT)
    assert job.sweep.plan.state == "finished"
    assert sorted(trial.record.state for trial in job.sweep.trials()) == ["diverged", "finished"]
    assert ranked(job.sweep.trials(), job.sweep.plan)[0].record.state == "finished"


def test_what_cannot_be_is_refused_before_anything_is_written(iris: Dataset, workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="validation rows"):
        start_sweep(workspace, iris.with_split(SplitOptions(validation=0)), BASE, SPACE)
    for space in (Space(units=((3, 10**9), (2, 2)), learning_rate=(0.1, 0.1)), Space(((3, 3),) * 2, (0.1, 1e9))):
        with pytest.raises(ConfigError):
            start_sweep(workspace, iris, BASE, space)
    with pytest.raises(ConfigError, match="1 to 100"):
        start_sweep(workspace, iris, BASE, SPACE, runs=1000)
    assert sweeps(workspace) == []


def test_a_full_disk_ends_a_sweep_in_one_sentence(
    iris: Dataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("Could not write run.json: No space left on device. Free some space, then try again.")

    monkeypatch.setattr(jobs, "start_job", full)
    job = start_sweep(workspace, iris, BASE, SPACE, runs=2)
    assert job.join(WAIT)
    assert (job.sweep.plan.state, "No space left" in job.sweep.plan.message) == ("failed", True)
    monkeypatch.undo()
    again = go_on(job.sweep)
    assert again.join(WAIT)
    assert len(job.sweep.trials()) == 2
