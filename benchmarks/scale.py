"""Throughput, memory and losses of training on shards, against rows and processes.

    python -m benchmarks.scale [--rows 100000 1000000] [--processes 1 2] [--folder FOLDER]

Synthetic tables (64 numeric columns in Parquet files of 100,000 rows, made from 12 hidden factors) are trained by the
command that users give, each process with one thread: the same work by one process and by several. docs/scaling.md
shows figures and what follows from them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, FACTORS, FILE_ROWS = 64, 12, 100_000
SETTINGS = ["--layers", "256,64", "--epochs", "2", "--batch-size", "4096", "--activation", "tanh", "--seed", "0"]
SETTINGS += ["--set", "softmax_epochs=0", "--set", "fine_tune_epochs=0", "--learning-rate", "0.002"]


def make_table(folder: Path, rows: int) -> None:
    """Files of 100,000 rows; the same whatever their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    mix = np.random.default_rng(0).normal(size=(FACTORS, COLUMNS))
    for number in range(-(-rows // FILE_ROWS)):
        path = folder / f"part-{number:05d}.parquet"
        if path.exists():
            continue
        rng = np.random.default_rng([1, number])
        n = min(FILE_ROWS, rows - number * FILE_ROWS)
        values = np.tanh(rng.normal(size=(n, FACTORS)) @ mix) + 0.1 * rng.normal(size=(n, COLUMNS))
        columns = {f"x{at}": values[:, at].astype(np.float32) for at in range(COLUMNS)}
        pq.write_table(pa.table(columns), path)


def train(folder: Path, out: Path, processes: int) -> dict[str, Any]:
    """What the command tells, and the seconds that it took altogether."""
    launcher = [sys.executable, "-m", "sae_core"]
    if processes > 1:
        launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
        launcher += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "-m", "sae_core"]
    command = [*launcher, "train", f"{folder}/*.parquet", *SETTINGS, "--out", str(out), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return told | {"wall": time.perf_counter() - begun}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        root = options.folder or Path(temporary)
        table = Table(title="Training on shards, 64 -> 256 -> 64, two epochs a level, one thread a process")
        for name in ("rows", "processes", "wall (s)", "reading (s)", "training (s)", "rows/s and epoch", "speed-up"):
            table.add_column(name, justify="right")
        for name in ("peak memory a process (MB)", "error of level 1", "error of level 2"):
            table.add_column(name, justify="right")
        for rows in options.rows:
            folder = root / f"table-{rows}"
            make_table(folder, rows)
            alone: float | None = None
            for processes in options.processes:
                with tempfile.TemporaryDirectory(prefix="scale-", dir=root) as out:
                    told = train(folder, Path(out) / "model", processes)
                epochs = 4 * told["training_rows"]
                alone = alone or told["seconds"] * processes
                table.add_row(
                    f"{rows:,}",
                    str(processes),
                    f"{told['wall']:.1f}",
                    f"{told['reading_seconds']:.1f}",
                    f"{told['seconds']:.1f}",
                    f"{epochs / told['seconds']:,.0f}",
                    f"{alone / told['seconds']:.2f}",
                    f"{told['peak_memory'] / 1e6:,.0f}",
                    *(f"{error:.5f}" for error in told["results"]["reconstruction_error"]),
                )
        Console(width=180).print(table)


if __name__ == "__main__":
    main()
