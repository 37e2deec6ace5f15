"""How well the classes can be told apart: softmax on the input, on each frozen code, and the fine-tuned stack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.analysis.progress import Report, silent
from sae_core.data.dataset import Dataset, SplitName
from sae_core.errors import LabelError

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

Codes = NDArray[np.int64]

_BATCH = 8192  # rows classified at a time


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one classifier says of every labelled row.

    Attributes:
        level: softmax on the frozen code of this level (0 is the prepared input); None: the fine-tuned stack.
        predicted: (m,) int32, class of the largest probability, a position in `Classification.classes`.
        confidence: (m,) float32, that probability, 0..1.
        of_truth: (m,) float32, the probability of the row's own class, 0..1.
    """

    level: int | None
    predicted: NDArray[np.int32]
    confidence: NDArray[np.float32]
    of_truth: NDArray[np.float32]

    @property
    def name(self) -> str:
        """For people."""
        return (
            "fine-tuned stack"
            if self.level is None
            else "raw input"
            if self.level == 0
            else f"code of level {self.level}"
        )


@dataclass(frozen=True, eq=False)
class Classification:
    """All classifiers of a stack on the same rows.

    Attributes:
        classes: labels as the user wrote them.
        rows: (m,) row numbers in the data set: those with a label.
        truth: (m,) their class, a position in `classes`.
        parts: (m,) "train", "validation" or "test".
        classifiers: softmax from the input upwards, then the fine-tuned stack, if there is one.
    """

    classes: tuple[int | str, ...]
    rows: NDArray[np.int64]
    truth: Codes
    parts: NDArray[np.str_]
    classifiers: tuple[Predictions, ...]

    def by(self, level: int | None) -> Predictions:
        """The predictions of one classifier. Raises LabelError where there is none."""
        for found in self.classifiers:
            if found.level == level:
                return found
        raise LabelError(f"There is no classifier on {'the fine-tuned stack' if level is None else f'level {level}'}.")

    @property
    def before(self) -> Predictions | None:
        """The deepest softmax on a frozen code."""
        frozen = [found for found in self.classifiers if found.level is not None]
        return frozen[-1] if frozen else None

    @property
    def after(self) -> Predictions | None:
        """The fine-tuned stack."""
        return next((found for found in self.classifiers if found.level is None), None)

    def has(self, part: SplitName) -> bool:
        """Whether any labelled row is in this part."""
        return bool((self.parts == part).any())


@dataclass(frozen=True)
class Accuracy:
    """A share of rows classified rightly, with its uncertainty.

    Attributes:
        right, rows: counts.
        low, high: ends of the 95 % interval (Wilson 1927), 0..1; NaN without rows.
    """

    right: int
    rows: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """0..1; NaN without rows."""
        return self.right / self.rows if self.rows else float("nan")


def classify(model: TrainedStack, data: Dataset, *, report: Report = silent) -> Classification:
    """Ask every classifier of the stack about every row that has a label.

    Raises:
        LabelError: the stack was trained without labels, or the data has none of its classes.
    """
    if not model.is_classifier:
        raise LabelError(
            "This stack was trained without labels, so there is nothing to classify. "
            "Choose a label column on Data and train again."
        )
    truth = _codes_among(model.classes, data)
    rows = np.flatnonzero(truth >= 0).astype(np.int64)
    if not len(rows):
        raise LabelError(
            "None of these rows has a label that the stack was trained on. Choose the label column it was trained with."
        )
    levels: list[int | None] = [*model.softmax_levels, *([None] if model.is_fine_tuned else [])]
    best = np.empty((len(levels), len(rows)), dtype=np.int32)
    confidence, of_truth = np.empty((2, len(levels), len(rows)), dtype=np.float32)
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        x = model.prepare(data.take(rows[batch]))
        for i, level in enumerate(levels):
            report((start + i / len(levels) * _BATCH) / len(rows), "Classifying every row")
            probabilities = model.predict_proba_prepared(x, level=level)  # (rows of the batch, classes)
            each = np.arange(len(x))
            best[i, batch] = probabilities.argmax(axis=1)
            confidence[i, batch] = probabilities[each, best[i, batch]]
            of_truth[i, batch] = probabilities[each, truth[rows[batch]]]
    classifiers = tuple(Predictions(level, best[i], confidence[i], of_truth[i]) for i, level in enumerate(levels))
    return Classification(model.classes, rows, truth[rows], data.split.part_of_each_row()[rows], classifiers)


def _codes_among(classes: tuple[int | str, ...], data: Dataset) -> Codes:
    """(n,) position of each row's label among the model's classes; -1 where it is none of them."""
    position = {value: i for i, value in enumerate(classes)}
    of_data = np.array([*(position.get(value, -1) for value in data.classes), -1], dtype=np.int64)
    return of_data[data.class_codes]


def accuracy(found: Classification, level: int | None, part: SplitName) -> Accuracy:
    """Accuracy of one classifier on one part of the split."""
    of_part = found.parts == part
    right = int((found.by(level).predicted == found.truth)[of_part].sum())
    return with_interval(right, int(of_part.sum()))


def with_interval(right: int, rows: int, z: float = 1.96) -> Accuracy:
    """An accuracy with its Wilson interval, which holds for few rows and near 0 and 1, too.

    >>> with_interval(9, 10).share, round(with_interval(9, 10).low, 2)
    (0.9, 0.6)
    """
    if not rows:
        return Accuracy(0, 0, float("nan"), float("nan"))
    share = right / rows
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return Accuracy(right, rows, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def confusion(
    found: Classification, level: int | None, part: SplitName, *, among: NDArray[np.bool_] | None = None
) -> Codes:
    """(classes, classes) counts of rows of one part: true class down, predicted class across.

    Args:
        among: (m,) which of `found.rows` are counted; None: all of them.
    """
    of_part = (found.parts == part) & (True if among is None else among)
    c = len(found.classes)
    pairs = found.truth[of_part] * c + found.by(level).predicted[of_part]
    return np.bincount(pairs, minlength=c * c).reshape(c, c).astype(np.int64)


def rows_of_cell(
    found: Classification, level: int | None, part: SplitName, truth: int, predicted: int
) -> NDArray[np.int64]:
    """Row numbers of one cell of `confusion`."""
    inside = (found.parts == part) & (found.truth == truth) & (found.by(level).predicted == predicted)
    rows: NDArray[np.int64] = found.rows[inside]
    return rows


def class_scores(found: Classification, level: int | None, part: SplitName) -> pd.DataFrame:
    """Precision, recall and F1 of each class on one part (scikit-learn's definitions).

    Returns:
        one row a class, in the order of `classes`: class, precision, recall, f1 (0..1) and rows. Precision is NaN
        for a class that was never predicted, recall for one without rows, F1 where neither can be told.
    """
    of_part = found.parts == part
    every_class = np.arange(len(found.classes))
    truth, predicted = found.truth[of_part], found.by(level).predicted[of_part]
    if not len(truth):
        precision = recall = f1 = np.full(len(every_class), np.nan)
        support = np.zeros(len(every_class), dtype=np.int64)
    else:
        scores = lazy.package("sklearn.metrics").precision_recall_fscore_support
        precision, recall, f1, support = scores(truth, predicted, labels=every_class, zero_division=np.nan)
    return pd.DataFrame(
        {"class": list(found.classes), "precision": precision, "recall": recall, "f1": f1, "rows": support}
    )


def misclassified(
    found: Classification,
    level: int | None,
    part: SplitName,
    *,
    truth: int | None = None,
    predicted: int | None = None,
) -> NDArray[np.int64]:
    """Positions (in `found.rows`) of wrongly classified rows of one part, the most confident mistakes first.

    Args:
        truth, predicted: only these classes (positions in `classes`); None: all.
    """
    by = found.by(level)
    wrong = (found.parts == part) & (by.predicted != found.truth)
    if truth is not None:
        wrong &= found.truth == truth
    if predicted is not None:
        wrong &= by.predicted == predicted
    positions = np.flatnonzero(wrong)
    return positions[np.argsort(-by.confidence[positions], kind="stable")]


def most_confused(matrix: Codes, count: int = 5) -> tuple[tuple[int, int, int], ...]:
    """The commonest mistakes: (true class, predicted class, rows), most rows first.

    >>> most_confused(np.array([[5, 2], [1, 9]]), 1)
    ((0, 1, 2),)
    """
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    pairs = [(int(i // len(matrix)), int(i % len(matrix))) for i in order]
    return tuple((true, guess, int(mistakes[true, guess])) for true, guess in pairs if mistakes[true, guess])
