"""Every objective against numpy or torch's own loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from sae_core.config import LayerConfig, Loss, StackConfig
from sae_core.model.corruption import corrupt
from sae_core.model.stack import Stack
from sae_core.model.trained import new_head
from sae_core.training.objective import (
    DeepObjective,
    FineTunedClassifier,
    FineTuneObjective,
    PretrainObjective,
    Rows,
    SoftmaxObjective,
)

N, D = 12, 5
BATCH = torch.arange(N)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def rows(classes: int = 3) -> Rows:
    x = torch.rand(N, D, generator=generator())
    return Rows(x, x[:4], torch.arange(N) % classes, torch.arange(4) % classes)


def stack(*layers: LayerConfig | int, **settings: object) -> Stack:
    return Stack(D, StackConfig(layers=list(layers), **settings), generator())


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy", "absolute_error", "huber"])
def test_reconstruction_losses_are_summed_over_features_and_averaged_over_rows(loss: Loss) -> None:
    module, data = stack(3, loss=loss), rows()
    with torch.no_grad():
        found = PretrainObjective(data, generator(), module.autoencoder(1)).terms(BATCH).loss
        given = module(data.x).numpy().astype(np.float64)
    x = data.x.numpy().astype(np.float64)
    difference = np.abs(given - x)
    expected = {
        "squared_error": lambda: difference**2,
        "binary_cross_entropy": lambda: -(x * np.log(given) + (1 - x) * np.log(1 - given)),
        "absolute_error": lambda: difference,
        "huber": lambda: np.where(difference < 1, 0.5 * difference**2, difference - 0.5),
    }[loss]()
    assert found.item() == pytest.approx(expected.sum() / N, rel=1e-5)


def test_penalties_are_weighted_and_kept_apart_from_the_loss() -> None:
    plain = stack(LayerConfig(units=3, activation="sigmoid"))
    costly = stack(LayerConfig(units=3, activation="sigmoid", sparsity="l1", sparsity_weight=2.0, l2=0.5))
    costly.load_state_dict(plain.state_dict())
    data = rows()
    with torch.no_grad():
        without = PretrainObjective(data, generator(), plain.autoencoder(1)).terms(BATCH)
        terms = PretrainObjective(data, generator(), costly.autoencoder(1)).terms(BATCH)
        code = plain.encode(data.x, 1)
    level = plain.autoencoder(1)
    squares = level.encoder.weight.square().sum() + level.decoder.weight.square().sum()
    assert without.penalty is None
    assert terms.loss == without.loss
    assert terms.penalty is not None
    assert terms.penalty.item() == pytest.approx((2 * code.sum() / N + 0.5 * 0.5 * squares).item(), rel=1e-5)


def test_the_target_of_a_denoising_level_is_the_clean_input() -> None:
    module, data = stack(LayerConfig(units=3, corruption="masking", corruption_level=1.0)), rows()
    with torch.no_grad():
        found = PretrainObjective(data, generator(), module.autoencoder(1)).terms(BATCH).loss
        expected = (module(torch.zeros_like(data.x)) - data.x).square().sum() / N
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_validation_sees_no_corruption_and_no_dropout() -> None:
    noisy = stack(LayerConfig(units=3, corruption="gaussian", corruption_level=5, dropout=0.5))
    loss, accuracy = PretrainObjective(rows(), generator(), noisy.autoencoder(1)).validation()
    with torch.no_grad():
        expected = (noisy(rows().validation_x) - rows().validation_x).square().sum(dim=1).mean()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert np.isnan(accuracy)


def test_the_deep_objective_goes_through_every_level() -> None:
    module, data = stack(4, 2), rows()
    with torch.no_grad():
        found = DeepObjective(data, generator(), module).terms(BATCH).loss
        expected = (module(data.x) - data.x).square().sum() / N
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_finished_relu_level_has_codes_of_scale_1_and_the_same_reconstructions() -> None:
    module, data = stack(3), rows()
    with torch.no_grad():
        module.autoencoder(1).encoder.weight.mul_(20)
        before = module(data.x)
        PretrainObjective(data, generator(), module.autoencoder(1)).finish()
        code = module.encode(data.x, 1)
        torch.testing.assert_close(module(data.x), before)
    assert code.square().mean().sqrt().item() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("layer", [{"activation": "tanh"}, {"tied": True}, {"normalisation": "batch"}])
def test_levels_that_cannot_be_scaled_stay(layer: dict[str, Any]) -> None:
    module = stack(LayerConfig(units=3, **layer))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    PretrainObjective(rows(), generator(), module.autoencoder(1)).finish()
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_softmax_scales_codes_only_while_it_trains() -> None:
    data, head = rows(), new_head(D, 3)
    objective = SoftmaxObjective(data, generator(), head)
    with torch.no_grad():
        head.weight.normal_(generator=generator())
        head.bias.normal_(generator=generator())
        before = objective.terms(BATCH).loss
        objective.finish()
        after = functional.cross_entropy(head(data.x), data.y)
    torch.testing.assert_close(after, before)


def test_softmax_survives_a_constant_code() -> None:
    data = Rows(torch.ones(4, 2), torch.ones(2, 2), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1]))
    terms = SoftmaxObjective(data, generator(), new_head(2, 2)).terms(torch.arange(4))
    assert terms.loss.item() == pytest.approx(np.log(2))


def test_fine_tuning_changes_a_copy() -> None:
    module, data = stack(4, 2, activation="tanh"), rows()
    classifier = FineTunedClassifier(module, new_head(2, 3))
    objective = FineTuneObjective(data, generator(), classifier, StackConfig(layers=[4, 2]))
    optimiser = torch.optim.SGD(objective.module.parameters(), lr=1.0)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        classifier.head.weight.normal_(generator=generator())
    objective.terms(BATCH).loss.backward()
    optimiser.step()
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    own = classifier.stack.autoencoder(1).encoder
    assert own is classifier.encoders[0]
    assert not torch.equal(own.bias, module.autoencoder(1).encoder.bias)


def test_fine_tuning_loss_is_the_smoothed_cross_entropy() -> None:
    module, data = stack(4, 2), rows()
    classifier = FineTunedClassifier(module, new_head(2, 3))
    config = StackConfig(layers=[4, 2], label_smoothing=0.2)
    with torch.no_grad():
        classifier.head.weight.normal_(generator=generator())
        found = FineTuneObjective(data, generator(), classifier, config).terms(BATCH)
        logits = classifier(data.x).numpy().astype(np.float64)
    assert data.y is not None
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = np.eye(3)[data.y.numpy()] * 0.8 + 0.2 / 3
    assert found.loss.item() == pytest.approx(-(target * log_p).sum() / N, rel=1e-5)
    assert found.correct is not None
    assert found.correct.item() == (logits.argmax(axis=1) == data.y.numpy()).sum()


def test_fine_tuning_masks_inputs_and_validates_on_whole_ones() -> None:
    module, data = stack(4, 2), rows()
    classifier = FineTunedClassifier(module, new_head(2, 3))
    masked = FineTuneObjective(data, generator(), classifier, StackConfig(layers=[4, 2], fine_tune_masking=0.5))
    plain = FineTuneObjective(data, generator(), classifier, StackConfig(layers=[4, 2]))
    with torch.no_grad():
        classifier.head.weight.normal_(generator=generator())
        seen = corrupt(data.x, "masking", 0.5, generator())
        expected = functional.cross_entropy(classifier(seen), data.y)
        assert torch.equal(masked.terms(BATCH).loss, expected)
        assert not torch.equal(expected, plain.terms(BATCH).loss)
    assert masked.validation() == plain.validation()
