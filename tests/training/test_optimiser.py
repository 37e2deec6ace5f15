"""Optimisers and schedules against what their papers write down, and the settings that reach them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.model.stack import Stack
from sae_core.training.optimiser import build_optimiser, scheduled_rate
from sae_core.training.trainer import fit

BARE = StackConfig(layers=[1])


def steps(config: StackConfig, decay: float, gradients: list[float], rate: float = 0.1) -> list[float]:
    """A weight that starts at 2, after each of the gradients."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimiser = build_optimiser([weight], config, rate, decay)
    found = []
    for gradient in gradients:
        weight.grad = torch.tensor([gradient])
        optimiser.step()
        found.append(weight.item())
    return found


def test_sgd_with_momentum_is_a_rolling_ball() -> None:
    found = steps(BARE.replace(optimiser="sgd", momentum=0.5), 0.0, [1.0, 1.0, 0.0])
    assert found == pytest.approx([2 - 0.1, 1.9 - 0.15, 1.75 - 0.075])


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_adam_as_published(optimiser: str) -> None:
    """Kingma & Ba 2015, algorithm 1. Weight decay is part of its gradient; not so in AdamW (Loshchilov 2019)."""
    decay, rate, gradients = 0.5, 0.1, [1.0, -3.0, 0.5]
    weight, m, v, expected = 2.0, 0.0, 0.0, []
    for t, gradient in enumerate(gradients, start=1):
        if optimiser == "adam":
            gradient += decay * weight
        else:
            weight *= 1 - rate * decay
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        weight -= rate * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        expected.append(weight)
    assert steps(BARE.replace(optimiser=optimiser), decay, gradients, rate) == pytest.approx(expected, rel=1e-5)


def test_lbfgs_finds_the_principal_subspace_in_few_iterations(blobs: Dataset) -> None:
    """A linear autoencoder is as good as the principal components at its optimum, which a full batch method reaches."""
    config = StackConfig(
        layers=[2], activation="linear", optimiser="lbfgs", epochs=60, softmax_epochs=0, fine_tune_epochs=0
    )
    model = fit(blobs, config)
    assert len(model.history) == 60
    assert (model.history.step.diff().dropna() == 1).all()  # the whole training set is one batch
    x = model.prepare(blobs.take(blobs.split.train))
    error = np.square(model.reconstruct_prepared(x) - x).sum()
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    assert error == pytest.approx(np.square(singular[2:]).sum(), rel=1e-3)


def test_schedules_are_the_curves_that_they_are_named_for() -> None:
    assert [scheduled_rate("constant", 0.3, step, 10) for step in (0, 9)] == [0.3, 0.3]
    cosine = [scheduled_rate("cosine", 1.0, step, 100) for step in range(100)]
    assert cosine[0] == 1
    assert cosine[50] == pytest.approx(0.5)
    assert all(before > after for before, after in pairwise(cosine))
    cycle = [scheduled_rate("one_cycle", 1.0, step, 100) for step in range(100)]
    assert (cycle[0], cycle[30]) == (pytest.approx(0.04), pytest.approx(1.0))
    assert cycle[99] < 0.01


def test_each_level_has_its_own_epochs_rate_and_batch(blobs: Dataset) -> None:
    first = LayerConfig(units=4, epochs=2, learning_rate=0.01, batch_size=50)
    history = fit(blobs, StackConfig(layers=[first, 2], epochs=3, batch_size=21, softmax_epochs=0, fine_tune_epochs=0))
    rows = history.history
    n = len(blobs.split.train)
    assert rows[rows.level == 1].learning_rate.unique().tolist() == [0.01]
    assert rows[rows.level == 2].learning_rate.unique().tolist() == [0.001]
    assert rows.groupby("level").size().tolist() == [2, 3]
    assert rows.step.tolist() == [-(-n // 50), 2 * -(-n // 50)] + [2 * -(-n // 50) + k * -(-n // 21) for k in (1, 2, 3)]


def test_a_clipped_gradient_moves_the_weights_no_further(blobs: Dataset) -> None:
    config = StackConfig(
        layers=[3],
        optimiser="sgd",
        momentum=0.0,
        learning_rate=1.0,
        gradient_clip=0.01,
        epochs=1,
        batch_size=len(blobs.split.train),
        softmax_epochs=0,
        fine_tune_epochs=0,
        activation="tanh",
    )
    after = fit(blobs, config).network.state_dict()
    before = Stack(6, config, torch.Generator().manual_seed(config.seed)).state_dict()
    moved = torch.cat([(after[name] - before[name]).flatten() for name in before])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("kind", "axis"), [("batch", 0), ("layer", 1)])
def test_normalised_codes_have_mean_0_and_deviation_1_before_the_activation(kind: str, axis: int) -> None:
    config = StackConfig(layers=[LayerConfig(units=7, normalisation=kind)], activation="linear")
    stack = Stack(5, config, torch.Generator().manual_seed(0)).train()
    code = stack.encode(torch.randn(200, 5, generator=torch.Generator().manual_seed(1)) * 3 + 1, 1)
    a = code.detach().numpy()
    np.testing.assert_allclose(a.mean(axis=axis), 0, atol=1e-5)
    np.testing.assert_allclose(a.std(axis=axis), 1, atol=1e-3)


def test_labels_of_only_some_rows_are_enough(blobs: Dataset) -> None:
    """Pretraining sees every row, the classifiers those with a label; both find the three classes."""
    assert blobs.labels is not None
    labels = blobs.labels.astype(object)
    labels[np.arange(len(labels)) % 10 != 0] = None
    some = replace(blobs, labels=labels)
    config = StackConfig(
        layers=[5, 2],
        activation="tanh",
        epochs=40,
        batch_size=16,
        learning_rate=0.01,
        softmax_epochs=60,
        fine_tune_epochs=60,
        fine_tune_learning_rate=0.01,
    )
    model = fit(some, config)
    first = model.history[(model.history.phase == "pretrain")].iloc[0]
    assert first.samples == len(some.split.train)
    assert (model.predict(blobs) == blobs.y).mean() > 0.9
