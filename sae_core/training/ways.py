"""The same architecture trained in several ways with the same number of gradient steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sae_core.config import LayerConfig, StackConfig

Way = Literal["greedy", "joint", "greedy then joint"]


@dataclass(frozen=True)
class Ways:
    """Settings for each way, and what had to be changed to make them comparable.

    Attributes:
        configs: by way.
        epochs: passes over the training rows that the autoencoders of each way get altogether.
        notes: sentences on what differs from the settings they were made from.
    """

    configs: dict[Way, StackConfig]
    epochs: int
    notes: tuple[str, ...]


def ways(config: StackConfig) -> Ways:
    """Greedy, joint, and greedy then joint: same data, seed, batches and number of gradient steps.

    Greedy training is that of `config`. Joint training spends all its epochs on the deep autoencoder. The third way
    spends half of every level's epochs on it, and what is left on the unrolled stack (Hinton & Salakhutdinov 2006).

    >>> made = ways(StackConfig(layers=[8, 4], epochs=5))
    >>> made.epochs, made.configs["joint"].joint_epochs
    (10, 10)
    >>> third = made.configs["greedy then joint"]
    >>> [third.level(level).epochs for level in (1, 2)], third.unrolled_epochs
    ([2, 2], 6)
    """
    notes = []
    levels = [config.level(level) for level in range(1, len(config.layers) + 1)]
    if any(level.batch_size != config.batch_size for level in levels):
        notes.append(f"All levels use batches of {config.batch_size:,} rows, so that steps can be counted alike.")
    if config.early_stopping is not None:
        notes.append("Early stopping is left out, so that every way takes all its steps.")
    if config.unrolled_epochs or config.joint_epochs is not None:
        notes.append("The epochs of joint and unrolled phases follow from those of the levels.")
    epochs = [max(1, level.epochs or 0) for level in levels]
    if min(epochs) < 2:
        epochs = [2 * each for each in epochs]
        notes.append("Every level gets twice its epochs: a single one cannot be shared between greedy and joint.")
    halves, total = [each // 2 for each in epochs], sum(epochs)

    def with_epochs(each: list[int], **changes: object) -> StackConfig:
        layers = tuple(
            layer.replace(epochs=wanted, batch_size=None) for layer, wanted in zip(config.layers, each, strict=True)
        )
        assert all(isinstance(layer, LayerConfig) for layer in layers)
        return config.replace(layers=layers, early_stopping=None, joint_epochs=total, **changes)

    return Ways(
        {
            "greedy": with_epochs(epochs, pretraining="greedy", unrolled_epochs=0),
            "joint": with_epochs(epochs, pretraining="joint", unrolled_epochs=0),
            "greedy then joint": with_epochs(halves, pretraining="greedy", unrolled_epochs=total - sum(halves)),
        },
        total,
        tuple(notes),
    )
