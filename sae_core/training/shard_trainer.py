"""One process's part of training on shards: phases, windows, steps and checkpoints.

The plan of phases, the objectives and the optimisers are those of `train`. What differs is where rows come from: an
epoch goes through the shards in random order, a window of a few at a time, shuffled within. Of every shard each process
takes its part, a batch is shared among them, and gradients are averaged by DistributedDataParallel: so a step is the
step of a single process, but for the order of rows. `sharded.train_shards` drives it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sae_core.config import StackConfig
from sae_core.data.preparation import Preparation
from sae_core.data.prepared_columns import FittedScaling
from sae_core.data.shards import ShardStats, TableShards
from sae_core.errors import DivergedError, ModelFileError
from sae_core.model.stack import Stack
from sae_core.model.trained import ROWS_AT_ONCE, TrainedStack, new_head
from sae_core.training.checkpoints import Checkpoints
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
from sae_core.training.optimiser import build_optimiser, scheduled_rate
from sae_core.training.plan import check_settings, phases_of
from sae_core.training.spill import HeldOut, Shard, Spill, part_of, windows
from sae_core.training.state import TrainingState, flatten, load_modules, module_tensors, unflatten
from sae_core.training.world import World

Report = Callable[[float, str], None]
Held = tuple[Tensor, Tensor | None]  # validation rows of a phase, and their class codes


@dataclass
class Place:
    """Where training stands: complete phases, epochs of the phase and windows of the epoch; steps, rows and seconds."""

    phase: int = 0
    epoch: int = 0
    window: int = 0
    step: int = 0
    samples: int = 0
    seconds: float = 0.0


class _Step(nn.Module):
    """One batch's objective as a module's forward, which is what DistributedDataParallel takes."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.trained = objective.module
        self._objective = (objective,)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        terms = self._objective[0].terms(batch)
        nothing = torch.zeros((), device=terms.loss.device)
        penalty = nothing if terms.penalty is None else terms.penalty
        correct = nothing if terms.correct is None else terms.correct
        return terms.loss + penalty, terms.loss.detach(), penalty.detach(), correct


class ShardTrainer:
    """One process's part of the training."""

    def __init__(
        self,
        table: TableShards,
        config: StackConfig,
        work: Path,
        world: World,
        stats: ShardStats,
        checkpoint_seconds: float,
        report: Report,
    ) -> None:
        self.table, self.world, self.stats, self.report = table, world, stats, report
        self.config = config.fitted(None)
        scaling: FittedScaling = "standard" if config.scaling == "auto" else config.scaling
        self.preparation: Preparation = stats.preparation(scaling)
        self.classes = stats.classes() if table.label is not None else ()
        labelled = sum((stats.labels or {}).values()) if len(self.classes) > 1 else 0
        check_settings(self.config, self.preparation, stats.training, len(self.classes))
        self.phases = phases_of(self.config, self.preparation.n_inputs, stats.training, labelled)
        self.spill = Spill(work)
        self.checkpoints = Checkpoints(work / "checkpoints")
        self.checkpoint_seconds = checkpoint_seconds
        self.network = Stack(self.preparation.n_inputs, self.config, torch.Generator().manual_seed(config.seed))
        self.network.to(world.device)
        self.noise = torch.Generator(world.device)
        self.heads: dict[int, nn.Linear] = {}
        self.classifier: FineTunedClassifier | None = None
        self.history: list[HistoryRow] = []
        self.place = Place()
        self.sums = [0.0, 0.0, 0.0, 0.0]  # of the running epoch, in this process: loss, penalty, correct, rows
        self.shards: tuple[Shard, ...] = ()
        self._optimiser_state: Any = None
        self._checkpoint_due = False
        self._last_saved = time.perf_counter()
        self.held: HeldOut | None = None

    def prepare(self) -> None:
        """Prepare the files, each process its share."""
        files = len(self.table.files)
        for number in range(self.world.rank, files, self.world.size):
            self.report(0.05 + 0.05 * number / files, f"Preparing {self.table.files[number].name}")
            labelled, widest = self.table.label is not None, max(self.config.units)
            self.spill.prepare(self.table, number, self.preparation, self.classes, labelled, widest)
        self.world.wait()
        self.shards = self.spill.shards(files)
        held = self.spill.held_out(files, self.preparation.n_inputs)
        mine = slice(self.world.rank, None, self.world.size)
        self.held = HeldOut(held.validation[mine], held.validation_y[mine], held.test, held.test_y)

    def train(self) -> None:
        """All phases that are left."""
        state = self.checkpoints.last()
        if state is not None:
            self._restore(state)
        self.world.wait()  # all have read it before anyone writes the next
        while self.place.phase < len(self.phases):
            phase = self.phases[self.place.phase]
            self._ensure_codes(_input_level(phase))
            self._phase(phase)

    def trained(self) -> TrainedStack:
        """The model, on the CPU."""
        classifier = self.classifier
        return TrainedStack(
            self.config,
            self.preparation,
            self.network.cpu(),
            classes=self.classes if self.heads or classifier else (),
            heads={level: head.cpu() for level, head in self.heads.items()},
            fine_tuned=classifier.stack.cpu() if classifier else None,
            fine_tuned_head=classifier.head.cpu() if classifier else None,
            history=history_frame(self.history),
            name=self.table.name,
        )

    def _ensure_codes(self, level: int) -> None:
        """The codes of a level on disk; each process encodes what is missing of its share."""
        self.network.eval()
        for shard in self.shards[self.world.rank :: self.world.size]:
            if level == 0 or self.spill.has(level, shard.name):
                continue
            start = max(below for below in range(level) if below == 0 or self.spill.has(below, shard.name))
            self.spill.write(level, shard.name, self._encoded(self.spill.read(start, shard), start, level))
        self.world.wait()
        needed = {_input_level(phase) for phase in self.phases[self.place.phase :]}
        if self.world.leads:
            for old in range(1, self.network.n_levels + 1):
                if old not in needed:
                    self.spill.drop(old)

    def _encoded(self, x: np.ndarray[Any, Any], start: int, level: int) -> np.ndarray[Any, Any]:
        parts = []
        with torch.inference_mode():
            for first in range(0, len(x), ROWS_AT_ONCE):
                rows = torch.from_numpy(x[first : first + ROWS_AT_ONCE]).to(self.world.device)
                parts.append(self.network.encode(rows, level, start=start).cpu().numpy())
        width = (self.preparation.n_inputs, *self.config.units)[level]
        return np.concatenate(parts) if parts else np.empty((0, width), np.float32)

    def _phase(self, phase: Phase) -> None:
        level, supervised = _input_level(phase), phase.kind in ("softmax", "fine_tune")
        validation = self._validation(level, supervised)
        first = self._first_rows(level, supervised, validation)
        objective = self._objective(phase, first)
        step = self.world.shared(_Step(objective))
        parameters = list(objective.module.parameters())
        optimiser = build_optimiser(parameters, self.config, phase.learning_rate, objective.weight_decay)
        if self._optimiser_state is not None:
            optimiser.load_state_dict(self._optimiser_state)
            self._optimiser_state = None
        begun, before = time.perf_counter(), self.place.seconds
        while self.place.epoch < phase.epochs:
            objective.module.train()
            groups = windows(self.shards, np.random.default_rng([self.config.seed, phase.index, self.place.epoch]))
            while self.place.window < len(groups):
                objective.rows = self._rows(level, groups[self.place.window], supervised, validation)
                self._window(phase, objective, step, optimiser, len(groups))
                self.place.window += 1
                self.place.seconds = before + time.perf_counter() - begun
                if self._checkpoint_due:
                    self._save(optimiser)
            self._end_epoch(phase, objective, optimiser)
            self._save(optimiser)
        del step
        gc.collect()  # gradients of these weights belong to the next phase's processes
        objective.rows = first
        objective.module.eval()
        objective.finish()
        if phase.kind in ("joint", "unrolled"):
            self.world.wait()
            for old in range(1, self.network.n_levels + 1):  # codes of weights that are no more
                self.spill.drop(old)
        self.place.phase, self.place.epoch = self.place.phase + 1, 0
        self._save(None)
        self.world.wait()

    def _window(
        self, phase: Phase, objective: Objective, step: nn.Module, optimiser: torch.optim.Optimizer, windows: int
    ) -> None:
        """Train on the rows of one window, in as many steps in every process."""
        world, place, n = self.world, self.place, len(objective.rows.x)
        due = world.leads and time.perf_counter() - self._last_saved > self.checkpoint_seconds
        *counts, saves = world.total([*(float(n) * (rank == world.rank) for rank in range(world.size)), float(due)])
        self._checkpoint_due = saves > 0
        steps = int(min(-(-sum(counts) // phase.batch_size), *counts))
        drawn = np.random.SeedSequence([self.config.seed, phase.index, place.epoch, place.window, world.rank])
        rng = torch.Generator().manual_seed(int(drawn.generate_state(1, np.uint64)[0] >> 1))
        self.noise.manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
        order = torch.randperm(n, generator=rng).to(world.device)
        for number, batch in enumerate(torch.tensor_split(order, steps) if steps else ()):
            share = (place.epoch + (place.window + number / steps) / windows) / phase.epochs
            rate = scheduled_rate(self.config.schedule, phase.learning_rate, round(share * 1e9), 10**9)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            total, loss, penalty, correct = step(batch)
            total.backward()
            if self.config.gradient_clip is not None:
                nn.utils.clip_grad_norm_(objective.module.parameters(), self.config.gradient_clip)
            optimiser.step()
            self._account(phase, loss.item(), penalty.item(), float(correct.item()), len(batch))
        done = (phase.index + (place.epoch + (place.window + 1) / windows) / phase.epochs) / len(self.phases)
        self.report(0.1 + 0.9 * done, f"{phase.title}, epoch {place.epoch + 1} of {phase.epochs}")

    def _account(self, phase: Phase, loss: float, penalty: float, correct: float, rows: int) -> None:
        if not math.isfinite(loss + penalty):
            raise DivergedError(
                f"The loss became {loss + penalty} in {phase.title}, epoch {self.place.epoch + 1}. "
                "Choose a smaller learning rate or limit the gradient, and start again in another work folder.",
                phase=phase.title,
                epoch=self.place.epoch + 1,
                step=self.place.step + 1,
            )
        for at, value in enumerate((loss * rows, penalty * rows, correct, float(rows))):
            self.sums[at] += value
        self.place.step += 1

    def _end_epoch(self, phase: Phase, objective: Objective, optimiser: torch.optim.Optimizer) -> None:
        n = len(objective.rows.validation_x)
        own_loss, own_accuracy = objective.validation() if n else (0.0, 0.0)
        accuracy = 0.0 if math.isnan(own_accuracy) else own_accuracy
        summed = self.world.total([*self.sums, own_loss * n, accuracy * n, float(n)])
        loss, penalty, correct, rows, validation, right, held = summed
        classifies = phase.loss == "cross_entropy"
        self.place.samples += int(rows)
        self.place.epoch, self.place.window, self.sums = self.place.epoch + 1, 0, [0.0] * 4
        self.history.append(
            HistoryRow(
                phase=phase.kind,
                level=phase.level,
                epoch=self.place.epoch,
                step=self.place.step,
                samples=self.place.samples,
                seconds=self.place.seconds,
                train_loss=loss / rows if rows else math.nan,
                penalty=penalty / rows if rows else math.nan,
                validation_loss=validation / held if held and math.isfinite(validation) else math.nan,
                train_accuracy=correct / rows if classifies and rows else math.nan,
                validation_accuracy=right / held if classifies and held else math.nan,
                learning_rate=float(optimiser.param_groups[0]["lr"]),
            )
        )

    def _first_rows(self, level: int, supervised: bool, held: Held) -> Rows:
        """A whole shard, the same in all processes: what an objective takes from its rows (centre, scale) is the same.

        Unlabelled shards are passed over where labels are needed.
        """
        for shard in self.shards:
            rows = self._rows(level, [shard], supervised, held, whole=True)
            if len(rows.x):
                break
        return rows

    def _rows(self, level: int, group: Sequence[Shard], supervised: bool, held: Held, *, whole: bool = False) -> Rows:
        """This process's part of some shards (or the whole of them), on its device."""
        world = self.world
        parts = [slice(None) if whole else part_of(shard, world.rank, world.size) for shard in group]
        x = np.concatenate([self.spill.read(level, shard, part) for shard, part in zip(group, parts, strict=True)])
        if not supervised:
            return Rows(torch.from_numpy(x).to(world.device), held[0])
        y = np.concatenate([self.spill.labels(shard, part) for shard, part in zip(group, parts, strict=True)])
        known = y >= 0
        codes = torch.from_numpy(y[known]).to(world.device)
        return Rows(torch.from_numpy(x[known]).to(world.device), held[0], codes, held[1])

    def _validation(self, level: int, supervised: bool) -> Held:
        assert self.held is not None
        x, y = self.held.validation, self.held.validation_y
        if supervised:
            x, y = x[y >= 0], y[y >= 0]
        self.network.eval()
        codes = x if level == 0 else self._encoded(x, 0, level)
        rows = torch.from_numpy(np.ascontiguousarray(codes)).to(self.world.device)
        return rows, torch.from_numpy(y).to(self.world.device) if supervised else None

    def _objective(self, phase: Phase, rows: Rows) -> Objective:
        if phase.kind == "pretrain":
            return PretrainObjective(rows, self.noise, self.network.autoencoder(phase.level))
        if phase.kind in ("joint", "unrolled"):
            return DeepObjective(rows, self.noise, self.network)
        if phase.kind == "softmax":
            return SoftmaxObjective(rows, self.noise, self._head(phase.level))
        if self.classifier is None:
            self.classifier = FineTunedClassifier(self.network, self._head(self.network.n_levels))
        return FineTuneObjective(rows, self.noise, self.classifier, self.config)

    def _head(self, level: int) -> nn.Linear:
        if level not in self.heads:
            width = (self.preparation.n_inputs, *self.config.units)[level]
            self.heads[level] = new_head(width, len(self.classes)).to(self.world.device)
        return self.heads[level]

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"network": self.network}
        modules |= {f"softmax.{level}": head for level, head in self.heads.items()}
        return modules | ({"fine_tuned": self.classifier} if self.classifier is not None else {})

    def _save(self, optimiser: torch.optim.Optimizer | None) -> None:
        """Write a checkpoint, in the first process. Sums of the running epoch are those of all processes."""
        sums = self.world.total(self.sums) if self.place.window else [0.0] * 4
        self._last_saved = time.perf_counter()
        if not self.world.leads:
            return
        tensors: dict[str, np.ndarray[Any, Any]] = {}
        meta: dict[str, Any] = {
            "place": asdict(self.place),
            "processes": self.world.size,
            "sums": sums,
            "softmax": sorted(self.heads),
            "fine_tuned": self.classifier is not None,
            "history": [row_to_json(row) for row in self.history],
        }
        if optimiser is not None:
            meta["optimiser"] = flatten(optimiser.state_dict(), "optimiser", tensors)
        tensors |= module_tensors(self._modules())
        self.checkpoints.write(TrainingState(meta, tensors))

    def _restore(self, state: TrainingState) -> None:
        meta = state.meta
        try:
            self.place = Place(**meta["place"])
            self.history = [row_from_json(row) for row in meta["history"]]
            self.sums = [float(value) for value in meta["sums"]] if self.world.leads else [0.0] * 4
            for level in meta["softmax"]:
                self._head(int(level))
            if meta["fine_tuned"]:
                self.classifier = FineTunedClassifier(self.network, self._head(self.network.n_levels))
            load_modules(self._modules(), state.tensors)
            if "optimiser" in meta:
                self._optimiser_state = unflatten(meta["optimiser"], state.tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ModelFileError(
                f"The checkpoint in the work folder does not fit this version ({error}). Remove the folder."
            ) from None


def _input_level(phase: Phase) -> int:
    """The level whose codes a phase reads."""
    if phase.kind == "pretrain":
        return phase.level - 1
    return phase.level if phase.kind == "softmax" else 0
