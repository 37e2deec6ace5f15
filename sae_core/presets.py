"""Published stacks, ready to train, each with its source; and the best one known here.

Sizes, activations, corruption and penalties are those of the source. Where it used an optimiser or a kind of
pretraining that this engine does not have, the nearest one stands in and `Preset.about` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sae_core.config import LayerConfig, Loss, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError
from sae_core.limits import MAX_PREPARED_BYTES, MAX_UNITS
from sae_core.training.plan import suggest_config

BEST_KNOWN = "best-known"
SMALLEST_SIDE = 12  # pixels; a convolution has little to look at in smaller pictures
FIRST_CHANNELS = 24
LAST_UNITS = 256
STEPS_OF_A_CONVOLUTION = 400  # gradient steps of one level's pretraining; fine-tuning takes four times as many


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: to ask for it, e.g. "vincent-2010-sdae-3".
        title: for people, as its source calls it.
        source: authors, year, where it was published, and the section or table.
        about: one or two sentences on what it shows, and what differs from the source.
        config: adapted to the data set it was made for.
    """

    name: str
    title: str
    source: str
    about: str
    config: StackConfig


def presets(data: Dataset, preparation: Preparation | None = None) -> tuple[Preset, ...]:
    """The presets that fit a data set, adapted to it.

    Sizes of the levels are as published; a preset is left out where the data has too few inputs for them. Cross-entropy
    and sigmoid decoders are used where the prepared input lies in 0..1; otherwise squared error with a linear decoder
    stands in at level 1, as Vincent et al. (2010, section 2.2) do for real-valued input.

    Args:
        data: what is to be trained on.
        preparation: of it, with the automatic scaling, where that is at hand; None: it is fitted.

    >>> import sae_core as sae
    >>> [preset.title for preset in presets(sae.load_sample("iris"))]
    ['Best known']
    """
    preparation = preparation or Preparation.fit(data)
    bounded, width = preparation.output_range == (0.0, 1.0), preparation.n_inputs
    best = Preset(
        BEST_KNOWN,
        "Best known",
        "This explorer",
        "What has worked best here so far for data of this kind and size, by its validation rows.",
        best_known(data),
    )
    published = []
    for name, entry in _PUBLISHED.items():
        try:
            config = entry.config(bounded).fitted(data.image_shape)
        except ConfigError:  # convolutions, and no pictures of a size that suits them
            continue
        if width >= entry.fewest_inputs:
            published.append(Preset(name, entry.title, entry.source, entry.about, config))
    return (best, *published)


def preset_names(data: Dataset) -> tuple[str, ...]:
    """Names of the presets that fit a data set, for `preset`.

    >>> import sae_core as sae
    >>> preset_names(sae.load_sample("digits"))
    ('best-known', 'hinton-2006', 'ufldl', 'matlab')
    """
    return tuple(entry.name for entry in presets(data))


def preset(data: Dataset, name: str) -> Preset:
    """The preset of that name, adapted to a data set.

    Raises:
        ConfigError: there is none, or it does not fit this data set.

    >>> import sae_core as sae
    >>> preset(sae.load_sample("mnist"), "hinton-2006").config.units
    (1000, 500, 250, 30)
    """
    found = {entry.name: entry for entry in presets(data)}
    if name not in found:
        why = "does not fit this data set" if name in _PUBLISHED else "is not known"
        raise ConfigError(f"The preset {name!r} {why}. Choose one of {', '.join(found)}.")
    return found[name]


def best_known(data: Dataset) -> StackConfig:
    """The best configuration known here for data of this kind and size. A better one, once found, belongs here.

    Small pictures: two convolutional levels and a dense one, pretrained as denoising autoencoders. Their test error on
    MNIST, beside that of the published stacks, stands in benchmarks/RESULTS.md (`python -m benchmarks.fidelity`).
    """
    if data.image_shape is not None and min(data.image_shape[:2]) >= SMALLEST_SIDE:
        height, width, _ = data.image_shape
        largest = height * width * FIRST_CHANNELS // 4  # values in the first level's code
        if largest <= MAX_UNITS and 4 * largest * len(data) <= MAX_PREPARED_BYTES:
            return _convolutional(len(data.split.train))
    return suggest_config(data)


def _convolutional(n_train: int) -> StackConfig:
    """Chosen by MNIST's validation rows; the number of gradient steps is kept for other numbers of pictures.

    The gradient is limited because the first steps of fine-tuning are large: without that, the units of some seeds die.
    """
    noise: dict[str, Any] = {"corruption": "masking", "corruption_level": 0.25}
    first = LayerConfig(kind="convolution", channels=FIRST_CHANNELS, kernel=5, stride=1, pooling=2, **noise)
    second = first.replace(channels=2 * FIRST_CHANNELS, kernel=3)
    batch = min(100, max(8, n_train // 16))
    epochs = min(40, max(2, round(STEPS_OF_A_CONVOLUTION * batch / n_train)))
    return StackConfig(
        layers=(first, second, LayerConfig(units=LAST_UNITS, **noise)),
        activation="relu",
        epochs=epochs,
        batch_size=batch,
        learning_rate=1e-3,
        softmax_epochs=epochs,
        fine_tune_epochs=4 * epochs,
        fine_tune_learning_rate=1e-3,
        fine_tune_dropout=0.4,
        fine_tune_masking=0.1,
        gradient_clip=1.0,
        schedule="cosine",
    )


def _input_loss(bounded: bool) -> Loss:
    return "binary_cross_entropy" if bounded else "squared_error"


def _vincent(bounded: bool, corruption: float) -> StackConfig:
    """Epochs, rates and the noise of fine-tuning were chosen by MNIST's validation rows, as the paper chose its own."""
    level = LayerConfig(
        units=1000,
        loss="binary_cross_entropy",
        tied=True,
        corruption="masking" if corruption else "none",
        corruption_level=corruption,
    )
    return StackConfig(
        layers=(level.replace(loss=_input_loss(bounded)), level, level),
        activation="sigmoid",
        epochs=25 if corruption else 15,
        batch_size=100,
        learning_rate=4e-3 if corruption else 2e-3,
        softmax_epochs=10,
        fine_tune_epochs=30,
        fine_tune_learning_rate=1e-3,
        fine_tune_dropout=0.3,
        fine_tune_masking=0.3 if corruption else 0.0,
        schedule="cosine",
    )


def _hinton(bounded: bool) -> StackConfig:
    cross_entropy = LayerConfig(units=500, loss="binary_cross_entropy")
    return StackConfig(
        layers=(
            LayerConfig(units=1000, loss=_input_loss(bounded)),
            cross_entropy,
            cross_entropy.replace(units=250),
            cross_entropy.replace(units=30, activation="linear"),
        ),
        activation="sigmoid",
        loss=_input_loss(bounded),
        epochs=20,
        batch_size=100,
        learning_rate=3e-3,
        unrolled_epochs=100,
        schedule="cosine",
    )


def _ufldl(bounded: bool) -> StackConfig:
    # UFLDL counts half the squared error, so that its weights count twice here: lambda 3e-3, beta 3.
    level = LayerConfig(
        units=200, decoder_activation="sigmoid", sparsity="kl", sparsity_target=0.1, sparsity_weight=6.0, l2=6e-3
    )
    return StackConfig(
        layers=(level if bounded else level.replace(decoder_activation="linear"), level),
        activation="sigmoid",
        epochs=400,
        optimiser="lbfgs",
        softmax_epochs=100,
        fine_tune_epochs=400,
    )


def _matlab(bounded: bool) -> StackConfig:
    first = LayerConfig(
        units=100,
        decoder_activation="sigmoid" if bounded else "linear",
        sparsity="kl",
        sparsity_target=0.15,
        sparsity_weight=4.0,
        l2=0.004,
        epochs=400,
    )
    second = first.replace(units=50, decoder_activation="sigmoid", sparsity_target=0.1, l2=0.002, epochs=100)
    return StackConfig(
        layers=(first, second),
        activation="sigmoid",
        optimiser="lbfgs",
        softmax_epochs=400,
        fine_tune_epochs=400,
    )


def _masci(bounded: bool) -> StackConfig:
    noise: dict[str, Any] = {"corruption": "masking", "corruption_level": 0.3}
    first = LayerConfig(kind="convolution", channels=16, kernel=5, stride=1, pooling=2, **noise)
    return StackConfig(
        layers=(first, first.replace(channels=24, kernel=3), LayerConfig(units=128, **noise)),
        activation="tanh",
        epochs=5,
        batch_size=128,
        learning_rate=2e-3,
        fine_tune_epochs=15,
        fine_tune_dropout=0.2,
        schedule="cosine",
    )


@dataclass(frozen=True)
class _Published:
    """A preset before it is adapted; `config(bounded)`: whether the prepared input lies in 0..1."""

    title: str
    source: str
    about: str
    fewest_inputs: int
    config: Callable[[bool], StackConfig]


_VINCENT = "Vincent, Larochelle, Lajoie, Bengio & Manzagol 2010, JMLR 11"
_PUBLISHED = {
    "vincent-2010-sae-3": _Published(
        "SAE-3",
        f"{_VINCENT}, section 6 and table 3",
        "Three levels of 1000 sigmoid units, pretrained as plain autoencoders, then fine-tuned with the labels. "
        "Adam stands in for plain gradient steps.",
        100,
        lambda bounded: _vincent(bounded, 0.0),
    ),
    "vincent-2010-sdae-3": _Published(
        "SDAE-3",
        f"{_VINCENT}, section 6 and table 3",
        "The same stack from denoising autoencoders: a quarter of the inputs of each level is set to 0 while it "
        "learns. Adam stands in for plain gradient steps.",
        100,
        lambda bounded: _vincent(bounded, 0.25),
    ),
    "hinton-2006": _Published(
        "Deep autoencoder 1000-500-250-30",
        "Hinton & Salakhutdinov 2006, Science 313, figure 2",
        "Sigmoid levels and a linear code of 30 numbers, trained level by level and then unrolled into one network. "
        "Autoencoders stand in for restricted Boltzmann machines, Adam for conjugate gradients.",
        60,
        _hinton,
    ),
    "ufldl": _Published(
        "Sparse 200-200",
        "Ng and others 2011, UFLDL tutorial, exercise on deep networks for digit classification",
        "Two sparse levels by L-BFGS: mean activation 0.1, sparsity weight 3, weight decay 0.003. Fine-tuning has no "
        "weight decay here.",
        40,
        _ufldl,
    ),
    "matlab": _Published(
        "Sparse 100-50",
        "MathWorks, Deep Learning Toolbox, example of stacked autoencoders for image classification",
        "Two sparse levels with weight decay 0.004 and 0.002, sparsity weight 4 and mean activation 0.15 and 0.1. "
        "L-BFGS stands in for scaled conjugate gradients.",
        20,
        _matlab,
    ),
    "masci-2011": _Published(
        "Convolutional 16-24, then 128",
        "Masci, Meier, Cireşan & Schmidhuber 2011, ICANN, section 4",
        "Two convolutional levels with max-pooling and a dense one, all denoising 30 % of masked inputs. "
        "With a sixth of the published channels, so that it trains in minutes without a GPU.",
        144,
        _masci,
    ),
}
