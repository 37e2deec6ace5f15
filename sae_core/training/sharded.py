"""Training on a table of many files, larger than memory, by one process or by all that torchrun starts.

Three passes: every file is counted (`data.shards`), prepared and spilled to shards (`spill`), then the phases go
through the shards (`shard_trainer`). Files and shards are divided among the processes.

The work folder must be one that all processes see. It holds everything that is finished: whoever dies, the next start
(torchrun starts all workers again) goes on from there and from the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sae_core.config import StackConfig
from sae_core.data.shards import ShardStats, TableShards, count_shard
from sae_core.errors import ConfigError, DataError
from sae_core.files import dump_json, parse_json, read_folder, write_atomically, write_folder
from sae_core.model.trained import TrainedStack
from sae_core.training.shard_trainer import ShardTrainer
from sae_core.training.spill import HeldOut
from sae_core.training.world import World, joined

Report = Callable[[float, str], None]
CHECKPOINT_SECONDS = 30.0
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


def train_shards(
    table: TableShards,
    config: StackConfig,
    work: str | Path,
    *,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    report: Report = lambda fraction, text: None,
) -> ShardedResult | None:
    """Train a stack on a table of many files.

    Args:
        config: of the stack; full-batch optimisation, early stopping and a share of the labels are for data in memory.
        work: folder for prepared rows, codes and checkpoints; a training that was cut off goes on from it.
        checkpoint_seconds: between two checkpoints within an epoch; one follows every epoch anyway.
        report: called in the first process with a fraction 0..1 and what is being done.

    Returns:
        The result in the first process, None in the others.

    Raises:
        ConfigError: settings that do not fit, or a work folder of another training. DataError: the files cannot be
        used. DivergedError: the loss became NaN or infinite. StorageError: the disk is full.
    """
    _refuse(config)
    with joined(config.device) as world:
        begun = time.perf_counter()
        told = report if world.leads else lambda fraction, text: None
        _agree(table, config, Path(work), world)
        stats = _counted(table, Path(work), world, told)
        trainer = ShardTrainer(table, config, Path(work), world, stats, checkpoint_seconds, told)
        trainer.prepare()
        reading = time.perf_counter() - begun
        trainer.train()
        if not world.leads:
            return None
        model = trainer.trained()
        results, seconds = _figures(model, trainer.held), trainer.place.seconds
        return ShardedResult(model, results, stats.rows, stats.training, reading, seconds, world.size)


def _refuse(config: StackConfig) -> None:
    for wrong, name in (
        (config.optimiser == "lbfgs", "full-batch L-BFGS"),
        (config.early_stopping is not None, "early stopping"),
        (config.label_share != 1, "a share of the labels"),
    ):
        if wrong:
            raise ConfigError(f"Training on shards does not know {name}. Choose another setting, or one file.")


def _agree(table: TableShards, config: StackConfig, work: Path, world: World) -> None:
    """All processes, and all starts, of one work folder are of one training."""
    sizes = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in table.files]
    told = {**asdict(table), "files": sizes, "config": config.model_dump()}
    plan = work / "plan.json"
    if world.leads and not plan.exists():
        write_atomically(plan, dump_json(told))
    world.wait()
    if dump_json(parse_json(plan.read_bytes(), plan.name)) != dump_json(told):
        raise ConfigError(
            f"{work} is the work folder of another training, or its files have changed since. Remove it, or give "
            "another folder with --work."
        )


def _counted(table: TableShards, work: Path, world: World, report: Report) -> ShardStats:
    """Statistics of all files: each process counts its share, all of them read what was found."""
    for number in range(world.rank, len(table.files), world.size):
        report(0.05 * number / len(table.files), f"Counting {table.files[number].name}")
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
