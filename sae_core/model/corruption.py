"""Corruptions of an autoencoder's input while it trains (Vincent et al. 2010, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from sae_core.config import Corruption


def corrupt(x: Tensor, kind: Corruption, level: float, generator: torch.Generator) -> Tensor:
    """A corrupted copy of a batch.

    Args:
        x: (n, d) float32.
        kind: "masking" sets features to 0; "gaussian" adds noise; "salt_and_pepper" sets features to the smallest or
            largest value of the batch, each with probability one half.
        level: share of features, 0..1, drawn for each row and feature; for "gaussian" the standard deviation.
        generator: of the job; on the device of x.

    Returns:
        (n, d); x itself when there is nothing to corrupt.
    """
    if kind == "none" or level == 0:
        return x
    if kind == "gaussian":
        return x + torch.empty_like(x).normal_(0.0, level, generator=generator)
    chosen = torch.empty_like(x).uniform_(generator=generator)
    if kind == "masking":
        return x * (chosen >= level)
    pepper, salt = x.amin(), x.amax()
    noisy = torch.where(chosen < level, salt, x)
    return torch.where(chosen < level / 2, pepper, noisy)


def drop(h: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Dropout with the job's own generator (Srivastava et al. 2014), scaled so that the expectation is kept."""
    if share == 0:
        return h
    kept = torch.empty_like(h).bernoulli_(1 - share, generator=generator)
    return h * kept.div_(1 - share)
