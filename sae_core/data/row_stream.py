"""Pictures and arrays of any number, some rows at a time, as `read_images` and `read_arrays` read them whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.array_labels import all_stored, as_labels
from sae_core.data.arrays import part_labels, parts_of
from sae_core.data.collection import open_collection
from sae_core.data.entries import Entry, Report, Skipped, describe_skipped, memory_errors
from sae_core.data.folders import labels_from_folders
from sae_core.data.images import NOTHING, folder_labels, open_span, picture_notes, scale_open
from sae_core.data.picture_arrays import layout_of
from sae_core.data.picture_files import nothing_to_read, prepare_all, sift
from sae_core.data.pictures import ImageOptions, Picture, picture_format, quiet
from sae_core.errors import DataError

Piece = tuple[NDArray[np.float32], pd.DataFrame]  # (k, n_features), and what is kept beside each row


class RowStream(Protocol):
    """Rows in pieces; `notes` once they are through."""

    def pieces(self, most: int, progress: Report | None = None) -> Iterator[Piece]:
        """At most so many rows at a time, each with the columns to keep."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Sentences on rows that were changed or left out."""
        ...


class PictureStream:
    """A ZIP or folder of pictures; of these only a piece is in memory.

    Args:
        source: as of `read_images`.
        options: with nothing left open.
        keep: "file", and "label" or "folder" where folders name them.

    Raises, where rows are asked for: as `read_images`; DataError: nothing of that name to keep.
    """

    def __init__(self, source: Path, options: ImageOptions, *, keep: Sequence[str] = ()) -> None:
        self._source, self._options, self._keep = source, options, list(keep)
        self._notes: list[str] = []

    def pieces(self, most: int, progress: Report | None = None) -> Iterator[Piece]:
        """At most so many pictures at a time."""
        report = progress or (lambda fraction, text: None)
        with open_collection(self._source) as files, quiet(), memory_errors(files.name):
            pictures, skipped = sift(files)
            if not pictures:
                raise nothing_to_read(files.name, skipped)
            beside = _picture_columns(pictures)
            _check_kept(self._keep, list(beside), files.name)
            span, flags = _open_span(pictures, self._options), []
            rows: list[NDArray[np.float32]] = []
            numbers: list[int] = []
            for number, (_, result) in enumerate(prepare_all(pictures, self._options)):
                if isinstance(result, Skipped):
                    skipped.append(result)
                else:
                    row = result.pixels.reshape(1, -1)
                    if result.is_open and span is not None:
                        scale_open(row, np.array([True]), span)
                    rows.append(row)
                    numbers.append(number)
                    flags.append(replace(result, pixels=NOTHING))
                if len(rows) == most:
                    yield np.concatenate(rows), beside.iloc[numbers][self._keep].reset_index(drop=True)
                    rows, numbers = [], []
                    report((number + 1) / len(pictures), f"{number + 1:,} of {len(pictures):,} pictures")
            if rows:
                yield np.concatenate(rows), beside.iloc[numbers][self._keep].reset_index(drop=True)
            if not flags:
                raise nothing_to_read(files.name, skipped)
            self._notes = [*picture_notes(flags, self._options), *describe_skipped(skipped)]

    def notes(self) -> tuple[str, ...]:
        """Sentences on pictures that were changed or left out."""
        return tuple(self._notes)


def _picture_columns(pictures: Sequence[Entry]) -> pd.DataFrame:
    labels, about, _ = folder_labels(labels_from_folders([entry.folders for entry in pictures]).labels)
    columns: dict[str, Any] = {"file": [entry.name for entry in pictures], **about}
    return pd.DataFrame(columns | ({"label": labels} if labels is not None else {}))


def _open_span(pictures: Sequence[Entry], options: ImageOptions) -> tuple[float, float] | None:
    """What becomes 0 and 1 of float and 32-bit pictures, which only TIFF files hold: a look at all of these."""
    tiffs = [entry for entry in pictures if picture_format(entry.head()) == "TIFF"]
    found = [
        (float(result.pixels.min()), float(result.pixels.max()))
        for _, result in prepare_all(tiffs, options)
        if isinstance(result, Picture) and result.is_open
    ]
    return open_span(min(low for low, _ in found), max(high for _, high in found)) if found else None


class ArrayStream:
    """Arrays of numbers or pictures; of these only a block is in memory, and all labels.

    Args:
        source: as of `read_arrays`.
        keep: "label" where there are labels, or "target" where these are measurements.

    Raises, where rows are asked for: as `read_arrays`; DataError: nothing of that name to keep.
    """

    def __init__(self, source: Path, *, keep: Sequence[str] = ()) -> None:
        self._source, self._keep = source, list(keep)
        self._notes: tuple[str, ...] = ()

    def pieces(self, most: int, progress: Report | None = None) -> Iterator[Piece]:
        """At most so many rows at a time."""
        report = progress or (lambda fraction, text: None)
        with open_collection(self._source) as files, memory_errors(files.name):
            stored, notes = all_stored(files, any_size=True)
            parts, _ = parts_of(stored, files.name)
            layout = layout_of([rows.features for rows in parts.values()], files.name, any_size=True)
            beside = _array_columns(part_labels(parts))
            _check_kept(self._keep, list(beside), files.name)
            n, done, dropped = sum(rows.features.shape[0] for rows in parts.values()), 0, 0
            for part in parts.values():
                for block in part.features.blocks():
                    values = layout.rows(block)
                    good = np.arange(len(values))
                    if layout.image_shape is not None:
                        good = np.flatnonzero(np.isfinite(values).all(axis=1))
                        dropped += len(values) - len(good)
                    for first in range(0, len(good), most):
                        rows = good[first : first + most]
                        kept = {name: beside[name][done + rows] for name in self._keep}
                        yield values[rows], pd.DataFrame(kept, index=range(len(rows)))
                    done += len(block)
                    report(done / n, f"{done:,} of {n:,} rows")
            words = "picture was" if dropped == 1 else "pictures were"
            left_out = [f"{dropped:,} {words} left out because of values that are not finite numbers."]
            self._notes = (*layout.notes, *notes, *(left_out if dropped else []))

    def notes(self) -> tuple[str, ...]:
        """Sentences on what was guessed, and on pictures that were left out."""
        return self._notes


def _array_columns(targets: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    if targets is None:
        return {}
    labels, _ = as_labels(targets)
    return {"target": targets} if labels is None else {"label": labels}


def _check_kept(keep: Sequence[str], known: Sequence[str], name: str) -> None:
    missing = [wanted for wanted in keep if wanted not in known]
    if missing:
        raise DataError(f"{name} has no {missing[0]!r} to keep. Choose from {', '.join(map(repr, known)) or 'none'}.")
