"""Reconstruction error as a detector of anomalies: where labels say which rows are anomalies, how well it finds them.

A stack that learned from usual rows gives unusual ones back badly. Whether it does is judged by the ROC curve and by
average precision, which is the better guide where anomalies are rare (Davis & Goadrich 2006; Saito & Rehmsmeier 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.analysis.reconstruction import RowErrors
from sae_core.errors import LabelError


@dataclass(frozen=True, eq=False)
class Detection:
    """How well the error of one level finds the anomalies.

    Attributes:
        level: whose error is the score.
        area: under the ROC curve, 0..1: the chance that an anomaly has a larger error than a usual row; 0.5 is chance.
        average_precision: 0..1; chance is the share of anomalies.
        false_alarms, found: (k,) ROC curve: share of usual rows, and of anomalies, beyond each threshold.
        recall, precision: (j,) precision-recall curve, from the highest threshold downwards.
        anomalies, rows: counts.
    """

    level: int
    area: float
    average_precision: float
    false_alarms: NDArray[np.float64]
    found: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    anomalies: int
    rows: int


def detections(
    errors: RowErrors, class_codes: NDArray[np.int64], anomalous: Sequence[int], rows: NDArray[np.int64]
) -> tuple[Detection, ...]:
    """For every level, how well its error tells anomalies from usual rows.

    Args:
        errors: of all rows of the data set.
        class_codes: (n,) class of each row; rows without a label (-1) are left out.
        anomalous: the classes that are anomalies.
        rows: row numbers that are judged.

    Raises:
        LabelError: all of the rows are anomalies, or none is.
    """
    rows = rows[(class_codes[rows] >= 0) & np.isfinite(errors.values[:, rows]).all(axis=0)]
    truth = np.isin(class_codes[rows], list(anomalous))
    if not truth.any() or truth.all():
        what = "None" if not truth.any() else "All"
        raise LabelError(
            f"{what} of these rows belong to the classes that count as anomalies, so there is nothing to tell apart. "
            "Choose other classes, or other rows."
        )
    metrics = lazy.package("sklearn.metrics")
    found = []
    for level in errors.levels:
        score = errors.at(level)[rows]
        false_alarms, hits, _ = metrics.roc_curve(truth, score)
        precision, recall, _ = metrics.precision_recall_curve(truth, score)
        found.append(
            Detection(
                level,
                float(metrics.roc_auc_score(truth, score)),
                float(metrics.average_precision_score(truth, score)),
                false_alarms,
                hits,
                recall[-2::-1],  # without the point that scikit-learn adds for no row at all
                precision[-2::-1],
                int(truth.sum()),
                len(rows),
            )
        )
    return tuple(found)


def rarest_class(class_codes: NDArray[np.int64]) -> int:
    """The class with the fewest rows: the likeliest to be the anomaly. -1 without any label."""
    labelled = class_codes[class_codes >= 0]
    if not len(labelled):
        return -1
    codes, counts = np.unique(labelled, return_counts=True)
    return int(codes[counts.argmin()])
