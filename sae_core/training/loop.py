"""The epochs and batches of one phase."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sae_core.errors import DivergedError
from sae_core.training.engine import choose
from sae_core.training.events import HistoryRow, Phase
from sae_core.training.objective import Objective
from sae_core.training.optimiser import scheduled_rate
from sae_core.training.step import Outcome

if TYPE_CHECKING:
    from sae_core.training.workbench import Workbench


class PhaseLoop:
    """One phase in training: its objective, optimiser, and the position inside it.

    Attributes:
        epoch: epochs that are complete.
        batch: batches of the running epoch that are complete.
        stopped_early: early stopping ended the phase.
    """

    def __init__(self, bench: Workbench, phase: Phase) -> None:
        self.bench = bench
        self.phase = phase
        self.objective: Objective = bench.objective(phase)
        self.objective.module.train()
        self.step, self.engine = choose(self.objective, bench.config, phase)
        self.optimiser = self.step.optimiser
        self.epoch, self.batch = 0, 0
        self.order: Tensor | None = None  # (rows,) of the running epoch
        self.sums = [0.0, 0.0, 0.0, 0.0]  # of the running epoch: loss, penalty, correct, rows
        self.rate = phase.learning_rate
        self.stopped_early = False
        self.best_loss, self.best_epoch = math.inf, 0
        self.best: dict[str, Tensor] = {}
        bench.restore_loop(self)

    @property
    def is_over(self) -> bool:
        """Whether no epoch is left."""
        return self.stopped_early or self.epoch >= self.phase.epochs

    @property
    def epoch_position(self) -> float:
        """Epochs done, with fraction."""
        return self.epoch + self.batch / self.phase.steps_per_epoch

    def begin_epoch(self) -> None:
        """Shuffle, unless a resumed epoch is already under way."""
        if self.order is None:
            order = torch.randperm(self.phase.rows, generator=self.bench.generator)
            self.order, self.batch, self.sums = order.to(self.bench.device), 0, [0.0, 0.0, 0.0, 0.0]

    def steps(self) -> Iterator[tuple[float, int]]:
        """Train the batches that the epoch still has, yielding each one's loss per row and its number of rows."""
        assert self.order is not None
        last = self.phase.steps_per_epoch - 1
        while self.batch <= last:
            start = self.batch * self.phase.batch_size
            batch = self.order[start:] if self.batch == last else self.order[start : start + self.phase.batch_size]
            self._set_rate()
            before = torch.get_num_threads()  # torch keeps it for each thread of Python
            torch.set_num_threads(min(before, self.engine.threads))
            try:
                outcome = self.step.take(batch)
            finally:
                torch.set_num_threads(before)
            rows = len(batch)
            self._account(outcome, rows)
            self.batch += 1
            yield outcome.loss, rows

    def end_epoch(self, seconds: float) -> HistoryRow:
        """Validate, note the epoch, and decide whether the phase goes on."""
        loss, penalty, correct, rows = self.sums
        validation_loss, validation_accuracy = self.objective.validation()
        self.epoch += 1
        self.order, self.batch = None, 0
        position = self.bench.position
        row = HistoryRow(
            phase=self.phase.kind,
            level=self.phase.level,
            epoch=self.epoch,
            step=position.step,
            samples=position.samples,
            seconds=seconds,
            train_loss=loss / rows,
            penalty=penalty / rows,
            validation_loss=validation_loss if math.isfinite(validation_loss) else math.nan,
            train_accuracy=correct / rows if self.phase.loss == "cross_entropy" else math.nan,
            validation_accuracy=validation_accuracy,
            learning_rate=self.rate,
        )
        self.bench.history.append(row)
        self._judge(row)
        return row

    def finish(self) -> None:
        """Take the best weights back where early stopping watched, and hand the result on."""
        if self.best:
            self.objective.module.load_state_dict(self.best)
        self.step.finish()
        self.objective.module.eval()
        self.objective.finish()

    def _judge(self, row: HistoryRow) -> None:
        patience = self.bench.config.early_stopping
        if patience is None:
            return
        watched = row.train_loss if math.isnan(row.validation_loss) else row.validation_loss
        if watched < self.best_loss:
            self.best_loss, self.best_epoch = watched, self.epoch
            self.best = {name: value.detach().clone() for name, value in self.objective.module.state_dict().items()}
        self.stopped_early = self.epoch - self.best_epoch >= patience and self.epoch < self.phase.epochs

    def _set_rate(self) -> None:
        config = self.bench.config
        if config.schedule == "constant" or config.optimiser == "lbfgs":
            return
        per_epoch = self.phase.steps_per_epoch
        step = self.epoch * per_epoch + self.batch
        self.rate = scheduled_rate(config.schedule, self.phase.learning_rate, step, self.phase.epochs * per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate

    def _account(self, outcome: Outcome, rows: int) -> None:
        loss, penalty, correct = outcome
        if not math.isfinite(loss + penalty):
            raise DivergedError(
                f"The loss became {loss + penalty} in {self.phase.title}, epoch {self.epoch + 1}, "
                f"batch {self.batch + 1}; the last good checkpoint is kept. "
                "Choose a smaller learning rate or limit the gradient, and start again.",
                phase=self.phase.title,
                epoch=self.epoch + 1,
                step=self.batch + 1,
            )
        for i, value in enumerate((loss * rows, penalty * rows, correct, rows)):
            self.sums[i] += value
        position = self.bench.position
        position.step += 1
        position.samples += rows
