"""The common work: the rows, the stack, and how what came out of it is judged."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
UNITS = (256, 64, 16)
LARGE_UNITS = (1000, 500, 250, 30)
EPOCHS = 2
BATCH = 256
RATE = 1e-3
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Level:
    """A trained autoencoder: relu(x W' + b) and h V' + c.

    Attributes:
        encoder, decoder: (units, d) and (d, units).
        encoder_bias, decoder_bias: (units,) and (d,).
    """

    encoder: Array
    encoder_bias: Array
    decoder: Array
    decoder_bias: Array


@dataclass(frozen=True)
class Outcome:
    """What a contestant hands back.

    Attributes:
        seconds: from the rows in memory to the trained stack.
        levels: from the input upwards.
        linear_top: a level was trained with a linear code (ClustPy does that), so it is judged with one.
        facts: further figures for the report.
    """

    seconds: float
    levels: tuple[Level, ...] = ()
    linear_top: bool = False
    facts: dict[str, float] = field(default_factory=dict)


def fashion_mnist(folder: Path) -> Array:
    """(60000, 784) float32, 0..1: the training pictures."""
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        content = file.read()
    pictures = np.frombuffer(content, dtype=np.uint8, offset=16).reshape(-1, 784)
    rows = np.empty(pictures.shape, dtype=np.float32)
    np.divide(pictures, np.float32(255), out=rows)
    return rows


def losses(outcome: Outcome, x: Array) -> list[float]:
    """Mean squared error of a feature of the input, reconstructed from each level through the decoders below it.

    Codes of different programs have different scales, so errors in a level's own input could not be compared.
    """
    found = []
    for depth in range(1, len(outcome.levels) + 1):
        total = 0.0
        for start in range(0, len(x), ROWS_AT_ONCE):
            part = x[start : start + ROWS_AT_ONCE]
            h = part
            for level in outcome.levels[:depth]:
                a = h @ level.encoder.T + level.encoder_bias
                h = a if outcome.linear_top and level is outcome.levels[depth - 1] else np.maximum(a, 0)
            for level in reversed(outcome.levels[:depth]):
                h = h @ level.decoder.T + level.decoder_bias
            total += float(np.square(h - part, dtype=np.float32).sum(dtype=np.float64))
        found.append(total / x.size)
    return found
