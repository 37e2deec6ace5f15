"""The program: `python -m benchmarks.fidelity --help`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import torch
from rich.console import Console

from benchmarks.fidelity import report
from benchmarks.fidelity.literature import ROWS, TRAININGS, Part
from benchmarks.fidelity.results import collect
from benchmarks.fidelity.work import Laboratory

RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"


def options() -> argparse.ArgumentParser:
    """What the program can be told."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fidelity",
        description="Reproduce published findings on stacked autoencoders with the shipped digits.",
    )
    parser.add_argument("--only", choices=get_args(Part), help="one part of the table instead of all")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind (default 3)")
    parser.add_argument("--quick", action="store_true", help="tiny stacks and few rows, to see that everything runs")
    parser.add_argument(
        "--validation",
        action="store_true",
        help="leave 2,000 training pictures out and measure those, to choose settings",
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep every result, and go on from those kept")
    parser.add_argument("--threads", type=int, help="of one training (default: as PyTorch chooses)")
    parser.add_argument("--write", action="store_true", help="put what was run into benchmarks/RESULTS.md")
    return parser


def main(arguments: list[str] | None = None) -> None:
    parser = options()
    chosen = parser.parse_args(arguments)
    if chosen.write and (chosen.quick or chosen.validation):
        parser.error("--write puts down figures of the test rows at full size: leave out --quick and --validation")
    if chosen.seeds < 1:
        parser.error("--seeds must be 1 or more")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    parts: tuple[Part, ...] = (chosen.only,) if chosen.only else get_args(Part)
    needed = {name for row in ROWS if row.part in parts for name in row.trainings}
    console = Console()
    results = collect(
        Laboratory(chosen.quick, chosen.validation),
        [name for name in TRAININGS if name in needed],
        range(chosen.seeds),
        chosen.cache,
        lambda line: console.print(line, highlight=False, soft_wrap=True),
    )
    found = report.lines(results, parts)
    for table in report.tables(found):
        console.print(table)
    if chosen.validation:
        console.print("All figures are of the validation rows.")
    console.print(report.machine(results))
    if chosen.write:
        report.write(report.markdown(found, results), RESULTS)


if __name__ == "__main__":
    main()
