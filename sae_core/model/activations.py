"""Activations by name: the function, its derivative, and the range of what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from sae_core.config import Activation, Loss

FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "linear": lambda a: a,
}

POSITIVELY_HOMOGENEOUS: tuple[Activation, ...] = ("relu", "leaky_relu", "linear")  # f(s a) = s f(a) for s > 0

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772

_RANGES: dict[Activation, tuple[float, float]] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}


def output_range(activation: Activation) -> tuple[float, float] | None:
    """Smallest and largest value that an activation can give; None where it is unbounded below."""
    return _RANGES.get(activation)


def derivative(activation: Activation, a: Tensor, h: Tensor) -> Tensor:
    """f'(a), element by element, where h = f(a) is already known.

    Args:
        a: (n, units) before the activation.
        h: (n, units) after it.

    Returns:
        (n, units), differentiable once more (the contractive penalty needs that).
    """
    match activation:
        case "sigmoid":
            return h * (1 - h)
        case "tanh":
            return 1 - h * h
        case "relu":
            return (a > 0).to(a.dtype)
        case "leaky_relu":
            return torch.where(a > 0, torch.ones_like(a), torch.full_like(a, 0.01))
        case "elu":
            return torch.where(a > 0, torch.ones_like(a), h + 1)
        case "selu":
            return torch.where(a > 0, torch.full_like(a, _SELU_SCALE), h + _SELU_SCALE * _SELU_ALPHA)
        case "gelu":
            density = torch.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)
            return 0.5 * (1 + torch.erf(a / math.sqrt(2))) + a * density
        case "linear":
            return torch.ones_like(a)


def fitting_decoder_activation(loss: Loss) -> Activation:
    """The decoder activation that belongs to a loss (Vincent et al. 2010, section 2.2).

    Sigmoid with cross-entropy, linear otherwise: a squashed output under squared error learns slowly near its ends.
    """
    return "sigmoid" if loss == "binary_cross_entropy" else "linear"


def gain_family(activation: Activation) -> str:
    """The initialisation that suits an activation: He (2015), LeCun (Klambauer et al. 2017) or Xavier (Glorot 2010)."""
    families = {"relu": "he", "leaky_relu": "he", "elu": "he", "gelu": "he", "selu": "lecun"}
    return families.get(cast(str, activation), "xavier")
