"""Who works on a folder of the workspace: a lock file that names its owner, and a heartbeat that says it is alive.

Several programs may use one workspace. Whoever trains a run holds its lock. The lock of a process that ended counts for
nothing: on the same machine the process is looked up by its number and start time; of another machine only the
heartbeat (the file's time) can be seen, and `STALE_SECONDS` without one end the lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sae_core.errors import InUseError, ModelFileError, StorageError
from sae_core.files import dump_json, parse_json, storage_errors, write_atomically
from sae_core.temporary import machine, started

LOCK, REQUEST = "lock.json", "request.txt"
BEAT_SECONDS = 1.0
STALE_SECONDS = 60.0  # without a heartbeat; only where the owner's process cannot be looked up

Listener = Callable[[str], None]

_held: dict[str, Lock] = {}  # of this process, by token
_state = threading.Lock()
_guards = threading.RLock()  # keeps the threads of this process apart; the file keeps other processes out
_entered: dict[Path, int] = {}  # folders that the thread which has `_guards` is inside of
_beating = False


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock.

    Attributes:
        host: name of its machine, for people.
        machine: tells machines, their restarts and containers apart.
        pid: number of the process; started: when it began, as its system counts; "" where that cannot be told.
        token: of this one lock.
    """

    host: str
    machine: str
    pid: int
    started: str
    token: str

    @property
    def is_here(self) -> bool:
        """Whether it is this process."""
        return self.machine == machine() and self.pid == os.getpid() and self.token in _held

    def __str__(self) -> str:
        return f"process {self.pid}" + ("" if self.machine == machine() else f" on {self.host}")


class Lock:
    """A lock that this process holds, from `acquire` to `release`."""

    def __init__(self, folder: Path, listener: Listener | None = None) -> None:
        self.folder = folder
        self.listener = listener
        self.owner = Owner(socket.gethostname(), machine(), os.getpid(), started(os.getpid()) or "", _new_token())

    def check(self) -> None:
        """Make sure that the lock is still ours, before something is written.

        Raises:
            InUseError: another process took it over, e.g. while this machine slept; or the folder was deleted.
        """
        if (found := read_owner(self.folder)) != self.owner:
            raise InUseError(
                f"{found} took over while this one stood still, so this one ends here. "
                if found
                else "The run was deleted while it was in training, so its training ends here. "
                "See the Compare page for what there is."
            )

    def release(self) -> None:
        """Let go. Nothing happens where that was done before."""
        with _state:
            if _held.pop(self.owner.token, None) is None:
                return
        with contextlib.suppress(OSError, StorageError), guarded(self.folder.parent):
            if read_owner(self.folder) == self.owner:
                (self.folder / LOCK).unlink(missing_ok=True)
                (self.folder / REQUEST).unlink(missing_ok=True)


def acquire(folder: Path, listener: Listener | None = None) -> Lock:
    """Hold a folder for this process. The lock of a process that is gone is taken over.

    Args:
        listener: told what another process asks for with `ask`, in a thread of its own.

    Raises:
        InUseError: another process, or another part of this one, holds it. StorageError: it cannot be written.
    """
    lock = Lock(folder, listener)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with guarded(folder.parent):
        if owner := holder(folder):
            raise InUseError(f"{owner} works on this already. Wait until it has ended, or stop it there.")
        write_atomically(folder / LOCK, dump_json(vars(lock.owner)))
        (folder / REQUEST).unlink(missing_ok=True)
        with _state:
            _held[lock.owner.token] = lock
    _start_beating()
    return lock


def holder(folder: Path) -> Owner | None:
    """The process that holds a folder; None: nobody, or one that is gone."""
    owner = read_owner(folder)
    if owner is None:
        return None
    if owner.machine == machine():
        if owner.pid == os.getpid():
            return owner if owner.token in _held else None
        began = started(owner.pid)
        if began is None:
            return None
        if began and owner.started:
            return owner if began == owner.started else None
    try:
        age = time.time() - (folder / LOCK).stat().st_mtime
    except OSError:
        return None
    return owner if age < STALE_SECONDS else None


def read_owner(folder: Path) -> Owner | None:
    """The owner that a lock file names, alive or not."""
    try:
        fields = parse_json((folder / LOCK).read_bytes(), LOCK)
        return Owner(**fields) if isinstance(fields.get("pid"), int) else None
    except (OSError, ModelFileError, TypeError, AttributeError):
        return None


def ask(folder: Path, request: str) -> None:
    """Ask whoever holds a folder for something; its listener hears of it within a second or two.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomically(folder / REQUEST, request.encode())


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Keep everyone else who does the same out for a moment, in this process and in others.

    Raises:
        StorageError: the folder cannot be written.
    """
    with _guards:
        if folder in _entered:
            yield
            return
        guard = folder.with_name(f".{folder.name}.guard")
        with storage_errors(guard):
            guard.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(guard, os.O_RDWR | os.O_CREAT, 0o666)
        _entered[folder] = descriptor
        try:
            _lock_file(descriptor)
            yield
        finally:
            del _entered[folder]
            os.close(descriptor)  # which lets go of the lock, too


def _lock_file(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks: threads are kept apart all the same
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _start_beating() -> None:
    global _beating
    with _state:
        if not _beating:
            _beating = True
            threading.Thread(target=_beat, name="heartbeat", daemon=True).start()


def _beat() -> None:
    """Touch the lock files of this process, and hear what others ask for, as long as any is held."""
    global _beating
    while True:
        time.sleep(BEAT_SECONDS)
        with _state:
            locks = list(_held.values())
            if not locks:
                _beating = False
                return
        for lock in locks:
            with contextlib.suppress(OSError):
                if read_owner(lock.folder) == lock.owner:  # not that of who took it over
                    os.utime(lock.folder / LOCK)
            if lock.listener is not None and (request := _taken_request(lock.folder)):
                lock.listener(request)


def _taken_request(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        text = (folder / REQUEST).read_text(encoding="utf-8")
        (folder / REQUEST).unlink()
        return text.strip()
    return ""


def _new_token() -> str:
    return secrets.token_hex(8)
