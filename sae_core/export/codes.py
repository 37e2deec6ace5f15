"""Codes of all rows at one level, as CSV or Parquet, read back and compared before they are handed out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError
from sae_core.export.cells import escape_frame, unescape_cell
from sae_core.export.files import Exported, Report, relative_difference, silent, written
from sae_core.model.stack import check_level

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

CHUNK_ROWS = 8_192  # encoded and written at a time: memory does not grow with the number of rows
CodesFormat = Literal["csv", "parquet"]


def codes_frame(
    model: TrainedStack, data: Dataset, level: int | None = None, *, fine_tuned: bool = False, rows: slice | None = None
) -> pd.DataFrame:
    """Codes with what is known about each row.

    Args:
        level: 0 (the prepared input) .. number of levels; None is the deepest.
        fine_tuned: codes of the stack after supervised fine-tuning.
        rows: a part of the rows; None: all.

    Returns:
        One row for each of the data set's: `row` (int64, from 0), the identifiers, the label under its own name
        (int64, or str with None), `split` ("train", "validation" or "test"), then float32 columns `code_1` .. (level
        0: the names of the prepared inputs). Names that occur twice get a number.

    Raises:
        LevelError: no such level.
        ShapeError: rows of another form than the model was trained on.
    """
    chosen = np.arange(len(data))[rows or slice(None)]
    level = check_level(level, model.n_levels)
    codes = pd.DataFrame(
        model.encode(data.take(chosen), level, fine_tuned=fine_tuned), columns=code_names(model, level)
    )
    frame = pd.concat([_described(data, chosen), codes], axis=1)
    return frame.set_axis(unique_names(str(name) for name in frame.columns), axis=1)


def export_codes(
    model: TrainedStack,
    data: Dataset,
    path: str | Path,
    *,
    level: int | None = None,
    fine_tuned: bool = False,
    progress: Report = silent,
) -> Exported:
    """Write the codes of all rows as `codes_frame` gives them, and read the file back.

    In CSV, text that a spreadsheet would run as a formula has an apostrophe in front (`sae_core.export.cells`).

    Args:
        path: ends in .csv or .parquet.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: another ending, or the file read back differs.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    form = codes_format(path)
    level = check_level(level, model.n_levels)
    steps = [slice(start, start + CHUNK_ROWS) for start in range(0, len(data), CHUNK_ROWS)]

    def frames(first: float) -> Iterator[pd.DataFrame]:
        for index, rows in enumerate(steps):
            yield codes_frame(model, data, level, fine_tuned=fine_tuned, rows=rows)
            progress(first + 0.5 * (index + 1) / len(steps))

    with written(path) as temporary:
        write_frames(frames(0.0), temporary, form, {"level": str(level), "data": data.name})
        worst = _compared(frames(0.5), temporary, form)
    return Exported.of(path, checked_rows=len(data), largest_difference=worst)


def codes_format(path: Path) -> CodesFormat:
    """The format that a file's ending asks for.

    Raises:
        ExportError: neither .csv nor .parquet.
    """
    match path.suffix.lower():
        case ".csv":
            return "csv"
        case ".parquet":
            return "parquet"
        case other:
            raise ExportError(
                f"Codes are written as .csv or .parquet, not as {other or 'a file without an ending'}. "
                "Choose one of those endings."
            )


def write_frames(frames: Iterator[pd.DataFrame], path: Path, form: CodesFormat, metadata: dict[str, str]) -> None:
    """Write frames of the same columns one after the other into one file, each as soon as it is there."""
    if form == "csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            for index, frame in enumerate(frames):
                escape_frame(frame).to_csv(stream, index=False, header=index == 0, lineterminator="\r\n")
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for frame in frames:
            if writer is None:
                schema = pa.Table.from_pandas(frame, preserve_index=False).schema
                schema = pa.schema([_never_null(field) for field in schema], schema.metadata)
                writer = pq.ParquetWriter(path, schema.with_metadata({**(schema.metadata or {}), **metadata}))
            writer.write_table(pa.Table.from_pandas(frame, schema=writer.schema, preserve_index=False))
    finally:
        if writer is not None:
            writer.close()


def read_frames(path: Path, form: CodesFormat) -> Iterator[pd.DataFrame]:
    """What `write_frames` wrote, in pieces. Cells of a CSV are text as it was before escaping, missing ones ""."""
    if form == "csv":
        with pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=CHUNK_ROWS, encoding="utf-8") as reader:
            for frame in reader:
                yield frame.map(unescape_cell).set_axis([unescape_cell(name) for name in frame.columns], axis=1)
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):  # one for each frame written
            yield file.read_row_group(group).to_pandas()


def _never_null(field: Any) -> Any:
    # A first piece without a single label has a column of type null, which later pieces would not fit.
    import pyarrow as pa

    return field.with_type(pa.string()) if pa.types.is_null(field.type) else field


def _compared(expected: Iterator[pd.DataFrame], path: Path, form: CodesFormat) -> float:
    """The largest relative difference of numbers; text must be equal."""
    worst = 0.0
    for ours, theirs in itertools.zip_longest(expected, read_frames(path, form)):
        if ours is None or theirs is None or list(ours.columns) != list(theirs.columns) or len(ours) != len(theirs):
            raise _differs(path, "other rows or columns")
        for name in ours.columns:
            if not pd.api.types.is_numeric_dtype(ours[name]):
                if list(ours[name].fillna("")) != list(theirs[name].fillna("")):
                    raise _differs(path, f"other text in the column {name!r}")
                continue
            a = ours[name].to_numpy(dtype=np.float64, na_value=np.nan)
            b = pd.to_numeric(theirs[name]).to_numpy(dtype=np.float64, na_value=np.nan)
            if not np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True):
                raise _differs(path, f"other numbers in the column {name!r}")
            worst = max(worst, relative_difference(a, b))
    return worst


def _differs(path: Path, what: str) -> ExportError:
    return ExportError(
        f"{path.suffix[1:].upper()} of the codes: reading the file back gave {what}, so it is not handed out. "
        "Try the other format."
    )


def _described(data: Dataset, rows: NDArray[np.int64]) -> pd.DataFrame:
    described: list[pd.Series] = [pd.Series(rows, name="row")]
    if data.identifiers is not None:
        part = data.identifiers.iloc[rows].reset_index(drop=True)
        described += [_plain(part.iloc[:, position]) for position in range(part.shape[1])]
    if data.labels is not None:
        labels = pd.Series(data.labels[rows], name=data.label_name)
        described.append(labels if labels.dtype == np.int64 else labels.astype("str"))
    described.append(pd.Series(data.split.part_of_each_row()[rows], name="split", dtype="str"))
    return pd.concat(described, axis=1)


def _plain(column: pd.Series) -> pd.Series:
    """Numbers as they are, everything else as text with missing cells."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column
    return column.map(str, na_action="ignore").astype("str")


def code_names(model: TrainedStack, level: int) -> list[str]:
    """Names of the columns of a level's code: code_1 .., and for level 0 those of the prepared inputs."""
    if level == 0:
        return list(model.preparation.feature_names_out)
    return [f"code_{unit + 1}" for unit in range(model.width(level))]


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names; one that occurred before gets a number behind it, a blank one is called "column".

    >>> unique_names(["row", "code", "row"])
    ['row', 'code', 'row (2)']
    """
    taken: set[str] = set()
    result = []
    for written_name in names:
        name = written_name if written_name.strip() else "column"
        candidate = next(
            c for c in itertools.chain([name], (f"{name} ({i})" for i in itertools.count(2))) if c not in taken
        )
        taken.add(candidate)
        result.append(candidate)
    return result
