"""Decoding by hand: handles that move a code, walks between two rows, and the decoded plane of a two-unit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.components import principal_components

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

HandleKind = Literal["units", "directions"]
Code = NDArray[np.float32]

_LOW, _HIGH = 1.0, 99.0  # percentiles between which a handle moves


@dataclass(frozen=True, eq=False)
class Handles:
    """A few directions in which a code can be moved.

    Attributes:
        kind: "units": one unit each; "directions": along a principal component of the codes.
        units: (k,) the units, or empty.
        directions: (k, width) what a step of 1 adds to the code.
        low, high: (k,) between which the rows' own values lie (1st and 99th percentile): of units the values
            themselves, of directions the distance from the mean in standard deviations.
        centre: (width,) mean code.
    """

    kind: HandleKind
    units: NDArray[np.int64]
    directions: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    centre: NDArray[np.float64]

    def values_of(self, code: NDArray[np.floating]) -> NDArray[np.float64]:
        """(k,) where a code (width,) stands on each handle."""
        if self.kind == "units":
            return np.asarray(code[self.units], dtype=np.float64)
        lengths = np.square(self.directions).sum(axis=1)
        return np.asarray(self.directions @ (code - self.centre) / np.where(lengths > 0, lengths, 1.0))

    def moved(self, start: NDArray[np.floating], values: Sequence[float] | NDArray[np.floating]) -> Code:
        """The code (width,) that stands at `values` on the handles, and beside them where `start` does."""
        steps = np.asarray(values, dtype=np.float64) - self.values_of(start)
        return np.asarray(start + steps @ self.directions, dtype=np.float32)


def handles(codes: NDArray[np.floating], limit: int, kind: HandleKind = "units") -> Handles:
    """Handles on the units that vary most, in the order of the code, or along the first principal directions.

    Args:
        codes: (m, width) of a sample of rows.
        limit: at most as many handles.
    """
    width = codes.shape[1]
    centre = codes.mean(axis=0, dtype=np.float64)
    if kind == "units":
        units = np.sort(np.argsort(-codes.std(axis=0), kind="stable")[:limit]).astype(np.int64)
        low, high = np.percentile(codes[:, units], [_LOW, _HIGH], axis=0)
        return Handles(kind, units, _unit_rows(units, width), low, high, centre)
    found = principal_components(codes, limit)
    spread = np.sqrt(found.variance)
    keep = spread > 1e-9 * max(float(spread.max(initial=0.0)), 1e-12)
    directions = found.components[keep] * spread[keep][:, None]
    amounts = found.project(codes)[:, keep] / spread[keep]
    low, high = np.percentile(amounts, [_LOW, _HIGH], axis=0)
    return Handles(kind, np.zeros(0, dtype=np.int64), directions, low, high, centre)


def _unit_rows(units: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    rows = np.zeros((len(units), width))
    rows[np.arange(len(units)), units] = 1.0
    return rows


@dataclass(frozen=True, eq=False)
class Walk:
    """From one row to another.

    Attributes:
        shares: (s,) 0..1, how far along.
        through_code: (s, n_inputs) decoded from the straight line between both codes, in the prepared scale.
        straight: (s, n_inputs) the straight line between both rows themselves.
    """

    shares: NDArray[np.float64]
    through_code: NDArray[np.float32]
    straight: NDArray[np.float32]


def walk(model: TrainedStack, level: int, x: NDArray[np.float32], steps: int) -> Walk:
    """Walk from one row to another through the code of a level, and straight through the input.

    Args:
        x: (2, n_inputs) both rows, prepared.
        steps: at least 2, both ends included.
    """
    shares = np.linspace(0.0, 1.0, max(2, steps))
    codes = model.encode_prepared(x, level)

    def between(ends: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(ends[0] + shares[:, None] * (ends[1] - ends[0]), dtype=np.float32)

    return Walk(shares, model.decode_prepared(between(codes), level), between(x))


@dataclass(frozen=True, eq=False)
class Plane:
    """The decoded plane of a two-unit code.

    Attributes:
        first, second: (s,) values of both units, from low to high.
        decoded: (s * s, n_inputs) in the prepared scale; second unit from high to low, and in each line the first from
            low to high, as one looks at a chart.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    decoded: NDArray[np.float32]


def plane(model: TrainedStack, level: int, codes: NDArray[np.floating], side: int) -> Plane:
    """Decode a grid over the region that the rows' codes (m, 2) lie in."""
    low, high = np.percentile(codes, [_LOW, _HIGH], axis=0)
    first, second = np.linspace(low[0], high[0], side), np.linspace(low[1], high[1], side)
    grid = np.array([(a, b) for b in second[::-1] for a in first], dtype=np.float32)  # (side * side, 2)
    return Plane(first, second, model.decode_prepared(grid, level))
