"""`sae-explorer runs`: what there is in the workspace, and what one does with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sae_core.cli.output import json_option, open_workspace, printable, say, show, workspace_option
from sae_core.cli.training import follow_to_the_end
from sae_core.errors import RunNotFoundError, SaeError

if TYPE_CHECKING:
    from sae_core.runs.record import RunRecord
    from sae_core.runs.run import Run


@click.group(invoke_without_command=True)
@workspace_option
@json_option
@click.pass_context
def runs(ctx: click.Context, workspace: Path | None, as_json: bool) -> None:
    """List the runs of the workspace, newest first; or do something with one of them.

    RUN is an id, the beginning or end of one that no other run has, or a name that no other run has.
    """
    ctx.obj = workspace
    if ctx.invoked_subcommand is None:
        _list(workspace, as_json)


def _list(workspace: Path | None, as_json: bool) -> None:
    records = open_workspace(workspace).runs()
    if as_json:
        return show([_run_facts(record) for record in records], "", True)
    if not records:
        return say("There are no runs yet. `sae-explorer train mnist` makes one.")
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Run", "Name", "Data", "Levels", "State", "Time", "Test accuracy"):
        table.add_column(column, overflow="fold", no_wrap=column == "Run")
    for record in records:
        accuracy = record.results.get("test_accuracy")
        name = " ".join([record.name, *(f"#{tag}" for tag in record.tags)])
        cells = (record.id, name, record.dataset_name, "-".join(map(str, record.config.units)), record.state)
        figures = (f"{record.seconds:.0f} s", f"{accuracy:.1%}" if isinstance(accuracy, float) else "")
        table.add_row(*(Text(printable(cell)) for cell in (*cells, *figures)))
    Console().print(table)


def _run_facts(record: RunRecord) -> dict[str, Any]:
    return {
        field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.name != "config"
    } | {"config": record.config.model_dump()}


def _found(ctx: click.Context, workspace: Path | None, text: str) -> Run:
    """The run that a person means."""
    place = open_workspace(workspace or ctx.obj)
    if place.has_run(text):
        return place.run(text)
    records = place.runs()
    for matches in (
        [record.id for record in records if record.id.startswith(text) or record.id.endswith(text)],
        [record.id for record in records if record.name == text],
    ):
        if len(matches) == 1:
            return place.run(matches[0])
        if len(matches) > 1:
            raise RunNotFoundError(f"{text!r} fits {len(matches)} runs: {', '.join(matches[:5])}. Give the whole id.")
    raise RunNotFoundError(f"There is no run {text!r} in {place.root}. See `sae-explorer runs`.")


run_argument = click.argument("run")


@runs.command(name="show")
@run_argument
@workspace_option
@json_option
@click.pass_context
def show_run(ctx: click.Context, run: str, workspace: Path | None, as_json: bool) -> None:
    """Everything that is known of a run: settings, results, where and with what it was trained."""
    found = _found(ctx, workspace, run)
    record = found.record
    facts = _run_facts(record) | {"bytes": found.size_bytes(), "epochs_trained": len(found.history())}
    lines = [f"{record.name} ({record.id}): {record.state}"]
    lines += [record.message] if record.message else []
    lines += [
        f"  {name}: {value}"
        for name, value in facts.items()
        if name not in ("name", "id", "state", "message", "config")
    ]
    changed = record.config.model_dump(exclude_defaults=True)
    lines += ["  settings that are not the defaults:", *(f"    {name}: {value}" for name, value in changed.items())]
    show(facts, "\n".join(printable(line) for line in lines), as_json)


@runs.command()
@run_argument
@click.argument("name")
@workspace_option
@click.pass_context
def rename(ctx: click.Context, run: str, name: str, workspace: Path | None) -> None:
    """Give a run another name."""
    _found(ctx, workspace, run).rename(name)


@runs.command()
@run_argument
@click.argument("tags", nargs=-1)
@click.option("--remove", is_flag=True, help="Take these tags away instead.")
@workspace_option
@click.pass_context
def tag(ctx: click.Context, run: str, tags: tuple[str, ...], remove: bool, workspace: Path | None) -> None:
    """Add tags to a run, or take them away."""
    found = _found(ctx, workspace, run)
    before = found.record.tags
    found.annotate(tags=[word for word in before if word not in tags] if remove else [*before, *tags])
    say(", ".join(found.record.tags) or "No tags.")


@runs.command()
@run_argument
@click.argument("text")
@workspace_option
@click.pass_context
def note(ctx: click.Context, run: str, text: str, workspace: Path | None) -> None:
    """Write a note to a run, in place of the one before."""
    _found(ctx, workspace, run).annotate(note=text)


@runs.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_option
@click.pass_context
def delete(ctx: click.Context, names: tuple[str, ...], yes: bool, workspace: Path | None) -> None:
    """Delete runs for good; their data sets stay. A run in training is refused."""
    found = [_found(ctx, workspace, name) for name in names]
    if not yes:
        listed = ", ".join(printable(f"{run.record.name} ({run.id})") for run in found)
        click.confirm(f"Delete {listed}?", abort=True, err=True)
    for run in found:
        run.delete()
        say(f"Deleted {run.id}.")


@runs.command()
@run_argument
@workspace_option
@json_option
@click.pass_context
def resume(ctx: click.Context, run: str, workspace: Path | None, as_json: bool) -> None:
    """Go on with a run that was stopped or interrupted, from its last checkpoint."""
    from sae_core.jobs import resume_run

    follow_to_the_end(resume_run(_found(ctx, workspace, run)), None, as_json)


@runs.command()
@run_argument
@workspace_option
@click.pass_context
def stop(ctx: click.Context, run: str, workspace: Path | None) -> None:
    """Ask the program that trains a run to stop it, and keep what is trained so far."""
    found = _found(ctx, workspace, run)
    if found.holder() is None:
        raise SaeError(f"The run {found.id} is not in training ({found.record.state}), so there is nothing to stop.")
    found.ask("stop")
    say(f"Asked {found.holder() or 'its program'} to stop {found.id}.")


@runs.command()
@run_argument
@workspace_option
@click.pass_context
def script(ctx: click.Context, run: str, workspace: Path | None) -> None:
    """Print a Python script that trains a run again, on this machine to the same weights."""
    from sae_core.runs.script import sample_of, script_text

    found = _found(ctx, workspace, run)
    record = found.record
    text = script_text(record, workspace=found.workspace.root.resolve(), sample=sample_of(record))
    click.echo(text, nl=False)
