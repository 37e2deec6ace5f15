"""Jobs in the background: pause, resume, stop, queue, faults, and a process killed under them."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.data.samples import load_sample
from sae_core.errors import (
    CancelledError,
    DiskFullError,
    DivergedError,
    MemoryExhaustedError,
    SaeError,
    TrainingError,
)
from sae_core.jobs import JobSnapshot, JobState, active_jobs, find_job, resume_run, start_job
from sae_core.jobs.job import Job
from sae_core.runs.run import Run
from sae_core.runs.workspace import Workspace
from sae_core.training.closed import ClosedStep
from sae_core.training.events import Phase
from sae_core.training.loop import PhaseLoop
from sae_core.training.objective import PretrainObjective
from sae_core.training.pace import Pace
from sae_core.training.step import Outcome
from sae_core.training.trainer import fit

LONG = StackConfig(layers=[3, 2], epochs=5_000, batch_size=16)
SHORT = StackConfig(layers=[3, 2], epochs=3, batch_size=16, softmax_epochs=2, fine_tune_epochs=2)


@pytest.fixture(scope="module")
def iris() -> Dataset:
    return load_sample("iris")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def wait(job: Job, condition: Callable[[JobSnapshot], bool], seconds: float = 30) -> JobSnapshot:
    """The first snapshot that fulfils a condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition(snapshot := job.snapshot()):
            return snapshot
        time.sleep(0.01)
    raise AssertionError(f"waited in vain: {job.snapshot()}")


def is_training(snapshot: JobSnapshot) -> bool:
    return snapshot.state is JobState.RUNNING and len(snapshot.history) > 1


def test_a_job_gives_the_model_that_fit_gives(iris: Dataset, workspace: Workspace) -> None:
    job = start_job(iris, SHORT, workspace=workspace, name="mine")
    model = job.result()
    np.testing.assert_array_equal(model.encode(iris), fit(iris, SHORT).encode(iris))
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.fraction, snapshot.message) == (JobState.FINISHED, 1.0, "")
    assert snapshot.phase_index == len(snapshot.phases) == 6
    assert len(snapshot.history) == 3 + 3 + 2 * 3 + 2
    assert snapshot.preview is not None

    run = workspace.run(job.id)
    assert (run.record.state, run.record.name) == ("finished", "mine")
    assert list(run.record.engines) == [phase.title for phase in snapshot.phases]
    assert set(run.record.engines.values()) == {"cpu, 1 thread, float32, closed form"}
    assert 0 <= run.record.results["test_accuracy"] <= 1
    assert len(run.record.results["reconstruction_error"]) == 2
    np.testing.assert_array_equal(run.model().encode(iris), model.encode(iris))
    assert [row.epoch for row in run.history()] == [row.epoch for row in snapshot.history]
    assert run.checkpoint() is None
    trace = run.trace()
    assert [point.step for point in trace] == sorted(point.step for point in trace)
    assert {(point.phase, point.level) for point in trace} == {("pretrain", 1), ("pretrain", 2)}
    assert all(point.error > 0 for point in trace)


def test_a_job_without_a_workspace_writes_nothing(iris: Dataset, workspace_folder: Path) -> None:
    assert start_job(iris, SHORT).result().units == (3, 2)
    assert list(workspace_folder.iterdir()) == []


@pytest.mark.parametrize("kept", [True, False])
def test_pause_stands_still_and_resume_changes_nothing(iris: Dataset, workspace: Workspace, kept: bool) -> None:
    config = SHORT.replace(epochs=200)
    job = start_job(iris, config, workspace=workspace if kept else None)
    wait(job, is_training)
    job.pause()
    job.pause()
    still = wait(job, lambda snapshot: snapshot.state is JobState.PAUSED)
    time.sleep(0.2)
    assert len(job.snapshot().history) == len(still.history)
    assert job.snapshot().samples_per_second == 0
    if kept:
        assert workspace.run(job.id).record.state == "paused"
    job.resume()
    job.resume()
    np.testing.assert_array_equal(job.result().encode(iris), fit(iris, config).encode(iris))


def test_stop_ends_with_a_checkpoint_and_resume_gives_the_same_model(iris: Dataset, workspace: Workspace) -> None:
    config = SHORT.replace(epochs=400)
    job = start_job(iris, config, workspace=workspace)
    wait(job, is_training)
    job.stop()
    job.stop()
    assert job.join(30)
    assert job.snapshot().state is JobState.STOPPED
    with pytest.raises(CancelledError):
        job.result()
    run = workspace.run(job.id)
    assert run.record.state == "stopped"
    assert run.checkpoint() is not None

    again = resume_run(run)
    with pytest.raises(TrainingError, match="under way"):
        resume_run(run)
    np.testing.assert_array_equal(again.result().encode(iris), fit(iris, config).encode(iris))
    assert find_job(run.id) is again
    assert [row.step for row in run.history()] == fit(iris, config).history.step.tolist()
    with pytest.raises(TrainingError, match="finished"):
        resume_run(run)


def test_stop_while_paused_and_buttons_on_a_finished_job(iris: Dataset, workspace: Workspace) -> None:
    job = start_job(iris, LONG, workspace=workspace)
    wait(job, is_training)
    job.pause()
    wait(job, lambda snapshot: snapshot.state is JobState.PAUSED)
    job.stop()
    assert job.join(30)
    for button in (job.pause, job.resume, job.stop):
        button()
    assert job.snapshot().state is JobState.STOPPED


def test_the_levels_trained_so_far_can_be_looked_at(iris: Dataset, workspace: Workspace) -> None:
    job = start_job(iris, StackConfig(layers=[3, 2], epochs=150, batch_size=16), workspace=workspace)
    wait(job, lambda snapshot: snapshot.phase_index == 1 and len(snapshot.history) > 150)
    job.stop()
    job.join(30)
    model = workspace.run(job.id).model()
    assert model.units == (3,)
    full = fit(iris, job.config)
    np.testing.assert_array_equal(model.encode(iris), full.encode(iris, 1))


def test_the_levels_trained_so_far_can_be_looked_at_while_the_rest_trains(iris: Dataset, workspace: Workspace) -> None:
    config = StackConfig(layers=[3, LayerConfig(units=2, epochs=100_000)], epochs=2)
    job = start_job(iris, config, workspace=workspace)
    wait(job, lambda _: job.trained_so_far is not None)
    assert job.trained_so_far is not None
    phases_done, model = job.trained_so_far
    assert phases_done == 1
    assert model.units == (3,)
    only_first = fit(iris, config.replace(layers=config.layers[:1]))
    np.testing.assert_array_equal(model.encode(iris), only_first.encode(iris, 1))
    job.stop()
    assert job.join(30)
    assert job.trained_so_far is None


def test_before_the_first_level_is_done_there_is_no_model(iris: Dataset, workspace: Workspace) -> None:
    job = start_job(iris, LONG, workspace=workspace)
    wait(job, is_training)
    job.stop()
    job.join(30)
    with pytest.raises(SaeError, match="No level"):
        workspace.run(job.id).model()


def test_jobs_queue_in_the_order_of_asking(iris: Dataset, workspace: Workspace) -> None:
    first = start_job(iris, LONG, workspace=workspace)
    wait(first, is_training)
    second, third, fourth = (start_job(iris, SHORT, workspace=workspace) for _ in range(3))
    assert [job.snapshot().queue_position for job in (first, second, third, fourth)] == [0, 1, 2, 3]
    assert workspace.run(third.id).record.state == "queued"
    third.stop()
    assert third.join(10)
    assert third.snapshot().state is JobState.STOPPED
    assert fourth.snapshot().queue_position == 2
    assert set(active_jobs()) == {first, second, fourth}
    first.pause()  # a job that stands still lets the others pass
    assert second.result().units == fourth.result().units == (3, 2)
    assert first.snapshot().state is JobState.PAUSED
    first.stop()
    assert first.join(10)


def test_jobs_do_not_change_one_another(iris: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.jobs.registry.MAX_RUNNING_JOBS", 3)
    jobs = [start_job(iris, SHORT.replace(seed=seed, epochs=40)) for seed in (0, 1, 2)]
    for seed, job in enumerate(jobs):
        alone = fit(iris, SHORT.replace(seed=seed, epochs=40))
        np.testing.assert_array_equal(job.result().encode(iris), alone.encode(iris))


def test_a_diverged_job_keeps_its_last_good_checkpoint(
    iris: Dataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ClosedStep.take

    def poisoned(self: ClosedStep, batch: Tensor) -> Outcome:
        outcome = kept(self, batch)
        second = isinstance(self.objective, PretrainObjective) and self.objective.autoencoder.layer.units == 2
        return outcome._replace(loss=float("inf")) if second else outcome

    monkeypatch.setattr(ClosedStep, "take", poisoned)
    job = start_job(iris, SHORT, workspace=workspace)
    with pytest.raises(DivergedError, match="Level 2: 3 -> 2, epoch 1, batch 1"):
        job.result()
    snapshot, run = job.snapshot(), workspace.run(job.id)
    assert snapshot.state is JobState.DIVERGED
    assert run.record.message == snapshot.message
    assert "Level 2" in snapshot.message
    assert run.model().units == (3,)


def test_a_full_disk_is_told_with_its_place_and_the_run_can_go_on(
    iris: Dataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    job = start_job(iris, LONG, workspace=workspace)
    wait(job, is_training)
    monkeypatch.setattr(os, "fsync", full)
    job.pause()  # asks for a checkpoint
    assert job.join(30)
    monkeypatch.undo()
    snapshot = job.snapshot()
    assert snapshot.state is JobState.DISK_FULL
    assert "No space left" in snapshot.message
    assert re.search(r"Level 1: 4 -> 3, epoch \d+, batch \d+", snapshot.message)
    with pytest.raises(DiskFullError):
        job.result()
    again = resume_run(workspace.run(job.id))
    wait(again, is_training)
    again.stop()
    assert again.join(30)


@pytest.mark.parametrize(
    ("name", "place"), [("append_history", "Level 1: 4 -> 3, epoch 1"), ("write_model", "last epoch")]
)
def test_a_disk_that_fills_up_at_other_times(
    iris: Dataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    def full(*_: object) -> None:
        raise DiskFullError("Could not write it: No space left on device. Free some space.")

    with monkeypatch.context() as patched:
        patched.setattr(Run, name, full)
        job = start_job(iris, SHORT, workspace=workspace)
        assert job.join(30)
    assert (job.snapshot().state, workspace.run(job.id).record.state) == (JobState.DISK_FULL, "disk full")
    assert place in workspace.run(job.id).record.message
    again = resume_run(workspace.run(job.id)).result()  # nothing is lost
    np.testing.assert_array_equal(again.encode(iris), fit(iris, SHORT).encode(iris))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_no_memory_is_a_state_of_its_own_and_the_run_can_go_on(
    iris: Dataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    kept, taken = Pace.after_step, 0

    def fail(self: Pace, phase: Phase, *rest: Any) -> Any:
        nonlocal taken
        taken += phase.level == 2
        if taken == 10:  # the third batch of the second epoch
            raise error
        return kept(self, phase, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Pace, "after_step", fail)
        job = start_job(iris, SHORT, workspace=workspace)
        with pytest.raises(MemoryExhaustedError) as caught:
            job.result()
    assert (caught.value.phase, caught.value.epoch) == ("Level 2: 3 -> 2", 2)
    record = workspace.run(job.id).record
    assert (job.snapshot().state, record.state) == (JobState.OUT_OF_MEMORY, "out of memory")
    assert record.message == job.snapshot().message
    assert "Level 2: 3 -> 2, epoch 2, batch" in record.message
    assert workspace.run(job.id).model().units == (3,)
    again = resume_run(workspace.run(job.id)).result()
    np.testing.assert_array_equal(again.encode(iris), fit(iris, SHORT).encode(iris))


def test_weights_that_broke_are_never_written_over_a_good_checkpoint(
    iris: Dataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Pace.after_step

    def poison(self: Pace, phase: Phase, loop: PhaseLoop, *rest: Any) -> Any:
        if phase.level == 2 and loop.epoch == 1:
            with torch.no_grad():
                next(loop.objective.module.parameters()).fill_(float("nan"))
            job.stop()  # asks for a checkpoint
        return kept(self, phase, loop, *rest)

    monkeypatch.setattr(Pace, "after_step", poison)
    job = start_job(iris, SHORT, workspace=workspace)
    with pytest.raises(DivergedError, match="weights became NaN or infinite in Level 2: 3 -> 2, epoch 2"):
        job.result()
    assert workspace.run(job.id).record.state == "diverged"
    state = workspace.run(job.id).checkpoint()
    assert state is not None
    assert state.is_finite
    assert workspace.run(job.id).model().units == (3,)


def test_a_bug_ends_the_job_in_one_sentence(iris: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(ClosedStep, "take", bug)
    job = start_job(iris, SHORT)
    with pytest.raises(TrainingError, match="not known"):
        job.result()
    assert "secret" not in job.snapshot().message


def test_settings_that_do_not_fit_fail_the_job_not_the_caller(iris: Dataset) -> None:
    job = start_job(iris, StackConfig(layers=[2], loss="binary_cross_entropy"))
    assert job.join(30)
    assert job.snapshot().state is JobState.FAILED
    assert "min-max" in job.snapshot().message


def test_the_curve_within_epochs_is_bounded(iris: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.training.pace.PROGRESS_EVERY", 0.0)
    monkeypatch.setattr("sae_core.jobs.job.CURVE_POINTS", 20)
    job = start_job(iris, SHORT.replace(epochs=30))
    job.join()
    curve = job.snapshot().curve
    for phase in range(6):
        positions = [point.epoch_position for point in curve if point.phase_index == phase]
        assert 2 <= len(positions) <= 20
        assert positions == sorted(positions)


def test_fifty_cycles_leave_no_threads_and_no_files_open(iris: Dataset, workspace: Workspace) -> None:
    def cycle() -> None:
        job = start_job(iris, LONG, workspace=workspace)
        job.stop()
        assert job.join(30)

    cycle()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else 0
    for _ in range(50):
        cycle()
    assert threading.active_count() <= threads + 2
    if files:
        assert len(os.listdir("/proc/self/fd")) <= files + 2


PROGRAM = """
    import sys, threading
    import sae_core as sae
    from sae_core.jobs import resume_run, start_job
    import sae_core.jobs.job
    sae_core.jobs.job.CHECKPOINT_EVERY = 0.05
    workspace = sae.Workspace(sys.argv[1])
    data = sae.load_sample("iris")
    config = sae.StackConfig(layers=[3, 2], epochs=150, batch_size=16, softmax_epochs=2, fine_tune_epochs=2)
    job = start_job(data, config, workspace=workspace)
    print(job.id, flush=True)
    job.join()
"""


def test_a_killed_process_loses_nothing_but_the_time_since_its_checkpoint(iris: Dataset, workspace: Workspace) -> None:
    """Checkpoints follow one another every 50 ms. A kill in the writing of one: tests/explorer/test_killed.py."""
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(workspace.root)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    run = workspace.run(run_id)
    assert run.record.state in ("interrupted", "finished")
    if run.record.state == "interrupted":
        assert "Resume" in run.record.message
        assert run.holder() is None
        resume_run(run).result()
    np.testing.assert_array_equal(run.model().encode(iris), fit(iris, run.record.config).encode(iris))
    assert [path.name for path in run.folder.rglob("*.part")] == []
