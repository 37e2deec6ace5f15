"""Cached access to data sets, runs and what is computed from them. Safe in any thread; never calls Streamlit."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.cache import Cache
from sae_core.data.dataset import Dataset
from sae_core.errors import ModelFileError
from sae_core.limits import MEGABYTE

if TYPE_CHECKING:
    from sae_core.config import Scaling
    from sae_core.data.preparation import Preparation
    from sae_core.jobs import Job
    from sae_core.model.trained import TrainedStack
    from sae_core.runs.record import RunRecord
    from sae_core.runs.run import Run
    from sae_core.runs.workspace import Workspace
    from sae_core.training.events import HistoryRow

TIDY_SECONDS = 600.0  # a server may run for weeks beside programs that are killed
_CHUNK_ROWS = 8192  # rows decoded at a time: bounds the memory beside the result


def _array_bytes(value: NDArray[Any]) -> int:
    return int(value.nbytes)


_samples: Cache[Dataset] = Cache(8)
_datasets: Cache[Dataset] = Cache(4)
_preparations: Cache[Preparation] = Cache(8)
_sizes: Cache[int] = Cache(2_000)
_models: Cache[TrainedStack] = Cache(6)
_tidied: dict[Path, float] = {}
_arrays: Cache[NDArray[Any]] = Cache(64, max_bytes=768 * MEGABYTE, size=_array_bytes)


def workspace() -> Workspace:
    """The workspace on disk (SAE_WORKSPACE, else the user's data folder)."""
    from sae_core.runs.workspace import default_workspace

    return default_workspace()


def tidy_up() -> None:
    """Remove what killed programs left, now and then, in a thread of its own."""
    root, now = workspace().root, time.monotonic()
    if now - _tidied.get(root, -TIDY_SECONDS) >= TIDY_SECONDS:
        _tidied[root] = now
        threading.Thread(target=_tidy, args=(root,), name="tidy", daemon=True).start()


def _tidy(root: Path) -> None:
    from sae_core.runs.tidy import tidy
    from sae_core.runs.workspace import Workspace
    from sae_core.temporary import sweep_scratch

    tidy(Workspace(root))
    sweep_scratch()


def sample(name: str) -> Dataset:
    """A shipped sample, read once for all sessions."""
    from sae_core.data.samples import load_sample

    return _samples.get(name, lambda: load_sample(name))


def stored_dataset(fingerprint: str) -> Dataset:
    """A data set of the workspace. Raises RunNotFoundError."""
    return _datasets.get((str(workspace().root), fingerprint), lambda: workspace().load_dataset(fingerprint))


def preparation(data: Dataset, scaling: Scaling) -> Preparation:
    """The preparation that a training on this data set would fit."""
    from sae_core.data.preparation import Preparation

    return _preparations.get((data.fingerprint, scaling), lambda: Preparation.fit(data, scaling))


def run(run_id: str) -> Run:
    """A run of the workspace, read afresh. Raises RunNotFoundError."""
    return workspace().run(run_id)


def run_size(record: RunRecord) -> int:
    """Bytes of a run on disk, measured anew when its state changes. 0 where it is gone."""
    found = workspace().run(record.id) if workspace().has_run(record.id) else None
    key = (str(workspace().root), record.id, record.state, record.seconds)
    return _sizes.get(key, found.size_bytes) if found is not None else 0


def dataset(run_id: str) -> Dataset:
    """The data set that a run was trained on: the one in memory while it trains, else the stored one."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    if job is not None and job.data is not None:
        return job.data
    return stored_dataset(run(run_id).record.dataset_fingerprint)


def dataset_or_none(run_id: str) -> Dataset | None:
    """The data set that a run was trained on; None where the workspace does not have it (an imported run).

    Raises:
        RunNotFoundError: no such run. ModelFileError: the stored data set is damaged.
    """
    from sae_core.jobs import find_job

    job = find_job(run_id)
    if (job is None or job.data is None) and not workspace().has_dataset(run(run_id).record.dataset_fingerprint):
        return None
    return dataset(run_id)


def model(run_id: str) -> TrainedStack:
    """The trained stack of a run, read and verified once; of an unfinished run, the levels that are trained so far.

    Raises:
        RunNotFoundError: no such run. ModelFileError: no level is trained yet, or the files are damaged.
    """
    job = training(run_id)
    if job is None:
        return _models.get(version(run_id), run(run_id).model)
    if job.trained_so_far is None:
        raise ModelFileError("No level of this run is trained yet. Wait for its first level.")
    return job.trained_so_far[1]


def version(run_id: str) -> tuple[str, str]:
    """What names the weights of a run as they are now: part of the key of everything computed from them."""
    job = training(run_id)
    if job is None:
        # A resumed run gets new weights under its old id, an imported one may be shown with another data set.
        found = run(run_id)
        return run_id, f"{found.model_version} {found.record.dataset_fingerprint}"
    return run_id, f"phase {job.trained_so_far[0] if job.trained_so_far else 0}"


def training(run_id: str) -> Job | None:
    """The job that trains a run in this process, while it does."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    return job if job is not None and job.snapshot().state.is_active else None


def history(run_id: str) -> tuple[HistoryRow, ...]:
    """All epochs of a run: live ones from its job, else from disk."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    if job is not None:
        return job.snapshot().history
    return run(run_id).history()


def prepared(run_id: str) -> NDArray[np.float32]:
    """(n, n_inputs) all rows of the run's data set in the prepared scale: level 0."""
    return codes(run_id, 0)


def codes(run_id: str, level: int | None = None, *, fine_tuned: bool = False) -> NDArray[np.float32]:
    """(n, units) codes of all rows of the run's data set; level 0 is the prepared input, None the deepest code."""
    stack = model(run_id)
    deep = stack.n_levels if level is None else level

    def compute() -> NDArray[np.float32]:
        if deep == 0:
            return stack.prepare(dataset(run_id))
        return stack.encode_prepared(prepared(run_id), deep, fine_tuned=fine_tuned)

    return _arrays.get(("codes", *version(run_id), deep, fine_tuned and deep > 0), compute)


def errors(run_id: str, level: int | None = None) -> NDArray[np.float32]:
    """(n,) squared error of each row as one level gives it back, in the prepared scale, summed over its inputs."""
    stack = model(run_id)
    deep = stack.n_levels if level is None else level

    def compute() -> NDArray[np.float32]:
        x, h = prepared(run_id), codes(run_id, deep)
        found = np.empty(len(x), dtype=np.float32)
        for start in range(0, len(x), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            back = stack.decode_prepared(h[part], deep)  # (rows of the chunk, n_inputs)
            found[part] = np.square(back - x[part]).sum(axis=1)
        return found

    return _arrays.get(("errors", *version(run_id), deep), compute)


def forget(run_id: str | None = None) -> None:
    """Let go of what is kept of one run (after it was deleted), or of everything."""

    def matches(key: object) -> bool:
        return run_id is None or (isinstance(key, tuple) and run_id in key)

    for cache in (_models, _arrays):
        cache.forget(matches)
    if run_id is None:
        _datasets.forget()
