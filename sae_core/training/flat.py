"""All weights of a phase in one block of memory, and the optimisers that update such a block in a few calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sae_core.config import StackConfig

ALIGNMENT = 64  # bytes; matrix products give the same bits only for the same alignment
BETAS = (0.9, 0.999)
EPSILON = 1e-8


class FlatParameters:
    """Parameters, their gradients, and what the matrix products read and write of both, each in one block.

    The parameters stay what they are for everyone else; only their memory moves. A weight with more columns than rows
    is kept column by column: its gradient, a product with few rows in the result, is up to 1.4 times as fast that way.

    Args:
        parameters: of one module.
        compute: precision of the products; None: that of the parameters.
        apart: the products read a copy of the values even in the same precision. Where several cores multiply, each
            has read every weight, and writing to memory that other cores hold costs up to nine times as much: copying
            once is cheaper than an optimiser that writes there in between its reads.

    Attributes:
        values, gradients: (n,) in the parameters' own precision. Gaps between parameters stay zero.
        product_values, product_gradients: of the products; the same tensors where nothing differs.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], compute: torch.dtype | None = None, *, apart: bool = False
    ) -> None:
        self._parameters = list(parameters)
        first = self._parameters[0]
        step = ALIGNMENT // torch.finfo(compute or first.dtype).bits * 8
        self._places: dict[int, tuple[int, torch.Size]] = {}
        size = 0
        for parameter in self._parameters:
            self._places[id(parameter)] = (size, parameter.shape)
            size += -(-parameter.numel() // step) * step
        self.values = torch.zeros(size, dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        for parameter in self._parameters:
            view = self.view(self.values, parameter)
            view.copy_(parameter.data)
            parameter.data = view
        self.is_mixed = compute is not None and compute != first.dtype
        separate = self.is_mixed or apart
        self.product_values = self.values.to(compute or first.dtype, copy=True) if separate else self.values
        self.product_gradients = torch.zeros_like(self.product_values) if self.is_mixed else self.gradients

    def view(self, block: Tensor, parameter: Tensor) -> Tensor:
        """The part of a block that belongs to one parameter, in its shape."""
        start, shape = self._places[id(parameter)]
        part = block[start : start + shape.numel()]
        if len(shape) == 2 and shape[0] < shape[1]:
            return part.view(shape[1], shape[0]).t()
        return part.view(shape)

    def before_products(self) -> None:
        """Let the products see the values as they are now."""
        if self.product_values is not self.values:
            self.product_values.copy_(self.values)

    def after_products(self) -> None:
        """Fill the gradients from what the products left."""
        if self.product_gradients is not self.gradients:
            self.gradients.copy_(self.product_gradients)

    def release(self) -> None:
        """Give each parameter memory of its own again."""
        for parameter in self._parameters:
            parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)


class FlatOptimiser:
    """Adam, AdamW or SGD over a block of weights, with the arithmetic of `torch.optim`.

    Attributes:
        param_groups: one group with its "lr", as torch's optimisers have it.
    """

    def __init__(self, block: FlatParameters, config: StackConfig, learning_rate: float, weight_decay: float) -> None:
        self._values, self._gradients = block.values, block.gradients
        self._kind, self._momentum, self._decay = config.optimiser, config.momentum, weight_decay
        self.param_groups: list[dict[str, Any]] = [{"lr": learning_rate}]
        device = block.values.device
        self._state = {"first": torch.zeros_like(block.values)}
        if self._kind != "sgd":
            self._state |= {"second": torch.zeros_like(block.values), "step": torch.zeros((), device=device)}

    def step(self) -> None:
        """Move the weights by their gradients."""
        rate, first = self.param_groups[0]["lr"], self._state["first"]
        if self._kind == "sgd":
            if self._decay:
                self._gradients.add_(self._values, alpha=self._decay)
            if self._momentum:
                first.mul_(self._momentum).add_(self._gradients)
            self._values.add_(first if self._momentum else self._gradients, alpha=-rate)
            return
        self._state["step"].add_(1)
        update = torch._fused_adam_ if self._kind == "adam" else torch._fused_adamw_
        update(
            [self._values],
            [self._gradients],
            [first],
            [self._state["second"]],
            [],
            [self._state["step"]],
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self._decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Tensor]:
        """What the next step depends on beside weights and settings."""
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state_dict`.

        Raises:
            KeyError: a state of another optimiser. RuntimeError: of another shape.
        """
        for name, own in self._state.items():
            own.copy_(state[name])
