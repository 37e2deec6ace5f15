"""Files for TensorBoard's Embedding Projector: codes of every level, labels and thumbnails, as one ZIP file.

The projector's own limits decide the form: a sprite of at most 8,192 pixels a side (larger ones are not drawn), text
files that its browser page parses as a whole, one thumbnail size for all rows.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.analysis.sampling import map_rows
from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError
from sae_core.export.cells import escape_cell
from sae_core.export.codes import unique_names
from sae_core.export.files import Exported, Report, relative_difference, silent, written
from sae_core.model.stack import check_level
from sae_core.model.trained import TrainedStack

MAX_ROWS = 10_000  # the projector's t-SNE takes no more, and its page grows slow
MAX_SPRITE_SIDE = 8_192  # pixels; browsers refuse larger textures (tensorflow/tensorboard issue 377)
MAX_CELL = 200  # characters of one label or identifier
CONFIG, METADATA, SPRITE, README = "projector_config.pbtxt", "metadata.tsv", "sprite.png", "README.txt"
TOLERANCE = 1e-6  # of a value, relative to its size where that is above 1: seven digits are written
_STAMP = (1980, 1, 1, 0, 0, 0)


def export_projector(
    model: TrainedStack,
    data: Dataset,
    path: str | Path,
    *,
    levels: Sequence[int] | None = None,
    fine_tuned: bool = False,
    progress: Report = silent,
) -> Exported:
    """Write the codes of up to 10,000 rows (a stratified sample beyond) for the projector, and read them back.

    The ZIP file holds `vectors_level_K.tsv` for each level, `metadata.tsv` (row number, label, split, identifiers; tabs
    and line breaks in them become blanks, formulas get an apostrophe), for pictures `sprite.png`, and
    `projector_config.pbtxt`, which binds them together: unpacked, `tensorboard --logdir FOLDER` shows it.

    Args:
        path: of the new file, usually *.zip.
        levels: 0 (the prepared input) .. number of levels; None: all levels but the input.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: the file read back differs. LevelError: no such level. StorageError: it cannot be written.
    """
    path = Path(path)
    chosen = range(1, model.n_levels + 1) if levels is None else levels
    chosen = [check_level(level, model.n_levels) for level in chosen]
    rows = map_rows(data, limit=MAX_ROWS)
    sprite = sprite_sheet(data, rows)
    codes = {level: model.encode(data.take(rows), level, fine_tuned=fine_tuned and level > 0) for level in chosen}
    with written(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for index, level in enumerate(chosen):
                _add(archive, _vectors(level), _tsv(codes[level]))
                progress(0.7 * (index + 1) / len(chosen))
            _add(archive, METADATA, metadata_text(data, rows).encode())
            if sprite is not None:
                _add(archive, SPRITE, _png(sprite[0]))
            _add(archive, CONFIG, config_text(model, chosen, sprite[1] if sprite else None).encode())
            _add(archive, README, _readme(len(rows), len(data)).encode())
        progress(0.8)
        with zipfile.ZipFile(temporary) as archive:
            worst = max(_difference(archive, level, codes[level]) for level in chosen)
            if archive.testzip() is not None or worst > TOLERANCE:
                raise ExportError("The files read back differ from the codes, so they are not handed out. Try again.")
    progress(1.0)
    return Exported.of(path, checked_rows=len(rows), largest_difference=worst)


def metadata_text(data: Dataset, rows: NDArray[np.int64]) -> str:
    """`metadata.tsv`: a header and a line for each row."""
    columns = [("row", [str(row) for row in rows])]
    if data.labels is not None:
        columns.append((data.label_name, [_cell(label) for label in data.labels[rows]]))
    columns.append(("split", [str(part) for part in data.split.part_of_each_row()[rows]]))
    if data.identifiers is not None:
        known = data.identifiers.iloc[rows]
        columns += [(str(known.columns[at]), list(map(_cell, known.iloc[:, at]))) for at in range(known.shape[1])]
    names = unique_names(_cell(name) for name, _ in columns)
    lines = ["\t".join(names), *("\t".join(cells) for cells in zip(*(cells for _, cells in columns), strict=True))]
    return "\n".join(lines) + "\n"


def config_text(model: TrainedStack, levels: Sequence[int], thumbnail: tuple[int, int] | None) -> str:
    """`projector_config.pbtxt`: one entry a level. thumbnail: (width, height) of one picture in the sprite."""
    entries = []
    for level in levels:
        name = f"level {level} ({model.width(level)} units)" if level else f"input ({model.width(0)} values)"
        lines = [
            f'tensor_name: "{name}"',
            f'tensor_path: "{_vectors(level)}"',
            f'metadata_path: "{METADATA}"',
        ]
        if thumbnail is not None:
            dims = [f"  single_image_dim: {side}" for side in thumbnail]
            lines += ["sprite {", f'  image_path: "{SPRITE}"', *dims, "}"]
        entries.append("\n".join(["embeddings {", *(f"  {line}" for line in lines), "}"]))
    return "\n".join(entries) + "\n"


def sprite_sheet(data: Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], tuple[int, int]] | None:
    """All pictures in one square grid, row by row, as the projector expects them; None where there are no pictures.

    Returns:
        (height, width, 3) uint8, at most 8,192 a side (every second, third .. pixel of large pictures), and the (width,
        height) of one picture in it.
    """
    if data.image_shape is None:
        return None
    height, width, channels = data.image_shape
    columns = math.ceil(math.sqrt(len(rows)))
    step = max(1, math.ceil(columns * max(height, width) / MAX_SPRITE_SIDE))
    high, wide = -(-height // step), -(-width // step)
    grid = -(-len(rows) // columns)
    sheet = np.zeros((grid, columns, high, wide, 3), dtype=np.uint8)
    for at, row in enumerate(rows):  # one by one: all of them as float32 would be four times the sheet
        picture = np.asarray(data.take([int(row)])).reshape(height, width, channels)[::step, ::step]
        sheet[at // columns, at % columns] = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)[..., :3]
    return sheet.swapaxes(1, 2).reshape(grid * high, columns * wide, 3), (wide, high)


def _cell(value: object) -> str:
    """One cell: one line, no tab, not endless, and no formula."""
    text = "" if value is None or value is pd.NA or value != value else str(value)
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()[:MAX_CELL]
    return escape_cell(line) or "-"


def _vectors(level: int) -> str:
    return f"vectors_level_{level}.tsv"


def _tsv(codes: NDArray[np.float32]) -> bytes:
    text = io.StringIO()
    np.savetxt(text, codes, fmt="%.7g", delimiter="\t")
    return text.getvalue().encode()


def _difference(archive: zipfile.ZipFile, level: int, codes: NDArray[np.float32]) -> float:
    with archive.open(_vectors(level)) as stream:
        back = np.loadtxt(io.TextIOWrapper(stream, "ascii"), delimiter="\t", ndmin=2, dtype=np.float64)
    return relative_difference(codes, back)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _STAMP)  # the same codes give the same bytes
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    archive.writestr(info, content)


def _png(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", compress_level=6)
    return stream.getvalue()


def _readme(rows: int, of: int) -> str:
    sample = "" if rows == of else f"A stratified sample of {rows:,} of {of:,} rows. "
    return (
        f"{sample}Unpack this folder, then:\n\n    pip install tensorboard\n    tensorboard --logdir .\n\n"
        "and open the Projector. Without TensorBoard: https://projector.tensorflow.org, Load, the vectors and metadata "
        "files (what is loaded there stays in the browser).\n"
    )
