"""One process's part of training on shards: phases, windows, steps and checkpoints.

The plan of phases, the objectives and the optimisers are those of `train`. What differs is where rows come from: an
epoch goes through the shards in random order, a window of a few at a time, shuffled within. Of every shard each process
takes its part, a batch is shared among them, and gradients are averaged by DistributedDataParallel: so a step is the
step of a single process, but for the order of rows. `sharded.ShardTraining` drives it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sae_core.config import StackConfig
from sae_core.data.prepared_columns import FittedScaling
from sae_core.data.shards import ShardStats, TableShards
from sae_core.errors import DivergedError, ModelFileError
from sae_core.model.trained import ROWS_AT_ONCE
from sae_core.training.checkpoints import Checkpoints
from sae_core.training.events import (
    CheckpointReached,
    EngineChosen,
    EpochEnded,
    Event,
    Finished,
    HistoryRow,
    Phase,
    PhaseEnded,
    PhaseStarted,
)
from sae_core.training.objective import (
    DeepObjective,
    FineTuneObjective,
    Objective,
    PretrainObjective,
    Rows,
    SoftmaxObjective,
)
from sae_core.training.optimiser import build_optimiser, scheduled_rate
from sae_core.training.pace import Pace, Stopwatch
from sae_core.training.plan import check_settings, phases_of
from sae_core.training.shard_model import ShardModel
from sae_core.training.spill import HeldOut, Shard, Spill, part_of, windows
from sae_core.training.world import World

Wish = Literal["go", "pause", "stop"]
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


@dataclass(frozen=True)
class _Within:
    """A moment within a phase, for `Pace`."""

    epoch: int
    epoch_position: float


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
    """One process's part of the training.

    Attributes:
        phases, pace: the plan, and how far it is.
        agreed: what all processes have agreed on at the last checkpoint, of that which the driver of the first wished.
    """

    def __init__(
        self,
        table: TableShards,
        config: StackConfig,
        work: Path,
        world: World,
        stats: ShardStats,
        *,
        checkpoint_seconds: float,
        wish: Callable[[], Wish],
    ) -> None:
        self.table, self.world, self.stats = table, world, stats
        self.config = config.fitted(None)
        scaling: FittedScaling = "standard" if config.scaling == "auto" else config.scaling
        preparation = stats.preparation(scaling)
        classes = stats.classes() if table.label is not None else ()
        labelled = sum((stats.labels or {}).values()) if len(classes) > 1 else 0
        check_settings(self.config, preparation, stats.training, len(classes))
        self.phases = phases_of(self.config, preparation.n_inputs, stats.training, labelled)
        self.model = ShardModel(self.config, preparation, classes, table.name, world.device)
        self.spill = Spill(work)
        self.checkpoints = Checkpoints(work / "checkpoints")
        self.checkpoint_seconds = checkpoint_seconds
        self.wish = wish
        self.agreed: Wish = "go"
        self.noise = torch.Generator(world.device)
        self.place = Place()
        self.sums = [0.0, 0.0, 0.0, 0.0]  # of the running epoch, in this process: loss, penalty, correct, rows
        self.shards: tuple[Shard, ...] = ()
        self.held: HeldOut | None = None
        self._optimiser_state: Any = None
        self._checkpoint_due = False
        self._last_saved = time.perf_counter()
        self._diverged: DivergedError | None = None
        self._watch = Stopwatch(0.0)
        self.pace = Pace(self.phases, preparation.n_inputs, self.config)

    def prepare(self, report: Report) -> None:
        """Prepare the files, each process its share, and go back to the last checkpoint."""
        files, world, model = len(self.table.files), self.world, self.model
        with world.agreed():
            for number in range(world.rank, files, world.size):
                report(number / files, f"Preparing {self.table.files[number].name}")
                labelled, widest = self.table.label is not None, max(self.config.units)
                self.spill.prepare(self.table, number, model.preparation, model.classes, labelled, widest)
        world.wait()
        self.shards = self.spill.shards(files)
        held = self.spill.held_out(files, model.preparation.n_inputs)
        mine = slice(world.rank, None, world.size)
        self.held = HeldOut(held.validation[mine], held.validation_y[mine], held.test, held.test_y)
        with world.agreed():
            self._restore()
        world.wait()  # all have read it before anyone writes the next

    def events(self) -> Iterator[Event]:
        """All phases that are left; ends without `Finished` where stopping was agreed on."""
        self._watch = Stopwatch(self.place.seconds)
        while self.place.phase < len(self.phases):
            yield from self._watch.pausing(self._phase(self.phases[self.place.phase]))
            if self.agreed == "stop":
                return
        yield Finished(self.model.trained())

    def still_paused(self) -> None:
        """Tell the others that the pause goes on; to be called every few seconds while it does."""
        self.world.total([1.0])

    def _phase(self, phase: Phase) -> Iterator[Event]:
        level, supervised = _input_level(phase), phase.kind in ("softmax", "fine_tune")
        so_far = self.model.trained_so_far(self.phases, phase.index) if self.world.leads else None
        yield PhaseStarted(phase, self.phases, self.world.device.type, so_far)
        with self.world.agreed():
            self._write_codes(level)
        self.world.wait()
        self._drop_codes()
        validation = self._validation(level, supervised)
        first = self._first_rows(level, supervised, validation)
        objective = self._objective(phase, first)
        yield EngineChosen(phase, self._engine(), "float32")
        yield from self._epochs(phase, objective, level, supervised, validation)
        if self.agreed == "stop":
            return
        gc.collect()  # gradients of these weights belong to the next phase's processes
        objective.rows = first
        objective.module.eval()
        objective.finish()
        if phase.kind in ("joint", "unrolled"):
            self.world.wait()
            for old in range(1, self.model.network.n_levels + 1):  # codes of weights that are no more
                self.spill.drop(old)
        self.place.phase, self.place.epoch = self.place.phase + 1, 0
        saved = self._save(phase, None)
        self.world.wait()
        yield PhaseEnded(phase, False)
        yield saved

    def _epochs(
        self, phase: Phase, objective: Objective, level: int, supervised: bool, validation: Held
    ) -> Iterator[Event]:
        step = self.world.shared(_Step(objective))
        parameters = list(objective.module.parameters())
        optimiser = build_optimiser(parameters, self.config, phase.learning_rate, objective.weight_decay)
        if self._optimiser_state is not None:
            optimiser.load_state_dict(self._optimiser_state)
            self._optimiser_state = None
        while self.place.epoch < phase.epochs:
            objective.module.train()
            groups = windows(self.shards, np.random.default_rng([self.config.seed, phase.index, self.place.epoch]))
            while self.place.window < len(groups):
                with self.world.agreed():
                    objective.rows = self._rows(level, groups[self.place.window], supervised, validation)
                yield from self._window(phase, objective, step, optimiser, len(groups))
                self.place.window += 1
                if self._checkpoint_due:
                    yield from self._checkpoint(phase, optimiser)
                    if self.agreed == "stop":
                        return
            yield EpochEnded(phase, self._end_epoch(phase, objective, optimiser))
            yield self._save(phase, optimiser)

    def _window(
        self, phase: Phase, objective: Objective, step: nn.Module, optimiser: torch.optim.Optimizer, windows: int
    ) -> Iterator[Event]:
        """Train on the rows of one window, in as many steps in every process."""
        place, n = self.place, len(objective.rows.x)
        counts = self._exchanged(n)
        steps = int(min(-(-sum(counts) // phase.batch_size), *counts))
        drawn = np.random.SeedSequence([self.config.seed, phase.index, place.epoch, place.window, self.world.rank])
        rng = torch.Generator().manual_seed(int(drawn.generate_state(1, np.uint64)[0] >> 1))
        self.noise.manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
        order = torch.randperm(n, generator=rng).to(self.world.device)
        for number, batch in enumerate(torch.tensor_split(order, steps) if steps else ()):
            position = place.epoch + (place.window + number / steps) / windows
            rate = scheduled_rate(
                self.config.schedule, phase.learning_rate, round(position / phase.epochs * 1e9), 10**9
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            with self.world.together():
                total, loss, penalty, correct = step(batch)
                total.backward()
            if self.config.gradient_clip is not None:
                nn.utils.clip_grad_norm_(objective.module.parameters(), self.config.gradient_clip)
            optimiser.step()
            self._account(phase, loss.item(), penalty.item(), float(correct.item()), len(batch))
            within = _Within(place.epoch, place.epoch + (place.window + (number + 1) / steps) / windows)
            rows = len(batch) * self.world.size
            if event := self.pace.after_step(phase, within, loss.item(), rows, self._watch.seconds):
                yield event
        with self.world.agreed():
            if self._diverged is not None:
                raise self._diverged

    def _exchanged(self, n: int) -> list[float]:
        """How many rows of the window each process has; and whether a checkpoint is due, and what to do then."""
        world = self.world
        wish = self.wish() if world.leads else "go"
        due = world.leads and time.perf_counter() - self._last_saved > self.checkpoint_seconds
        own = [float(n) * (rank == world.rank) for rank in range(world.size)]
        *counts, saves, stops, pauses = world.total([*own, float(due), float(wish == "stop"), float(wish == "pause")])
        self.agreed = "stop" if stops else "pause" if pauses else "go"
        self._checkpoint_due = saves + stops + pauses > 0
        return counts

    def _checkpoint(self, phase: Phase, optimiser: torch.optim.Optimizer) -> Iterator[Event]:
        """A checkpoint within an epoch; then everyone stands still as long as the first process does."""
        yield self._save(phase, optimiser)
        if self.agreed == "pause" and self.world.size > 1:
            while self.world.total([0.0])[0] and not self.world.leads:
                pass
        if self.agreed == "pause":
            self.agreed = "go"

    def _account(self, phase: Phase, loss: float, penalty: float, correct: float, rows: int) -> None:
        if not math.isfinite(loss + penalty) and self._diverged is None:
            self._diverged = self._divergence(phase, f"The loss became {loss + penalty}")
            if self.world.size == 1:  # else after the window, where all processes hear of it
                raise self._diverged
        for at, value in enumerate((loss * rows, penalty * rows, correct, float(rows))):
            self.sums[at] += value
        self.place.step += 1

    def _divergence(self, phase: Phase, what: str) -> DivergedError:
        epoch = self.place.epoch + 1
        return DivergedError(
            f"{what} in {phase.title}, epoch {epoch}; the last good checkpoint is kept. Choose a smaller learning rate "
            "or limit the gradient, and start again.",
            phase=phase.title,
            epoch=epoch,
            step=self.place.step + 1,
        )

    def _end_epoch(self, phase: Phase, objective: Objective, optimiser: torch.optim.Optimizer) -> HistoryRow:
        n = len(objective.rows.validation_x)
        own_loss, own_accuracy = objective.validation() if n else (0.0, 0.0)
        accuracy = 0.0 if math.isnan(own_accuracy) else own_accuracy
        summed = self.world.total([*self.sums, own_loss * n, accuracy * n, float(n)])
        loss, penalty, correct, rows, validation, right, held = summed
        classifies = phase.loss == "cross_entropy"
        self.place.samples += int(rows)
        self.place.epoch, self.place.window, self.sums = self.place.epoch + 1, 0, [0.0] * 4
        row = HistoryRow(
            phase=phase.kind,
            level=phase.level,
            epoch=self.place.epoch,
            step=self.place.step,
            samples=self.place.samples,
            seconds=self._watch.seconds,
            train_loss=loss / rows if rows else math.nan,
            penalty=penalty / rows if rows else math.nan,
            validation_loss=validation / held if held and math.isfinite(validation) else math.nan,
            train_accuracy=correct / rows if classifies and rows else math.nan,
            validation_accuracy=right / held if classifies and held else math.nan,
            learning_rate=float(optimiser.param_groups[0]["lr"]),
        )
        self.model.history.append(row)
        return row

    def _write_codes(self, level: int) -> None:
        """The codes of a level on disk; each process encodes what is missing of its share."""
        self.model.network.eval()
        for shard in self.shards[self.world.rank :: self.world.size]:
            if level == 0 or self.spill.has(level, shard.name):
                continue
            start = max(below for below in range(level) if below == 0 or self.spill.has(below, shard.name))
            self.spill.write(level, shard.name, self._encoded(self.spill.read(start, shard), start, level))

    def _drop_codes(self) -> None:
        """Remove codes that no later phase needs."""
        needed = {_input_level(phase) for phase in self.phases[self.place.phase :]}
        if self.world.leads:
            for old in range(1, self.model.network.n_levels + 1):
                if old not in needed:
                    self.spill.drop(old)

    def _encoded(self, x: np.ndarray[Any, Any], start: int, level: int) -> np.ndarray[Any, Any]:
        parts = []
        with torch.inference_mode():
            for first in range(0, len(x), ROWS_AT_ONCE):
                rows = torch.from_numpy(x[first : first + ROWS_AT_ONCE]).to(self.world.device)
                parts.append(self.model.network.encode(rows, level, start=start).cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, self.model.width(level)), np.float32)

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
        self.model.network.eval()
        codes = x if level == 0 else self._encoded(x, 0, level)
        rows = torch.from_numpy(np.ascontiguousarray(codes)).to(self.world.device)
        return rows, torch.from_numpy(y).to(self.world.device) if supervised else None

    def _objective(self, phase: Phase, rows: Rows) -> Objective:
        model = self.model
        if phase.kind == "pretrain":
            return PretrainObjective(rows, self.noise, model.network.autoencoder(phase.level))
        if phase.kind in ("joint", "unrolled"):
            return DeepObjective(rows, self.noise, model.network)
        if phase.kind == "softmax":
            return SoftmaxObjective(rows, self.noise, model.head(phase.level))
        return FineTuneObjective(rows, self.noise, model.fine_tuned(), self.config)

    def _engine(self) -> str:
        """How it is computed, in words."""
        threads, processes = torch.get_num_threads(), self.world.size
        of_cpu = f", {threads} thread{'s' if threads > 1 else ''}" if self.world.device.type == "cpu" else ""
        together = f", {processes} processes" if processes > 1 else ""
        return f"{self.world.device.type}{of_cpu}{together}, float32, autograd"

    def _save(self, phase: Phase, optimiser: torch.optim.Optimizer | None) -> CheckpointReached:
        """A checkpoint, written by the first process. Sums of the running epoch are those of all processes."""
        sums = self.world.total(self.sums) if self.place.window else [0.0] * 4
        self._last_saved = time.perf_counter()
        self.place.seconds = self._watch.seconds
        state = self.model.state(optimiser, place=asdict(self.place), processes=self.world.size, sums=sums)
        if not state.is_finite:  # the weights are the same in all processes, so all of them end here
            raise self._divergence(phase, "The weights became NaN or infinite")
        with self.world.agreed():
            if self.world.leads:
                self.checkpoints.write(state)
        return CheckpointReached(state)

    def _restore(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        state = self.checkpoints.last()
        if state is None:
            return
        self._optimiser_state = self.model.restore(state)
        try:
            self.place = Place(**state.meta["place"])
            self.sums = [float(value) for value in state.meta["sums"]] if self.world.leads else [0.0] * 4
        except (KeyError, TypeError) as error:
            raise ModelFileError(
                f"The checkpoint in the work folder does not fit this version ({error}). Remove the folder."
            ) from None


def _input_level(phase: Phase) -> int:
    """The level whose codes a phase reads."""
    if phase.kind == "pretrain":
        return phase.level - 1
    return phase.level if phase.kind == "softmax" else 0
