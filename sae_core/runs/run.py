"""One run as a folder: its record, history, checkpoint and model."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ConfigError, ModelFileError, RunNotFoundError
from sae_core.files import (
    MANIFEST,
    dump_json,
    file_digest,
    parse_json,
    read_folder,
    storage_errors,
    write_atomically,
    write_folder,
)
from sae_core.training.events import HistoryRow
from sae_core.training.history import rows_from_lines, rows_to_lines
from sae_core.training.state import CHECKPOINT_KIND, CHECKPOINT_VERSION, TrainingState

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack
    from sae_core.runs.workspace import Workspace

ACTIVE_STATES = ("queued", "running", "paused")
INTERRUPTED = "interrupted"
RECORD_VERSION = 1

_driven: set[str] = set()  # ids of the runs that a thread of this process drives
_driven_lock = threading.Lock()
_record_lock = threading.Lock()  # a page renames a run while its job notes the state


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run without opening its model.

    Attributes:
        id: name of its folder, and what stands in a page's address.
        name: for people.
        created: ISO 8601, UTC.
        state: a `JobState` value, or "interrupted" when the process that drove it is gone.
        message: one sentence for people, e.g. why it failed.
        dataset_name, dataset_fingerprint: what it was trained on.
        config: of the stack.
        seconds: spent training.
        device: e.g. "cpu".
        results: held-out figures: see `sae_core.analysis.summary.summarise`.
        versions: of Python and the packages that results depend on.
        owner: process that drives it: host and pid.
    """

    id: str
    name: str
    created: str
    state: str
    dataset_name: str
    dataset_fingerprint: str
    config: StackConfig
    message: str = ""
    seconds: float = 0.0
    device: str = ""
    results: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    owner: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` gives an equal record back."""
        return vars(self) | {"config": self.config.model_dump(), "version": RECORD_VERSION}

    @classmethod
    def from_json(cls, value: Any) -> RunRecord:
        """The inverse of `to_json`.

        Raises:
            ModelFileError: not a record of this version.
        """
        try:
            fields = {name: entry for name, entry in value.items() if name != "version"}
            return cls(**fields | {"config": StackConfig(**fields["config"])})
        except (AttributeError, KeyError, TypeError, ConfigError) as error:
            raise ModelFileError(f"The record of this run cannot be read ({error}). Delete the run.") from None


class Run:
    """A run in a workspace.

    Attributes:
        id: name of the folder.
        folder: run.json, history.jsonl, checkpoints/, model/.
    """

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.workspace = workspace
        self.id = run_id
        self.folder = workspace.root / "runs" / run_id

    @property
    def record(self) -> RunRecord:
        """As it stands on disk; an active run whose process is gone is "interrupted".

        Raises:
            RunNotFoundError: deleted meanwhile. ModelFileError: damaged.
        """
        try:
            content = (self.folder / "run.json").read_bytes()
        except OSError:
            raise RunNotFoundError(f"The run {self.id} is not in this workspace. It may have been deleted.") from None
        record = RunRecord.from_json(parse_json(content, "run.json"))
        if record.state in ACTIVE_STATES and not _is_driven(record):
            return replace(
                record,
                state=INTERRUPTED,
                message="The program ended while this run was training. Resume it, or start it again.",
            )
        return record

    def update(self, **changes: Any) -> None:
        """Change fields of the record.

        Raises:
            StorageError: it could not be written.
        """
        with _record_lock:
            self.write_record(replace(self._stored(), **changes))

    def write_record(self, record: RunRecord) -> None:
        """Write the record as it is."""
        write_atomically(self.folder / "run.json", dump_json(record.to_json()))

    def write_result(self, name: str, value: Any) -> None:
        """Add a figure to the record's results. value: plain JSON."""
        with _record_lock:
            stored = self._stored()
            self.write_record(replace(stored, results=stored.results | {name: value}))

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.update(name=name.strip()[:200] or self.id)

    def delete(self) -> None:
        """Remove the folder. The data set stays, other runs may use it.

        Raises:
            StorageError: it could not be removed.
        """
        with storage_errors(self.folder):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "run.json").unlink()  # without its record it is no run any more
            shutil.rmtree(self.folder, ignore_errors=True)

    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def dataset(self) -> Dataset:
        """The data set that it was trained on.

        Raises:
            RunNotFoundError: it was deleted.
        """
        return self.workspace.load_dataset(self._stored().dataset_fingerprint)

    def history(self) -> tuple[HistoryRow, ...]:
        """Its epochs so far."""
        try:
            text = (self.folder / "history.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise ModelFileError(f"The history of this run cannot be read ({error}). Train the run again.") from None
        return rows_from_lines(text)

    def append_history(self, row: HistoryRow) -> None:
        """Add an epoch. A line that a crash cuts off is ignored when it is read."""
        path = self.folder / "history.jsonl"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(rows_to_lines([row]))

    def write_history(self, rows: tuple[HistoryRow, ...]) -> None:
        """Replace the history (a resumed run goes back to its checkpoint)."""
        write_atomically(self.folder / "history.jsonl", rows_to_lines(rows).encode())

    def write_checkpoint(self, state: TrainingState) -> None:
        """Add a checkpoint beside the older ones, of which the last stays: there is a complete one at every moment."""
        older = self._checkpoints()
        number = int(older[-1].name) + 1 if older else 1
        target = self.folder / "checkpoints" / f"{number:06d}"
        write_folder(target, state.to_files(), kind=CHECKPOINT_KIND, version=CHECKPOINT_VERSION)
        for folder in older[:-1]:
            shutil.rmtree(folder, ignore_errors=True)

    def checkpoint(self) -> TrainingState | None:
        """The last checkpoint, or None.

        Raises:
            ModelFileError: it is damaged.
        """
        folders = self._checkpoints()
        if not folders:
            return None
        return TrainingState.from_files(read_folder(folders[-1], kind=CHECKPOINT_KIND, version=CHECKPOINT_VERSION))

    def drop_checkpoints(self) -> None:
        """Remove the checkpoints of a finished run: its model holds all that is needed."""
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)

    def clear_leftovers(self) -> None:
        """Remove what a killed process left half written. Only for a run that nobody drives."""
        for path in [*self.folder.glob(".*.part"), *self.folder.glob("checkpoints/.*.part")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def write_model(self, model: TrainedStack) -> None:
        """Write the model."""
        model.save(self.folder / "model")

    @property
    def model_version(self) -> str:
        """Changes whenever `model` would give another one; "" while there is none. A key for caches."""
        for folder in [self.folder / "model", *reversed(self._checkpoints())]:
            with contextlib.suppress(OSError):
                return file_digest(folder / MANIFEST)
        return ""

    def model(self) -> TrainedStack:
        """The trained stack; of a run that is not finished, the levels that are trained so far.

        Raises:
            ModelFileError: no level is trained yet, or the files are damaged.
        """
        from sae_core.model.trained import load_model

        if (self.folder / "model").exists():
            return load_model(self.folder / "model")
        state = self.checkpoint()
        model = None if state is None else _from_checkpoint(self.dataset(), self._stored().config, state)
        if model is None:
            raise ModelFileError("No level of this run is trained yet. Wait for its first level, or resume it.")
        return model

    def _checkpoints(self) -> list[Path]:
        """Complete ones, oldest first: they get their name only when they are complete."""
        return sorted(path for path in (self.folder / "checkpoints").glob("*") if path.name.isdecimal())

    def _stored(self) -> RunRecord:
        try:
            return RunRecord.from_json(parse_json((self.folder / "run.json").read_bytes(), "run.json"))
        except OSError:
            raise RunNotFoundError(f"The run {self.id} is not in this workspace. It may have been deleted.") from None


def _from_checkpoint(data: Dataset, config: StackConfig, state: TrainingState) -> TrainedStack | None:
    from sae_core.training.workbench import Workbench

    return Workbench(data, config, state).trained_so_far()


def new_record(run_id: str, name: str, data: Dataset, config: StackConfig) -> RunRecord:
    """The record of a run that is about to start in this process."""
    return RunRecord(
        id=run_id,
        name=name or f"{data.name} {'-'.join(str(units) for units in config.units)}",
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        state="queued",
        dataset_name=data.name,
        dataset_fingerprint=data.fingerprint,
        config=config,
        versions={"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
        owner=this_process(),
    )


def this_process() -> dict[str, Any]:
    """Host and pid, as an owner is noted in a record."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


@contextlib.contextmanager
def driving(run_id: str) -> Any:
    """While a thread of this process drives a run."""
    with _driven_lock:
        _driven.add(run_id)
    try:
        yield
    finally:
        with _driven_lock:
            _driven.discard(run_id)


def _is_driven(record: RunRecord) -> bool:
    host, pid = record.owner.get("host"), record.owner.get("pid")
    if host != socket.gethostname() or not isinstance(pid, int):
        return host is not None and host != socket.gethostname()  # another machine: cannot be judged from here
    if pid == os.getpid():
        with _driven_lock:
            return record.id in _driven
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
