"""With and without pretraining, by the share of the labels that the classifier may see, over several seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.levels import linear_predictions
from sae_core.analysis.progress import Report, part, silent
from sae_core.analysis.sampling import stratified_rows
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import LabelError, SaeError
from sae_core.limits import MAX_EPOCHS
from sae_core.model.trained import TrainedStack
from sae_core.training.events import Finished, Progress
from sae_core.training.plan import plan, supervised_rows
from sae_core.training.trainer import train

Method = Literal["pretrained", "random weights", "linear on the code", "linear on the input"]
METHODS: tuple[Method, ...] = get_args(Method)

JUDGED_ROWS = 5_000  # held-out rows that accuracies are taken on, and training rows of a linear classifier
LEAST = 0.005  # mean differences below half a point count as none
ERRORS = 2.0  # standard errors (over seeds) beyond which a difference is more than chance


@dataclass(frozen=True)
class ShareResult:
    """One accuracy.

    Attributes:
        method: "pretrained", "random weights": the whole stack fine-tuned from there; "linear on the code": softmax
            regression on the frozen, pretrained code; "linear on the input": on the prepared input.
        share: of the training labels, 0..1; rows: how many that are.
        seed: of weights, batches and the choice of labels.
        accuracy: on held-out rows, 0..1.
    """

    method: Method
    share: float
    seed: int
    rows: int
    accuracy: float

    @classmethod
    def from_json(cls, value: Any) -> ShareResult | None:
        """From the attributes as plain JSON (`vars` gives them); None where they are of another kind."""
        try:
            method, accuracy = value["method"], float(value["accuracy"])
            if method not in METHODS or not 0 <= accuracy <= 1:
                return None
            return cls(method, float(value["share"]), int(value["seed"]), int(value["rows"]), accuracy)
        except (KeyError, TypeError, ValueError):
            return None


def few_labels(
    data: Dataset,
    config: StackConfig,
    shares: Sequence[float],
    seeds: Sequence[int],
    *,
    done: Collection[tuple[Method, float, int]] = (),
    report: Report = silent,
) -> Iterator[ShareResult]:
    """Accuracies with and without pretraining, one after the other.

    Pretraining does not see labels, so it is done once for every seed. Every fine-tuning takes the same number of
    gradient steps, however few labels there are, and begins without a trained softmax.

    Args:
        shares: of the training labels, 0..1; every class keeps at least one row.
        seeds: of weights, batches and the choice of labels.
        done: (method, share, seed) that need not be done again.
        report: (fraction, text); raise CancelledError from it to stop.

    Raises:
        LabelError: there are not two classes to tell apart.
    """
    if not data.has_labels:
        raise LabelError("There are no classes to tell apart. Choose a label column on the Data page first.")
    for place, seed in enumerate(seeds):
        missing = [(method, share) for share in shares for method in METHODS if (method, share, seed) not in done]
        of_seed = part(report, place / len(seeds), (place + 1) / len(seeds))
        if missing:
            yield from _one_seed(data, config.replace(seed=seed), missing, f"Seed {place + 1} of {len(seeds)}", of_seed)


def _one_seed(
    data: Dataset, config: StackConfig, missing: Sequence[tuple[Method, float]], title: str, report: Report
) -> Iterator[ShareResult]:
    held_out = data.split.held_out()
    held_out = held_out[data.class_codes[held_out] >= 0]
    held_out = held_out[stratified_rows(data.class_codes[held_out], JUDGED_ROWS)]
    tunings = sum(method in ("pretrained", "random weights") for method, _ in missing)
    tuned = tuning(config, 1.0, data)
    pretraining = config.replace(
        pretraining="greedy" if config.pretraining == "none" else config.pretraining,
        softmax_epochs=0, fine_tune_epochs=0,
    )  # fmt: skip
    begun = _steps(data, pretraining)
    total = begun + tunings * _steps(data, tuned) or 1
    report(0.0, f"{title}: pretraining")
    model = _trained(data, pretraining, None, part(report, 0.0, begun / total), f"{title}: pretraining")
    x, classes = model.prepare(data.take(held_out)), data.class_codes[held_out]
    spent = begun
    for method, share in missing:
        own = tuning(config, share, data)
        rows = supervised_rows(data, own)
        text = f"{title}: {share:.0%} of the labels, {_WORDS[method]}".replace("%", " %")
        if method in ("pretrained", "random weights"):
            steps = _steps(data, own)
            of_tuning = part(report, min(spent / total, 1.0), min((spent + steps) / total, 1.0))
            spent += steps
            start = model if method == "pretrained" else None
            predicted = _trained(data, own, start, of_tuning, text).predict_proba_prepared(x).argmax(axis=1)
        else:
            report(min(spent / total, 1.0), text)
            level = 0 if method == "linear on the input" else model.n_levels
            few = rows[stratified_rows(data.class_codes[rows], JUDGED_ROWS)]
            predicted = linear_predictions(
                model.encode(data.take(few), level), data.class_codes[few], model.encode_prepared(x, level)
            )
        yield ShareResult(method, share, config.seed, len(rows), float((predicted == classes).mean()))


_WORDS: dict[Method, str] = {
    "pretrained": "fine-tuning the pretrained stack",
    "random weights": "training from random weights",
    "linear on the code": "a linear classifier on the code",
    "linear on the input": "a linear classifier on the input",
}


def tuning(config: StackConfig, share: float, data: Dataset) -> StackConfig:
    """Settings of a fine-tuning with a share of the labels: as many gradient steps as with all of them."""
    plain = config.replace(
        pretraining="none", unrolled_epochs=0, softmax_epochs=0, early_stopping=None, label_share=share,
        fine_tune_epochs=max(1, config.fine_tune_epochs),
    )  # fmt: skip
    wanted = _steps(data, plain.replace(label_share=1.0))
    per_epoch = _steps(data, plain.replace(fine_tune_epochs=1))
    return plain.replace(fine_tune_epochs=int(np.clip(round(wanted / max(per_epoch, 1)), 1, MAX_EPOCHS)))


def _steps(data: Dataset, config: StackConfig) -> int:
    return sum(phase.epochs * phase.steps_per_epoch for phase in plan(data, config, 1))


def _trained(data: Dataset, config: StackConfig, start: TrainedStack | None, report: Report, text: str) -> TrainedStack:
    for event in train(data, config, start=start):
        if isinstance(event, Progress):
            report(event.fraction, text)
        elif isinstance(event, Finished):
            return event.model
    raise SaeError("Training ended without a model. This is a bug; please report it with the settings used.")


@dataclass(frozen=True)
class ShareSummary:
    """One method at one share, over the seeds.

    Attributes:
        accuracies: of each seed, in their order.
        mean, spread: mean, and standard deviation between seeds (NaN of a single one).
    """

    method: Method
    share: float
    rows: int
    accuracies: tuple[float, ...]
    mean: float
    spread: float


def by_share(results: Sequence[ShareResult]) -> tuple[ShareSummary, ...]:
    """Means and spreads over seeds, methods in their order, then by share."""
    found = []
    for method in METHODS:
        for share in sorted({result.share for result in results if result.method == method}):
            own = sorted((r for r in results if (r.method, r.share) == (method, share)), key=lambda r: r.seed)
            values = tuple(result.accuracy for result in own)
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
            found.append(ShareSummary(method, share, own[0].rows, values, float(np.mean(values)), spread))
    return tuple(found)


def gain(results: Sequence[ShareResult], share: float) -> tuple[float, float, int]:
    """What pretraining adds at one share: mean difference over the seeds that have both, its standard error, seeds.

    NaN where no seed has both; a single seed has no standard error (NaN).
    """
    accuracy = {(result.method, result.seed): result.accuracy for result in results if result.share == share}
    both = [seed for method, seed in accuracy if method == "pretrained" and ("random weights", seed) in accuracy]
    differences: NDArray[np.float64] = np.array(
        [accuracy["pretrained", seed] - accuracy["random weights", seed] for seed in both]
    )
    if not len(both):
        return float("nan"), float("nan"), 0
    error = float(differences.std(ddof=1) / math.sqrt(len(both))) if len(both) > 1 else float("nan")
    return float(differences.mean()), error, len(both)


def sum_up(results: Sequence[ShareResult]) -> str:
    """What pretraining is worth from the fewest labels to the most: one sentence; "" while nothing can be compared."""
    parts = []
    shares = sorted({result.share for result in results})
    known = [(share, gain(results, share)) for share in shares]
    known = [(share, found) for share, found in known if found[2]]
    if not known:
        return ""
    for share, (mean, error, _) in [known[0], *known[-1:]] if len(known) > 1 else known:
        rows = next(result.rows for result in results if result.share == share)
        where = f"with {share:.0%} of the labels ({rows:,} rows) ".replace("%", " %")
        margin = max(LEAST, ERRORS * error) if error == error else LEAST
        chance = f" (± {100 * ERRORS * error:.1f})" if error == error else ""
        if abs(mean) <= margin:
            parts.append(f"{where}pretraining makes no clear difference ({100 * mean:+.1f} points{chance})")
        else:
            does = "adds" if mean > 0 else "costs"
            parts.append(f"{where}pretraining {does} {100 * abs(mean):.1f} points of accuracy{chance}")
    seeds = min(found[2] for _, found in known)
    over = "one seed: chance cannot be told apart" if seeds == 1 else f"mean over {seeds} seeds"
    text = "; ".join(parts).replace("-", "−")
    return f"{text[0].upper()}{text[1:]} ({over})."
