"""Small data sets and settings that exercise every kind of phase."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def blobs() -> Dataset:
    """Three classes of 70 rows in six columns, two of which carry them."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 70)
    centres = np.array([[2.0, 0], [-2, 1], [0, -2]])[codes]
    x = np.column_stack([centres + rng.normal(scale=0.5, size=(210, 2)), rng.normal(size=(210, 4))])
    return Dataset("blobs", "arrays", x.astype(np.float32), labels=codes.astype(np.int64))


@pytest.fixture(scope="session")
def everything() -> StackConfig:
    """Two levels that use all random and all penalised parts at once."""
    return StackConfig(
        layers=[
            LayerConfig(units=5, corruption="masking", dropout=0.1, normalisation="batch", activation="tanh"),
            LayerConfig(units=3, activation="sigmoid", sparsity="kl", contractive=0.1, l2=0.01, tied=True),
        ],
        epochs=3,
        batch_size=32,
        softmax_epochs=2,
        fine_tune_epochs=3,
        fine_tune_dropout=0.2,
        fine_tune_masking=0.1,
    )


@pytest.fixture(scope="session")
def dense() -> StackConfig:
    """Two levels whose steps have a closed form, with every part that the closed form has."""
    return StackConfig(
        layers=[
            LayerConfig(units=5, corruption="masking", dropout=0.1, activation="tanh"),
            LayerConfig(units=3, activation="sigmoid", sparsity="kl", sparsity_weight=0.1, l2=0.01, tied=True),
        ],
        epochs=3,
        batch_size=32,
        softmax_epochs=2,
        fine_tune_epochs=3,
        fine_tune_dropout=0.2,
    )
