"""Where the bytes of a table come from: a path, a file object or bytes, plain or gzip, recognised by their content."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from sae_core.errors import SaeError, TooLargeError, UnreadableFileError
from sae_core.limits import MAX_ARCHIVE_RATIO, MAX_TABLE_BYTES, MAX_TABLE_LINE, MEGABYTE

TableInput = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str]
Progress = Callable[[float, str], None]

_CHUNK = MEGABYTE
_UTF8_BOM = codecs.BOM_UTF8

# (first bytes, what it is, what to do): files that people rename to .csv, or drop by mistake.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (
        b"PK\x03\x04",
        "an Excel workbook or a ZIP archive",
        "Save the sheet as CSV, or unpack the archive, and bring that file",
    ),
    (b"PK\x05\x06", "an empty ZIP archive", "Bring the CSV file itself"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "Save the sheet as CSV and bring that file"),
    (b"%PDF", "a PDF document", "Export the table as CSV"),
    (b"\x89PNG", "a PNG picture", "Bring pictures as pictures, tables as CSV"),
    (b"\xff\xd8\xff", "a JPEG picture", "Bring pictures as pictures, tables as CSV"),
    (b"GIF8", "a GIF picture", "Bring pictures as pictures, tables as CSV"),
    (b"BZh", "a bzip2 archive", "Unpack it, or compress it with gzip instead"),
    (b"\xfd7zXZ\x00", "an xz archive", "Unpack it, or compress it with gzip instead"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it, or compress it with gzip instead"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it and bring the CSV file"),
    (b"Rar!", "a RAR archive", "Unpack it and bring the CSV file"),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "Export the table as CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy array", "Read it as arrays instead"),
    (b"ARROW1", "an Arrow (Feather) file", "Save it as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "Save it as Parquet or CSV"),
    (b"\x7fELF", "a program", "Bring a CSV or Parquet file"),
    (b"MZ\x90", "a program", "Bring a CSV or Parquet file"),
    (b"\x80\x04\x95", "a Python pickle", "Pickles can run code and are never opened: save the table as CSV or Parquet"),
    (b"{\\rtf", "a rich text document", "Save the table as plain CSV"),
)


@dataclass(frozen=True)
class TableSource:
    """A table's bytes, to be read from the start as often as needed.

    Attributes:
        name: of the file, for people.
        size: bytes as they are stored (compressed, if so).
        is_gzip, is_parquet: by content, whatever the name says.
        seekable: gives a binary file object over the stored bytes, at their start.
        any_size: it is read in pieces, so that the limits on what memory holds do not matter.
    """

    name: str
    size: int
    is_gzip: bool
    is_parquet: bool
    seekable: Callable[[], IO[bytes]]
    any_size: bool = False

    def open(self) -> IO[bytes]:
        """The content from its start, decompressed and bounded."""
        raw = self.seekable()
        stream = gzip.GzipFile(fileobj=raw, mode="rb") if self.is_gzip else raw
        # A gzip bomb ends at the ratio, whatever the size.
        most = max(MAX_TABLE_BYTES, MAX_ARCHIVE_RATIO * self.size) if self.any_size else MAX_TABLE_BYTES
        return cast(IO[bytes], io.BufferedReader(_Bounded(stream, raw, self.name, most), buffer_size=256 * 1024))

    def head(self, size: int) -> bytes:
        """The first `size` bytes of the content, or all of it."""
        with self.open() as stream:
            return stream.read(size)


def open_source(source: TableInput, name: str | None = None, *, any_size: bool = False) -> TableSource:
    """Recognise what a table comes from.

    Args:
        source: a path, bytes, or a file object (binary or text; read from where it stands).
        name: shown to the user; needed only where the source does not bring one.
        any_size: for those who read it in pieces.

    Raises:
        UnreadableFileError: there is no such file, it is empty, or it is another format (told by its first bytes).
        TooLargeError: more bytes than `limits.MAX_TABLE_BYTES`.
    """
    if isinstance(source, (str, os.PathLike)):
        name, size, seekable = _from_path(source, name)
    else:
        name, size, seekable = _from_object(source, name)
    if size > MAX_TABLE_BYTES and not any_size:
        raise _too_large(name)
    with seekable() as raw:
        magic = raw.read(512)
        tail = b""
        if magic[:4] == b"PAR1" and size >= 12:
            raw.seek(-4, io.SEEK_END)
            tail = raw.read(4)
    if not magic:
        raise UnreadableFileError(f"{name} is empty (0 bytes). Choose a file with a header line and some rows.")
    if magic[:4] == b"PAR1":
        if tail != b"PAR1":
            raise UnreadableFileError(
                f"{name} is a Parquet file that was cut off: its end is missing. Copy or export it again."
            )
        return TableSource(name, size, False, True, seekable, any_size)
    found = TableSource(name, size, magic[:2] == b"\x1f\x8b", False, seekable, any_size)
    head = found.head(512) if found.is_gzip else magic
    if found.is_gzip and head[:2] == b"\x1f\x8b":
        raise UnreadableFileError(f"{name} is compressed twice. Unpack it once, and bring what comes out.")
    _refuse_other_formats(name, head)
    return found


def _from_path(path: str | os.PathLike[str], name: str | None) -> tuple[str, int, Callable[[], IO[bytes]]]:
    text = os.fspath(path)
    if "://" in text[:12]:
        raise UnreadableFileError(f"{text[:80]} is an address, not a file. Download the file first, then choose it.")
    try:
        file = Path(text).expanduser()
        if file.is_dir():
            raise UnreadableFileError(
                f"{file.name} is a folder, not a table. Choose the CSV or Parquet file inside it."
            )
        size = file.stat().st_size

        def seekable() -> IO[bytes]:
            try:
                return file.open("rb")
            except OSError as error:
                raise UnreadableFileError(
                    f"{file.name} cannot be opened ({error.strerror}). Check the file and its permissions."
                ) from None

        return name or file.name, size, seekable
    except FileNotFoundError:
        raise UnreadableFileError(f"There is no file {text[:200]!r}. Check the name and the folder.") from None
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, SaeError):
            raise
        raise UnreadableFileError(
            f"{text[:200]!r} cannot be opened ({error}). Check the name and the permissions."
        ) from None


def _from_object(source: Any, name: str | None) -> tuple[str, int, Callable[[], IO[bytes]]]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        content = bytes(source)
        return name or "table.csv", len(content), lambda: io.BytesIO(content)
    if not hasattr(source, "read"):
        raise UnreadableFileError(
            f"A table is a path, bytes or an open file, not {type(source).__name__}. Give one of these."
        )
    if name is None:
        own = getattr(source, "name", None)
        name = os.path.basename(own) if isinstance(own, str) and own else "table.csv"
    try:
        if isinstance(source, io.TextIOBase):
            content = source.read(MAX_TABLE_BYTES + 1).encode("utf-8", "surrogatepass")
            return name, len(content), lambda: io.BytesIO(content)
        if source.seekable():
            start = source.tell()
            size = source.seek(0, io.SEEK_END) - start
            source.seek(start)
            return name, size, lambda: cast(IO[bytes], _Window(source, start))
        content = source.read(MAX_TABLE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{name} cannot be read ({error}). Open the file again.") from None
    return name, len(content), lambda: io.BytesIO(content)


def _refuse_other_formats(name: str, head: bytes) -> None:
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic):
            raise UnreadableFileError(f"{name} is {what}, not a table. {remedy}.")
    text = head.removeprefix(_UTF8_BOM).lstrip()
    lower = text[:64].lower()
    if lower.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<table", b"<svg", b"<body")):
        raise UnreadableFileError(
            f"{name} is a web page or XML, not a table: often the download asked for a login. "
            "Download the CSV file itself."
        )
    if text.startswith((b"{", b"[{", b"[[")) and (
        text[1:].lstrip()[:1] in (b'"', b"{", b"[", b"}", b"]") or b'":' in text
    ):
        raise UnreadableFileError(f"{name} holds JSON, not a table. Save it as CSV or Parquet.")
    if lower.startswith(b"@relation"):
        raise UnreadableFileError(f"{name} is an ARFF file. Save the table as CSV.")


def _too_large(name: str) -> TooLargeError:
    return TooLargeError(
        f"{name} holds more than {MAX_TABLE_BYTES // MEGABYTE:,} MB, the largest table that is read. "
        "Bring fewer rows or columns, or a Parquet file."
    )


class _Window(io.RawIOBase):
    """A caller's file object, read from where it stood; closing it leaves the caller's object open."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._file, self._start, self._position = file, start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._position)
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        if base is None:
            base = self._file.seek(0, io.SEEK_END) - self._start
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position


class _Bounded(io.RawIOBase):
    """A (decompressed) stream that ends with our own error when it is broken or does not end."""

    def __init__(self, stream: Any, raw: IO[bytes], name: str, most: int) -> None:
        self._stream, self._raw, self._name, self._most, self._total = stream, raw, name, most, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._stream.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFileError(
                f"{self._name} is compressed but broken ({error}). Download or compress it again."
            ) from None
        except OSError as error:
            raise UnreadableFileError(f"{self._name} cannot be read ({error}). Copy it again.") from None
        self._total += len(content)
        if self._total > self._most:
            raise _too_large(self._name)
        buffer[: len(content)] = content
        return len(content)

    def tell(self) -> int:
        return self._total

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._raw.close()
        super().close()


@dataclass(frozen=True)
class Scan:
    """What one pass over the bytes tells, before anything is parsed.

    Attributes:
        size: bytes of the content, decompressed.
        lines: line ends plus one: no table has more rows.
        quotes: double quotes; an odd number may be an unclosed one.
        nul_line: 1-based line of the first NUL byte; None: there is none.
        is_ascii, is_utf8: of the whole content.
        odd_sample: parts with bytes above 127, at most a few hundred kilobytes, to tell the encoding by.
    """

    size: int
    lines: int
    quotes: int
    nul_line: int | None
    is_ascii: bool
    is_utf8: bool
    odd_sample: bytes


def scan(source: TableSource, progress: Progress | None = None) -> Scan:
    """Count lines and check the encoding of the whole content in one pass of constant memory."""
    size = lines = quotes = 0
    is_ascii, is_utf8 = True, True
    nul_line: int | None = None
    odd: list[bytes] = []
    last = b""
    run = 0  # bytes since the last line end
    decoder = codecs.getincrementaldecoder("utf-8")()
    with source.open() as stream:
        while chunk := stream.read(_CHUNK):
            if nul_line is None and (at := chunk.find(0)) >= 0:
                nul_line = lines + chunk.count(b"\n", 0, at) + 1
            size += len(chunk)
            crlf = chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
            lines += chunk.count(b"\n") + chunk.count(b"\r") - crlf
            last = chunk[-1:]
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            run = run + len(chunk) if end < 0 else len(chunk) - end
            if run > 4 * MAX_TABLE_LINE + _CHUNK:  # a character takes 4 bytes at most
                raise TooLargeError(
                    f"{source.name} has a line of more than {MAX_TABLE_LINE // MEGABYTE} million characters: it is not "
                    "a table, or has no line ends. Choose another file."
                )
            quotes += chunk.count(b'"')
            if not chunk.isascii():
                is_ascii = False
                if len(odd) < 8:
                    odd.append(_around_odd_bytes(chunk))
            if is_utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
            if progress is not None:
                progress(min(1.0, size / max(1, source.size)), "Looking through the file")
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    return Scan(size, lines + 1, quotes, nul_line, is_ascii, is_utf8, b"\n".join(odd))


def _around_odd_bytes(chunk: bytes, most: int = 64 * 1024) -> bytes:
    found, total = [], 0
    for line in chunk.splitlines():
        if not line.isascii():
            found.append(line[:2048])
            total += len(found[-1])
            if total > most:
                break
    return b"\n".join(found)
