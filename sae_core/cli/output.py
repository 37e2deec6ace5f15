"""What commands print, and the options that several of them have."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sae_core.runs.workspace import Workspace

workspace_option = click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SAE_WORKSPACE",
    help="Folder with data sets and runs.  [default: the user's data folder]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, without progress.")


def open_workspace(folder: Path | None) -> Workspace:
    """The workspace in a folder, without what killed programs left; None: the user's own."""
    from sae_core.runs.tidy import tidy
    from sae_core.runs.workspace import Workspace, default_workspace
    from sae_core.temporary import sweep_scratch

    workspace = Workspace(folder) if folder else default_workspace()
    tidy(workspace)
    sweep_scratch()
    return workspace


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """A progress bar on standard error; none with `--json` or where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda fraction, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, text: bar.update(task, completed=fraction, description=printable(text)[:70])


def printable(text: str) -> str:
    """Text without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def say(text: str) -> None:
    """A message for people, on standard error."""
    click.echo(printable(text), err=True)


def show(facts: Any, text: str, as_json: bool) -> None:
    """The result, on standard output: as JSON, or as text for people."""
    click.echo(json.dumps(facts, ensure_ascii=False, indent=2) if as_json else text)
