"""Many files as one collection: a ZIP, a folder, or a list of files. Nothing is ever written to disk.

A collection hands out entries that are read one at a time. Every byte that comes out of an archive is counted as it
is read, because the sizes that an archive claims may be wrong on purpose. Entries that cannot be used are listed with
the reason; only what makes the whole archive suspicious refuses it.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any

from sae_core import limits
from sae_core.data.dataset import natural_order
from sae_core.errors import SaeError, TooLargeError, UnreadableFileError, UnsafeFileError

Content = bytes | bytearray | memoryview | IO[bytes]
Item = str | os.PathLike[str] | Content | tuple[str, Content]
Source = Item | Sequence[Item]
Report = Callable[[float, str], None]  # told the fraction done, 0..1, and what is being done

CHUNK = 1024 * 1024
HIDDEN = ("__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db")  # what systems leave in folders, besides dotfiles
METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}


class EntryError(UnreadableFileError):
    """One file of a collection cannot be used; the others can.

    Attributes:
        reason: completes "... was skipped because it ...".
        unsafe: it looks like an attack rather than an accident.
    """

    def __init__(self, name: str, reason: str, *, unsafe: bool = False) -> None:
        super().__init__(f"{name} cannot be used because it {reason}.")
        self.name, self.reason, self.unsafe = name, reason, unsafe


@dataclass(frozen=True)
class Skipped:
    """A file that was left out.

    Attributes:
        name: as it stands in the collection.
        reason: completes "... was skipped because it ...".
        unsafe: it looks like an attack rather than an accident.
    """

    name: str
    reason: str
    unsafe: bool = False


class Budget:
    """Counts the bytes that come out of one archive; shared by all threads that read from it."""

    def __init__(self, name: str, packed: int) -> None:
        self._name, self._packed, self._read, self._lock = name, packed, 0, threading.Lock()

    def spend(self, size: int) -> None:
        """Count `size` more bytes.

        Raises:
            TooLargeError: more than one archive may hold.
            UnsafeFileError: it unpacks to so many times its size that it was made to.
        """
        with self._lock:
            self._read += size
            read = self._read
        if read > max(limits.MAX_ARCHIVE_RATIO * self._packed, limits.ARCHIVE_RATIO_FLOOR_BYTES):
            raise UnsafeFileError(
                f"{self._name} unpacks to more than {limits.MAX_ARCHIVE_RATIO} times its size, which pictures and numbers "
                "never do: it is built to fill the memory. Use an archive from a source that you trust."
            )
        if read > limits.MAX_ARCHIVE_TOTAL_BYTES:
            raise TooLargeError(
                f"{self._name} holds more than {limits.MAX_ARCHIVE_TOTAL_BYTES // limits.MEGABYTE:,} MB when unpacked. "
                "Split it, or unpack it and read the folder."
            )


@dataclass(frozen=True)
class Entry:
    """One file of a collection.

    Attributes:
        name: path within the collection, with "/" between its parts; shown to people, used for nothing else.
        stream: opens the file for reading.
        budget: what reading is counted against; None where nothing is unpacked.
    """

    name: str
    stream: Callable[[], IO[bytes]]
    budget: Budget | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders that it lies in, outermost first."""
        return tuple(self.name.split("/")[:-1])

    def head(self, size: int = 64) -> bytes:
        """The first bytes (at most `size`).

        Raises:
            EntryError: it cannot be read.
        """
        return self._read(size)

    def read(self) -> bytes:
        """All bytes.

        Raises:
            EntryError: it cannot be read, or is larger than `limits.MAX_ARCHIVE_MEMBER_BYTES`.
            TooLargeError, UnsafeFileError: the archive as a whole is too large, or a bomb.
        """
        content = self._read(limits.MAX_ARCHIVE_MEMBER_BYTES + 1)
        if len(content) > limits.MAX_ARCHIVE_MEMBER_BYTES:
            size = limits.MAX_ARCHIVE_MEMBER_BYTES // limits.MEGABYTE
            raise EntryError(self.name, f"is larger than {size:,} MB")
        return content

    def _read(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        left = limit
        try:
            with self.stream() as stream:
                while left and (chunk := stream.read(min(CHUNK, left))):
                    if self.budget:
                        self.budget.spend(len(chunk))
                    chunks.append(chunk)
                    left -= len(chunk)
        except SaeError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise EntryError(self.name, "is damaged inside the archive") from None
        except (RuntimeError, NotImplementedError, ValueError):
            raise EntryError(self.name, "is packed in a way that cannot be read") from None
        except OSError as error:
            raise EntryError(self.name, f"cannot be opened ({(error.strerror or 'unknown reason').lower()})") from None
        return b"".join(chunks)


@dataclass
class Collection:
    """Files to read from; closes what it opened when left as a context.

    Attributes:
        name: shown to people.
        entries: files that may be read, in a natural order.
        skipped: files that are not even looked into, with the reason.
    """

    name: str
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()
    _open: list[IO[bytes] | zipfile.ZipFile] = field(default_factory=list)

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *exception: object) -> None:
        for file in self._open:
            file.close()


def open_collection(source: Source, *, name: str | None = None) -> Collection:
    """Open a ZIP, a folder, a single file, or a list of files.

    Args:
        source: a path; bytes; a binary file object; or a sequence of these and of (name, bytes or file object) pairs.
            A ZIP is opened wherever it stands in the list, but not inside another ZIP.
        name: shown to people; the file's own name by default.

    Raises:
        UnreadableFileError: there is nothing there, or the ZIP is broken.
        UnsafeFileError: the ZIP is built to do harm.
        TooLargeError: beyond one of the limits.
    """
    if isinstance(source, str | os.PathLike) and Path(source).is_dir():
        return _folder(Path(source), name or Path(source).resolve().name)
    items = list(source) if _is_list(source) else [source]
    if not items:
        raise UnreadableFileError("There are no files to read. Choose at least one.")
    if len(items) > limits.MAX_ARCHIVE_ENTRIES:
        raise _too_many(name or "The list", len(items))
    collection = Collection(name or "", ())
    try:
        _add_items(collection, items, name)
    except BaseException:
        collection.__exit__()
        raise
    return collection


def _is_list(source: Any) -> bool:
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], str):
        return isinstance(source[1], str | os.PathLike)  # two paths, rather than one (name, content) pair
    return isinstance(source, Iterable) and not (
        isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")
    )


def _add_items(collection: Collection, items: Sequence[Any], name: str | None) -> None:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    paths = [os.path.abspath(item) for item in items if isinstance(item, str | os.PathLike)]
    common = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    for position, item in enumerate(items):
        shown, stream = _stream(item, common, name if len(items) == 1 else None, position)
        with stream() as file:
            head = file.read(4)
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            inside, outside = _zip(collection, stream(), shown)
            prefix = f"{PurePath(shown).stem}/" if len(items) > 1 else ""
            entries += [Entry(prefix + entry.name, entry.stream, entry.budget) for entry in inside]
            skipped += [Skipped(prefix + entry.name, entry.reason, entry.unsafe) for entry in outside]
        else:
            tidy, reason, unsafe = tidy_name(shown)
            if reason:
                skipped.append(Skipped(shown, reason, unsafe))
            else:
                entries.append(Entry(tidy, stream))
        collection.name = collection.name or shown
    if len(items) > 1 and not name:
        collection.name = f"{len(items):,} files"
    collection.entries, collection.skipped = tuple(entries), tuple(skipped)


class _Kept(io.RawIOBase):
    """A file object of somebody else's: reading begins at its start, and closing leaves it open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = self._file.seek(offset if whence != os.SEEK_CUR else self._at + offset, whence if whence == 2 else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        self._file.seek(self._at)
        content = self._file.read(size)
        if not isinstance(content, bytes):
            raise UnreadableFileError("A file was opened as text. Open it in binary mode ('rb').")
        self._at += len(content)
        return content


def _stream(item: Any, common: str, name: str | None, position: int) -> tuple[str, Callable[[], IO[bytes]]]:
    """What a file is called, and a function that opens it at its start."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        return _stream(item[1], common, item[0], position)
    if isinstance(item, str | os.PathLike):
        path = os.path.abspath(item)
        shown = name or os.path.relpath(path, common).replace(os.sep, "/")
        if not os.path.isfile(path):  # also keeps away from pipes and devices, which never end
            what = "does not exist" if not os.path.exists(path) else "is not a file"
            raise UnreadableFileError(f"{item} {what}. Check the path.")
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise UnreadableFileError(f"{item} cannot be opened: {error.strerror}. Check its permissions.") from None
        return shown, lambda: open(path, "rb")
    if isinstance(item, bytes | bytearray | memoryview):
        content = bytes(item)
        return name or f"file {position + 1}", lambda: io.BytesIO(content)
    if hasattr(item, "read"):
        own = getattr(item, "name", None)
        shown = name or (os.path.basename(own) if isinstance(own, str) and own else f"file {position + 1}")
        if not (hasattr(item, "seekable") and item.seekable()):
            content = item.read(limits.MAX_UPLOAD_BYTES + 1)
            if len(content) > limits.MAX_UPLOAD_BYTES:
                raise TooLargeError(
                    f"{shown} is larger than {limits.MAX_UPLOAD_BYTES // limits.MEGABYTE:,} MB. Save it as a file and give its path."
                )
            return _stream(content, common, shown, position)
        return shown, lambda: _Kept(item)  # type: ignore[return-value]  # RawIOBase has all that is used
    raise UnreadableFileError(f"A {type(item).__name__} is not a file. Give paths, bytes or binary file objects.")


def _folder(folder: Path, name: str) -> Collection:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for root, folders, files in os.walk(folder):  # does not follow links to folders, so there are no circles
        for link in [each for each in folders if os.path.islink(os.path.join(root, each))]:
            skipped.append(Skipped(os.path.relpath(os.path.join(root, link), folder), "is a link to another folder"))
        folders[:] = sorted(each for each in folders if not _is_hidden(each))
        for file in files:
            path = os.path.join(root, file)
            shown = os.path.relpath(path, folder).replace(os.sep, "/")
            if _is_hidden(file):
                skipped.append(Skipped(shown, "is a hidden system file"))
            elif not os.path.isfile(path):  # a pipe would wait for ever
                skipped.append(Skipped(shown, "is not an ordinary file"))
            else:
                entries.append(Entry(shown, lambda path=path: open(path, "rb")))  # type: ignore[misc]
            if len(entries) + len(skipped) > limits.MAX_ARCHIVE_ENTRIES:
                raise _too_many(name, len(entries) + len(skipped))
    entries.sort(key=lambda entry: natural_order(entry.name))
    return Collection(name, tuple(entries), tuple(skipped))


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
            raise _too_many(self._name, None)
        content = self._file.read(size)
        if content[:4] == b"PK\x01\x02" and (count := content.count(b"PK\x01\x02")) > limits.MAX_ARCHIVE_ENTRIES:
            raise _too_many(self._name, count)
        return content

    def close(self) -> None:
        self._file.close()


def _too_many(name: str, count: int | None) -> TooLargeError:
    has = f"{count:,} files" if count else "too many files"
    return TooLargeError(f"{name} holds {has}; the limit is {limits.MAX_ARCHIVE_ENTRIES:,}. Use fewer, or split it.")


def _zip(collection: Collection, file: IO[bytes], name: str) -> tuple[list[Entry], list[Skipped]]:
    guarded = _Guarded(file, name)
    collection._open.append(guarded)  # type: ignore[arg-type]
    try:
        archive = zipfile.ZipFile(guarded)  # type: ignore[arg-type]
    except SaeError:
        raise
    # Whatever else the bytes of a broken directory set off in zipfile and struct.
    except Exception:
        raise UnreadableFileError(
            f"{name} begins as a ZIP archive, but its directory is missing or broken: it was cut short or damaged. "
            "Download or pack it again."
        ) from None
    collection._open.insert(0, archive)
    infos = archive.infolist()
    _refuse_overlaps(infos, name)
    budget = Budget(name, file.seek(0, os.SEEK_END))
    last = {info.orig_filename: info for info in infos}
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for info in infos:
        if info.is_dir():
            continue
        tidy, reason, unsafe = tidy_name(_decoded_name(info))
        if not reason:
            reason, unsafe = _unusable(info, last[info.orig_filename])
        if reason:
            skipped.append(Skipped(tidy, reason, unsafe))
        else:
            entries.append(Entry(tidy, lambda info=info: archive.open(info), budget))  # type: ignore[misc]
    entries.sort(key=lambda entry: natural_order(entry.name))
    return entries, skipped


def _refuse_overlaps(infos: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Entries that share bytes are how a small archive unpacks to petabytes (D. Fifield, "A better zip bomb", 2019)."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise UnsafeFileError(
                f"{name} is built to do harm: entries of the archive overlap. Use an archive from a source that you trust."
            )
        end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size  # 30: the shortest local header


def _unusable(info: zipfile.ZipInfo, last: zipfile.ZipInfo) -> tuple[str, bool]:
    """Why an entry is not read (empty: it is), and whether that looks like an attack."""
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link", True
    if info.flag_bits & 0x1:
        return "is protected by a password (pack it without one)", False
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = METHODS.get(info.compress_type, f"number {info.compress_type}")
        return f"is packed with an unusual method, {method} (pack it as an ordinary ZIP)", False
    if info is not last:
        return "is replaced by a later file of the same name", False
    return "", False


def _decoded_name(info: zipfile.ZipInfo) -> str:
    """The name, also where the archive forgot to say that it is UTF-8 (as the packer of macOS does)."""
    name = info.orig_filename
    if not info.flag_bits & 0x800 and not name.isascii():
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name


def tidy_name(name: str) -> tuple[str, str, bool]:
    """A name with "/" between its parts, why a file of this name is left out (or ""), and whether it is unsafe.

    >>> tidy_name(r".\\cats\\1.png")
    ('cats/1.png', '', False)
    >>> tidy_name("../1.png")[1]
    'has a name that leads out of the archive'
    """
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    tidy = "/".join(parts) or name
    if "\0" in name:
        return tidy, "has a name with a NUL character", True
    if ".." in parts or slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed):
        return slashed, "has a name that leads out of the archive", True
    if len(parts) > limits.MAX_ARCHIVE_DEPTH:
        return tidy, f"lies more than {limits.MAX_ARCHIVE_DEPTH} folders deep", True
    if any(_is_hidden(part) for part in parts):
        return tidy, "is a hidden system file", False
    return tidy, "", False


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.lower() in HIDDEN


def describe_skipped(skipped: Sequence[Skipped]) -> tuple[str, ...]:
    """One sentence for each reason, with the count and the first few names.

    >>> describe_skipped([Skipped("a.png", "is cut short"), Skipped("b.png", "is cut short")])
    ('2 files were skipped because each is cut short: a.png, b.png.',)
    """
    groups: dict[str, list[str]] = {}
    for each in skipped:
        groups.setdefault(each.reason, []).append(each.name)
    sentences = []
    for reason, names in sorted(groups.items(), key=lambda group: -len(group[1])):
        listed = ", ".join(_shortened(name) for name in names[:5]) + (" ..." if len(names) > 5 else "")
        start = (
            "1 file was skipped because it" if len(names) == 1 else f"{len(names):,} files were skipped because each"
        )
        sentences.append(f"{start} {reason}: {listed}.")
    return tuple(sentences)


def _shortened(name: str) -> str:
    name = "".join(character if character.isprintable() else "\ufffd" for character in name)
    return name if len(name) <= 80 else f"{name[:38]}...{name[-38:]}"
