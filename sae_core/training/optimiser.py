"""Optimisers and schedules, built from the configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from sae_core.config import Schedule, StackConfig

LBFGS_HISTORY = 10
LBFGS_EVALUATIONS = 25  # of the line search within one epoch
WARM_UP = 0.3  # share of a one-cycle phase in which the rate rises (Smith & Topin 2018)


def build_optimiser(
    parameters: Iterable[nn.Parameter], config: StackConfig, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser of one phase."""
    parameters = list(parameters)
    match config.optimiser:
        case "adam":
            return torch.optim.Adam(
                parameters, lr=learning_rate, weight_decay=weight_decay, fused=_can_fuse(parameters)
            )
        case "adamw":
            return torch.optim.AdamW(
                parameters, lr=learning_rate, weight_decay=weight_decay, fused=_can_fuse(parameters)
            )
        case "sgd":
            return torch.optim.SGD(parameters, lr=learning_rate, momentum=config.momentum, weight_decay=weight_decay)
        case "lbfgs":
            return torch.optim.LBFGS(
                parameters,
                lr=1.0,
                max_iter=1,
                max_eval=LBFGS_EVALUATIONS,
                history_size=LBFGS_HISTORY,
                line_search_fn="strong_wolfe",
            )


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    return all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)


def scheduled_rate(schedule: Schedule, peak: float, step: int, steps: int) -> float:
    """The learning rate of one step, from nothing but its number, so that a resumed run needs no further state.

    Args:
        schedule: constant; cosine to 0 (Loshchilov & Hutter 2017); one-cycle: up for 30 %, then cosine down.
        peak: the highest rate.
        step: 0 .. steps - 1.
        steps: of the whole phase.
    """
    position = step / max(1, steps)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * position))
    if schedule == "one_cycle":
        if position < WARM_UP:
            return peak * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * position / WARM_UP)))
        return peak * 0.5 * (1 + math.cos(math.pi * (position - WARM_UP) / (1 - WARM_UP)))
    return peak
