"""Phases, their cost, warnings, and the stack that is suggested."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.data.preparation import Preparation
from sae_core.data.samples import load_sample, sample_names
from sae_core.errors import ConfigError
from sae_core.model.stack import Stack
from sae_core.training.plan import (
    MASKED,
    check,
    joint_epochs,
    parameter_counts,
    plan,
    suggest_config,
    supervised_rows,
    warnings,
)


def kinds(data: Dataset, config: StackConfig) -> list[tuple[str, int]]:
    return [(phase.kind, phase.level) for phase in plan(data, config, data.n_features)]


def test_greedy_trains_level_by_level_then_classifies(blobs: Dataset) -> None:
    assert kinds(blobs, StackConfig(layers=[4, 2], unrolled_epochs=1)) == [
        ("pretrain", 1),
        ("pretrain", 2),
        ("unrolled", 2),
        ("softmax", 0),
        ("softmax", 1),
        ("softmax", 2),
        ("fine_tune", 2),
    ]


def test_joint_is_one_phase(blobs: Dataset) -> None:
    config = StackConfig(layers=[4, 2], pretraining="joint", softmax_epochs=0)
    assert kinds(blobs, config) == [("joint", 2), ("fine_tune", 2)]


def test_without_labels_nothing_is_supervised(blobs: Dataset) -> None:
    bare = dataclasses.replace(blobs, labels=None)
    assert kinds(bare, StackConfig(layers=[4])) == [("pretrain", 1)]


def test_phases_without_epochs_are_left_out(blobs: Dataset) -> None:
    config = StackConfig(layers=[LayerConfig(units=4, epochs=0), 2], epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    assert kinds(blobs, config) == [("pretrain", 2)]


def test_joint_takes_as_many_steps_as_greedy_would(blobs: Dataset) -> None:
    config = StackConfig(
        layers=[LayerConfig(units=4, epochs=6), LayerConfig(units=2, epochs=9, batch_size=16)], batch_size=32
    )
    n = len(blobs.split.train)
    greedy = sum(phase.epochs * phase.steps_per_epoch for phase in plan(blobs, config, 6) if phase.kind == "pretrain")
    joint = joint_epochs(config, n) * plan(blobs, config.replace(pretraining="joint"), 6)[0].steps_per_epoch
    assert abs(joint - greedy) <= plan(blobs, config, 6)[0].steps_per_epoch


def test_a_single_row_left_over_joins_the_batch_before(blobs: Dataset) -> None:
    phase = plan(blobs, StackConfig(layers=[2], batch_size=len(blobs.split.train) - 1), 6)[0]
    assert phase.steps_per_epoch == 1


def test_a_batch_is_never_larger_than_the_data(blobs: Dataset) -> None:
    phase = plan(blobs, StackConfig(layers=[2], batch_size=10_000), 6)[0]
    assert phase.batch_size == phase.rows == len(blobs.split.train)


def test_counts_are_those_of_the_module() -> None:
    import torch

    config = StackConfig(layers=[8, LayerConfig(units=4, tied=True, normalisation="batch"), 2])
    stack = Stack(10, config, torch.Generator())
    counts = parameter_counts(10, 3, config)
    for level in (1, 2, 3):
        own = stack.autoencoder(level)
        assert counts.encoders[level - 1] == sum(p.numel() for p in own.encoder.parameters())
        assert counts.decoders[level - 1] == sum(p.numel() for p in own.decoder.parameters())
    assert counts.softmax == 2 * 3 + 3
    assert counts.total == sum(p.numel() for p in stack.parameters()) + counts.softmax


def test_label_share_keeps_every_class_and_only_training_rows(blobs: Dataset) -> None:
    rows = supervised_rows(blobs, StackConfig(layers=[2], label_share=0.1))
    counts = np.bincount(blobs.class_codes[rows])
    assert (counts == np.round(0.1 * np.bincount(blobs.class_codes[blobs.split.train]))).all()
    assert np.isin(rows, blobs.split.train).all()
    few = supervised_rows(blobs, StackConfig(layers=[2], label_share=0.001))
    assert np.bincount(blobs.class_codes[few]).tolist() == [1, 1, 1]


def test_rows_without_a_label_are_not_supervised(blobs: Dataset) -> None:
    labels = np.array([None if i % 2 else str(i % 3) for i in range(len(blobs))], dtype=object)
    half = dataclasses.replace(blobs, labels=labels)
    rows = supervised_rows(half, StackConfig(layers=[2]))
    assert (rows % 2 == 0).all()
    assert len(rows) == (half.split.train % 2 == 0).sum()


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (LayerConfig(units=3, loss="binary_cross_entropy"), "between 0 and 1"),
        (LayerConfig(units=3, sparsity="kl", activation="relu"), "sigmoid"),
        (LayerConfig(units=3, contractive=1, normalisation="batch"), "normalisation"),
    ],
)
def test_settings_that_cannot_work_are_refused(blobs: Dataset, layer: LayerConfig, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        check(blobs, StackConfig(layers=[layer]), Preparation.fit(blobs))


def test_too_many_weights_are_refused_before_memory_is_asked_for(blobs: Dataset) -> None:
    with pytest.raises(ConfigError, match="weights"):
        check(blobs, StackConfig(layers=[16_384, 16_384]), Preparation.fit(blobs))


def test_warnings_say_what_is_odd(blobs: Dataset) -> None:
    assert warnings(blobs, StackConfig(layers=[4, 2], batch_size=16), 6) == ()
    assert "not a bottleneck" in warnings(blobs, StackConfig(layers=[6, 2], batch_size=16), 6)[0]
    corrupted = StackConfig(layers=[LayerConfig(units=6, corruption="masking"), 2], batch_size=16)
    assert warnings(blobs, corrupted, 6) == ()
    assert any("linear" in text for text in warnings(blobs, StackConfig(layers=[4, 2], activation="linear"), 6))
    assert any("0 epochs" in text for text in warnings(blobs, StackConfig(layers=[4, 2], epochs=0), 6))
    assert any("batch of" in text for text in warnings(blobs, StackConfig(layers=[4], batch_size=500), 6))
    unsplit = blobs.with_split(SplitOptions(validation=0, test=0))
    assert any("validation" in text for text in warnings(unsplit, StackConfig(layers=[4]), 6))


@pytest.mark.parametrize("name", sample_names())
def test_suggestions_narrow_and_raise_no_warning(name: str) -> None:
    data = load_sample(name)
    config = suggest_config(data)
    n_inputs = Preparation.fit(data).n_inputs
    assert list(config.units) == sorted(config.units, reverse=True)
    assert n_inputs > config.units[0]
    assert len(config.units) >= 2
    assert warnings(data, config, n_inputs) == ()


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 2), (5, 3000)])
def test_tiny_and_wide_data_get_a_suggestion(shape: tuple[int, int]) -> None:
    data = Dataset("tiny", "arrays", np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert plan(data, suggest_config(data), shape[1])


def test_a_little_of_the_input_is_masked_for_pictures_only() -> None:
    mnist = load_sample("mnist")
    suggested = suggest_config(mnist)
    assert [layer.corruption_level for layer in suggested.layers if layer.corruption == "masking"] == list(MASKED)
    as_numbers = dataclasses.replace(mnist, kind="arrays", image_shape=None)
    for other in (as_numbers, load_sample("digits"), load_sample("wine")):
        assert {layer.corruption for layer in suggest_config(other).layers} == {"none"}
