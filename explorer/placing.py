"""Rows placed on maps that are already drawn: chosen rows outside the sample, or rows of a file. No Streamlit here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer import tasks
from explorer.charts import style
from explorer.insights import Atlas
from explorer.tasks import Progress, Task
from sae_core.analysis.placing import place_rows
from sae_core.analysis.projections import Method
from sae_core.errors import UnreadableFileError
from sae_core.temporary import scratch_folder

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

MAX_PLACED = 1_000  # rows: more would hide the map

Points = dict[int, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows that had no part in a map.

    Attributes:
        prepared: (k, n_inputs) float32.
        texts: what each is called, escaped for plotly.
        key: hash of their content.
    """

    prepared: NDArray[np.float32]
    texts: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names them in caches."""
        return hashlib.sha256(np.ascontiguousarray(self.prepared).tobytes()).hexdigest()


def rows_of_data(found: Atlas, rows: NDArray[np.int64]) -> NewRows:
    """Rows of the data set outside the sample that the maps show, at most `MAX_PLACED`."""
    rows = rows[:MAX_PLACED]
    return NewRows(found.model.prepare(found.data.take(rows)), tuple(f"row {row:,}" for row in rows.tolist()))


def rows_of_files(model: TrainedStack, files: Sequence[tuple[str, bytes]]) -> NewRows:
    """The first rows of a file of the user's, at most `MAX_PLACED`.

    Args:
        files: (name, content) of a table, an archive or pictures.

    Raises:
        DataError: they cannot be read. ShapeError: they lack columns or pixels of the model.
    """
    from sae_core.export.stream import read_rows

    if not files:
        raise UnreadableFileError("There is no file. Choose one or more.")
    with scratch_folder("placing") as folder:
        paths = []
        for i, (name, content) in enumerate(files):
            suffixes = "".join(Path(name.replace("\\", "/")).suffixes[-2:])
            ending = "".join(c for c in suffixes if c.isalnum() or c == ".")[:16]
            paths.append(Path(folder) / f"{i}{ending}")
            paths[-1].write_bytes(content)
        prepared = read_rows(model, paths[0] if len(paths) == 1 else Path(folder), limit=MAX_PLACED)
    shown = style.escape(files[0][0] if len(files) == 1 else f"{len(files)} files", 40)
    return NewRows(prepared, tuple(f"row {i:,} of {shown}" for i in range(len(prepared))))


def placing(found: Atlas, method: Method, new: NewRows) -> Task:
    """Where these rows lie on the maps that are ready, by level: `Points`."""
    key = ("placed", found.number, method, found.ready(method), new.key)

    def compute(progress: Progress) -> Points:
        placed: Points = {}
        known, code = found.codes(), new.prepared
        for level in range(found.model.n_levels + 1):
            progress(level / (found.model.n_levels + 1), f"Placing rows at level {level}")
            beside = next(known)
            if level:
                code = found.model.encode_prepared(code, level, start=level - 1, fine_tuned=found.fine_tuned)
            drawn = found.best(level, method)
            if drawn is not None:
                settings = found.settings
                placed[level] = place_rows(code, beside, drawn, neighbours=settings.neighbours, metric=settings.metric)
        return placed

    return tasks.submit(key, compute, text="Placing rows", retry=True)
