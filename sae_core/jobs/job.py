"""One training in the background."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from typing import Any

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import (
    CancelledError,
    DiskFullError,
    DivergedError,
    InUseError,
    MemoryExhaustedError,
    PeerLostError,
    SaeError,
    TrainingError,
)
from sae_core.jobs.registry import known_jobs
from sae_core.jobs.snapshot import CurvePoint, JobSnapshot, JobState
from sae_core.jobs.threads import training_threads
from sae_core.model.trained import TrainedStack
from sae_core.runs.run import Run
from sae_core.training.events import (
    CheckpointReached,
    EngineChosen,
    EpochEnded,
    Event,
    Finished,
    HistoryRow,
    Phase,
    PhaseEnded,
    PhaseStarted,
    PreviewReady,
    Progress,
    StepTaken,
    TracePoint,
)
from sae_core.training.history import row_from_json
from sae_core.training.state import TrainingState

CHECKPOINT_EVERY = 15.0  # seconds of training
LIVE_EVERY = 1.0  # seconds between two looks that other processes get
STILL_SECONDS = 1.0  # of a pause, between two words to the processes that wait as well
CURVE_POINTS = 300  # of one phase; beyond that every second one is dropped

_ENDS: dict[type[SaeError], JobState] = {
    DivergedError: JobState.DIVERGED,
    MemoryExhaustedError: JobState.OUT_OF_MEMORY,
    DiskFullError: JobState.DISK_FULL,
}

log = logging.getLogger(__name__)


class Job:
    """One training in the background. Made by `start_job` and `resume_run`.

    Attributes:
        id: also the run's id where there is a workspace.
        data, config: what is trained; data: None while the files of a table of many are being read.
        run: the run's folder, or None. Its lock is held, and let go when the job is over.
    """

    def __init__(
        self,
        data: Dataset | None,
        config: StackConfig,
        *,
        run: Run | None,
        name: str,
        resume: TrainingState | None = None,
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
        self._engines = run.record.engines if run else {}
        self._history: list[HistoryRow] = []
        self._curve: list[CurvePoint] = []
        self._preview: PreviewReady | None = None
        self._so_far: tuple[int, TrainedStack] | None = None
        self._model: TrainedStack | None = None
        self._error: SaeError | None = None
        self._last_checkpoint = self._last_live = time.monotonic()
        self._threads = 0
        self._place = ""  # epoch and batch, in words, of the last event that knew them
        if run is not None and run.lock is not None:
            run.lock.listener = self._hear
        if resume is not None:
            self._history = [row_from_json(row) for row in resume.meta["history"]]
        self._thread = threading.Thread(target=self._main, name=f"training-{self.id}", daemon=True)

    def snapshot(self) -> JobSnapshot:
        """The job as it is now."""
        position = known_jobs.queue_position(self)
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
        known_jobs.wake()

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
        raise self._error or CancelledError(
            "The training was stopped before it had finished. Resume it, or start again."
        )

    @property
    def trained_so_far(self) -> tuple[int, TrainedStack] | None:
        """How many phases are complete, and the stack that they left; None while no phase is, and after the last."""
        return self._so_far if self._state.is_active else None

    def start(self) -> None:
        """Start the thread; the registry calls this once."""
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._state.is_over

    @property
    def wants_stop(self) -> bool:
        """Whether `stop` was called."""
        return self._wants_stop

    @property
    def is_superseded(self) -> bool:
        """Whether it is over and another process has resumed or deleted its run since."""
        return self.is_over and self.run is not None and not self.run.was_last_driven_by(self.run.lock)

    def _hear(self, request: str) -> None:
        """Do what another process asks for."""
        if request in ("pause", "resume", "stop"):
            getattr(self, request)()

    def _main(self) -> None:
        try:
            with known_jobs.turn(self), training_threads() as threads:
                self._threads = threads
                self._drive()
        except CancelledError:
            self._end(JobState.STOPPED, None)
        except SaeError as error:
            self._end(_state_after(error), error)
        except Exception as error:  # a bug must not leave a job that seems to run for ever
            log.exception("Training %s failed", self.id)
            self._end(
                JobState.FAILED,
                TrainingError(
                    f"Training failed for a reason that is not known ({type(error).__name__}). Start it again."
                ),
            )
        finally:
            if self.run:
                self.run.let_go()

    def _drive(self) -> None:
        from sae_core.training.trainer import memory_errors

        if self._wants_stop:
            self._end(JobState.STOPPED, None)
            return
        self._set_state(JobState.RUNNING)
        with memory_errors(), closing(self._events()) as events:
            for event in events:
                if isinstance(event, StepTaken):  # by far the most frequent one
                    if self._wants_pause and self.run is None:
                        self._stand_still()
                    continue
                self._take(event)
                if isinstance(event, CheckpointReached):
                    if not self._pass_checkpoint(event.state):
                        self._end(JobState.STOPPED, None)
                        return
                elif self._wants_pause and self.run is None:
                    self._stand_still()

    def _events(self) -> Generator[Event]:
        """What the training yields."""
        from sae_core.training.trainer import train

        assert self.data is not None
        resume, self._resume = self._resume, None
        yield from train(self.data, self.config, resume=resume, checkpoint_due=self._checkpoint_due)

    def _pass_checkpoint(self, state: TrainingState) -> bool:
        """Write a checkpoint, and stand still where that is wished; False: stop here."""
        self._write_checkpoint(state)
        if not self._wants_stop:
            self._stand_still()
            return True
        return False

    def _take(self, event: Event) -> None:
        """Note an event for the snapshots, and in the run."""
        if isinstance(event, Finished):
            if self.run:
                self._keep(self.run, event)
            self._finish(event.model)
            return
        with self._changed:
            match event:
                case CheckpointReached():
                    position = event.state.meta.get("position")  # of shards it is told by `Progress` alone
                    if position and position["batch"]:
                        self._place = f"epoch {position['epoch'] + 1}, batch {position['batch']}"
                case PhaseStarted():
                    self._place = ""
                    self._phases = event.plan
                    self._phase_index, self._epoch = event.phase.index, 1
                    self._so_far = None if event.model is None else (event.phase.index, event.model)
                case EngineChosen():
                    self._device = event.engine
                case Progress():
                    self._progress, self._epoch, self._seconds = event, event.epoch, event.seconds
                    self._add_point(CurvePoint(event.phase.index, event.epoch_position, event.loss))
                case EpochEnded():
                    self._place = f"epoch {event.row.epoch}, batch {event.phase.steps_per_epoch}"
                    self._history.append(event.row)
                    self._epoch = min(event.row.epoch + 1, event.phase.epochs)
                    self._seconds = event.row.seconds
                case PreviewReady():
                    self._preview = event
                case PhaseEnded():
                    self._phase_index = event.phase.index + 1
        if self.run:
            self._keep(self.run, event)

    def _keep(self, run: Run, event: Event) -> None:
        """Write down what others, and a restart, are to find of an event."""
        if isinstance(event, EpochEnded | CheckpointReached | Finished) and run.lock is not None:
            run.lock.check()
        if isinstance(event, EpochEnded):
            run.append_history(event.row)
        elif isinstance(event, PhaseStarted):
            run.write_phases(event.plan)
        elif isinstance(event, PreviewReady):
            phase = event.phase
            run.append_trace(TracePoint(phase.kind, phase.level, event.step, self._seconds, event.error))
        elif isinstance(event, EngineChosen):
            self._engines = self._engines | {event.phase.title: event.engine}
            narrow = any("bfloat16" in engine for engine in self._engines.values())
            run.update(engines=self._engines, device=event.engine, precision="bfloat16" if narrow else event.precision)
        elif isinstance(event, Progress) and time.monotonic() - self._last_live >= LIVE_EVERY:
            self._last_live = time.monotonic()
            values = {name: value for name, value in vars(event).items() if name != "phase"}
            points = [list(vars(point).values()) for point in self._curve if point.phase_index == event.phase.index]
            run.write_live(values | {"phase_index": event.phase.index, "device": self._device, "curve": points})

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
        with known_jobs.aside(self):
            while True:
                with self._changed:
                    if self._wants_stop or not self._wants_pause:
                        break
                    self._changed.wait(STILL_SECONDS)
                self._while_still()
            self._set_state(JobState.QUEUED)
        self._set_state(JobState.RUNNING)

    def _while_still(self) -> None:
        """Called every second or so of a pause."""

    def _measured(self, model: TrainedStack) -> dict[str, Any]:
        """Held-out figures of the model."""
        from sae_core.analysis.summary import summarise

        assert self.data is not None
        return summarise(model, self.data)

    def _finish(self, model: TrainedStack) -> None:
        with self._changed:
            self._message = "All phases are done; the held-out rows are being measured."
        results = self._measured(model)
        if self.run:
            self.run.write_model(model)
            self.run.update(results=results, state=str(JobState.FINISHED))
            self.run.drop_checkpoints()  # not before: killed in between, the training would have to begin anew
        with self._changed:
            self._model = model
        self._end(JobState.FINISHED, None)

    def _end(self, state: JobState, error: SaeError | None) -> None:
        with self._changed:
            self._error = error
            where = ""
            if error is not None and not getattr(error, "phase", "") and self._phases:
                phase = self._phases[min(self._phase_index, len(self._phases) - 1)]
                over = self._phase_index >= len(self._phases)
                place = "after the last epoch" if over else self._place or f"epoch {self._epoch}"
                where = f" (It happened in {phase.title}, {place}.)"
            self._message = f"{error}{where}" if error else ""
        self._set_state(state)

    def _set_state(self, state: JobState) -> None:
        """Written to the run first, so that whoever sees the new state finds the run in it."""
        # A run that was taken over is another's; one whose other processes ended goes on as soon as they are back.
        if self.run and self.run.lock and not isinstance(self._error, InUseError | PeerLostError):
            try:
                self.run.update(
                    state=str(state),
                    message=self._message,
                    seconds=self._seconds,
                    device=self._device,
                    threads=self._threads,
                    owner=asdict(self.run.lock.owner),
                )
            except SaeError as error:
                log.warning("The state of run %s could not be written: %s", self.id, error)
                with self._changed:
                    self._message = self._message or str(error)
            if state.is_over:
                self.run.let_go()
        with self._changed:
            self._state = state
            self._changed.notify_all()


def _state_after(error: SaeError) -> JobState:
    """How a job ends that an error ended."""
    for kind, state in _ENDS.items():
        if isinstance(error, kind):
            return state
    return JobState.FAILED
