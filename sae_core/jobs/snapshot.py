"""A job at one moment, as pages read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sae_core.training.events import HistoryRow, Phase, PreviewReady


class JobState(StrEnum):
    """Where a job stands. The values are shown as they are."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out of memory"
    DISK_FULL = "disk full"

    @property
    def is_over(self) -> bool:
        """Whether its thread has ended, or is about to."""
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)

    @property
    def is_active(self) -> bool:
        """The contrary of `is_over`."""
        return not self.is_over


@dataclass(frozen=True)
class CurvePoint:
    """The training loss within an epoch.

    Attributes:
        phase_index: position of the phase in the plan.
        epoch_position: epochs of that phase done, with fraction.
        loss: mean loss per row over the last tenths of a second.
    """

    phase_index: int
    epoch_position: float
    loss: float


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment; it never changes afterwards.

    Attributes:
        message: one sentence for people; "" when there is nothing to say.
        phases: the plan; () until it is made.
        phase_index: the phase in training; len(phases) when all are done.
        epoch: 1-based epoch in training.
        fraction: of the work, 0..1.
        seconds: spent training; seconds_left: estimate, None while unknown.
        samples_per_second: rows trained a second; 0 while nothing runs.
        device: where it trains, e.g. "cpu, 1 thread".
        history: epochs so far.
        curve: training loss within epochs, thinned.
        preview: the latest reconstructions of a few held-out rows.
        queue_position: 1 is next; 0: not queued.
    """

    id: str
    name: str
    state: JobState
    message: str
    phases: tuple[Phase, ...]
    phase_index: int
    epoch: int
    fraction: float
    seconds: float
    seconds_left: float | None
    samples_per_second: float
    device: str
    history: tuple[HistoryRow, ...]
    curve: tuple[CurvePoint, ...]
    preview: PreviewReady | None
    queue_position: int
