"""Background training: one daemon thread a job, a module-level registry, frozen snapshots.

A job pulls `sae_core.training.train` and writes what it yields into a run. It never calls the user interface; pages poll
`Job.snapshot`. The registry is a plain module-level object, so that it lives exactly as long as its threads.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, DivergedError, RunNotFoundError, SaeError, TrainingError
from sae_core.limits import MAX_QUEUED_JOBS, MAX_REMEMBERED_JOBS, MAX_RUNNING_JOBS
from sae_core.model.trained import TrainedStack
from sae_core.runs.run import Run, driving, this_process
from sae_core.runs.workspace import Workspace
from sae_core.training.events import (
    CheckpointReached,
    EpochEnded,
    Event,
    Finished,
    HistoryRow,
    Phase,
    PhaseEnded,
    PhaseStarted,
    PreviewReady,
    Progress,
)
from sae_core.training.history import row_from_json
from sae_core.training.state import TrainingState

CHECKPOINT_EVERY = 15.0  # seconds of training
CURVE_POINTS = 300  # of one phase; beyond that every second one is dropped

log = logging.getLogger(__name__)


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    DIVERGED = "diverged"

    @property
    def is_over(self) -> bool:
        """Whether its thread has ended, or is about to."""
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)

    @property
    def is_active(self) -> bool:
        """The contrary of `is_over`."""
        return not self.is_over


@dataclass(frozen=True)
class CurvePoint:
    """The training loss within an epoch.

    Attributes:
        phase_index: position of the phase in the plan.
        epoch_position: epochs of that phase done, with fraction.
        loss: mean loss per row over the last tenths of a second.
    """

    phase_index: int
    epoch_position: float
    loss: float


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment; it never changes afterwards.

    Attributes:
        message: one sentence for people; "" when there is nothing to say.
        phases: the plan; () until it is made.
        phase_index: the phase in training; len(phases) when all are done.
        epoch: 1-based epoch in training.
        fraction: of the work, 0..1.
        seconds: spent training; seconds_left: estimate, None while unknown.
        samples_per_second: rows trained a second; 0 while nothing runs.
        device: where it trains, e.g. "cpu, 1 thread".
        history: epochs so far.
        curve: training loss within epochs, thinned.
        preview: the latest reconstructions of a few held-out rows.
        queue_position: 1 is next; 0: not queued.
    """

    id: str
    name: str
    state: JobState
    message: str
    phases: tuple[Phase, ...]
    phase_index: int
    epoch: int
    fraction: float
    seconds: float
    seconds_left: float | None
    samples_per_second: float
    device: str
    history: tuple[HistoryRow, ...]
    curve: tuple[CurvePoint, ...]
    preview: PreviewReady | None
    queue_position: int


class Job:
    """One training in the background. Made by `start_job` and `resume_run`.

    Attributes:
        id: also the run's id where there is a workspace.
        data, config: what is trained.
        run: the run's folder, or None.
    """

    def __init__(
        self, data: Dataset, config: StackConfig, *, run: Run | None, name: str, resume: TrainingState | None = None
    ) -> None:
        self.data = data
        self.config = config
        self.run = run
        self.id = run.id if run else secrets.token_hex(8)
        self.name = name
        self._resume = resume
        self._changed = threading.Condition()
        self._state = JobState.QUEUED
        self._message = ""
        self._wants_pause = False
        self._wants_stop = False
        self._phases: tuple[Phase, ...] = ()
        self._phase_index = 0
        self._epoch = 0
        self._progress: Progress | None = None
        self._seconds = 0.0
        self._device = ""
        self._history: list[HistoryRow] = []
        self._curve: list[CurvePoint] = []
        self._preview: PreviewReady | None = None
        self._model: TrainedStack | None = None
        self._error: SaeError | None = None
        self._last_checkpoint = time.monotonic()
        if resume is not None:
            self._history = [row_from_json(row) for row in resume.meta["history"]]
        self._thread = threading.Thread(target=self._main, name=f"training-{self.id}", daemon=True)

    def snapshot(self) -> JobSnapshot:
        """The job as it is now."""
        position = _registry.queue_position(self)
        with self._changed:
            progress = self._progress
            running = self._state is JobState.RUNNING and progress is not None
            done = self._state is JobState.FINISHED
            return JobSnapshot(
                id=self.id,
                name=self.name,
                state=self._state,
                message=self._message,
                phases=self._phases,
                phase_index=self._phase_index,
                epoch=self._epoch,
                fraction=1.0 if done else progress.fraction if progress else 0.0,
                seconds=self._seconds,
                seconds_left=0.0 if done else progress.seconds_left if progress else None,
                samples_per_second=progress.samples_per_second if running and progress else 0.0,
                device=self._device,
                history=tuple(self._history),
                curve=tuple(self._curve),
                preview=self._preview,
                queue_position=position,
            )

    def pause(self) -> None:
        """Stand still after the batch in training. Nothing happens when it is over or paused already."""
        with self._changed:
            if self._state.is_active:
                self._wants_pause = True
                self._changed.notify_all()

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._changed:
            self._wants_pause = False
            self._changed.notify_all()

    def stop(self) -> None:
        """End after the batch in training, with a checkpoint from which `resume_run` can go on."""
        with self._changed:
            if self._state.is_active:
                self._wants_stop = True
                self._changed.notify_all()
        _registry.wake()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it is over.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            Whether it is over.
        """
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def result(self) -> TrainedStack:
        """Wait for the model.

        Raises:
            SaeError: what ended the training; CancelledError when it was stopped.
        """
        self.join()
        if self._model is not None:
            return self._model
        raise self._error or CancelledError("The training was stopped before it had finished. Resume it, or start again.")

    def _start(self) -> None:
        self._thread.start()

    def _main(self) -> None:
        with driving(self.run.id) if self.run else nullcontext():
            try:
                with _registry.turn(self), _training_threads() as threads:
                    self._drive(threads)
            except SaeError as error:
                self._end(JobState.DIVERGED if isinstance(error, DivergedError) else JobState.FAILED, error)
            except Exception as error:  # a bug must not leave a job that seems to run for ever
                log.exception("Training %s failed", self.id)
                self._end(
                    JobState.FAILED,
                    TrainingError(f"Training failed for a reason that is not known ({type(error).__name__}). Start it again."),
                )

    def _drive(self, threads: int) -> None:
        from sae_core.training.trainer import train

        if self._wants_stop:
            self._end(JobState.STOPPED, None)
            return
        self._set_state(JobState.RUNNING)
        events = train(self.data, self.config, resume=self._resume, checkpoint_due=self._checkpoint_due)
        self._resume = None
        try:
            for event in events:
                self._take(event, threads)
                if isinstance(event, CheckpointReached):
                    self._write_checkpoint(event.state)
                    if self._wants_stop:
                        self._end(JobState.STOPPED, None)
                        return
                    self._stand_still()
                elif self._wants_pause and self.run is None:
                    self._stand_still()
        finally:
            events.close()  # type: ignore[attr-defined]

    def _take(self, event: Event, threads: int) -> None:
        """Note an event for the snapshots, and in the run."""
        if isinstance(event, EpochEnded) and self.run:
            self.run.append_history(event.row)
        if isinstance(event, Finished):
            self._finish(event.model)
            return
        with self._changed:
            match event:
                case PhaseStarted():
                    self._phases = event.plan
                    self._phase_index, self._epoch = event.phase.index, 1
                    self._device = f"{event.device}, {threads} thread{'s' if threads > 1 else ''}" if event.device == "cpu" else event.device
                case Progress():
                    self._progress, self._epoch, self._seconds = event, event.epoch, event.seconds
                    self._add_point(CurvePoint(event.phase.index, event.epoch_position, event.loss))
                case EpochEnded():
                    self._history.append(event.row)
                    self._epoch = min(event.row.epoch + 1, event.phase.epochs)
                    self._seconds = event.row.seconds
                case PreviewReady():
                    self._preview = event
                case PhaseEnded():
                    self._phase_index = event.phase.index + 1

    def _add_point(self, point: CurvePoint) -> None:
        self._curve.append(point)
        own = [i for i, other in enumerate(self._curve) if other.phase_index == point.phase_index]
        if len(own) > CURVE_POINTS:
            dropped = set(own[1:-1:2])
            self._curve = [other for i, other in enumerate(self._curve) if i not in dropped]

    def _checkpoint_due(self) -> bool:
        if self._wants_stop or (self._wants_pause and self.run is not None):
            return True
        return self.run is not None and time.monotonic() - self._last_checkpoint >= CHECKPOINT_EVERY

    def _write_checkpoint(self, state: TrainingState) -> None:
        if self.run:
            self.run.write_checkpoint(state)
        self._last_checkpoint = time.monotonic()

    def _stand_still(self) -> None:
        """Wait while a pause is wanted. Another job may run meanwhile."""
        if not self._wants_pause:
            return
        self._set_state(JobState.PAUSED)
        with _registry.aside(self):
            with self._changed:
                while self._wants_pause and not self._wants_stop:
                    self._changed.wait()
            self._set_state(JobState.QUEUED)
        self._set_state(JobState.RUNNING)

    def _finish(self, model: TrainedStack) -> None:
        from sae_core.analysis.summary import summarise

        results = summarise(model, self.data)
        if self.run:
            self.run.write_model(model)
            self.run.drop_checkpoint()
            self.run.update(results=results)
        with self._changed:
            self._model = model
        self._end(JobState.FINISHED, None)

    def _end(self, state: JobState, error: SaeError | None) -> None:
        with self._changed:
            self._error = error
            where = ""
            if error is not None and not isinstance(error, DivergedError) and self._phase_index < len(self._phases):
                where = f" (It happened in {self._phases[self._phase_index].title}, epoch {self._epoch}.)"
            self._message = f"{error}{where}" if error else ""
        self._set_state(state)

    def _set_state(self, state: JobState) -> None:
        """Written to the run first, so that whoever sees the new state finds the run in it."""
        if self.run:
            try:
                self.run.update(
                    state=str(state), message=self._message, seconds=self._seconds, device=self._device, owner=this_process()
                )
            except (SaeError, RunNotFoundError) as error:
                log.warning("The state of run %s could not be written: %s", self.id, error)
                with self._changed:
                    self._message = self._message or str(error)
        with self._changed:
            self._state = state
            self._changed.notify_all()


class _Registry:
    """Jobs of this process, and whose turn it is."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []
        self._running: list[Job] = []

    def add(self, job: Job) -> None:
        with self._turn:
            if len(self._waiting) >= MAX_QUEUED_JOBS:
                raise TrainingError(f"{MAX_QUEUED_JOBS} trainings are waiting already. Wait for some of them, or stop them.")
            self._jobs[job.id] = job
            self._waiting.append(job)
            over = [other.id for other in self._jobs.values() if other._state.is_over]
            for old in over[: max(0, len(self._jobs) - MAX_REMEMBERED_JOBS)]:
                del self._jobs[old]
        job._start()

    def find(self, job_id: str) -> Job | None:
        with self._turn:
            return self._jobs.get(job_id)

    def active(self) -> tuple[Job, ...]:
        with self._turn:
            return tuple(job for job in self._jobs.values() if job._state.is_active)

    def queue_position(self, job: Job) -> int:
        with self._turn:
            return self._waiting.index(job) + 1 if job in self._waiting else 0

    def wake(self) -> None:
        with self._turn:
            self._turn.notify_all()

    @contextmanager
    def turn(self, job: Job) -> Iterator[None]:
        """Wait for a place, in the order of asking, and hold it. A stopped job does not wait."""
        self._acquire(job)
        try:
            yield
        finally:
            self._release(job)

    @contextmanager
    def aside(self, job: Job) -> Iterator[None]:
        """Give the place up for a while, and queue for it again."""
        self._release(job)
        try:
            yield
        finally:
            with self._turn:
                self._waiting.append(job)
            self._acquire(job)

    def _acquire(self, job: Job) -> None:
        with self._turn:
            while not job._wants_stop and (len(self._running) >= MAX_RUNNING_JOBS or self._waiting[0] is not job):
                self._turn.wait()
            self._waiting.remove(job)
            self._running.append(job)
            self._turn.notify_all()

    def _release(self, job: Job) -> None:
        with self._turn:
            self._running.remove(job)
            self._turn.notify_all()


_registry = _Registry()


def start_job(data: Dataset, config: StackConfig, *, workspace: Workspace | None = None, name: str = "") -> Job:
    """Train in the background.

    Args:
        data, config: as of `sae_core.train`.
        workspace: where the run is kept; None: in memory only.
        name: of the run, for people.

    Returns:
        The job, queued or running.

    Raises:
        StorageError: the run could not be written. TrainingError: too many jobs are waiting.
    """
    run = workspace.create_run(data, config, name) if workspace else None
    job = Job(data, config, run=run, name=run.record.name if run else name or data.name)
    _registry.add(job)
    return job


def resume_run(run: Run) -> Job:
    """Go on with a run that was stopped or interrupted, from its last checkpoint, or from its start where it has none.

    Raises:
        TrainingError: it is under way, or finished. RunNotFoundError: its data set was deleted. ModelFileError: damaged.
    """
    job = _registry.find(run.id)
    record = run.record
    if (job and job.snapshot().state.is_active) or record.state in ("queued", "running", "paused"):
        raise TrainingError("This run is under way already. Open it on the Train page.")
    if record.state == JobState.FINISHED:
        raise TrainingError("This run is finished. Start a new one with its settings.")
    state = run.checkpoint()
    job = Job(run.dataset(), record.config, run=run, name=record.name, resume=state)
    run.write_history(tuple(job._history))
    run.update(state=str(JobState.QUEUED), message="", owner=this_process())
    _registry.add(job)
    return job


def find_job(job_id: str) -> Job | None:
    """The job of that id in this process, or None."""
    return _registry.find(job_id)


def active_jobs() -> tuple[Job, ...]:
    """Jobs that are queued, running or paused, oldest first."""
    return _registry.active()


@contextmanager
def _training_threads() -> Iterator[int]:
    """Leave one core to whoever looks on.

    With as many threads as cores, every busy moment of a page makes torch's threads wait for one another: measured,
    training beside one busy process is three times slower on two threads than on one.
    """
    import torch

    before = torch.get_num_threads()
    threads = max(1, min(before, (os.cpu_count() or 2) - 1))
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)
