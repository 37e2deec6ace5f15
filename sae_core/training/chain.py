"""Forward and backward passes of a chain of dense stages in closed form, as a fixed list of calls into fixed memory.

Autograd records a graph and asks for memory at every step; for a narrow level that costs several times the arithmetic.
The derivatives of dense stages are known (Rumelhart, Hinton & Williams 1986), so a step can be written down once: every
call of a `Program` is bound to its operands when it is made, and a step is nothing but making these calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sae_core.config import Activation, Loss

Call = Callable[[], Any]

_aten = torch.ops.aten
_SLOPE = 0.01  # of leaky relu
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

_IN_PLACE: dict[Activation, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
    "leaky_relu": partial(functional.leaky_relu, inplace=True),
    "elu": partial(functional.elu, inplace=True),
    "selu": torch.selu_,
}


def forward_calls(activation: Activation, a: Tensor) -> tuple[list[Call], Tensor]:
    """Calls that apply an activation to `a`, and where its result stands: in `a` itself, where the derivative can be
    told from the result.
    """
    if activation == "gelu":
        h = torch.empty_like(a)
        return [partial(_aten.gelu.out, a, out=h)], h
    return ([] if activation == "linear" else [partial(_IN_PLACE[activation], a)]), a


def backward_calls(activation: Activation, a: Tensor, h: Tensor, d: Tensor) -> list[Call]:
    """Calls that turn the gradient by h = f(a), in `d`, into that by a."""
    match activation:
        case "sigmoid":
            return [partial(_aten.sigmoid_backward.grad_input, d, h, grad_input=d)]
        case "tanh":
            return [partial(_aten.tanh_backward.grad_input, d, h, grad_input=d)]
        case "relu":
            return [partial(_aten.threshold_backward.grad_input, d, h, 0, grad_input=d)]
        case "leaky_relu":
            return [partial(_aten.leaky_relu_backward.grad_input, d, h, _SLOPE, True, grad_input=d)]
        case "elu":
            return [partial(_aten.elu_backward.grad_input, d, 1.0, 1.0, 1.0, True, h, grad_input=d)]
        case "selu":
            return [partial(_aten.elu_backward.grad_input, d, _SELU_ALPHA, _SELU_SCALE, 1.0, True, h, grad_input=d)]
        case "gelu":
            return [partial(_aten.gelu_backward.grad_input, d, a, grad_input=d)]
        case "linear":
            return []


@dataclass(frozen=True)
class Stage:
    """One dense layer: h = f(x W' + b), or h = f(x W + b) where a decoder is tied to its encoder's weight W.

    Attributes:
        weight, bias: of the products; weight is (outputs, inputs), (inputs, outputs) where `tied`.
        weight_gradient, bias_gradient: where the gradients go.
        activation: f.
        tied: the weight belongs to an earlier stage and is used the other way round.
        dropout: share of outputs dropped.
        l1: weight of the mean absolute sum of the outputs.
        kl: weight of the KL divergence of the mean outputs to `kl_target`; 0: none.
    """

    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor
    activation: Activation
    tied: bool = False
    dropout: float = 0.0
    l1: float = 0.0
    kl: float = 0.0
    kl_target: float = 0.05


@dataclass
class Program:
    """A step for batches of one size.

    Attributes:
        x: (rows, inputs) the chain's input, to be filled before `run`.
        calls: of the step, in order.
        loss, penalties: scalars that the calls leave; each is read with its factor.
        draws: whether the calls draw random numbers.
    """

    x: Tensor
    calls: list[Call] = field(default_factory=list)
    loss: list[tuple[float, Tensor]] = field(default_factory=list)
    penalties: list[tuple[float, Tensor]] = field(default_factory=list)
    draws: bool = False

    def run(self) -> None:
        """Make the calls."""
        for call in self.calls:
            call()


class ChainBuilder:
    """Writes the program of a chain for batches of `rows` rows.

    Args:
        stages: from the input upwards.
        rows: of a batch.
        noise: generator of the dropout.
    """

    def __init__(self, stages: list[Stage], rows: int, noise: torch.Generator) -> None:
        self.stages, self.rows, self.noise = stages, rows, noise
        first = stages[0]
        width = first.weight.shape[0 if first.tied else 1]
        self.program = Program(first.weight.new_zeros(rows, width))
        self._inputs: list[Tensor] = []  # of each stage
        self._before: list[Tensor] = []  # its activation
        self._after: list[Tensor] = []
        self._masks: list[Tensor | None] = []

    def forward(self) -> Tensor:
        """Add the forward pass; returns where the last stage's output will stand."""
        calls, x = self.program.calls, self.program.x
        for stage in self.stages:
            across = stage.weight if stage.tied else stage.weight.t()
            a = x.new_zeros(self.rows, across.shape[1])
            calls.append(partial(torch.addmm, stage.bias, x, across, out=a))
            apply, h = forward_calls(stage.activation, a)
            calls += apply
            self._inputs.append(x)
            self._before.append(a)
            self._after.append(h)
            self._masks.append(None)
            x = self._dropped(stage.dropout, h) if stage.dropout else h
        return x

    def backward(self, delta: Tensor) -> None:
        """Add the backward pass. delta: where the gradient by the last stage's output stands."""
        calls = self.program.calls
        written: set[int] = set()
        for i in range(len(self.stages) - 1, -1, -1):
            stage, x = self.stages[i], self._inputs[i]
            if (mask := self._masks[i]) is not None:
                calls.append(partial(delta.mul_, mask))
            self._penalise(stage, self._after[i], delta)
            calls += backward_calls(stage.activation, self._before[i], self._after[i], delta)
            left, right = (x.t(), delta) if stage.tied else (delta.t(), x)
            gradient = stage.weight_gradient
            if gradient.data_ptr() in written:
                calls.append(partial(torch.addmm, gradient, left, right, out=gradient))
            else:
                calls.append(partial(torch.mm, left, right, out=gradient))
            written.add(gradient.data_ptr())
            calls.append(partial(torch.sum, delta, 0, out=stage.bias_gradient))
            if i:
                below = torch.zeros_like(x)
                calls.append(partial(torch.mm, delta, stage.weight.t() if stage.tied else stage.weight, out=below))
                delta = below

    def _dropped(self, share: float, h: Tensor) -> Tensor:
        mask, kept = torch.empty_like(h), torch.empty_like(h)
        self._masks[-1] = mask
        self.program.draws = True
        self.program.calls += [
            partial(mask.bernoulli_, 1 - share, generator=self.noise),
            partial(mask.div_, 1 - share),
            partial(torch.mul, h, mask, out=kept),
        ]
        return kept

    def _penalise(self, stage: Stage, h: Tensor, delta: Tensor) -> None:
        """Values of the penalties on a code, and their share in its gradient."""
        if stage.l1:
            value, sign = h.new_zeros((), dtype=_wide(h.dtype)), torch.empty_like(h)
            self.program.penalties.append((stage.l1 / self.rows, value))
            self.program.calls += [
                partial(torch.linalg.vector_norm, h, 1, dtype=value.dtype, out=value),
                partial(torch.sign, h, out=sign),
                partial(delta.add_, sign, alpha=stage.l1 / self.rows),
            ]
        if stage.kl:
            value = h.new_zeros((), dtype=_wide(h.dtype))
            self.program.penalties.append((stage.kl, value))
            self.program.calls.append(partial(_add_kl, h, delta, stage.kl / self.rows, stage.kl_target, value))


def _add_kl(h: Tensor, delta: Tensor, factor: float, target: float, value: Tensor) -> None:
    """`sae_core.model.penalties.kl_sparsity` into `value`, and its gradient onto `delta`."""
    mean = h.mean(dim=0, dtype=value.dtype)  # (b, units) -> (units,)
    q = mean.clamp(1e-6, 1 - 1e-6)
    on = target * (torch.log(torch.as_tensor(target, dtype=q.dtype)) - torch.log(q))
    off = (1 - target) * (torch.log(torch.as_tensor(1 - target, dtype=q.dtype)) - torch.log1p(-q))
    value.copy_((on + off).sum())
    slope = ((1 - target) / (1 - q) - target / q).mul_(factor)
    delta.add_(slope.mul_(q == mean).to(delta.dtype))  # (b, units) + (units,)


def reconstruction_calls(program: Program, loss: Loss, activation: Activation, a: Tensor, target: Tensor) -> Tensor:
    """Add the loss of a reconstruction to a program, summed over features and averaged over rows.

    Args:
        program: whose chain ends in a linear stage.
        loss: to minimise.
        activation: of the last decoder; binary cross-entropy is computed from the logits.
        a: (b, d) the last stage's output.
        target: (b, d), in float32 where the products are in bfloat16.

    Returns:
        (b, d): where the gradient by `a` stands.
    """
    n, calls = len(target), program.calls
    wide = torch.empty_like(target)
    value = target.new_zeros(())
    program.loss.append((1 / n, value))
    if loss == "binary_cross_entropy":
        calls += [
            partial(wide.copy_, a),
            partial(_cross_entropy_of_logits, wide, target, value),
            partial(torch.sigmoid_, wide),
            partial(wide.sub_, target),
            partial(wide.mul_, 1 / n),
        ]
        return _narrowed(calls, wide, a)
    apply, h = forward_calls(activation, a)
    calls += apply
    if h.dtype == target.dtype:
        calls.append(partial(torch.sub, h, target, out=wide))
    else:
        calls += [partial(wide.copy_, h), partial(wide.sub_, target)]
    flat = wide.view(-1)
    if loss == "squared_error":
        calls += [partial(torch.dot, flat, flat, out=value), partial(wide.mul_, 2 / n)]
    elif loss == "absolute_error":
        calls += [
            partial(torch.linalg.vector_norm, flat, 1, out=value),
            partial(torch.sign, wide, out=wide),
            partial(wide.mul_, 1 / n),
        ]
    else:
        zero = torch.zeros_like(wide)
        calls += [
            partial(_huber, wide, zero, value),
            partial(torch.clamp, wide, -1.0, 1.0, out=wide),
            partial(wide.mul_, 1 / n),
        ]
    delta = _narrowed(calls, wide, a)
    calls += backward_calls(activation, a, h, delta)
    return delta


def _narrowed(calls: list[Call], wide: Tensor, like: Tensor) -> Tensor:
    if wide.dtype == like.dtype:
        return wide
    narrow = torch.empty_like(like)
    calls.append(partial(narrow.copy_, wide))
    return narrow


def _cross_entropy_of_logits(a: Tensor, target: Tensor, value: Tensor) -> None:
    value.copy_(functional.binary_cross_entropy_with_logits(a, target, reduction="sum"))


def _huber(difference: Tensor, zero: Tensor, value: Tensor) -> None:
    value.copy_(functional.huber_loss(difference, zero, reduction="sum"))


def class_calls(program: Program, logits: Tensor, classes: Tensor, table: Tensor, correct: Tensor) -> Tensor:
    """Add the cross-entropy of a softmax to a program, averaged over rows.

    Args:
        logits: (b, classes).
        classes: (b,) int64 class codes, to be filled before each run.
        table: (classes, classes) wanted probabilities, one row a class.
        correct: scalar that takes the rows classified correctly.

    Returns:
        (b, classes): where the gradient by the logits stands.
    """
    value = table.new_zeros(())
    program.loss.append((-1 / len(classes), value))
    delta = table.new_zeros(logits.shape)

    def loss() -> None:
        wanted = table.index_select(0, classes)
        log_p = torch.log_softmax(logits.to(table.dtype), dim=1)
        torch.dot(log_p.view(-1), wanted.view(-1), out=value)
        torch.sum(log_p.argmax(dim=1) == classes, dim=(), out=correct)
        torch.sub(log_p.exp_(), wanted, out=delta)
        delta.mul_(1 / len(classes))

    program.calls.append(loss)
    return _narrowed(program.calls, delta, logits)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype == torch.bfloat16 else dtype
