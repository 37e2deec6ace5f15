"""ZIP archives, read without writing anything to disk and without trusting what they say about themselves."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Sequence
from typing import IO

from sae_core import limits
from sae_core.data.dataset import natural_order
from sae_core.data.entries import Budget, Entry, Skipped, tidy_name, too_many_files
from sae_core.errors import SaeError, UnreadableFileError, UnsafeFileError

METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}


class _Guarded(io.RawIOBase):
    """The archive file as `zipfile` sees it: refuses an absurd directory before it is parsed entry by entry."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > limits.MAX_ARCHIVE_DIRECTORY_BYTES:  # only the directory is ever read in one piece
            raise too_many_files(self._name, None)
        content = self._file.read(size)
        if content[:4] == b"PK\x01\x02" and (count := content.count(b"PK\x01\x02")) > limits.MAX_ARCHIVE_ENTRIES:
            raise too_many_files(self._name, count)
        return content


def open_zip(file: IO[bytes], name: str) -> tuple[zipfile.ZipFile, list[Entry], list[Skipped]]:
    """Look through the directory of a ZIP.

    Args:
        file: the archive; the caller closes it after the ZipFile that comes back.
        name: used in messages.

    Returns:
        The archive, to be closed; its files in a natural order; those that are left out, with the reason.

    Raises:
        UnreadableFileError: cut short or damaged.
        UnsafeFileError: entries overlap.
        TooLargeError: more than `limits.MAX_ARCHIVE_ENTRIES` entries.
    """
    try:
        archive = zipfile.ZipFile(_Guarded(file, name))
    except SaeError:
        raise
    # Whatever else the bytes of a broken directory set off in zipfile and struct.
    except Exception:
        raise UnreadableFileError(
            f"{name} begins as a ZIP archive, but its directory is missing or broken: it was cut short or damaged. "
            "Download or pack it again."
        ) from None
    infos = archive.infolist()
    _refuse_overlaps(infos, name)
    budget = Budget(name, file.seek(0, os.SEEK_END))
    last = {info.orig_filename: info for info in infos}
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for info in infos:
        if info.orig_filename.endswith(("/", "\\")):  # a folder
            continue
        tidy, bad = tidy_name(_decoded_name(info))
        bad = bad or _unusable(tidy, info, last[info.orig_filename])
        if bad:
            skipped.append(bad)
        else:
            entries.append(Entry(tidy, lambda info=info: archive.open(info), budget))  # type: ignore[misc]
    entries.sort(key=lambda entry: natural_order(entry.name))
    return archive, entries, skipped


def _refuse_overlaps(infos: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Entries that share bytes are how a small archive unpacks to petabytes (D. Fifield, "A better zip bomb", 2019)."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise UnsafeFileError(
                f"{name} is built to do harm: entries of the archive overlap. Use an archive from a source that you "
                "trust."
            )
        end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size  # 30: the shortest local header


def _unusable(name: str, info: zipfile.ZipInfo, last: zipfile.ZipInfo) -> Skipped | None:
    """Why an entry is not read, if it is not."""
    if stat.S_ISLNK(info.external_attr >> 16):
        return Skipped(name, "is a symbolic link", UnsafeFileError)
    if info.flag_bits & 0x1:
        return Skipped(name, "is protected by a password (pack it without one)")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = METHODS.get(info.compress_type, f"number {info.compress_type}")
        return Skipped(name, f"is packed with an unusual method, {method} (pack it as an ordinary ZIP)")
    return None if info is last else Skipped(name, "is replaced by a later file of the same name")


def _decoded_name(info: zipfile.ZipInfo) -> str:
    """The name, also where the archive does not say how it is written.

    Without the flag for UTF-8 `zipfile` takes a name for DOS Latin. The packer of macOS writes UTF-8 all the same,
    Windows in Chinese writes GBK, whose common characters are pairs of bytes from 0xA1.
    """
    name = info.orig_filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    with contextlib.suppress(UnicodeError):
        raw = name.encode("cp437")
        with contextlib.suppress(UnicodeError):
            return raw.decode("utf-8")
        if all(len(run) % 2 == 0 and min(run) >= 0xA1 for run in re.findall(rb"[\x80-\xff]+", raw)):
            return raw.decode("gb2312")
    return name
