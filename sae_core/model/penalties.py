"""What a level may pay beside its reconstruction error."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from sae_core.config import Activation
from sae_core.model.activations import derivative


def kl_sparsity(h: Tensor, target: float) -> Tensor:
    """KL divergence of the batch's mean activations to a wanted mean activation, summed over units.

    Ng 2011, "Sparse autoencoder" (CS294A), section 3: sum_j p log(p / q_j) + (1 - p) log((1 - p) / (1 - q_j)).

    Args:
        h: (n, units) codes in 0..1.
        target: p, in 0..1.
    """
    mean = h.mean(dim=0).clamp(1e-6, 1 - 1e-6)  # (n, units) -> (units,)
    on = target * (torch.log(torch.as_tensor(target)) - torch.log(mean))
    off = (1 - target) * (torch.log(torch.as_tensor(1 - target)) - torch.log1p(-mean))
    return (on + off).sum()


def l1_sparsity(h: Tensor) -> Tensor:
    """Sum of the absolute code, averaged over rows. h: (n, units)."""
    return h.abs().sum(dim=1).mean()


def contractive(activation: Activation, a: Tensor, h: Tensor, weight: Tensor) -> Tensor:
    """Squared Frobenius norm of the encoder's Jacobian, averaged over rows (Rifai et al. 2011, section 3).

    For h = f(W x + b) it has the closed form sum_j f'(a_j)^2 sum_i W_ji^2.

    Args:
        activation: f.
        a, h: (n, units) before and after it.
        weight: (units, d).
    """
    return (derivative(activation, a, h).square() @ weight.square().sum(dim=1)).mean()


def half_squared(weights: Iterable[Tensor]) -> Tensor:
    """Half the sum of the squared weights (weight decay as UFLDL and MATLAB count it)."""
    return torch.stack([0.5 * weight.square().sum() for weight in weights]).sum()
