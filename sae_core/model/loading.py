"""Files of a saved model, each part checked against the others before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from sae_core.config import StackConfig
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError, ModelFileError
from sae_core.files import parse_json
from sae_core.model.autoencoder import weight_shape


def read_history(content: bytes) -> pd.DataFrame:
    lines = content.decode("utf-8", errors="replace").splitlines()
    frame = pd.DataFrame([parse_json(line.encode(), "history.jsonl") for line in lines if line])
    floats = [name for name in frame.columns if frame[name].dtype == object and frame[name].isna().any()]
    return frame.astype(dict.fromkeys(floats, np.float64))


def checked_sizes(config: StackConfig, preparation: Preparation, tensors: Mapping[str, NDArray[Any]]) -> StackConfig:
    """Refuse a configuration that disagrees with its weights before memory is asked for."""
    try:
        config = config.fitted(preparation.image_shape)
    except ConfigError as error:
        raise ModelFileError(f"model.json describes a stack that cannot be. {error}") from None
    below = preparation.n_inputs
    for level, layer in enumerate(config.layers, start=1):
        weight = tensors.get(f"network.levels.{level - 1}.encoder.weight")
        wanted = weight_shape(layer, below)
        if weight is None or weight.shape != wanted:
            found = "missing" if weight is None else f"{weight.shape}"
            raise ModelFileError(
                f"The weights of level {level} are {found}, but model.json describes {wanted}. Use the original file."
            )
        below = layer.units
    return config


def fill(wanted: Mapping[str, Tensor], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Copy weights from a file into a model that has exactly these weights."""
    if set(wanted) != set(tensors):
        odd = sorted(set(wanted) ^ set(tensors))[0]
        raise ModelFileError(f"weights.safetensors and model.json disagree about {odd[:100]}. Use the original file.")
    for name, target in wanted.items():
        value = torch.from_numpy(tensors[name])
        if value.shape != target.shape or value.dtype != target.dtype:
            found, expected = (
                f"{tuple(each.shape)} {str(each.dtype).removeprefix('torch.')}" for each in (value, target)
            )
            raise ModelFileError(f"{name} is {found}, and {expected} was expected. Use the original file.")
        if not torch.isfinite(value).all():
            raise ModelFileError(f"{name} holds NaN or infinity, so this model cannot be used. Train it again.")
        with torch.no_grad():
            target.copy_(value)
