"""The plan of phases, what it costs, what is odd about it, and a sensible first stack for a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError
from sae_core.limits import MAX_EPOCHS, MAX_PARAMETERS, MAX_PREPARED_BYTES
from sae_core.model.activations import output_range
from sae_core.model.autoencoder import weight_shape
from sae_core.training.events import Phase, PhaseKind

STEPS_OF_A_WIDE_LEVEL = 640  # gradient steps of the suggested stack: enough to see the curve flatten
STEPS_OF_A_NARROW_LEVEL = 2000
MASKED = (0.1, 0.05)  # share of the input that the first and the second level of pictures learn without


@dataclass(frozen=True)
class ParameterCounts:
    """Weights and biases of each part of a stack.

    Attributes:
        encoders, decoders: one entry a level; a tied decoder has its bias only.
        softmax: of the classifier on the deepest code; 0 without classes.
    """

    encoders: tuple[int, ...]
    decoders: tuple[int, ...]
    softmax: int

    @property
    def total(self) -> int:
        """Encoders, decoders and classifier together."""
        return sum(self.encoders) + sum(self.decoders) + self.softmax


def parameter_counts(n_inputs: int, n_classes: int, config: StackConfig) -> ParameterCounts:
    """Count the weights of a stack.

    >>> parameter_counts(784, 10, StackConfig(layers=[256, 64])).encoders
    (200960, 16448)
    """
    encoders, decoders, below = [], [], n_inputs
    for layer in config.layers:
        weights = math.prod(weight_shape(layer, below))
        out, back = layer.units, below  # what each bias belongs to
        if layer.kind == "convolution" and layer.input_shape:
            out, back = layer.channels, layer.input_shape[2]
        encoders.append(weights + out + (0 if layer.normalisation == "none" else 2 * out))
        decoders.append(back + (0 if layer.tied else weights))
        below = layer.units
    return ParameterCounts(tuple(encoders), tuple(decoders), (below + 1) * n_classes if n_classes > 1 else 0)


def multiplications(n_inputs: int, config: StackConfig) -> tuple[int, ...]:
    """Products that each level's encoder takes for one row, and its decoder once more.

    >>> multiplications(784, StackConfig(layers=[256, 64]))
    (200704, 16384)
    """
    found, below = [], n_inputs
    for layer in config.layers:
        weights = math.prod(weight_shape(layer, below))
        places = math.prod(layer.convolved_shape[:2]) if layer.convolved_shape else 1
        found.append(weights * places)
        below = layer.units
    return tuple(found)


def supervised_rows(data: Dataset, config: StackConfig) -> NDArray[np.int64]:
    """Training rows whose labels the supervised phases may see: labelled ones, thinned to `label_share` class by class.

    Every class that has a labelled training row keeps at least one.
    """
    rows = data.split.train[data.class_codes[data.split.train] >= 0]
    if config.label_share == 1:
        return rows
    rng = np.random.default_rng(config.seed)
    shuffled = rng.permutation(rows)
    codes = data.class_codes[shuffled]
    chosen = [
        shuffled[codes == code][: max(1, round(config.label_share * int((codes == code).sum())))]
        for code in np.unique(codes)
    ]
    return np.sort(np.concatenate(chosen)) if chosen else rows


def plan(data: Dataset, config: StackConfig, n_inputs: int) -> tuple[Phase, ...]:
    """The phases of a training, in order; phases without epochs are left out.

    Args:
        data: the data set; without two classes there are no supervised phases.
        config: of the stack.
        n_inputs: width of the prepared input (`Preparation.n_inputs`).

    Raises:
        ConfigError: the settings do not fit this data set.
    """
    labelled = len(supervised_rows(data, config)) if data.has_labels else 0
    return phases_of(config.fitted(data.image_shape), n_inputs, len(data.split.train), labelled)


def phases_of(config: StackConfig, n_inputs: int, n_train: int, labelled: int) -> tuple[Phase, ...]:
    """The phases of a training on so many rows. config: fitted to the pictures; labelled: rows with a label, or 0."""
    depth, widths = len(config.layers), (n_inputs, *config.units)
    shape = " -> ".join(str(width) for width in widths)
    phases: list[Phase] = []

    def add(
        kind: PhaseKind, level: int, title: str, epochs: int, batch: int, rate: float, rows: int, loss: str
    ) -> None:
        if epochs and rows:
            batch = rows if config.optimiser == "lbfgs" else min(batch, rows)
            phases.append(Phase(len(phases), kind, level, title, epochs, batch, rate, rows, loss))

    first_loss = config.level(1).loss or config.loss
    if config.pretraining == "greedy":
        for level in range(1, depth + 1):
            layer = config.level(level)
            title = f"Level {level}: {widths[level - 1]} -> {widths[level]}"
            epochs, rate = layer.epochs or 0, layer.learning_rate or config.learning_rate
            add("pretrain", level, title, epochs, layer.batch_size or 1, rate, n_train, str(layer.loss))
    deep = (config.batch_size, config.learning_rate, n_train, first_loss)
    if config.pretraining == "joint":
        add("joint", depth, f"Deep autoencoder: {shape}", joint_epochs(config, n_train), *deep)
    add("unrolled", depth, f"Unrolled fine-tuning: {shape}", config.unrolled_epochs, *deep)
    if labelled:
        for level in range(depth + 1):
            where = f"level {level}" if level else "the input"
            rate = config.softmax_learning_rate
            add(
                "softmax",
                level,
                f"Softmax on {where}",
                config.softmax_epochs,
                config.batch_size,
                rate,
                labelled,
                "cross_entropy",
            )
        rate = config.fine_tune_learning_rate
        add(
            "fine_tune",
            depth,
            "Fine-tuned classifier",
            config.fine_tune_epochs,
            config.batch_size,
            rate,
            labelled,
            "cross_entropy",
        )
    return tuple(phases)


def joint_epochs(config: StackConfig, n_train: int) -> int:
    """Epochs of the joint phase: as set, or as many gradient steps as greedy pretraining would take."""
    if config.joint_epochs is not None:
        return config.joint_epochs

    def steps_per_epoch(batch_size: int) -> int:
        return -(-n_train // min(batch_size, n_train))

    layers = [config.level(level) for level in range(1, len(config.layers) + 1)]
    steps = sum((layer.epochs or 0) * steps_per_epoch(layer.batch_size or config.batch_size) for layer in layers)
    return min(MAX_EPOCHS, round(steps / steps_per_epoch(config.batch_size)))


def check(data: Dataset, config: StackConfig, preparation: Preparation) -> None:
    """Refuse settings that cannot work on this data set.

    Raises:
        ConfigError: with what to choose instead.
    """
    check_settings(config.fitted(data.image_shape), preparation, len(data.split.train), len(data.classes))
    for level, layer in enumerate(config.fitted(data.image_shape).layers, start=1):
        if layer.kind == "convolution" and 4 * len(data) * layer.units > MAX_PREPARED_BYTES:
            raise ConfigError(
                f"Level {level}: codes of {layer.units:,} values for {len(data):,} pictures do not fit into memory. "
                "Choose fewer channels, a larger stride or pooling."
            )


def check_settings(config: StackConfig, preparation: Preparation, n_train: int, n_classes: int) -> None:
    """Refuse settings that cannot work on so many training rows and classes. config: fitted to the pictures.

    Raises:
        ConfigError: with what to choose instead.
    """
    total = parameter_counts(preparation.n_inputs, n_classes, config).total
    if total > MAX_PARAMETERS:
        raise ConfigError(
            f"This stack has {total:,} weights, more than {MAX_PARAMETERS:,}. Choose fewer units or levels."
        )
    below = preparation.output_range
    for level in range(1, len(config.layers) + 1):
        layer = config.level(level)
        assert layer.activation is not None
        if layer.loss == "binary_cross_entropy" and below != (0.0, 1.0):
            raise ConfigError(
                f"Level {level} cannot use binary cross-entropy: what it reconstructs does not lie between 0 and 1. "
                "Choose squared error, or min-max scaling (level 1) or a sigmoid level below."
            )
        if layer.loss == "binary_cross_entropy" and layer.decoder_activation not in ("auto", "sigmoid"):
            raise ConfigError(
                f"Level {level}: binary cross-entropy needs a sigmoid decoder. Choose the decoder activation auto."
            )
        if layer.sparsity == "kl" and layer.activation != "sigmoid":
            raise ConfigError(
                f"Level {level}: KL sparsity needs activations between 0 and 1. Choose sigmoid, or L1 sparsity."
            )
        if layer.contractive and layer.kind == "convolution":
            raise ConfigError(
                f"Level {level}: the contractive penalty has no closed form for a convolution. "
                "Choose a dense level, or corruption instead."
            )
        if layer.contractive and layer.normalisation != "none":
            raise ConfigError(
                f"Level {level}: the contractive penalty has no closed form with normalisation. Choose one of them."
            )
        if layer.normalisation == "batch" and n_train < 2:
            raise ConfigError(
                f"Level {level}: batch normalisation needs at least two training rows. Choose layer normalisation."
            )
        below = output_range(layer.activation)


def warnings(data: Dataset, config: StackConfig, n_inputs: int) -> tuple[str, ...]:
    """Sentences on choices that work but rarely make sense."""
    found = []
    config, below = config.fitted(data.image_shape), n_inputs
    for level in range(1, len(config.layers) + 1):
        layer = config.level(level)
        regularised = layer.corruption != "none" or layer.sparsity != "none" or layer.contractive or layer.dropout
        if layer.units >= below and not regularised:
            found.append(
                f"Level {level} is not a bottleneck: {layer.units} units for {below} inputs can learn to copy. "
                "Choose fewer units, or add corruption or sparsity."
            )
        if layer.activation == "linear" and level > 1 and config.level(level - 1).activation == "linear":
            found.append(
                f"Levels {level - 1} and {level} are both linear: together they are no more than one linear level."
            )
        if (layer.batch_size or 1) > len(data.split.train):
            found.append(
                f"Level {level}: a batch of {layer.batch_size} is more than the {len(data.split.train)} training rows; "
                "all rows are one batch."
            )
        if not layer.epochs and config.pretraining == "greedy":
            found.append(f"Level {level} is not trained: it has 0 epochs.")
        below = layer.units
    if not len(data.split.validation):
        found.append("There are no validation rows, so overfitting cannot be seen. Set aside a share on the Data page.")
    if config.pretraining == "none" and not config.unrolled_epochs:
        found.append("Nothing is trained before the classifier: reconstructions will be those of random weights.")
    if config.units[-1] < 2 and data.has_labels:
        found.append("One unit in the deepest level can hardly separate classes. Choose two or more.")
    return tuple(dict.fromkeys(found))


def suggest_config(data: Dataset) -> StackConfig:
    """A sensible first stack: a little narrower, half of that, an eighth; enough steps to see each curve flatten.

    Wide levels get GELU (Hendrycks & Gimpel 2016), and dropout while they are fine-tuned: on MNIST it classifies as
    well as relu and gives back far more. Narrow ones get tanh, whose few units cannot die, and a higher learning rate.
    Wide levels of pictures learn with a little of their input masked (Vincent et al. 2010, section 3): on MNIST and
    Fashion-MNIST a softmax on each of their codes is right more often, and the deepest code gives back more.

    >>> import sae_core as sae
    >>> suggest_config(sae.load_sample("mnist")).units
    (512, 256, 64)
    """
    n_inputs = Preparation.fit(data).n_inputs if data.kind == "table" else data.n_features
    n_train = len(data.split.train)
    first = min(512, _power_of_two(0.7 * n_inputs)) if n_inputs > 4 else max(2, n_inputs - 1)
    widths = dict.fromkeys(max(2, first // divisor) for divisor in (1, 2, 8))
    wide = first >= 256
    batch = min(128, max(8, _power_of_two(n_train / 16)))
    masked = MASKED if wide and data.image_shape is not None else ()
    steps = STEPS_OF_A_WIDE_LEVEL if wide else STEPS_OF_A_NARROW_LEVEL
    epochs = int(np.clip(round(steps * batch / n_train), 3, 150))
    return StackConfig(
        layers=tuple(_suggested(width, share) for width, share in zip_longest(widths, masked[: len(widths)])),
        activation="gelu" if wide else "tanh",
        epochs=epochs,
        batch_size=batch,
        learning_rate=3e-3 if wide else 1e-2,
        softmax_epochs=min(epochs, 40),
        fine_tune_epochs=3 * epochs if wide else min(epochs, 40),
        fine_tune_learning_rate=3e-3,
        fine_tune_dropout=0.3 if wide else 0.0,
        schedule="cosine",
    )


def _suggested(units: int, masked: float | None) -> LayerConfig:
    if masked is None:
        return LayerConfig(units=units)
    return LayerConfig(units=units, corruption="masking", corruption_level=masked)


def _power_of_two(value: float) -> int:
    return int(2 ** max(1, int(np.floor(np.log2(max(value, 2))))))
