"""Recorded steps: what a CUDA graph does, done on the CPU by recording what torch is asked for, address by address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from sae_core.config import LayerConfig, StackConfig
from sae_core.training.capture import Run, captured
from sae_core.training.closed import closed_step
from tests.training.test_closed import BATCH, Build, deep, fine_tuning, pretraining, settings, softmax


class Recording(TorchDispatchMode):
    """Notes every operation with the very tensors it reads and writes; a repetition knows nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def repeat(self) -> None:
        for func, args, kwargs, result in self.operations:
            again = func(*args, **kwargs)
            for into, value in zip(tree_flatten(result)[0], tree_flatten(again)[0], strict=True):
                if isinstance(into, torch.Tensor):
                    into.copy_(value)


def record(run: Run) -> Run:
    with Recording() as recording:
        run()
    return recording.repeat


LEVEL = LayerConfig(units=5, l2=0.1, tied=True, sparsity="kl", sparsity_weight=0.3, corruption="masking")
CASES: dict[str, tuple[Callable[[StackConfig], Build], StackConfig]] = {
    "pretraining": (pretraining, settings(LEVEL, activation="sigmoid")),
    "l1": (pretraining, settings(LayerConfig(units=5, sparsity="l1", sparsity_weight=0.2), activation="gelu")),
    "cross-entropy": (pretraining, settings(5, loss="binary_cross_entropy", activation="tanh")),
    "huber": (pretraining, settings(5, loss="huber", activation="elu")),
    "joint": (deep, settings(LEVEL, 4, activation="selu", gradient_clip=0.05)),
    "softmax": (softmax, settings(5)),
    "fine-tuning": (fine_tuning, settings(5, 4, label_smoothing=0.1)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_a_recorded_step_is_the_step(name: str, compute: torch.dtype) -> None:
    build, config = CASES[name]
    modules, steps = [], []
    for recorder in (None, record):
        objective = build(config)(torch.float32)
        step = closed_step(objective, config, 0.01, compute=compute, record=recorder)
        assert step is not None
        modules.append(objective.module)
        steps.append(step)
    for i in range(6):
        batch = torch.roll(BATCH, i) if i != 3 else BATCH[:4]  # other rows, and a smaller last batch of an epoch
        assert steps[1].take(batch) == steps[0].take(batch)
    for one, other in zip(*(module.parameters() for module in modules), strict=True):
        assert torch.equal(one, other)


def test_programs_that_draw_are_not_recorded() -> None:
    def never(_: Run) -> Run:
        raise AssertionError

    config = settings(LayerConfig(units=5, dropout=0.4))
    step = closed_step(pretraining(config)(torch.float32), config, 0.01, record=never)
    assert step is not None
    assert step.take(BATCH).loss > 0


def test_a_recording_is_made_once_for_each_batch_size() -> None:
    made = []

    def counting(run: Run) -> Run:
        made.append(run)
        return record(run)

    config = settings(5)
    step = closed_step(pretraining(config)(torch.float32), config, 0.01, record=counting)
    assert step is not None
    for batch in (BATCH, BATCH, BATCH[:4], BATCH, BATCH[:4]):
        step.take(batch)
    assert len(made) == 2


def test_what_cannot_be_recorded_is_called(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Run) -> Run:
        raise RuntimeError("operation not permitted when stream is capturing")

    value = torch.zeros(3)
    run = captured(lambda: value.fill_(2.0), [value], fails)
    assert value.tolist() == [2.0] * 3
    value.zero_()
    run()
    assert value.tolist() == [2.0] * 3
    assert "could not be recorded" in caplog.text


@pytest.mark.parametrize("left", [None, 1.0, float("nan")])
def test_a_recording_that_leaves_something_else_is_not_used(
    left: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    value = torch.zeros(3)
    run = captured(lambda: value.fill_(2.0), [value], lambda _: lambda: None if left is None else value.fill_(left))
    assert value.tolist() == [2.0] * 3
    run()
    assert value.tolist() == [2.0] * 3
    assert "other results" in caplog.text
