"""What each kind of phase minimises, on which rows, and what it leaves behind."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sae_core.config import StackConfig
from sae_core.model.activations import FUNCTIONS, POSITIVELY_HOMOGENEOUS
from sae_core.model.autoencoder import Autoencoder, Decoder, TrainingPass
from sae_core.model.convolution import ConvolutionalDecoder
from sae_core.model.corruption import corrupt, drop
from sae_core.model.penalties import contractive, half_squared, kl_sparsity, l1_sparsity
from sae_core.model.stack import Stack
from sae_core.model.trained import ROWS_AT_ONCE

SCALE_ROWS = 8192


@dataclass(frozen=True)
class Terms:
    """The objective of one batch.

    Attributes:
        loss: scalar, the mean over rows.
        penalty: scalar, what is added to it; None: nothing.
        correct: scalar, rows classified correctly; None: not a classifier.
    """

    loss: Tensor
    penalty: Tensor | None = None
    correct: Tensor | None = None


@dataclass(frozen=True)
class Rows:
    """Training and validation rows of one phase, on the device.

    Attributes:
        x, validation_x: (n, d) and (m, d) float32.
        y, validation_y: (n,) and (m,) int64 class codes in supervised phases.
    """

    x: Tensor
    validation_x: Tensor
    y: Tensor | None = None
    validation_y: Tensor | None = None


class Objective(ABC):
    """One phase's problem. The trainer owns the loop, the optimiser and the clock."""

    weight_decay = 0.0

    def __init__(self, rows: Rows, noise: torch.Generator) -> None:
        self.rows = rows
        self.noise = noise

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """Everything that training changes, buffers included."""

    @abstractmethod
    def terms(self, batch: Tensor) -> Terms:
        """The objective of some training rows. batch: (b,) row numbers."""

    @abstractmethod
    def validate(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Summed loss, and rows classified correctly, of some validation rows."""

    def finish(self) -> None:  # noqa: B027  most phases have nothing to do
        """Leave the result where the next phase looks for it."""

    def validation(self) -> tuple[float, float]:
        """Mean loss per row, and accuracy, of all validation rows; NaN where there is none."""
        n = len(self.rows.validation_x)
        if n == 0:
            return float("nan"), float("nan")
        self.module.eval()
        loss, correct = 0.0, None
        with torch.inference_mode():
            for start in range(0, n, ROWS_AT_ONCE):
                part = slice(start, start + ROWS_AT_ONCE)
                y = None if self.rows.validation_y is None else self.rows.validation_y[part]
                part_loss, part_correct = self.validate(self.rows.validation_x[part], y)
                loss += float(part_loss)
                if part_correct is not None:
                    correct = (correct or 0.0) + float(part_correct)
        self.module.train()
        return loss / n, float("nan") if correct is None else correct / n


def reconstruction_loss(loss: str, decoder: Decoder | ConvolutionalDecoder, codes: Tensor, target: Tensor) -> Tensor:
    """Loss of decoding codes, summed over features and averaged over rows.

    Args:
        loss: a `sae_core.config.Loss`.
        decoder: its activation is applied here (binary cross-entropy is computed from the logits).
        codes: (n, units).
        target: (n, d).
    """
    before = decoder.linear(codes)  # (n, units) -> (n, d)
    if loss == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(before, target, reduction="sum") / len(target)
    return _SUMMED[loss](FUNCTIONS[decoder.activation](before), target) / len(target)


_SUMMED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda x, target: functional.mse_loss(x, target, reduction="sum"),
    "absolute_error": lambda x, target: functional.l1_loss(x, target, reduction="sum"),
    "huber": lambda x, target: functional.huber_loss(x, target, reduction="sum"),
}


def penalties(autoencoder: Autoencoder, passed: TrainingPass) -> Iterator[Tensor]:
    """The penalties that a level pays in training, each with its weight."""
    layer = autoencoder.layer
    if layer.sparsity == "kl":
        yield layer.sparsity_weight * kl_sparsity(passed.code, layer.sparsity_target)
    elif layer.sparsity == "l1":
        yield layer.sparsity_weight * l1_sparsity(passed.code)
    if layer.contractive:
        encoder = autoencoder.encoder
        norm = contractive(encoder.activation, passed.before_activation, passed.code, encoder.weight)
        yield layer.contractive * norm
    if layer.l2:
        own = [] if layer.tied else [autoencoder.decoder.own_weight]
        yield layer.l2 * half_squared([autoencoder.encoder.weight, *own])


def _total(parts: list[Tensor]) -> Tensor | None:
    return torch.stack(parts).sum() if parts else None


class PretrainObjective(Objective):
    """One autoencoder on the frozen codes of the level below (Bengio et al. 2007; denoising: Vincent et al. 2010)."""

    def __init__(self, rows: Rows, noise: torch.Generator, autoencoder: Autoencoder) -> None:
        super().__init__(rows, noise)
        self.autoencoder = autoencoder
        self.loss = str(autoencoder.layer.loss)

    @property
    def module(self) -> nn.Module:
        return self.autoencoder

    def terms(self, batch: Tensor) -> Terms:
        x = self.rows.x[batch]  # (b, d)
        passed = self.autoencoder.training_pass(x, self.noise, corrupted=True, dropout=self.autoencoder.layer.dropout)
        loss = reconstruction_loss(self.loss, self.autoencoder.decoder, passed.dropped_code, x)
        return Terms(loss, _total(list(penalties(self.autoencoder, passed))))

    def validate(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        codes = self.autoencoder.encoder(x)
        return reconstruction_loss(self.loss, self.autoencoder.decoder, codes, x) * len(x), None

    def finish(self) -> None:
        """Bring the code to a root mean square of 1 where that changes no reconstruction.

        For a positively homogeneous activation f(s a) = s f(a), so the encoder's weights can be divided by s and the
        decoder's multiplied. The next level then starts from inputs of the scale that its initial weights are made for;
        otherwise codes grow from level to level, and supervised fine-tuning hardly moves them any more. Of many rows,
        some spread evenly over all tell the scale well enough.
        """
        layer = self.autoencoder.layer
        if layer.activation not in POSITIVELY_HOMOGENEOUS or layer.tied or layer.normalisation != "none":
            return
        with torch.no_grad():
            x = self.rows.x[:: max(1, len(self.rows.x) // SCALE_ROWS)]
            squares = 0.0
            for start in range(0, len(x), ROWS_AT_ONCE):
                squares += float(self.autoencoder.encoder(x[start : start + ROWS_AT_ONCE]).square().sum())
            scale = (squares / (len(x) * layer.units)) ** 0.5
            if scale > 0:
                self.autoencoder.encoder.weight.div_(scale)
                self.autoencoder.encoder.bias.div_(scale)
                self.autoencoder.decoder.own_weight.mul_(scale)


class DeepObjective(Objective):
    """The whole deep autoencoder, one objective for all levels: joint training and unrolled fine-tuning."""

    def __init__(self, rows: Rows, noise: torch.Generator, stack: Stack) -> None:
        super().__init__(rows, noise)
        self.stack = stack
        self.loss = str(stack.autoencoder(1).layer.loss)

    @property
    def module(self) -> nn.Module:
        return self.stack

    def terms(self, batch: Tensor) -> Terms:
        x = h = self.rows.x[batch]  # (b, n_inputs)
        parts: list[Tensor] = []
        for level in range(1, self.stack.n_levels + 1):
            autoencoder = self.stack.autoencoder(level)
            passed = autoencoder.training_pass(h, self.noise, corrupted=level == 1, dropout=autoencoder.layer.dropout)
            parts += penalties(autoencoder, passed)
            h = passed.dropped_code
        return Terms(self._loss(h, x), _total(parts))

    def validate(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self._loss(self.stack.encode(x, self.stack.n_levels), x) * len(x), None

    def _loss(self, codes: Tensor, x: Tensor) -> Tensor:
        for level in range(self.stack.n_levels, 1, -1):
            codes = self.stack.autoencoder(level).decoder(codes)
        return reconstruction_loss(self.loss, self.stack.autoencoder(1).decoder, codes, x)


class SoftmaxObjective(Objective):
    """A softmax classifier on frozen codes (Vincent et al. 2010, section 5.2: the usefulness of the representation).

    The codes are centred and brought to one scale while it trains, so that one learning rate suits every level;
    `finish` folds that into the weights.
    """

    def __init__(self, rows: Rows, noise: torch.Generator, head: nn.Linear) -> None:
        super().__init__(rows, noise)
        self.head = head
        self.centre = rows.x.mean(dim=0)
        scale = rows.x.std(dim=0, correction=0).square().mean().sqrt()
        self.scale = scale if scale > 0 else torch.ones_like(scale)

    @property
    def module(self) -> nn.Module:
        return self.head

    def terms(self, batch: Tensor) -> Terms:
        assert self.rows.y is not None
        logits, y = self._logits(self.rows.x[batch]), self.rows.y[batch]  # (b, classes)
        return Terms(functional.cross_entropy(logits, y), correct=(logits.detach().argmax(dim=1) == y).sum())

    def validate(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        assert y is not None
        logits = self._logits(x)
        return functional.cross_entropy(logits, y, reduction="sum"), (logits.argmax(dim=1) == y).sum()

    def finish(self) -> None:
        with torch.no_grad():
            self.head.weight.div_(self.scale)
            self.head.bias.sub_(self.head.weight @ self.centre)

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head((x - self.centre) / self.scale)
        return logits


class FineTuneObjective(Objective):
    """The whole stack of encoders with its softmax, by the labels (Vincent et al. 2010, section 3.5)."""

    def __init__(
        self, rows: Rows, noise: torch.Generator, classifier: FineTunedClassifier, config: StackConfig
    ) -> None:
        super().__init__(rows, noise)
        self.classifier = classifier
        self.dropout = config.fine_tune_dropout
        self.masking = config.fine_tune_masking
        self.smoothing = config.label_smoothing
        self.weight_decay = config.fine_tune_weight_decay

    @property
    def module(self) -> nn.Module:
        return self.classifier

    def terms(self, batch: Tensor) -> Terms:
        assert self.rows.y is not None
        y = self.rows.y[batch]
        h = corrupt(self.rows.x[batch], "masking", self.masking, self.noise)
        for encoder in self.classifier.encoders:
            h = drop(encoder(h), self.dropout, self.noise)
        logits = self.classifier.head(h)
        loss = functional.cross_entropy(logits, y, label_smoothing=self.smoothing)
        return Terms(loss, correct=(logits.detach().argmax(dim=1) == y).sum())

    def validate(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        assert y is not None
        logits = self.classifier(x)
        return functional.cross_entropy(logits, y, reduction="sum"), (logits.argmax(dim=1) == y).sum()


class FineTunedClassifier(nn.Module):
    """A copy of a stack's encoders with a softmax on top; the stack itself keeps its codes and decoders."""

    def __init__(self, stack: Stack, head: nn.Linear) -> None:
        super().__init__()
        own = copy.deepcopy(stack)
        self.encoders = nn.ModuleList(own.autoencoder(level).encoder for level in range(1, own.n_levels + 1))
        self.head = copy.deepcopy(head)
        self._stack = (own,)  # in a tuple: its decoders are not trained and not listed

    @property
    def stack(self) -> Stack:
        """The stack that these encoders belong to."""
        return self._stack[0]

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_inputs) -> (n, classes), the logits."""
        for encoder in self.encoders:
            x = encoder(x)
        logits: Tensor = self.head(x)
        return logits
