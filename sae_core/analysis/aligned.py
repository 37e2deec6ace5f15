"""Maps of all levels laid out at once, every row drawn towards its places at the levels beside.

After AlignedUMAP (Dadu et al. 2023; umap-learn's aligned_umap): each level is a UMAP, and a further pull between the
places of the same row at neighbouring levels keeps the maps together. umap-learn adds that pull to every single move;
here it follows each epoch, so that the layout of `sae_core.analysis.layout` serves unchanged, shows its progress and
can be stopped. With no pull, every map is the UMAP of its level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.layout import lay_out
from sae_core.analysis.progress import Report, part, silent
from sae_core.analysis.projections import (
    MIN_ROWS,
    LevelMap,
    MapSettings,
    Matrix,
    distinct_rows,
    neighbour_graph,
    principal_plane,
    spread,
    turned_onto,
    usable,
)

Points = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Layer:
    """One level in the making: its layout, and which of its different rows each row is."""

    level: int
    layout: Iterator[tuple[int, Points]]
    inverse: NDArray[np.int64]
    counts: NDArray[np.int64]


def aligned_maps(
    levels: Mapping[int, Matrix],
    rows: NDArray[np.int64],
    settings: MapSettings,
    *,
    report: Report = silent,
) -> tuple[LevelMap, ...]:
    """Maps of all levels, drawn together.

    Args:
        levels: (m, units) codes of `rows` by level.
        rows: (m,) row numbers in the data set.
        report: raise CancelledError from it to stop between two epochs.

    Returns:
        from the lowest level upwards; a level with too few different rows is drawn by PCA and pulls none.
    """
    layers: list[_Layer] = []
    few: dict[int, LevelMap] = {}
    start: Matrix | None = None
    for i, level in enumerate(sorted(levels)):
        name = "the input" if level == 0 else f"level {level}"
        of_level = part(report, 0.4 * i / len(levels), 0.4 * (i + 1) / len(levels))
        of_level(0.0, f"Map of {name}")
        x, inverse = distinct_rows(usable(levels[level], name))
        plane, share = principal_plane(x)
        if len(x) < MIN_ROWS:
            note = f"Drawn by PCA: UMAP needs at least {MIN_ROWS} different rows, and there are {len(x)}."
            few[level] = LevelMap(level, "pca", rows, turned_onto(plane[inverse], start), share, note)
            continue
        counts = np.bincount(inverse)
        start = plane[inverse] if start is None else start  # all levels begin at the same places
        begin = spread(_means(start, inverse, counts), settings.seed)
        layout = lay_out(
            neighbour_graph(x, settings, name, of_level),
            begin,
            min_distance=settings.min_distance,
            epochs=settings.epochs,
            seed=settings.seed,
            epochs_per_yield=1,
        )
        layers.append(_Layer(level, layout, inverse, counts))
    placed = _lay_out_together(layers, settings, part(report, 0.4, 1.0))
    drawn = {
        layer.level: LevelMap(layer.level, "aligned", rows, points, float("nan"))
        for layer, points in zip(layers, placed, strict=True)
    }
    return tuple((drawn | few)[level] for level in sorted(levels))


def _lay_out_together(layers: list[_Layer], settings: MapSettings, report: Report) -> list[Points]:
    """(m, 2) places of all rows at every level."""
    now: list[Points] = []
    for epoch in range(settings.epochs):
        report(epoch / settings.epochs, f"Laying all levels out together, epoch {epoch} of {settings.epochs}")
        now = [next(layer.layout)[1] for layer in layers]  # the arrays themselves: what is added here stays
        pull = settings.alignment * (1 - epoch / settings.epochs)  # cools down as the layout itself does
        places = [points[layer.inverse] for points, layer in zip(now, layers, strict=True)]
        for i, layer in enumerate(layers):
            beside = [places[j] for j in (i - 1, i + 1) if 0 <= j < len(layers)]
            if beside and pull > 0:
                there = _means(np.mean(beside, axis=0), layer.inverse, layer.counts)
                now[i] += np.float32(pull) * (there - now[i]).astype(np.float32)
    return [np.ascontiguousarray(points[layer.inverse]) for points, layer in zip(now, layers, strict=True)]


def _means(of_rows: Matrix, inverse: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the rows that are the same: (m, 2) -> (different rows, 2)."""
    sums = [np.bincount(inverse, weights=of_rows[:, axis], minlength=len(counts)) for axis in (0, 1)]
    return np.stack(sums, axis=1) / counts[:, None]
