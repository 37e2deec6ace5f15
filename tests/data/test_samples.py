"""The samples are what they are said to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

import sae_core as sae
from sae_core.data.samples import SAMPLES, load_sample, sample_info, sample_names


def test_names() -> None:
    assert sample_names() == ("mnist", "digits", "breast_cancer", "wine", "iris")


def test_mnist() -> None:
    data = load_sample("mnist")
    assert data.features.shape == (20_000, 784)
    assert data.features.dtype == np.float32
    assert data.image_shape == (28, 28, 1)
    assert (data.features.min(), data.features.max()) == (0, 1)
    assert data.y is not None
    assert data.y.dtype == np.int64
    assert data.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # the well-known first digits of the training set
    assert data.y[10_000:10_010].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]  # and of the test set
    split = data.split
    assert (len(split.train), len(split.validation), len(split.test)) == (8_000, 2_000, 10_000)
    assert split.test.tolist() == list(range(10_000, 20_000))
    assert "CC BY-SA 3.0" in data.source


def test_mnist_is_shown_upright() -> None:
    # Row 2 of the test set is a one: a thin upright stroke, so it is taller than wide.
    one = load_sample("mnist").features[10_002].reshape(28, 28) > 0.5
    assert np.ptp(np.flatnonzero(one.any(axis=1))) > 2 * np.ptp(np.flatnonzero(one.any(axis=0)))


def test_digits() -> None:
    data = load_sample("digits")
    bunch = datasets.load_digits()
    assert data.image_shape == (8, 8, 1)
    np.testing.assert_allclose(np.asarray(data.features) * 16, bunch.data)
    assert data.y is not None
    np.testing.assert_array_equal(data.y, bunch.target)


@pytest.mark.parametrize(
    ("name", "loader"),
    [("breast_cancer", datasets.load_breast_cancer), ("wine", datasets.load_wine), ("iris", datasets.load_iris)],
)
def test_tables(name: str, loader) -> None:  # type: ignore[no-untyped-def]
    data = load_sample(name)
    bunch = loader()
    assert data.kind == "table"
    assert isinstance(data.features, pd.DataFrame)
    assert list(data.features.columns) == list(bunch.feature_names)
    assert [column.name for column in data.columns] == list(bunch.feature_names)
    np.testing.assert_array_equal(data.features.to_numpy(), bunch.data)
    assert data.y is not None
    assert data.y.tolist() == [str(bunch.target_names[code]) for code in bunch.target]


@pytest.mark.parametrize("info", SAMPLES, ids=lambda info: info.name)
def test_the_record_says_what_is_loaded(info) -> None:  # type: ignore[no-untyped-def]
    data = load_sample(info.name)
    assert len(data) == info.rows
    assert data.name == info.title
    assert info.licence in data.source
    assert info.description.endswith(".")


@pytest.mark.parametrize(("wrong", "meant"), [("minst", "mnist"), ("Breast Cancer", "breast_cancer"), ("IRIS", "iris")])
def test_unknown_name_guesses_what_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(
        sae.SaeError, match=rf"no sample named '{wrong}'. Did you mean '{meant}'\? The samples are 'mnist'"
    ):
        load_sample(wrong)


def test_unknown_name_without_a_guess() -> None:
    with pytest.raises(sae.SaeError, match=r"no sample named 'zzz'\. The samples are"):
        sample_info("zzz")
