"""Whether another level pays: constructed cases."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sae_core.analysis.levels import LevelSummary, level_summaries
from sae_core.analysis.verdict import verdict
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack


def level(number: int, units: int, accuracy: float, gain: float = math.nan, **others: Any) -> LevelSummary:
    values: dict[str, Any] = dict.fromkeys(LevelSummary.__dataclass_fields__, 0.0)
    values |= {
        "level": number, "units": units, "linear_accuracy": accuracy, "linear_gain": gain, "linear_gain_error": 0.004,
        "judged": 2000, "explained": 0.8, "pca_explained": 0.7, "dead": 0,
    }  # fmt: skip
    return LevelSummary(**values | others)


INPUT = level(0, 784, 0.90)


def test_every_level_pays() -> None:
    found = verdict([INPUT, level(1, 256, 0.92, 0.02), level(2, 64, 0.95, 0.03)])
    assert (found.outcome, found.level) == ("pays", 2)
    assert found.sentence.startswith("Every level pays: on its 64 values a linear classifier gets 95.0 % of 2,000")
    assert "3.0 points more than on level 1" in found.sentence
    assert [step.outcome for step in found.steps] == ["pays", "pays"]


def test_an_equally_good_narrower_code_pays() -> None:
    found = verdict([INPUT, level(1, 256, 0.903, 0.003)])
    assert found.outcome == "pays"
    assert found.sentence.startswith("The level pays")
    assert "the 784 values of the input" in found.sentence


def test_few_rows_tell_nothing_unless_the_difference_is_large() -> None:
    few: dict[str, Any] = {"linear_gain_error": 0.13, "judged": 14}
    found = verdict([INPUT, level(1, 64, 0.64, -0.14, **few)])
    assert found.outcome == found.steps[0].outcome == "nothing to say"
    assert "14 held-out rows" in found.sentence
    assert "26.0 points may be chance" in found.sentence
    assert verdict([INPUT, level(1, 64, 0.2, -0.7, **few)]).outcome == "hurts"


def test_a_level_that_is_no_better_and_no_narrower_does_not_pay() -> None:
    found = verdict([INPUT, level(1, 256, 0.93, 0.03), level(2, 256, 0.932, 0.002)])
    assert (found.outcome, found.level) == ("does not pay", 1)
    assert found.sentence.startswith("Level 2 does not pay")
    assert found.sentence.endswith("level 1 is deep enough.")


def test_a_level_that_loses_too_much_hurts() -> None:
    found = verdict([INPUT, level(1, 256, 0.93, 0.03), level(2, 8, 0.80, -0.13)])
    assert (found.outcome, found.level) == ("hurts", 1)
    assert "13.0 points fewer than on level 1" in found.sentence
    assert found.sentence.endswith("level 1 is deep enough.")


def test_the_input_may_be_best() -> None:
    found = verdict([INPUT, level(1, 8, 0.80, -0.10)])
    assert (found.outcome, found.level) == ("hurts", 0)
    assert found.sentence.endswith("the plain input serves a linear classifier better.")
    assert verdict([INPUT, level(1, 784, 0.90, 0.0)]).sentence.endswith("serves a linear classifier as well.")


@pytest.mark.parametrize("gain", [0.02, -0.02])
def test_a_difference_within_chance_is_none(gain: float) -> None:
    found = verdict([INPUT, level(1, 900, 0.90 + gain, gain, linear_gain_error=0.011)])
    assert found.outcome == "does not pay"


def test_a_level_after_one_that_hurts_may_pay_again() -> None:
    found = verdict([INPUT, level(1, 100, 0.8, -0.1), level(2, 50, 0.92, 0.12)])
    assert found.outcome == "pays"
    assert found.sentence.startswith("Level 2 pays")


def test_nothing_to_say_without_labels() -> None:
    found = verdict([level(0, 784, math.nan), level(1, 64, math.nan)])
    assert found.outcome == "nothing to say"
    assert "Without labels" in found.sentence
    assert "keeps 80.0 % of the input's variance, more than the 70.0 % that PCA keeps" in found.sentence
    worse = verdict([level(0, 784, math.nan), level(1, 64, math.nan, explained=0.6)])
    assert "less than the 70.0 %" in worse.sentence
    constant = verdict([level(0, 4, math.nan), level(1, 2, math.nan, explained=math.nan)])
    assert "does not vary" in constant.sentence


def test_of_a_real_stack(iris: Dataset, iris_model: TrainedStack) -> None:
    found = verdict(level_summaries(iris_model, iris))
    assert len(found.steps) == 2
    assert found.outcome in ("nothing to say", "pays", "does not pay", "hurts")
