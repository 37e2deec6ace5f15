"""What the pages of insight ask of the engine, in the background and kept by run.

Every function returns at once. Results are shared by all sessions and forgotten, least recently used first.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer import store, tasks
from explorer.cache import Cache
from explorer.tasks import Progress, Task
from sae_core.analysis import classification, fine_tuning, journey, levels, reconstruction
from sae_core.analysis.projections import LevelMap, MapSettings, Method, level_maps
from sae_core.analysis.sampling import map_rows, stratified_rows
from sae_core.data.dataset import Dataset
from sae_core.limits import MAX_MAP_ROWS

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

COLUMN_ROWS = 5_000  # rows over which errors per column are averaged


def row_errors(run_id: str) -> Task:
    """Errors of all rows at every level: a `RowErrors`."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> reconstruction.RowErrors:
        return reconstruction.row_errors(model, data, report=progress)

    return tasks.submit(("row errors", *store.version(run_id)), compute, text="Reconstructing every row", retry=True)


def column_errors(run_id: str, rows: NDArray[np.int64] | None = None) -> Task:
    """Errors of every column (or pixel) at every level, over these rows or the held-out ones: a `ColumnErrors`."""
    model, data = store.model(run_id), store.dataset(run_id)
    pool = data.split.held_out() if rows is None else rows[rows < len(data)]

    def compute(progress: Progress) -> reconstruction.ColumnErrors:
        progress(0.1, "Comparing every column")
        sample = pool[stratified_rows(data.class_codes[pool], COLUMN_ROWS)]
        return reconstruction.column_errors(reconstruction.reconstructions(model, data, sample))

    which = "" if rows is None else pool.tobytes()
    key = ("column errors", *store.version(run_id), which)
    return tasks.submit(key, compute, text="Comparing every column", retry=True)


def linear_yardstick(run_id: str) -> Task:
    """What PCA of equal width would give back, for every level: a tuple of `LinearYardstick`."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> tuple[levels.LinearYardstick, ...]:
        return levels.linear_yardstick(model, data, report=progress)

    return tasks.submit(("yardstick", *store.version(run_id)), compute, text="Principal components", retry=True)


def classified(run_id: str) -> Task:
    """What every classifier of the stack says of every labelled row: a `Classification`."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> classification.Classification:
        return classification.classify(model, data, report=progress)

    return tasks.submit(("classified", *store.version(run_id)), compute, text="Classifying every row", retry=True)


def unit_activity(run_id: str, level: int, unit: int, *, fine_tuned: bool = False) -> Task:
    """Activity of one unit of a code for every row: (n,) float32."""

    def compute(progress: Progress) -> NDArray[np.float32]:
        progress(0.1, "Encoding every row")
        activity: NDArray[np.float32] = store.codes(run_id, level, fine_tuned=fine_tuned)[:, unit].copy()
        return activity

    key = ("unit", *store.version(run_id), level, unit, fine_tuned)
    return tasks.submit(key, compute, text="Encoding every row", retry=True)


def journey_pool(run_id: str) -> Task:
    """The rows among which a row's neighbours are sought: a `Pool`."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> journey.Pool:
        progress(0.1, "Encoding rows to every level")
        return journey.pool_of(model, data)

    return tasks.submit(("pool", *store.version(run_id)), compute, text="Encoding rows", retry=True)


def fine_tuning_moves(run_id: str) -> Task:
    """How far fine-tuning moved every level: a tuple of `Move`."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> tuple[fine_tuning.Move, ...]:
        return fine_tuning.moves(model, data, report=progress)

    return tasks.submit(("moves", *store.version(run_id)), compute, text="Comparing codes", retry=True)


_scales: Cache[tuple[float, ...]] = Cache(16)


def column_scales(data: Dataset) -> tuple[float, ...]:
    """Standard deviation of each column of a table in its units (dates: days), over a sample; 0 for other columns."""

    def measure() -> tuple[float, ...]:
        sample = data.take(stratified_rows(data.class_codes, COLUMN_ROWS))
        if not isinstance(sample, pd.DataFrame):
            return tuple(sample.std(axis=0, dtype=np.float64).tolist())
        plain = sample.select_dtypes(["number"]).std(ddof=0)  # all at once: tables have up to 5,000 columns
        scales = (plain[name] if name in plain.index else _scale(sample[name]) for name in sample.columns)
        return tuple(float(scale) if np.isfinite(scale) else 0.0 for scale in scales)

    return _scales.get(data.fingerprint, measure)


def _scale(column: pd.Series[Any]) -> float:
    if not reconstruction.is_numeric(column) or not column.notna().any():
        return 0.0
    first = pd.Series([column.dropna().iloc[0]] * len(column), index=column.index)
    return float(np.nanstd(reconstruction.signed_difference(first, column)))


@dataclass(eq=False)
class Atlas:
    """The maps of all levels of a stack, filling up while they are drawn.

    Attributes:
        model, data: what is mapped.
        settings: of the maps drawn by UMAP.
        fine_tuned: whether the codes are those after fine-tuning.
        rows: (m,) row numbers on every map.
        number: of this atlas among all, for keys.
    """

    model: TrainedStack
    data: Dataset
    settings: MapSettings
    fine_tuned: bool
    rows: NDArray[np.int64]
    number: int = field(default_factory=itertools.count().__next__)
    _maps: dict[tuple[Method, int], LevelMap] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def best(self, level: int, method: Method) -> LevelMap | None:
        """The map of a level: as asked for, PCA until that is ready, None until even PCA is."""
        with self._lock:
            return self._maps.get((method, level)) or self._maps.get(("pca", level))

    def ready(self, method: Method) -> int:
        """How many levels have their map."""
        with self._lock:
            return sum(of == method for of, _ in self._maps)

    def is_complete(self, method: Method) -> bool:
        """Whether every level, and the input, has its map."""
        return self.ready(method) == self.model.n_levels + 1

    def draw(self, method: Method) -> Task:
        """Draw the maps in the background, from the input upwards."""
        # A forgotten atlas comes back empty and must not meet its finished task: hence the number.
        return tasks.submit(("maps", self.number, method), lambda progress: self._draw(method, progress), text="Maps")

    def stop(self, method: Method) -> None:
        """Cancel a drawing; the maps that are ready stay."""
        tasks.cancel(("maps", self.number, method))

    def _draw(self, method: Method, progress: Progress) -> None:
        if self.is_complete(method):
            return
        codes = self.codes()
        wanted = {level: lambda: next(codes) for level in range(self.model.n_levels + 1)}  # asked for in this order
        settings = dataclasses.replace(self.settings, method=method)
        for drawn in level_maps(wanted, self.rows, settings, report=progress):
            with self._lock:
                self._maps[method, drawn.level] = drawn

    def codes(self) -> Iterator[NDArray[np.float32]]:
        """Codes of the rows of the maps, from the prepared input upwards."""
        code = self.model.prepare(self.data.take(self.rows))
        yield code
        for level in range(1, self.model.n_levels + 1):
            code = self.model.encode_prepared(code, level, start=level - 1, fine_tuned=self.fine_tuned)
            yield code


_atlases: Cache[Atlas] = Cache(12)


def atlas(run_id: str, settings: MapSettings, *, fine_tuned: bool = False, limit: int = MAX_MAP_ROWS) -> Atlas:
    """The maps of a run with these settings (whatever their method), found again by every session.

    Args:
        limit: rows on the maps; of more, a stratified sample is drawn.
    """
    model, data = store.model(run_id), store.dataset(run_id)
    settings = dataclasses.replace(settings, method="umap")

    def begin() -> Atlas:
        return Atlas(model, data, settings, fine_tuned, map_rows(data, limit=limit, seed=settings.seed))

    return _atlases.get((*store.version(run_id), settings, fine_tuned, limit), begin)
