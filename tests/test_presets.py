"""Presets: what their sources say, which data they fit, and that they train."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import sae_core as sae
from sae_core.data.dataset import Dataset
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError
from sae_core.presets import BEST_KNOWN, presets
from sae_core.training.plan import check, suggest_config


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return sae.load_sample("mnist")


@pytest.fixture(scope="module")
def measurements() -> Dataset:
    """Rows of 120 numbers that do not lie in 0..1."""
    x = np.random.default_rng(0).normal(size=(60, 120)).astype(np.float32)
    return Dataset("measurements", "arrays", x, labels=np.repeat([0, 1, 2], 20).astype(np.int64))


def test_the_published_sizes(mnist: Dataset) -> None:
    assert {preset.name: preset.config.units for preset in presets(mnist) if preset.name != BEST_KNOWN} == {
        "vincent-2010-sae-3": (1000, 1000, 1000),
        "vincent-2010-sdae-3": (1000, 1000, 1000),
        "hinton-2006": (1000, 500, 250, 30),
        "ufldl": (200, 200),
        "matlab": (100, 50),
        "masci-2011": (14 * 14 * 16, 7 * 7 * 24, 128),
    }


def test_the_published_penalties(mnist: Dataset) -> None:
    first, second = sae.preset(mnist, "matlab").config.layers
    assert [(level.l2, level.sparsity_weight, level.sparsity_target) for level in (first, second)] == [
        (0.004, 4, 0.15),
        (0.002, 4, 0.1),
    ]
    denoising = sae.preset(mnist, "vincent-2010-sdae-3").config.layers
    assert all((level.corruption, level.corruption_level) == ("masking", 0.25) for level in denoising)
    assert all(level.corruption == "none" for level in sae.preset(mnist, "vincent-2010-sae-3").config.layers)
    assert [level.activation for level in sae.preset(mnist, "hinton-2006").config.layers][-1] == "linear"
    # UFLDL: half the squared error, so lambda 3e-3 and beta 3 are twice as large against the whole of it
    sparse = sae.preset(mnist, "ufldl").config.layers[0]
    assert (sparse.l2 / 2, sparse.sparsity_weight / 2, sparse.sparsity_target) == (3e-3, 3, 0.1)


def test_narrow_data_gets_no_wide_presets() -> None:
    assert sae.preset_names(sae.load_sample("iris")) == (BEST_KNOWN,)
    with pytest.raises(ConfigError, match="does not fit this data set"):
        sae.preset(sae.load_sample("iris"), "hinton-2006")


def test_convolutions_are_for_pictures_of_their_size(mnist: Dataset, measurements: Dataset) -> None:
    assert "masci-2011" not in sae.preset_names(measurements)
    large = Dataset("large", "images", np.zeros((30, 128 * 128), np.float32), image_shape=(128, 128, 1))
    assert "masci-2011" in sae.preset_names(mnist)
    assert "masci-2011" not in sae.preset_names(large)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"not known\. Choose one of best-known, hinton-2006"):
        sae.preset(sae.load_sample("digits"), "sae-4")


@pytest.mark.parametrize("name", ["vincent-2010-sae-3", "vincent-2010-sdae-3", "hinton-2006", "ufldl", "matlab"])
@pytest.mark.parametrize("kind", ["mnist", "measurements"])
def test_each_fits_bounded_and_unbounded_data(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    data: Dataset = request.getfixturevalue(kind)
    config = sae.preset(data, name).config
    check(data, config, Preparation.fit(data))
    bounded = kind == "mnist"
    assert (config.level(1).loss == "binary_cross_entropy") == (bounded and name not in ("ufldl", "matlab"))


def test_presets_train(measurements: Dataset) -> None:
    for preset in presets(measurements):
        layers = tuple(level.replace(units=4, epochs=1) for level in preset.config.layers)
        quick = preset.config.replace(
            layers=layers, epochs=1, unrolled_epochs=1, softmax_epochs=1, fine_tune_epochs=1, early_stopping=None
        )
        assert np.isfinite(sae.fit(measurements, quick).history.train_loss).all(), preset.name


def test_the_best_known_suits_the_data(mnist: Dataset, measurements: Dataset) -> None:
    config = sae.preset(mnist, BEST_KNOWN).config
    assert [level.kind for level in config.layers] == ["convolution", "convolution", "dense"]
    check(mnist, config.fitted(mnist.image_shape), Preparation.fit(mnist))
    bare = dataclasses.replace(mnist, labels=None)
    assert sae.preset_names(bare) == sae.preset_names(mnist)
    for other in (measurements, sae.load_sample("digits"), sae.load_sample("iris")):
        assert sae.preset(other, BEST_KNOWN).config == suggest_config(other)


@pytest.mark.parametrize("shape", [(12, 12, 1), (64, 64, 3), (65, 64, 3), (300, 20, 1)])
def test_the_best_known_of_pictures_of_any_size_fits_the_limits(shape: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).random((20, int(np.prod(shape))), dtype=np.float32)
    pictures = Dataset("pictures", "images", x, labels=np.arange(20) % 2, image_shape=shape)
    config = sae.preset(pictures, BEST_KNOWN).config
    check(pictures, config.fitted(shape), Preparation.fit(pictures))
