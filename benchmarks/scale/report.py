"""The figures and what follows from them, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.scale.hosts import Network
from benchmarks.scale.work import Measured, Task

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
BEGIN, END = "<!-- scale:begin -->", "<!-- scale:end -->"
BILLION = 1_000_000_000
PER_HOST = 16  # processes of a host in the estimate
HOSTS = (1, 2, 4, 8, 16)


def machine() -> str:
    """Where and with what it was measured."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {name}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"torch {version('torch')}, pyarrow {version('pyarrow')}; one thread a process."
    )


def memory_section(task: Task, found: Sequence[tuple[int, Measured]]) -> list[str]:
    """Memory and disk against the number of rows, trained by one process."""
    head = [
        "Rows",
        "Table (MB)",
        "Wall (s)",
        "Reading (s)",
        "Training (s)",
        "Peak memory (MB)",
        "Peak work folder (MB)",
    ]
    lines = [
        "## Memory against rows",
        "",
        f"{task.columns} columns, stack {task.title}, {_epochs(task)}, files of {task.file_rows:,} rows, one process.",
        "",
        *_table([*head, "Error of each level"]),
    ]
    for rows, one in found:
        told = one.told
        seconds = (one.wall, told["reading_seconds"], told["seconds"])
        sizes = (told["peak_memory"] / 1e6, one.disk / 1e6)
        cells = [f"{rows:,}", f"{one.table / 1e6:,.0f}", *(f"{value:.1f}" for value in seconds)]
        lines.append(_row([*cells, *(f"{value:,.0f}" for value in sizes), _errors(one)]))
    if len(found) > 1:
        (few, least), (many, most) = found[0], found[-1]
        more = most.told["peak_memory"] / least.told["peak_memory"] - 1
        lines += ["", f"{many / few:,.0f} times the rows take {more:.0%} more memory."]
    return lines


def sharing_section(
    task: Task, rows: int, found: Sequence[tuple[str, Measured]], noise: Measured, hosts: Network | None
) -> list[str]:
    """The same work by one process and by several. The first of `found` is one process; `noise`: another seed."""
    head = ["Trained by", "Wall (s)", "Reading (s)", "Training (s)", "Rows/s and epoch", "Speed-up", "Efficiency"]
    lines = [
        "## Processes and hosts",
        "",
        f"{rows:,} rows of {task.columns} columns, stack {task.title}, {_epochs(task)}.",
        "",
        *_table([*head, "Peak memory (MB)", "Error of each level", "Difference to one process"]),
    ]
    alone = found[0][1]
    for title, one in [*found, ("one process, another seed", noise)]:
        told, speed_up = one.told, alone.told["seconds"] / one.told["seconds"]
        seconds = [f"{value:.1f}" for value in (one.wall, told["reading_seconds"], told["seconds"])]
        rates = [f"{_rate(one, task):,.0f}", f"{speed_up:.2f}", f"{speed_up / one.processes:.2f}"]
        memory = f"{told['peak_memory'] / 1e6:,.0f}"
        lines.append(_row([title, *seconds, *rates, memory, _errors(one), "" if one is alone else _apart(one, alone)]))
    lines += ["", "The last row tells how much chance alone changes: its weights and order of rows are others."]
    for title, one in found:
        if one.sent:
            lines.append(f"Of {title}, each sent {sum(one.sent) / len(one.sent) / 1e6:,.0f} MB to the others.")
    if hosts is not None:
        lines.append(f"The hosts are {hosts.how}.")
        if hosts.refusal:
            lines.append(f"They are not network namespaces, because {hosts.refusal}.")
    return lines


def billion_section(task: Task, rows: int, alone: Measured, shared: Measured) -> list[str]:
    """What a billion rows cost, on paper, from one process alone and from several together."""
    told = alone.told
    reading = told["reading_seconds"] / rows * BILLION
    training = told["seconds"] / rows * BILLION
    efficiency = min(1.0, told["seconds"] / shared.told["seconds"] / shared.processes)
    reads = shared.told["reading_seconds"] * shared.processes / told["reading_seconds"]  # process seconds against one's
    table, work = alone.table / rows * BILLION, alone.disk / rows * BILLION
    passes = len(task.layers) * task.epochs
    rate = _rate(alone, task) * PER_HOST * efficiency * 4 * max(task.columns, *task.layers)
    sizes = f"{table / 1e9:,.0f} GB of Parquet, at most {work / 1e9:,.0f} GB in the work folder"
    lines = [
        "## One billion rows, on paper",
        "",
        f"From these figures, for the same {task.columns} columns and stack, {passes} epochs, on hosts of {PER_HOST} "
        f"cores that see one file system: {sizes}. One process alone reads for {reading / 3600:.1f} h and trains for "
        f"{training / 3600:.1f} h. Many are taken to be as efficient as the {shared.processes} processes measured: "
        f"{efficiency:.2f} in training, {1 / reads:.2f} in reading.",
        "",
        *_table(["Hosts", "Processes", "Reading (min)", "Training (min)", "Host-hours", "Read by each host (MB/s)"]),
    ]
    for hosts in HOSTS:
        processes = hosts * PER_HOST
        minutes = (reading * reads / processes / 60, training / (processes * efficiency) / 60)
        cost = sum(minutes) / 60 * hosts
        lines.append(
            _row(
                [
                    str(hosts),
                    str(processes),
                    *(f"{value:.1f}" for value in minutes),
                    f"{cost:.1f}",
                    f"{rate / 1e6:,.0f}",
                ]
            )
        )
    lines += [
        "",
        f"Memory of a process stays what it was measured to be ({told['peak_memory'] / 1e6:,.0f} MB).",
    ]
    return lines


def write(section: str) -> None:
    """Put the section between its marks in docs/scaling.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN, 1)
    DOCUMENT.write_text(f"{head}{BEGIN}\n{section.strip()}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def _epochs(task: Task) -> str:
    return f"{task.epochs} epoch{'s' if task.epochs > 1 else ''} a level, batches of 4,096"


def _rate(one: Measured, task: Task) -> float:
    rows = one.told["training_rows"] * task.epochs * len(task.layers)
    return float(rows / one.told["seconds"])


def _errors(one: Measured) -> str:
    return ", ".join(f"{error:.5f}" for error in one.errors)


def _apart(one: Measured, other: Measured) -> str:
    return ", ".join(f"{a / b - 1:+.2%}" for a, b in zip(one.errors, other.errors, strict=True))


def _table(head: Iterable[str]) -> list[str]:
    names = list(head)
    return [_row(names), "|" + "---:|" * len(names)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
