"""`python -m benchmarks.scale`: throughput, memory and losses of training on shards, against rows, processes and hosts.

    python -m benchmarks.scale [--rows 100000 1000000 10000000] [--shared-rows 1000000] [--hosts 2] [--folder FOLDER]

Synthetic tables are trained by the command that users give, each process with one thread: tables of more and more rows
by one process, and the same table by one process, by two, and by several hosts in network namespaces (which needs root;
without it, by launchers of their own over the loopback interface). `--write` puts the figures, and what follows from
them for a billion rows, into docs/scaling.md as they are printed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.scale import report
from benchmarks.scale.hosts import Network, network
from benchmarks.scale.work import Measured, Task, make_table, train

NARROW = Task(columns=16, layers=(32, 8), epochs=1, file_rows=500_000)
WIDE = Task(columns=64, layers=(256, 64), epochs=2, file_rows=100_000)
DISK_FACTOR = 3  # table, prepared rows and codes of the widest level


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    about, _, usage = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=about, epilog=usage)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--shared-rows", type=int, default=1_000_000, help="trained by several; 0: leave that out")
    parser.add_argument("--processes", type=int, default=2, help="on one host")
    parser.add_argument("--hosts", type=int, default=2, help="with a process each; below 2: leave that out")
    parser.add_argument("--folder", type=Path, help="for the tables, which are kept; default: a temporary one")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/scaling.md")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        root = options.folder or Path(temporary)
        _check_disk(root, options.rows, options.shared_rows)
        sections = [[report.machine()]]
        if options.rows:
            sections.append(report.memory_section(NARROW, _against_rows(root, options.rows)))
        if options.shared_rows:
            sections += _shared(root, options.shared_rows, options.processes, options.hosts)
    text = "\n\n".join("\n".join(lines) for lines in sections)
    print(text)
    if options.write:
        report.write(text)


def _against_rows(root: Path, numbers: Sequence[int]) -> list[tuple[int, Measured]]:
    found = []
    for rows in numbers:
        folder = root / f"table-{NARROW.columns}x{rows}"
        make_table(folder, NARROW, rows)
        found.append((rows, _measured(root, f"{rows:,} rows", partial(train, folder, NARROW))))
    return found


def _shared(root: Path, rows: int, processes: int, hosts: int) -> list[list[str]]:
    folder = root / f"table-{WIDE.columns}x{rows}"
    make_table(folder, WIDE, rows)

    def trained(title: str, **how: Any) -> Measured:
        return _measured(root, title, partial(train, folder, WIDE, **how))

    alone = trained("one process")
    found = [("one process", alone)]
    if processes > 1:
        title = f"{processes} processes on one host"
        found.append((title, trained(title, processes=processes)))
    joined: Network | None = None
    if hosts > 1:
        title = f"{hosts} hosts"
        with network(hosts) as joined:
            if joined.refusal:
                print(f"No network namespaces: {joined.refusal}.", file=sys.stderr)
            found.append((title, trained(f"{title}, {joined.how}", hosts=joined)))
    noise = trained("one process, another seed", seed=1)
    sections = [report.sharing_section(WIDE, rows, found, noise, joined)]
    if len(found) > 1:
        sections.append(report.billion_section(WIDE, rows, alone, found[-1][1]))
    return sections


def _measured(root: Path, title: str, measure: Callable[[Path], Measured]) -> Measured:
    """One measurement, in a folder of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=root) as scratch:
        found = measure(Path(scratch))
    told = found.told
    print(
        f"{title}: {told['seconds']:.1f} s of training, {told['peak_memory'] / 1e6:.0f} MB", file=sys.stderr, flush=True
    )
    return found


def _check_disk(root: Path, rows: Sequence[int], shared: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    largest = max([0, *(4 * n * max(NARROW.columns, *NARROW.layers) for n in rows)])
    needed = DISK_FACTOR * max(largest, 4 * shared * max(WIDE.columns, *WIDE.layers))
    free = shutil.disk_usage(root).free
    if free < needed:
        raise SystemExit(f"{root} has {free / 1e9:.1f} GB free; about {needed / 1e9:.1f} GB are needed. Give --folder.")


if __name__ == "__main__":
    main()
