"""The table, as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.throughput.task import EPOCHS, UNITS
from benchmarks.throughput.worker import CONTESTANTS

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
BEGIN, END = "<!-- throughput:begin -->", "<!-- throughput:end -->"
PACKAGES = ("torch", "clustpy", "keras", "tensorflow-cpu", "scikit-learn", "numpy")
OURS, AUTO = "ours.float32", "ours.auto"
CLUSTPY = "peers.clustpy"

Rounds = dict[str, list[dict[str, Any]]]


def report(rounds: Rounds) -> str:
    """The section of RESULTS.md, medians over the rounds."""
    return "\n".join([_machine(rounds), "", *_contest(rounds), "", *_targets(rounds), ""])


def write(section: str) -> None:
    """Put the section between its marks in RESULTS.md."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    block = f"{BEGIN}\n{section}\n{END}"
    if BEGIN in text:
        head, rest = text.split(BEGIN, 1)
        text = head + block + rest.split(END, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    RESULTS.write_text(text, encoding="utf-8")


def _machine(rounds: Rounds) -> str:
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    count = max((len(runs) for runs in rounds.values()), default=0)
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"## Throughput\n\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, {versions}; medians of {count} rounds in turn.\n\n"
        f"Fashion-MNIST, 60,000 rows, 784-{'-'.join(str(width) for width in UNITS)}, relu, squared error, Adam 0.001, "
        f"batch 256, {EPOCHS} epochs a level. Time: from the float32 rows in memory to the trained stack, without "
        "imports and reading the file. Loss: mean squared error of a pixel, reconstructed from each level. "
        "Memory: peak of the process."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _median(rounds: Rounds, name: str, key: str) -> float | None:
    values = [run[key] for run in rounds.get(name, []) if key in run]
    return statistics.median(values) if values else None


def _contest(rounds: Rounds) -> list[str]:
    base, base_auto = (_median(rounds, name, "seconds") for name in (OURS, AUTO))
    lines = [
        "| Program | Time, s | Loss of levels 1, 2, 3 | Peak memory, MB | Time / ours float32 | Time / ours auto |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for name, title in CONTESTANTS.items():
        seconds, peak = _median(rounds, name, "seconds"), _median(rounds, name, "peak")
        if seconds is None or peak is None:
            lines.append(f"| {title} | not run | | | | |")
            continue
        by_level = zip(*(run["losses"] for run in rounds[name]), strict=True)
        found = ", ".join(f"{statistics.median(values):.4f}" for values in by_level)
        ratios = [f"{seconds / other:.2f}" if other else "" for other in (base, base_auto)]
        lines.append(f"| {title} | {seconds:.2f} | {found} | {peak / 1e6:.0f} | {' | '.join(ratios)} |")
    return lines


def _targets(rounds: Rounds) -> list[str]:
    """What was to be reached, and what was."""
    lines = ["| Target | Wanted | Measured | |", "|---|---:|---:|---|"]

    def add(what: str, wanted: str, measured: float | None, form: str, ok: bool) -> None:
        if measured is not None:
            lines.append(f"| {what} | {wanted} | {form.format(measured)} | {'met' if ok else '**not met**'} |")

    def ratio(name: str, base: str) -> float | None:
        theirs, ours = _median(rounds, name, "seconds"), _median(rounds, base, "seconds")
        return theirs / ours if theirs and ours else None

    for name, title in CONTESTANTS.items():
        if name.startswith("peers."):
            least = 2.0 if name in ("peers.torch_loop", "peers.scikit_learn") else 3.0
            found = ratio(name, OURS)
            add(f"{title}: time / ours float32", f">= {least:.0f}", found, "{:.2f}", (found or 0) >= least)
    found = ratio(CLUSTPY, AUTO)
    add("ClustPy: time / ours auto", ">= 4.5", found, "{:.2f}", (found or 0) >= 4.5)
    share = _median(rounds, "ours.large_float32", "share")
    what = "784-1000-500-250-30, float32: share of the rate of matrix products"
    add(what, ">= 85 %", share, "{:.0%}", (share or 0) >= 0.85)
    narrow = _median(rounds, "ours.large_auto", "share")
    if narrow is not None:
        lines.append(f"| The same, auto: share of the rate of bfloat16 products | | {narrow:.0%} | |")
    step = _median(rounds, "ours.small", "step")
    add("A step of a level 64 -> 16 at batch 256, microseconds", "< 120", step, "{:.0f}", (step or 1e9) < 120)
    peak, data = _median(rounds, OURS, "peak"), _median(rounds, OURS, "data")
    if peak and data:
        limit = 2 * data + 300e6
        add("Peak memory of ours, MB", f"<= {limit / 1e6:.0f}", peak / 1e6, "{:.0f}", peak <= limit)
    own, rate = _median(rounds, OURS, "share"), _median(rounds, OURS, "rate")
    if own and rate:
        what = f"784-256-64-16, float32: share of the rate of matrix products ({rate:.0f} GFLOP/s)"
        lines.append(f"| {what} | | {own:.0%} | |")
    return lines
