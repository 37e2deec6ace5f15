"""`sae-explorer train` and `encode` on tables of many files, alone or under torchrun."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from glob import glob
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sae_core.cli.output import open_workspace, progress, say, show
from sae_core.errors import CancelledError, ConfigError, SaeError

if TYPE_CHECKING:
    from sae_core.config import StackConfig
    from sae_core.data.shards import TableShards
    from sae_core.model.trained import TrainedStack
    from sae_core.runs.record import RunRecord
    from sae_core.training.world import World

_OTHER_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".npz", ".zip")
_LOOKED_AT = 64  # files of a folder that tell what it holds
VALIDATION, TEST = 0.02, 0.02  # shares unless they are given: of many rows few are enough to measure on


def is_sharded(source: str) -> bool:
    """Whether a source is a table of many files: a folder of tables, a pattern, or anything under torchrun."""
    from sae_core.data.shards import ENDINGS

    path = Path(source)
    if "WORLD_SIZE" in os.environ:
        return True
    if not path.exists():
        return any(mark in source for mark in "*?[")
    if not path.is_dir() or (path / "run.json").exists():
        return False
    names = [file.name.lower() for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))]
    others = sum(name.endswith(_OTHER_ENDINGS) for name in names)
    return not others and any(name.endswith(ENDINGS) for name in names)


def train_on_shards(
    source: str,
    label: str | None,
    out: Path | None,
    work: Path | None,
    options: dict[str, Any],
    configure: Callable[[StackConfig], StackConfig],
    *,
    workspace: Path | None,
    name: str,
    as_json: bool,
) -> None:
    """Train in shards, as a run of the workspace; and save the model.

    Args:
        out: folder for the model; None: it stays in the workspace.
        work: folder for prepared rows and checkpoints, which is kept. None: one beside the model or in the run's
            folder, which goes when the training has ended.
        options: of the command.
        configure: the stack with the command's options.
    """
    from sae_core.cli.training import follow
    from sae_core.config import LayerConfig, StackConfig
    from sae_core.data.shards import open_shards
    from sae_core.jobs.shards import begin, shard_job
    from sae_core.runs.run import Run
    from sae_core.training.world import joined

    _refuse_others(source)
    if not options["layers"] and options["config_file"] is None:
        raise ConfigError("Give the units of each level for a table of many files, for example --layers 256,64,16.")
    shares = [
        given if given is not None else usual
        for given, usual in ((options["validation"], VALIDATION), (options["test_share"], TEST))
    ]
    config = configure(StackConfig(layers=(LayerConfig(units=16),)))
    source = str(Path(source).absolute())
    table = open_shards(source, label=label, validation=shares[0], test=shares[1], seed=config.seed)
    folder = work or (out and out.with_name(f"{out.name}.work"))
    with joined(config.device) as world:
        if not world.leads:
            return _follow_the_first(table, config, world)
        with world.agreed():
            begun = shard_job(
                table,
                config,
                open_workspace(workspace),
                name=name,
                work=folder.absolute() if folder else None,
                source=source,
                world=world,
            )
        world.told("" if isinstance(begun, Run) else str(begun.work))
        if isinstance(begun, Run):
            say(f"This very training is finished, as run {begun.id}. Delete that run to train anew.")
        else:
            say(f"{len(table.files):,} files with {len(table.columns):,} columns; work folder {begun.work}")
            begin(begun)
            try:
                follow(begun, as_json)
            except CancelledError as error:
                if "TORCHELASTIC_RUN_ID" not in os.environ:
                    raise
                return say(str(error))  # as a success: torchrun would start a failed one again
            for note in begun.notes:
                say(note)
    run = begun if isinstance(begun, Run) else begun.run
    assert run is not None
    model = run.model()
    if out is not None:
        model.save(out)
    if work is None and folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    outcome = None if isinstance(begun, Run) else begun.outcome
    _show(run.record, model, outcome.reading_seconds if outcome else None, out, as_json)


def _refuse_others(source: str) -> None:
    """Say what is trained in memory, by one process."""
    from sae_core.data.samples import sample_names

    path = Path(source)
    held = path.rglob("*") if path.is_dir() else [path] if path.exists() else map(Path, glob(source, recursive=True))
    names = [file.name.lower() for file in islice(held, _LOOKED_AT)]
    if (not path.exists() and source in sample_names()) or any(name.endswith(_OTHER_ENDINGS) for name in names):
        raise ConfigError(
            f"{source} is no table: samples, pictures and arrays are trained in memory, by one process and without "
            "torchrun. Give the file or folder itself. For more rows than memory holds, save them as Parquet files "
            "with a column for each number."
        )


def _follow_the_first(table: TableShards, config: StackConfig, world: World) -> None:
    """A further process's part: it does what the first one does, and leaves the talking to it."""
    from sae_core.training.sharded import ShardTraining

    try:
        with world.agreed():
            pass
        if work := world.told(""):
            training = ShardTraining(table, config, work, world)
            training.read()
            for _ in training.events():
                pass
    except SaeError:
        sys.exit(1)  # the first process says why


def _show(record: RunRecord, model: TrainedStack, reading: float | None, out: Path | None, as_json: bool) -> None:
    told, results = record.shards, record.results
    facts = {
        "run": record.id,
        "state": record.state,
        "units": list(model.units),
        "rows": told.get("rows"),
        "training_rows": told.get("training_rows"),
        "processes": told.get("processes"),
        "reading_seconds": reading,
        "seconds": record.seconds,
        "peak_memory": _peak_memory(),
        "out": str(out) if out else None,
        "results": results,
    }
    lines = [f"Run {record.id}: {record.state} in {record.seconds:.1f} s on {record.device}"]
    lines.append(f"  {told.get('rows', 0):,} rows, {told.get('processes', 1)} process(es)")
    errors = results.get("reconstruction_error", [])
    lines += [f"  level {level}: reconstruction error {error:.4g}" for level, error in enumerate(errors, start=1)]
    if "test_accuracy" in results:
        lines.append(f"  accuracy on held-out rows: {results['test_accuracy']:.1%}")
    lines += [f"  model -> {out}"] if out is not None else []
    show(facts, "\n".join(lines), as_json)


def encode_shards(
    stack: TrainedStack, source: str, output: Path, *, keep: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Write a Parquet file of codes for each file of a table, each process its share; files that are there stay."""
    from sae_core.data.shards import find_files
    from sae_core.export.stream import encode_file

    files = find_files(source)
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    targets = [output / f"{number:06d}-{path.name.split('.')[0][:80]}.parquet" for number, path in enumerate(files)]
    rows = written = 0
    with progress(as_json) as report:
        for number in range(rank, len(files), size):
            if targets[number].exists():
                continue
            done = number / len(files)

            def tell(fraction: float, text: str, done: float = done) -> None:
                report(done + fraction * size / len(files), text)

            made = encode_file(stack, files[number], targets[number], keep=keep, progress=tell, **options)
            rows, written = rows + made.rows, written + 1
    who = f"process {rank} of {size}: " if size > 1 else ""
    facts = {"output": str(output), "files": len(files), "written": written, "rows": rows, "process": rank}
    show(facts, f"{who}{rows:,} rows of {written:,} files -> {output}", as_json)


def _peak_memory() -> int | None:
    """Most bytes that this process held at a time; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
