"""Background training: one daemon thread a job, a registry of this process, frozen snapshots.

A job pulls `sae_core.training.trainer.train` and writes what it yields into a run. It never calls the user interface;
pages poll `Job.snapshot`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import TrainingError
from sae_core.jobs.job import Job
from sae_core.jobs.registry import known_jobs
from sae_core.jobs.snapshot import CurvePoint, JobSnapshot, JobState
from sae_core.runs.record import ACTIVE_STATES
from sae_core.runs.run import Run
from sae_core.runs.workspace import Workspace

_warm = False

__all__ = [
    "CurvePoint",
    "Job",
    "JobSnapshot",
    "JobState",
    "active_jobs",
    "find_job",
    "resume_run",
    "start_job",
    "warm_up",
]


def start_job(
    data: Dataset, config: StackConfig, *, workspace: Workspace | None = None, name: str = "", sweep: str = ""
) -> Job:
    """Train in the background.

    Args:
        data, config: as of `sae_core.train`.
        workspace: where the run is kept; None: in memory only.
        name: of the run, for people.
        sweep: id of the sweep that it belongs to, or "".

    Returns:
        The job, queued or running.

    Raises:
        StorageError: the run could not be written. TrainingError: too many jobs are waiting.
        ConfigError: convolutional levels do not fit these data.
    """
    config = config.fitted(data.image_shape)
    known_jobs.check_room()
    run = workspace.create_run(data, config, name, hold=True, sweep=sweep) if workspace else None
    with _letting_go(run):
        job = Job(data, config, run=run, name=run.record.name if run else name or data.name)
        known_jobs.add(job)
    return job


def resume_run(run: Run) -> Job:
    """Go on with a run that was stopped or interrupted, from its last checkpoint, or from its start where it has none.

    Raises:
        TrainingError: it is under way, here or in another process, or finished. RunNotFoundError: its data set was
        deleted. ModelFileError: its files are damaged.
    """
    job = known_jobs.find(run.id)
    record = run.record
    if (job and job.snapshot().state.is_active) or record.state in ACTIVE_STATES:
        raise TrainingError("This run is under way already. Open it on the Train page.")
    if record.state == JobState.FINISHED:
        raise TrainingError("This run is finished. Start a new one with its settings.")
    known_jobs.check_room()
    if record.shards:
        from sae_core.jobs.shards import begin, going_on

        begin(shards := going_on(run))
        return shards
    run.hold()
    with _letting_go(run):
        run.clear_leftovers()
        job = Job(run.dataset(), record.config, run=run, name=record.name, resume=run.checkpoint())
        run.write_history(job.snapshot().history)
        run.update(state=str(JobState.QUEUED), message="", owner=asdict(run.lock.owner) if run.lock else {})
        known_jobs.add(job)
    return job


@contextmanager
def _letting_go(run: Run | None) -> Iterator[None]:
    """Do not keep the lock of a run whose job could not be started."""
    try:
        yield
    except BaseException:
        if run is not None:
            run.let_go()
        raise


def warm_up() -> None:
    """Do in a background thread what the first training of a process would otherwise wait for.

    Building a process's first optimiser imports a good second's worth of torch.
    """
    global _warm
    if not _warm:
        _warm = True
        threading.Thread(target=_import_what_training_needs, name="warm-up", daemon=True).start()


def _import_what_training_needs() -> None:
    import torch

    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], fused=True)
    importlib.import_module("sae_core.training.trainer")
    importlib.import_module("sae_core.analysis.summary")


def find_job(job_id: str) -> Job | None:
    """The job of that id in this process, or None; also None where another process has gone on with its run."""
    job = known_jobs.find(job_id)
    return None if job is None or job.is_superseded else job


def active_jobs() -> tuple[Job, ...]:
    """Jobs that are queued, running or paused, oldest first."""
    return known_jobs.active()
