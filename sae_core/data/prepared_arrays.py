"""Scaling of pictures and arrays, column by column, without a float64 copy of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from sae_core.errors import ShapeError

_COLUMNS_AT_ONCE = 64
_ROWS_AT_ONCE = 8192

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class ArrayScaling:
    """Fitted scaling of a matrix: float32(clip((x - center) / scale)), in float64 until the cast.

    Attributes:
        center, scale: one for each column; None: nothing is scaled (nor clipped), x is taken as it is.
        fill: replaces missing values of each column (its median in training); None: training had none, and none are
            taken.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    center: tuple[Number, ...] | None = None
    scale: tuple[Positive, ...] | None = None
    fill: tuple[Number, ...] | None = None

    @property
    def width(self) -> int | None:
        """Columns it was fitted on; None where it holds nothing for each column; -1 where its parts disagree."""
        lengths = {len(part) for part in (self.center, self.scale, self.fill) if part is not None}
        if len(lengths) > 1 or (self.center is None) != (self.scale is None):
            return -1
        return lengths.pop() if lengths else None

    def transform(self, x: NDArray[np.float32], clip: tuple[float, float]) -> NDArray[np.float32]:
        """(n, d) float32 -> (n, d) float32; `x` itself where nothing changes."""
        result = x if self.center is None else np.empty(x.shape, dtype=np.float32)
        center, scale = np.asarray(self.center), np.asarray(self.scale)
        for start in range(0, len(x), _ROWS_AT_ONCE):
            block = x[start : start + _ROWS_AT_ONCE]
            missing = ~np.isfinite(block)
            if missing.any():
                if self.fill is None:
                    row, column = np.argwhere(missing)[0]
                    raise ShapeError(
                        f"Row {start + row} has a missing or infinite value at position {column}, and the training "
                        "rows had none. Fill it in first."
                    )
                block = np.where(missing, np.asarray(self.fill, dtype=np.float32), block)
                if result is x:
                    result = x.copy()
                result[start : start + len(block)] = block
            if self.center is not None:
                scaled = block.astype(np.float64)
                scaled -= center
                scaled /= scale
                result[start : start + len(block)] = np.clip(scaled, *clip, out=scaled)
        return result

    def inverse(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) float32 prepared -> (n, d) float32 in the user's units."""
        if self.center is None:
            return x
        result = np.empty(x.shape, dtype=np.float32)
        for start in range(0, len(x), _ROWS_AT_ONCE):
            block = x[start : start + _ROWS_AT_ONCE].astype(np.float64)
            result[start : start + len(block)] = block * np.asarray(self.scale) + np.asarray(self.center)
        return result


def fit_array(x: NDArray[np.float32], train: NDArray[np.int64], scaling: str) -> ArrayScaling:
    """Fit on the training rows of a matrix. NaN and infinite values count as missing."""
    width = x.shape[1]
    has_missing = not all(
        np.isfinite(_block(x, train[at : at + _ROWS_AT_ONCE])).all() for at in range(0, len(train), _ROWS_AT_ONCE)
    )
    if scaling == "none" and not has_missing:
        return ArrayScaling()
    center, scale, fill = np.zeros(width), np.ones(width), np.zeros(width)
    for start in range(0, width, _COLUMNS_AT_ONCE):
        columns = slice(start, min(width, start + _COLUMNS_AT_ONCE))
        part = x[:, columns][train].astype(np.float64)
        if has_missing:
            part[~np.isfinite(part)] = np.nan
            part[:, np.isnan(part).all(axis=0)] = 0
            fill[columns] = np.nanmedian(part, axis=0)
            part = np.where(np.isnan(part), fill[columns], part)
        center[columns], scale[columns] = fit_scale(part, scaling)
    fitted_fill = tuple(fill.tolist()) if has_missing else None
    if scaling == "none":
        return ArrayScaling(fill=fitted_fill)
    return ArrayScaling(tuple(center.tolist()), tuple(scale.tolist()), fitted_fill)


def _block(x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some rows, in whatever order; not copied where they follow one another."""
    lowest, highest = int(rows.min()), int(rows.max())
    return x[lowest : highest + 1] if highest - lowest + 1 == len(rows) else x[rows]


def fit_scale(x: NDArray[np.float64], scaling: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and scale of each column as scikit-learn's scalers fit them; constant columns have scale 1.

    Args:
        x: (n, d) without missing values, within ±`limits.LARGEST_NUMBER`.
        scaling: "standard" (mean, population standard deviation), "min_max" (minimum, range), "robust" (median,
            interquartile range) or "none" (0, 1).
    """
    if scaling == "none":
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    size = np.abs(x).max(axis=0)
    if scaling == "min_max":
        low = x.min(axis=0)
        return low, _one_where_constant(x.max(axis=0) - low, size)
    if scaling == "robust":
        low, middle, high = np.percentile(x, [25, 50, 75], axis=0)
        return middle, _one_where_constant(high - low, size)
    # Extreme columns are divided by their largest value first: the squares of 1e300 do not fit into float64.
    unit = np.where((size > 1e150) | ((size < 1e-150) & (size > 0)), size, 1.0)
    x = x / unit
    mean, variance = x.mean(axis=0), x.var(axis=0)
    # Rounding leaves a tiny variance where a column is constant (scikit-learn's `_is_constant_feature`).
    epsilon = np.finfo(np.float64).eps
    constant = variance <= len(x) * epsilon * variance + (len(x) * mean * epsilon) ** 2
    center = np.where(x.min(axis=0) == x.max(axis=0), x[0], mean)  # the mean of equal numbers may be off by rounding
    return center * unit, np.where(constant, 1.0, np.sqrt(variance) * unit)


def _one_where_constant(spread: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the spread is no more than rounding. (scikit-learn compares with 1, whatever the column's unit.)"""
    return np.where(spread <= 10 * np.finfo(np.float64).eps * size, 1.0, spread)


def as_rows(raw: Any, width: int, image_shape: tuple[int, int, int] | None) -> NDArray[np.float32]:
    """Raw pictures or arrays as (n, width) float32, without a copy where they are that already.

    Raises:
        ShapeError: another form, or not numbers.
    """
    try:
        array = np.asarray(raw)
    except ValueError:
        array = np.empty(0, dtype=object)
    wanted = f"(rows, {width})" + (f" or (rows, {', '.join(map(str, image_shape))})" if image_shape else "")
    if array.dtype.kind not in "fiub":
        raise ShapeError(
            f"This stack takes numbers of the form {wanted}, but these values are not numbers. Give a numeric array."
        )
    fits = array.ndim == 2 and array.shape[1] == width
    if not fits and image_shape is not None:
        fits = array.shape[1:] == image_shape or (image_shape[2] == 1 and array.shape[1:] == image_shape[:2])
    if not fits:
        raise ShapeError(
            f"This stack takes rows of the form {wanted}, but these have the form {array.shape}. "
            "Give rows like those it was trained on."
        )
    array = array.reshape(len(array), width)
    if array.dtype == np.uint8 and image_shape is not None:
        return array.astype(np.float32) / np.float32(255)
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)
