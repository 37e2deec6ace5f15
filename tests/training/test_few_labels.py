"""With and without pretraining, by the share of labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, LabelError
from sae_core.training.events import Finished
from sae_core.training.few_labels import METHODS, Method, ShareResult, by_share, few_labels, gain, sum_up, tuning
from sae_core.training.plan import plan
from sae_core.training.trainer import fit, train

CONFIG = StackConfig(layers=[3, 2], epochs=2, fine_tune_epochs=3, batch_size=16)


def test_every_method_share_and_seed_once(blobs: Dataset) -> None:
    told: list[float] = []
    found = list(few_labels(blobs, CONFIG, [0.1, 1.0], [0, 1], report=lambda fraction, text: told.append(fraction)))
    assert {(r.method, r.share, r.seed) for r in found} == {
        (m, s, k) for m in METHODS for s in (0.1, 1.0) for k in (0, 1)
    }
    assert len(found) == 16
    assert all(0 <= result.accuracy <= 1 for result in found)
    assert {r.rows for r in found if r.share == 1.0} == {len(blobs.split.train)}
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] <= 1


def test_what_is_done_is_not_done_again(blobs: Dataset) -> None:
    done: set[tuple[Method, float, int]] = {(method, 1.0, 0) for method in METHODS[:3]}
    found = list(few_labels(blobs, CONFIG, [1.0], [0], done=done))
    assert [result.method for result in found] == ["linear on the input"]


def test_the_pretrained_way_is_what_one_training_would_give(blobs: Dataset) -> None:
    pretrained = fit(blobs, CONFIG.replace(softmax_epochs=0, fine_tune_epochs=0))
    (event,) = [e for e in train(blobs, tuning(CONFIG, 1.0, blobs), start=pretrained) if isinstance(e, Finished)]
    x = pretrained.prepare(blobs)
    np.testing.assert_array_equal(event.model.encode_prepared(x), pretrained.encode_prepared(x))  # frozen beside it
    assert event.model.is_fine_tuned
    found = next(r for r in few_labels(blobs, CONFIG, [1.0], [CONFIG.seed]) if r.method == "pretrained")
    rows = blobs.split.held_out()
    right = event.model.predict_proba(blobs.take(rows)).argmax(axis=1) == blobs.class_codes[rows]
    assert found.accuracy == pytest.approx(right.mean())


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_few_labels_get_as_many_steps_as_many(blobs: Dataset, share: float) -> None:
    def steps(config: StackConfig) -> int:
        return sum(phase.epochs * phase.steps_per_epoch for phase in plan(blobs, config, 4))

    all_labels, few = steps(tuning(CONFIG, 1.0, blobs)), steps(tuning(CONFIG, share, blobs))
    assert abs(few - all_labels) <= 0.5 * steps(tuning(CONFIG, share, blobs).replace(fine_tune_epochs=1))


def test_it_can_be_stopped(blobs: Dataset) -> None:
    def stop(fraction: float, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        list(few_labels(blobs, CONFIG, [1.0], [0], report=stop))


def test_without_classes(blobs: Dataset) -> None:
    with pytest.raises(LabelError):
        list(few_labels(dataclasses.replace(blobs, labels=None), CONFIG, [1.0], [0]))


def results(share: float, rows: int, pretrained: list[float], random: list[float]) -> list[ShareResult]:
    return [ShareResult("pretrained", share, i, rows, a) for i, a in enumerate(pretrained)] + [
        ShareResult("random weights", share, i, rows, a) for i, a in enumerate(random)
    ]


def test_summed_up_from_the_fewest_labels_to_the_most() -> None:
    found = results(0.01, 85, [0.84, 0.85, 0.83], [0.71, 0.73, 0.70]) + results(1.0, 8500, [0.96, 0.97], [0.97, 0.96])
    assert sum_up(found) == (
        "With 1 % of the labels (85 rows) pretraining adds 12.7 points of accuracy (± 0.7); with 100 % of the labels "
        "(8,500 rows) pretraining makes no clear difference (+0.0 points (± 2.0)) (mean over 2 seeds)."
    )
    assert "costs 10.0 points" in sum_up(results(0.1, 9, [0.5], [0.6]))
    assert "one seed" in sum_up(results(0.1, 9, [0.5], [0.6]))
    assert sum_up([]) == sum_up(results(0.1, 9, [0.5], [])) == ""


def test_means_spreads_and_gains() -> None:
    found = results(0.1, 9, [0.5, 0.7], [0.6, 0.6, 0.9])
    first, second = by_share(found)
    assert (first.mean, first.accuracies) == (pytest.approx(0.6), (0.5, 0.7))
    assert first.spread == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert second.mean == pytest.approx(0.7)
    mean, error, seeds = gain(found, 0.1)
    assert (mean, seeds) == (pytest.approx(0.0), 2)  # the third seed has no pretrained one yet
    assert error == pytest.approx(np.std([-0.1, 0.1], ddof=1) / np.sqrt(2))
    assert np.isnan(by_share(results(0.1, 9, [0.5], []))[0].spread)


@pytest.mark.parametrize(
    "value", [{}, [], {"method": "other", "accuracy": 0.5}, {"method": "pretrained", "accuracy": 7}]
)
def test_results_from_elsewhere(value: object) -> None:
    assert ShareResult.from_json(value) is None
    right = ShareResult("pretrained", 0.1, 3, 9, 0.5)
    assert ShareResult.from_json(vars(right)) == right
