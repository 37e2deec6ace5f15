"""What single units stand for: what they read, what they say, which rows excite them, and what they draw when alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sae_core.analysis.levels import Activity, activity
from sae_core.analysis.progress import Report, silent
from sae_core.analysis.sampling import stratified_rows
from sae_core.data.dataset import Dataset

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack

Order = Literal["number", "activity", "variance", "weight norm"]
Against = Literal["nothing", "mean"]
Units = NDArray[np.int64]

SAMPLE_ROWS = 5_000
_VALUES = 25_000_000  # of the codes looked at together
_HIGH, _LOW = 95.0, 5.0  # percentiles of a unit's values that count as active and as at rest


@dataclass(frozen=True, eq=False)
class UnitReport:
    """The units of one code, over a sample of rows.

    Attributes:
        level: 1 .. L.
        units: (k,) positions in the code: all of them, or of a convolution the middle one of each channel.
        rows: (m,) row numbers looked at.
        codes: (m, width) float32, all values of the code.
        activity: (k,) each, of `units`.
        weight_norm: (k,) length of the weights that a unit reads with.
        low, high: (k,) its 5th and 95th percentile.
    """

    level: int
    units: Units
    rows: NDArray[np.int64]
    codes: NDArray[np.float32]
    activity: Activity
    weight_norm: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @property
    def values(self) -> NDArray[np.float32]:
        """(m, k) of `units` alone."""
        return self.codes[:, self.units]

    def of(self, unit: int) -> NDArray[np.float32]:
        """(m,) values of one of the units."""
        return self.codes[:, unit]

    def place(self, unit: int) -> int:
        """Where a unit stands in `units`, and so in its figures."""
        return int(np.flatnonzero(self.units == unit)[0])


def look_at_units(model: TrainedStack, data: Dataset, level: int, *, report: Report = silent) -> UnitReport:
    """The units of a level, over a stratified sample of all rows."""
    report(0.1, f"Encoding rows to level {level}")
    width = max(model.width(each) for each in range(level + 1))
    rows = stratified_rows(data.class_codes, max(50, min(SAMPLE_ROWS, _VALUES // width)))
    codes = model.encode(data.take(rows), level)
    report(0.6, f"Looking at the units of level {level}")
    units = units_of(model, level)
    values = codes[:, units]
    low, high = np.percentile(values, [_LOW, _HIGH], axis=0).astype(np.float32)
    doing = activity(values, str(model.level_config(level).activation))
    return UnitReport(level, units, rows, codes, doing, _weight_norms(model, level), low, high)


def units_of(model: TrainedStack, level: int) -> Units:
    """All units of a dense level; of a convolution the one in the middle of the picture for each channel."""
    if model.level_config(level).kind == "dense":
        return np.arange(model.width(level), dtype=np.int64)
    shape = model.code_shape(level)
    assert shape is not None, "a convolution's code is a picture"
    height, width, channels = shape
    return np.asarray(((height // 2) * width + width // 2) * channels + np.arange(channels), dtype=np.int64)


def _weight_norms(model: TrainedStack, level: int) -> NDArray[np.float64]:
    if model.level_config(level).kind == "dense":
        return np.asarray(np.sqrt(np.square(model.encoder_weights(level)[0], dtype=np.float64).sum(axis=0)))
    kernels = model.kernels(level)[0]
    return np.asarray(np.sqrt(np.square(kernels, dtype=np.float64).reshape(len(kernels), -1).sum(axis=1)))


def in_order(report: UnitReport, by: Order, keep: Literal["all", "alive", "dead", "saturated"] = "all") -> Units:
    """The units that are kept, sorted: by number, or largest mean, variance or weight norm first."""
    doing = report.activity
    kept = {
        "all": np.ones(len(report.units), dtype=bool),
        "alive": doing.alive,
        "dead": ~doing.alive,
        "saturated": np.nan_to_num(doing.saturated) >= 0.9,
    }[keep]
    places = np.flatnonzero(kept)
    if by != "number":
        amounts = {"activity": doing.mean, "variance": doing.spread, "weight norm": report.weight_norm}[by]
        places = places[np.argsort(-amounts[places], kind="stable")]
    return report.units[places]


def most_active_rows(report: UnitReport, unit: int, count: int) -> NDArray[np.int64]:
    """Positions in `report.rows` of the rows that excite a unit most, most first."""
    return np.argsort(-report.of(unit), kind="stable")[:count].astype(np.int64)


def correlations(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(m, k) -> (k, k) Pearson correlation of units; NaN for a unit that is the same for all rows.

    >>> correlations(np.array([[0.0, 1.0], [1.0, -1.0]])).round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    centred = values - values.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(np.square(centred).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = centred.T @ centred / np.outer(spread, spread)
    dead = np.ptp(values, axis=0) <= 0
    found[dead, :] = np.nan
    found[:, dead] = np.nan
    return np.asarray(np.clip(found, -1, 1))


def decoded_units(
    model: TrainedStack, report: UnitReport, units: Units, against: Against = "nothing"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the input looks like when one unit is active, and when it is at rest.

    Args:
        units: (k,) of `report.units`.
        against: "nothing": the unit is at its 95th percentile while all others are 0, beside a code of zeros;
            "mean": all others at their mean, beside the mean code with the unit at its 5th percentile.

    Returns:
        (k, n_inputs) active, and (k, n_inputs) at rest, in the prepared scale.
    """
    places = np.array([report.place(int(unit)) for unit in units], dtype=np.int64)
    start = report.codes.mean(axis=0) if against == "mean" else np.zeros(report.codes.shape[1])
    at_rest = np.tile(start.astype(np.float32), (len(units), 1))  # (k, width)
    active = at_rest.copy()
    each = np.arange(len(units))
    active[each, units] = report.high[places]
    if against == "mean":
        at_rest[each, units] = report.low[places]
    return model.decode_prepared(active, report.level), model.decode_prepared(at_rest, report.level)


def read_by(model: TrainedStack, units: Units) -> NDArray[np.float32]:
    """(k, n_inputs) weights with which units of the first level, a dense one, read the prepared input."""
    return np.ascontiguousarray(model.encoder_weights(1)[0][:, units].T)


def goes_with(model: TrainedStack, data: Dataset, report: UnitReport, units: Units) -> NDArray[np.float32]:
    """How far each input lies above its mean where a unit lies one standard deviation above its own.

    The covariance of inputs and unit over the unit's standard deviation: the activation pattern of a unit (Haufe et al.
    2014, NeuroImage 87, section 2.1.2). It shows what a unit stands for, also where its weights look like noise,
    because weights must cancel out whatever else moves the inputs, too.

    Args:
        data: that the report is of.
        units: (k,) of `report.units`.

    Returns:
        (k, n_inputs) in the prepared scale; 0 for a unit that is the same for all rows.
    """
    x = model.prepare(data.take(report.rows))  # (m, n_inputs)
    values = report.codes[:, units].astype(np.float64)
    spread = values.std(axis=0)
    scaled = np.divide(values - values.mean(axis=0), spread, out=np.zeros_like(values), where=spread > 0)
    centred = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.asarray(scaled.T.astype(np.float32) @ centred / np.float32(len(x)))


def strongest(profile: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Positions of the `count` largest amounts of a profile (d,), whatever their sign, largest first.

    >>> strongest(np.array([0.1, -3.0, 2.0]), 2).tolist()
    [1, 2]
    """
    return np.argsort(-np.abs(profile), kind="stable")[:count].astype(np.int64)
