"""What preparation needs to know of a table column, gathered piece by piece: one pass, bounded memory, mergeable.

Pieces of a data set are counted apart (by other processes, too) and merged afterwards. Mean and variance, smallest and
largest value, missing cells and category counts are exact. Medians and quartiles come from a uniform sample of the
cells (the `k` with the smallest random priorities, which merges; Cohen & Kaplan 2007): exact while all cells fit into
it, within about 0.5 / sqrt(k) of a quantile beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data import prepared_columns as cells
from sae_core.data.dataset import Column
from sae_core.data.prepared_arrays import fit_scale
from sae_core.data.prepared_columns import (
    BooleanColumn,
    CategoryColumn,
    DateColumn,
    FittedScaling,
    NumericColumn,
    TableColumn,
)
from sae_core.limits import MAX_TRACKED_VALUES

SAMPLED_CELLS = 500_000  # of all columns of a piece together: 8 MB
MAX_SAMPLE = 50_000  # of one column


@dataclass
class ColumnStats:
    """One column over training rows.

    Attributes:
        name, kind: of the column.
        size: cells that its sample may hold.
        count, missing: cells with and without a value.
        mean, m2: of the values, and the sum of squared deviations (Chan, Golub & LeVeque 1979); booleans: of 0 and 1.
        low, high, whole: smallest and largest value; all of them are whole numbers.
        words: how often each category occurs; rest: occurrences of rare ones that are no longer told apart.
        sample, priority: (m,) values, and the random number that each one drew.
    """

    name: str
    kind: str
    size: int
    count: int = 0
    missing: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    words: dict[str, int] = field(default_factory=dict)
    rest: int = 0
    sample: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    priority: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(cls, columns: tuple[Column, ...]) -> list[ColumnStats]:
        """Empty ones for the columns of a table."""
        size = min(MAX_SAMPLE, max(256, SAMPLED_CELLS // max(1, len(columns))))
        return [cls(column.name, column.kind, size) for column in columns]

    def feed(self, values: pd.Series[Any], rng: np.random.Generator) -> None:
        """Count some cells. rng: draws their priorities, one a row whatever is in it."""
        draws = rng.random(len(values))
        if self.kind == "category":
            words = cells.words(values)
            counted = words.value_counts()
            self._add_words({str(word): int(n) for word, n in counted.items()}, 0)
            self.count += int(counted.sum())
            self.missing += int(words.isna().sum())
            return
        numbers = self._numbers(values)
        known = ~np.isnan(numbers)
        found = numbers[known]
        self.missing += len(numbers) - len(found)
        if not len(found):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean, m2 = float(found.mean()), float(found.var()) * len(found)
        low, high = float(found.min()), float(found.max())
        whole = bool((found == np.rint(found)).all())
        self._add_numbers(len(found), mean, m2, low, high, whole)
        self._add_sample(found, draws[known])

    def merge(self, other: ColumnStats) -> None:
        """Add what was counted of the same column elsewhere."""
        self.missing += other.missing
        if self.kind == "category":
            self.count += other.count
            self._add_words(other.words, other.rest)
        elif other.count:
            self._add_numbers(other.count, other.mean, other.m2, other.low, other.high, other.whole)
            self._add_sample(other.sample, other.priority)

    def fitted(self, scaling: FittedScaling) -> TableColumn:
        """The column's preparation: `sae_core.data.column_transforms.fit_column` from counts."""
        if self.kind == "category":
            chosen, has_other = cells.choose_counted(self.words, self.rest)
            return CategoryColumn(self.name, chosen, has_other, self.missing > 0 or not chosen)
        if self.kind == "boolean":
            return BooleanColumn(self.name, 1 if self.count and self.mean > 0.5 else 0, self.missing > 0)
        fill = float(np.median(self.sample)) if self.count else 0.0
        center, scale = self._scale(fill, scaling)
        if self.kind == "date":
            return DateColumn(self.name, fill, center, scale, self.missing > 0, whole_days=self.whole)
        return NumericColumn(self.name, fill, center, scale, self.missing > 0)

    def to_json(self) -> dict[str, Any]:
        """All but the sample, as JSON values."""
        plain = {key: value for key, value in vars(self).items() if key not in ("sample", "priority")}
        return plain | ({"low": None, "high": None} if not np.isfinite(self.low) else {})

    @classmethod
    def from_json(cls, value: dict[str, Any], tensors: dict[str, NDArray[Any]], number: int) -> ColumnStats:
        """The inverse of `to_json`; the sample comes from `tensors`."""
        known = {**value}
        if known["low"] is None:
            known |= {"low": np.inf, "high": -np.inf}
        sample, priority = tensors[f"sample.{number}"], tensors[f"priority.{number}"]
        return cls(**known, sample=sample.copy(), priority=priority.copy())

    def _numbers(self, values: pd.Series[Any]) -> NDArray[np.float64]:
        if self.kind == "boolean":
            return cells.truths(values, self.name)
        return cells.days(values, self.name) if self.kind == "date" else cells.numbers(values, self.name)

    def _add_numbers(self, count: int, mean: float, m2: float, low: float, high: float, whole: bool) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            total, step = self.count + count, mean - self.mean
            self.m2 += m2 + step * step * self.count * count / total
            self.mean += step * count / total
        self.count = total
        self.low, self.high, self.whole = min(self.low, low), max(self.high, high), self.whole and whole

    def _add_sample(self, values: NDArray[np.float64], priority: NDArray[np.float64]) -> None:
        if self.kind == "boolean":
            return
        if len(self.sample) >= self.size:  # most cells of a long column end here
            good = priority < self.priority.max()
            values, priority = values[good], priority[good]
        values, priority = np.concatenate([self.sample, values]), np.concatenate([self.priority, priority])
        if len(values) > self.size:
            kept = np.argpartition(priority, self.size - 1)[: self.size]
            values, priority = values[kept], priority[kept]
        self.sample, self.priority = values, priority

    def _add_words(self, counts: dict[str, int], rest: int) -> None:
        self.rest += rest
        for word, count in counts.items():
            self.words[word] = self.words.get(word, 0) + count
        if len(self.words) > 2 * MAX_TRACKED_VALUES:  # rare ones go to "other" in any case
            order = sorted(self.words, key=lambda word: (-self.words[word], word))
            for word in order[MAX_TRACKED_VALUES:]:
                self.rest += self.words.pop(word)

    def _scale(self, fill: float, scaling: FittedScaling) -> tuple[float, float]:
        """Centre and scale of the values with missing ones filled, as `fit_scale` fits them."""
        if scaling == "none" or not self.count:
            return 0.0, 1.0
        n, mean, m2, low, high = self.count, self.mean, self.m2, self.low, self.high
        if self.missing:
            total, step = n + self.missing, fill - mean
            m2 += step * step * n * self.missing / total
            mean += step * self.missing / total
            n = total
        exact = scaling == "min_max" or (scaling == "standard" and np.isfinite(m2) and max(abs(low), abs(high)) < 1e150)
        if not exact:  # from the sample, with as many fills as its share of missing cells
            fills = np.full(round(len(self.sample) * self.missing / self.count), fill)
            center, scale = fit_scale(np.concatenate([self.sample, fills])[:, None], scaling)
            return float(center[0]), float(scale[0])
        if scaling == "min_max":
            ends = fit_scale(np.array([[low], [high]]), "min_max")
            return float(ends[0][0]), float(ends[1][0])
        epsilon, variance = np.finfo(np.float64).eps, m2 / n
        constant = low == high or variance <= n * epsilon * variance + (n * mean * epsilon) ** 2
        return (low if low == high else mean), 1.0 if constant else float(np.sqrt(variance))
