"""Drives a sweep: one run after the other, each an ordinary training of the workspace."""

from __future__ import annotations

import logging
import threading

from sae_core import jobs
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import SaeError
from sae_core.jobs.job import Job
from sae_core.runs.draws import Method, Space
from sae_core.runs.sweep import OVER, Sweep, create_sweep
from sae_core.runs.workspace import Workspace

log = logging.getLogger(__name__)

_driven: dict[str, SweepJob] = {}
_lock = threading.Lock()


class SweepJob:
    """A sweep under way in a thread of this process. Made by `start_sweep` and `go_on`.

    Attributes:
        sweep: its folder. Its lock is held, and let go when the driving ends.
    """

    def __init__(self, sweep: Sweep, data: Dataset) -> None:
        self.sweep = sweep
        self._data = data
        self._stopped = threading.Event()
        self._current: Job | None = None
        self._changing = threading.Lock()
        if sweep.lock is not None:
            sweep.lock.listener = self._hear
        self._thread = threading.Thread(target=self._main, name=f"sweep-{sweep.id}", daemon=True)

    def start(self) -> None:
        """Start the thread, once."""
        with _lock:
            _driven[self.sweep.id] = self
        self._thread.start()

    def stop(self) -> None:
        """Stop the run in training and start no further one. What is finished stays."""
        self._stopped.set()
        with self._changing:
            if self._current is not None:
                self._current.stop()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False: not yet after `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _hear(self, request: str) -> None:
        if request == "stop":
            self.stop()

    def _main(self) -> None:
        state, message = "finished", ""
        try:
            self._drive()
            if self._stopped.is_set():
                state = "stopped"
        except SaeError as error:
            state, message = "failed", str(error)
        except Exception as error:
            log.exception("Sweep %s failed", self.sweep.id)
            state, message = "failed", f"The sweep failed for a reason that is not known ({type(error).__name__})."
        finally:
            try:
                self.sweep.update(state=state, message=message)
            except SaeError as error:
                log.warning("The state of sweep %s could not be written: %s", self.sweep.id, error)
            self.sweep.let_go()
            with _lock:
                _driven.pop(self.sweep.id, None)

    def _drive(self) -> None:
        plan = self.sweep.plan
        for number in range(plan.runs):
            known = {trial.number: trial.record for trial in self.sweep.trials()}
            record = known.get(number)
            if self._stopped.is_set() or (record is not None and record.state in OVER):
                continue
            if record is None:
                config = plan.space.configured(plan.base, self.sweep.next_draw(number))
                name, belongs = f"{plan.name}, {number + 1}", f"{plan.id}/{number}"
                job = jobs.start_job(self._data, config, workspace=self.sweep.workspace, name=name, sweep=belongs)
            else:
                job = jobs.resume_run(self.sweep.workspace.run(record.id))
            with self._changing:
                self._current = job
                if self._stopped.is_set():
                    job.stop()
            job.join()
            with self._changing:
                self._current = None


def start_sweep(
    workspace: Workspace,
    data: Dataset,
    base: StackConfig,
    space: Space,
    *,
    method: Method = "random",
    runs: int = 12,
    seed: int = 0,
) -> SweepJob:
    """Try settings in the background, one run after the other.

    Args:
        base: gives everything that does not vary.
        space: the ranges.
        method: "grid", "random", or "optuna", which learns from the results so far.
        runs: how many at most.
        seed: of the draws.

    Raises:
        ConfigError: the ranges or the number make no sense, or there are no validation rows to choose by.
        StorageError: it could not be written.
    """
    sweep = create_sweep(workspace, data, base.fitted(data.image_shape), space, method=method, runs=runs, seed=seed)
    return _started(sweep, data)


def go_on(sweep: Sweep) -> SweepJob:
    """Go on with a sweep that was stopped or interrupted: runs that were cut off first, then those that never began.

    Raises:
        InUseError: it is under way, here or in another process. RunNotFoundError: its data set was deleted.
    """
    sweep.hold()
    try:
        data = sweep.workspace.load_dataset(sweep.plan.dataset_fingerprint)
        sweep.update(state="running", message="")
    except BaseException:
        sweep.let_go()
        raise
    return _started(sweep, data)


def find_sweep(sweep_id: str) -> SweepJob | None:
    """The sweep of that id, where this process drives it."""
    with _lock:
        return _driven.get(sweep_id)


def _started(sweep: Sweep, data: Dataset) -> SweepJob:
    job = SweepJob(sweep, data)
    job.start()
    return job
