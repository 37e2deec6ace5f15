"""A point in training from which it can go on, as plain JSON and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sae_core.errors import ModelFileError
from sae_core.files import dump_json, dump_tensors, parse_json, parse_tensors

CHECKPOINT_KIND = "checkpoint"
CHECKPOINT_VERSION = 1


@dataclass(frozen=True)
class TrainingState:
    """Everything that the rest of training depends on, between two batches.

    Attributes:
        meta: JSON values: phase, epoch, batch, running sums, history, best validation loss.
        tensors: weights, optimiser, random generators, order of the epoch's rows, best weights.
    """

    meta: dict[str, Any]
    tensors: dict[str, NDArray[Any]]

    @property
    def is_finite(self) -> bool:
        """Whether training can go on from here: no weight, and nothing that moves weights, is NaN or infinite."""
        return all(np.isfinite(value).all() for value in self.tensors.values() if value.dtype.kind == "f")

    def to_files(self) -> dict[str, bytes]:
        """The files of a checkpoint, by name, without their manifest."""
        return {"checkpoint.json": dump_json(self.meta), "checkpoint.safetensors": dump_tensors(self.tensors)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> TrainingState:
        """A state from `to_files`.

        Raises:
            ModelFileError: parts are missing or damaged.
        """
        if "checkpoint.json" not in files or "checkpoint.safetensors" not in files:
            raise ModelFileError("This checkpoint is not complete. Start the run again.")
        meta = parse_json(files["checkpoint.json"], "checkpoint.json")
        return cls(meta, parse_tensors(files["checkpoint.safetensors"], "checkpoint.safetensors"))


def module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, NDArray[Any]]:
    """Copies of all weights and buffers of some modules, each under its module's prefix. Inverse: `load_modules`."""
    return {
        f"{prefix}.{name}": value.cpu().numpy().copy()
        for prefix, module in modules.items()
        for name, value in module.state_dict().items()
    }


def load_modules(modules: Mapping[str, nn.Module], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Put weights and buffers from `module_tensors` back.

    Raises:
        RuntimeError: something is missing, superfluous or of another shape.
    """
    for prefix, module in modules.items():
        own = {name: value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
        module.load_state_dict(
            {name.removeprefix(f"{prefix}."): torch.from_numpy(np.array(value)) for name, value in own.items()}
        )


def flatten(value: Any, name: str, tensors: dict[str, NDArray[Any]]) -> Any:
    """JSON for nested dicts, lists and numbers, with each tensor put aside under its path.

    The inverse is `unflatten`. Optimisers keep their state in such nests.
    """
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().numpy().copy()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, flatten(entry, f"{name}.{key}", tensors)] for key, entry in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [flatten(entry, f"{name}.{i}", tensors) for i, entry in enumerate(value)]}
    return {"value": value}


def unflatten(value: Any, tensors: Mapping[str, NDArray[Any]]) -> Any:
    """The inverse of `flatten`; tensors are on the CPU."""
    if "tensor" in value:
        return torch.from_numpy(np.array(tensors[value["tensor"]]))
    if "dict" in value:
        return {key: unflatten(entry, tensors) for key, entry in value["dict"]}
    if "list" in value:
        return [unflatten(entry, tensors) for entry in value["list"]]
    return value["value"]
