"""Codes of all rows as .npz: plain numpy arrays, written and read back in pieces."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError
from sae_core.export.files import Exported, Report, silent, written
from sae_core.model.stack import check_level
from sae_core.model.trained import TrainedStack

CHUNK_ROWS = 8_192  # encoded and written at a time: memory does not grow with the number of rows
_STAMP = (1980, 1, 1, 0, 0, 0)  # the same codes give the same bytes


def export_npz(
    model: TrainedStack,
    data: Dataset,
    path: str | Path,
    *,
    level: int | None = None,
    fine_tuned: bool = False,
    progress: Report = silent,
) -> Exported:
    """Write the codes of all rows as arrays that `np.load(path)` reads without pickle, and read the file back.

    The arrays, each with one entry a row: `code` (n, units) float32; `row` int64, from 0; `split` ("train",
    "validation" or "test"); with labels also `label`, int64 position in `classes` (-1 without one). `classes` holds
    the labels as they were written, int64 or text. Identifiers are in the CSV and Parquet files only.

    Args:
        path: ends in .npz.
        level: 0 (the prepared input) .. number of levels; None is the deepest.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: another ending, or the file read back differs.
        LevelError: no such level. StorageError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ExportError(f"This writes .npz files, not {path.suffix or 'files without an ending'}. Choose .npz.")
    level = check_level(level, model.n_levels)
    starts = range(0, len(data), CHUNK_ROWS)

    def pieces(begin: float) -> Iterator[NDArray[np.float32]]:
        for index, start in enumerate(starts):
            rows = np.arange(start, min(start + CHUNK_ROWS, len(data)))
            yield model.encode(data.take(rows), level, fine_tuned=fine_tuned)
            progress(begin + 0.5 * (index + 1) / len(starts))

    beside = _beside(data)
    with written(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            shape = (len(data), model.width(level))
            _write(archive, "code", shape, np.dtype(np.float32), lambda: pieces(0.0))
            for name, array in beside.items():
                _write(archive, name, array.shape, array.dtype, lambda array=array: iter([array]))  # type: ignore[misc]
        _compare(temporary, pieces(0.5), beside, shape)
    return Exported.of(path, checked_rows=len(data), largest_difference=0.0)


def _beside(data: Dataset) -> dict[str, NDArray[Any]]:
    """What is known of each row, and the classes."""
    found: dict[str, NDArray[Any]] = {
        "row": np.arange(len(data), dtype=np.int64),
        "split": np.asarray(data.split.part_of_each_row()).astype(np.str_),
    }
    if data.labels is not None:
        numbers = all(isinstance(name, int) for name in data.classes)
        classes = np.array(data.classes, dtype=np.int64) if numbers else np.array([str(c) for c in data.classes])
        found |= {"label": data.class_codes, "classes": classes}
    return found


def _write(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    pieces: Callable[[], Iterator[NDArray[Any]]],
) -> None:
    """One array of the file, from pieces along its first axis."""
    info = zipfile.ZipInfo(f"{name}.npy", _STAMP)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(info, "w", force_zip64=True) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for piece in pieces():
            stream.write(np.ascontiguousarray(piece, dtype=dtype).tobytes())


def _compare(
    path: Path, pieces: Iterator[NDArray[np.float32]], beside: dict[str, NDArray[Any]], shape: tuple[int, ...]
) -> None:
    with zipfile.ZipFile(path) as archive, archive.open("code.npy") as stream:
        same = _header(stream) == (shape, np.dtype(np.float32))
        for piece in pieces:
            same = same and stream.read(piece.nbytes) == np.ascontiguousarray(piece).tobytes()
        same = same and not stream.read(1)
    with np.load(path, allow_pickle=False) as arrays:
        same = same and set(arrays.files) == {"code", *beside}
        same = same and all(np.array_equal(arrays[name], array) for name, array in beside.items())
    if not same:
        raise ExportError("The .npz file gave other values when it was read back, so it is not handed out. Try again.")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return shape, dtype
