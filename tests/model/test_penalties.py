"""Penalties against numpy and against the Jacobian itself."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from sae_core.config import Activation
from sae_core.model.activations import FUNCTIONS
from sae_core.model.penalties import contractive, half_squared, kl_sparsity, l1_sparsity


def test_kl_is_that_of_two_coins() -> None:
    h = torch.rand(50, 7, generator=torch.Generator().manual_seed(0))
    q, p = h.double().mean(0).numpy(), 0.15
    expected = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum()
    assert kl_sparsity(h, p).item() == pytest.approx(expected, rel=1e-5)


def test_kl_is_zero_at_its_target_and_finite_at_the_ends() -> None:
    assert kl_sparsity(torch.full((4, 3), 0.2), 0.2).item() == pytest.approx(0, abs=1e-6)
    assert np.isfinite(kl_sparsity(torch.zeros(4, 3), 0.2).item())
    assert np.isfinite(kl_sparsity(torch.ones(4, 3), 0.2).item())


def test_l1_and_l2_are_sums() -> None:
    h = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
    assert l1_sparsity(h).item() == pytest.approx((3.0 + 0.5) / 2)
    assert half_squared([h, torch.tensor([2.0])]).item() == pytest.approx((1 + 4 + 0.25 + 4) / 2)


@pytest.mark.parametrize("name", get_args(Activation))
def test_contractive_is_the_squared_norm_of_the_jacobian(name: Activation) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    x = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    a = x @ weight.T
    closed = contractive(name, a, FUNCTIONS[name](a), weight)
    jacobians = [torch.autograd.functional.jacobian(lambda row: FUNCTIONS[name](row @ weight.T), row) for row in x]
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians]).mean()
    torch.testing.assert_close(closed, expected)
