"""Maps: the rows of every level as points in the plane, made so that levels can be compared.

Independent maps turn and mirror as they like. Here the layout of each level begins where the map of the level below
ended, and is finally turned onto it, so that a group of rows is found at about the same place from level to level.
"aligned" goes further: all levels are laid out at once, and every row is drawn towards its places at the levels beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.analysis.components import principal_components
from sae_core.analysis.layout import Graph, fuzzy_graph, lay_out
from sae_core.analysis.neighbours import Neighbours, nearest
from sae_core.analysis.progress import Report, part, silent
from sae_core.errors import ProjectionError

Method = Literal["pca", "umap", "aligned", "tsne"]
Metric = Literal["euclidean", "cosine", "correlation"]
Matrix = NDArray[np.floating]

MIN_ROWS = 5  # different rows that UMAP needs; fewer are drawn by PCA
_WIDE = 2_000  # features beyond which neighbours are sought among principal components: n^2 d distances take minutes
_KEPT_COMPONENTS = 256
_EXTENT = 10.0  # of the start of a layout, in units of the map
_TSNE_START = 1e-4  # standard deviation of a t-SNE's first axis at its start (van der Maaten & Hinton 2008)
_TSNE_COMPONENTS = 50  # principal components that a t-SNE reads, as its authors did
_TSNE_STEPS = 500


@dataclass(frozen=True)
class MapSettings:
    """How a map is drawn.

    Attributes:
        method: "pca", "umap", "aligned" (UMAP of all levels at once) or "tsne".
        neighbours: rows, itself included, that count as a row's neighbourhood (UMAP): few show detail, many the whole;
            the perplexity of a t-SNE.
        min_distance: how closely points may lie (UMAP), in units of the map, 0..1.
        epochs: passes over all neighbours (UMAP).
        seed: the same seed gives the same map.
        metric: how far two rows are from each other: "euclidean"; "cosine", by direction; "correlation", by shape.
        alignment: how strongly levels are drawn together ("aligned"), 0..1.
    """

    method: Method = "umap"
    neighbours: int = 15
    min_distance: float = 0.1
    epochs: int = 200
    seed: int = 0
    metric: Metric = "euclidean"
    alignment: float = 0.2

    def __post_init__(self) -> None:
        unit = (self.min_distance, self.alignment)
        if self.neighbours < 2 or not all(0 <= share <= 1 for share in unit) or self.epochs < 1:
            raise ProjectionError(
                "A map needs at least 2 neighbours, a smallest distance between 0 and 1 and at least one epoch. "
                "Choose other settings for the map."
            )


@dataclass(frozen=True, eq=False)
class LevelMap:
    """The map of one level.

    Attributes:
        level: 0 is the prepared input, k the code of level k.
        method: how it was really drawn: PCA where there were too few different rows for UMAP.
        rows: (m,) row numbers in the data set.
        points: (m, 2) float32.
        share: of the variance that the plane shows, 0..1 (PCA); NaN for the others.
        note: what a reader should know, in a sentence, or "".
    """

    level: int
    method: Method
    rows: NDArray[np.int64]
    points: NDArray[np.float32]
    share: float
    note: str = ""


def level_maps(
    levels: dict[int, Callable[[], Matrix]],
    rows: NDArray[np.int64],
    settings: MapSettings = MapSettings(),
    *,
    report: Report = silent,
) -> Iterator[LevelMap]:
    """Maps of several levels, from the lowest upwards, each as soon as it is ready.

    Args:
        levels: for every level, a function that gives the (m, units) codes of `rows`.
        rows: (m,) row numbers in the data set; they only travel with the maps.
        report: (fraction, text), several times a second; raise CancelledError from it to stop between two epochs.

    Raises:
        ProjectionError: codes that are not finite numbers, or no rows.

    >>> codes = {0: lambda: np.eye(6), 1: lambda: np.eye(6)[:, :3]}
    >>> [(m.level, m.points.shape) for m in level_maps(codes, np.arange(6), MapSettings(method="pca"))]
    [(0, (6, 2)), (1, (6, 2))]
    """
    if settings.method == "aligned":
        from sae_core.analysis.aligned import aligned_maps

        yield from aligned_maps({level: levels[level]() for level in sorted(levels)}, rows, settings, report=report)
        return
    below: LevelMap | None = None
    for i, level in enumerate(sorted(levels)):
        of_level = part(report, i / len(levels), (i + 1) / len(levels))
        below = draw_map(levels[level](), rows, settings, level=level, below=below, report=of_level)
        yield below


def draw_map(
    x: Matrix,
    rows: NDArray[np.int64],
    settings: MapSettings = MapSettings(),
    *,
    level: int = 0,
    below: LevelMap | None = None,
    report: Report = silent,
) -> LevelMap:
    """The map of one level.

    Rows with exactly the same values share one point. Scaling all values alike does not change a map.

    Args:
        x: (m, d) codes of `rows`.
        below: the map of the same rows to begin from and to turn onto.
    """
    name = "the input" if level == 0 else f"level {level}"
    report(0.0, f"Map of {name}")
    x = usable(x, name)
    distinct, inverse = distinct_rows(x)
    reference = None if below is None else below.points
    plane, share = principal_plane(distinct)
    if settings.method == "pca" or len(distinct) < MIN_ROWS:
        points = turned_onto(plane[inverse], reference)
        return LevelMap(level, "pca", rows, points, share, _note(settings, len(distinct)))
    first = np.zeros(len(distinct), dtype=np.int64)
    first[inverse[::-1]] = np.arange(len(x) - 1, -1, -1)  # a row that stands for each distinct one
    start = plane if reference is None else reference[first].astype(np.float64)
    if settings.method == "tsne":
        moved = _tsne(distinct, start, settings, name, report)
        return LevelMap(level, "tsne", rows, turned_onto(moved[inverse], reference), float("nan"))
    moved = _umap(distinct, start, settings, name, report)
    return LevelMap(level, "umap", rows, turned_onto(moved[inverse], reference), float("nan"))


def turned_onto(points: Matrix, reference: Matrix | None) -> NDArray[np.float32]:
    """Turn, mirror and shift points so that they lie as near as possible to the same rows on another map.

    Distances between points stay as they are (orthogonal Procrustes; Schönemann 1966).
    """
    if reference is None or not len(points):
        return np.ascontiguousarray(points, dtype=np.float32)
    centre = reference.mean(axis=0)
    moved = points - points.mean(axis=0)
    u, _, v = np.linalg.svd(moved.T.astype(np.float64) @ (reference - centre))
    return np.ascontiguousarray(moved @ (u @ v) + centre, dtype=np.float32)


def _umap(x: Matrix, start: Matrix, settings: MapSettings, name: str, report: Report) -> NDArray[np.float32]:
    graph = neighbour_graph(x, settings, name, part(report, 0.0, 0.35))
    report(0.35, f"Map of {name}: laying out")
    begin = spread(start, settings.seed)
    points = begin
    layout = lay_out(graph, begin, min_distance=settings.min_distance, epochs=settings.epochs, seed=settings.seed)
    for done, points in layout:  # noqa: B007 (the last points are the map)
        report(0.35 + 0.65 * done / settings.epochs, f"Map of {name}: laying out, epoch {done} of {settings.epochs}")
    return np.array(points, dtype=np.float32)


def neighbour_graph(x: Matrix, settings: MapSettings, name: str, report: Report = silent) -> Graph:
    """UMAP's graph of different rows.

    Args:
        x: (n, d) finite, no two rows the same.
    """
    if x.shape[1] > _WIDE:
        report(0.05, f"Map of {name}: reducing {x.shape[1]:,} features")
        x = principal_components(x, _KEPT_COMPONENTS, seed=settings.seed).project(x)
    k = min(settings.neighbours, len(x)) - 1
    searching = part(report, 0.1, 1.0)

    def found(fraction: float, text: str) -> None:
        searching(fraction, f"Map of {name}: {text}")

    return fuzzy_graph(in_metric(nearest(metric_space(x, settings.metric), k, report=found), settings.metric))


def metric_space(x: Matrix, metric: Metric) -> Matrix:
    """Rows whose Euclidean distances order pairs as the metric does: of length 1, for a correlation centred before."""
    if metric == "euclidean":
        return x
    moved = np.asarray(x, dtype=np.float64)
    if metric == "correlation":
        moved = moved - moved.mean(axis=1, keepdims=True)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(np.divide(moved, length, out=np.zeros_like(moved), where=length > 0))


def in_metric(found: Neighbours, metric: Metric) -> Neighbours:
    """Distances in a `metric_space` as distances of the metric: 1 - cosine is half the squared distance there."""
    return found if metric == "euclidean" else Neighbours(found.indices, np.square(found.distances) / 2)


def _tsne(x: Matrix, start: Matrix, settings: MapSettings, name: str, report: Report) -> NDArray[np.float32]:
    """t-SNE (van der Maaten & Hinton 2008; Barnes-Hut, 2014) by scikit-learn, from a given start."""
    if x.shape[1] > _TSNE_COMPONENTS and settings.metric == "euclidean":
        report(0.02, f"Map of {name}: reducing {x.shape[1]:,} features")
        x = principal_components(x, _TSNE_COMPONENTS, seed=settings.seed).project(x)
    begin = spread(start, settings.seed).astype(np.float64)
    begin -= begin.mean(axis=0)
    begin *= _TSNE_START / max(float(begin[:, 0].std()), 1e-12)
    report(0.1, f"Map of {name}: t-SNE of {len(x):,} rows, which does not tell how far it is")
    drawn = lazy.package("sklearn.manifold").TSNE(
        perplexity=min(float(settings.neighbours), max(1.0, (len(x) - 1) / 3)),
        init=begin.astype(np.float32),
        learning_rate="auto",
        max_iter=_TSNE_STEPS,
        random_state=settings.seed,
    )
    return np.asarray(drawn.fit_transform(metric_space(x, settings.metric)), dtype=np.float32)


def spread(start: Matrix, seed: int) -> NDArray[np.float32]:
    """The start of a layout, `_EXTENT` across, with a little noise so that no two points coincide."""
    centred = start - start.mean(axis=0)
    extent = float(np.ptp(centred, axis=0).max())
    if extent > 0:
        centred = centred * (_EXTENT / extent)
    noise = np.random.default_rng(seed).normal(scale=1e-3, size=start.shape)
    return np.asarray(centred + noise + _EXTENT / 2, dtype=np.float32)


def principal_plane(x: Matrix) -> tuple[NDArray[np.float64], float]:
    found = principal_components(x, 2)
    projected = found.project(x)  # (m, 1 or 2)
    plane = np.zeros((len(x), 2))
    plane[:, : projected.shape[1]] = projected
    return plane, float(found.shares.sum())


def usable(x: Matrix, name: str) -> Matrix:
    """Finite values, scaled so that squares neither overflow nor vanish."""
    x = np.asarray(x)
    if x.ndim != 2 or not len(x) or not x.shape[1]:
        raise ProjectionError(f"There are no rows of {name} to draw a map from. Choose more rows or another data set.")
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise ProjectionError(
            f"{(~finite).sum():,} of {len(x):,} rows of {name} hold values that are not finite numbers, so their place "
            "on a map is not defined. Train again with a smaller learning rate, or leave these rows out of the data."
        )
    largest = float(np.abs(x).max())
    if largest > 1e6 or 0 < largest < 1e-6:
        x = x.astype(np.float64) / largest
    return x


def distinct_rows(x: Matrix) -> tuple[Matrix, NDArray[np.int64]]:
    """Each different row once, in order of first appearance, and the position of every row among them."""
    packed = np.ascontiguousarray(x + 0.0)  # -0.0 becomes 0.0
    keys = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    return packed[first[order]], position[inverse.ravel()]


def _note(settings: MapSettings, n_distinct: int) -> str:
    if n_distinct == 1:
        return "All rows are the same here, so they share one point."
    if settings.method != "pca":
        name = "t-SNE" if settings.method == "tsne" else "UMAP"
        return f"Drawn by PCA: {name} needs at least {MIN_ROWS} different rows, and there are {n_distinct}."
    return ""
