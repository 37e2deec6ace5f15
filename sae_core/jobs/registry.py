"""Which jobs there are in this process, and whose turn it is.

A plain module-level object, so that it lives exactly as long as its threads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sae_core.errors import TrainingError
from sae_core.limits import MAX_QUEUED_JOBS, MAX_REMEMBERED_JOBS, MAX_RUNNING_JOBS

if TYPE_CHECKING:
    from sae_core.jobs.job import Job


class Registry:
    """Jobs of this process, and whose turn it is. A bounded number run, the others wait in the order of asking."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []
        self._running: list[Job] = []

    def check_room(self) -> None:
        """Raises TrainingError where too many wait, before anything is written for one more."""
        with self._turn:
            if len(self._waiting) >= MAX_QUEUED_JOBS:
                raise TrainingError(
                    f"{MAX_QUEUED_JOBS} trainings are waiting already. Wait for some of them, or stop them."
                )

    def add(self, job: Job) -> None:
        with self._turn:
            self._jobs[job.id] = job
            self._waiting.append(job)
            over = [other.id for other in self._jobs.values() if other.is_over]
            for old in over[: max(0, len(self._jobs) - MAX_REMEMBERED_JOBS)]:
                del self._jobs[old]
        job.start()

    def find(self, job_id: str) -> Job | None:
        with self._turn:
            return self._jobs.get(job_id)

    def active(self) -> tuple[Job, ...]:
        with self._turn:
            return tuple(job for job in self._jobs.values() if not job.is_over)

    def queue_position(self, job: Job) -> int:
        with self._turn:
            return self._waiting.index(job) + 1 if job in self._waiting else 0

    def wake(self) -> None:
        with self._turn:
            self._turn.notify_all()

    @contextmanager
    def turn(self, job: Job) -> Iterator[None]:
        """Wait for a place, in the order of asking, and hold it. A stopped job does not wait."""
        self._acquire(job)
        try:
            yield
        finally:
            self._release(job)

    @contextmanager
    def aside(self, job: Job) -> Iterator[None]:
        """Give the place up for a while, and queue for it again."""
        self._release(job)
        try:
            yield
        finally:
            with self._turn:
                self._waiting.append(job)
            self._acquire(job)

    def _acquire(self, job: Job) -> None:
        with self._turn:
            while not job.wants_stop and (len(self._running) >= MAX_RUNNING_JOBS or self._waiting[0] is not job):
                self._turn.wait()
            self._waiting.remove(job)
            self._running.append(job)
            self._turn.notify_all()

    def _release(self, job: Job) -> None:
        with self._turn:
            self._running.remove(job)
            self._turn.notify_all()


known_jobs = Registry()
