"""Synthetic tables, and one training of a table by the command that users give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale.hosts import Network, free_port

ROOT = Path(__file__).resolve().parents[2]
FACTORS = 12
PATIENCE = 900  # seconds; a training that takes longer is a mistake


@dataclass(frozen=True)
class Task:
    """A table and a stack. Each is trained for `epochs` epochs a level, with batches of 4,096."""

    columns: int
    layers: tuple[int, ...]
    epochs: int
    file_rows: int

    @property
    def title(self) -> str:
        """The stack, in words."""
        return " -> ".join(map(str, (self.columns, *self.layers)))

    def arguments(self, seed: int) -> list[str]:
        """Of the command."""
        settings = ["--layers", ",".join(map(str, self.layers)), "--epochs", str(self.epochs), "--seed", str(seed)]
        settings += ["--batch-size", "4096", "--activation", "tanh", "--learning-rate", "0.002"]
        return [*settings, "--set", "softmax_epochs=0", "--set", "fine_tune_epochs=0"]


@dataclass(frozen=True)
class Measured:
    """One training.

    Attributes:
        told: what the command printed.
        wall: seconds from its start to its end; disk: most bytes in the work folder; table: bytes of the files.
        processes: that trained; sent: bytes that left each host, where that was counted.
    """

    told: dict[str, Any]
    wall: float
    disk: int
    table: int
    processes: int
    sent: tuple[int, ...] = ()

    @property
    def errors(self) -> list[float]:
        """Mean squared error of held-out rows reconstructed from each level."""
        return [float(error) for error in self.told["results"]["reconstruction_error"]]


def make_table(folder: Path, task: Task, rows: int) -> None:
    """Parquet files of float32 columns made from 12 hidden factors; the first rows do not depend on their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    mix = np.random.default_rng(0).normal(size=(FACTORS, task.columns))
    for number in range(-(-rows // task.file_rows)):
        path = folder / f"part-{number:05d}.parquet"
        if path.exists():
            continue
        rng = np.random.default_rng([1, number])
        n = min(task.file_rows, rows - number * task.file_rows)
        hidden = rng.normal(size=(n, FACTORS))
        values = np.tanh(hidden @ mix) + 0.1 * rng.normal(size=(n, task.columns))
        pq.write_table(pa.table({f"x{at}": values[:, at].astype(np.float32) for at in range(task.columns)}), path)


def train(
    folder: Path,
    task: Task,
    scratch: Path,
    *,
    processes: int = 1,
    hosts: Network | None = None,
    seed: int = 0,
) -> Measured:
    """Train a table with so many processes on this host, or on each of some hosts.

    Args:
        scratch: empty folder for the workspace, the work folder and the model.
    """
    own = ["-m", "sae_core", "train", f"{folder}/*.parquet", *task.arguments(seed), "--json"]
    own += ["--out", str(scratch / "model"), "--work", str(scratch / "work"), "--workspace", str(scratch / "workspace")]
    if hosts is not None:
        commands = _launchers(hosts, own, processes)
    elif processes > 1:
        rendezvous = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", f"--nproc-per-node={processes}"]
        commands = [([sys.executable, "-m", "torch.distributed.run", *rendezvous, *own], {})]
    else:
        commands = [([sys.executable, *own], {})]
    before = [host.sent_bytes() for host in hosts.hosts] if hosts else []
    begun = time.perf_counter()
    with _Watch(scratch / "work") as watch:
        texts = _run(commands)
    wall = time.perf_counter() - begun
    after = [host.sent_bytes() for host in hosts.hosts] if hosts else []
    sent = tuple(b - a for a, b in zip(before, after, strict=True) if a is not None and b is not None)
    told = next(json.loads(text[text.index("{") :]) for text in texts if "{" in text)
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    return Measured(told, wall, watch.most, size, int(told["processes"]), sent)


def _launchers(network: Network, own: Sequence[str], processes: int) -> list[tuple[list[str], dict[str, str]]]:
    """torchrun on each host; the first one keeps the meeting point."""
    first, port = network.hosts[0], free_port()
    commands = []
    for number, host in enumerate(network.hosts):
        launcher = [*host.prefix, sys.executable, "-m", "torch.distributed.run", f"--nnodes={len(network.hosts)}"]
        launcher += [f"--nproc-per-node={processes}", "--rdzv-backend=c10d", "--rdzv-id=scale"]
        launcher += [f"--rdzv-endpoint={first.address}:{port}", f"--rdzv-conf=is_host={int(number == 0)}"]
        commands.append(([*launcher, f"--local-addr={host.address}", *own], {"GLOO_SOCKET_IFNAME": host.interface}))
    return commands


def _run(commands: Sequence[tuple[list[str], dict[str, str]]]) -> list[str]:
    """What each printed; all are ended when one fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, env=environment | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command, own in commands
    ]
    try:
        told = [process.communicate(timeout=PATIENCE) for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()  # torchrun ends its workers
                with suppress(subprocess.TimeoutExpired):
                    process.wait(40)
                process.kill()
    for process, (_, errors) in zip(running, told, strict=True):
        if process.returncode:
            raise SystemExit(f"A training failed:\n{errors[-4000:]}")
    return [output for output, _ in told]


class _Watch:
    """Looks how much a folder holds, twice a second."""

    def __init__(self, folder: Path) -> None:
        self.most = 0
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            total = 0
            for path in self._folder.rglob("*"):
                with suppress(OSError):  # removed meanwhile
                    total += path.stat().st_size if path.is_file() else 0
            self.most = max(self.most, total)
