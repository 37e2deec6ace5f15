"""Training on a table of many files as a run of the workspace: seen, paused, stopped and resumed like any other."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sae_core.config import StackConfig
from sae_core.data.shards import TableShards
from sae_core.errors import CancelledError, InUseError, ModelFileError
from sae_core.jobs.job import Job
from sae_core.jobs.registry import known_jobs
from sae_core.jobs.snapshot import JobState
from sae_core.model.trained import TrainedStack
from sae_core.runs.lock import STALE_SECONDS
from sae_core.runs.run import Run
from sae_core.runs.workspace import Workspace
from sae_core.training.events import Event, PhaseStarted
from sae_core.training.shard_trainer import Wish
from sae_core.training.sharded import ShardedResult, ShardTraining, check_plan, plan_of, planned_table, same_training
from sae_core.training.state import TrainingState
from sae_core.training.world import World, alone

TELL_EVERY = 2.0  # seconds between two words on how far the reading is
LOOK_SECONDS = 3.0  # that tell whether the process that holds a run is alive: its lock is touched every second


class ShardJob(Job):
    """One training on many files in the background; in the first of its processes, where there are several.

    Attributes:
        work: folder for prepared rows and checkpoints.
        outcome: what came out, once it is finished.
    """

    def __init__(self, run: Run, table: TableShards, config: StackConfig, world: World) -> None:
        super().__init__(None, config, run=run, name=run.record.name)
        self.work = Path(run.shard_plan()["work"])
        self.outcome: ShardedResult | None = None
        self._folder = run
        self._table, self._world = table, world
        self._training: ShardTraining | None = None
        self._last_told = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is done otherwise than it was asked for, and on cells that were left out."""
        return self._training.notes if self._training is not None else ()

    @property
    def works_in_its_run(self) -> bool:
        """Whether the work folder is the run's own, which goes when the training has ended."""
        return self.work.parent == self._folder.folder.absolute()

    def _events(self) -> Generator[Event]:
        training = ShardTraining(self._table, self.config, self.work, self._world, wish=self._wish)
        self._training = training
        training.read(self._tell_reading)
        run, trainer = self._folder, training.trainer
        self.data = training.sample()
        run.update(
            dataset_fingerprint=run.workspace.save_dataset(self.data),
            message="",
            shards=run.record.shards
            | {
                "files": len(training.table.files),
                "rows": trainer.stats.rows,
                "training_rows": trainer.stats.training,
                "processes": self._world.size,
            },
        )
        with self._changed:
            self._message, self._history = "", list(trainer.model.history)
        run.write_history(tuple(trainer.model.history))
        yield from training.events()

    def _wish(self) -> Wish:
        return "stop" if self._wants_stop else "pause" if self._wants_pause else "go"

    def _tell_reading(self, fraction: float, text: str) -> None:
        if self._wants_stop:
            raise CancelledError("The training was stopped while its files were being read.")
        with self._changed:
            self._message = f"The files are being read, {fraction:.0%}. {text}."
        if time.monotonic() - self._last_told > TELL_EVERY:
            self._last_told = time.monotonic()
            self._folder.update(message=self._message)

    def _keep(self, run: Run, event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.model is not None:
            run.write_model(event.model)  # what the other pages show of a run that is not finished
        super()._keep(run, event)

    def _pass_checkpoint(self, state: TrainingState) -> bool:
        """Checkpoints are in the work folder already; stop and stand still only where all processes have agreed."""
        assert self._training is not None
        agreed = self._training.trainer.agreed
        if agreed == "pause":
            self._stand_still()
        return agreed != "stop"

    def _while_still(self) -> None:
        if self._training is not None:
            self._training.trainer.still_paused()

    def _measured(self, model: TrainedStack) -> dict[str, Any]:
        assert self._training is not None
        self.outcome = self._training.result(model)
        return self.outcome.results

    def _finish(self, model: TrainedStack) -> None:
        super()._finish(model)
        if self.works_in_its_run:
            shutil.rmtree(self.work, ignore_errors=True)


def shard_job(
    table: TableShards,
    config: StackConfig,
    workspace: Workspace,
    *,
    name: str = "",
    work: Path | None = None,
    source: str = "",
    world: World | None = None,
) -> ShardJob | Run:
    """The training of a table of many files, to be started with `begin`; or the run that has done it already.

    The same files, split and settings are one training: a run of it that was cut off goes on.

    Args:
        name: of the run, for people.
        work: folder for prepared rows and checkpoints, which all processes see; None: in the run's folder.
        source: what the user called the table.
        world: the processes that train together, of which this is the first; None: this one alone.

    Raises:
        InUseError: another program is at it. ConfigError, StorageError: as of `start_job`.
    """
    check_plan(table, config, work)
    plan = plan_of(table, config)
    world = world or alone(config.device)
    run = _same_run(workspace, plan, work)
    if run is None:
        told = {"source": source, "label": table.label or "", "files": len(table.files)}
        split = {"validation": table.validation, "test": table.test, "seed": table.seed}
        run = workspace.create_shard_run(name, table.name, config, plan, work, shards=told, split=split)
        return _job(run, table, config, world)
    if run.record.state == JobState.FINISHED:
        return run
    _wait_for_the_dead(run, world)
    return going_on(run, world, table)


def going_on(run: Run, world: World | None = None, table: TableShards | None = None) -> ShardJob:
    """A run that was stopped or interrupted, to be gone on with; to be started with `begin`.

    Raises:
        InUseError: another program is at it. ModelFileError: its plan is damaged.
    """
    record, plan = run.record, run.shard_plan()
    if not plan.get("plan") or not plan.get("work"):
        raise ModelFileError("The plan of this run cannot be read. Start it again with its command.")
    table = table or planned_table(plan["plan"])
    run.hold()
    try:
        run.clear_leftovers()
        run.update(state=str(JobState.QUEUED), message="", owner=asdict(run.lock.owner) if run.lock else {})
        return ShardJob(run, table, record.config, world or alone(record.config.device))
    except BaseException:
        run.let_go()
        raise


def begin(job: ShardJob) -> None:
    """Start it."""
    known_jobs.check_room()
    known_jobs.add(job)


def _job(run: Run, table: TableShards, config: StackConfig, world: World) -> ShardJob:
    try:
        return ShardJob(run, table, config, world)
    except BaseException:
        run.let_go()
        raise


def _same_run(workspace: Workspace, plan: dict[str, Any], work: Path | None) -> Run | None:
    """The run of the same training, the one that was begun last."""
    for record in workspace.runs():
        if not record.shards:
            continue
        run = workspace.run(record.id)
        found = run.shard_plan()
        is_finished = record.state == JobState.FINISHED
        same = found.get("plan") == plan if is_finished else same_training(found.get("plan"), plan)
        if same and (work is None or is_finished or Path(found["work"]) == work):
            return run
    return None


def _wait_for_the_dead(run: Run, world: World) -> None:
    """Where torchrun has started anew, wait until the lock of a process that is gone on another host counts no more.

    Raises:
        InUseError: that process is alive.
    """
    beat, since = _beat(run), time.monotonic()
    while (owner := run.holder()) is not None:
        alive = time.monotonic() - since > LOOK_SECONDS and _beat(run) != beat
        if world.size == 1 or alive or time.monotonic() - since > STALE_SECONDS + LOOK_SECONDS:
            raise InUseError(
                f"{str(owner).capitalize()} is at this very training, as run {run.id}. Wait until it has ended, or "
                f"stop it with `sae-explorer runs stop {run.id}`."
            )
        time.sleep(0.5)


def _beat(run: Run) -> int:
    try:
        return (run.folder / "lock.json").stat().st_mtime_ns
    except OSError:
        return 0
