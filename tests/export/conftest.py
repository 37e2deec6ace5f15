"""Data of every kind, and stacks with random weights, which need no training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Column, Dataset
from sae_core.data.preparation import Preparation
from sae_core.model.stack import Stack
from sae_core.model.trained import TrainedStack, new_head

MakeModel = Callable[..., TrainedStack]


def mixed_table(n: int = 120) -> Dataset:
    """Columns of every kind with missing cells, names that no tool likes, labels that look like formulas."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    frame = pd.DataFrame(
        {
            "sepal length (cm)": rng.normal(5, 2, n),
            "größe": rng.normal(1e6, 1, n),
            "=city": pd.array(rng.choice(["Rom", "Köln", "=1+1", "<b>"], n), dtype="str"),
            "code": pd.array(rng.choice(["007", "a,b", 'say "x"'], n), dtype="str"),
            "seen": days.astype("datetime64[us]"),
            "at": (days + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s")).astype("datetime64[us]"),
            "ok": pd.array(rng.choice([True, False], n), dtype="boolean"),
        }
    )
    frame.loc[3, "größe"] = np.nan
    frame.loc[5, "=city"] = None
    frame.loc[7, "seen"] = pd.NaT
    frame.loc[9, "ok"] = pd.NA
    kinds = ("numeric", "numeric", "category", "category", "date", "date", "boolean")
    labels = np.array(rng.choice(["=A1", "-1.5", "plain"], n), dtype=object)
    labels[11] = None
    return Dataset(
        name="mixed.csv",
        kind="table",
        features=frame,
        labels=labels,
        columns=tuple(Column(name, kind) for name, kind in zip(frame.columns, kinds, strict=True)),
        identifiers=pd.DataFrame({"@id": [f"+row {i}\tx" for i in range(n)], "row": np.arange(n) * 2}),
        label_name="species",
    )


def picture_set(n: int = 60) -> Dataset:
    """Colour pictures of 4 x 5."""
    rng = np.random.default_rng(1)
    return Dataset(
        name="pictures.zip",
        kind="images",
        features=rng.uniform(0, 1, (n, 60)).astype(np.float32),
        labels=rng.integers(0, 3, n).astype(np.int64),
        image_shape=(4, 5, 3),
    )


def array_set(n: int = 60) -> Dataset:
    """Numbers in units of their own, some missing."""
    rng = np.random.default_rng(2)
    features = rng.normal(100, 30, (n, 6)).astype(np.float32)
    features[::7, 2] = np.nan
    return Dataset(name="numbers.npy", kind="arrays", features=features)


DATA: dict[str, Callable[[], Dataset]] = {"table": mixed_table, "pictures": picture_set, "arrays": array_set}


def random_model(
    data: Dataset, *, fine_tuned: bool = False, layer: dict[str, Any] | None = None, **config: Any
) -> TrainedStack:
    """A stack of 7 and 3 units with random weights, normalisation statistics and classifiers."""
    settings = StackConfig(
        layers=[LayerConfig(units=7, **(layer or {})), LayerConfig(units=3, **(layer or {}))], **config
    )
    preparation = Preparation.fit(data, settings.scaling)
    generator = torch.Generator().manual_seed(4)
    network = Stack(preparation.n_inputs, settings, generator)
    labelled = data.has_labels
    widths = (preparation.n_inputs, 7, 3)
    heads = {level: new_head(width, len(data.classes)) for level, width in enumerate(widths) if labelled}
    head = new_head(3, max(1, len(data.classes)))
    with torch.no_grad():
        for part in (network, *heads.values(), head):
            for name, value in (*part.named_parameters(), *part.named_buffers()):
                if value.dtype == torch.float32:
                    noise = torch.empty_like(value).uniform_(-0.3, 0.3, generator=generator)
                    value.copy_(value + noise if "running_var" not in name else 1 + noise)
    tuned = copy.deepcopy(network)
    with torch.no_grad():
        tuned.autoencoder(1).encoder.bias += 0.1
    return TrainedStack(
        settings,
        preparation,
        network,
        classes=data.classes if labelled else (),
        heads=heads,
        fine_tuned=tuned if labelled and fine_tuned else None,
        fine_tuned_head=head if labelled and fine_tuned else None,
        name=data.name,
    )


@pytest.fixture
def table() -> Dataset:
    return mixed_table()


@pytest.fixture
def pictures() -> Dataset:
    return picture_set()


@pytest.fixture
def arrays() -> Dataset:
    return array_set()


@pytest.fixture(params=list(DATA))
def data(request: pytest.FixtureRequest) -> Dataset:
    """Each kind of data set in turn."""
    return DATA[request.param]()
