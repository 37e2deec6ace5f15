"""Many files as one collection: a ZIP, a folder, or a list of files. Nothing is ever written to disk.

A collection hands out entries that are read one at a time. Every byte that comes out of an archive is counted as it
is read, because the sizes that an archive claims may be wrong on purpose. Entries that cannot be used are listed with
the reason; only what makes the whole archive suspicious refuses it.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any, TypeGuard

from sae_core import limits
from sae_core.data.archive import open_zip
from sae_core.data.dataset import natural_order
from sae_core.data.entries import Entry, Skipped, is_hidden, tidy_name, too_many_files
from sae_core.errors import TooLargeError, UnreadableFileError

Content = bytes | bytearray | memoryview | IO[bytes]
Item = str | os.PathLike[str] | Content | tuple[str, Content]
Source = Item | Sequence[Item]


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
    if isinstance(source, str | os.PathLike) and (folder := Path(source).expanduser()).is_dir():
        return _folder(folder, name or folder.resolve().name)
    items: list[Any] = list(source) if _is_list(source) else [source]
    if not items:
        raise UnreadableFileError("There are no files to read. Choose at least one.")
    if len(items) > limits.MAX_ARCHIVE_ENTRIES:
        raise too_many_files(name or "The list", len(items))
    collection = Collection(name or "", ())
    try:
        _add_items(collection, items, name)
    except BaseException:
        collection.__exit__()
        raise
    return collection


def _is_list(source: Any) -> TypeGuard[Iterable[Item]]:
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], str):
        return isinstance(source[1], str | os.PathLike)  # two paths, rather than one (name, content) pair
    return isinstance(source, Iterable) and not (
        isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")
    )


def _add_items(collection: Collection, items: Sequence[Any], name: str | None) -> None:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    common = _common_folder(items)
    for position, item in enumerate(items):
        if isinstance(item, str | os.PathLike) and (folder := Path(item).expanduser()).is_dir():
            below = _folder(folder, folder.name)
            entries += [Entry(f"{folder.name}/{entry.name}", entry.stream) for entry in below.entries]
            skipped += [Skipped(f"{folder.name}/{each.name}", each.reason, each.kind) for each in below.skipped]
            continue
        shown, stream = _stream(item, common, name if len(items) == 1 else None, position)
        head = Entry(shown, stream).head(4)
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            file = stream()
            collection._open.append(file)
            archive, inside, outside = open_zip(file, shown)
            collection._open.insert(0, archive)  # closed before its file
            prefix = f"{PurePath(shown).stem}/" if len(items) > 1 else ""
            entries += [Entry(prefix + entry.name, entry.stream, entry.budget) for entry in inside]
            skipped += [Skipped(prefix + entry.name, entry.reason, entry.kind) for entry in outside]
        else:
            tidy, bad = tidy_name(shown)
            if bad:
                skipped.append(bad)
            else:
                entries.append(Entry(tidy, stream))
        collection.name = collection.name or shown
    if len(entries) + len(skipped) > limits.MAX_ARCHIVE_ENTRIES:
        raise too_many_files(collection.name, len(entries) + len(skipped))
    if len(items) > 1 and not name:
        collection.name = f"{len(items):,} files"
    collection.entries, collection.skipped = tuple(entries), tuple(skipped)


def _common_folder(items: Sequence[Any]) -> str:
    """The folder that all files given by path lie in; empty where there is none, as on different drives."""
    paths = [os.path.dirname(_absolute(item)) for item in items if isinstance(item, str | os.PathLike)]
    try:
        return os.path.commonpath(paths) if paths else ""
    except ValueError:
        return ""


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.path.expanduser(path))


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
        path = _absolute(item)
        shown = name or (os.path.relpath(path, common) if common else os.path.basename(path)).replace(os.sep, "/")
        if not os.path.isfile(path):  # also keeps away from pipes and devices, which never end
            what = "does not exist" if not os.path.exists(path) else "is not a file"
            raise UnreadableFileError(f"{item} {what}. Check the path.")
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise UnreadableFileError(f"{item} cannot be opened: {error.strerror}. Check its permissions.") from None
        return shown, _opener(path)
    if isinstance(item, bytes | bytearray | memoryview):
        content = bytes(item)
        return name or _unnamed(position), lambda: io.BytesIO(content)
    if hasattr(item, "read"):
        own = getattr(item, "name", None)
        shown = name or (os.path.basename(own) if isinstance(own, str) and own else _unnamed(position))
        if not (hasattr(item, "seekable") and item.seekable()):
            content = item.read(limits.MAX_UPLOAD_BYTES + 1)
            if len(content) > limits.MAX_UPLOAD_BYTES:
                raise TooLargeError(
                    f"{shown} is larger than {limits.MAX_UPLOAD_BYTES // limits.MEGABYTE:,} MB. Save it as a file and "
                    "give its path."
                )
            return _stream(content, common, shown, position)
        return shown, lambda: _Kept(item)  # type: ignore[return-value]  # RawIOBase has all that is used
    raise UnreadableFileError(f"A {type(item).__name__} is not a file. Give paths, bytes or binary file objects.")


def _unnamed(position: int) -> str:
    return f"File {position + 1}"


def _opener(path: str) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        return open(path, "rb")

    return opened


def _folder(folder: Path, name: str) -> Collection:
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for root, folders, files in os.walk(folder):  # does not follow links to folders, so there are no circles
        for link in [each for each in folders if os.path.islink(os.path.join(root, each))]:
            skipped.append(Skipped(os.path.relpath(os.path.join(root, link), folder), "is a link to another folder"))
        folders[:] = sorted(each for each in folders if not is_hidden(each))
        for file in files:
            path = os.path.join(root, file)
            shown = os.path.relpath(path, folder).replace(os.sep, "/")
            if is_hidden(file):
                skipped.append(Skipped(shown, "is a hidden system file"))
            elif not os.path.isfile(path):  # a pipe would wait for ever
                skipped.append(Skipped(shown, "is not an ordinary file"))
            else:
                entries.append(Entry(shown, _opener(path)))
            if len(entries) + len(skipped) > limits.MAX_ARCHIVE_ENTRIES:
                raise too_many_files(name, len(entries) + len(skipped))
    entries.sort(key=lambda entry: natural_order(entry.name))
    return Collection(name, tuple(entries), tuple(skipped))
