"""Which settings a sweep tries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sae_core.config import LayerConfig, StackConfig
from sae_core.errors import ConfigError
from sae_core.runs.draws import CORRUPTION, RATE, Draw, Range, Space, at_random, grid, suggested

SPACE = Space(units=((8, 64), (2, 8)), learning_rate=(1e-4, 1e-1), corruption="masking", corruption_level=(0.1, 0.5))
BASE = StackConfig(layers=[LayerConfig(units=5, tied=True, learning_rate=1.0), 3], epochs=7)


def inside(draw: Draw, space: Space) -> bool:
    return all(
        axis.low <= draw[axis.name] <= axis.high and (not axis.whole or draw[axis.name] == int(draw[axis.name]))
        for axis in space.ranges
    )


@pytest.mark.parametrize("n", [1, 2, 5, 16, 50, 100])
def test_a_grid_is_even_and_within_its_number(n: int) -> None:
    draws = grid(SPACE, n)
    assert n / 2 - 1 < len(draws) <= n
    assert all(inside(draw, SPACE) for draw in draws)
    assert len({tuple(draw.values()) for draw in draws}) == len(draws)
    counts = [len({draw[axis.name] for draw in draws}) for axis in SPACE.ranges]
    assert math.prod(counts) == len(draws)
    assert max(counts) - min(counts) <= 2


def test_what_does_not_vary_takes_no_runs() -> None:
    narrow = Space(units=((4, 4), (2, 3)), learning_rate=(0.01, 0.01))
    assert [(draw["units of level 1"], draw["units of level 2"]) for draw in grid(narrow, 50)] == [(4, 2), (4, 3)]
    assert len(at_random(narrow, 50, seed=0)) == 2  # there are no more


def test_random_draws_repeat_with_their_seed_and_fill_the_ranges() -> None:
    draws = at_random(SPACE, 100, seed=3)
    assert draws == at_random(SPACE, 100, seed=3)
    assert draws != at_random(SPACE, 100, seed=4)
    assert all(inside(draw, SPACE) for draw in draws)
    rates = np.log10([draw[RATE] for draw in draws])
    assert -2.9 < rates.mean() < -2.1  # even in the logarithm
    assert draws[:10] == at_random(SPACE, 10, seed=3)  # more runs later begin with the same ones


def test_optuna_turns_to_what_was_good() -> None:
    def loss(draw: Draw) -> float:
        return abs(math.log10(draw[RATE]) + 3) + abs(draw[CORRUPTION] - 0.2)

    done: list[tuple[Draw, float]] = []
    while len(done) < 25:
        draw = suggested(SPACE, done, higher_is_better=False, seed=0)
        assert inside(draw, SPACE)
        done.append((draw, loss(draw)))
    assert suggested(SPACE, done, higher_is_better=False, seed=0) == suggested(
        SPACE, done, higher_is_better=False, seed=0
    )
    assert np.mean([value for _, value in done[15:]]) < 0.7 * np.mean([value for _, value in done[:8]])
    assert suggested(SPACE, [], higher_is_better=True, seed=1) != suggested(SPACE, [], higher_is_better=True, seed=2)


def test_a_draw_becomes_a_design_and_back() -> None:
    draw = {"units of level 1": 16.0, "units of level 2": 4.0, CORRUPTION: 0.25, RATE: 0.003}
    config = SPACE.configured(BASE, draw)
    assert config.units == (16, 4)
    assert [layer.corruption_level for layer in config.layers] == [0.25, 0.25]
    assert config.level(1).learning_rate == config.level(2).learning_rate == 0.003
    assert (config.layers[0].tied, config.epochs) == (True, 7)
    assert SPACE.draw_of(config) == draw


@pytest.mark.parametrize(
    ("low", "high", "logarithmic"), [(2, 1, False), (0, 1, True), (math.nan, 1, False), (1, math.inf, True)]
)
def test_a_range_that_is_none(low: float, high: float, logarithmic: bool) -> None:
    with pytest.raises(ConfigError, match="Choose another"):
        Range("x", low, high, logarithmic=logarithmic)


@pytest.mark.parametrize("n", [0, -1, 101])
def test_the_number_is_bounded(n: int) -> None:
    with pytest.raises(ConfigError, match="1 to 100"):
        grid(SPACE, n)
