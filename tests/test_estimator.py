"""The scikit-learn face: its conventions, and that it is the engine underneath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import sae_core as sae
from sae_core.errors import ConfigError, LabelError, LevelError, SaeError

ESTIMATORS = [
    sae.StackedAutoencoder(layers=(4, 2), epochs=2, random_state=0),
    sae.StackedAutoencoderClassifier(
        layers=(8, 4), epochs=2, fine_tune_epochs=60, fine_tune_learning_rate=0.03, random_state=0
    ),
]


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


# Every check passes and none is expected to fail. The one on the array API skips itself unless SCIPY_ARRAY_API is set.
# scikit-learn warns of what its own checks pass in on purpose (column vectors as y, names that are missing).
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::sklearn.exceptions.SkipTestWarning"
)
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_conventions(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_transforms_and_decodes(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    encoder = sae.StackedAutoencoder(layers=(16, 3), epochs=60, batch_size=16, learning_rate=0.01, random_state=0).fit(
        X
    )
    codes = encoder.transform(X)
    assert codes.shape == (150, 3)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, encoder.model_.encode(X))
    back = encoder.inverse_transform(codes)
    assert back.shape == X.shape
    assert np.abs(back - X).mean() < 0.35  # centimetres; the columns vary by 0.4 to 1.8
    assert 0.8 < encoder.score(X) <= 1


def test_score_is_the_share_of_variance_that_is_kept(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    encoder = sae.StackedAutoencoder(layers=(3,), epochs=3, random_state=0).fit(X)
    prepared = encoder.model_.prepare(X.astype(np.float32)).astype(np.float64)
    restored = encoder.model_.reconstruct_prepared(prepared.astype(np.float32))
    expected = 1 - ((prepared - restored) ** 2).sum() / ((prepared - prepared.mean(axis=0)) ** 2).sum()
    assert encoder.score(X) == pytest.approx(expected)


def test_score_of_rows_without_spread(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    encoder = sae.StackedAutoencoder(layers=(3,), epochs=1, random_state=0).fit(X)
    assert encoder.score(X[:1]) == -np.inf


def test_a_level_of_ones_choice(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    encoder = sae.StackedAutoencoder(layers=(5, 2), epochs=1, level=1, random_state=0).fit(X)
    assert encoder.transform(X).shape == (150, 5)
    assert list(encoder.get_feature_names_out()) == [f"stackedautoencoder{i}" for i in range(5)]
    assert encoder.set_output(transform="pandas").transform(X).shape == (150, 5)
    with pytest.raises(LevelError, match="levels 0 to 2"):
        sae.StackedAutoencoder(layers=(5, 2), level=3).fit(X)


def test_the_same_seed_gives_the_same_codes(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    first, second, other = (
        sae.StackedAutoencoder(layers=(3,), epochs=2, random_state=seed).fit_transform(X) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_named_columns_stay_named_and_keep_their_precision() -> None:
    rng = np.random.default_rng(0)
    stamps = 1.7e9 + rng.uniform(0, 10, size=200)  # float32 would round these to 128
    frame = pd.DataFrame({"stamp": stamps, "width": rng.normal(size=200)})
    encoder = sae.StackedAutoencoder(layers=(4, 2), epochs=2, random_state=0).fit(frame)
    assert encoder.model_.preparation.feature_names_in == ("stamp", "width")
    assert len(np.unique(encoder.model_.prepare(frame)[:, 0])) == 200
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        codes = encoder.transform(frame.to_numpy())
    np.testing.assert_array_equal(codes, encoder.transform(frame))


def test_layers_with_settings_of_their_own(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, _ = iris
    layers = (sae.LayerConfig(units=6, activation="sigmoid", tied=True), 2)
    encoder = clone(sae.StackedAutoencoder(layers=layers, corruption="masking", corruption_level=0.1, epochs=1)).fit(X)
    assert encoder.model_.level_config(1).activation == "sigmoid"
    assert encoder.model_.level_config(1).corruption == "none"
    assert encoder.model_.level_config(2).corruption == "masking"


def test_classifies_labels_of_any_kind(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = iris
    for labels in (y, y.astype(np.float64), load_iris().target_names[y], y > 0, y * 5 + 7):
        classifier = sae.StackedAutoencoderClassifier(layers=(8,), epochs=2, random_state=0).fit(X, labels)
        np.testing.assert_array_equal(classifier.classes_, np.unique(labels))
        assert classifier.score(X, labels) > 0.85
        assert classifier.predict(X).dtype == np.asarray(labels).dtype
        probabilities = classifier.predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(X))


def test_the_frozen_code_can_be_classified_too(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = iris
    classifier = sae.StackedAutoencoderClassifier(layers=(8,), epochs=10, fine_tune_epochs=0, random_state=0).fit(X, y)
    assert not classifier.model_.is_fine_tuned
    assert classifier.score(X, y) > 0.7


def test_pipeline_search_and_cross_validation(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = iris
    encoder = sae.StackedAutoencoder(layers=(8, 4), epochs=3, batch_size=16, learning_rate=0.01, random_state=0)
    assert cross_val_score(make_pipeline(StandardScaler(), encoder, SVC()), X, y, cv=3).mean() > 0.7
    search = GridSearchCV(encoder, {"layers": [(8,), (2,)], "epochs": [0, 20]}, cv=2).fit(X)
    assert search.best_params_ == {"layers": (8,), "epochs": 20}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": "256"}, "sequence"),
        ({"layers": ()}, "layers"),
        ({"layers": (0,)}, "units"),
        ({"layers": (2.5,)}, "units"),
        ({"activation": "swish"}, "activation"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"epochs": -1}, "epochs"),
    ],
)
def test_settings_that_make_no_sense(
    settings: dict[str, Any], message: str, iris: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        sae.StackedAutoencoder(**settings).fit(iris[0])
    assert isinstance(caught.value, ValueError)


def test_one_class_is_nothing_to_tell_apart(iris: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(LabelError, match="one class"):
        sae.StackedAutoencoderClassifier().fit(iris[0], np.ones(150, dtype=int))
    with pytest.raises(LabelError, match="y is None"):
        sae.StackedAutoencoderClassifier().fit(iris[0], None)


def test_before_fit() -> None:
    for call in (lambda e: e.transform([[1.0]]), lambda e: e.inverse_transform([[1.0]]), lambda e: e.score([[1.0]])):
        with pytest.raises(NotFittedError):
            call(sae.StackedAutoencoder())


def test_a_fitted_estimator_is_saved_as_a_model(iris: tuple[np.ndarray, np.ndarray], tmp_path: Any) -> None:
    X, y = iris
    classifier = sae.StackedAutoencoderClassifier(layers=(4,), epochs=1, random_state=0).fit(X, y)
    model = sae.load_model(classifier.model_.save(tmp_path / "model"))
    np.testing.assert_array_equal(model.predict(X), classifier.predict(X))


def test_codes_of_another_width_are_refused(iris: tuple[np.ndarray, np.ndarray]) -> None:
    encoder = sae.StackedAutoencoder(layers=(3,), epochs=1).fit(iris[0])
    with pytest.raises(SaeError, match="3 values a row"):
        encoder.inverse_transform(np.zeros((2, 4)))
