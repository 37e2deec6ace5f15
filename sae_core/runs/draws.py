"""Which settings a sweep tries: a grid, random draws, or what a sampler makes of the results so far. Pure functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sae_core import lazy
from sae_core.config import Corruption, StackConfig
from sae_core.errors import ConfigError
from sae_core.limits import MAX_SWEEP_RUNS

Method = Literal["grid", "random", "optuna"]
Draw = dict[str, float]  # a value for each range, by its name

_REDRAWS = 50  # of a random draw that came before
CORRUPTION, RATE = "corruption level", "learning rate"


@dataclass(frozen=True)
class Range:
    """Where one setting may lie.

    Attributes:
        name: "units of level 1" .., "corruption level" or "learning rate".
        low, high: both included; equal: the setting is fixed.
        whole: whole numbers only.
        logarithmic: equal steps are equal ratios.
    """

    name: str
    low: float
    high: float
    whole: bool = False
    logarithmic: bool = False

    def __post_init__(self) -> None:
        fits = math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high
        if not fits or (self.logarithmic and self.low <= 0):
            raise ConfigError(f"The range of {self.name} from {self.low:g} to {self.high:g} is none. Choose another.")

    def at(self, share: float) -> float:
        """The value at a share 0..1 of the range."""
        if self.logarithmic:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        return float(round(value)) if self.whole else float(np.clip(value, self.low, self.high))

    def steps(self, n: int) -> tuple[float, ...]:
        """At most n values from end to end, none twice; the middle for n = 1.

        >>> Range("units of level 1", 8, 64, whole=True, logarithmic=True).steps(4)
        (8.0, 16.0, 32.0, 64.0)
        """
        shares = [0.5] if n == 1 else [i / (n - 1) for i in range(n)]
        return tuple(dict.fromkeys(self.at(share) for share in shares))


@dataclass(frozen=True)
class Space:
    """The ranges of a sweep.

    Attributes:
        units: (low, high) of each level, from the input upwards.
        learning_rate: (low, high) of every level.
        corruption: of every level; "none": the design's own.
        corruption_level: (low, high) of that.
    """

    units: tuple[tuple[int, int], ...]
    learning_rate: tuple[float, float]
    corruption: Corruption = "none"
    corruption_level: tuple[float, float] = (0.0, 0.5)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Each setting's range.

        Raises:
            ConfigError: one of them is none.
        """
        found = [
            Range(f"units of level {level}", *pair, whole=True, logarithmic=True)
            for level, pair in enumerate(self.units, start=1)
        ]
        if self.corruption != "none":
            found.append(Range(CORRUPTION, *self.corruption_level))
        return (*found, Range(RATE, *self.learning_rate, logarithmic=True))

    def configured(self, base: StackConfig, draw: Mapping[str, float]) -> StackConfig:
        """The design with the values of a draw.

        Raises:
            ConfigError: they make no sense together.
        """
        changes: dict[str, Any] = {"learning_rate": None}
        if self.corruption != "none":
            changes |= {"corruption": self.corruption, "corruption_level": round(draw[CORRUPTION], 4)}
        layers = []
        for level, layer in enumerate(base.layers, start=1):
            own = {"units": int(draw[f"units of level {level}"])} if layer.kind == "dense" else {}
            layers.append(layer.replace(**own, **changes))
        return base.replace(layers=tuple(layers), learning_rate=float(f"{draw[RATE]:.4g}"))

    def draw_of(self, config: StackConfig) -> Draw:
        """The inverse of `configured`."""
        found = {f"units of level {level}": float(units) for level, units in enumerate(config.units, start=1)}
        if self.corruption != "none":
            found[CORRUPTION] = config.layers[0].corruption_level
        return found | {RATE: config.learning_rate}


def grid(space: Space, n: int) -> tuple[Draw, ...]:
    """At most n combinations, every range divided as evenly as that allows.

    >>> [draw["learning rate"] for draw in grid(Space(units=((4, 4),), learning_rate=(0.001, 0.1)), 3)]
    [0.001, 0.01, 0.1]
    """
    check_count(n)
    ranges = space.ranges
    counts = [1] * len(ranges)

    def steps(counts: Sequence[int]) -> list[tuple[float, ...]]:
        return [axis.steps(count) for axis, count in zip(ranges, counts, strict=True)]

    growing = True
    while growing:
        growing = False
        for place in sorted(range(len(ranges)), key=lambda i: counts[i]):
            more = [count + (i == place) for i, count in enumerate(counts)]
            is_finer = len(steps(more)[place]) > len(steps(counts)[place])
            if is_finer and math.prod(len(values) for values in steps(more)) <= n:
                counts, growing = more, True
                break
    names = [axis.name for axis in ranges]
    return tuple(dict(zip(names, values, strict=True)) for values in itertools.product(*steps(counts)))


def at_random(space: Space, n: int, seed: int) -> tuple[Draw, ...]:
    """n combinations (fewer where there are not as many), each drawn evenly over its range."""
    check_count(n)
    rng = np.random.default_rng(seed)
    found: dict[tuple[float, ...], Draw] = {}
    for _ in range(n * _REDRAWS):
        draw = {axis.name: axis.at(float(rng.random())) for axis in space.ranges}
        found.setdefault(tuple(draw.values()), draw)
        if len(found) == n:
            break
    return tuple(found.values())


def suggested(space: Space, done: Sequence[tuple[Draw, float]], *, higher_is_better: bool, seed: int) -> Draw:
    """What a tree-structured Parzen estimator (Bergstra et al. 2011; Optuna, Akiba et al. 2019) would try next.

    Args:
        done: what was tried, with its result; the order does not matter to what comes next, the seed does.
    """
    optuna = lazy.package("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {axis.name: _distribution(optuna, axis) for axis in space.ranges}
    sampler = optuna.samplers.TPESampler(seed=seed + len(done), n_startup_trials=5)
    study = optuna.create_study(direction="maximize" if higher_is_better else "minimize", sampler=sampler)
    for draw, value in done:
        params = {
            axis.name: int(draw[axis.name]) if axis.whole else min(max(draw[axis.name], axis.low), axis.high)
            for axis in space.ranges
        }
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    trial = study.ask(distributions)
    return {name: float(value) for name, value in trial.params.items()}


def _distribution(optuna: Any, axis: Range) -> Any:
    if axis.whole:
        return optuna.distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.logarithmic)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.logarithmic)


def check_count(n: int) -> None:
    """Refuse a number of runs that is none, or too many.

    Raises:
        ConfigError: which is it.
    """
    if not 1 <= n <= MAX_SWEEP_RUNS:
        raise ConfigError(f"A sweep has 1 to {MAX_SWEEP_RUNS} runs, not {n:,}. Choose such a number.")
