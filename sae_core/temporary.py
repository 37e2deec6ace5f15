"""Files and folders that are not finished yet: their names tell which process writes them.

A process that is killed leaves them behind. Whoever comes later removes those of processes that are gone, and never
what a living one writes: on the same machine the process is looked up by its number and start time; of another machine
only the time of the last write can be seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["part", "old", "gone"]
"""What a hidden name is: being written; set aside while another takes its place; being deleted."""

ABANDONED_SECONDS = 24 * 3600.0  # without a write; only where the process cannot be looked up
SCRATCH = "explorer-"  # how the names of scratch folders begin

_MARK = re.compile(r"[.-]([0-9a-f]{8})-([0-9]+)-([0-9]*)[.-][a-z0-9_]{8}(?:[.].*)?")


@cache
def machine() -> str:
    """Host, boot and, under Linux, the space of process numbers: two containers may share the first two."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def started(pid: int) -> str | None:
    """When a process of this machine began; "" where only the system knows; None: there is no such process."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]  # a zombie does nothing any more
    if sys.platform == "win32":
        return ""  # os.kill would end the process there, instead of asking
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""


def mark() -> str:
    """This process in a file name: machine, number and start time."""
    return _mark_of(os.getpid())  # asked anew each time: a forked process is another one


@cache
def _mark_of(pid: int) -> str:
    return f"{_machine_mark()}-{pid}-{started(pid) or ''}"


def _machine_mark() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:8]


def temporary_path(path: Path, kind: Kind | None = None) -> Path:
    """A hidden path beside another one, which does not exist yet; without a kind it keeps the ending of `path`."""
    name, ending = (path.stem[:40], path.suffix) if kind is None else (path.name, f".{kind}")
    return path.with_name(f".{name}.{mark()}.{secrets.token_hex(4)}{ending}")


def is_abandoned(path: Path) -> bool:
    """Whether a name is that of something unfinished whose process is gone."""
    found = _MARK.search(path.name)
    if found is None or not path.name.startswith((".", SCRATCH)):
        return False
    where, pid, began = found.groups()
    if where == _machine_mark():
        now = started(int(pid))
        if now is None:
            return True
        if now and began:
            return now != began
    return time.time() - _last_write(path) > ABANDONED_SECONDS


def meant(path: Path) -> Path:
    """What a temporary path is to become; any other path as it is."""
    found = _MARK.search(path.name) if path.name.startswith(".") else None
    return path if found is None else path.with_name(path.name[1 : found.start()])


def sweep(folder: Path, name: str = "") -> None:
    """Remove what processes that are gone have left in a folder; what they had set aside is put back.

    Args:
        name: only what was to become this; "": anything.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name.startswith(f".{name}." if name else ".") and is_abandoned(path):
                _remove_abandoned(path)


def _remove_abandoned(path: Path) -> None:
    original = meant(path)
    with contextlib.suppress(OSError):
        if path.name.endswith(".old") and not original.exists():
            path.rename(original)  # killed before the new one had taken its place
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Delete a folder: gone from its name at once, whatever happens while its content is removed.

    Raises:
        OSError: it stays as it is.
    """
    gone = temporary_path(folder, "gone")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def scratch_folder(purpose: str) -> tempfile.TemporaryDirectory[str]:
    """A folder in the system's place for temporary files, removed with this process, or by a later one."""
    return tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{purpose}-{mark()}-")


def sweep_scratch() -> None:
    """Remove scratch folders of processes that are gone."""
    with contextlib.suppress(OSError):
        for path in list(Path(tempfile.gettempdir()).glob(f"{SCRATCH}*")):
            if path.is_dir() and not path.is_symlink() and is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)


def _last_write(path: Path) -> float:
    newest = 0.0
    for each in _with_content(path):
        with contextlib.suppress(OSError):
            newest = max(newest, each.stat().st_mtime)
    return newest or time.time()


def _with_content(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        yield from path.rglob("*")
