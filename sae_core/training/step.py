"""One gradient step: what the loop asks for, and the general path through autograd."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from sae_core.config import StackConfig
from sae_core.training.objective import Objective, Terms
from sae_core.training.optimiser import build_optimiser


class Outcome(NamedTuple):
    """What one step tells.

    Attributes:
        loss: mean over the batch's rows, before the weights moved.
        penalty: what was added to it.
        correct: rows classified correctly; 0 where nothing is classified.
    """

    loss: float
    penalty: float = 0.0
    correct: float = 0.0


class OptimiserLike(Protocol):
    """The part of torch's optimisers that the loop uses."""

    param_groups: list[dict[str, Any]]

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on."""

    def load_state_dict(self, state: Any) -> Any:
        """The inverse of `state_dict`."""


class Step(ABC):
    """Moves the weights of one phase, a batch at a time.

    Attributes:
        optimiser: its state belongs into checkpoints.
        name: of the way it is computed, for the run's record.
    """

    optimiser: OptimiserLike
    name: ClassVar[str]

    @abstractmethod
    def take(self, batch: Tensor) -> Outcome:
        """One step on some training rows. batch: (b,) row numbers."""

    def finish(self) -> None:  # noqa: B027  most have nothing to tidy
        """The phase is over."""


class AutogradStep(Step):
    """The general path: every objective, every optimiser."""

    name = "autograd"

    def __init__(self, objective: Objective, config: StackConfig, learning_rate: float) -> None:
        self.objective, self.config = objective, config
        self.parameters = list(objective.module.parameters())
        self.torch_optimiser = build_optimiser(self.parameters, config, learning_rate, objective.weight_decay)
        self.optimiser = self.torch_optimiser

    def take(self, batch: Tensor) -> Outcome:
        terms = self._full_step(batch) if self.config.optimiser == "lbfgs" else self._step(batch)
        return Outcome(
            terms.loss.item(),
            0.0 if terms.penalty is None else terms.penalty.item(),
            0.0 if terms.correct is None else float(terms.correct.item()),
        )

    def _step(self, batch: Tensor) -> Terms:
        terms = self.objective.terms(batch)
        self.torch_optimiser.zero_grad(set_to_none=True)
        (terms.loss if terms.penalty is None else terms.loss + terms.penalty).backward()  # type: ignore[no-untyped-call]
        self._clip()
        self.torch_optimiser.step()
        return terms

    def _full_step(self, batch: Tensor) -> Terms:
        """One L-BFGS iteration. Its line search evaluates the objective several times, always with the same noise."""
        noise = self.objective.noise.get_state()
        decay = self.objective.weight_decay
        seen: list[Terms] = []

        def evaluate() -> Tensor:
            self.objective.noise.set_state(noise)
            self.torch_optimiser.zero_grad(set_to_none=True)
            terms = self.objective.terms(batch)
            total = terms.loss if terms.penalty is None else terms.loss + terms.penalty
            if decay:
                total = total + 0.5 * decay * torch.stack([p.square().sum() for p in self.parameters]).sum()
            total.backward()  # type: ignore[no-untyped-call]
            self._clip()
            seen.append(terms)
            return total

        self.torch_optimiser.step(evaluate)  # type: ignore[arg-type]
        return seen[0]

    def _clip(self) -> None:
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.gradient_clip)
