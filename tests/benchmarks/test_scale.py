"""The program that measures training on shards: its tables, its hosts, and what it concludes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.scale import hosts, report
from benchmarks.scale.__main__ import WIDE
from benchmarks.scale.work import Measured, Task, make_table


def measured(seconds: float, processes: int = 1, **told: Any) -> Measured:
    facts = {"seconds": seconds, "reading_seconds": 10.0, "peak_memory": 900_000_000, "training_rows": 960_000}
    results = {"reconstruction_error": [0.1, 0.2]}
    return Measured(facts | {"results": results} | told, seconds + 20, 10**9, 2 * 10**8, processes)


def test_a_longer_table_begins_with_the_rows_of_a_shorter_one(tmp_path: Path) -> None:
    task = Task(columns=3, layers=(2,), epochs=1, file_rows=40)
    make_table(tmp_path / "short", task, 100)
    make_table(tmp_path / "long", task, 130)
    short, long = (pd.read_parquet(tmp_path / name) for name in ("short", "long"))
    assert (len(short), len(long), len(list((tmp_path / "long").iterdir()))) == (100, 130, 4)
    np.testing.assert_array_equal(short[:80], long[:80])


def test_the_estimate_follows_from_the_figures() -> None:
    text = "\n".join(report.billion_section(WIDE, 1_000_000, measured(20.0), measured(12.5, 2, reading_seconds=5.0)))
    assert "reads for 2.8 h and trains for 5.6 h" in text  # a thousand times 10 and 20 seconds
    assert "0.80 in training, 1.00 in reading" in text
    one, two = (next(line for line in text.splitlines() if line.startswith(f"| {n} |")) for n in (1, 2))
    assert "| 16 | 10.4 | 26.0 | 0.6 |" in one  # 10,000 s over 16; 20,000 s over 16 at 0.8
    assert "| 32 | 5.2 | 13.0 | 0.6 |" in two


def test_what_is_measured_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = hosts.Network((), "launchers of their own", "network namespaces need root")
    found = [("one process", measured(20.0)), ("2 hosts", measured(12.5, 2))]
    text = "\n".join(report.sharing_section(WIDE, 1_000_000, found, measured(20.0), loopback))
    assert "| 1.60 | 0.80 |" in text
    assert "+0.00%, +0.00%" in text
    assert "not network namespaces, because network namespaces need root" in text
    memory = "\n".join(report.memory_section(WIDE, [(100, measured(1.0, peak_memory=10**9)), (1000, measured(2.0))]))
    assert "10 times the rows take -10% more memory" in memory
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / "scaling.md")
    report.DOCUMENT.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write("new")
    assert report.DOCUMENT.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"


def test_refused_namespaces_are_said_and_loopback_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: str) -> str:
        raise subprocess.CalledProcessError(1, ["ip", *arguments], stderr="Operation not permitted")

    monkeypatch.setattr(hosts, "_why_not", lambda: "")
    monkeypatch.setattr(hosts, "_ip", refuse)
    with hosts.network(2) as found:
        assert [host.address for host in found.hosts] == ["127.0.0.1", "127.0.0.1"]
        assert found.refusal.endswith("said: Operation not permitted")
        assert found.hosts[0].sent_bytes() is None
    monkeypatch.setattr(hosts, "_why_not", lambda: "network namespaces need root")
    with hosts.network(3) as found:
        assert (len(found.hosts), found.refusal) == (3, "network namespaces need root")
