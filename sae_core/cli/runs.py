"""`sae-explorer runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sae_core.cli.output import json_option, open_workspace, printable, say, show, workspace_option

if TYPE_CHECKING:
    from sae_core.runs.record import RunRecord


@click.command()
@workspace_option
@json_option
def runs(workspace: Path | None, as_json: bool) -> None:
    """List the runs of the workspace, newest first."""
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
        cells = (record.id, record.name, record.dataset_name, "-".join(map(str, record.config.units)), record.state)
        figures = (f"{record.seconds:.0f} s", f"{accuracy:.1%}" if isinstance(accuracy, float) else "")
        table.add_row(*(Text(printable(cell)) for cell in (*cells, *figures)))
    Console().print(table)


def _run_facts(record: RunRecord) -> dict[str, Any]:
    names = (
        "id",
        "name",
        "created",
        "state",
        "message",
        "dataset_name",
        "dataset_fingerprint",
        "seconds",
        "device",
        "results",
    )
    return {name: getattr(record, name) for name in names} | {"config": record.config.model_dump()}
