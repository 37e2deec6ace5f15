"""One run as a folder: its record, history, checkpoint and model."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import InUseError, ModelFileError, RunNotFoundError
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
from sae_core.runs import lock
from sae_core.runs.lock import Listener, Lock
from sae_core.runs.record import ACTIVE_STATES, INTERRUPTED, RunRecord
from sae_core.temporary import discard, sweep, temporary_path
from sae_core.training.events import HistoryRow, Phase, TracePoint
from sae_core.training.history import rows_from_lines, rows_to_lines, trace_from_lines, trace_line
from sae_core.training.state import CHECKPOINT_KIND, CHECKPOINT_VERSION, TrainingState

if TYPE_CHECKING:
    from sae_core.model.trained import TrainedStack
    from sae_core.runs.workspace import Workspace

LONGEST_NAME, LONGEST_NOTE, MOST_TAGS = 200, 4_000, 20


class Run:
    """A run in a workspace.

    Attributes:
        id: name of the folder.
        folder: run.json, plan.json, history.jsonl, live.json, checkpoints/, model/, and lock.json while it trains.
        lock: held while this process drives the run, else None.
    """

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.workspace = workspace
        self.id = run_id
        self.folder = workspace.root / "runs" / run_id
        self.lock: Lock | None = None

    def hold(self, listener: Listener | None = None) -> None:
        """Keep others from training or deleting it, until `let_go`.

        Raises:
            InUseError: another process, or another part of this one, holds it. StorageError: it cannot be written.
        """
        self.lock = lock.acquire(self.folder, listener)

    def let_go(self) -> None:
        """Let others train or delete it."""
        if self.lock is not None:
            self.lock.release()

    def holder(self) -> lock.Owner | None:
        """The process that trains it, or None."""
        return lock.holder(self.folder)

    def was_last_driven_by(self, held: Lock | None) -> bool:
        """Whether nobody has driven it since the holder of this lock did, and it is still there."""
        try:
            owner = parse_json((self.folder / "run.json").read_bytes(), "run.json").get("owner")
        except (OSError, ModelFileError, AttributeError):
            return False
        return held is not None and isinstance(owner, dict) and owner.get("token") == held.owner.token

    def ask(self, request: str) -> None:
        """Ask the process that trains it to "pause", "resume" or "stop"."""
        lock.ask(self.folder, request)

    @property
    def record(self) -> RunRecord:
        """As it stands on disk; an active run whose process is gone is "interrupted".

        Raises:
            RunNotFoundError: deleted meanwhile. ModelFileError: damaged.
        """
        record = self._stored()
        if record.state in ACTIVE_STATES and self.holder() is None:
            record = self._stored()  # it may have ended between these two looks
        if record.state in ACTIVE_STATES and self.holder() is None:
            return replace(
                record,
                state=INTERRUPTED,
                message="The program ended while this run was training. Resume it, or start it again.",
            )
        return record

    def update(self, **changes: Any) -> None:
        """Change fields of the record; others who change it meanwhile wait.

        Raises:
            StorageError: it could not be written. RunNotFoundError: it was deleted.
        """
        with lock.guarded(self.folder.parent):
            self.write_record(replace(self._stored(), **changes))

    def write_record(self, record: RunRecord) -> None:
        """Write the record as it is."""
        write_atomically(self.folder / "run.json", dump_json(record.to_json()))

    def write_result(self, name: str, value: Any) -> None:
        """Add a figure to the record's results. value: plain JSON."""
        with lock.guarded(self.folder.parent):
            stored = self._stored()
            self.write_record(replace(stored, results=stored.results | {name: value}))

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.update(name=name.strip()[:LONGEST_NAME] or self.id)

    def annotate(self, *, tags: Sequence[str] | None = None, note: str | None = None) -> None:
        """Replace the user's own words: tags (each once, trimmed) and a note. None leaves them as they are."""
        changes: dict[str, Any] = {}
        if tags is not None:
            words = dict.fromkeys(tag.strip()[:LONGEST_NAME] for tag in tags)
            changes["tags"] = tuple(word for word in words if word)[:MOST_TAGS]
        if note is not None:
            changes["note"] = note.strip()[:LONGEST_NOTE]
        self.update(**changes)

    def delete(self) -> None:
        """Remove the folder. The data set stays, other runs may use it.

        Raises:
            InUseError: it is in training. StorageError: it could not be removed.
        """
        with lock.guarded(self.folder.parent), storage_errors(self.folder):
            owner = self.holder()
            if owner is not None:
                who = "in this program" if owner.is_here else f"in another program ({owner})"
                raise InUseError(f"This run is in training {who}. Stop it there first, then delete it.")
            discard(self.folder)

    def size_bytes(self) -> int:
        """What it takes on disk."""
        total = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # a checkpoint may be replaced while one looks
                total += path.stat().st_size if path.is_file() else 0
        return total

    def dataset(self) -> Dataset:
        """The data set that it was trained on.

        Raises:
            RunNotFoundError: it was deleted.
        """
        record = self._stored()
        if record.shards and not record.dataset_fingerprint:
            raise RunNotFoundError(
                f"The files of {record.dataset_name!r} are not read to the end yet, so there are no rows to show. Wait "
                "until its first level is in training."
            )
        if not self.workspace.has_dataset(record.dataset_fingerprint):
            raise RunNotFoundError(
                f"The data set {record.dataset_name!r} of this run was deleted, so its rows cannot be shown or trained "
                "on. Upload it again, with the same choices, and they are back."
            )
        return self.workspace.load_dataset(record.dataset_fingerprint)

    def history(self) -> tuple[HistoryRow, ...]:
        """Its epochs so far."""
        try:
            text = (self.folder / "history.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise ModelFileError(f"The history of this run cannot be read ({error}). Train the run again.") from None
        return rows_from_lines(text)

    def phases(self) -> tuple[Phase, ...]:
        """The plan of its training; () where it never began."""
        try:
            plan = parse_json((self.folder / "plan.json").read_bytes(), "plan.json")
            return tuple(Phase(**phase) for phase in plan)
        except (OSError, ModelFileError, TypeError):
            return ()

    def write_phases(self, phases: Sequence[Phase]) -> None:
        """Keep the plan, so that it can be shown without the data set."""
        if self.phases() != tuple(phases):
            write_atomically(self.folder / "plan.json", dump_json([dataclasses.asdict(phase) for phase in phases]))

    def shard_plan(self) -> dict[str, Any]:
        """Of a run on a table of many files: "plan", see `sae_core.training.sharded.plan_of`, and "work", a folder."""
        return self._values("shards.json")

    def write_shard_plan(self, plan: dict[str, Any], work: Path) -> None:
        """Keep what a training on many files depends on, so that it can go on."""
        write_atomically(self.folder / "shards.json", dump_json({"plan": plan, "work": str(work)}))

    def live(self) -> dict[str, Any]:
        """Where a training in another process stands: see `write_live`; {} where nothing is known."""
        return self._values("live.json")

    def _values(self, name: str) -> dict[str, Any]:
        """What a file of the run says; {} where it is missing or damaged."""
        try:
            found = parse_json((self.folder / name).read_bytes(), name)
        except (OSError, ModelFileError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_live(self, values: dict[str, Any]) -> None:
        """Tell other processes where the training stands. A courtesy: what goes wrong with it is nobody's loss."""
        temporary = temporary_path(self.folder / "live.json", "part")
        with contextlib.suppress(OSError, ValueError):
            try:
                temporary.write_bytes(dump_json(values))
                temporary.replace(self.folder / "live.json")
            finally:
                temporary.unlink(missing_ok=True)

    def append_history(self, row: HistoryRow) -> None:
        """Add an epoch. A line that a crash cuts off is ignored when it is read."""
        path = self.folder / "history.jsonl"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(rows_to_lines([row]))

    def write_history(self, rows: tuple[HistoryRow, ...]) -> None:
        """Replace the history (a resumed run goes back to its checkpoint)."""
        write_atomically(self.folder / "history.jsonl", rows_to_lines(rows).encode())

    def append_trace(self, point: TracePoint) -> None:
        """Add a moment of the training to those that `trace` gives."""
        path = self.folder / "trace.jsonl"
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(trace_line(point))

    def trace(self) -> tuple[TracePoint, ...]:
        """How far off the input was while the autoencoders were trained; () for runs that have not noted it."""
        try:
            text = (self.folder / "trace.jsonl").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ()
        return trace_from_lines(text)

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
        (self.folder / "live.json").unlink(missing_ok=True)

    def clear_leftovers(self) -> None:
        """Remove what a killed process left half written."""
        sweep(self.folder)
        sweep(self.folder / "checkpoints")

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
