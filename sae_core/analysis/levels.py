"""What each level keeps: the yardsticks that tell whether another level pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.analysis.components import principal_components
from sae_core.analysis.neighbourhoods import distance_order, trustworthiness
from sae_core.analysis.neighbours import nearest
from sae_core.analysis.progress import Report, silent
from sae_core.analysis.reconstruction import squared_errors
from sae_core.analysis.sampling import stratified_rows
from sae_core.data.dataset import Dataset

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

Matrix = NDArray[np.floating]
Codes = NDArray[np.int64]

_DEAD_SPREAD = 1e-6  # a unit whose values differ by less than this says nothing about a row
_SATURATED = 0.02  # share of a bounded unit's range, at each end
_PINNED = 0.9  # share of rows that a unit spends there before it counts as saturated
_NEIGHBOURHOOD_ROWS = 1_500  # for trustworthiness and continuity, whose cost grows with their square
_VALUES = 40_000_000  # of the rows that are looked at together: bounds the memory for wide pictures
_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


@dataclass(frozen=True, eq=False)
class Activity:
    """What the units of one code do.

    Attributes:
        mean, spread: (units,) mean and standard deviation over rows.
        alive: (units,) bool, whether the unit tells any two rows apart.
        saturated: (units,) share of rows within 2 % of an end of the unit's range; NaN for unbounded activations.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    alive: NDArray[np.bool_]
    saturated: NDArray[np.float64]


@dataclass(frozen=True)
class LevelSummary:
    """One level in numbers. Fitted on training rows, measured on held-out rows.

    Attributes:
        level, units: 0 is the prepared input.
        dead: units that say nothing.
        saturated: other units that stay near an end of their range on nine of ten rows; NaN for unbounded activations.
        mean_activation: over units and rows.
        effective_rank: how many directions the code really uses, 1 .. units (Roy & Vetterli 2007).
        error: mean squared error per prepared value of what the level gives back; 0 at level 0.
        input_error: root mean squared error in the input's units, as `input_unit` names them; 0 at level 0.
        explained: share of the input's variance in what the level gives back; below 0 is worse than the mean.
        pca_error, pca_input_error, pca_explained: the same of as many principal components as the level has units.
        linear_accuracy: softmax regression on the code, 0..1; NaN without labels.
        pca_linear_accuracy: the same on as many principal components; NaN without labels and at level 0.
        linear_gain, linear_gain_error: difference of the accuracy to the level below, and its standard error on these
            rows (McNemar 1947: of the rows that only one of both gets right); NaN at level 0 and without labels.
        neighbour_accuracy: majority of the 5 nearest training codes, 0..1; NaN without labels.
        judged: held-out rows with a label.
        trustworthiness, continuity: of the code against the input, 0..1 (Venna & Kaski 2001), on a sample.
    """

    level: int
    units: int
    dead: int
    saturated: float
    mean_activation: float
    effective_rank: float
    error: float
    input_error: float
    explained: float
    pca_error: float
    pca_input_error: float
    pca_explained: float
    linear_accuracy: float
    pca_linear_accuracy: float
    linear_gain: float
    linear_gain_error: float
    neighbour_accuracy: float
    judged: int
    trustworthiness: float
    continuity: float


@dataclass(frozen=True)
class LinearYardstick:
    """What as many principal components as a level has units give back of the same rows.

    Attributes:
        level, units: of the stack.
        error: mean squared error per prepared value.
        explained: share of variance kept, 0..1.
    """

    level: int
    units: int
    error: float
    explained: float


def activity(codes: Matrix, activation: str = "") -> Activity:
    """What the units of a code do over these rows.

    Args:
        codes: (n, units).
        activation: of the level; bounded ones have a share of saturated rows.
    """
    mean, spread = codes.mean(axis=0, dtype=np.float64), codes.std(axis=0, dtype=np.float64)
    alive = np.ptp(codes, axis=0) > _DEAD_SPREAD
    saturated = np.full(codes.shape[1], np.nan)
    if activation in _BOUNDS:
        low, high = _BOUNDS[activation]
        margin = _SATURATED * (high - low)
        saturated = ((codes <= low + margin) | (codes >= high - margin)).mean(axis=0)
    return Activity(mean, spread, alive, saturated)


def effective_rank(codes: Matrix) -> float:
    """How many directions a code really uses (Roy & Vetterli 2007): exp of the entropy of its singular values' shares.

    Returns:
        1 .. min(rows, units); 0 where all rows are the same.

    >>> round(effective_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
    2.0
    """
    centred = codes - codes.mean(axis=0, dtype=np.float64)
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0))
    total = singular.sum()
    if total <= 0:
        return 0.0
    shares = singular[singular > total * 1e-12] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def explained_variance(x: Matrix, given_back: Matrix) -> float:
    """Share of the variance of x (n, d) that is in what was given back; 1 is all, 0 no better than the mean row."""
    total = float(np.square(x - x.mean(axis=0, dtype=np.float64)).sum())
    lost = float(np.square(given_back.astype(np.float64) - x).sum())
    return 1.0 - lost / total if total > 0 else float("nan")


def linear_yardstick(
    model: TrainedStack,
    data: Dataset,
    rows: NDArray[np.int64] | None = None,
    *,
    limit: int = 10_000,
    report: Report = silent,
) -> tuple[LinearYardstick, ...]:
    """PCA of equal width for every level: fitted on training rows, measured on `rows` (None: the held-out rows)."""
    rows = data.split.held_out() if rows is None else rows
    report(0.1, "Principal components of equal width")
    fitted = principal_components(model.prepare(data.take(_sample(data, data.split.train, limit))), max(model.units))
    x = model.prepare(data.take(_sample(data, rows, limit)))
    found = []
    for level, units in enumerate(model.units, start=1):
        report(level / len(model.units), "Principal components of equal width")
        back = fitted.reconstruct(x, units)
        found.append(LinearYardstick(level, units, float(squared_errors(x, back).mean()), explained_variance(x, back)))
    return tuple(found)


def level_summaries(
    model: TrainedStack, data: Dataset, *, limit: int = 5_000, neighbours: int = 10, report: Report = silent
) -> tuple[LevelSummary, ...]:
    """Every level in numbers, the input first.

    Args:
        limit: training rows, and held-out rows, that are looked at (a stratified sample of each; fewer of very wide
            rows).
        neighbours: that trustworthiness and continuity look at.
    """
    limit = max(200, min(limit, _VALUES // model.width(0)))
    train, held_out = _sample(data, data.split.train, limit), _sample(data, data.split.held_out(), limit)
    train_code = train_x = model.prepare(data.take(train))
    code = x = model.prepare(data.take(held_out))
    near = stratified_rows(data.class_codes[held_out], _NEIGHBOURHOOD_ROWS)
    k = min(neighbours, (len(near) - 1) // 2)
    order = distance_order(x[near])
    report(0.05, "Principal components of equal width")
    fitted = principal_components(train_x, max(model.width(level) for level in range(1, model.n_levels + 1)))
    classes = Judged.of(data.class_codes[train], data.class_codes[held_out])
    right_below: NDArray[np.bool_] | None = None
    found = []
    for level in range(model.n_levels + 1):
        report(0.1 + 0.9 * level / (model.n_levels + 1), "Looking at the input" if level == 0 else f"Level {level}")
        if level:
            code, train_code = (model.encode_prepared(h, level, start=level - 1) for h in (code, train_code))
        units = model.width(level)
        back = model.decode_prepared(code, level) if level else x
        pca_back = fitted.reconstruct(x, units) if level else x
        doing = activity(code, str(model.level_config(level).activation) if level else "")
        pinned = (doing.saturated >= _PINNED) & doing.alive
        right = classes.linear_right(train_code, code) if classes else None
        gain, gain_error = _gain(right, right_below)
        pca_right = None
        if level and classes:
            pca_right = classes.linear_right(fitted.project(train_x)[:, :units], fitted.project(x)[:, :units])
        of_code = distance_order(code[near]) if level else order
        found.append(
            LevelSummary(
                level=level,
                units=units,
                dead=int((~doing.alive).sum()),
                saturated=float("nan") if np.isnan(doing.saturated).all() else float(pinned.sum()),
                mean_activation=float(doing.mean.mean()),
                effective_rank=effective_rank(code),
                error=float(squared_errors(x, back).mean()),
                input_error=input_error(model, data, held_out, x, back),
                explained=explained_variance(x, back),
                pca_error=float(squared_errors(x, pca_back).mean()),
                pca_input_error=input_error(model, data, held_out, x, pca_back),
                pca_explained=explained_variance(x, pca_back),
                linear_accuracy=_share(right),
                pca_linear_accuracy=_share(pca_right),
                linear_gain=gain,
                linear_gain_error=gain_error,
                neighbour_accuracy=classes.neighbour_accuracy(train_code, code) if classes else float("nan"),
                judged=0 if right is None else len(right),
                trustworthiness=trustworthiness(order, of_code, k),
                continuity=trustworthiness(of_code, order, k),
            )
        )
        right_below = right
    return tuple(found)


def input_error(
    model: TrainedStack, data: Dataset, rows: NDArray[np.int64], x: NDArray[np.floating], back: NDArray[np.floating]
) -> float:
    """Root mean squared error in the units that `input_unit` names.

    Args:
        rows: (m,) row numbers in the data set.
        x, back: (m, n_inputs) these rows, and what is given back of them, in the prepared scale.
    """
    if isinstance(data.features, pd.DataFrame):
        return float(np.sqrt(squared_errors(x, back).mean()))
    given_back = np.asarray(model.preparation.inverse_transform(back.astype(np.float32)))
    return float(np.sqrt(np.nanmean(np.square(given_back.astype(np.float64) - np.asarray(data.take(rows))))))


def input_unit(model: TrainedStack, data: Dataset) -> str:
    """The unit of `LevelSummary.input_error` in words; columns of a table share none but their scale."""
    if data.image_shape is not None:
        return "pixel brightness, 0 to 1"
    if not isinstance(data.features, pd.DataFrame):
        return "units of the input"
    scales = {"min_max": "range of each column", "robust": "interquartile range of each column", "none": "own units"}
    return scales.get(model.config.scaling, "standard deviation of each column")


def linear_accuracy(train: Matrix, train_classes: Codes, test: Matrix, test_classes: Codes) -> float:
    """Accuracy, 0..1, of a softmax regression fitted to convergence with a small ridge, on standardised codes."""
    return float((linear_predictions(train, train_classes, test) == test_classes).mean())


def linear_predictions(train: Matrix, train_classes: Codes, test: Matrix) -> Codes:
    """(m,) classes that the softmax regression of `linear_accuracy`, fitted to (n, d) codes, gives (m, d) codes."""
    centre, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > _DEAD_SPREAD, scale, 1.0)
    a, b = ((codes - centre).astype(np.float64) / scale for codes in (train, test))
    (n, d), c = a.shape, int(train_classes.max()) + 1
    wanted = np.eye(c)[train_classes]  # (n, classes)

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, bias = flat[: d * c].reshape(d, c), flat[d * c :]
        scores = a @ w + bias
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        error = (np.exp(log_p) - wanted) / n
        loss = -float((wanted * log_p).sum()) / n + 0.5e-3 * float(np.square(w).sum())
        return loss, np.concatenate([(a.T @ error + 1e-3 * w).ravel(), error.sum(axis=0)])

    minimize = lazy.package("scipy.optimize").minimize
    best = minimize(objective, np.zeros((d + 1) * c), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    return np.asarray((b @ best[: d * c].reshape(d, c) + best[d * c :]).argmax(axis=1))


def neighbour_accuracy(train: Matrix, train_classes: Codes, test: Matrix, test_classes: Codes, *, k: int = 5) -> float:
    """Accuracy, 0..1, of the majority of the k nearest training codes (ties go to the nearest of them)."""
    k = min(k, len(train))
    votes = train_classes[nearest(train, k, queries=test).indices]  # (m, k)
    counts = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    predicted = np.take_along_axis(votes, counts.argmax(axis=1)[:, None], axis=1)[:, 0]
    return float((predicted == test_classes).mean())


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows with a label, by which codes are judged.

    Attributes:
        train, held_out: (n,) and (m,) bool, which rows have one.
        train_classes, classes: their classes.
    """

    train: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    train_classes: Codes
    classes: Codes

    @classmethod
    def of(cls, train_classes: Codes, classes: Codes) -> Judged | None:
        """None where there are not two classes to learn, or no row to judge by. Classes: -1 is no label."""
        known, asked = train_classes >= 0, classes >= 0
        if len(np.unique(train_classes[known])) < 2 or not asked.any():
            return None
        return cls(known, asked, train_classes[known], classes[asked])

    def linear_right(self, train: Matrix, code: Matrix) -> NDArray[np.bool_]:
        """Which held-out rows a softmax regression gets right."""
        predicted = linear_predictions(train[self.train], self.train_classes, code[self.held_out])
        return np.asarray(predicted == self.classes)

    def neighbour_accuracy(self, train: Matrix, code: Matrix) -> float:
        """Of the majority of the nearest training codes."""
        return neighbour_accuracy(train[self.train], self.train_classes, code[self.held_out], self.classes)


def _gain(right: NDArray[np.bool_] | None, below: NDArray[np.bool_] | None) -> tuple[float, float]:
    """Difference of two accuracies on the same rows, and its standard error."""
    if right is None or below is None:
        return float("nan"), float("nan")
    won, lost = int((right & ~below).sum()), int((below & ~right).sum())
    n = len(right)
    return (won - lost) / n, float(np.sqrt(max(won + lost - (won - lost) ** 2 / n, 0.0))) / n


def _share(right: NDArray[np.bool_] | None) -> float:
    return float("nan") if right is None else float(right.mean())


def _sample(data: Dataset, rows: NDArray[np.int64] | Sequence[int], limit: int) -> NDArray[np.int64]:
    rows = np.asarray(rows, dtype=np.int64)
    return rows[stratified_rows(data.class_codes[rows], limit)]
