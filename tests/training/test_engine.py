"""Which way, precision and number of threads a phase is computed with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.training import engine
from sae_core.training.closed import ClosedStep
from sae_core.training.engine import Engine
from sae_core.training.events import EngineChosen
from sae_core.training.trainer import fit, train


@pytest.fixture(scope="module")
def wide() -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.random((600, 4)) @ rng.random((4, 200))
    return Dataset("wide", "arrays", x.astype(np.float32))


def engines(data: Dataset, **changes: Any) -> list[str]:
    config = StackConfig(layers=[160, 3], epochs=1, **changes)
    return [event.engine for event in train(data, config) if isinstance(event, EngineChosen)]


def test_large_steps_use_bfloat16_only_where_it_is_fast(wide: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_fast_bfloat16", lambda device: device == "cpu")
    assert engines(wide) == ["cpu, 1 thread, bfloat16, closed form", "cpu, 1 thread, float32, closed form"]
    assert engines(wide, precision="float32")[0] == "cpu, 1 thread, float32, closed form"
    monkeypatch.setattr(engine, "has_fast_bfloat16", lambda device: False)
    assert engines(wide)[0] == "cpu, 1 thread, float32, closed form"
    assert engines(wide, precision="bfloat16") == ["cpu, 1 thread, bfloat16, closed form"] * 2


def test_what_autograd_computes_is_float32(wide: Dataset) -> None:
    layers = [LayerConfig(units=160, normalisation="layer")]
    stream = train(wide, StackConfig(layers=layers, epochs=1, precision="bfloat16"))
    assert [e.engine for e in stream if isinstance(e, EngineChosen)] == ["cpu, 1 thread, float32, autograd"]


def test_bfloat16_learns_as_well(wide: Dataset) -> None:
    settings: dict[str, Any] = {"layers": [64, 8], "activation": "tanh", "epochs": 20, "batch_size": 64}
    exact, narrow = (fit(wide, StackConfig(**settings, precision=p)) for p in ("float32", "bfloat16"))
    losses = [model.history.groupby("level").validation_loss.last() for model in (exact, narrow)]
    assert (losses[1] < 1.05 * losses[0]).all()
    assert not np.array_equal(exact.encode(wide), narrow.encode(wide))


def test_small_steps_take_one_thread_and_leave_the_callers_alone(
    wide: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    kept = ClosedStep.take

    def watched(self: ClosedStep, batch: torch.Tensor) -> Any:
        seen.append(torch.get_num_threads())
        return kept(self, batch)

    monkeypatch.setattr(ClosedStep, "take", watched)
    torch.set_num_threads(2)
    for event in train(wide, StackConfig(layers=[160, 3], epochs=1)):
        assert torch.get_num_threads() == 2, event
    assert seen[0] == 2
    assert seen[-1] == 1


def test_an_engine_in_words() -> None:
    assert str(Engine("cpu", 2, "float32", "autograd")) == "cpu, 2 threads, float32, autograd"
    assert str(Engine("cuda", 2, "bfloat16", "closed form")) == "cuda, bfloat16, closed form"
