"""Training on a table of many files, larger than memory, by one process or by all that torchrun starts.

Three passes: every file is counted (`data.shards`), prepared and spilled to shards (`spill`), then the phases go
through the shards (`shard_trainer`). Files and shards are divided among the processes.

The work folder must be one that all processes see. It holds everything that is finished: whoever dies, the next start
(torchrun starts all workers again) goes on from there and from the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.data.shard_sample import sample_dataset
from sae_core.data.shards import ShardStats, TableShards, count_shard
from sae_core.errors import ConfigError, DataError, ModelFileError, SaeError
from sae_core.files import dump_json, parse_json, read_folder, write_atomically, write_folder
from sae_core.model.trained import TrainedStack
from sae_core.training.events import EpochEnded, Event, Finished, Progress
from sae_core.training.shard_trainer import Report, ShardTrainer, Wish
from sae_core.training.spill import HeldOut
from sae_core.training.world import World, joined

CHECKPOINT_SECONDS = 30.0
READING = 0.1  # share of the whole that counting and preparing is shown as
STATS_KIND = "statistics of a table"


@dataclass(frozen=True)
class ShardedResult:
    """What a training on shards has made.

    Attributes:
        model: the trained stack.
        results: held-out figures, as `sae_core.analysis.summary.summarise` names them.
        rows: of the table, and those trained on.
        reading_seconds: for counting, preparing and spilling the files, in the first process.
        seconds: of training.
        processes: that trained together.
    """

    model: TrainedStack
    results: dict[str, Any]
    rows: int
    training_rows: int
    reading_seconds: float
    seconds: float
    processes: int


class ShardTraining:
    """One process's part of a training on shards, for whoever drives it: `read`, then pull `events`.

    All processes do the same, and what goes wrong in one goes wrong in all of them.

    Args:
        config: of the stack; full-batch optimisation, early stopping and a share of the labels are for data in memory.
        work: folder for prepared rows, codes and checkpoints; a training that was cut off goes on from it.
        world: the processes.
        checkpoint_seconds: between two checkpoints within an epoch; one follows every epoch anyway.
        wish: asked in the first process before every window of rows: go on, pause or stop after it.

    Raises:
        ConfigError: settings that do not fit, or a work folder of another training.

    Attributes:
        notes: sentences on what is done otherwise than it was asked for.
        reading_seconds: that `read` took.
    """

    def __init__(
        self,
        table: TableShards,
        config: StackConfig,
        work: str | Path,
        world: World,
        *,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        wish: Callable[[], Wish] = lambda: "go",
    ) -> None:
        _refuse(config)
        self.config, self.work, self.world = config, Path(work), world
        self._checkpoint_seconds, self._wish = checkpoint_seconds, wish
        self.reading_seconds = 0.0
        self._trainer: ShardTrainer | None = None
        with world.agreed():
            if world.leads and not (self.work / PLAN).exists():
                write_atomically(self.work / PLAN, dump_json(plan_of(table, config)))
        with world.agreed():
            self.table, self.notes = _as_planned(table, config, self.work)

    def read(self, report: Report = lambda fraction, text: None) -> None:
        """Count and prepare the files; what was done before is not done again.

        Args:
            report: called with a fraction 0..1 and what is being done.

        Raises:
            DataError: the files cannot be used. StorageError: the disk is full.
        """
        begun = time.perf_counter()
        stats = _counted(self.table, self.work, self.world, lambda fraction, text: report(fraction / 2, text))
        self.notes = (*self.notes, *stats.notes)
        self._trainer = ShardTrainer(
            self.table,
            self.config,
            self.work,
            self.world,
            stats,
            checkpoint_seconds=self._checkpoint_seconds,
            wish=self._wish,
        )
        self._trainer.prepare(lambda fraction, text: report(0.5 + fraction / 2, text))
        self.reading_seconds = time.perf_counter() - begun

    @property
    def trainer(self) -> ShardTrainer:
        """What trains; there once the files are read."""
        assert self._trainer is not None
        return self._trainer

    def events(self) -> Iterator[Event]:
        """As of `sae_core.train`, from the last checkpoint on. A checkpoint is in the work folder before it is told.

        Raises:
            DivergedError: the loss became NaN or infinite. PeerLostError: another process ended.
        """
        return self.trainer.events()

    def sample(self) -> Dataset:
        """A few thousand rows of the table in the user's own units, training rows and held-out ones."""
        trainer = self.trainer
        parts = trainer.spill.sample(len(self.table.files))
        return sample_dataset(self.table, parts, trainer.model.classes, trainer.stats.rows)

    def result(self, model: TrainedStack) -> ShardedResult:
        """What came out, in the first process."""
        trainer = self.trainer
        return ShardedResult(
            model,
            _figures(model, trainer.held),
            trainer.stats.rows,
            trainer.stats.training,
            self.reading_seconds,
            trainer.place.seconds,
            self.world.size,
        )


def train_shards(
    table: TableShards,
    config: StackConfig,
    work: str | Path,
    *,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    report: Report = lambda fraction, text: None,
) -> ShardedResult | None:
    """Train a stack on a table of many files: `ShardTraining`, drained.

    Args: as of `ShardTraining`.
        report: called in the first process with a fraction 0..1 and what is being done.

    Returns:
        The result in the first process, None in the others.

    Raises:
        ConfigError, DataError, DivergedError, StorageError, PeerLostError: as `ShardTraining`.
    """
    with joined(config.device) as world:
        told = report if world.leads else lambda fraction, text: None
        training = ShardTraining(table, config, work, world, checkpoint_seconds=checkpoint_seconds)
        training.read(lambda fraction, text: told(READING * fraction, text))
        for event in training.events():
            match event:
                case Progress():
                    words = f"{event.phase.title}, epoch {event.epoch} of {event.phase.epochs}"
                    told(READING + (1 - READING) * event.fraction, words)
                case EpochEnded():
                    done = training.trainer.pace.fraction(event.phase, event.row.epoch)
                    told(READING + (1 - READING) * done, f"{event.phase.title}, epoch {event.row.epoch}")
                case Finished():
                    told(1.0, "Done")
                    return training.result(event.model) if world.leads else None
    raise SaeError("Training ended without a model. This is a bug; please report it with the settings used.")


PLAN = "plan.json"


def plan_of(table: TableShards, config: StackConfig) -> dict[str, Any]:
    """What a training on shards depends on, as JSON: files with their sizes and times, columns, split, settings.

    Raises:
        DataError: a file is gone.
    """
    try:
        files = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in table.files]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}). Bring it back.") from None
    told: Any = parse_json(dump_json({**asdict(table), "files": files, "config": config.model_dump()}), PLAN)
    return dict(told)


def check_plan(table: TableShards, config: StackConfig, work: Path | None) -> None:
    """Refuse what `ShardTraining` refuses, before anything is begun.

    Raises:
        ConfigError: settings that do not fit, or a work folder of another training.
    """
    _refuse(config)
    if work is not None and (work / PLAN).exists():
        _as_planned(table, config, work)


def same_training(plan: Any, other: dict[str, Any]) -> bool:
    """Whether two plans are of one training, but for files that have been added since the first one."""
    if not isinstance(plan, dict) or {**plan, "files": 0} != {**other, "files": 0}:
        return False
    return all(file in other["files"] for file in plan["files"])


def planned_table(plan: dict[str, Any]) -> TableShards:
    """The table of a plan.

    Raises:
        ModelFileError: it is not one of this version.
    """
    from sae_core.data.dataset import Column

    try:
        fields = {name: value for name, value in plan.items() if name != "config"}
        files = tuple(Path(str(path)) for path, _, _ in fields.pop("files"))
        columns = tuple(Column(**column) for column in fields.pop("columns"))
        return TableShards(files, columns, **fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"The plan of this training cannot be read ({error}). Start it anew.") from None


def _as_planned(table: TableShards, config: StackConfig, work: Path) -> tuple[TableShards, tuple[str, ...]]:
    """The table as the work folder knows it, and notes: files that were added since are left out."""
    plan, now = parse_json((work / PLAN).read_bytes(), PLAN), plan_of(table, config)
    if same_training(plan, now):
        added = [path for path, *_ in now["files"] if [path] not in [file[:1] for file in plan["files"]]]
        if not added:
            return table, ()
        kept = tuple(path for path in table.files if str(path) not in added)
        names = ", ".join(Path(path).name for path in added[:3]) + (" and more" if len(added) > 3 else "")
        return replace(table, files=kept), (
            f"{names}: added since this training began, and left out. Another work folder (--work) begins a new one.",
        )
    changed = [] if not isinstance(plan, dict) else _changed_files(plan.get("files", []), now["files"])
    if changed:
        raise ConfigError(
            f"{changed[0]} has changed or is gone since the training in {work} began. Bring the file back as it was, "
            "or start anew in another work folder (--work)."
        )
    raise ConfigError(f"{work} is the work folder of another training. Remove it, or give another folder with --work.")


def _changed_files(before: list[Any], now: list[Any]) -> list[str]:
    """Names of files that are not as they were; none where the files are of another table altogether."""
    changed = [Path(file[0]).name for file in before if file not in now]
    same = {file[0] for file in before} & {file[0] for file in now}
    return changed if same else []


def _refuse(config: StackConfig) -> None:
    for wrong, name in (
        (config.optimiser == "lbfgs", "full-batch L-BFGS"),
        (config.early_stopping is not None, "early stopping"),
        (config.label_share != 1, "a share of the labels"),
    ):
        if wrong:
            raise ConfigError(f"Training on shards does not know {name}. Choose another setting, or one file.")


def _counted(table: TableShards, work: Path, world: World, report: Report) -> ShardStats:
    """Statistics of all files: each process counts its share, all of them read what was found."""
    with world.agreed():
        for number in range(world.rank, len(table.files), world.size):
            report(number / len(table.files), f"Counting {table.files[number].name}")
            if not (folder := work / "stats" / f"{number:06d}").exists():
                write_folder(folder, dict(count_shard(table, number).to_files()), kind=STATS_KIND, version=1)
    world.wait()
    merged: ShardStats | None = None
    for number in range(len(table.files)):
        found = ShardStats.from_files(read_folder(work / "stats" / f"{number:06d}", kind=STATS_KIND, version=1))
        if merged is None:
            merged = found
        else:
            merged.merge(found)
    if merged is None or not merged.training:
        raise DataError("The split leaves no row to train on. Choose smaller shares for validation and test.")
    return merged


def _figures(model: TrainedStack, held: HeldOut | None) -> dict[str, Any]:
    """Held-out figures of the model, named as in `sae_core.analysis.summary.summarise`."""
    assert held is not None
    x, y = (held.test, held.test_y) if len(held.test) else (held.validation, held.validation_y)
    if not len(x):
        return {}
    errors = [float(np.square(model.reconstruct_prepared(x, k) - x).mean()) for k in range(1, model.n_levels + 1)]
    found: dict[str, Any] = {"rows": len(x), "reconstruction_error": errors}
    known = y >= 0
    if model.is_classifier and known.any():

        def accuracy(level: int | None) -> float:
            return float((model.predict_proba_prepared(x[known], level=level).argmax(axis=1) == y[known]).mean())

        found["test_accuracy"] = accuracy(None)
        found["softmax_accuracy"] = {str(level): accuracy(level) for level in model.softmax_levels}
    return found
