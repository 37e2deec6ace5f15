"""What a training holds between its phases: rows on the device, the stack, random generators, the position."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, Features
from sae_core.data.preparation import Preparation
from sae_core.errors import ConfigError, ModelFileError
from sae_core.model.stack import Stack
from sae_core.model.trained import ROWS_AT_ONCE, TrainedStack, new_head
from sae_core.training.events import HistoryRow, Phase
from sae_core.training.history import history_frame, row_from_json, row_to_json
from sae_core.training.objective import (
    DeepObjective,
    FineTunedClassifier,
    FineTuneObjective,
    Objective,
    PretrainObjective,
    Rows,
    SoftmaxObjective,
)
from sae_core.training.plan import check, plan, supervised_rows
from sae_core.training.state import TrainingState, flatten, load_modules, module_tensors, unflatten

if TYPE_CHECKING:
    from sae_core.training.loop import PhaseLoop


@dataclass
class Position:
    """Where training stands.

    Attributes:
        phase: index of the phase in training.
        epoch, batch: complete ones within it, when it was resumed.
        step, samples, seconds: gradient steps, rows and time since training began.
    """

    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    samples: int = 0
    seconds: float = 0.0


class Workbench:
    """The materials of one training.

    Every random number (initial weights, order of rows, corruption, dropout) comes from two generators of its own, one
    on the CPU and one on the device, so that trainings in other threads change nothing.
    """

    def __init__(
        self,
        data: Dataset,
        config: StackConfig,
        resume: TrainingState | None,
        start: TrainedStack | None = None,
    ) -> None:
        self.data = data
        self.config = config = config.fitted(data.image_shape)
        self.device = choose_device(config.device)
        self.preparation = Preparation.fit(data, config.scaling)
        check(data, config, self.preparation)
        self.n_inputs = self.preparation.n_inputs
        self.phases = plan(data, config, self.n_inputs)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.network = Stack(self.n_inputs, config, self.generator)
        if start is not None:
            _take_weights(self.network, start)
        self.noise = torch.Generator(self.device).manual_seed(int(torch.randint(2**62, (1,), generator=self.generator)))
        self.network.to(self.device)
        self.heads: dict[int, nn.Linear] = {}
        self.classifier: FineTunedClassifier | None = None
        self.history: list[HistoryRow] = []
        self.position = Position()
        self._pending: TrainingState | None = None
        self._codes: tuple[int, Tensor, Tensor] | None = None
        self._x = self._prepared(data.split.train)
        self._validation_x = self._prepared(data.split.validation)
        if resume is not None:
            self._restore(resume)

    def objective(self, phase: Phase) -> Objective:
        """The objective of a phase, with its rows on the device."""
        if phase.kind == "pretrain":
            rows = Rows(*self._codes_of(phase.level - 1))
            return PretrainObjective(rows, self.noise, self.network.autoencoder(phase.level))
        if phase.kind in ("joint", "unrolled"):
            self._codes = None  # the weights below them change
            return DeepObjective(Rows(self._x, self._validation_x), self.noise, self.network)
        if phase.kind == "softmax":
            return SoftmaxObjective(self._labelled(phase.level), self.noise, self._head(phase.level))
        self._codes = None  # not needed any more
        if self.classifier is None:
            self.classifier = FineTunedClassifier(self.network, self._head(self.network.n_levels))
        return FineTuneObjective(self._labelled(0), self.noise, self.classifier, self.config)

    def advance(self, seconds: float) -> None:
        """Go on to the next phase."""
        self.position.phase += 1
        self.position.epoch = self.position.batch = 0
        self.position.seconds = seconds

    def trained(self) -> TrainedStack:
        """The model as it stands, on the CPU."""
        softmax = {phase.level for phase in self.phases if phase.kind == "softmax"}
        classifier = self.classifier
        return TrainedStack(
            self.config,
            self.preparation,
            copy.deepcopy(self.network).cpu(),
            classes=self.data.classes if self.heads or classifier else (),
            heads={level: copy.deepcopy(head).cpu() for level, head in self.heads.items() if level in softmax},
            fine_tuned=copy.deepcopy(classifier.stack).cpu() if classifier else None,
            fine_tuned_head=copy.deepcopy(classifier.head).cpu() if classifier else None,
            history=history_frame(self.history),
            name=self.data.name,
        )

    def trained_so_far(self) -> TrainedStack | None:
        """The stack of the levels that are trained; None while there is none.

        Greedy pretraining that is under way gives a stack of the finished levels only. Without pretraining, or with a
        joint phase, all levels count as soon as training has begun.
        """
        greedy = [phase for phase in self.phases if phase.kind == "pretrain"]
        done = [phase for phase in greedy if phase.index < self.position.phase]
        if len(done) == len(greedy):
            return self.trained()
        if not done:
            return None
        depth = done[-1].level
        config = self.config.replace(layers=self.config.layers[:depth])
        network = Stack(self.n_inputs, config, torch.Generator())
        kept = {name: value for name, value in self.network.state_dict().items() if name in network.state_dict()}
        network.load_state_dict(kept)
        return TrainedStack(config, self.preparation, network, history=history_frame(self.history), name=self.data.name)

    def state(self, loop: PhaseLoop | None, seconds: float) -> TrainingState:
        """The point reached; `loop` is the running phase, None between two phases."""
        position = asdict(self.position) | {"seconds": seconds}
        tensors: dict[str, NDArray[Any]] = {
            "generator": self.generator.get_state().numpy().copy(),
            "noise": self.noise.get_state().numpy().copy(),
        }
        meta: dict[str, Any] = {
            "config": self.config.model_dump(),
            "data": self.data.fingerprint,
            "threads": torch.get_num_threads(),
            "softmax": sorted(self.heads),
            "fine_tuned": self.classifier is not None,
            "history": [row_to_json(row) for row in self.history],
        }
        if loop is not None:
            position |= {"epoch": loop.epoch, "batch": loop.batch}
            meta["sums"], meta["rate"] = loop.sums, loop.rate
            meta["best"] = [loop.best_loss, loop.best_epoch] if loop.best else None
            meta["optimiser"] = flatten(loop.optimiser.state_dict(), "optimiser", tensors)
            if loop.order is not None:
                tensors["order"] = loop.order.cpu().numpy().copy()
            tensors |= {f"best.{name}": value.cpu().numpy().copy() for name, value in loop.best.items()}
        meta["position"] = position
        tensors |= module_tensors(self._modules())
        return TrainingState(meta, tensors)

    def restore_loop(self, loop: PhaseLoop) -> None:
        """Put a phase that was under way back to its place."""
        state, self._pending = self._pending, None
        if state is None or "optimiser" not in state.meta:
            return
        loop.epoch, loop.batch = self.position.epoch, self.position.batch
        loop.sums, loop.rate = [float(value) for value in state.meta["sums"]], float(state.meta["rate"])
        try:
            loop.optimiser.load_state_dict(unflatten(state.meta["optimiser"], state.tensors))
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFileError(f"This checkpoint does not fit this version ({error}). Start the run again.") from None
        if "order" in state.tensors:
            loop.order = torch.from_numpy(np.array(state.tensors["order"])).to(self.device)
        if state.meta["best"]:
            loop.best_loss, loop.best_epoch = state.meta["best"]
            best = {name: value for name, value in state.tensors.items() if name.startswith("best.")}
            loop.best = {
                name.removeprefix("best."): torch.from_numpy(np.array(value)).to(self.device)
                for name, value in best.items()
            }

    def _restore(self, state: TrainingState) -> None:
        meta = state.meta
        try:
            if meta["data"] != self.data.fingerprint or StackConfig(**meta["config"]) != self.config:
                raise ModelFileError(
                    "This checkpoint is of another data set or other settings, so training cannot go on from it. "
                    "Start a new run."
                )
            self.position = Position(**meta["position"])
            self.history = [row_from_json(row) for row in meta["history"]]
            for level in meta["softmax"]:
                self._head(int(level))
            if meta["fine_tuned"]:
                self.classifier = FineTunedClassifier(self.network, self._head(self.network.n_levels))
            load_modules(self._modules(), state.tensors)
            self.generator.set_state(torch.from_numpy(np.array(state.tensors["generator"])))
            self.noise.set_state(torch.from_numpy(np.array(state.tensors["noise"])))
        except (KeyError, TypeError, ConfigError, RuntimeError) as error:
            raise ModelFileError(f"This checkpoint does not fit this version ({error}). Start the run again.") from None
        self._pending = state

    @property
    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(bool(p.isfinite().all()) for module in self._modules().values() for p in module.parameters())

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"network": self.network}
        modules |= {f"softmax.{level}": head for level, head in self.heads.items()}
        if self.classifier is not None:
            modules["fine_tuned"] = self.classifier
        return modules

    def _head(self, level: int) -> nn.Linear:
        if level not in self.heads:
            width = (self.n_inputs, *self.config.units)[level]
            self.heads[level] = new_head(width, len(self.data.classes)).to(self.device)
        return self.heads[level]

    def _prepared(self, rows: NDArray[np.int64]) -> Tensor:
        if not len(rows):
            return torch.empty(0, self.n_inputs, device=self.device)
        return torch.from_numpy(self.preparation.transform(_rows_of(self.data, rows))).to(self.device)

    def _codes_of(self, level: int) -> tuple[Tensor, Tensor]:
        """Codes of the training and validation rows, each level computed once from the level below."""
        start, x, validation_x = self._codes or (0, self._x, self._validation_x)
        if start > level:
            start, x, validation_x = 0, self._x, self._validation_x
        if level > start:
            x, validation_x = (self._encode(rows, start, level) for rows in (x, validation_x))
            self._codes = (level, x, validation_x)
        return x, validation_x

    def _encode(self, x: Tensor, start: int, level: int) -> Tensor:
        self.network.eval()
        codes = torch.empty(len(x), self.config.units[level - 1], device=self.device)
        with torch.inference_mode():
            for first in range(0, len(x), ROWS_AT_ONCE):
                part = slice(first, first + ROWS_AT_ONCE)
                codes[part] = self.network.encode(x[part], level, start=start)
        return codes

    def _labelled(self, level: int) -> Rows:
        """Rows of a supervised phase: codes of a level, and class codes, of the rows that have a label."""
        codes, validation_codes = self._codes_of(level) if level else (self._x, self._validation_x)
        split, class_codes = self.data.split, self.data.class_codes
        train = np.searchsorted(split.train, supervised_rows(self.data, self.config))
        validation = np.flatnonzero(class_codes[split.validation] >= 0)
        return Rows(
            _some(codes, train),
            _some(validation_codes, validation),
            torch.from_numpy(class_codes[split.train][train]).to(self.device),
            torch.from_numpy(class_codes[split.validation][validation]).to(self.device),
        )


def _rows_of(data: Dataset, rows: NDArray[np.int64]) -> Features:
    """`Dataset.take`, without a copy where they are all, and with torch's threads for large arrays."""
    features = data.features
    if not isinstance(features, np.ndarray) or not features.flags.writeable:
        return data.take(rows)
    if len(rows) == len(features) and bool((np.diff(rows) == 1).all()):
        return features
    return torch.from_numpy(features).index_select(0, torch.from_numpy(rows)).numpy()


def _some(x: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Some rows; x itself, not a copy, where they are all."""
    return x if len(rows) == len(x) else x[torch.from_numpy(rows).to(x.device)]


def _take_weights(network: Stack, start: TrainedStack) -> None:
    own = {name: value.shape for name, value in network.state_dict().items()}
    given = {name: value.shape for name, value in start.network.state_dict().items()}
    if own != given:
        raise ConfigError(
            "The levels of the stack to start from are not those of these settings. "
            "Choose the same units, tied weights and normalisation."
        )
    network.load_state_dict(start.network.state_dict())


def choose_device(wanted: str) -> torch.device:
    """The device to train on.

    Raises:
        ConfigError: the device asked for is not there.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if present[name]))
    if not present[wanted]:
        raise ConfigError(f"This machine has no {wanted} device. Choose auto or cpu.")
    return torch.device(wanted)
