"""Errors as detectors of anomalies, against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from sae_core.analysis.anomalies import detections, rarest_class
from sae_core.analysis.reconstruction import RowErrors
from sae_core.errors import LabelError

CODES = np.array([0] * 90 + [1] * 8 + [-1] * 2)


def errors(seed: int = 0) -> RowErrors:
    rng = np.random.default_rng(seed)
    chance = rng.uniform(size=100)
    perfect = chance + 2 * (CODES == 1)
    return RowErrors(np.arange(100), (1, 2), np.array([chance, perfect], dtype=np.float32))


def test_a_perfect_and_a_random_detector() -> None:
    random, perfect = detections(errors(), CODES, [1], np.arange(100))
    assert (perfect.area, perfect.average_precision) == (1.0, 1.0)
    assert 0.2 < random.area < 0.8
    assert (perfect.anomalies, perfect.rows) == (8, 98)  # rows without a label are left out
    assert random.found[0] == random.false_alarms[0] == 0
    assert random.found[-1] == random.false_alarms[-1] == 1
    assert random.precision[-1] == pytest.approx(8 / 98)


def test_the_figures_are_scikit_learns_on_the_rows_asked_for() -> None:
    rows = np.arange(40, 100)
    found = detections(errors(3), CODES, [1], rows)[0]
    judged = rows[CODES[rows] >= 0]
    score = errors(3).at(1)[judged]
    assert found.area == pytest.approx(roc_auc_score(CODES[judged] == 1, score))
    assert found.average_precision == pytest.approx(average_precision_score(CODES[judged] == 1, score))


def test_rows_whose_error_is_not_a_number_are_left_out() -> None:
    found = errors()
    found.values[0, :50] = np.nan
    assert detections(found, CODES, [1], np.arange(100))[0].rows == 48


@pytest.mark.parametrize("anomalous", [[0, 1], [5]])
def test_nothing_to_tell_apart(anomalous: list[int]) -> None:
    with pytest.raises(LabelError, match="nothing to tell apart"):
        detections(errors(), CODES, anomalous, np.arange(100))


def test_the_rarest_class_is_the_likeliest_anomaly() -> None:
    assert rarest_class(CODES) == 1
    assert rarest_class(np.array([-1, -1])) == -1
