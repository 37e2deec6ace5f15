"""Work of seconds to minutes away from the script thread: maps, exports, imports of large files.

A page submits a function under a key and polls the task's snapshots; the same key finds the same task from any
session, so work is never done twice. Functions must not call Streamlit.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sae_core.errors import CancelledError, SaeError

MAX_WORKERS = 2  # beside one training; more would only slow each other down
THREAD_NAME = "explorer-task"
END_PATIENCE = 5.0  # seconds that the end of the program waits for tasks
MAX_KEPT = 48  # finished tasks whose results stay in memory

log = logging.getLogger(__name__)
Key = tuple[Hashable, ...]


class TaskState(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Nothing more will happen."""
        return self in (TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED)


@dataclass(frozen=True)
class TaskSnapshot:
    """A task at one moment.

    Attributes:
        fraction: 0..1; None while it cannot be told.
        text: what it is doing, for people.
        result: what the function returned, once DONE.
        error: one sentence for people, once FAILED.
    """

    state: TaskState
    fraction: float | None
    text: str
    result: Any
    error: str


class Progress:
    """Handed to the function: call it now and then; it raises CancelledError once the task is cancelled."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __call__(self, fraction: float | None = None, text: str | None = None) -> None:
        self._task._report(fraction, text)


class Task:
    """One piece of background work, found again by its key."""

    def __init__(self, key: Key, function: Callable[[Progress], Any], text: str) -> None:
        self.key = key
        self._function = function
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._cancelled = threading.Event()
        self._now = TaskSnapshot(TaskState.QUEUED, None, text, None, "")

    def snapshot(self) -> TaskSnapshot:
        """The task right now."""
        with self._lock:
            return self._now

    def cancel(self) -> None:
        """Ask it to stop; the function notices at its next report. A queued task never begins."""
        self._cancelled.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False: not yet after `timeout` seconds."""
        return self._over.wait(timeout)

    def _report(self, fraction: float | None, text: str | None) -> None:
        if self._cancelled.is_set():
            raise CancelledError("The user stopped it.")
        with self._lock:
            now = self._now
            known = now.fraction if fraction is None else min(max(float(fraction), 0.0), 1.0)
            self._now = TaskSnapshot(now.state, known, now.text if text is None else text, None, "")

    def _set(self, state: TaskState, *, result: Any = None, error: str = "") -> None:
        with self._lock:
            fraction = 1.0 if state is TaskState.DONE else self._now.fraction
            self._now = TaskSnapshot(state, fraction, self._now.text, result, error)
        if state.is_over:
            self._function = _nothing  # lets go of what the closure holds
            self._over.set()

    def _run(self) -> None:
        if self._cancelled.is_set():
            return self._set(TaskState.CANCELLED)
        self._set(TaskState.RUNNING)
        try:
            result = self._function(Progress(self))
        except CancelledError:
            self._set(TaskState.CANCELLED)
        except SaeError as error:
            self._set(TaskState.FAILED, error=str(error))
        except MemoryError:
            self._set(
                TaskState.FAILED,
                error="The memory of this machine is not enough for that. Use fewer rows or a smaller level.",
            )
        except Exception:
            log.exception("Background task %r failed", self.key)
            self._set(
                TaskState.FAILED, error="Something unexpected went wrong. Try again; the terminal has the details."
            )
        else:
            self._set(TaskState.DONE, result=result)


def _nothing(progress: Progress) -> None:
    return None


_lock = threading.Lock()
_tasks: OrderedDict[Key, Task] = OrderedDict()
_queue: deque[Task] = deque()
_workers = 0


def submit(key: Key, function: Callable[[Progress], Any], *, text: str = "Waiting", retry: bool = False) -> Task:
    """The task of this key, started now unless it exists.

    Args:
        key: everything that the result depends on.
        function: called in a worker thread with a `Progress`.
        text: shown until the function reports something.
        retry: start again if the task failed. A cancelled task always starts again.
    """
    global _workers
    with _lock:
        task = _tasks.get(key)
        if task is not None and not _is_void(task, retry):
            _tasks.move_to_end(key)
            return task
        task = Task(key, function, text)
        _tasks[key] = task
        _tasks.move_to_end(key)
        _queue.append(task)
        _forget_oldest()
        if _workers < MAX_WORKERS:
            _workers += 1
            threading.Thread(target=_work, name=THREAD_NAME, daemon=True).start()
    return task


def find(key: Key) -> Task | None:
    """The task of this key, if there is one."""
    with _lock:
        return _tasks.get(key)


def cancel(key: Key) -> None:
    """Cancel the task of this key, if there is one."""
    task = find(key)
    if task is not None:
        task.cancel()


def forget(key: Key) -> None:
    """Cancel the task of this key and let go of its result."""
    cancel(key)
    with _lock:
        _tasks.pop(key, None)


def stop_all(patience: float = END_PATIENCE) -> None:
    """Cancel everything and wait a little: a thread that is cut off inside a native library aborts the process."""
    with _lock:
        tasks, waiting = list(_tasks.values()), list(_queue)
        _queue.clear()
    for task in tasks:
        task.cancel()
    for task in waiting:
        task._set(TaskState.CANCELLED)
    end = time.monotonic() + patience
    for thread in [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]:
        thread.join(max(0.0, end - time.monotonic()))


atexit.register(stop_all)


def _is_void(task: Task, retry: bool) -> bool:
    state = task.snapshot().state
    return state is TaskState.CANCELLED or task._cancelled.is_set() or (retry and state is TaskState.FAILED)


def _forget_oldest() -> None:
    over = [key for key, task in _tasks.items() if task.snapshot().state.is_over]
    for key in over[: max(0, len(_tasks) - MAX_KEPT)]:
        del _tasks[key]


def _work() -> None:
    global _workers
    while True:
        with _lock:
            if not _queue:
                _workers -= 1
                return
            task = _queue.popleft()
        task._run()
