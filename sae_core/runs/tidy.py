"""What processes that were killed have left in a workspace, removed by whoever comes next."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from sae_core.errors import ModelFileError, RunNotFoundError, StorageError
from sae_core.runs import lock
from sae_core.runs.run import Run
from sae_core.runs.sweep import SWEEP_ID
from sae_core.runs.workspace import RUN_ID, Workspace
from sae_core.temporary import discard, sweep


def tidy(workspace: Workspace) -> None:
    """Remove half-written files, data sets, checkpoints and imports of processes that are gone.

    What a living process writes is left alone, and so is everything whose owner is not known. What cannot be removed
    stays: it is in nobody's way.
    """
    for part in ("datasets", "experiments", "uploads", "runs", "sweeps"):
        sweep(workspace.root / part)
    for part, pattern, record in (("runs", RUN_ID, "run.json"), ("sweeps", SWEEP_ID, "sweep.json")):
        for folder in workspace.folders(part, pattern):
            sweep(folder)
            sweep(folder / "checkpoints")
            if not (folder / record).exists():
                _remove_unborn(folder, record)
    for folder in workspace.folders("runs", RUN_ID):
        if (folder / "checkpoints").exists():
            _drop_old_checkpoints(Run(workspace, folder.name))


def _remove_unborn(folder: Path, record: str) -> None:
    """Remove a folder whose maker was killed before it wrote the record, which comes last."""
    with contextlib.suppress(OSError, StorageError), lock.guarded(folder.parent):
        made_by = lock.read_owner(folder)
        if made_by is not None and lock.holder(folder) is None and not (folder / record).exists():
            discard(folder)


def _drop_old_checkpoints(run: Run) -> None:
    """Of a finished run whose process was killed before it came to that."""
    with contextlib.suppress(OSError, ModelFileError, RunNotFoundError):
        if run.record.state == "finished" and run.holder() is None and (run.folder / "model").exists():
            shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
