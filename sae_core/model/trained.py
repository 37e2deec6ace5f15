"""A trained stack with its preparation: what the user takes away."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from sae_core.config import Kind, LayerConfig, StackConfig
from sae_core.data.dataset import Dataset, Features
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError, LabelError, LevelError, ModelFileError, ShapeError
from sae_core.files import dump_json, dump_tensors, parse_json, parse_tensors, read_folder, write_folder
from sae_core.model.loading import checked_sizes, fill, read_history
from sae_core.model.stack import Stack, check_level

MODEL_KIND = "stacked autoencoder"
MODEL_VERSION = 1
ROWS_AT_ONCE = 4096  # of one pass: keeps the widest activation of a large data set out of memory

Raw: TypeAlias = Dataset | pd.DataFrame | ArrayLike


class TrainedStack:
    """Encoders, decoders and classifiers of every level, in the user's own columns or pixels.

    The autoencoders stay as pretraining (and unrolled fine-tuning) left them; supervised fine-tuning works on a copy
    of the encoders, so that codes before and after it can be compared. Several threads may call its methods at once.

    Attributes:
        config: how it was trained.
        preparation: fitted on the training split.
        network: the stack of autoencoders.
        classes: labels as the user wrote them; () without labels.
        heads: softmax classifier for each level whose frozen code has one; level 0 is the prepared input.
        fine_tuned: the encoders after supervised fine-tuning, or None.
        fine_tuned_head: their softmax classifier, or None.
        history: one row an epoch; columns are the fields of `sae_core.training.events.HistoryRow`.
        name: of the data set it was trained on.
    """

    def __init__(
        self,
        config: StackConfig,
        preparation: Preparation,
        network: Stack,
        *,
        classes: Sequence[int | str] = (),
        heads: Mapping[int, nn.Linear] | None = None,
        fine_tuned: Stack | None = None,
        fine_tuned_head: nn.Linear | None = None,
        history: pd.DataFrame | None = None,
        name: str = "",
    ) -> None:
        self.config = config
        self.preparation = preparation
        self.network = network.eval()
        self.classes = tuple(classes)
        self.heads = dict(heads or {})
        self.fine_tuned = fine_tuned.eval() if fine_tuned else None
        self.fine_tuned_head = fine_tuned_head
        self.history = pd.DataFrame() if history is None else history
        self.name = name

    @property
    def n_levels(self) -> int:
        """Number of autoencoders."""
        return self.network.n_levels

    @property
    def units(self) -> tuple[int, ...]:
        """Units of levels 1 .. n_levels."""
        return self.config.units

    def width(self, level: int) -> int:
        """Width of a level's code; level 0 is the prepared input."""
        return (self.preparation.n_inputs, *self.units)[check_level(level, self.n_levels)]

    def level_config(self, level: int) -> LayerConfig:
        """Resolved settings of a level, 1 .. n_levels."""
        return self.config.level(check_level(level, self.n_levels, lowest=1))

    @property
    def is_classifier(self) -> bool:
        """Whether it can predict labels."""
        return self.fine_tuned_head is not None or bool(self.heads)

    @property
    def is_fine_tuned(self) -> bool:
        """Whether the whole stack was fine-tuned with labels."""
        return self.fine_tuned is not None

    @property
    def softmax_levels(self) -> tuple[int, ...]:
        """Levels whose frozen code has a softmax classifier."""
        return tuple(sorted(self.heads))

    def prepare(self, raw: Raw) -> NDArray[np.float32]:
        """Rows in the user's units -> (n, n_inputs) float32, level 0.

        Raises:
            ShapeError: columns or pixels are missing.
        """
        return self.preparation.transform(raw)

    def encode(self, raw: Raw, level: int | None = None, *, fine_tuned: bool = False) -> NDArray[np.float32]:
        """Codes of one level.

        Args:
            raw: a Dataset, or anything of the form of `Dataset.features`.
            level: 0 (the prepared input) .. n_levels; None: the deepest.
            fine_tuned: use the encoders after supervised fine-tuning.

        Returns:
            (n, units of the level) float32.

        Raises:
            ShapeError: columns or pixels are missing; LevelError: no such level; LabelError: not fine-tuned.
        """
        return self.encode_prepared(self.prepare(raw), level, fine_tuned=fine_tuned)

    def encode_prepared(
        self, x: NDArray[np.float32], level: int | None = None, *, start: int = 0, fine_tuned: bool = False
    ) -> NDArray[np.float32]:
        """Codes of rows that are prepared already, or of codes of level `start`: (n, width of start) -> (n, units)."""
        level = check_level(level, self.n_levels, lowest=check_level(start, self.n_levels))
        network = self._fine_tuned_stack() if fine_tuned else self.network
        return in_chunks(
            lambda rows: network.encode(rows, level, start=start), self._checked(x, start), self.width(level)
        )

    def decode(self, codes: ArrayLike, level: int | None = None) -> Features:
        """Codes of one level, decoded down to the form and units of `Dataset.features`.

        Args:
            codes: (n, units of the level).
            level: 0 .. n_levels; None: the deepest.
        """
        level = check_level(level, self.n_levels)
        return self.preparation.inverse_transform(self.decode_prepared(np.asarray(codes, dtype=np.float32), level))

    def decode_prepared(self, codes: NDArray[np.float32], level: int | None = None) -> NDArray[np.float32]:
        """Codes of one level, decoded down to the prepared scale: (n, units) -> (n, n_inputs)."""
        level = check_level(level, self.n_levels)
        return in_chunks(lambda rows: self.network.decode(rows, level), self._checked(codes, level), self.width(0))

    def reconstruct(self, raw: Raw, level: int | None = None) -> Features:
        """Rows encoded to one level and decoded back, in the form and units of `Dataset.features`."""
        return self.preparation.inverse_transform(self.reconstruct_prepared(self.prepare(raw), level))

    def reconstruct_prepared(self, x: NDArray[np.float32], level: int | None = None) -> NDArray[np.float32]:
        """Prepared rows encoded to one level and decoded back: (n, n_inputs) -> (n, n_inputs)."""
        level = check_level(level, self.n_levels)

        def there_and_back(rows: Tensor) -> Tensor:
            return self.network.decode(self.network.encode(rows, level), level)

        return in_chunks(there_and_back, self._checked(x, 0), self.width(0))

    def predict_proba(self, raw: Raw, *, level: int | None = None) -> NDArray[np.float32]:
        """Class probabilities.

        Args:
            raw: a Dataset, or anything of the form of `Dataset.features`.
            level: softmax on the frozen code of this level (0 is the prepared input). None: the fine-tuned stack, or
                the deepest softmax where there was no fine-tuning.

        Returns:
            (n, len(classes)) float32; each row sums to 1; columns in the order of `classes`.

        Raises:
            LabelError: the model was trained without labels, or that level has no classifier.
        """
        return self.predict_proba_prepared(self.prepare(raw), level=level)

    def predict_proba_prepared(self, x: NDArray[np.float32], *, level: int | None = None) -> NDArray[np.float32]:
        """Class probabilities of rows that are prepared already: (n, n_inputs) -> (n, classes)."""
        network, head, depth = self.classifier(level)

        def classify(rows: Tensor) -> Tensor:
            return torch.softmax(head(network.encode(rows, depth)), dim=1)

        return in_chunks(classify, self._checked(x, 0), len(self.classes))

    def predict(self, raw: Raw, *, level: int | None = None) -> NDArray[Any]:
        """(n,) the most probable label of each row, as the user wrote it. Arguments as of `predict_proba`."""
        best = self.predict_proba(raw, level=level).argmax(axis=1)
        numbers = all(isinstance(name, int) for name in self.classes)
        names: NDArray[Any] = np.array(self.classes, dtype=np.int64 if numbers else object)
        labels: NDArray[Any] = names[best]
        return labels

    def encoder_weights(
        self, level: int, *, fine_tuned: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(width below, units) weights and (units,) biases of a dense level's encoder.

        Raises:
            LevelError: no such level, or it is a convolution, which has `kernels`.
        """
        network = self._fine_tuned_stack() if fine_tuned else self.network
        encoder = network.autoencoder(self._of_kind(level, "dense")).encoder
        return encoder.weight.detach().numpy().T.copy(), encoder.bias.detach().numpy().copy()

    def decoder_weights(self, level: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(units, width below) weights and (width below,) biases of a dense level's decoder; raises likewise."""
        decoder = self.network.autoencoder(self._of_kind(level, "dense")).decoder
        return decoder.weight.detach().numpy().T.copy(), decoder.bias.detach().numpy().copy()

    def kernels(self, level: int, *, fine_tuned: bool = False) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(channels, side, side, channels below) weights and (channels,) biases of a convolution's encoder.

        Raises:
            LevelError: no such level, or it is dense.
        """
        network = self._fine_tuned_stack() if fine_tuned else self.network
        encoder = network.autoencoder(self._of_kind(level, "convolution")).encoder
        weight: NDArray[np.float32] = encoder.weight.detach().numpy().transpose(0, 2, 3, 1)
        return weight.copy(), encoder.bias.detach().numpy().copy()

    def code_shape(self, level: int) -> tuple[int, int, int] | None:
        """(height, width, channels) where a level's code is a picture (pictures, codes of convolutions), else None."""
        if check_level(level, self.n_levels) == 0:
            return self.preparation.image_shape
        return self.level_config(level).code_shape

    def _of_kind(self, level: int, kind: Kind) -> int:
        layer = self.level_config(level)
        if layer.kind != kind:
            words = {"dense": "no convolution: it has encoder_weights", "convolution": "a convolution: it has kernels"}
            raise LevelError(f"Level {level} is {words[layer.kind]}. Ask for these instead.")
        return level

    def save(self, folder: str | Path) -> Path:
        """Write the model as a folder of safetensors, JSON and a manifest; `load_model` reads it.

        Raises:
            StorageError: it could not be written; what stood there before is untouched.
        """
        folder = Path(folder)
        write_folder(folder, self.to_files(), kind=MODEL_KIND, version=MODEL_VERSION)
        return folder

    def to_files(self) -> dict[str, bytes]:
        """The files of a saved model, by name, without their manifest."""
        description = {
            "config": parse_json(self.config.to_json().encode(), "config"),
            "preparation": self.preparation.to_json(),
            "classes": list(self.classes),
            "softmax_levels": list(self.softmax_levels),
            "fine_tuned": self.is_fine_tuned,
            "name": self.name,
        }
        history = [
            {key: None if value != value else value for key, value in row.items()}
            for row in self.history.to_dict("records")
        ]
        weights = {name: value.detach().cpu().numpy() for name, value in self._tensors().items()}
        return {
            "model.json": dump_json(description),
            "weights.safetensors": dump_tensors(weights),
            "history.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in history),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> TrainedStack:
        """A model from `to_files`, each part checked against the others.

        Raises:
            ModelFileError: parts are missing, disagree, or hold NaN.
        """
        for name in ("model.json", "weights.safetensors"):
            if name not in files:
                raise ModelFileError(f"{name} is missing from this model. Use the folder or bundle as it was saved.")
        description = parse_json(files["model.json"], "model.json")
        try:
            config = StackConfig(**description["config"])
            classes = tuple(description["classes"])
            levels = [int(level) for level in description["softmax_levels"]]
            has_fine_tuned, name = bool(description["fine_tuned"]), str(description.get("name", ""))
            preparation_json = description["preparation"]
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ModelFileError(
                f"model.json does not describe a stack that this version knows ({error}). Save it again."
            ) from None
        if any(isinstance(value, bool) or not isinstance(value, int | str) for value in classes):
            raise ModelFileError(
                "model.json has classes that are neither words nor whole numbers. Save the model again."
            )
        preparation = Preparation.from_json(preparation_json)
        tensors = parse_tensors(files["weights.safetensors"], "weights.safetensors")
        config = checked_sizes(config, preparation, tensors)
        network = Stack(preparation.n_inputs, config, torch.Generator())
        if any(not 0 <= level <= network.n_levels for level in levels):
            raise ModelFileError("model.json names a level that its stack does not have. Use the original file.")
        model = cls(
            config,
            preparation,
            network,
            classes=classes,
            heads={level: new_head((preparation.n_inputs, *config.units)[level], len(classes)) for level in levels},
            fine_tuned=copy.deepcopy(network) if has_fine_tuned else None,
            fine_tuned_head=new_head(config.units[-1], len(classes)) if has_fine_tuned else None,
            history=read_history(files.get("history.jsonl", b"")),
            name=name,
        )
        fill(model._tensors(), tensors)
        return model

    def _tensors(self) -> dict[str, Tensor]:
        """Every weight by its name in the file. The fine-tuned stack has encoders only."""
        named = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for level, head in self.heads.items():
            named |= {f"softmax.{level}.{name}": value for name, value in head.state_dict().items()}
        if self.fine_tuned is not None and self.fine_tuned_head is not None:
            encoders = {name: value for name, value in self.fine_tuned.state_dict().items() if ".encoder." in name}
            named |= {f"fine_tuned.{name}": value for name, value in encoders.items()}
            named |= {f"fine_tuned.softmax.{name}": value for name, value in self.fine_tuned_head.state_dict().items()}
        return named

    def _fine_tuned_stack(self) -> Stack:
        if self.fine_tuned is None:
            raise LabelError(
                "This stack was not fine-tuned with labels. Train it on data with labels and fine-tuning epochs."
            )
        return self.fine_tuned

    def classifier(self, level: int | None = None) -> tuple[Stack, nn.Linear, int]:
        """The encoders, the softmax's linear part and the level that `predict_proba` uses; `level` as there.

        Raises:
            LabelError: there is no such classifier.
        """
        if not self.is_classifier:
            raise LabelError(
                "This stack was trained without labels, so it predicts none. Choose a label column and train again."
            )
        if level is None and self.fine_tuned is not None and self.fine_tuned_head is not None:
            return self.fine_tuned, self.fine_tuned_head, self.n_levels
        depth = max(self.heads) if level is None else check_level(level, self.n_levels)
        if depth not in self.heads:
            raise LabelError(f"Level {depth} has no softmax classifier. Train with softmax epochs above 0.")
        return self.network, self.heads[depth], depth

    def _checked(self, x: NDArray[np.float32], level: int) -> NDArray[np.float32]:
        x = np.ascontiguousarray(x, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.width(level):
            raise ShapeError(
                f"Level {level} has {self.width(level)} values a row; these rows have the shape {x.shape}."
            )
        return x


def load_model(folder: str | Path) -> TrainedStack:
    """Read a model that `TrainedStack.save` wrote. Nothing in the files is executed.

    Raises:
        ModelFileError: a file is missing, damaged, altered, or from another model.
        VersionError: written by a newer version.
    """
    return TrainedStack.from_files(read_folder(Path(folder), kind=MODEL_KIND, version=MODEL_VERSION))


def new_head(inputs: int, classes: int) -> nn.Linear:
    """A softmax classifier's linear part, all zero: it starts from equal probabilities."""
    head = nn.Linear(inputs, classes, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    return head


def in_chunks(function: Callable[[Tensor], Tensor], x: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Apply a function of row batches to all rows, without gradients: (n, d) -> (n, width) float32."""
    out = np.empty((len(x), width), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(x), ROWS_AT_ONCE):
            rows = torch.from_numpy(x[start : start + ROWS_AT_ONCE])
            out[start : start + ROWS_AT_ONCE] = function(rows).numpy()
    return out
