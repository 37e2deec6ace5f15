"""What is in a column: counts gathered batch by batch in bounded memory, to guess its kind and role from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core.data import cells
from sae_core.data.dialect import FullDialect
from sae_core.limits import LARGEST_NUMBER, MAX_TRACKED_VALUES

HISTOGRAM_BINS = 20
_SAMPLE = 4096  # numbers that the histogram is drawn from; fewer in wide tables
_SAMPLED_CELLS = 2_000_000  # of all columns together
_TRACKED_CELLS = 1_000_000  # different values tracked in all columns of a wide table together


def _text_bytes(values: Any) -> int:
    """Bytes of all cells as text; numbers and dates are written with about 16 characters."""
    import pyarrow as pa

    if not pa.types.is_string(values.type):
        return 16 * len(values)
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)
    return int(offsets[values.offset + len(values)] - offsets[values.offset]) + 8 * len(values)


class ColumnSummary:
    """Counts of one column, fed with its batches.

    Attributes:
        rows, empty: cells, and empty ones among them.
        words: how often each different text occurs; None once there are more than `limits.MAX_TRACKED_VALUES`.
        numbers, infinite, bad_numbers: cells that are finite numbers, infinite or beyond `LARGEST_NUMBER`, or neither
            numbers nor words for "missing".
        low, high, mean, variance: of the finite numbers.
        whole: all numbers are whole; counting: they go up by one from row to row.
        codes: some cells are digits with a leading zero.
        date_format: in which the cells are dates, or None.
        date_is_ambiguous: they are dates with day and month exchanged as well.
        dates, bad_dates, first_date, last_date: as for numbers.
        text_bytes: of all cells.
    """

    def __init__(self, name: str, dialect: FullDialect, n_columns: int, day_first: bool = False) -> None:
        self.name, self.has_header, self._dialect, self._day_first = name, dialect.header, dialect, day_first
        self._most_words = min(MAX_TRACKED_VALUES, max(200, _TRACKED_CELLS // n_columns))
        self._sample_size = min(_SAMPLE, max(128, _SAMPLED_CELLS // n_columns))
        self.rows = self.empty = self.text_bytes = 0
        self._seen = self._filled_tracked = 0  # different words, and filled cells, while they were tracked
        self.words: dict[str, int] | None = {}
        self.is_typed = self.is_unsupported = self.codes = False
        self.numbers = self.infinite = self.bad_numbers = 0
        self.bad_words: dict[str, int] = {}
        self.low, self.high, self.mean, self._m2 = np.inf, -np.inf, 0.0, 0.0
        self.whole = self.counting = True
        self._last: float | None = None
        self._sample: list[NDArray[np.float64]] = []
        self._every = 1
        self._numeric_open = self._date_open = True
        self.date_format: str | None = None
        self.date_is_ambiguous = False
        self.dates = self.bad_dates = 0
        self.first_date = self.last_date = np.datetime64("NaT", "us")

    def feed(self, values: Any, rows: int) -> None:
        """Count one batch: an array of `table_rows.plain`'s types, or None where the type cannot be used."""
        import pyarrow as pa

        self.rows += rows
        if values is None:
            self.is_unsupported = True
            return
        self.empty += values.null_count
        self.text_bytes += _text_bytes(values)
        if values.null_count == rows:
            self.counting = False
            return
        if pa.types.is_timestamp(values.type):
            self.is_typed = True
            self._feed_dates(values.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
            return
        self._track(values, rows)
        if not pa.types.is_string(values.type):
            self.is_typed = True
            self._feed_numbers(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
            return
        if self._numeric_open:
            numbers, bad = cells.parse_numbers(values, self._dialect.decimal, self._dialect.thousands)
            self._feed_numbers(numbers)
            self._feed_bad(values, bad)
        if self._date_open and self.numbers < self.rows // 2:
            self._feed_text_dates(values)

    def _track(self, values: Any, rows: int) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.words is None:
            return
        self._filled_tracked += rows - values.null_count
        counted = pc.value_counts(values)
        texts = counted.field("values").cast(pa.string()).to_pylist()
        for word, count in zip(texts, counted.field("counts").to_pylist(), strict=True):
            if word is not None:
                self.words[word] = self.words.get(word, 0) + count
        if pa.types.is_string(values.type):
            self.codes = self.codes or any(cells.is_code(word) for word in texts if word is not None)
        self._seen = len(self.words)
        if self._seen > self._most_words:
            self.words = None

    def _feed_numbers(self, numbers: NDArray[np.float64]) -> None:
        finite = numbers[np.abs(numbers) <= LARGEST_NUMBER]
        self.infinite += int((np.abs(numbers) > LARGEST_NUMBER).sum())
        if len(finite) < len(numbers):
            self.counting = False
        if not len(finite):
            return
        if self.whole:
            self.whole = bool((finite == np.rint(finite)).all())
        if self.counting:
            steps = np.diff(finite) if self._last is None else np.diff(finite, prepend=self._last)
            self.counting = bool((steps == 1).all())
            self._last = float(finite[-1])
        self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        self._add_moments(finite)
        self._take_sample(finite)

    def _take_sample(self, finite: NDArray[np.float64]) -> None:
        """Every so-many-th number; twice as far apart whenever there are too many."""
        self._sample.append(finite[:: self._every].copy())
        if sum(map(len, self._sample)) > 2 * self._sample_size:
            self._sample = [np.concatenate(self._sample)[::2]]
            self._every *= 2

    def _add_moments(self, finite: NDArray[np.float64]) -> None:
        """Mean and sum of squared deviations of two parts joined (Chan, Golub & LeVeque 1979)."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean, m2, count = float(finite.mean()), float(finite.var()) * len(finite), len(finite)
            total, step = self.numbers + count, mean - self.mean
            self._m2 += m2 + step * step * self.numbers * count / total
            self.mean += step * count / total
        self.numbers = total

    def _feed_bad(self, values: Any, bad: NDArray[np.bool_]) -> None:
        count = int(bad.sum())
        if not count:
            return
        self.bad_numbers += count
        for at in np.flatnonzero(bad)[:1000]:
            word = str(values[int(at)].as_py())[:60]
            if word in self.bad_words or len(self.bad_words) < 50:
                self.bad_words[word] = self.bad_words.get(word, 0) + 1
        if self.bad_numbers > 1000 and self.bad_numbers > self.numbers:
            self._numeric_open = False

    def _feed_text_dates(self, values: Any) -> None:
        import pyarrow.compute as pc

        if self.date_format is None:
            unique = pc.unique(values.slice(0, 20_000)).drop_null().to_pylist()
            self.date_format = cells.guess_date_format(unique, day_first=self._day_first)
            if self.date_format is None:
                self._date_open = False
                return
            self.date_is_ambiguous = cells.day_and_month_may_be_exchanged(unique, self.date_format)
        stamps, bad = cells.parse_dates(values, self.date_format)
        self.bad_dates += int(bad.sum())
        self._feed_dates(stamps)

    def _feed_dates(self, stamps: NDArray[np.datetime64]) -> None:
        known = stamps[~np.isnat(stamps)]
        self.dates += len(known)
        if len(known):
            self.first_date = np.fmin(self.first_date, known.min())
            self.last_date = np.fmax(self.last_date, known.max())

    @property
    def variance(self) -> float:
        """Of the finite numbers; infinite where squares overflow."""
        return self._m2 / self.numbers if self.numbers else 0.0

    @property
    def distinct(self) -> tuple[int, bool]:
        """Different texts that are not empty, and whether that is exact (otherwise there are at least so many)."""
        return self._seen, self.words is not None

    @property
    def distinct_share(self) -> float:
        """Different values for each filled cell, 0..1, over the rows in which they were tracked."""
        return self._seen / self._filled_tracked if self._filled_tracked else 0.0

    def histogram(self) -> tuple[int, ...]:
        """Counts in equal bins from `low` to `high`, of an even sample of the rows; empty without numbers."""
        if not self._sample or not self.low < self.high:
            return ()
        with np.errstate(over="ignore", invalid="ignore"):
            places = (np.concatenate(self._sample) / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        bins = np.clip((places * HISTOGRAM_BINS).astype(np.int64), 0, HISTOGRAM_BINS - 1)
        return tuple(np.bincount(bins, minlength=HISTOGRAM_BINS).tolist())

    def fits_float32(self) -> bool:
        """Whether single precision tells the numbers apart as well as training does.

        Its rounding, 2**-24 of the largest number, must be far below the numbers' spread.
        """
        size = max(abs(self.low), abs(self.high))
        if not self.numbers or size > 1e37:
            return False
        if self.whole and size <= 2**24:
            return True
        spread = float(np.sqrt(self.variance))
        return np.isfinite(spread) and size * 2.0**-24 <= 1e-4 * spread
