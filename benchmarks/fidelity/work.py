"""Trainings whose figures the table shows: one function a kind, each for one seed.

Settings are chosen with `validation`: training on 8,000 of the shipped 10,000 MNIST training pictures, figures of the
other 2,000. The table is computed without: training on all 10,000, with no validation rows to stop early by, and
figures of the official 10,000 test pictures, which nothing else looks at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

import sae_core as sae
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset, SplitName, SplitOptions
from sae_core.model.trained import TrainedStack
from sae_core.training.plan import joint_epochs

Figures = dict[str, float]
SHARES = (1.0, 0.1, 0.05, 0.01)
FEW_LABELS_EPOCHS = 3  # times as many epochs where labels are few, as an epoch then has fewer steps
FEW_LABELS_STEPS = 8  # gradient steps of an epoch, at least
DEEP_EPOCHS = 80  # of the deep autoencoder; every way of training it takes that many epochs of gradient steps
GREEDY_SHARE = 4  # greedy then unrolled: one of so many steps is greedy
COMPONENTS = 30


def digits(quick: bool, validation: bool) -> Dataset:
    """The shipped MNIST sample: 10,000 training rows and the official 10,000 test rows.

    Args:
        quick: a few hundred rows, so that a test can run everything.
        validation: leave 2,000 of the training rows out, to choose settings by.
    """
    data = sae.load_sample("mnist")
    if not validation:
        data = data.with_split(SplitOptions(validation=0.0))
    if not quick:
        return data
    assert data.labels is not None
    assert data.official_test is not None
    rows = np.r_[0:400, 10_000:10_200]
    return dataclasses.replace(
        data, features=data.take(rows), labels=data.labels[rows], official_test=data.official_test[rows]
    )


def shrunk(config: StackConfig) -> StackConfig:
    """The same stack with few units and few epochs."""

    def few(epochs: int | None, most: int) -> int:
        return min(most, epochs or 0)

    def smaller(layer: LayerConfig) -> LayerConfig:
        epochs = None if layer.epochs is None else few(layer.epochs, 3)
        if layer.kind == "convolution":
            return layer.replace(channels=max(2, layer.channels // 16), epochs=epochs, input_shape=None, units=0)
        return layer.replace(units=max(4, layer.units // 40), epochs=epochs)

    layers = tuple(smaller(layer) for layer in config.layers)
    return config.replace(
        layers=layers,
        epochs=few(config.epochs, 3),
        joint_epochs=config.joint_epochs and few(config.joint_epochs, 3),
        unrolled_epochs=few(config.unrolled_epochs, 3),
        softmax_epochs=few(config.softmax_epochs, 3),
        fine_tune_epochs=few(config.fine_tune_epochs, 3),
    )


@dataclass
class Laboratory:
    """The data, and the pretrained stacks of this process: trainings that share their pretraining do it once.

    Attributes:
        quick: everything tiny.
        validation: figures are those of validation rows that are left out of training, not of the test rows.
        data: see `digits`.
        pretrained: by the settings that pretraining depends on; only the latest seed's, as models are large.
    """

    quick: bool = False
    validation: bool = False
    data: Dataset = field(init=False)
    pretrained: dict[str, TrainedStack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = digits(self.quick, self.validation)

    @property
    def measured(self) -> SplitName:
        """The rows that figures are of."""
        return "validation" if self.validation else "test"

    def preset(self, name: str, seed: int) -> StackConfig:
        """The product's preset, with another seed."""
        config = sae.preset(self.data, name).config.replace(seed=seed)
        return shrunk(config) if self.quick else config

    def pretrain(self, config: StackConfig) -> TrainedStack:
        """The stack after pretraining alone."""
        config = without_labels(config)
        key = config.to_json()
        if key not in self.pretrained:
            kept = {name: model for name, model in self.pretrained.items() if model.config.seed == config.seed}
            self.pretrained = {**kept, key: sae.fit(self.data, config)}
        return self.pretrained[key]

    def supervise(self, config: StackConfig) -> TrainedStack:
        """Pretraining, then the phases with labels. Equal to one training, but the pretraining may be shared."""
        if config.pretraining == "none":
            return sae.fit(self.data, config)
        return sae.fit(self.data, config.replace(pretraining="none", unrolled_epochs=0), start=self.pretrain(config))


def without_labels(config: StackConfig) -> StackConfig:
    """The settings with those of the supervised phases set back, so that equal pretraining has equal settings."""
    return config.replace(
        softmax_epochs=0,
        fine_tune_epochs=0,
        **{
            name: StackConfig.model_fields[name].default
            for name in (
                "softmax_learning_rate",
                "fine_tune_learning_rate",
                "fine_tune_dropout",
                "fine_tune_masking",
                "fine_tune_weight_decay",
                "label_smoothing",
                "label_share",
            )
        },
    )


def errors(laboratory: Laboratory, model: TrainedStack) -> Figures:
    """Share of the measured rows classified wrongly, in %: by the fine-tuned stack and the softmax on each level."""
    rows = laboratory.data.split.rows(laboratory.measured)
    x, truth = model.prepare(laboratory.data.take(rows)), np.asarray(laboratory.data.labels)[rows]
    classes = np.array(model.classes)
    levels: list[int | None] = [*model.softmax_levels, None]
    return {
        "fine-tuned" if level is None else f"level {level}": 100
        * float((classes[model.predict_proba_prepared(x, level=level).argmax(axis=1)] != truth).mean())
        for level in levels
    }


def classifier(laboratory: Laboratory, preset: str, seed: int) -> Figures:
    """A preset as the product trains it: errors of its fine-tuned stack and of each frozen code."""
    return errors(laboratory, laboratory.supervise(laboratory.preset(preset, seed)))


def few_labels(config: StackConfig, share: float, rows: int) -> StackConfig:
    """The settings for a share of the labels: smaller batches and more epochs, so that there are steps to learn by."""
    if share == 1:
        return config
    return config.replace(
        label_share=share,
        softmax_epochs=FEW_LABELS_EPOCHS * config.softmax_epochs,
        fine_tune_epochs=FEW_LABELS_EPOCHS * config.fine_tune_epochs,
        batch_size=max(1, min(config.batch_size, round(share * rows) // FEW_LABELS_STEPS)),
    )


def labels(laboratory: Laboratory, pretraining: str, share: float, seed: int) -> Figures:
    """SDAE-3 at a share of the labels, with its pretraining or without."""
    config = laboratory.preset("vincent-2010-sdae-3", seed)
    supervised = few_labels(config, share, len(laboratory.data.split.train)).replace(pretraining="none")
    start = laboratory.pretrain(config) if pretraining == "greedy" else None
    return errors(laboratory, sae.fit(laboratory.data, supervised, start=start))


def squared_error(laboratory: Laboratory, rebuild: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Figures:
    """Squared error of each measured picture, summed over its pixels (0..1) and averaged over the pictures."""
    x = np.asarray(laboratory.data.take(laboratory.data.split.rows(laboratory.measured)), dtype=np.float32)
    return {"reconstruction": float(np.square(rebuild(x) - x, dtype=np.float64).sum(axis=1).mean())}


def deep_autoencoder(laboratory: Laboratory, way: str, seed: int) -> Figures:
    """784-1000-500-250-30 by equal numbers of gradient steps: "greedy", "unrolled" (greedy first) or "joint"."""
    config = laboratory.preset("hinton-2006", seed).replace(softmax_epochs=0, fine_tune_epochs=0)
    total = 16 if laboratory.quick else DEEP_EPOCHS
    depth = len(config.layers)
    greedy = total if way == "greedy" else total // GREEDY_SHARE
    config = config.replace(epochs=greedy // depth, unrolled_epochs=total - greedy)
    if way == "joint":
        config = config.replace(pretraining="joint", joint_epochs=total, unrolled_epochs=0)
    assert joint_epochs(config, len(laboratory.data.split.train)) in (total, greedy)
    model = sae.fit(laboratory.data, config)
    return squared_error(laboratory, model.reconstruct_prepared)


def principal_components(laboratory: Laboratory, seed: int) -> Figures:
    """PCA with as many numbers, fitted on the same training rows."""
    from sklearn.decomposition import PCA

    x = laboratory.data.take(laboratory.data.split.train)
    pca = PCA(COMPONENTS, random_state=seed).fit(x)
    return squared_error(laboratory, lambda rows: pca.inverse_transform(pca.transform(rows)))
