"""A small table and a small picture set, each with a stack trained on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sae_core
from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset
from sae_core.model.trained import TrainedStack


@pytest.fixture(scope="session")
def iris() -> Dataset:
    return sae_core.load_sample("iris")


@pytest.fixture(scope="session")
def iris_model(iris: Dataset) -> TrainedStack:
    config = StackConfig(
        layers=[4, 2],
        activation="tanh",
        epochs=60,
        batch_size=16,
        learning_rate=0.01,
        softmax_epochs=40,
        fine_tune_epochs=20,
    )
    return sae_core.fit(iris, config)


@pytest.fixture(scope="session")
def mixed() -> Dataset:
    """60 rows of four kinds of columns, each with a missing value; two classes, one row without a label."""
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b"] * 30, dtype=object)
    labels[7] = None
    features = pd.DataFrame(
        {
            "age": rng.normal(40, 10, 60),
            "colour": pd.Series(rng.choice(["red", "green", "blue"], 60), dtype="str"),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, 60), unit="D"),
            "member": pd.Series(rng.random(60) < 0.5, dtype="boolean"),
        }
    )
    for column in features.columns:
        features.loc[3, column] = None
    kinds = ("numeric", "category", "date", "boolean")
    columns = tuple(Column(name, kind) for name, kind in zip(features.columns, kinds, strict=True))
    return Dataset(name="people.csv", kind="table", features=features, labels=labels, columns=columns)


@pytest.fixture(scope="session")
def mixed_model(mixed: Dataset) -> TrainedStack:
    return sae_core.fit(mixed, StackConfig(layers=[6, 3], epochs=3, softmax_epochs=2, fine_tune_epochs=0))
