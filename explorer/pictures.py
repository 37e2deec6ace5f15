"""Rows of pixels as pictures: PNG, data URI, montage. Pure, without Streamlit."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ImageShape = tuple[int, int, int]  # (height, width, channels)
Pixels = NDArray[np.float32]


def to_bytes(pixels: Pixels, shape: ImageShape) -> NDArray[np.uint8]:
    """(m, height * width * channels) 0..1, clipped -> (m, height, width, 3) uint8; NaN becomes black."""
    height, width, channels = shape
    scaled = np.rint(np.clip(np.nan_to_num(np.asarray(pixels, dtype=np.float32)), 0, 1) * 255).astype(np.uint8)
    images = scaled.reshape(len(scaled), height, width, channels)  # (m, h, w, c)
    return images[..., :3] if channels >= 3 else np.repeat(images[..., :1], 3, axis=-1)


def in_colour(pixels: Pixels, shape: ImageShape) -> Pixels:
    """Grey or colour pictures alike as (m, height * width * 3), 0..1."""
    return np.asarray(to_bytes(pixels, shape).reshape(len(pixels), -1) / 255, dtype=np.float32)


def montage(pixels: Pixels, shape: ImageShape, *, columns: int, gap: int = 1) -> NDArray[np.uint8]:
    """Pictures in rows of `columns`, parted by `gap` transparent pixels: (m, n_pixels) -> (H, W, 4) uint8."""
    images = to_bytes(pixels, shape)
    m, height, width = images.shape[:3]
    columns = max(1, min(columns, m) if m else 1)
    rows = -(-m // columns) if m else 1
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width, :3] = image
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def sheet(rows: Sequence[Pixels], shape: ImageShape, *, gap: int = 1, row_gap: int | None = None) -> NDArray[np.uint8]:
    """Rows of pictures below each other, each (m, n_pixels) with the same m -> (H, W, 4) uint8.

    Args:
        row_gap: transparent pixels between rows; None: like `gap`.
    """
    strips = [montage(row, shape, columns=max(1, len(row)), gap=gap) for row in rows]
    space = np.zeros((gap if row_gap is None else row_gap, strips[0].shape[1], 4), dtype=np.uint8)
    parts = [part for strip in strips for part in (space, strip)][1:]
    return np.concatenate(parts, axis=0)


def png(image: NDArray[np.uint8], *, scale: int = 1) -> bytes:
    """(h, w), (h, w, 3) or (h, w, 4) uint8 as PNG; `scale` repeats each pixel."""
    if scale > 1:
        image = image.repeat(scale, axis=0).repeat(scale, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def data_uri(content: bytes) -> str:
    """PNG bytes as a `data:` address for plotly and tables."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def thumbnails(pixels: Pixels, shape: ImageShape, *, side: int = 56) -> list[str]:
    """A data URI for each row, repeated up to at least `side` pixels: for image columns of tables and hover cards."""
    scale = max(1, -(-side // max(shape[:2])))
    return [data_uri(png(image, scale=scale)) for image in to_bytes(pixels, shape)]
