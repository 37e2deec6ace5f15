"""Prepared rows and codes of every level on disk, in shards that are read one window at a time.

    level-0/000003-0001.npy    (rows, inputs) float32: a shard of the prepared training rows of the fourth file
    level-2/000003-0001.npy    their codes of level 2
    labels/000003-0001.npy     (rows,) int64 class codes, -1 without a label
    held-out/000003.safetensors  some validation and test rows of that file, prepared
    sample/000003.parquet      some rows of that file as they are, with labels and parts in 000003.json

Every file is complete or not there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.preparation import Preparation
from sae_core.data.shard_sample import Beside, RowSample
from sae_core.data.shards import TableShards
from sae_core.errors import ModelFileError
from sae_core.files import dump_json, dump_tensors, parse_json, parse_tensors, write_atomically

SHARD_BYTES = 16 * 2**20  # of the inputs or codes of the widest level
WINDOW_SHARDS = 4  # shuffled together and held in memory; every process holds its part of them
MAX_HELD_OUT = 50_000  # validation rows, and test rows, of all files together
HELD_OUT_BYTES = 64 * 2**20  # of each of them: fewer rows of wide tables

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Shard:
    """One file of training rows. name: without its ending."""

    name: str
    rows: int


@dataclass(frozen=True)
class HeldOut:
    """Rows that nothing is fitted on, with their class codes (-1: none)."""

    validation: Matrix
    validation_y: NDArray[np.int64]
    test: Matrix
    test_y: NDArray[np.int64]


class Spill:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(
        self,
        table: TableShards,
        number: int,
        preparation: Preparation,
        classes: Sequence[int | str],
        labelled: bool,
        widest: int,
    ) -> None:
        """Prepare one file of the table, unless that was done before. widest: values of a row at its widest level."""
        done = self.folder / "prepared" / f"{number:06d}.json"
        if done.exists():
            return
        codes = {str(name): code for code, name in enumerate(classes)}
        writer = _ShardWriter(self, f"{number:06d}", max(widest, preparation.n_inputs), labelled)
        most = -(-min(MAX_HELD_OUT, HELD_OUT_BYTES // (4 * preparation.n_inputs)) // len(table.files))
        held = {"validation": _Sample(most), "test": _Sample(most)}
        sample = RowSample(table, len(table.files))
        for frame, draws, labels in table.frames(number):
            x = preparation.transform(frame)  # (n, n_inputs)
            y = np.full(len(x), -1, dtype=np.int64)
            if labels is not None:
                y[:] = [codes.get(str(label), -1) if label == label else -1 for label in labels.tolist()]
            is_test = draws < table.test
            parts = {"test": is_test, "validation": ~is_test & ~table.is_training(draws)}
            for name, rows in parts.items():
                held[name].add(x[rows], y[rows], draws[rows])
            trains = table.is_training(draws)
            writer.add(x[trains], y[trains])
            sample.add(frame, labels, draws, trains, is_test if table.test else ~trains)
        shards = writer.end()
        self._write_sample(number, sample)
        tensors = {f"{name}.{part}": array for name, sample in held.items() for part, array in sample.arrays().items()}
        write_atomically(self.folder / "held-out" / f"{number:06d}.safetensors", dump_tensors(tensors))
        write_atomically(done, dump_json([[shard.name, shard.rows] for shard in shards]))

    def shards(self, files: int) -> tuple[Shard, ...]:
        """All shards of prepared training rows."""
        found = []
        for number in range(files):
            content = (self.folder / "prepared" / f"{number:06d}.json").read_bytes()
            found += [Shard(str(name), int(rows)) for name, rows in parse_json(content, "shards")]
        return tuple(found)

    def sample(self, files: int) -> list[tuple[pd.DataFrame, Beside]]:
        """The rows of each file that are kept as they are, and what stands beside them."""
        found = []
        for number in range(files):
            path = self.folder / "sample" / f"{number:06d}.parquet"
            beside = parse_json(path.with_suffix(".json").read_bytes(), path.name)
            found.append((pd.read_parquet(path, engine="pyarrow"), [(label, kind) for label, kind in beside]))
        return found

    def _write_sample(self, number: int, sample: RowSample) -> None:
        frame, beside = sample.rows()
        path = self.folder / "sample" / f"{number:06d}.parquet"
        write_atomically(path, lambda file: frame.to_parquet(file, engine="pyarrow", index=False))
        write_atomically(path.with_suffix(".json"), dump_json(beside))

    def held_out(self, files: int, n_inputs: int) -> HeldOut:
        """The validation and test rows that were kept."""
        parts = []
        for number in range(files):
            path = self.folder / "held-out" / f"{number:06d}.safetensors"
            parts.append(parse_tensors(path.read_bytes(), path.name))

        def joined(name: str, part: str) -> Any:
            found = [tensors[f"{name}.{part}"] for tensors in parts if len(tensors[f"{name}.{part}"])]
            return np.concatenate(found) if found else np.empty(0, np.float32 if part == "x" else np.int64)

        x, test_x = (joined(name, "x").reshape(-1, n_inputs) for name in ("validation", "test"))
        return HeldOut(x, joined("validation", "y"), test_x, joined("test", "y"))

    def write(self, level: int, shard: str, rows: Matrix) -> None:
        """Write the codes of one shard."""
        write_atomically(self._path(level, shard), lambda file: np.save(file, rows, allow_pickle=False))

    def has(self, level: int, shard: str) -> bool:
        """Whether the codes of one shard are there."""
        return self._path(level, shard).exists()

    def read(self, level: int, shard: Shard, part: slice = slice(None)) -> Matrix:
        """Some rows of one shard, read from disk as they are asked for."""
        rows: Matrix = self._read(self._path(level, shard.name), shard.rows, part)
        return rows

    def labels(self, shard: Shard, part: slice = slice(None)) -> NDArray[np.int64]:
        """The class codes of the same rows."""
        codes: NDArray[np.int64] = self._read(self.folder / "labels" / f"{shard.name}.npy", shard.rows, part)
        return codes

    def drop(self, level: int) -> None:
        """Remove the codes of a level that no later phase needs."""
        shutil.rmtree(self.folder / f"level-{level}", ignore_errors=True)

    def write_labels(self, shard: str, codes: NDArray[np.int64]) -> None:
        """Write the class codes of one shard."""
        path = self.folder / "labels" / f"{shard}.npy"
        write_atomically(path, lambda file: np.save(file, codes, allow_pickle=False))

    def _path(self, level: int, shard: str) -> Path:
        return self.folder / f"level-{level}" / f"{shard}.npy"

    def _read(self, path: Path, rows: int, part: slice) -> Any:
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"{path} is not as it was written ({error}). Remove the work folder and start the training again."
            ) from None
        if len(mapped) != rows:
            raise ModelFileError(f"{path} has other rows than it had. Remove the work folder and start again.")
        return np.array(mapped[part])  # a copy: nothing stays mapped


def part_of(shard: Shard, rank: int, processes: int) -> slice:
    """The rows of a shard that one of several processes takes: all of them together take each row once."""
    return slice(shard.rows * rank // processes, shard.rows * (rank + 1) // processes)


def windows(shards: Sequence[Shard], rng: np.random.Generator) -> list[list[Shard]]:
    """The shards in random order, a few at a time."""
    order = rng.permutation(len(shards))
    return [
        [shards[at] for at in order[start : start + WINDOW_SHARDS]] for start in range(0, len(order), WINDOW_SHARDS)
    ]


class _ShardWriter:
    """Collects training rows and writes a shard whenever there are enough."""

    def __init__(self, spill: Spill, stem: str, width: int, labelled: bool) -> None:
        self._spill, self._stem, self._labelled = spill, stem, labelled
        self._most = max(256, SHARD_BYTES // (4 * width))
        self._x: list[Matrix] = []
        self._y: list[NDArray[np.int64]] = []
        self._shards: list[Shard] = []

    def add(self, x: Matrix, y: NDArray[np.int64]) -> None:
        """Take some rows."""
        self._x.append(x)
        self._y.append(y)
        if sum(map(len, self._x)) >= self._most:
            self._flush(last=False)

    def end(self) -> tuple[Shard, ...]:
        """Write what is left; all shards of the file."""
        self._flush(last=True)
        return tuple(self._shards)

    def _flush(self, *, last: bool) -> None:
        x = np.concatenate(self._x) if self._x else np.empty((0, 0), np.float32)
        y = np.concatenate(self._y) if self._y else np.empty(0, np.int64)
        while len(x) >= self._most or (last and len(x)):
            shard = Shard(f"{self._stem}-{len(self._shards):04d}", min(len(x), self._most))
            self._spill.write(0, shard.name, x[: shard.rows])
            if self._labelled:
                self._spill.write_labels(shard.name, y[: shard.rows])
            self._shards.append(shard)
            x, y = x[shard.rows :], y[shard.rows :]
        self._x, self._y = ([x], [y]) if len(x) else ([], [])


class _Sample:
    """A uniform sample of rows: those with the smallest random numbers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[tuple[Matrix, NDArray[np.int64], NDArray[np.float64]]] = []

    def add(self, x: Matrix, y: NDArray[np.int64], draws: NDArray[np.float64]) -> None:
        """Take some rows."""
        self._parts.append((x, y, draws))
        if sum(len(part[0]) for part in self._parts) > 2 * self._most:
            self._thin()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The rows `x` and their class codes `y`."""
        self._thin()
        x, y, _ = self._parts[0] if self._parts else (np.empty((0, 0), np.float32), np.empty(0, np.int64), np.empty(0))
        return {"x": x, "y": y}

    def _thin(self) -> None:
        if not self._parts:
            return
        x, y, draws = (np.concatenate([part[at] for part in self._parts]) for at in range(3))
        kept = np.sort(np.argsort(draws, kind="stable")[: self._most])
        self._parts = [(x[kept], y[kept], draws[kept])]
