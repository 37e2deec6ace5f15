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


def markdown(found: Sequence[Line], results: Sequence[Result]) -> dict[Part, str]:
    """The text of each part for RESULTS.md."""
    texts: dict[Part, str] = {}
    for part in dict.fromkeys(line.row.part for line in found):
        of_part = [line for line in found if line.row.part == part]
        names = {name for line in of_part for name in line.row.trainings}
        text = [f"### {part}. {TITLES[part]}", "", _markdown_row(HEADINGS), "|---|" + "---:|" * (len(HEADINGS) - 1)]
        text += [_markdown_row(line.cells) for line in of_part]
        text += ["", NOTES[part], "", machine([result for result in results if result.training in names])]
        texts[part] = "\n".join(text)
    return texts


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def machine(results: Sequence[Result]) -> str:
    """When and with what the figures were computed, in one paragraph."""
    first, last = min(result.finished for result in results), max(result.finished for result in results)
    hours = sum(result.cpu_seconds for result in results) / 3600
    when = first[:10] if first[:10] == last[:10] else f"{first[:10]} to {last[:10]}"
    return (
        f"Version {sae.__version__}, {when}, {processor()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}; {hours:.1f} hours of the processor. "
        "Mean ± standard deviation over the seeds; errors and reconstructions of the official test set."
    )


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.is_file() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def write(texts: dict[Part, str], file: Path) -> None:
    """Put parts into their places in a file; other parts, and everything outside this program's section, stay."""
    whole = file.read_text(encoding="utf-8") if file.is_file() else "# Results\n"
    if BEGIN not in whole:
        whole = f"{whole.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = whole.split(BEGIN, 1)
    old, after = rest.split(END, 1)
    found = re.split(r"<!-- fidelity:([a-d]) -->\n", old)  # what precedes the first part, then names and texts in turn
    parts = {name: text.strip() for name, text in zip(found[1::2], found[2::2], strict=True)} | texts
    body = "\n".join(f"<!-- fidelity:{name} -->\n\n{text}\n" for name, text in sorted(parts.items()))
    section = f"{BEGIN}\n\n## Fidelity: published findings, reproduced\n\n{body}\n{END}"
    file.write_text(before + section + after, encoding="utf-8")
