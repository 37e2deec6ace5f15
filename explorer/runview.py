"""One run as the pages show it, whether its job is alive in this process or it is read from the workspace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explorer import store
from explorer.charts.stack import PartState, StackDrawing
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.training.events import HistoryRow, Phase, PreviewReady

if TYPE_CHECKING:
    from sae_core.jobs import CurvePoint

ACTIVE = ("queued", "running", "paused")


@dataclass(frozen=True)
class RunView:
    """What there is to show of a run.

    Attributes:
        state: a `JobState` value, or "interrupted".
        message: one sentence for people, or "".
        phases: of the plan; phase_index: the one in training, len(phases) when all are done.
        epoch: 1-based, in training; fraction: of the whole plan, 0..1.
        history: an entry an epoch; curve: losses within epochs (only while the job is in memory).
        preview: held-out rows as the stack gives them back right now, or None.
        queue_position: 0 unless it waits for others.
    """

    id: str
    name: str
    state: str
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
    curve: tuple[CurvePoint, ...] = ()
    preview: PreviewReady | None = None
    queue_position: int = 0

    @property
    def is_active(self) -> bool:
        """Waiting, training or paused."""
        return self.state in ACTIVE

    @property
    def phase(self) -> Phase | None:
        """The phase in training, or None before and after."""
        return self.phases[self.phase_index] if 0 <= self.phase_index < len(self.phases) else None

    def rows_of(self, phase: Phase) -> tuple[HistoryRow, ...]:
        """The epochs of one phase."""
        return tuple(row for row in self.history if row.phase == phase.kind and row.level == phase.level)

    def curve_of(self, phase: Phase) -> tuple[tuple[float, float], ...]:
        """(epoch position, loss) within the epochs of one phase."""
        return tuple((point.epoch_position, point.loss) for point in self.curve if point.phase_index == phase.index)


def view_run(run_id: str) -> RunView:
    """A run as it is right now. Raises RunNotFoundError, ModelFileError."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    if job is None:
        return _stored(run_id)
    now = job.snapshot()
    return RunView(
        id=now.id,
        name=now.name,
        state=str(now.state),
        message=now.message,
        phases=now.phases or (planned_phases(job.data, job.config) if job.data is not None else ()),
        phase_index=now.phase_index,
        epoch=now.epoch,
        fraction=now.fraction,
        seconds=now.seconds,
        seconds_left=now.seconds_left,
        samples_per_second=now.samples_per_second,
        device=now.device,
        history=now.history,
        curve=now.curve,
        preview=now.preview,
        queue_position=now.queue_position,
    )


def planned_run(data: Dataset, config: StackConfig) -> RunView:
    """A run that has not been started: all phases wait. Raises ConfigError."""
    return RunView(
        id="",
        name="",
        state="planned",
        message="",
        phases=planned_phases(data, config),
        phase_index=-1,
        epoch=0,
        fraction=0.0,
        seconds=0.0,
        seconds_left=None,
        samples_per_second=0.0,
        device="",
        history=(),
    )


def planned_phases(data: Dataset, config: StackConfig) -> tuple[Phase, ...]:
    """The phases of a training. Raises ConfigError."""
    from sae_core.training.plan import plan

    return plan(data, config, store.preparation(data, config.scaling).n_inputs)


def _stored(run_id: str) -> RunView:
    found = store.run(run_id)
    record, history = found.record, found.history()
    phases = found.phases()
    if not phases and (data := store.dataset_or_none(run_id)) is not None:
        phases = planned_phases(data, record.config)
    done = sum(phase.epochs * phase.steps_per_epoch for phase in phases)
    finished = record.state == "finished"
    view = RunView(
        id=run_id,
        name=record.name,
        state=record.state,
        message=record.message,
        phases=phases,
        phase_index=len(phases) if finished else _index_of_last(phases, history),
        epoch=history[-1].epoch if history else 0,
        fraction=1.0 if finished else (history[-1].step / done if history and done else 0.0),
        seconds=record.seconds or (history[-1].seconds if history else 0.0),
        seconds_left=None,
        samples_per_second=_rate(history),
        device=record.device,
        history=history,
    )
    return _as_told(view, found.live()) if record.state in ("running", "paused") else view


def _as_told(view: RunView, live: dict[str, Any]) -> RunView:
    """A run in training in another process, as far as that one tells within its epochs."""
    from sae_core.jobs import CurvePoint

    try:
        index, running = int(live["phase_index"]), view.state == "running"
        if index < view.phase_index:
            return view  # its last word is of a phase that has ended since
        return replace(
            view,
            phase_index=index,
            epoch=int(live["epoch"]),
            fraction=float(live["fraction"]),
            seconds=float(live["seconds"]),
            seconds_left=float(live["seconds_left"]) if running else None,
            samples_per_second=float(live["samples_per_second"]) if running else 0.0,
            curve=tuple(CurvePoint(int(phase), float(at), float(loss)) for phase, at, loss in live["curve"]),
        )
    except (KeyError, TypeError, ValueError):
        return view


def _index_of_last(phases: tuple[Phase, ...], history: tuple[HistoryRow, ...]) -> int:
    if not history or not phases:
        return 0
    last = history[-1]
    phase = next((phase for phase in phases if (phase.kind, phase.level) == (last.phase, last.level)), phases[0])
    return phase.index + (last.epoch >= phase.epochs)


def _rate(history: tuple[HistoryRow, ...]) -> float:
    return history[-1].samples / history[-1].seconds if history and history[-1].seconds else 0.0


def live_drawing(run: RunView, drawing: StackDrawing) -> StackDrawing:
    """The drawing of a design, with what is trained, in training, and still to come."""
    depth = len(drawing.encoders)
    encoders: list[PartState] = ["waiting"] * depth
    decoders: list[PartState] = ["waiting"] * depth
    softmax: PartState = "waiting"
    for phase in run.phases[: run.phase_index + 1]:
        now: PartState = (
            "training" if phase.index == run.phase_index and run.state in ("running", "paused") else "trained"
        )
        if phase.index == run.phase_index and not run.is_active:
            continue  # it ended in the middle of this one
        if phase.kind == "pretrain":
            encoders[phase.level - 1] = decoders[phase.level - 1] = now
        elif phase.kind in ("joint", "unrolled"):
            encoders, decoders = [now] * depth, [now] * depth
        elif phase.kind == "softmax":
            softmax = now
        else:
            encoders, softmax = [now] * depth, now
    return replace(
        drawing, live=True, encoder_states=tuple(encoders), decoder_states=tuple(decoders), softmax_state=softmax
    )
