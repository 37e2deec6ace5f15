"""One architecture trained in several ways, and PCA of equal width: measured alike, and summed up in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.components import PrincipalComponents, principal_components
from sae_core.analysis.levels import Judged, explained_variance
from sae_core.analysis.progress import Report, silent
from sae_core.analysis.reconstruction import squared_errors
from sae_core.analysis.sampling import stratified_rows
from sae_core.data.dataset import Dataset
from sae_core.data.preparation import Preparation

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

PCA = "PCA"
LEAST = 0.005  # shares that differ by less than half a point count as equal
ERRORS = 2.0  # standard errors beyond which a difference of accuracies is more than chance

Right = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WayResult:
    """What one way of training has come to, on held-out rows.

    Attributes:
        way: "greedy", "joint", "greedy then joint" or "PCA".
        units: width of the deepest code.
        error: mean squared error per prepared value of the input, decoded from the deepest code.
        explained: share of the input's variance that comes back.
        right: (m,) which labelled rows a softmax regression on the deepest code gets right; () without labels.
        fine_tuned_right: (m,) the same for the stack fine-tuned with labels; () where there is none.
    """

    way: str
    units: int
    error: float
    explained: float
    right: Right = field(default_factory=lambda: np.zeros(0, dtype=bool))
    fine_tuned_right: Right = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @property
    def accuracy(self) -> float:
        """Of the softmax regression, 0..1; NaN without labels."""
        return _share(self.right)

    @property
    def fine_tuned_accuracy(self) -> float:
        """Of the fine-tuned stack, 0..1; NaN where there is none."""
        return _share(self.fine_tuned_right)


@dataclass(frozen=True, eq=False)
class Material:
    """The rows that all ways are measured on.

    Attributes:
        train, held_out: row numbers: a stratified sample of the training and of the held-out rows.
        judged: those with a label, or None.
    """

    data: Dataset
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    judged: Judged | None


def material(data: Dataset, n_inputs: int, *, limit: int = 5_000) -> Material:
    """The rows that all ways are measured on: at most `limit` training rows, and as many held-out rows."""
    limit = max(200, min(limit, 40_000_000 // n_inputs))
    parts = [rows[stratified_rows(data.class_codes[rows], limit)] for rows in (data.split.train, data.split.held_out())]
    return Material(data, parts[0], parts[1], Judged.of(data.class_codes[parts[0]], data.class_codes[parts[1]]))


def measure(model: TrainedStack, found: Material, way: str, *, report: Report = silent) -> WayResult:
    """Measure a trained stack by its deepest code."""
    data, judged = found.data, found.judged
    report(0.1, f"Measuring {way}")
    x = model.prepare(data.take(found.held_out))
    code = model.encode_prepared(x)
    back = model.decode_prepared(code)
    right = tuned = np.zeros(0, dtype=bool)
    if judged is not None:
        report(0.4, f"Classifying by {way}")
        right = judged.linear_right(model.encode(data.take(found.train)), code)
        if model.is_fine_tuned:
            classes = data.class_codes[found.held_out][judged.held_out]
            tuned = model.predict_proba_prepared(x[judged.held_out]).argmax(axis=1) == classes
    units = model.width(model.n_levels)
    return WayResult(way, units, float(squared_errors(x, back).mean()), explained_variance(x, back), right, tuned)


def fit_pca(preparation: Preparation, found: Material, units: int) -> PrincipalComponents:
    """As many principal components as the deepest code has units, of the training rows."""
    return principal_components(preparation.transform(found.data.take(found.train)), units)


def measure_pca(preparation: Preparation, found: Material, fitted: PrincipalComponents) -> WayResult:
    """Measure PCA in the same way."""
    x = preparation.transform(found.data.take(found.held_out))
    units = len(fitted.components)
    back = fitted.reconstruct(x, units)
    right = np.zeros(0, dtype=bool)
    if found.judged is not None:
        train = fitted.project(preparation.transform(found.data.take(found.train)))
        right = found.judged.linear_right(train, fitted.project(x))
    return WayResult(PCA, units, float(squared_errors(x, back).mean()), explained_variance(x, back), right)


def sum_up(results: Sequence[WayResult]) -> str:
    """Which way gives the input back best, and which serves a classifier best: one sentence with its grounds.

    Two shares of variance count as equal within half a point; two accuracies within half a point or two standard errors
    on the same rows.
    """
    if len(results) < 2:
        return ""
    text = _best("gives the input back best", "give the input back equally well", results, lambda r: r.explained,
                 lambda a, b: LEAST, "of its variance")  # fmt: skip
    if all(len(result.right) for result in results):
        text += "; " + _best(
            "has the code on which a linear classifier is right most often",
            "have codes on which a linear classifier is, within chance, right equally often",
            results, lambda r: r.accuracy, lambda a, b: _margin(a.right, b.right), "of the rows",
        )  # fmt: skip
    tuned = [result for result in results if len(result.fine_tuned_right)]
    if len(tuned) > 1:
        text += "; " + _best(
            "is the best start for fine-tuning",
            "are, within chance, equally good starts for fine-tuning",
            tuned, lambda r: r.fine_tuned_accuracy, lambda a, b: _margin(a.fine_tuned_right, b.fine_tuned_right),
            "of the rows",
        )  # fmt: skip
    return text[0].upper() + text[1:] + "."


def _best(
    alone: str,
    together: str,
    results: Sequence[WayResult],
    value: Callable[[WayResult], float],
    margin: Callable[[WayResult, WayResult], float],
    of: str,
) -> str:
    ranked = sorted(results, key=lambda result: -_or_lowest(value(result)))
    best = ranked[0]
    level = [r for r in ranked if r is best or value(best) - value(r) <= margin(best, r)]
    rest = [r for r in ranked if all(r is not other for other in level)]
    names = _listed([_name(result.way) for result in level])
    figures = _listed([_percent(value(result)) for result in level])
    text = f"{names} {alone if len(level) == 1 else together} ({figures} {of}"
    if rest:
        text += "; " + ", ".join(f"{_name(result.way)} {_percent(value(result))}" for result in rest)
    return text + ")"


def _margin(a: Right, b: Right) -> float:
    """What two accuracies on the same rows may differ by chance (McNemar 1947)."""
    differing = int((a != b).sum())
    return max(LEAST, ERRORS * math.sqrt(differing) / max(len(a), 1))


def _name(way: str) -> str:
    return {"greedy": "greedy training", "joint": "joint training"}.get(way, way)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _share(right: Right) -> float:
    return float(right.mean()) if len(right) else float("nan")


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
