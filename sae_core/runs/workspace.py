"""The folder in which data sets and runs live, and in which a restarted program finds them again."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import InUseError, ModelFileError, RunNotFoundError, StorageError
from sae_core.files import MANIFEST, storage_errors
from sae_core.runs.datasets import describe_stored, read_dataset, write_dataset
from sae_core.runs.lock import guarded
from sae_core.runs.record import ACTIVE_STATES, RunRecord, begun_record, new_record
from sae_core.runs.run import Run
from sae_core.temporary import discard

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DatasetRecord:
    """A stored data set, without its rows.

    Attributes:
        fingerprint: its name in the workspace.
        stored: ISO 8601, UTC.
        size_bytes: on disk.
    """

    fingerprint: str
    name: str
    kind: str
    rows: int
    n_features: int
    n_classes: int
    stored: str
    size_bytes: int


class Workspace:
    """Data sets and runs in one folder.

    Args:
        root: made where it is missing.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def save_dataset(self, data: Dataset) -> str:
        """Store a data set under the hash of its content and choices; what is stored already is not written again.

        Returns:
            Its fingerprint.

        Raises:
            StorageError: it could not be written.
        """
        folder = self._dataset_folder(data.fingerprint)
        if not (folder / MANIFEST).exists():
            try:
                write_dataset(data, folder)
            except StorageError:
                if not (folder / MANIFEST).exists():  # else another process stored the same one meanwhile
                    raise
        return data.fingerprint

    def has_dataset(self, fingerprint: str) -> bool:
        """Whether a data set is stored."""
        return bool(_FINGERPRINT.fullmatch(fingerprint)) and (self._dataset_folder(fingerprint) / MANIFEST).exists()

    def load_dataset(self, fingerprint: str) -> Dataset:
        """Read a stored data set.

        Raises:
            RunNotFoundError: it is not there. ModelFileError: its files are damaged.
        """
        if not self.has_dataset(fingerprint):
            raise RunNotFoundError("This data set is not in the workspace any more. Upload it again.")
        return read_dataset(self._dataset_folder(fingerprint))

    def datasets(self) -> list[DatasetRecord]:
        """Stored data sets, newest first; damaged ones are left out."""
        found = []
        for folder in self.folders("datasets", _FINGERPRINT):
            try:
                about = describe_stored(folder)
                record = DatasetRecord(
                    fingerprint=folder.name,
                    name=str(about["name"]),
                    kind=str(about["kind"]),
                    rows=int(about["rows"]),
                    n_features=int(about["n_features"]),
                    n_classes=int(about["n_classes"]),
                    stored=datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds"),
                    size_bytes=sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
                )
            except (ModelFileError, KeyError, TypeError, ValueError, OSError):
                continue
            found.append(record)
        return sorted(found, key=lambda record: record.stored, reverse=True)

    def delete_dataset(self, fingerprint: str) -> None:
        """Remove a stored data set. Of runs that were trained on it the curves, results and the model stay.

        Raises:
            InUseError: one of them is in training. StorageError: it could not be removed.
        """
        with guarded(self.root / "datasets"):
            if not self.has_dataset(fingerprint):
                return
            active = [record for record in self.runs_of(fingerprint) if record.state in ACTIVE_STATES]
            if active:
                raise InUseError(
                    f"The run {active[0].name!r} is in training on this data set. Stop it, then delete the data set."
                )
            folder = self._dataset_folder(fingerprint)
            with storage_errors(folder):
                discard(folder)

    def runs_of(self, fingerprint: str) -> list[RunRecord]:
        """Runs that were trained on a data set."""
        return [record for record in self.runs() if record.dataset_fingerprint == fingerprint]

    def create_run(
        self, data: Dataset, config: StackConfig, name: str = "", *, hold: bool = False, **fields: Any
    ) -> Run:
        """A new run, with its data set stored beside it.

        Args:
            hold: with its lock held, for whoever is about to train it.
            fields: further ones of its `RunRecord`.

        Raises:
            StorageError: it could not be written. ConfigError: convolutional levels do not fit these data.
        """
        config = config.fitted(data.image_shape)
        self.save_dataset(data)
        with self.new_run() as run:
            if hold and run.lock:
                fields["owner"] = asdict(run.lock.owner)
            with guarded(self.root / "datasets"):
                self.save_dataset(data)  # deleted meanwhile? From now on the run keeps others from that
                run.write_record(new_record(run.id, name, data, config, **fields))
        if not hold:
            run.let_go()
        return run

    def create_shard_run(
        self, name: str, dataset_name: str, config: StackConfig, plan: dict[str, Any], work: Path | None, **fields: Any
    ) -> Run:
        """A new run on a table of many files, held by whoever is about to train it. Its data set comes later.

        Args:
            plan: of the training, see `sae_core.training.sharded.plan_of`.
            work: folder for prepared rows and checkpoints; None: one in the run's own.
            fields: further ones of its `RunRecord`.

        Raises:
            StorageError: it could not be written.
        """
        with self.new_run() as run:
            run.write_shard_plan(plan, work or (run.folder / "work").absolute())
            owner = asdict(run.lock.owner) if run.lock else {}
            run.write_record(begun_record(run.id, name, dataset_name, config, owner=owner, **fields))
        return run

    @contextmanager
    def new_run(self) -> Iterator[Run]:
        """The folder of a run that is about to be written, its record last. It is held; a failure leaves nothing.

        Raises:
            StorageError: it could not be written.
        """
        run = Run(self, f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")
        try:
            run.hold()
            yield run
        except BaseException:
            run.let_go()
            shutil.rmtree(run.folder, ignore_errors=True)
            raise

    def runs(self) -> list[RunRecord]:
        """Records of all runs, newest first; damaged ones are left out."""
        found = []
        for folder in self.folders("runs", RUN_ID):
            try:
                found.append(Run(self, folder.name).record)
            except (ModelFileError, RunNotFoundError):
                continue
        return sorted(found, key=lambda record: (record.created, record.id), reverse=True)

    def has_run(self, run_id: str) -> bool:
        """Whether there is a run of that id."""
        return bool(RUN_ID.fullmatch(run_id)) and (Run(self, run_id).folder / "run.json").exists()

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            RunNotFoundError: there is none of that id.
        """
        run = Run(self, run_id) if RUN_ID.fullmatch(run_id) else None
        if run is None or not (run.folder / "run.json").exists():
            raise RunNotFoundError(f"There is no run {run_id[:40]!r} in this workspace. It may have been deleted.")
        return run

    def _dataset_folder(self, fingerprint: str) -> Path:
        return self.root / "datasets" / fingerprint

    def folders(self, part: str, pattern: re.Pattern[str]) -> list[Path]:
        """Folders of a part of the workspace whose names are ids."""
        folder = self.root / part
        return [path for path in folder.iterdir() if pattern.fullmatch(path.name)] if folder.is_dir() else []


def default_workspace() -> Workspace:
    """The workspace named by SAE_WORKSPACE, else the folder that the system keeps for a user's data."""
    if root := os.environ.get("SAE_WORKSPACE"):
        return Workspace(root)
    from platformdirs import user_data_path

    return Workspace(user_data_path("stacked-autoencoder-explorer", appauthor=False))
