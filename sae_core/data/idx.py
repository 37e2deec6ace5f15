"""IDX, the format of the original MNIST files: a short header, then the numbers of one array."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core.errors import UnreadableFileError

# Third byte of the magic number -> dtype of the values; all are big endian.
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(head: bytes) -> bool:
    """Whether the first four bytes are those of an IDX file.

    >>> is_idx(bytes([0, 0, 8, 3])), is_idx(b"PK12")
    (True, False)
    """
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in DTYPES and 1 <= head[3] <= 5


def parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """One array from the bytes of an IDX file.

    Args:
        content: the whole file, decompressed.
        name: used in messages.

    Returns:
        An array of 1 to 5 axes in the machine's byte order, with the dtype of the file. It may be read-only.

    Raises:
        UnreadableFileError: not IDX, or longer or shorter than its header says.
    """
    if not is_idx(content[:4]):
        raise UnreadableFileError(f"{name} is not an IDX file: it does not begin as one. Choose the original file.")
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise UnreadableFileError(f"{name} ends within its header, so it was cut short. Download or copy it again.")
    shape = struct.unpack(f">{axes}I", content[4:start])
    dtype = np.dtype(DTYPES[content[2]])
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        state = "cut short" if len(content) - start < expected else "damaged"
        raise UnreadableFileError(
            f"{name} should hold {' x '.join(str(side) for side in shape)} numbers ({expected:,} bytes), but has "
            f"{len(content) - start:,} bytes of them, so it was {state}. Download or copy it again."
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)
