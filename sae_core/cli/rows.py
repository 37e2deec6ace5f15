"""`sae-explorer encode`, `reconstruct` and `classify`: what a trained model makes of the rows of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sae_core.cli.models import read_model
from sae_core.cli.output import json_option, progress, say, show, workspace_option

if TYPE_CHECKING:
    from sae_core.export.stream import Encoded

Command = Callable[..., Any]


def _of_rows(command: Command) -> Command:
    """The arguments and options that all three have."""
    output = click.Path(path_type=Path)
    for decorate in reversed(
        (
            click.argument("model"),
            click.argument("data"),
            click.option(
                "-o", "--output", type=output, required=True, help="A .parquet or .csv file; encode: a folder for many."
            ),
            click.option(
                "--keep", multiple=True, metavar="COLUMN", help="A further column of the file to write beside the rest."
            ),
            workspace_option,
            json_option,
        )
    ):
        command = decorate(command)
    return command


@click.command()
@_of_rows
@click.option("--level", type=int, help="0 (the prepared input) and up.  [default: the deepest]")
@click.option("--fine-tuned", is_flag=True, help="Codes of the stack after supervised fine-tuning.")
def encode(model: str, data: str, output: Path, level: int | None, fine_tuned: bool, **others: Any) -> None:
    """Write the codes of the rows of a file.

    MODEL is a folder, a bundle (.zip) or the id of a run; DATA what it was trained on: a table, pictures or arrays.

    Rows are read, encoded and written a few thousand at a time: their number does not matter.

    A folder or a "pattern-*.parquet" of many table files becomes a folder of as many Parquet files: --output names it.
    Where torchrun starts this command, its processes share the files.
    """
    from sae_core.cli.sharded import encode_shards, is_sharded
    from sae_core.export.stream import encode_file

    if is_sharded(data):
        stack, _, _ = read_model(model, others["workspace"])
        if stack.preparation.kind == "table":
            options = {"level": level, "fine_tuned": fine_tuned, "keep": others["keep"], "as_json": others["as_json"]}
            return encode_shards(stack, data, output, **options)
    made = _run(encode_file, model, data, output, level=level, fine_tuned=fine_tuned, **others)
    words = f"level {made.level} ({made.units} numbers each)"
    _tell(made, output, {"level": made.level, "units": made.units}, words, others["as_json"])


@click.command()
@_of_rows
@click.option("--level", type=int, help="0 (the prepared input) and up.  [default: the deepest]")
def reconstruct(model: str, data: str, output: Path, level: int | None, **others: Any) -> None:
    """Write the rows of a file as a level gives them back, in their own columns and units.

    A further column, reconstruction_error, says how much was lost: the rows with the largest are candidates for
    outliers. MODEL and DATA as of encode; rows of any number.
    """
    from sae_core.export.stream import reconstruct_file

    made = _run(reconstruct_file, model, data, output, level=level, **others)
    _tell(made, output, {"level": made.level}, f"given back from level {made.level}", others["as_json"])


@click.command()
@_of_rows
@click.option("--level", type=int, help="Softmax on the frozen code of this level.  [default: the fine-tuned stack]")
def classify(model: str, data: str, output: Path, level: int | None, **others: Any) -> None:
    """Write the class of each row of a file, with the probability of every class.

    MODEL and DATA as of encode; rows of any number.
    """
    from sae_core.export.stream import classify_file

    made = _run(classify_file, model, data, output, level=level, **others)
    _tell(made, output, {"classes": made.units}, f"{made.units} classes", others["as_json"])


def _run(
    write: Callable[..., Encoded],
    model: str,
    data: str,
    output: Path,
    *,
    keep: tuple[str, ...],
    workspace: Path | None,
    as_json: bool,
    **options: Any,
) -> Encoded:
    stack, _, _ = read_model(model, workspace)
    with progress(as_json) as report:
        made = write(stack, data, output, keep=keep, progress=report, **options)
    for note in made.notes:
        say(note)
    return made


def _tell(made: Encoded, output: Path, facts: dict[str, Any], words: str, as_json: bool) -> None:
    common = {"output": str(output), "rows": made.rows}
    size = {"bytes": output.stat().st_size}
    show(common | facts | size, f"{made.rows:,} rows, {words} -> {output}", as_json)
