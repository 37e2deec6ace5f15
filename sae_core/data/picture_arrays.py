"""How the values of an array become rows: as pictures with pixels 0..1, or as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sae_core import limits
from sae_core.data.pictures import fit_values, usual_top
from sae_core.data.stored import Stored
from sae_core.errors import TooLargeError, UnreadableFileError

CHANNELS = (1, 3, 4)
SMALLEST_SIDE = 8  # of pictures that are not uint8: thinner ones are rather measurements over time
REDUCED_SIDE = 64  # longer side that too large pictures get


@dataclass(frozen=True)
class Layout:
    """What the rows of an array become.

    Attributes:
        source_shape: of one row in the file.
        image_shape: (height, width, channels) of the pictures; None: plain numbers, laid out in one row.
        channels_first: the file has (channels, height, width).
        low, top: values that become 0 and 1.
        notes: sentences on what was guessed.
    """

    source_shape: tuple[int, ...]
    image_shape: tuple[int, int, int] | None = None
    channels_first: bool = False
    low: float = 0.0
    top: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """Numbers in each row."""
        return math.prod(self.image_shape or self.source_shape)

    def rows(self, block: NDArray[np.generic]) -> NDArray[np.float32]:
        """(k, *source_shape) -> (k, n_features) float32."""
        with np.errstate(over="ignore", invalid="ignore"):  # 1e300 becomes infinite, which is looked for afterwards
            values = block.astype(np.float32)
        if self.image_shape is None:
            return values.reshape(len(block), -1)
        if values.ndim == 3:
            values = values[..., None]  # (k, h, w) -> (k, h, w, 1)
        elif self.channels_first:
            values = np.moveaxis(values, 1, -1)  # (k, c, h, w) -> (k, h, w, c)
        if self.low:
            values -= np.float32(self.low)
        values /= np.float32(self.top - self.low)
        if values.shape[-1] == 4:  # transparent parts are laid on white
            alpha = values[..., 3:]
            values = values[..., :3] * alpha + (1 - alpha)
        height, width, _ = self.image_shape
        if values.shape[1:3] != (height, width):
            values = np.stack([fit_values(each, height, width, "stretch") for each in values])
        return np.clip(values, 0, 1).reshape(len(block), -1)


def layout_of(arrays: Sequence[Stored], name: str, *, any_size: bool = False) -> Layout:
    """Decide what the rows of some arrays of the same form are.

    uint8 arrays of three or four axes are pictures; so are others that hold no negative value and have the sides of
    pictures, or colour pictures within -1..1.

    Args:
        any_size: for those who read the rows in pieces.

    Raises:
        UnreadableFileError: the arrays disagree in form, or have no rows.
        TooLargeError: more features or values than the limits allow.
    """
    shape = arrays[0].shape[1:]
    other = next((each for each in arrays if each.shape[1:] != shape), None)
    if other is not None:
        raise UnreadableFileError(
            f"The arrays {arrays[0].name!r} and {other.name!r} of {name} have rows of different forms, {shape} and "
            f"{other.shape[1:]}, so they cannot be used together. Bring one of them."
        )
    n = sum(each.shape[0] for each in arrays)
    if n == 0 or math.prod(shape) == 0:
        raise UnreadableFileError(f"{name} holds an array without any values. Choose another file.")
    if n > limits.MAX_TABLE_ROWS and not any_size:
        raise TooLargeError(f"{name} has {n:,} rows; the limit is {limits.MAX_TABLE_ROWS:,}. Save fewer rows.")
    layout = _layout(arrays, shape)
    if layout.n_features > limits.MAX_PREPARED_FEATURES:
        raise TooLargeError(
            f"Each row of {name} has {layout.n_features:,} numbers; the limit is {limits.MAX_PREPARED_FEATURES:,}. "
            "Save fewer columns, or smaller pictures."
        )
    if n * layout.n_features * 4 > limits.MAX_PREPARED_BYTES and not any_size:
        raise TooLargeError(
            f"{name} needs {n * layout.n_features * 4 // limits.MEGABYTE:,} MB of memory; the limit is "
            f"{limits.MAX_PREPARED_BYTES // limits.MEGABYTE:,} MB. Save fewer rows."
        )
    return layout


def _layout(arrays: Sequence[Stored], shape: tuple[int, ...]) -> Layout:
    flat = Layout(shape, notes=_flat_notes(shape))
    form = _picture_form(shape)
    is_bytes = all(each.dtype.kind == "b" or each.dtype == np.uint8 for each in arrays)
    if form is None or not (is_bytes or min(form[:2]) >= SMALLEST_SIDE):
        return flat
    low, high = _range(arrays)
    notes = []
    if low < 0:
        if not (len(shape) == 3 and low >= -1 and high <= 1):
            return flat
        low, top = -1.0, 1.0
        notes.append("Pixels from -1 to 1 became 0 to 1.")
    elif is_bytes:
        low, top = 0.0, 1.0 if high <= 1 else 255.0
    else:
        low, top = 0.0, usual_top(high)
        if top != 1:
            notes.append(f"Pixels from 0 to {top:g} became 0 to 1.")
    height, width, channels = form
    if max(height, width) > limits.MAX_PICTURE_SIDE:
        scale = REDUCED_SIDE / max(height, width)
        small = max(1, round(height * scale)), max(1, round(width * scale))
        notes.append(f"The pictures of {width} x {height} pixels are reduced to {small[1]} x {small[0]}.")
        height, width = small
    if channels == 4:
        notes.append("Transparent parts of the pictures are shown on white.")
    channels_first = len(shape) == 3 and shape[2] not in CHANNELS
    return Layout(shape, (height, width, min(channels, 3)), channels_first, low, top, tuple(notes))


def _flat_notes(shape: tuple[int, ...]) -> tuple[str, ...]:
    if len(shape) < 2:
        return ()
    return (f"Rows of the form {' x '.join(map(str, shape))} were laid out as {math.prod(shape):,} numbers each.",)


def _picture_form(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(height, width, channels) where rows of this shape may be pictures."""
    if len(shape) == 2:
        return (shape[0], shape[1], 1) if min(shape) > 1 else None
    if len(shape) == 3 and shape[2] in CHANNELS:
        return shape[0], shape[1], shape[2]
    if len(shape) == 3 and shape[0] in CHANNELS:
        return shape[1], shape[2], shape[0]
    return None


def _range(arrays: Sequence[Stored]) -> tuple[float, float]:
    """Smallest and largest finite value; (0, 0) where there is none."""
    low, high = math.inf, -math.inf
    for stored in arrays:
        for block in stored.blocks():
            values = block[np.isfinite(block)] if block.dtype.kind == "f" else block
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else (0.0, 0.0)
