"""One file among many: read a piece at a time, with every byte counted, or left out with a reason."""

from __future__ import annotations

import contextlib
import re
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from sae_core import limits
from sae_core.errors import DataError, SaeError, TooLargeError, UnreadableFileError, UnsafeFileError

Report = Callable[[float, str], None]  # told the fraction done, 0..1, and what is being done

CHUNK = 1024 * 1024
HIDDEN = ("__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db")  # what systems leave in folders, besides dotfiles


class EntryError(UnreadableFileError):
    """One file of a collection cannot be used; the others can.

    Attributes:
        reason: completes "... was skipped because it ...".
        kind: what to raise where it is the only file.
    """

    def __init__(self, name: str, reason: str, kind: type[DataError] = UnreadableFileError) -> None:
        super().__init__(f"{name} cannot be used because it {reason}.")
        self.name, self.reason, self.kind = name, reason, kind


@dataclass(frozen=True)
class Skipped:
    """A file that was left out.

    Attributes:
        name: as it stands in the collection.
        reason: completes "... was skipped because it ...".
        kind: what to raise where nothing is left but files of this kind.
    """

    name: str
    reason: str
    kind: type[DataError] = UnreadableFileError


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
                f"{self._name} unpacks to more than {limits.MAX_ARCHIVE_RATIO} times its size, which pictures and "
                "numbers never do: it is built to fill the memory. Use an archive from a source that you trust."
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
            raise EntryError(self.name, f"is larger than {size:,} MB", TooLargeError)
        return content

    def _read(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        left = limit
        with self.open() as stream, self.errors():
            while left and (chunk := stream.read(min(CHUNK, left))):
                if self.budget:
                    self.budget.spend(len(chunk))
                chunks.append(chunk)
                left -= len(chunk)
        return b"".join(chunks)

    def open(self) -> IO[bytes]:
        """Open it for reading. What reading raises is for `errors` to put into words.

        Raises:
            EntryError: it cannot be opened.
        """
        with self.errors():
            return self.stream()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Whatever reading from a damaged archive or disk raises becomes an `EntryError`."""
        try:
            yield
        except SaeError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise EntryError(self.name, "is damaged inside") from None
        except (RuntimeError, NotImplementedError, ValueError):
            raise EntryError(self.name, "is packed in a way that cannot be read") from None
        except OSError as error:
            if error.errno is None:  # gzip's own
                raise EntryError(self.name, "is damaged inside") from None
            raise EntryError(self.name, f"cannot be opened ({(error.strerror or 'unknown reason').lower()})") from None


@contextlib.contextmanager
def memory_errors(name: str) -> Iterator[None]:
    """Running out of memory becomes one sentence."""
    try:
        yield
    except MemoryError:
        raise TooLargeError(
            f"{name} needs more memory than this machine has to spare. Close other programs, or bring less of it."
        ) from None


def tidy_name(name: str) -> tuple[str, Skipped | None]:
    """A name with "/" between its parts, and why a file of this name is left out, if it is.

    >>> tidy_name("./cats//1.png")
    ('cats/1.png', None)
    >>> tidy_name("../1.png")[1].reason
    'has a name that leads out of the archive'
    """
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    tidy = "/".join(parts) or name
    if not parts:
        return name, Skipped(name, "has no name")
    if "\0" in name:
        return tidy, Skipped(tidy, "has a name with a NUL character", UnsafeFileError)
    if ".." in parts or slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed):
        return slashed, Skipped(slashed, "has a name that leads out of the archive", UnsafeFileError)
    if len(parts) > limits.MAX_ARCHIVE_DEPTH:
        return tidy, Skipped(tidy, f"lies more than {limits.MAX_ARCHIVE_DEPTH} folders deep", TooLargeError)
    if any(is_hidden(part) for part in parts):
        return tidy, Skipped(tidy, "is a hidden system file")
    return tidy, None


def is_hidden(part: str) -> bool:
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


def too_many_files(name: str, count: int | None) -> TooLargeError:
    has = f"{count:,} files" if count else "too many files"
    return TooLargeError(f"{name} holds {has}; the limit is {limits.MAX_ARCHIVE_ENTRIES:,}. Use fewer, or split it.")
