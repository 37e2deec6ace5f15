"""The table "published | ours", on the terminal and in RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table

import sae_core as sae
from benchmarks.fidelity.literature import NOTES, ROWS, TITLES, Part, Row
from benchmarks.fidelity.results import Result

HEADINGS = ("", "published", "ours", "seeds", "CPU minutes a seed")
BEGIN, END = "<!-- fidelity:begin -->", "<!-- fidelity:end -->"


@dataclass(frozen=True)
class Line:
    """A row with its figures, one a seed.

    Attributes:
        values: of each seed.
        minutes: of the processor for one seed, the mean.
    """

    row: Row
    values: tuple[float, ...]
    minutes: float

    @property
    def cells(self) -> tuple[str, ...]:
        """As the table shows them."""
        minutes = "" if self.row.minus else f"{self.minutes:.1f}"
        published = self.row.published or "–"
        return (self.row.what, published, spread(self.values), str(len(self.values)), minutes)


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds.

    >>> spread([1.0, 2.0, 3.0])
    '2.00 ± 1.00'
    """
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


def lines(results: Iterable[Result], parts: Iterable[Part]) -> list[Line]:
    """The rows of some parts, filled in."""
    by_training: dict[str, dict[int, Result]] = {}
    for result in results:
        by_training.setdefault(result.training, {})[result.seed] = result
    return [_line(row, by_training) for row in ROWS if row.part in tuple(parts)]


def _line(row: Row, by_training: dict[str, dict[int, Result]]) -> Line:
    ours, less = by_training[row.training], by_training[row.minus] if row.minus else {}
    values = tuple(
        result.figures[row.figure] - (less[seed].figures[row.figure] if less else 0.0)
        for seed, result in sorted(ours.items())
    )
    return Line(row, values, statistics.mean(result.cpu_seconds for result in ours.values()) / 60)


def tables(found: Sequence[Line]) -> list[Table]:
    """One table a part, for the terminal."""
    result = []
    for part in dict.fromkeys(line.row.part for line in found):
        table = Table(title=f"{part}. {TITLES[part]}", caption=NOTES[part])
        for heading in HEADINGS:
            table.add_column(heading, justify="right" if heading else "left")
        for line in found:
            if line.row.part == part:
                table.add_row(*line.cells)
        result.append(table)
    return result


def markdown(found: Sequence[Line], results: Sequence[Result]) -> str:
    """The section of RESULTS.md."""
    text = [BEGIN, "## Fidelity: published findings, reproduced", "", machine(results), ""]
    for part in dict.fromkeys(line.row.part for line in found):
        text += [f"### {part}. {TITLES[part]}", "", _markdown_row(HEADINGS), "|---|" + "---:|" * (len(HEADINGS) - 1)]
        text += [_markdown_row(line.cells) for line in found if line.row.part == part]
        text += ["", NOTES[part], ""]
    return "\n".join([*text, END, ""])


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def machine(results: Sequence[Result]) -> str:
    """When and with what the figures were computed, in one paragraph."""
    first, last = min(result.finished for result in results), max(result.finished for result in results)
    hours = sum(result.cpu_seconds for result in results) / 3600
    when = first[:10] if first[:10] == last[:10] else f"{first[:10]} to {last[:10]}"
    return (
        f"`python -m benchmarks.fidelity`, version {sae.__version__}, {when}, {processor()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}; {hours:.1f} hours of the processor. "
        "Mean ± standard deviation over the seeds; errors and reconstructions of the official test set."
    )


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.is_file() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def write(section: str, file: Path) -> None:
    """Put the section in its place in a file, or at its end; everything else stays."""
    text = file.read_text(encoding="utf-8") if file.is_file() else "# Results\n"
    start, end = text.find(BEGIN), text.find(END)
    if start >= 0 and end > start:
        text = text[:start] + section.rstrip("\n") + text[end + len(END) :]
    else:
        text = text.rstrip("\n") + "\n\n" + section
    file.write_text(text, encoding="utf-8")
