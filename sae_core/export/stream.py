"""Codes, reconstructions and classes of a file's rows, in pieces: the length of the file does not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.dataset import Column, Features
from sae_core.errors import DataError, UnreadableFileError
from sae_core.export.codes import CHUNK_ROWS, code_names, codes_format, unique_names, write_frames
from sae_core.export.files import written
from sae_core.model.stack import check_level
from sae_core.model.trained import TrainedStack

if TYPE_CHECKING:
    from sae_core.data.pictures import ImageOptions

Progress = Callable[[float, str], None]
_MOST_CELLS, _LEAST_ROWS = 4_000_000, 64  # of a piece: rows of large pictures are few at a time


@dataclass(frozen=True)
class Encoded:
    """What was written of a file's rows.

    Attributes:
        rows: of the file.
        level, units: of the code; level 0 is the prepared input. Of classes: how many there are.
        notes: sentences on rows and cells that were changed or left out.
    """

    rows: int
    level: int
    units: int
    notes: tuple[str, ...]


def encode_file(
    model: TrainedStack,
    source: str | Path,
    output: str | Path,
    *,
    level: int | None = None,
    fine_tuned: bool = False,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
) -> Encoded:
    """Write the codes of a file's rows.

    Args:
        source: what the model takes: a table (any length), pictures (ZIP or folder) or arrays.
        output: ends in .parquet or .csv; columns `row` (from 0), those to keep (as text), and the code's.
        level: 0 (the prepared input) .. number of levels; None is the deepest.
        keep: further columns of the table, or "label" and identifiers of pictures and arrays.
        progress: called with a fraction 0..1 and what is being done; may raise to stop.

    Raises:
        DataError: the file cannot be used. ShapeError: it lacks columns or pixels. LevelError: no such level.
        ExportError: another ending. StorageError: the output cannot be written.
    """
    level = check_level(level, model.n_levels)

    def codes(raw: Features) -> pd.DataFrame:
        return pd.DataFrame(model.encode(raw, level, fine_tuned=fine_tuned), columns=code_names(model, level))

    rows, notes = _written(model, source, output, codes, keep=keep, progress=progress, about={"level": str(level)})
    return Encoded(rows, level, model.width(level), notes)


def reconstruct_file(
    model: TrainedStack,
    source: str | Path,
    output: str | Path,
    *,
    level: int | None = None,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
) -> Encoded:
    """Write a file's rows as one level gives them back, in their own columns and units.

    Args: as of `encode_file`. The output has the columns `row`, those to keep, the model's own, and
        `reconstruction_error`: the mean squared error of the row's prepared values.

    Raises: as `encode_file`.
    """
    level = check_level(level, model.n_levels)
    names = list(model.preparation.feature_names_in)

    def back(raw: Features) -> pd.DataFrame:
        x = model.prepare(raw)
        x_back = model.reconstruct_prepared(x, level)
        given = model.preparation.inverse_transform(x_back)
        frame = given.reset_index(drop=True) if isinstance(given, pd.DataFrame) else pd.DataFrame(given, columns=names)
        errors = pd.Series(np.square(x_back - x).mean(axis=1), name="reconstruction_error")
        return pd.concat([frame, errors], axis=1)

    rows, notes = _written(model, source, output, back, keep=keep, progress=progress, about={"level": str(level)})
    return Encoded(rows, level, model.width(level), notes)


def classify_file(
    model: TrainedStack,
    source: str | Path,
    output: str | Path,
    *,
    level: int | None = None,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
) -> Encoded:
    """Write the class of each of a file's rows with the probability of every class.

    Args: as of `encode_file`; level: of the frozen code that a softmax reads, 0 (the prepared input) and up; None: the
        fine-tuned stack. The output has the columns `row`, those to keep, `class`, and `probability of ...`.

    Raises: as `encode_file`; LabelError: the model was trained without classes.
    """
    model.classifier(level)  # refused before a file is read
    names = [f"probability of {name}" for name in model.classes]

    def classes(raw: Features) -> pd.DataFrame:
        shares = model.predict_proba(raw, level=level)
        best = pd.Series([str(model.classes[code]) for code in shares.argmax(axis=1)], name="class", dtype="str")
        return pd.concat([best, pd.DataFrame(shares, columns=names)], axis=1)

    shown = "fine-tuned" if level is None else str(level)
    rows, notes = _written(model, source, output, classes, keep=keep, progress=progress, about={"level": shown})
    return Encoded(rows, model.n_levels if level is None else level, len(model.classes), notes)


def _written(
    model: TrainedStack,
    source: str | Path,
    output: str | Path,
    compute: Callable[[Features], pd.DataFrame],
    *,
    keep: Sequence[str],
    progress: Progress | None,
    about: dict[str, str],
) -> tuple[int, tuple[str, ...]]:
    """What `compute` makes of a file's rows, a piece at a time; the number of rows, and notes on them."""
    source, output = Path(source), Path(output)
    form = codes_format(output)
    rows = (
        _table(model, source, keep, progress)
        if model.preparation.kind == "table"
        else _others(model, source, keep, progress)
    )
    most = _most(model)
    done = 0

    def frames() -> Iterator[pd.DataFrame]:
        nonlocal done
        for raw, kept in rows.pieces():
            for start in range(0, len(kept), most):
                part = slice(start, start + most)
                made = compute(raw[part])
                numbers = pd.Series(np.arange(done, done + len(made)), name="row")
                done += len(made)
                frame = pd.concat([numbers, kept[part].reset_index(drop=True), made], axis=1)
                yield frame.set_axis(unique_names(str(name) for name in frame.columns), axis=1)

    with written(output) as temporary:
        write_frames(frames(), temporary, form, about | {"data": source.name})
        if not done:
            raise DataError(f"{source.name} has no rows, so there is nothing to write. Give a file with rows.")
    return done, rows.notes()


def read_rows(
    model: TrainedStack, source: str | Path, *, limit: int, progress: Progress | None = None
) -> NDArray[np.float32]:
    """The first rows of a file in the prepared scale of a model: (at most limit, n_inputs).

    Args:
        source: what the model takes: a table (any length), pictures (ZIP, folder) or arrays.

    Raises:
        DataError: the file cannot be used, or has no rows. ShapeError: it lacks columns or pixels.
    """
    source = Path(source)
    is_table = model.preparation.kind == "table"
    rows = _table(model, source, (), progress) if is_table else _others(model, source, (), progress)
    found: list[NDArray[np.float32]] = []
    for raw, _ in rows.pieces():
        found.append(model.prepare(raw)[: limit - sum(map(len, found))])
        if sum(map(len, found)) >= limit:
            break
    if not sum(map(len, found)):
        raise DataError("The file has no rows. Give one with rows.")
    return np.concatenate(found)


def kind_of(path: Path) -> Literal["table", "images", "arrays"]:
    """Which reader takes a file or folder.

    Raises:
        DataError: none of them; the message says what it is and what to do instead.
    """
    from sae_core.data.reading import recognise

    files = sorted(found for found in path.rglob("*") if found.is_file())[:64] if path.is_dir() else [path]
    if not files:
        raise UnreadableFileError(f"{path} is an empty folder. Give one with pictures, or a file.")
    opened = []
    try:
        opened = [(found.name, found.open("rb")) for found in files]
        return recognise(opened)
    except OSError as error:
        raise UnreadableFileError(
            f"{path} cannot be read ({error.strerror or error}). Check its permissions."
        ) from None
    finally:
        for _, stream in opened:
            stream.close()


@dataclass(frozen=True)
class _Pieces:
    """Raw rows with what is kept beside them, in pieces; `notes` once they are through."""

    pieces: Callable[[], Iterator[tuple[Features, pd.DataFrame]]]
    notes: Callable[[], tuple[str, ...]]


def _table(model: TrainedStack, source: Path, keep: Sequence[str], progress: Progress | None) -> _Pieces:
    from sae_core.data.table_stream import TableStream

    columns = [Column(column.name, column.kind) for column in model.preparation.columns]
    stream = TableStream(source, columns, keep=keep)

    def pieces() -> Iterator[tuple[Features, pd.DataFrame]]:
        for frame in stream.frames(progress):
            yield frame, frame[list(keep)]

    return _Pieces(pieces, stream.notes)


def _others(model: TrainedStack, source: Path, keep: Sequence[str], progress: Progress | None) -> _Pieces:
    """Pictures and arrays, of which no more is in memory than a piece (of arrays 8 MB of the file)."""
    from sae_core.data.row_stream import ArrayStream, PictureStream, RowStream

    stream: RowStream
    if kind_of(source) == "images":
        stream = PictureStream(source, _picture_options(model, source.name), keep=keep)
    else:
        stream = ArrayStream(source, keep=keep)
    return _Pieces(lambda: stream.pieces(_most(model), progress), stream.notes)


def _picture_options(model: TrainedStack, name: str) -> ImageOptions:
    from sae_core.data.pictures import ImageOptions

    shape = model.preparation.image_shape
    if shape is None:
        raise DataError(f"{name} holds pictures, but this model was trained on arrays of numbers. Give arrays.")
    height, width, channels = shape
    return ImageOptions(height, width, "grey" if channels == 1 else "colour")


def _most(model: TrainedStack) -> int:
    """Rows that are worked on at a time."""
    return max(_LEAST_ROWS, min(CHUNK_ROWS, _MOST_CELLS // model.preparation.n_inputs))
