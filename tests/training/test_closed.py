"""Steps in closed form against autograd and torch's own optimisers."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from sae_core.config import Activation, LayerConfig, Loss, StackConfig
from sae_core.model.stack import Stack
from sae_core.model.trained import new_head
from sae_core.training.closed import ClosedStep, closed_step
from sae_core.training.objective import (
    DeepObjective,
    FineTunedClassifier,
    FineTuneObjective,
    Objective,
    PretrainObjective,
    Rows,
    SoftmaxObjective,
)
from sae_core.training.step import AutogradStep, Outcome

N, D = 24, 7
BATCH = torch.tensor([3, 1, 20, 7, 8, 15, 0, 22, 11, 4, 18])
TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5}

Build = Callable[[torch.dtype], Objective]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(dtype: torch.dtype, classes: int = 3) -> Rows:
    x = torch.rand(N, D, generator=generator(1)).to(dtype)
    return Rows(x, x[:4], torch.arange(N) % classes, torch.arange(4) % classes)


def settings(*layers: LayerConfig | int, **changes: Any) -> StackConfig:
    return StackConfig(layers=list(layers), **changes)


def built(config: StackConfig, dtype: torch.dtype) -> Stack:
    """A stack whose biases are not zero."""
    stack, draws = Stack(D, config, generator(2)), generator(3)
    for parameter in stack.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=draws))
    return stack.to(dtype)


def pretraining(config: StackConfig) -> Build:
    return lambda dtype: PretrainObjective(rows(dtype), generator(4), built(config, dtype).autoencoder(1))


def deep(config: StackConfig) -> Build:
    return lambda dtype: DeepObjective(rows(dtype), generator(4), built(config, dtype))


def softmax(_: StackConfig) -> Build:
    return lambda dtype: SoftmaxObjective(rows(dtype), generator(4), new_head(D, 3).to(dtype))


def fine_tuning(config: StackConfig) -> Build:
    def build(dtype: torch.dtype) -> Objective:
        head = new_head(config.units[-1], 3)
        head.weight.data.copy_(torch.randn(head.weight.shape, generator=generator(5)))
        return FineTuneObjective(
            rows(dtype), generator(4), FineTunedClassifier(built(config, dtype), head.to(dtype)), config
        )

    return build


def autograd(build: Build, dtype: torch.dtype) -> tuple[Outcome, list[torch.Tensor]]:
    objective = build(dtype)
    terms = objective.terms(BATCH)
    (terms.loss if terms.penalty is None else terms.loss + terms.penalty).backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in objective.module.parameters() if parameter.grad is not None]
    values = [0.0 if value is None else value.item() for value in (terms.loss, terms.penalty, terms.correct)]
    return Outcome(*values), gradients


def assert_agrees(build: Build, config: StackConfig, dtypes: tuple[torch.dtype, ...] = tuple(TOLERANCE)) -> None:
    for dtype in dtypes:
        objective = build(dtype)
        step = closed_step(objective, config, 1e-3)
        assert isinstance(step, ClosedStep)
        outcome = step.gradients(BATCH)
        wanted, gradients = autograd(build, dtype)
        parameters = list(objective.module.parameters())
        assert len(parameters) == len(gradients)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            own = step.block.view(step.block.gradients, parameter)
            scale = float(gradient.abs().max()) + 1e-3
            assert float((own - gradient).abs().max()) <= TOLERANCE[dtype] * scale
        assert outcome == pytest.approx(wanted, rel=1e-5)


COMBINATIONS = list(itertools.product(get_args(Activation), get_args(Loss), (False, True)))


@pytest.mark.parametrize(("activation", "loss", "tied"), COMBINATIONS)
def test_gradients_of_a_level(activation: Activation, loss: Loss, tied: bool) -> None:
    config = settings(LayerConfig(units=5, tied=tied), activation=activation, loss=loss)
    assert_agrees(pretraining(config), config)


@pytest.mark.parametrize("decoder", get_args(Activation))
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_gradients_through_the_activation_of_the_decoder(decoder: Activation, loss: Loss) -> None:
    config = settings(LayerConfig(units=5, decoder_activation=decoder), loss=loss, activation="tanh")
    assert_agrees(pretraining(config), config)


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("sparsity", ["none", "l1", "kl"])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_with_noise_and_penalties(
    corruption: Any, dropout: float, sparsity: Any, l2: float, tied: bool
) -> None:
    layer = LayerConfig(
        units=5, corruption=corruption, dropout=dropout, sparsity=sparsity, sparsity_weight=0.7, l2=l2, tied=tied
    )
    config = settings(layer, activation="sigmoid")
    assert_agrees(pretraining(config), config)


def test_units_at_the_ends_of_their_range_have_no_sparsity_gradient() -> None:
    config = settings(LayerConfig(units=5, sparsity="kl"), activation="sigmoid")

    def saturated(dtype: torch.dtype) -> Objective:
        objective = pretraining(config)(dtype)
        assert isinstance(objective, PretrainObjective)
        objective.autoencoder.encoder.bias.data[0] = -40
        return objective

    assert_agrees(saturated, config)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("loss", get_args(Loss))
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_of_the_deep_autoencoder(activation: Activation, loss: Loss, tied: bool) -> None:
    layers = [
        LayerConfig(units=5, tied=tied, corruption="masking", l2=0.1),
        LayerConfig(units=4, tied=tied, dropout=0.2, loss="squared_error", sparsity="l1", sparsity_weight=0.3),
        LayerConfig(units=2, tied=not tied, loss="squared_error", l2=0.2, decoder_activation="tanh"),
    ]
    config = settings(*layers, activation=activation, loss=loss)
    assert_agrees(deep(config), config)


def test_gradients_of_a_softmax() -> None:
    config = settings(5)
    assert_agrees(softmax(config), config)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_of_supervised_fine_tuning(activation: Activation, dropout: float, smoothing: float) -> None:
    config = settings(5, 4, activation=activation, fine_tune_dropout=dropout, label_smoothing=smoothing)
    assert_agrees(fine_tuning(config), config)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("changes", [{}, {"gradient_clip": 0.05}, {"fine_tune_weight_decay": 0.1}, {"momentum": 0.0}])
def test_steps_are_those_of_torchs_optimisers(optimiser: Any, changes: dict[str, Any]) -> None:
    config = settings(5, 4, optimiser=optimiser, activation="tanh", **changes)
    ours, theirs = fine_tuning(config)(torch.float64), fine_tuning(config)(torch.float64)
    closed, general = closed_step(ours, config, 0.01), AutogradStep(theirs, config, 0.01)
    assert closed is not None
    for i in range(7):
        batch = BATCH if i != 3 else BATCH[:4]  # the last batch of an epoch is smaller
        for step in (closed, general):
            step.optimiser.param_groups[0]["lr"] = 0.01 / (i + 1)
        assert closed.take(batch) == pytest.approx(general.take(batch), rel=1e-6)
    closed.finish()
    for own, other in zip(ours.module.parameters(), theirs.module.parameters(), strict=True):
        assert torch.allclose(own, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "layer",
    [{"normalisation": "batch"}, {"normalisation": "layer"}, {"contractive": 0.1}],
    ids=str,
)
def test_what_has_no_closed_form_is_left_to_autograd(layer: dict[str, Any]) -> None:
    config = settings(LayerConfig(units=5, **layer), 3)
    for build in (pretraining, deep):
        assert closed_step(build(config)(torch.float32), config, 0.1) is None
    if "normalisation" in layer:
        assert closed_step(fine_tuning(config)(torch.float32), config, 0.1) is None
    plain = settings(5, optimiser="lbfgs")
    assert closed_step(pretraining(plain)(torch.float32), plain, 0.1) is None


def test_weights_stay_where_others_find_them() -> None:
    config = settings(5)
    objective = pretraining(config)(torch.float32)
    before = copy.deepcopy(objective.module.state_dict())
    step = closed_step(objective, config, 0.01)
    assert step is not None
    assert all(torch.equal(before[name], value) for name, value in objective.module.state_dict().items())
    step.take(BATCH)
    moved = copy.deepcopy(objective.module.state_dict())
    assert not any(torch.equal(before[name], value) for name, value in moved.items())
    step.finish()
    assert all(torch.equal(moved[name], value) for name, value in objective.module.state_dict().items())
    sizes = [parameter.untyped_storage().nbytes() for parameter in objective.module.parameters()]
    assert sizes == [4 * parameter.numel() for parameter in objective.module.parameters()]


@pytest.mark.parametrize("build", [pretraining, deep, softmax, fine_tuning])
def test_a_copy_of_the_weights_for_several_threads_changes_no_bit(build: Callable[[StackConfig], Build]) -> None:
    config = settings(LayerConfig(units=5, l2=0.1, tied=True), 4)
    modules = []
    for threads in (1, 2):
        objective = build(config)(torch.float32)
        step = closed_step(objective, config, 0.01, threads=threads)
        assert step is not None
        assert (step.block.product_values is step.block.values) == (threads == 1)
        for _ in range(3):
            step.take(BATCH)
        modules.append(objective.module)
    for one, other in zip(*(module.parameters() for module in modules), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("build", [pretraining, deep, softmax, fine_tuning])
def test_bfloat16_products_give_nearly_the_same_gradients(build: Callable[[StackConfig], Build]) -> None:
    config = settings(LayerConfig(units=5, l2=0.1, tied=True), 4, activation="tanh")
    exact, narrow = build(config)(torch.float32), build(config)(torch.float32)
    first = closed_step(exact, config, 0.1)
    second = closed_step(narrow, config, 0.1, compute=torch.bfloat16)
    assert first is not None
    assert second is not None
    assert second.gradients(BATCH) == pytest.approx(first.gradients(BATCH), rel=0.02)
    for own, other in zip(narrow.module.parameters(), exact.module.parameters(), strict=True):
        assert own.dtype == torch.float32
        found = second.block.view(second.block.gradients, own)
        wanted = first.block.view(first.block.gradients, other)
        assert float((found - wanted).norm()) <= 0.02 * float(wanted.norm()) + 1e-4
