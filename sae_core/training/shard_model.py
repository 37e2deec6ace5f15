"""The weights of a training on shards: as a model, in a checkpoint, and back."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sae_core.config import StackConfig
from sae_core.data.preparation import Preparation
from sae_core.errors import ModelFileError
from sae_core.model.stack import Stack
from sae_core.model.trained import TrainedStack, new_head
from sae_core.training.events import HistoryRow, Phase
from sae_core.training.history import history_frame, row_from_json, row_to_json
from sae_core.training.objective import FineTunedClassifier
from sae_core.training.state import TrainingState, flatten, load_modules, module_tensors, unflatten


class ShardModel:
    """Stack, classifiers and history of one training.

    Attributes:
        network, heads, classifier: on the device that trains.
        history: epochs so far.
    """

    def __init__(
        self,
        config: StackConfig,
        preparation: Preparation,
        classes: tuple[int | str, ...],
        name: str,
        device: torch.device,
    ) -> None:
        self.config, self.preparation, self.classes, self.name = config, preparation, classes, name
        self.device = device
        self.network = Stack(preparation.n_inputs, config, torch.Generator().manual_seed(config.seed)).to(device)
        self.heads: dict[int, nn.Linear] = {}
        self.classifier: FineTunedClassifier | None = None
        self.history: list[HistoryRow] = []

    def width(self, level: int) -> int:
        """Values of a row at a level."""
        return (self.preparation.n_inputs, *self.config.units)[level]

    def head(self, level: int) -> nn.Linear:
        """The softmax on the codes of a level."""
        if level not in self.heads:
            self.heads[level] = new_head(self.width(level), len(self.classes)).to(self.device)
        return self.heads[level]

    def fine_tuned(self) -> FineTunedClassifier:
        """The stack that is fine-tuned with its softmax; a copy of the pretrained one at first."""
        if self.classifier is None:
            self.classifier = FineTunedClassifier(self.network, self.head(self.network.n_levels))
        return self.classifier

    def trained(self) -> TrainedStack:
        """The model as it stands, on the CPU."""
        classifier = self.classifier
        return TrainedStack(
            self.config,
            self.preparation,
            copy.deepcopy(self.network).cpu(),
            classes=self.classes if self.heads or classifier else (),
            heads={level: copy.deepcopy(head).cpu() for level, head in self.heads.items()},
            fine_tuned=copy.deepcopy(classifier.stack).cpu() if classifier else None,
            fine_tuned_head=copy.deepcopy(classifier.head).cpu() if classifier else None,
            history=history_frame(self.history),
            name=self.name,
        )

    def trained_so_far(self, phases: Sequence[Phase], done: int) -> TrainedStack | None:
        """The levels that are trained after so many phases; None while there is none."""
        greedy = [phase for phase in phases if phase.kind == "pretrain"]
        complete = [phase for phase in greedy if phase.index < done]
        if len(complete) == len(greedy):
            return self.trained() if done else None
        if not complete:
            return None
        config = self.config.replace(layers=self.config.layers[: complete[-1].level])
        network = Stack(self.preparation.n_inputs, config, torch.Generator())
        wanted = network.state_dict()
        network.load_state_dict(
            {name: value.cpu() for name, value in self.network.state_dict().items() if name in wanted}
        )
        return TrainedStack(config, self.preparation, network, history=history_frame(self.history), name=self.name)

    def state(self, optimiser: torch.optim.Optimizer | None, **meta: Any) -> TrainingState:
        """A checkpoint. meta: JSON values besides."""
        tensors: dict[str, np.ndarray[Any, Any]] = {}
        meta |= {
            "softmax": sorted(self.heads),
            "fine_tuned": self.classifier is not None,
            "history": [row_to_json(row) for row in self.history],
        }
        if optimiser is not None:
            meta["optimiser"] = flatten(optimiser.state_dict(), "optimiser", tensors)
        return TrainingState(meta, tensors | module_tensors(self._modules()))

    def restore(self, state: TrainingState) -> Any:
        """Take the weights of a checkpoint; the state of its optimiser, or None.

        Raises:
            ModelFileError: it is of another version.
        """
        meta = state.meta
        try:
            self.history = [row_from_json(row) for row in meta["history"]]
            for level in meta["softmax"]:
                self.head(int(level))
            if meta["fine_tuned"]:
                self.fine_tuned()
            load_modules(self._modules(), state.tensors)
            return unflatten(meta["optimiser"], state.tensors) if "optimiser" in meta else None
        except (KeyError, TypeError, RuntimeError) as error:
            raise ModelFileError(
                f"The checkpoint in the work folder does not fit this version ({error}). Remove the folder."
            ) from None

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"network": self.network}
        modules |= {f"softmax.{level}": head for level, head in self.heads.items()}
        return modules | ({"fine_tuned": self.classifier} if self.classifier is not None else {})
