"""Training as a generator of events. It knows no thread, no file and no page; whoever pulls it owns the time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import DivergedError, MemoryExhaustedError, SaeError
from sae_core.model.trained import TrainedStack
from sae_core.training.events import (
    CheckpointReached,
    EngineChosen,
    EpochEnded,
    Event,
    Finished,
    Phase,
    PhaseEnded,
    PhaseStarted,
    StepTaken,
)
from sae_core.training.loop import PhaseLoop
from sae_core.training.pace import Pace, Stopwatch
from sae_core.training.preview import Preview
from sae_core.training.state import TrainingState
from sae_core.training.workbench import Workbench


def train(
    data: Dataset,
    config: StackConfig,
    *,
    resume: TrainingState | None = None,
    start: TrainedStack | None = None,
    checkpoint_due: Callable[[], bool] | None = None,
) -> Iterator[Event]:
    """Train a stack, level by level, as a generator.

    Between two events nothing happens: not pulling is a pause, closing is a stop. There is an event after every batch.

    Args:
        data: trained on its training rows; its validation rows give the validation losses.
        config: of the stack.
        resume: go on from there; on the same CPU the result equals that of an uninterrupted training bit for bit.
        start: begin with the weights of its autoencoders instead of drawn ones; its levels must be those of `config`.
            With `pretraining="none"` its pretraining is used again, e.g. for another share of the labels.
        checkpoint_due: asked after every batch; True asks for a `CheckpointReached`. One follows each phase anyway.

    Yields:
        PhaseStarted, EngineChosen, then StepTaken, Progress, PreviewReady, EpochEnded ..., PhaseEnded,
        CheckpointReached for each phase; Finished with the model at last.

    Raises:
        ConfigError: the settings do not fit the data, or not `start`. DivergedError: the loss became NaN or infinite.
        MemoryExhaustedError: no memory was left. ModelFileError: `resume` is of another training.

    >>> import sae_core as sae
    >>> events = list(train(sae.load_sample("iris"), StackConfig(layers=[3, 2], epochs=2)))
    >>> type(events[-1]).__name__
    'Finished'
    """
    with memory_errors():
        bench = Workbench(data, config, resume, start)
        yield from _plan(bench, checkpoint_due or (lambda: False))


def fit(data: Dataset, config: StackConfig, *, start: TrainedStack | None = None) -> TrainedStack:
    """Train a stack and return it: `train`, drained.

    >>> import sae_core as sae
    >>> fit(sae.load_sample("iris"), StackConfig(layers=[3, 2], epochs=2)).units
    (3, 2)
    """
    with memory_errors():
        for event in _plan(Workbench(data, config, None, start), None):
            if isinstance(event, Finished):
                return event.model
    raise SaeError("Training ended without a model. This is a bug; please report it with the settings used.")


def _plan(bench: Workbench, checkpoint_due: Callable[[], bool] | None) -> Iterator[Event]:
    """The whole plan; without checkpoints where nobody asks whether one is due."""
    watch = Stopwatch(bench.position.seconds)
    pace = Pace(bench.phases, bench.n_inputs, bench.config)
    preview = Preview(bench)
    while bench.position.phase < len(bench.phases):
        phase = bench.phases[bench.position.phase]
        so_far = bench.trained_so_far() if phase.index else None
        yield from watch.pausing([PhaseStarted(phase, bench.phases, bench.device.type, so_far)])
        if not bench.position.epoch:
            yield from watch.pausing(preview.now(phase, 0))
        yield from watch.pausing(_phase(bench, phase, pace, watch, preview, checkpoint_due))
    yield Finished(bench.trained())


def _phase(
    bench: Workbench,
    phase: Phase,
    pace: Pace,
    watch: Stopwatch,
    preview: Preview,
    checkpoint_due: Callable[[], bool] | None,
) -> Iterator[Event]:
    with memory_errors(phase):
        loop = PhaseLoop(bench, phase)
    yield EngineChosen(phase, str(loop.engine), loop.engine.precision)
    with memory_errors(phase, loop):
        yield from _epochs(bench, phase, loop, pace, watch, preview, checkpoint_due)
        loop.finish()
    bench.advance(watch.seconds)
    yield from preview.now(phase, loop.epoch)
    yield PhaseEnded(phase, loop.stopped_early)
    if checkpoint_due is None:
        _check(bench.is_finite, loop)
    else:
        yield CheckpointReached(_good(bench.state(None, watch.seconds), loop))


def _epochs(
    bench: Workbench,
    phase: Phase,
    loop: PhaseLoop,
    pace: Pace,
    watch: Stopwatch,
    preview: Preview,
    checkpoint_due: Callable[[], bool] | None,
) -> Iterator[Event]:
    while not loop.is_over:
        loop.begin_epoch()
        for loss, rows in loop.steps():
            yield StepTaken()
            if progress := pace.after_step(phase, loop, loss, rows, watch.seconds):
                yield progress
                yield from preview.if_due(phase, loop.epoch + 1)
            if checkpoint_due is not None and checkpoint_due():
                yield CheckpointReached(_good(bench.state(loop, watch.seconds), loop))
        row = loop.end_epoch(watch.seconds)
        yield EpochEnded(phase, row)
        yield from preview.if_due(phase, loop.epoch)


def _good(state: TrainingState, loop: PhaseLoop) -> TrainingState:
    """A checkpoint that training can go on from; the last step may have broken the weights after a finite loss."""
    _check(state.is_finite, loop)
    return state


def _check(is_finite: bool, loop: PhaseLoop) -> None:
    if not is_finite:
        within = loop.batch > 0
        epoch, step = (loop.epoch + 1, loop.batch) if within else (loop.epoch, loop.phase.steps_per_epoch)
        raise DivergedError(
            f"The weights became NaN or infinite in {loop.phase.title}, epoch {epoch}, batch {step}; "
            "the last good checkpoint is kept. Choose a smaller learning rate or limit the gradient, and start again.",
            phase=loop.phase.title,
            epoch=epoch,
            step=step,
        )


@contextlib.contextmanager
def memory_errors(phase: Phase | None = None, loop: PhaseLoop | None = None) -> Iterator[None]:
    """Name the lack of memory, which torch reports in two ways and Python in a third, and where it came."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        lacking = isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
        if not lacking or isinstance(error, SaeError):
            raise
        epoch, step = (loop.epoch + 1, loop.batch + 1) if loop else (0, 0)
        where = f" in {phase.title}" if phase else ""
        where += f", epoch {epoch}, batch {step}" if loop else ""
        raise MemoryExhaustedError(
            f"There is not enough memory for this stack: it ran out{where}. The last good checkpoint is kept. "
            "Close other programs and resume, or choose fewer units, a smaller batch or fewer rows and start again.",
            phase=phase.title if phase else "",
            epoch=epoch,
            step=step,
        ) from error
