"""`sae-explorer train` and `encode` on tables of many files, alone or under torchrun."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sae_core.cli.output import progress, say, show
from sae_core.errors import ConfigError

if TYPE_CHECKING:
    from sae_core.config import StackConfig
    from sae_core.model.trained import TrainedStack

_OTHER_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".npy", ".npz", ".zip")
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
    as_json: bool,
) -> None:
    """Train in shards and save the model.

    Args:
        out: folder for the model.
        work: folder for prepared rows and checkpoints; None: beside the model. Kept, so that it can go on.
        options: of the command.
        configure: the stack with the command's options.
    """
    from sae_core.config import LayerConfig, StackConfig
    from sae_core.data.shards import open_shards
    from sae_core.training.sharded import train_shards

    if out is None:
        raise ConfigError("A table of many files is trained into a folder, not into the workspace. Give --out FOLDER.")
    if not options["layers"] and options["config_file"] is None:
        raise ConfigError("Give the units of each level for a table of many files, for example --layers 256,64,16.")
    shares = [
        given if given is not None else usual
        for given, usual in ((options["validation"], VALIDATION), (options["test_share"], TEST))
    ]
    config = configure(StackConfig(layers=(LayerConfig(units=16),)))
    table = open_shards(source, label=label, validation=shares[0], test=shares[1], seed=config.seed)
    work = out.with_name(f"{out.name}.work") if work is None else work
    if int(os.environ.get("RANK", "0")) == 0:
        say(f"{len(table.files):,} files with {len(table.columns):,} columns; work folder {work}")
    with progress(as_json) as report:
        result = train_shards(table, config, work, report=report)
    if result is None:
        return  # not the first process
    result.model.save(out)
    facts = {
        "units": list(result.model.units),
        "rows": result.rows,
        "training_rows": result.training_rows,
        "processes": result.processes,
        "reading_seconds": result.reading_seconds,
        "seconds": result.seconds,
        "peak_memory": _peak_memory(),
        "out": str(out),
        "results": result.results,
    }
    lines = [f"{result.rows:,} rows, {result.processes} process(es): trained in {result.seconds:.1f} s"]
    errors = result.results.get("reconstruction_error", [])
    lines += [f"  level {level}: reconstruction error {error:.4g}" for level, error in enumerate(errors, start=1)]
    if "test_accuracy" in result.results:
        lines.append(f"  accuracy on held-out rows: {result.results['test_accuracy']:.1%}")
    lines.append(f"  model -> {out}")
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
