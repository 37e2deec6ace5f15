"""The scikit-learn face: a transformer and a classifier that fit into pipelines and searches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sae_core.config import Activation, Corruption, Device, LayerConfig, Pretraining, Scaling, StackConfig
from sae_core.data.dataset import Column, Dataset, Features, SplitOptions
from sae_core.errors import ConfigError, LabelError

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

FEWEST_STEPS = 500  # of a supervised phase whose epochs are left open: ten epochs of a small data set are a handful


class _StackEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: checking rows, and handing them to the engine."""

    layers: Sequence[int | LayerConfig]
    epochs: int
    batch_size: int
    validation_fraction: float
    activation: Activation
    learning_rate: float
    corruption: Corruption
    corruption_level: float
    pretraining: Pretraining
    unrolled_epochs: int
    early_stopping: int | None
    scaling: Scaling
    device: Device
    random_state: int | np.random.RandomState | None
    model_: TrainedStack

    def _config(self, **further: Any) -> StackConfig:
        if isinstance(self.layers, (str, bytes)) or not isinstance(self.layers, Sequence | np.ndarray):
            raise ConfigError(
                f"layers is a sequence such as (256, 64, 16), not {self.layers!r}. Give one entry a level."
            )
        layers = tuple(
            layer
            if isinstance(layer, LayerConfig)
            else LayerConfig(units=layer, corruption=self.corruption, corruption_level=self.corruption_level)
            for layer in self.layers
        )
        return StackConfig(
            layers=layers,
            epochs=self.epochs,
            batch_size=self.batch_size,
            activation=self.activation,
            learning_rate=self.learning_rate,
            pretraining=self.pretraining,
            unrolled_epochs=self.unrolled_epochs,
            early_stopping=self.early_stopping,
            scaling=self.scaling,
            device=self.device,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            **further,
        )

    def _dataset(self, X: NDArray[Any], labels: NDArray[Any] | None, seed: int) -> Dataset:
        if not 0 <= self.validation_fraction < 1:
            raise ConfigError(
                f"validation_fraction is a share of the rows, 0 to below 1, not {self.validation_fraction!r}. "
                "Choose e.g. 0.1."
            )
        features = self._features(X)
        names = features.columns if isinstance(features, pd.DataFrame) else ()
        return Dataset(
            name="rows given to fit",
            kind="table" if len(names) else "arrays",
            features=features,
            labels=labels,
            columns=tuple(Column(str(name), "numeric") for name in names),
            split_options=SplitOptions(validation=self.validation_fraction, test=0.0, seed=seed),
        )

    def _features(self, X: NDArray[Any]) -> Features:
        """Rows as the engine takes them: named columns stay named (and float64), bare arrays are float32."""
        names = getattr(self, "feature_names_in_", None)
        return X if names is None else pd.DataFrame(X, columns=[str(name) for name in names])

    def _checked(self, X: Any, *, reset: bool) -> NDArray[Any]:
        # Named columns keep float64, as tables do; a bare array is float32 from here on.
        named = hasattr(X, "columns") if reset else hasattr(self, "feature_names_in_")
        rows: NDArray[Any] = validate_data(self, X, reset=reset, dtype=np.float64 if named else np.float32)
        return rows if hasattr(self, "feature_names_in_") else rows.astype(np.float32, copy=False)

    def _raw(self, X: Any) -> Features:
        check_is_fitted(self)
        return self._features(self._checked(X, reset=False))


class StackedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _StackEstimator):  # type: ignore[misc]
    """A stacked autoencoder as a transformer: `transform` gives the code of a level, `inverse_transform` decodes it.

    Columns are scaled inside, so no StandardScaler is needed in front. A DataFrame keeps its column names in the model;
    rows of a bare array are kept as float32.

    Args:
        layers: units of each level from the input upwards, or `LayerConfig`s, which have settings of their own.
        epochs: of each level.
        batch_size: rows of a gradient step, at most the number of rows.
        validation_fraction: share of the rows, 0 to below 1, held out for the validation loss (and early stopping).
        level: whose code `transform` gives; None is the deepest, 0 the scaled input.
        activation, learning_rate, pretraining, unrolled_epochs, early_stopping, scaling, device: see `StackConfig`.
        corruption, corruption_level: of every level given as a number (denoising; Vincent et al. 2010).
        random_state: seed of weights, order, corruption and the held-out rows.

    Attributes:
        model_: the `TrainedStack`, which encodes, decodes, saves and exports.
        history_: DataFrame, one row for each epoch of each phase.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> StackedAutoencoder(layers=(4, 2), epochs=2, random_state=0).fit(X).transform(X).shape
    (150, 2)
    """

    def __init__(
        self,
        layers: Sequence[int | LayerConfig] = (256, 64, 16),
        *,
        epochs: int = 10,
        batch_size: int = 256,
        validation_fraction: float = 0.1,
        level: int | None = None,
        activation: Activation = "relu",
        learning_rate: float = 1e-3,
        corruption: Corruption = "none",
        corruption_level: float = 0.25,
        pretraining: Pretraining = "greedy",
        unrolled_epochs: int = 0,
        early_stopping: int | None = None,
        scaling: Scaling = "auto",
        device: Device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.layers = layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.level = level
        self.activation = activation
        self.learning_rate = learning_rate
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.pretraining = pretraining
        self.unrolled_epochs = unrolled_epochs
        self.early_stopping = early_stopping
        self.scaling = scaling
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the stack, level by level.

        Args:
            X: (n, n_features) finite numbers, array or DataFrame.
            y: ignored.

        Raises:
            ConfigError: settings that make no sense.
            DivergedError: the loss became NaN or infinite.
        """
        from sae_core.model.stack import check_level
        from sae_core.training.trainer import fit

        rows = self._checked(X, reset=True)
        config = self._config()
        check_level(self.level, len(config.layers))
        self.model_ = fit(self._dataset(rows, None, config.seed), config)
        self.history_ = self.model_.history
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Codes of the chosen level.

        Args:
            X: (n, n_features) numbers, array or DataFrame.

        Returns:
            (n, units of the level) float32.
        """
        raw = self._raw(X)
        return self.model_.encode(raw, self.level)

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
        """Decode codes of the chosen level.

        Args:
            X: (n, units of the level).

        Returns:
            (n, n_features), in the units of what `fit` was given.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=np.float32, input_name="X")
        return np.asarray(self.model_.decode(codes, self.level))

    def score(self, X: Any, y: Any = None) -> float:
        """How much of the rows' variance the reconstruction keeps (R squared), so that larger is better.

        Over all columns in the scale in which the stack was trained: 1 is perfect, 0 as good as giving every row the
        mean of X, and below that worse.

        Args:
            X: (n, n_features).
            y: ignored.
        """
        raw = self._raw(X)
        prepared = self.model_.prepare(raw).astype(np.float64)  # (n, n_inputs)
        level = self.model_.n_levels if self.level is None else self.level
        restored = self.model_.reconstruct_prepared(prepared.astype(np.float32), level)
        spread = float(((prepared - prepared.mean(axis=0)) ** 2).sum())
        error = float(((prepared - restored) ** 2).sum())
        return 1.0 - error / spread if spread > 0 else 1.0 if error == 0 else -math.inf

    @property
    def _n_features_out(self) -> int:
        return int(self.model_.width(self.model_.n_levels if self.level is None else self.level))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class StackedAutoencoderClassifier(ClassifierMixin, _StackEstimator):  # type: ignore[misc]
    """A stacked autoencoder with a softmax on top, pretrained level by level and then fine-tuned on the labels.

    Args:
        layers, epochs, batch_size, validation_fraction, activation, learning_rate, corruption, corruption_level,
            pretraining, unrolled_epochs, early_stopping, scaling, device, random_state: as in `StackedAutoencoder`.
        fine_tune_epochs: of the supervised phase; 0 leaves the codes as they were learned and trains only the softmax
            on them; None: 10, and for small data as many as give 500 gradient steps.
        fine_tune_learning_rate, fine_tune_dropout, label_smoothing: of that phase, see `StackConfig`.

    Attributes:
        classes_: (n_classes,) the labels, sorted.
        model_, history_, n_features_in_, feature_names_in_: as in `StackedAutoencoder`.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> StackedAutoencoderClassifier(layers=(8, 4), random_state=0).fit(X, y).score(X, y) > 0.8
    True
    """

    def __init__(
        self,
        layers: Sequence[int | LayerConfig] = (256, 64, 16),
        *,
        epochs: int = 10,
        batch_size: int = 256,
        validation_fraction: float = 0.1,
        activation: Activation = "relu",
        learning_rate: float = 1e-3,
        corruption: Corruption = "none",
        corruption_level: float = 0.25,
        pretraining: Pretraining = "greedy",
        unrolled_epochs: int = 0,
        fine_tune_epochs: int | None = None,
        fine_tune_learning_rate: float = 1e-3,
        fine_tune_dropout: float = 0.2,
        label_smoothing: float = 0.0,
        early_stopping: int | None = None,
        scaling: Scaling = "auto",
        device: Device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.layers = layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.activation = activation
        self.learning_rate = learning_rate
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.pretraining = pretraining
        self.unrolled_epochs = unrolled_epochs
        self.fine_tune_epochs = fine_tune_epochs
        self.fine_tune_learning_rate = fine_tune_learning_rate
        self.fine_tune_dropout = fine_tune_dropout
        self.label_smoothing = label_smoothing
        self.early_stopping = early_stopping
        self.scaling = scaling
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Pretrain the stack on the rows, then fine-tune it on their labels.

        Args:
            X: (n, n_features) finite numbers, array or DataFrame.
            y: (n,) labels, of any type that can be compared.

        Raises:
            LabelError: fewer than two classes.
            ConfigError: settings that make no sense.
            DivergedError: the loss became NaN or infinite.
        """
        from sae_core.training.trainer import fit

        rows = self._checked(X, reset=True)
        y = self._checked_labels(y, len(rows))
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise LabelError(
                "All rows have one class, so there is nothing to tell apart. Give rows of at least two classes."
            )
        steps_per_epoch = max(1, len(rows) // max(1, self.batch_size))
        epochs = max(10, FEWEST_STEPS // steps_per_epoch) if self.fine_tune_epochs is None else self.fine_tune_epochs
        config = self._config(
            fine_tune_epochs=epochs,
            softmax_epochs=max(20, FEWEST_STEPS // steps_per_epoch) if epochs == 0 else 0,
            fine_tune_learning_rate=self.fine_tune_learning_rate,
            fine_tune_dropout=self.fine_tune_dropout,
            label_smoothing=self.label_smoothing,
        )
        self.model_ = fit(self._dataset(rows, _engine_labels(y), config.seed), config)
        self.history_ = self.model_.history
        return self

    def _checked_labels(self, y: Any, n: int) -> NDArray[Any]:
        if y is None:
            raise LabelError("This classifier requires y to be passed, but the target y is None. Give one label a row.")
        labels: NDArray[Any] = column_or_1d(y, warn=True)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        check_consistent_length(np.empty(n), labels)
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class.

        Args:
            X: (n, n_features).

        Returns:
            (n, n_classes) in the order of `classes_`; each row sums to 1.
        """
        raw = self._raw(X)
        columns = [self.model_.classes.index(label) for label in _engine_labels(self.classes_).tolist()]
        probabilities = self.model_.predict_proba(raw)[:, columns].astype(np.float64)
        normalised: NDArray[np.float64] = probabilities / probabilities.sum(axis=1, keepdims=True)
        return normalised

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,), as `y` was given."""
        check_is_fitted(self)
        best: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return best


def _engine_labels(y: NDArray[Any]) -> NDArray[np.int64] | NDArray[np.object_]:
    """Whole numbers stay numbers; everything else is told apart by how it is written."""
    if np.issubdtype(y.dtype, np.integer):
        return y.astype(np.int64)
    return np.array([str(value) for value in y.tolist()], dtype=object)
