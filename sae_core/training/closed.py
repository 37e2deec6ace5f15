"""Steps in closed form for the objectives of dense levels; see `sae_core.training.chain`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from sae_core.config import Activation, LayerConfig, Loss, StackConfig
from sae_core.model.autoencoder import Autoencoder, Decoder, Encoder
from sae_core.model.corruption import corrupt
from sae_core.training.capture import Recorder, Run, captured, record_graph
from sae_core.training.chain import ChainBuilder, Program, Stage, class_calls, reconstruction_calls
from sae_core.training.flat import FlatOptimiser, FlatParameters
from sae_core.training.objective import (
    DeepObjective,
    FineTuneObjective,
    Objective,
    PretrainObjective,
    SoftmaxObjective,
)
from sae_core.training.step import Outcome, Step

MAX_CLASSES = 4096  # beyond that the table of wanted probabilities would be large


def closed_step(
    objective: Objective,
    config: StackConfig,
    learning_rate: float,
    *,
    compute: torch.dtype | None = None,
    threads: int = 1,
    record: Recorder | None = None,
) -> ClosedStep | None:
    """The step in closed form of an objective.

    Args:
        objective: of a phase.
        config: of the stack.
        learning_rate: of the phase.
        compute: precision of the matrix products; None: that of the weights.
        threads: that will compute it.
        record: how steps are recorded, to be repeated with fewer launches; by default as CUDA graphs on a GPU, and not
            at all elsewhere.

    Returns:
        None where there is no such step: convolutions, normalisation, the contractive penalty, L-BFGS.
    """
    if config.optimiser == "lbfgs" or objective.rows.x.device.type not in ("cpu", "cuda"):
        return None
    if not _has_closed_form(objective):
        return None
    if record is None and objective.rows.x.is_cuda:
        record = record_graph
    return ClosedStep(objective, config, learning_rate, compute, threads, record)


class ClosedStep(Step):
    """A step in closed form. Its gradients are those of autograd up to rounding."""

    name = "closed form"

    def __init__(
        self,
        objective: Objective,
        config: StackConfig,
        learning_rate: float,
        compute: torch.dtype | None = None,
        threads: int = 1,
        record: Recorder | None = None,
    ) -> None:
        self.objective, self._clip, self._record = objective, config.gradient_clip, record
        parameters = list(objective.module.parameters())
        on_cpu = objective.rows.x.device.type == "cpu"
        self.block = FlatParameters(parameters, compute, apart=on_cpu and threads > 1)
        self._flat = FlatOptimiser(self.block, config, learning_rate, objective.weight_decay)
        self.optimiser = self._flat
        self._bound: dict[int, _Bound] = {}

    def take(self, batch: Tensor) -> Outcome:
        outcome = self.gradients(batch)
        self._flat.step()
        return outcome

    def gradients(self, batch: Tensor) -> Outcome:
        """Fill `block.gradients` for some training rows, without moving the weights."""
        n = len(batch)
        bound = self._bound.get(n) or self._bound.setdefault(n, _bind(self.objective, self.block, n))
        block = self.block
        bound.fill(batch)
        block.before_products()
        if bound.run is None:
            bound.run = self._first_run(bound)
        else:
            bound.run()
        block.after_products()
        for call in bound.late:
            call()
        if self._clip is not None:
            norm = float(torch.linalg.vector_norm(block.gradients))
            if norm > self._clip:
                block.gradients.mul_(self._clip / (norm + 1e-6))
        loss, penalty = 0.0, 0.0
        for factor, value in bound.program.loss:
            loss += factor * value.item()
        for factor, value in bound.program.penalties:
            penalty += factor * value.item()
        for factor, value in bound.norms:
            penalty += factor * value.item() ** 2
        return Outcome(loss, penalty, 0.0 if bound.correct is None else float(bound.correct.item()))

    def _first_run(self, bound: _Bound) -> Run:
        """Run a program, and return what runs it from now on."""
        program = bound.program
        if self._record is None or program.draws:
            program.run()
            return program.run
        scalars = [value for _, value in (*program.loss, *program.penalties)]
        return captured(program.run, [self.block.product_gradients, *scalars], self._record)

    def finish(self) -> None:
        self._bound.clear()
        self.block.release()


@dataclass
class _Bound:
    """A program with what surrounds it.

    Attributes:
        fill: puts a batch where the program reads it.
        late: calls on the gradients in full precision.
        norms: norms of weights, with the factor of their square in the penalty.
        correct: scalar, rows classified correctly.
        run: runs the program; None until it has run once.
    """

    program: Program
    fill: Callable[[Tensor], None]
    late: list[Callable[[], object]]
    norms: list[tuple[float, Tensor]]
    correct: Tensor | None = None
    run: Run | None = None


def _has_closed_form(objective: Objective) -> bool:
    match objective:
        case PretrainObjective():
            return _is_plain(objective.autoencoder)
        case DeepObjective():
            levels = range(1, objective.stack.n_levels + 1)
            return all(_is_plain(objective.stack.autoencoder(level)) for level in levels)
        case SoftmaxObjective():
            return objective.head.out_features <= MAX_CLASSES
        case FineTuneObjective():
            encoders = objective.classifier.encoders
            few = objective.classifier.head.out_features <= MAX_CLASSES
            return few and all(type(e) is Encoder and e.normalisation is None for e in encoders)
    return False


def _is_plain(autoencoder: Autoencoder) -> bool:
    """Whether a level is dense, without normalisation and contractive penalty."""
    encoder = autoencoder.encoder
    dense = type(autoencoder) is Autoencoder and type(encoder) is Encoder and type(autoencoder.decoder) is Decoder
    return dense and encoder.normalisation is None and not autoencoder.layer.contractive


def _bind(objective: Objective, block: FlatParameters, rows: int) -> _Bound:
    match objective:
        case PretrainObjective():
            return _bind_reconstruction(objective, [objective.autoencoder], objective.loss, block, rows)
        case DeepObjective():
            stack = objective.stack
            levels = [stack.autoencoder(level) for level in range(1, stack.n_levels + 1)]
            return _bind_reconstruction(objective, levels, objective.loss, block, rows)
        case SoftmaxObjective():
            head = _stage(block, objective.head.weight, objective.head.bias, "linear")
            return _bind_classes(objective, [head], 0.0, block, rows, (objective.centre, objective.scale))
        case FineTuneObjective():
            classifier = objective.classifier
            stages = [
                _stage(block, encoder.weight, encoder.bias, encoder.activation, dropout=objective.dropout)
                for encoder in cast("list[Encoder]", list(classifier.encoders))
            ]
            stages.append(_stage(block, classifier.head.weight, classifier.head.bias, "linear"))
            return _bind_classes(objective, stages, objective.smoothing, block, rows, None)
    raise TypeError(type(objective))


def _stage(
    block: FlatParameters,
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
    *,
    tied: bool = False,
    dropout: float = 0.0,
    layer: LayerConfig | None = None,
) -> Stage:
    values, gradients = block.product_values, block.product_gradients
    sparsity = {} if layer is None else {layer.sparsity: layer.sparsity_weight}
    return Stage(
        block.view(values, weight),
        block.view(values, bias),
        block.view(gradients, weight),
        block.view(gradients, bias),
        activation,
        tied=tied,
        dropout=dropout,
        l1=sparsity.get("l1", 0.0),
        kl=sparsity.get("kl", 0.0),
        kl_target=0.05 if layer is None else layer.sparsity_target,
    )


def _bind_reconstruction(
    objective: Objective, levels: list[Autoencoder], loss: str, block: FlatParameters, rows: int
) -> _Bound:
    """Encoders upwards, decoders downwards; the last decoder's activation belongs to the loss."""
    stages = []
    for level in levels:
        encoder, layer = level.encoder, level.layer
        stages.append(
            _stage(block, encoder.weight, encoder.bias, encoder.activation, dropout=layer.dropout, layer=layer)
        )
    for level in reversed(levels):
        decoder, tied = level.decoder, level.layer.tied
        weight = level.encoder.weight if tied else decoder.own_weight
        activation = "linear" if level is levels[0] else decoder.activation
        stages.append(_stage(block, weight, decoder.bias, activation, tied=tied))
    builder = ChainBuilder(stages, rows, objective.noise)
    program, source, noise = builder.program, objective.rows.x, objective.noise
    x, kind, share = program.x, levels[0].layer.corruption, levels[0].layer.corruption_level
    clean = x if kind == "none" and x.dtype == source.dtype else torch.empty_like(x, dtype=source.dtype)

    def fill(batch: Tensor) -> None:
        torch.index_select(source, 0, batch, out=clean)
        if clean is not x:
            x.copy_(corrupt(clean, kind, share, noise))

    output = builder.forward()
    activation = levels[0].decoder.activation
    builder.backward(reconstruction_calls(program, cast(Loss, loss), activation, output, clean))
    late, norms = _weight_penalties(levels, block)
    return _Bound(program, fill, late, norms)


def _weight_penalties(
    levels: list[Autoencoder], block: FlatParameters
) -> tuple[list[Callable[[], object]], list[tuple[float, Tensor]]]:
    """L2 on the weights: calls that add its gradient and take the norms, and the norms with their factors."""
    late: list[Callable[[], object]] = []
    norms = []
    for level in levels:
        weights = [level.encoder.weight] if level.layer.tied else [level.encoder.weight, level.decoder.own_weight]
        for weight in weights if level.layer.l2 else ():
            values, gradients = block.view(block.values, weight), block.view(block.gradients, weight)
            norm = values.new_zeros(())
            late += [
                partial(torch.linalg.vector_norm, values, out=norm),
                partial(gradients.add_, values, alpha=level.layer.l2),
            ]
            norms.append((0.5 * level.layer.l2, norm))
    return late, norms


def _bind_classes(
    objective: Objective,
    stages: list[Stage],
    smoothing: float,
    block: FlatParameters,
    rows: int,
    standardise: tuple[Tensor, Tensor] | None,
) -> _Bound:
    builder = ChainBuilder(stages, rows, objective.noise)
    program, source, codes = builder.program, objective.rows.x, objective.rows.y
    assert codes is not None
    x, n_classes = program.x, len(stages[-1].bias)
    wide = x if x.dtype == source.dtype else torch.empty_like(x, dtype=source.dtype)
    classes = torch.zeros(rows, dtype=torch.int64, device=x.device)
    correct = torch.zeros((), dtype=torch.int64, device=x.device)
    table = torch.full((n_classes, n_classes), smoothing / n_classes, dtype=source.dtype, device=x.device)
    table.diagonal().add_(1 - smoothing)

    def fill(batch: Tensor) -> None:
        torch.index_select(source, 0, batch, out=wide)
        torch.index_select(codes, 0, batch, out=classes)
        if standardise is not None:
            wide.sub_(standardise[0]).div_(standardise[1])
        if wide is not x:
            x.copy_(wide)

    logits = builder.forward()
    builder.backward(class_calls(program, logits, classes, table, correct))
    return _Bound(program, fill, [], [], correct)
