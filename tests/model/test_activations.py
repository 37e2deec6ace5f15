"""Derivatives against autograd, ranges against values, initial weights against their variance."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from sae_core.config import Activation, Initialisation
from sae_core.model.activations import FUNCTIONS, derivative, fitting_decoder_activation, output_range
from sae_core.model.autoencoder import initialise

ACTIVATIONS = get_args(Activation)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_what_autograd_finds(name: Activation) -> None:
    a = torch.linspace(-3, 3, 40, dtype=torch.float64, requires_grad=True)
    h = FUNCTIONS[name](a)
    (expected,) = torch.autograd.grad(h.sum(), a, retain_graph=True)
    torch.testing.assert_close(derivative(name, a, h), expected)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_stay_in_the_stated_range(name: Activation) -> None:
    h = FUNCTIONS[name](torch.linspace(-50, 50, 1001))
    bounds = output_range(name)
    if bounds is None:
        assert h.min() < 0
    else:
        assert bounds[0] <= h.min()
        assert h.max() <= bounds[1]


def test_decoders_fit_their_loss() -> None:
    assert fitting_decoder_activation("squared_error") == "linear"
    assert fitting_decoder_activation("huber") == "linear"
    assert fitting_decoder_activation("binary_cross_entropy") == "sigmoid"


@pytest.mark.parametrize(("how", "variance"), [("he", 2 / 300), ("lecun", 1 / 300), ("xavier", 2 / 700)])
def test_initial_weights_have_the_published_variance(how: Initialisation, variance: float) -> None:
    weight = torch.empty(400, 300)
    initialise(weight, how, "relu", torch.Generator().manual_seed(0), (weight.shape[0], weight.shape[1]))
    assert weight.var().item() == pytest.approx(variance, rel=0.02)
    assert abs(weight.mean().item()) < 1e-3


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (4, 4)])
def test_orthogonal_weights_are_orthogonal(shape: tuple[int, int]) -> None:
    weight = torch.empty(shape)
    initialise(weight, "orthogonal", "tanh", torch.Generator().manual_seed(0), (weight.shape[0], weight.shape[1]))
    small = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
    torch.testing.assert_close(small, torch.eye(min(shape)), atol=1e-5, rtol=0)
