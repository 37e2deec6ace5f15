"""Settings: validated, frozen, JSON there and back, and answers in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sae_core.config import LayerConfig, StackConfig
from sae_core.errors import ConfigError
from sae_core.limits import MAX_LEVELS, MAX_UNITS


def test_json_round_trip() -> None:
    config = StackConfig(
        layers=[256, LayerConfig(units=64, corruption="gaussian", corruption_level=2.5, epochs=3), 16],
        learning_rate=0.1,
        early_stopping=4,
    )
    assert StackConfig.from_json(config.to_json()) == config


def test_numbers_are_layers() -> None:
    assert StackConfig(layers=[np.int64(8), 4]).units == (8, 4)


def test_a_level_inherits_what_it_leaves_open() -> None:
    config = StackConfig(layers=[8, LayerConfig(units=4, activation="tanh", epochs=0)], activation="elu", epochs=7)
    assert (config.level(1).activation, config.level(1).epochs) == ("elu", 7)
    assert (config.level(2).activation, config.level(2).epochs) == ("tanh", 0)
    assert config.level(2).loss == "squared_error"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"layers": []}, "layers"),
        ({"layers": [0]}, "level 1: units"),
        ({"layers": [4, -1]}, "level 2: units"),
        ({"layers": [True]}, "level 1"),
        ({"layers": "256"}, "list"),
        ({"layers": [4] * (MAX_LEVELS + 1)}, "layers"),
        ({"layers": [MAX_UNITS + 1]}, "units"),
        ({"layers": [4], "epochs": -1}, "epochs"),
        ({"layers": [4], "epoch": 1}, "epoch"),
        ({"layers": [4], "learning_rate": float("nan")}, "learning_rate"),
        ({"layers": [4], "learning_rate": 0}, "learning_rate"),
        ({"layers": [4], "activation": "softplus"}, "activation"),
        ({"layers": [LayerConfig(units=2)], "label_share": 0}, "label_share"),
        ({"layers": [4], "seed": -1}, "seed"),
    ],
)
def test_nonsense_is_refused_by_name(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        StackConfig(**settings)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_limits_are_inclusive() -> None:
    assert len(StackConfig(layers=[1] * MAX_LEVELS).layers) == MAX_LEVELS
    assert StackConfig(layers=[MAX_UNITS]).units == (MAX_UNITS,)


def test_a_share_above_one_is_refused_for_masking_but_not_for_noise() -> None:
    with pytest.raises(ConfigError, match="share"):
        LayerConfig(units=2, corruption="masking", corruption_level=1.5)
    assert LayerConfig(units=2, corruption="gaussian", corruption_level=1.5).corruption_level == 1.5


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"layers": [4], "seed": NaN}', "{}"])
def test_broken_json_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError):
        StackConfig.from_json(text)


def test_replace_validates_and_leaves_the_original() -> None:
    config = StackConfig(layers=[4])
    assert config.replace(epochs=2).epochs == 2
    assert config.epochs == 10
    with pytest.raises(ConfigError):
        config.replace(epochs=-2)
