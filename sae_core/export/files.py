"""A file that is exported: written beside its place, verified there, and only then put in its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sae_core.errors import StorageError
from sae_core.files import storage_errors, sync_folder
from sae_core.temporary import sweep, temporary_path

Report = Callable[[float], None]
"""Told the fraction done, 0..1. It may raise, e.g. CancelledError: then nothing is left behind."""


def silent(fraction: float) -> None:
    """A `Report` that tells nobody."""


@dataclass(frozen=True)
class Exported:
    """A file that was loaded again and agreed with the model before it was put in its place.

    Attributes:
        path: where it is.
        size: bytes.
        checked_rows: rows on which it was compared.
        largest_difference: the largest deviation among them, relative to the size of the value where that is above 1.
    """

    path: Path
    size: int
    checked_rows: int
    largest_difference: float

    @classmethod
    def of(cls, path: Path, *, checked_rows: int, largest_difference: float) -> Exported:
        """The record of a file that has just been written."""
        return cls(path, path.stat().st_size, checked_rows, largest_difference)


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, with the same ending; it takes the place of `path` when the block ends well.

    Raises:
        StorageError: the disk is full, read-only or gone; what stood at `path` is untouched.
    """
    if path.is_dir():
        raise StorageError(f"{path} is a folder, not a file. Give the name of a file in it.")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, path.stem[:40])
        temporary = temporary_path(path)
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def relative_difference(ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> float:
    """The largest |a - b| / max(1, |a|), 0 for equal arrays (NaN equals NaN); infinity where only one is
    finite, or the shapes differ.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        return float("inf")
    different = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not different.any():
        return 0.0
    a, b = a[different], b[different]
    with np.errstate(invalid="ignore"):
        gaps = np.abs(a - b) / np.maximum(1.0, np.abs(a))
    return float(np.where(np.isfinite(gaps), gaps, np.inf).max())
