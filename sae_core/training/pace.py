"""The clock of a training, its speed, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from sae_core.config import StackConfig
from sae_core.training.events import Event, Phase, Progress
from sae_core.training.plan import multiplications

PROGRESS_EVERY = 0.1  # seconds
OVERHEAD_PER_STEP = 2e-4  # seconds; only the proportion to the next line matters
FLOPS_PER_SECOND = 5e10


class Moment(Protocol):
    """A moment within a phase: complete epochs, and the same with its fraction."""

    @property
    def epoch(self) -> int: ...

    @property
    def epoch_position(self) -> float: ...


class Stopwatch:
    """Seconds spent training; the time that the driver takes between events (a pause, say) does not count."""

    def __init__(self, seconds: float) -> None:
        self._before = seconds
        self._since = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return self._before + time.perf_counter() - self._since

    def pausing(self, events: Iterable[Event]) -> Iterator[Event]:
        """Hand events on, and stand still until the next one is asked for."""
        for event in events:
            self._before = self.seconds
            yield event
            self._since = time.perf_counter()


class Pace:
    """Fraction done and time left, from a rough cost of each phase corrected by the speed measured so far."""

    def __init__(self, phases: tuple[Phase, ...], n_inputs: int, config: StackConfig) -> None:
        widths, weights = (n_inputs, *config.units), multiplications(n_inputs, config)
        self._epoch_cost = [_epoch_cost(phase, widths, weights) for phase in phases]
        self._done_before = [0.0]
        for phase, cost in zip(phases, self._epoch_cost, strict=True):
            self._done_before.append(self._done_before[-1] + phase.epochs * cost)
        self._last, self._loss, self._rows = time.perf_counter(), 0.0, 0
        self._phase: Phase | None = None
        self._first: tuple[float, float] | None = None  # (seconds, fraction) at the first step seen here

    def fraction(self, phase: Phase, epoch_position: float) -> float:
        """Share of the whole plan's work done, 0..1."""
        done = self._done_before[phase.index] + epoch_position * self._epoch_cost[phase.index]
        return done / self._done_before[-1]

    def after_step(self, phase: Phase, at: Moment, loss: float, rows: int, seconds: float) -> Progress | None:
        """A Progress event when one is due."""
        if phase is not self._phase:
            self._phase, self._loss, self._rows = phase, 0.0, 0  # another phase has another loss
        self._loss += loss * rows
        self._rows += rows
        now = time.perf_counter()
        fraction = self.fraction(phase, at.epoch_position)
        if self._first is None:
            self._first = (seconds, fraction)
        if now - self._last < PROGRESS_EVERY:
            return None
        event = Progress(
            phase=phase,
            epoch=at.epoch + 1,
            epoch_position=at.epoch_position,
            fraction=fraction,
            loss=self._loss / self._rows,
            samples_per_second=self._rows / (now - self._last),
            seconds=seconds,
            seconds_left=self._seconds_left(seconds, fraction),
        )
        self._last, self._loss, self._rows = now, 0.0, 0
        return event

    def _seconds_left(self, seconds: float, fraction: float) -> float:
        assert self._first is not None
        spent, gained = seconds - self._first[0], fraction - self._first[1]
        return (1 - fraction) * spent / gained if gained > 0 else 0.0


def _epoch_cost(phase: Phase, widths: tuple[int, ...], weights: tuple[int, ...]) -> float:
    products = {
        "pretrain": lambda: 2 * weights[phase.level - 1],
        "joint": lambda: 2 * sum(weights),
        "unrolled": lambda: 2 * sum(weights),
        "softmax": lambda: 10 * widths[phase.level],
        "fine_tune": lambda: sum(weights),
    }[phase.kind]()
    return phase.steps_per_epoch * OVERHEAD_PER_STEP + phase.rows * 6 * products / FLOPS_PER_SECOND
