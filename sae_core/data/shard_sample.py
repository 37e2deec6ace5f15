"""A few rows of a table that is larger than memory, as a data set of their own: what one looks at afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.data.shards import TableShards

TRAINING_ROWS, HELD_OUT_ROWS = 15_000, 5_000
MOST_CELLS = 5_000_000  # of both together: fewer rows of wide tables

Kind = Literal["train", "held out", "extra"]  # extra: a training row that is there only because of its class
Beside = list[tuple[str | None, Kind]]  # label and kind of each row
_Piece = tuple[pd.DataFrame, NDArray[np.object_], NDArray[np.float64]]


class RowSample:
    """Rows of one file: those with the smallest random numbers, and one of every class that is not among them.

    Args:
        files: of the table; each gives as many rows.
    """

    def __init__(self, table: TableShards, files: int) -> None:
        share = min(1.0, MOST_CELLS / (len(table.columns) * (TRAINING_ROWS + HELD_OUT_ROWS)))
        self._training = _Smallest(max(1, -(-int(TRAINING_ROWS * share) // files)))
        self._held = _Smallest(max(1, -(-int(HELD_OUT_ROWS * share) // files)))
        self._firsts: dict[str, pd.DataFrame] = {}

    def add(
        self,
        frame: pd.DataFrame,
        labels: pd.Series[Any] | None,
        draws: NDArray[np.float64],
        training: NDArray[np.bool_],
        held: NDArray[np.bool_],
    ) -> None:
        """Take some rows, of which some train and some are held out."""
        texts = np.full(len(frame), None, dtype=object)
        if labels is not None:
            texts[:] = [label if label == label else None for label in labels.tolist()]
        for sample, rows in ((self._training, training), (self._held, held)):
            sample.add((frame[rows], texts[rows], draws[rows]))
        for label in set(texts[training]) - {None} - set(self._firsts):
            first = int(np.flatnonzero(training & (texts == label))[0])
            self._firsts[str(label)] = frame.iloc[[first]]

    def rows(self) -> tuple[pd.DataFrame, Beside]:
        """Features, and what stands beside each row."""
        frames, beside = [], []
        kinds: tuple[tuple[_Smallest, Kind], ...] = ((self._training, "train"), (self._held, "held out"))
        for sample, kind in kinds:
            if (piece := sample.kept()) is not None:
                frames.append(piece[0])
                beside += [(label, kind) for label in piece[1].tolist()]
        there = {label for label, _ in beside}
        for label, row in self._firsts.items():
            if label not in there:
                frames.append(row)
                beside.append((label, "extra"))
        return pd.concat(frames, ignore_index=True), beside


class _Smallest:
    """The rows with the smallest random numbers: a uniform sample."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[_Piece] = []

    def add(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        if sum(len(draws) for _, _, draws in self._pieces) > 2 * self._most:
            self.kept()

    def kept(self) -> _Piece | None:
        if not self._pieces:
            return None
        frames, labels, draws = zip(*self._pieces, strict=True)
        numbers = np.concatenate(draws)
        best = np.sort(np.argsort(numbers, kind="stable")[: self._most])
        piece = (pd.concat(frames).iloc[best], np.concatenate(labels)[best], numbers[best])
        self._pieces = [piece]
        return piece


def sample_dataset(
    table: TableShards, parts: Sequence[tuple[pd.DataFrame, Beside]], classes: Sequence[int | str], rows: int
) -> Dataset:
    """The rows of all files as one data set; its test rows are held-out rows of the table.

    Args:
        parts: of each file, as `RowSample.rows` gives them.
        classes: of the training rows; other labels become missing.
        rows: of the table altogether.
    """
    known = {str(name) for name in classes}
    missing = known - {label for _, beside in parts for label, kind in beside if kind != "extra"}
    frames, labels, held = [], [], []
    for frame, beside in parts:
        kept = []
        for at, (label, kind) in enumerate(beside):
            if kind != "extra" or label in missing:
                missing -= {label} if kind == "extra" else set()
                kept.append(at)
                labels.append(label if label in known else None)
                held.append(kind == "held out")
        frames.append(frame.iloc[kept])
    features, test = pd.concat(frames, ignore_index=True), np.array(held, dtype=bool)
    note = (
        f"{len(features):,} rows drawn from the {rows:,} of {table.name}: {int((~test).sum()):,} of those to train on, "
        f"and {int(test.sum()):,} held out."
    )
    return Dataset(
        name=table.name,
        kind="table",
        features=features,
        labels=np.array(labels, dtype=object) if table.label is not None else None,
        columns=table.columns,
        official_test=test if test.any() and not test.all() else None,
        split_options=SplitOptions(validation=0.0, test=0.0, seed=table.seed),
        label_name=table.label or "label",
        notes=(note,),
    )
