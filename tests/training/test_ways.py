"""The same architecture, three ways, as many steps."""

from __future__ import annotations

import pytest

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.training.plan import plan
from sae_core.training.ways import ways


@pytest.mark.parametrize(
    "config",
    [
        StackConfig(layers=[3, 2], epochs=5, batch_size=7),
        StackConfig(layers=[3], epochs=1),
        StackConfig(
            layers=[LayerConfig(units=3, epochs=4, batch_size=9), LayerConfig(units=2, epochs=7)],
            pretraining="joint",
            unrolled_epochs=3,
            early_stopping=2,
        ),
        StackConfig(layers=[3, 2], epochs=3, optimiser="lbfgs"),
    ],
)
def test_every_way_takes_the_same_number_of_steps(blobs: Dataset, config: StackConfig) -> None:
    made = ways(config)
    steps = {
        way: sum(
            phase.epochs * phase.steps_per_epoch
            for phase in plan(blobs, own, blobs.n_features)
            if phase.kind in ("pretrain", "joint", "unrolled")
        )
        for way, own in made.configs.items()
    }
    assert len(set(steps.values())) == 1, steps
    assert steps["greedy"] > 0
    kinds = {
        way: {phase.kind for phase in plan(blobs, own, blobs.n_features)} & {"pretrain", "joint", "unrolled"}
        for way, own in made.configs.items()
    }
    assert kinds == {"greedy": {"pretrain"}, "joint": {"joint"}, "greedy then joint": {"pretrain", "unrolled"}}
    assert {own.seed for own in made.configs.values()} == {config.seed}
    assert {own.units for own in made.configs.values()} == {config.units}


def test_what_is_changed_is_said() -> None:
    assert ways(StackConfig(layers=[3, 2], epochs=4)).notes == ()
    odd = StackConfig(layers=[LayerConfig(units=3, batch_size=9, epochs=1)], early_stopping=2, unrolled_epochs=1)
    assert len(ways(odd).notes) == 4
