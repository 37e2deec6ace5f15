"""One array in a file (.npy or IDX, perhaps gzipped), read block by block.

The header is looked at first, so that a file that claims an absurd size costs nothing. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sae_core import limits
from sae_core.data.entries import Entry, EntryError
from sae_core.errors import TooLargeError, UnreadableFileError, UnsafeFileError

NPY = b"\x93NUMPY"
GZIP = b"\x1f\x8b"
HEAD = 16 * 1024  # holds every header of a plain array
BLOCK_BYTES = 8 * limits.MEGABYTE

# Third byte of the magic number of IDX -> dtype of the values; all are big endian.
IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass(frozen=True)
class Stored:
    """An array that has not been read yet.

    Attributes:
        name: the file's name without its extensions, or the name within an .npz.
        entry: the file.
        shape, dtype: as its header says.
        start: bytes before the first value.
        fortran: the first axis varies fastest.
    """

    name: str
    entry: Entry
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    fortran: bool = False

    @property
    def n_values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Consecutive rows, (k, *shape[1:]) each, in the machine's byte order.

        Raises:
            UnreadableFileError: shorter or longer than the header says, or damaged.
        """
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        rows_per_block = max(1, BLOCK_BYTES // max(row, 1))
        if self.fortran:
            whole = np.empty(self.n_values, self.dtype)
            with self._values() as stream:
                self._fill(stream, whole)
                self._end(stream)
            values = whole.reshape(self.shape, order="F")
            for first in range(0, self.shape[0], rows_per_block):
                yield _native(np.ascontiguousarray(values[first : first + rows_per_block]))
            return
        with self._values() as stream:
            for first in range(0, self.shape[0], rows_per_block):
                block = np.empty((min(rows_per_block, self.shape[0] - first), *self.shape[1:]), self.dtype)
                self._fill(stream, block)
                yield _native(block)
            self._end(stream)

    def read(self) -> NDArray[Any]:
        """The whole array.

        Raises:
            UnreadableFileError: shorter or longer than the header says, or damaged.
        """
        blocks = list(self.blocks()) if self.shape and self.n_values else []
        return np.concatenate(blocks) if blocks else np.empty(self.shape, self.dtype.newbyteorder("="))

    def _values(self) -> IO[bytes]:
        stream = _opened(self.entry)
        _take(stream, self.start, self.entry)
        return stream

    def _fill(self, stream: IO[bytes], block: NDArray[Any]) -> None:
        target: memoryview = block.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(target):
            chunk = _take(stream, min(limits.MEGABYTE, len(target) - done), self.entry)
            if not chunk:
                raise UnreadableFileError(
                    f"{self.entry.name} ends before the {' x '.join(map(str, self.shape))} values that it announces, "
                    "so it was cut short. Download or copy it again."
                )
            target[done : done + len(chunk)] = chunk
            done += len(chunk)

    def _end(self, stream: IO[bytes]) -> None:
        if _take(stream, 1, self.entry):
            raise UnreadableFileError(
                f"{self.entry.name} holds more than the {' x '.join(map(str, self.shape))} values that it announces, "
                "so it is damaged. Download or copy it again."
            )


def _native(block: NDArray[Any]) -> NDArray[Any]:
    return block.astype(block.dtype.newbyteorder("="), copy=False)


def open_stored(entry: Entry, *, any_size: bool = False) -> Stored | None:
    """The array in a file, or None where the file is no array.

    Args:
        any_size: for those who read its blocks; where the first axis varies fastest they need the whole of it.

    Raises:
        EntryError: an array whose header is broken, that holds pickled objects or anything but plain numbers and
            words, or more values than `limits.MAX_PREPARED_BYTES` allows.
    """
    with _opened(entry) as stream:
        head = _take(stream, HEAD, entry)
    stored = _npy(head, entry) if head.startswith(NPY) else idx_header(head, entry)
    if stored is None:
        return None
    needed = max(stored.n_values * 4, stored.n_values * stored.dtype.itemsize // 2)
    if needed > limits.MAX_PREPARED_BYTES and (stored.fortran or not any_size):
        shape = " x ".join(f"{side:,}" for side in stored.shape)
        most = limits.MAX_PREPARED_BYTES // 4
        raise EntryError(entry.name, f"announces {shape} values, more than {most:,} (save a part of it)", TooLargeError)
    return stored


def is_idx(head: bytes) -> bool:
    """Whether the first four bytes are those of an IDX file, the format of the original MNIST.

    >>> is_idx(bytes([0, 0, 8, 3])), is_idx(b"PK12")
    (True, False)
    """
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in IDX_DTYPES and 1 <= head[3] <= 5


def idx_header(head: bytes, entry: Entry) -> Stored | None:
    """The header of an IDX file, or None where it is none.

    Raises:
        EntryError: it ends within the header.
    """
    if not is_idx(head):
        return None
    axes = head[3]
    start = 4 + 4 * axes
    if len(head) < start:
        raise EntryError(entry.name, "was cut short within its header (download or copy it again)")
    shape = struct.unpack(f">{axes}I", head[4:start])
    return Stored(_stem(entry.name), entry, shape, np.dtype(IDX_DTYPES[head[2]]), start)


def _npy(head: bytes, entry: Entry) -> Stored:
    file = io.BytesIO(head)
    try:
        with warnings.catch_warnings():  # about headers that Python 2 wrote
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = read(file)
    # A broken header sets off anything from ValueError to RecursionError, SyntaxError and TokenError in numpy.
    except Exception:
        raise EntryError(entry.name, "has a header that is broken (save it again with numpy.save)") from None
    if dtype.hasobject:
        raise EntryError(
            entry.name,
            "holds pickled Python objects, which can run any program when they are opened "
            "(save plain numbers or words, with allow_pickle=False)",
            UnsafeFileError,
        )
    if any(side < 0 for side in shape) or dtype.kind not in "biufUS" or dtype.itemsize == 0:
        what = "named fields" if dtype.names else f"values of the kind {dtype}"
        raise EntryError(entry.name, f"holds {what}, not plain numbers (save the numbers alone, or a CSV file)")
    return Stored(_stem(entry.name), entry, tuple(int(side) for side in shape), dtype, file.tell(), bool(fortran))


def _stem(name: str) -> str:
    for extension in (".gz", ".npy", ".idx"):
        name = name[: -len(extension)] if name.lower().endswith(extension) else name
    return name


def _opened(entry: Entry) -> IO[bytes]:
    """The file, or what is in it where it is gzipped."""
    with _plain_errors(entry):
        stream = entry.open()
        start = stream.read(2)
        stream.seek(0)
    return _Gzip(stream) if start == GZIP else stream  # type: ignore[return-value]


class _Gzip(gzip.GzipFile):
    """Closes the file underneath, too."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._below = stream

    def close(self) -> None:
        super().close()
        self._below.close()


def _take(stream: IO[bytes], size: int, entry: Entry) -> bytes:
    """Up to `size` bytes, fewer only at the end."""
    chunks = []
    with _plain_errors(entry):
        while size and (chunk := stream.read(size)):
            chunks.append(chunk)
            size -= len(chunk)
    return b"".join(chunks)


@contextlib.contextmanager
def _plain_errors(entry: Entry) -> Iterator[None]:
    try:
        with entry.errors():
            yield
    except EntryError as error:
        raise UnreadableFileError(f"{error.name} {error.reason}. Download, copy or save it again.") from None
