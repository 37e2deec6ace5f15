"""Settings told apart, and histories on one axis."""

from __future__ import annotations

import pandas as pd

from sae_core.analysis.comparison import phase_table, phase_title, settings, settings_table
from sae_core.config import LayerConfig, StackConfig


def test_every_setting_is_there() -> None:
    config = StackConfig(layers=[8, LayerConfig(units=4, epochs=3, tied=True, learning_rate=0.01)])
    found = settings(config)
    assert found["units"] == "8, 4"
    assert found["epochs"] == "10, 3"
    assert found["tied"] == "no, yes"
    assert found["learning rate"] == "0.001, 0.01"
    assert found["gradient clip"] == "not set"
    of_convolutions = {"channels", "kernel", "stride", "pooling"}
    fields = {*LayerConfig.model_fields, *StackConfig.model_fields} - {"layers", "input_shape"} - of_convolutions
    assert {field.replace("_", " ") for field in fields} <= set(found)
    assert all(isinstance(value, str) for value in found.values())


def test_settings_of_convolutions_stand_beside_dense_ones() -> None:
    convolution = StackConfig(layers=[LayerConfig(kind="convolution", channels=8), 4])
    found = settings(convolution)
    assert (found["kind"], found["channels"]) == ("convolution, dense", "8, -")
    table = settings_table([convolution, StackConfig(layers=[8, 4])])
    assert table.loc["channels"].tolist() == ["8, -", "", True]


def test_what_differs_is_marked() -> None:
    first = StackConfig(layers=[8, 4])
    table = settings_table([first, first.replace(epochs=3, seed=1), first])
    differing = table.index[table["differs"]].tolist()
    assert differing == ["epochs", "seed"]
    assert table.loc["epochs", [0, 1, 2]].tolist() == ["10", "3", "10"]


def test_the_stacks_own_setting_is_listed_where_levels_have_theirs() -> None:
    first = StackConfig(layers=[8])
    second = StackConfig(layers=[LayerConfig(units=8, epochs=4)])
    table = settings_table([first, second])
    assert table.loc["epochs", [0, 1]].tolist() == ["10", "4"]
    assert table.loc["epochs of other phases", [0, 1]].tolist() == ["10", "10"]
    assert "epochs of other phases" not in settings_table([first, first]).index


def test_equal_settings_do_not_differ() -> None:
    config = StackConfig(layers=[8])
    assert not settings_table([config, config])["differs"].any()
    assert not settings_table([config])["differs"].any()


def test_steps_and_seconds_from_the_beginning_of_each_phase() -> None:
    history = pd.DataFrame(
        {
            "phase": ["pretrain"] * 3 + ["softmax", "softmax", "softmax", "fine_tune"],
            "level": [1, 1, 2, 0, 1, 1, 2],
            "step": [3, 6, 10, 12, 14, 16, 20],
            "seconds": [1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 9.0],
        }
    )
    table = phase_table(history)
    assert table["phase_step"].tolist() == [3, 6, 4, 2, 2, 4, 4]
    assert table["phase_seconds"].tolist() == [1, 2, 2, 1, 1, 2, 2]
    assert "phase_step" not in history
    assert phase_table(history.iloc[:0]).empty


def test_titles() -> None:
    assert phase_title("pretrain", 3) == "Level 3"
    assert phase_title("softmax", 0) == "Softmax on the input"
    assert phase_title("softmax", 2) == "Softmax on level 2"
    assert phase_title("joint", 2) == "Deep autoencoder"
    assert phase_title("unrolled", 2) == "Unrolled fine-tuning"
    assert phase_title("fine_tune", 2) == "Fine-tuned classifier"
