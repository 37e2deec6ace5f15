"""Small files made for tests: pictures, archives, arrays."""

from __future__ import annotations

import functools
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"


gz = functools.partial(gzip.compress, mtime=0)  # the same bytes at every call: they name parametrised tests


def picture(values: NDArray[Any] | Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """A picture file of (h, w) or (h, w, channels) uint8 values, or of a Pillow image."""
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(height: int = 8, width: int = 8, channels: int | None = 3, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width[, channels]) random uint8."""
    shape = (height, width) if channels is None else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def zip_of(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP of (name, content)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(zipfile.ZipInfo(name) if "\0" not in name else name, content, method)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG with any header. `rows`: the bytes of every row, each beginning with its filter type."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        PNG_START + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def deep_png(values: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a channel: (h, w) grey, (h, w, 2) with alpha, (h, w, 3) colour, (h, w, 4) with alpha."""
    colour = {2: 0, 3: {2: 4, 3: 2, 4: 6}.get(values.shape[-1], 0)}[values.ndim]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return raw_png(values.shape[1], values.shape[0], 16, colour, rows)


def tiff(
    values: NDArray[Any],
    *,
    photometric: int,
    order: str = "<",
    deflate: bool = False,
    extra: Mapping[int, tuple[int, ...]] | None = None,
) -> bytes:
    """A TIFF of (h, w) or (h, w, channels) values of any dtype, with more tags where asked for."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflate else data
    tags: dict[int, tuple[int, ...]] = {
        256: (values.shape[1],),
        257: (values.shape[0],),
        258: (values.dtype.itemsize * 8,) * channels,
        259: (8 if deflate else 1,),
        262: (photometric,),
        273: (8,),
        277: (channels,),
        278: (values.shape[0],),
        279: (len(data),),
        339: (kind,) * channels,
        **(extra or {}),
    }
    start = 8 + len(data) + len(data) % 2
    values_at = start + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for tag in sorted(tags):
        numbers = struct.pack(f"{order}{len(tags[tag])}I", *tags[tag])
        if len(numbers) > 4:
            place = struct.pack(f"{order}I", values_at + len(more))
            more += numbers
        else:
            place = numbers
        entries += struct.pack(f"{order}HHI", tag, 4, len(tags[tag])) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    body = data + b"\0" * (len(data) % 2)
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0) + more


def idx(values: NDArray[Any]) -> bytes:
    """An IDX file."""
    kind = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[values.dtype.str[1:]]
    head = bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def npy(values: Any, **options: Any) -> bytes:
    """An .npy file."""
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    """An .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
