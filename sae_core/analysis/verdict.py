"""Whether another level pays, in one sentence with its grounds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sae_core.analysis.levels import LevelSummary

Outcome = Literal["pays", "does not pay", "hurts", "nothing to say"]

LEAST = 0.005  # accuracies that differ by less than half a point count as equal, however many rows there are
ERRORS = 2.0  # standard errors beyond which a difference is more than chance
TELLING = 0.1  # where larger differences may be chance, equal accuracies say nothing


@dataclass(frozen=True)
class Step:
    """What one level adds to the level below it.

    Attributes:
        level: 1 .. L.
        outcome: "pays" where a linear classifier gets clearly more rows right, or as many from a narrower code;
            "hurts" where it gets clearly fewer right; "nothing to say" without labels, or with too few held-out rows.
        sentence: the figures.
    """

    level: int
    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """Whether the deepest level pays.

    Attributes:
        outcome: of the deepest level.
        level: the level that serves a linear classifier best, as far as can be told; 0 is the input.
        sentence: one sentence with its grounds.
        steps: level by level.
    """

    outcome: Outcome
    level: int
    sentence: str
    steps: tuple[Step, ...]


def verdict(summaries: Sequence[LevelSummary]) -> Verdict:
    """Sum up the levels of a stack.

    Args:
        summaries: of `level_summaries`: the input, then level 1 .. L.

    Levels are compared by what a linear classifier makes of their codes, on the same held-out rows: a difference counts
    beyond two standard errors and half a point.
    """
    steps = tuple(_step(above, below) for below, above in itertools.pairwise(summaries))
    deepest = summaries[-1]
    if math.isnan(deepest.linear_gain):
        return Verdict("nothing to say", deepest.level, _without_labels(deepest), steps)
    if steps[-1].outcome == "nothing to say":
        return Verdict("nothing to say", deepest.level, _too_few(deepest), steps)
    useful = max((step.level for step in steps if step.outcome == "pays"), default=0)
    last = steps[-1]
    if last.outcome == "pays":
        every = all(step.outcome == "pays" for step in steps)
        lead = "The level pays" if len(steps) == 1 else "Every level pays" if every else f"Level {last.level} pays"
        return Verdict("pays", last.level, f"{lead}: {_reason(deepest, summaries[-2])}.", steps)
    advice = f"level {useful} is deep enough" if useful else "the plain input serves a linear classifier as well"
    if last.outcome == "hurts" and not useful:
        advice = "the plain input serves a linear classifier better"
    sentence = f"Level {last.level} {last.outcome}: {_reason(deepest, summaries[-2])}; {advice}."
    return Verdict(last.outcome, useful, sentence, steps)


def _step(above: LevelSummary, below: LevelSummary) -> Step:
    if math.isnan(above.linear_gain):
        return Step(above.level, "nothing to say", f"{_compact(above)}.")
    margin = max(ERRORS * above.linear_gain_error, LEAST)
    if abs(above.linear_gain) > margin:
        outcome: Outcome = "pays" if above.linear_gain > 0 else "hurts"
    elif margin > TELLING:
        return Step(above.level, "nothing to say", _too_few(above))
    else:
        outcome = "pays" if above.units < below.units else "does not pay"
    reason = _reason(above, below)
    pca = f"On as many principal components it gets {_percent(above.pca_linear_accuracy)} right"
    return Step(above.level, outcome, f"{reason[0].upper()}{reason[1:]}. {pca}. {_compact(above)}.")


def _reason(above: LevelSummary, below: LevelSummary) -> str:
    """The comparison that the outcome rests on."""
    gain, margin = above.linear_gain, max(ERRORS * above.linear_gain_error, LEAST)
    other = f"level {below.level}" if below.level else "the input"
    right = f"on its {_values(above)} a linear classifier gets {_percent(above.linear_accuracy)} of "
    right += f"{above.judged:,} held-out rows right"
    if gain > margin:
        return f"{right}, {_points(gain)} more than on {other} (beyond the {_points(margin)} of chance)"
    if gain < -margin:
        return f"{right}, {_points(-gain)} fewer than on {other} (beyond the {_points(margin)} of chance)"
    if above.units < below.units:
        return f"{right}, as many, within chance, as on the {_values(below)} of {other}"
    return f"{right}, no more than on {other}, and the code is no narrower"


def _compact(level: LevelSummary) -> str:
    """What the code keeps, against PCA."""
    kept = f"It keeps {_percent(level.explained)} of the input's variance"
    lead = level.explained - level.pca_explained
    if not math.isfinite(lead):
        return "The input does not vary, so there is nothing to keep"
    other = f"{_percent(level.pca_explained)} that PCA keeps with as many"
    return f"{kept}, {'more than' if lead > LEAST else 'less than' if lead < -LEAST else 'about'} the {other}"


def _without_labels(deepest: LevelSummary) -> str:
    kept = _compact(deepest)
    return (
        "Without labels on training and held-out rows, nothing can be said of how well classes come apart; as a "
        f"compact code, level {deepest.level} has {_values(deepest)}: {kept[0].lower()}{kept[1:]}."
    )


def _too_few(level: LevelSummary) -> str:
    margin = ERRORS * level.linear_gain_error
    return (
        f"Whether level {level.level} pays cannot be told from {level.judged:,} held-out rows: a linear classifier "
        f"gets {_percent(level.linear_accuracy)} of them right, and differences of up to {_points(margin)} may be "
        f"chance. {_compact(level)}."
    )


def _values(level: LevelSummary) -> str:
    return f"{level.units:,} {'value' if level.units == 1 else 'values'}"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _points(share: float) -> str:
    points = f"{100 * share:.1f}"
    return f"{points} point{'' if points == '1.0' else 's'}"
