"""What training yields: small frozen records. Whoever drives the generator decides what to do with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sae_core.data.dataset import Features

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack
    from sae_core.training.state import TrainingState

PhaseKind = Literal["pretrain", "joint", "unrolled", "softmax", "fine_tune"]


@dataclass(frozen=True)
class Phase:
    """One phase of the plan.

    Attributes:
        index: position in the plan, from 0.
        kind: pretrain (one autoencoder), joint (the deep autoencoder from scratch), unrolled (fine-tuning of the
            reconstruction), softmax (a classifier on one frozen level), fine_tune (the whole stack with its softmax).
        level: pretrain: the level being trained, 1..L. softmax: the level whose code is read, 0 (the input)..L.
            joint, unrolled, fine_tune: L.
        title: for people, e.g. "Level 1: 784 -> 256".
        epochs, batch_size, learning_rate: of the phase. batch_size is at most the number of rows.
        rows: training rows that the phase uses.
        loss: what the phase minimises: a `Loss` of `sae_core.config`, or "cross_entropy".
    """

    index: int
    kind: PhaseKind
    level: int
    title: str
    epochs: int
    batch_size: int
    learning_rate: float
    rows: int
    loss: str

    @property
    def steps_per_epoch(self) -> int:
        """Gradient steps of one epoch. The last batch may be smaller; a single row left over joins the one before."""
        return max(1, -(-self.rows // self.batch_size) - (self.rows % self.batch_size == 1 and self.batch_size > 1))


@dataclass(frozen=True)
class HistoryRow:
    """One epoch of one phase, as it is saved (a line of history.jsonl) and drawn.

    Attributes:
        phase: kind of the phase.
        level: see `Phase.level`.
        epoch: 1-based within the phase.
        step: gradient steps since training began.
        samples: rows seen since training began.
        seconds: time spent training since training began (pauses excluded).
        train_loss: mean over the epoch's batches of the loss per row (squared error: summed over the features), as it
            was while the weights moved, without penalties.
        penalty: mean of the penalties added to the objective.
        validation_loss: the same loss on the validation rows after the epoch, uncorrupted; NaN without such rows.
        train_accuracy, validation_accuracy: 0..1 in softmax and fine_tune phases, else NaN.
        learning_rate: at the end of the epoch.
    """

    phase: PhaseKind
    level: int
    epoch: int
    step: int
    samples: int
    seconds: float
    train_loss: float
    penalty: float
    validation_loss: float
    train_accuracy: float
    validation_accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class PhaseStarted:
    """A phase begins (or goes on after a resume).

    Attributes:
        plan: all phases.
        device: where it trains: cpu, cuda or mps.
        model: the levels (and classifiers) that are trained so far; None before the first.
    """

    phase: Phase
    plan: tuple[Phase, ...]
    device: str
    model: TrainedStack | None = None


@dataclass(frozen=True)
class EngineChosen:
    """After PhaseStarted: how the phase is computed.

    Attributes:
        engine: e.g. "cpu, 1 thread, float32, closed form".
        precision: of the matrix products: float32 or bfloat16.
    """

    phase: Phase
    engine: str
    precision: str


@dataclass(frozen=True)
class StepTaken:
    """After every batch: the moment to pause (do not pull) or to stop (close the generator)."""


@dataclass(frozen=True)
class Progress:
    """After some batches; several times a second at most.

    Attributes:
        phase: the phase in training.
        epoch: 1-based epoch in training.
        epoch_position: epochs of this phase done, with fraction: 2.5 is the middle of the third epoch.
        fraction: of the whole plan's work, 0..1.
        loss: mean loss per row over the batches since the last event.
        samples_per_second: over those batches.
        seconds: spent training so far.
        seconds_left: estimate for the rest of the plan.
    """

    phase: Phase
    epoch: int
    epoch_position: float
    fraction: float
    loss: float
    samples_per_second: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True)
class EpochEnded:
    """An epoch ended; `row` is what history gains."""

    phase: Phase
    row: HistoryRow


@dataclass(frozen=True)
class PreviewReady:
    """A few held-out rows as the stack gives them back right now.

    Attributes:
        rows: (m,) row numbers in the data set.
        level: the level they were encoded to and decoded from.
        reconstruction: m rows in the form and units of `Dataset.features`.
        epoch: 1-based epoch of the phase; 0 before its first.
        step: gradient steps since training began.
        error: mean squared error per prepared value over these and further held-out rows (up to 128), decoded from
            `level` down to the input: comparable between levels, and between greedy and joint training.
    """

    phase: Phase
    rows: NDArray[np.int64]
    level: int
    reconstruction: Features
    epoch: int
    step: int = 0
    error: float = math.nan


@dataclass(frozen=True)
class TracePoint:
    """How far off the input was at one moment of the training of the autoencoders.

    Attributes:
        phase, level: kind of the phase, and the level that the rows are decoded from.
        step: gradient steps since training began.
        seconds: spent training since it began.
        error: mean squared error per prepared value of up to 128 held-out rows, decoded down to the input.
    """

    phase: PhaseKind
    level: int
    step: int
    seconds: float
    error: float


@dataclass(frozen=True)
class PhaseEnded:
    """A phase is complete. After "pretrain" the level's decoder is dropped from training.

    Attributes:
        stopped_early: early stopping ended it before its last epoch.
    """

    phase: Phase
    stopped_early: bool


@dataclass(frozen=True)
class CheckpointReached:
    """A point from which training can go on: `train(dataset, config, resume=state)`."""

    state: TrainingState


@dataclass(frozen=True)
class Finished:
    """The plan is complete."""

    model: TrainedStack


Event = (
    PhaseStarted
    | EngineChosen
    | StepTaken
    | Progress
    | EpochEnded
    | PreviewReady
    | PhaseEnded
    | CheckpointReached
    | Finished
)
