"""What a stack looks like and how it is trained: validated, frozen, JSON there and back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sae_core import limits
from sae_core.errors import ConfigError

Kind = Literal["dense", "convolution"]
Shape = tuple[int, int, int]  # height, width, channels
Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "linear"]
Loss = Literal["squared_error", "binary_cross_entropy", "absolute_error", "huber"]
Corruption = Literal["none", "masking", "gaussian", "salt_and_pepper"]
Sparsity = Literal["none", "kl", "l1"]
Initialisation = Literal["auto", "xavier", "he", "lecun", "orthogonal"]
Normalisation = Literal["none", "batch", "layer"]
Optimiser = Literal["adam", "adamw", "sgd", "lbfgs"]
Schedule = Literal["constant", "cosine", "one_cycle"]
Pretraining = Literal["greedy", "joint", "none"]
Scaling = Literal["auto", "standard", "min_max", "robust", "none"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]

Epochs = Annotated[int, Field(ge=0, le=limits.MAX_EPOCHS)]
BatchSize = Annotated[int, Field(ge=1, le=limits.MAX_BATCH_SIZE)]
LearningRate = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=limits.MAX_UNITS)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class _Settings(BaseModel):
    """Frozen settings that refuse unknown names and answer in one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_sentence(type(self).__name__, error)) from None

    def to_json(self) -> str:
        """These settings as JSON text; `from_json` gives an equal object back."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Settings from `to_json`'s text.

        Raises:
            ConfigError: not JSON, an unknown name, or a value out of range.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"These settings are not JSON ({error}). Export them again.") from None
        if not isinstance(values, dict):
            raise ConfigError("These settings are not a JSON object. Export them again.")
        return cls(**values)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, validated again.

        >>> StackConfig(layers=[4, 2]).replace(epochs=3).epochs
        3
        """
        return type(self)(**{**dict(self), **changes})


class LayerConfig(_Settings):
    """One level of the stack: an autoencoder of its own.

    Settings left at None are taken from the `StackConfig`; `StackConfig.level` fills them in.

    A convolutional level (stacked convolutional autoencoders, Masci et al. 2011) needs pictures, and nothing but
    other convolutional levels below it. Its code is a picture again, flattened to (rows, units) like every other code,
    channels last. The encoder convolves with zero padding, takes the largest value of each `pooling` x `pooling` square
    and applies its activation; the decoder repeats each value over its square and applies the transposed convolution.

    Attributes:
        kind: "dense", or "convolution" for pictures.
        units: width of the code. Of a convolution it follows from the pictures and cannot be chosen.
        activation: of the encoder.
        decoder_activation: "auto" is sigmoid with binary cross-entropy, linear otherwise.
        loss: what the level minimises, summed over features and averaged over rows.
        tied: the decoder uses the transposed encoder weights.
        initialisation: "auto" is He for the relu family, LeCun for selu, Xavier otherwise.
        corruption: of the level's input while it trains (denoising autoencoder; Vincent et al. 2010, section 3).
        corruption_level: masking, salt and pepper: share of features, 0..1; Gaussian: standard deviation.
        sparsity: "kl" divergence of the mean activation to `sparsity_target` (Ng 2011, CS294A notes), "l1" of the code.
        sparsity_weight: weight of that penalty in the objective.
        sparsity_target: wanted mean activation, 0..1 (KL only).
        contractive: weight of the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011).
        l2: weight of half the squared sum of the weights.
        dropout: share of code units dropped while the level trains.
        normalisation: of the code, before its activation: of each unit; of a convolution each channel ("batch"), or
            the channels of each place ("layer").
        channels, kernel, stride, pooling: of a convolution: pictures in its code; side of its square weights, odd;
            steps in which they move; side of the squares whose largest value is kept, 1 for none.
        input_shape: of a convolution: (height, width, channels) of what it reads; `StackConfig.fitted` fills it in.
    """

    kind: Kind = "dense"
    units: Annotated[int, Field(ge=0, le=limits.MAX_UNITS)] = 0
    activation: Activation | None = None
    decoder_activation: Activation | Literal["auto"] = "auto"
    loss: Loss | None = None
    tied: bool = False
    initialisation: Initialisation = "auto"
    corruption: Corruption = "none"
    corruption_level: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.25
    sparsity: Sparsity = "none"
    sparsity_weight: Weight = 1.0
    sparsity_target: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.05
    contractive: Weight = 0.0
    l2: Weight = 0.0
    dropout: Share = 0.0
    normalisation: Normalisation = "none"
    epochs: Epochs | None = None
    batch_size: BatchSize | None = None
    learning_rate: LearningRate | None = None
    channels: Annotated[int, Field(ge=1, le=limits.MAX_CHANNELS)] = 16
    kernel: Annotated[int, Field(ge=1, le=limits.MAX_KERNEL)] = 3
    stride: Annotated[int, Field(ge=1, le=limits.MAX_STRIDE)] = 2
    pooling: Annotated[int, Field(ge=1, le=limits.MAX_STRIDE)] = 1
    input_shape: tuple[Side, Side, Side] | None = None

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        if self.kind == "dense" and self.units < 1:
            raise ValueError("units: choose 1 or more")
        if self.kind == "convolution":
            self._convolution()
        if self.corruption in ("masking", "salt_and_pepper") and self.corruption_level > 1:
            raise ValueError("corruption_level is a share of the features for this corruption: choose 0 to 1")
        return self

    def _convolution(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError("kernel: choose an odd number, so that it has a middle")
        if self.kernel < self.stride:
            raise ValueError("kernel: choose at least the stride, so that no pixel is passed over")
        units = math.prod(self.code_shape or (0,))
        if units > limits.MAX_UNITS:
            raise ValueError(
                f"its code has {units:,} values, more than {limits.MAX_UNITS:,}: choose fewer channels, a stride of 2 "
                "or pooling"
            )
        object.__setattr__(self, "units", units)  # follows from the rest, whatever was said

    @property
    def convolved_shape(self) -> Shape | None:
        """(height, width, channels) before pooling; None of a dense level, or while the pictures are not known."""
        if self.kind == "dense" or self.input_shape is None:
            return None
        height, width, _ = self.input_shape
        return -(-height // self.stride), -(-width // self.stride), self.channels

    @property
    def code_shape(self) -> Shape | None:
        """(height, width, channels) of a convolution's code; None of a dense level, or while that is not known.

        >>> LayerConfig(kind="convolution", channels=8, stride=1, pooling=2, input_shape=(28, 28, 1)).code_shape
        (14, 14, 8)
        """
        if self.convolved_shape is None:
            return None
        height, width, channels = self.convolved_shape
        return -(-height // self.pooling), -(-width // self.pooling), channels


def _as_layers(value: Any) -> Any:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise ValueError("layers is a list of numbers of units, or of LayerConfig")
    return tuple(
        {"units": int(entry)} if isinstance(entry, Integral) and not isinstance(entry, bool) else entry
        for entry in value
    )


class StackConfig(_Settings):
    """The whole stack and its plan of phases.

    Attributes:
        layers: one `LayerConfig` a level, from the input upwards; a plain number is the units of a dense level.
        activation, loss, epochs, batch_size, learning_rate: of every level that does not set its own.
        pretraining: "greedy" trains level by level (Bengio et al. 2007); "joint" trains the same architecture as one
            deep autoencoder; "none" leaves the initial weights.
        joint_epochs: epochs of the joint phase; None: as many gradient steps as the greedy phases would take together.
        unrolled_epochs: epochs of fine-tuning of the reconstruction through the unrolled stack (Hinton & Salakhutdinov
            2006); with "greedy" this is greedy first, then joint.
        softmax_epochs, softmax_learning_rate: of the softmax classifiers on each level's frozen code (0: the input).
        fine_tune_epochs: epochs of supervised fine-tuning of the whole stack with its softmax.
        fine_tune_learning_rate, fine_tune_dropout, fine_tune_weight_decay, label_smoothing: of that phase.
        fine_tune_masking: share of the inputs set to 0 while fine-tuning, as masking corruption does in pretraining.
        label_share: share of the training labels that the supervised phases may see, 0..1 (semi-supervised use).
        optimiser: "lbfgs" is full batch.
        momentum: of "sgd".
        schedule: of the learning rate within each phase.
        gradient_clip: largest norm of a gradient; None: unlimited.
        early_stopping: epochs without a better validation loss after which a phase ends; the best weights are kept.
            None: every epoch is trained and the last weights are kept.
        scaling: of the prepared input; "auto" is none for pictures (already 0..1), standard otherwise.
        seed: of the job's own random generator.
        device: "auto" is CUDA, else MPS, else the CPU.
        precision: of the matrix products of dense levels while training; weights and optimiser are float32. "auto" is
            bfloat16 for large steps on CPUs that multiply it natively, float32 otherwise.
    """

    layers: Annotated[
        tuple[LayerConfig, ...], BeforeValidator(_as_layers), Field(min_length=1, max_length=limits.MAX_LEVELS)
    ]
    activation: Activation = "relu"
    loss: Loss = "squared_error"
    epochs: Epochs = 10
    batch_size: BatchSize = 256
    learning_rate: LearningRate = 1e-3
    pretraining: Pretraining = "greedy"
    joint_epochs: Epochs | None = None
    unrolled_epochs: Epochs = 0
    softmax_epochs: Epochs = 20
    softmax_learning_rate: LearningRate = 1e-2
    fine_tune_epochs: Epochs = 10
    fine_tune_learning_rate: LearningRate = 1e-3
    fine_tune_dropout: Share = 0.0
    fine_tune_masking: Share = 0.0
    fine_tune_weight_decay: Weight = 0.0
    label_smoothing: Share = 0.0
    label_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    optimiser: Optimiser = "adam"
    momentum: Share = 0.9
    schedule: Schedule = "constant"
    gradient_clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    early_stopping: Annotated[int, Field(ge=1, le=limits.MAX_EPOCHS)] | None = None
    scaling: Scaling = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: Device = "auto"
    precision: Precision = "auto"

    @model_validator(mode="after")
    def _convolutions_come_first(self) -> Self:
        kinds = [layer.kind for layer in self.layers]
        for level, (below, kind) in enumerate(pairwise(kinds), start=2):
            if (below, kind) == ("dense", "convolution"):
                raise ValueError(
                    f"level {level} cannot be convolutional above a dense level, whose code is no picture: put "
                    "convolutional levels first"
                )
        return self

    def fitted(self, image_shape: Shape | None) -> Self:
        """The same stack with the shapes, and so the units, of its convolutional levels filled in.

        Args:
            image_shape: (height, width, channels) of the pictures; None where the data are no pictures.

        Raises:
            ConfigError: a convolutional level without pictures, or with too large a code.

        >>> StackConfig(layers=[LayerConfig(kind="convolution"), 32]).fitted((28, 28, 1)).units
        (3136, 32)
        """
        layers, shape = [], image_shape
        for level, layer in enumerate(self.layers, start=1):
            if layer.kind == "convolution":
                if shape is None:
                    raise ConfigError(
                        f"Level {level} is convolutional, which needs pictures, and these data are none. "
                        "Choose a dense level."
                    )
                try:
                    layer = layer if layer.input_shape == shape else layer.replace(input_shape=shape)
                except ConfigError as error:
                    reason = str(error).removeprefix("LayerConfig cannot be used: ")
                    raise ConfigError(f"Level {level} cannot be used: {reason}") from None
                shape = layer.code_shape
            layers.append(layer)
        return self if tuple(layers) == self.layers else self.replace(layers=tuple(layers))

    def level(self, level: int) -> LayerConfig:
        """Settings of one level (1 .. number of levels), with what it leaves open filled in.

        >>> StackConfig(layers=[4, LayerConfig(units=2, epochs=3)], epochs=7).level(1).epochs
        7
        """
        layer = self.layers[level - 1]
        inherited = {
            name: getattr(self, name)
            for name in ("activation", "loss", "epochs", "batch_size", "learning_rate")
            if getattr(layer, name) is None
        }
        return layer.replace(**inherited) if inherited else layer

    @property
    def units(self) -> tuple[int, ...]:
        """Units of every level, from the input upwards; 0 of a convolution that has not been `fitted`."""
        return tuple(layer.units for layer in self.layers)


def _sentence(what: str, error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False):
        place = ".".join(f"level {part + 1}" if isinstance(part, int) else part for part in problem["loc"])
        place = place.removeprefix("layers.")
        text = (
            str(problem["msg"]).removeprefix("Value error, ").removeprefix("LayerConfig cannot be used: ").rstrip(".")
        )
        text = text[:1].lower() + text[1:]
        parts.append(f"{place}: {text}" if place else text)
    return f"{what} cannot be used: {'; '.join(parts)}."
