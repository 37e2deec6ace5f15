"""A table of many files, larger than memory: found, counted and prepared file by file.

Each file is a unit of work: whoever takes it (any process of a training) writes what it found under the file's number,
complete or not at all, so that another one goes on from there. Which part of the split a row belongs to is drawn from
the seed and the file's number alone; files must not change meanwhile.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.column_stats import ColumnStats
from sae_core.data.dataset import Column, natural_order
from sae_core.data.preparation import Preparation
from sae_core.data.prepared_columns import FittedScaling
from sae_core.data.table_stream import TableStream
from sae_core.errors import DataError, LabelError, UnreadableFileError
from sae_core.files import dump_json, dump_tensors, parse_json, parse_tensors
from sae_core.limits import MAX_CLASSES

MOST_NOTES = 20  # of all files together
ENDINGS = (".parquet", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


@dataclass(frozen=True)
class TableShards:
    """A table in several files of the same columns.

    Attributes:
        files: in the order of their names.
        columns: features, with their kinds, as the first file suggests.
        label: column with the classes, or None.
        validation, test: shares of the rows, 0 to below 1 together.
        seed: of the split.
    """

    files: tuple[Path, ...]
    columns: tuple[Column, ...]
    label: str | None = None
    validation: float = 0.02
    test: float = 0.02
    seed: int = 0

    @property
    def name(self) -> str:
        """For people: of the folder, or of the only file."""
        return self.files[0].name if len(self.files) == 1 else self.files[0].parent.name

    def frames(
        self, number: int, notes: list[str] | None = None
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.float64], pd.Series[Any] | None]]:
        """The rows of one file in pieces: features, (n,) random numbers in 0..1 that place each row in the split (see
        `is_training`), labels as text.

        Args:
            notes: gets sentences on rows and cells that were changed or left out.
        """
        rng = np.random.default_rng([self.seed, number, 0])
        keep = [] if self.label is None else [self.label]
        stream = TableStream(self.files[number], self.columns, keep=keep, owner=f"{self.files[0].name} has")
        for frame in stream.frames():
            labels = None if self.label is None else frame[self.label]
            yield frame[[column.name for column in self.columns]], rng.random(len(frame)), labels
        if notes is not None:
            notes += [f"{self.files[number].name}: {note}" for note in stream.notes()]

    def is_training(self, draws: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Rows to train on: those beyond the validation and test shares."""
        return draws >= self.validation + self.test


@dataclass
class ShardStats:
    """What was counted in one file, or in several.

    Attributes:
        columns: over training rows.
        rows, training: rows altogether, and those to train on.
        labels: how often each label occurs among the training rows.
        notes: sentences on what was changed or left out while reading.
    """

    columns: list[ColumnStats]
    rows: int = 0
    training: int = 0
    labels: dict[str, int] | None = None
    notes: list[str] = field(default_factory=list)

    def merge(self, other: ShardStats) -> None:
        """Add another file's."""
        for own, of_other in zip(self.columns, other.columns, strict=True):
            own.merge(of_other)
        self.rows += other.rows
        self.training += other.training
        if other.labels is not None:
            self.labels = _added(self.labels or {}, other.labels)
        self.notes = (self.notes + other.notes)[:MOST_NOTES]

    def preparation(self, scaling: FittedScaling) -> Preparation:
        """The preparation, as `Preparation.fit` makes it of a data set in memory."""
        columns = tuple(column.fitted(scaling) for column in self.columns)
        names = tuple(column.name for column in self.columns)
        return Preparation(kind="table", scaling=scaling, feature_names_in=names, columns=columns)

    def classes(self) -> tuple[str, ...]:
        """Labels as they are written, in their natural order."""
        return tuple(sorted(self.labels or {}, key=natural_order))

    def to_files(self) -> dict[str, bytes]:
        """As the files of a folder."""
        told = {
            "columns": [column.to_json() for column in self.columns],
            "rows": self.rows,
            "training": self.training,
            "labels": self.labels,
            "notes": self.notes,
        }
        samples = {f"sample.{at}": column.sample for at, column in enumerate(self.columns)}
        priorities = {f"priority.{at}": column.priority for at, column in enumerate(self.columns)}
        return {"stats.json": dump_json(told), "samples.safetensors": dump_tensors(samples | priorities)}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> ShardStats:
        """The inverse of `to_files`."""
        told = parse_json(files["stats.json"], "stats.json")
        tensors = parse_tensors(files["samples.safetensors"], "samples.safetensors")
        columns = [ColumnStats.from_json(value, tensors, at) for at, value in enumerate(told["columns"])]
        return cls(columns, told["rows"], told["training"], told["labels"], told.get("notes", []))


def open_shards(
    source: str | Path, *, label: str | None = None, validation: float = 0.02, test: float = 0.02, seed: int = 0
) -> TableShards:
    """A table of many files; the first one tells which columns there are and of what kind.

    Args:
        source: a folder, a pattern such as "data/part-*.parquet", or a single file. Names that begin with . or _ are
            passed over.
        label: column with the classes.

    Raises:
        DataError: no such files, a column is missing, or nothing to train on.
    """
    from sae_core.data.tables import inspect_table, no_such_column

    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise DataError("Validation and test rows together must leave some rows to train on. Choose smaller shares.")
    files = find_files(source)
    guess = inspect_table(files[0], any_size=True)
    names = [column.name for column in guess.columns]
    if label is not None and label not in names:
        raise no_such_column(label, names, files[0].name)
    kinds = ("numeric", "category", "date", "boolean")
    features = [column for column in guess.columns if column.role in ("feature", "label") and column.name != label]
    columns = tuple(Column(column.name, column.kind) for column in features if column.kind in kinds)  # type: ignore[arg-type]
    if not columns:
        raise DataError(f"{files[0].name} has no column to learn from. Choose files with numbers, categories or dates.")
    return TableShards(tuple(files), columns, label, validation, test, seed)


def find_files(source: str | Path) -> list[Path]:
    """The files of a folder, a pattern or a single path, sorted by name.

    Raises:
        UnreadableFileError: there are none.
    """
    path = Path(source)
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if file.name.lower().endswith(ENDINGS)]
    else:
        found = [path] if path.is_file() else [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
    files = [file for file in found if file.is_file() and not file.name.startswith((".", "_"))]
    if not files:
        raise UnreadableFileError(
            f"There are no table files at {source}. Give a folder with .parquet or .csv files, or a pattern in quotes."
        )
    return files


def count_shard(table: TableShards, number: int) -> ShardStats:
    """One pass over one file: statistics of its training rows."""
    stats = ShardStats(ColumnStats.of(table.columns), labels=None if table.label is None else {})
    rng = np.random.default_rng([table.seed, number, 1])
    for frame, draws, labels in table.frames(number, stats.notes):
        training = table.is_training(draws)
        rows = frame[training]
        for column in stats.columns:
            column.feed(rows[column.name], rng)
        stats.rows += len(frame)
        stats.training += int(training.sum())
        if stats.labels is not None and labels is not None:
            counted = labels[training].value_counts()
            stats.labels = _added(stats.labels, {str(name): int(n) for name, n in counted.items()})
            if len(stats.labels) > MAX_CLASSES:
                raise LabelError(
                    f"The label {table.label!r} has more than {MAX_CLASSES:,} different values, so it does not divide "
                    "rows into classes. Choose another label, or none."
                )
    return stats


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
