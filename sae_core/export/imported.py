"""An exported bundle as a run of a workspace: the way back from `sae_core.export.bundle`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sae_core.data.dataset import Dataset
from sae_core.errors import ModelFileError
from sae_core.export.bundle import open_bundle
from sae_core.export.origin import Origin
from sae_core.files import MANIFEST, file_digest
from sae_core.model.trained import TrainedStack
from sae_core.runs.record import RunRecord
from sae_core.runs.run import Run
from sae_core.runs.workspace import Workspace
from sae_core.training.events import HistoryRow
from sae_core.training.history import COLUMNS, row_from_json


@dataclass(frozen=True)
class Imported:
    """A bundle that has become a run.

    Attributes:
        run: in the workspace.
        is_new: False where the workspace had this very model already; then nothing was written.
        has_data: the data set that it was trained on is in the workspace.
    """

    run: Run
    is_new: bool
    has_data: bool


def import_bundle(workspace: Workspace, source: str | Path | bytes | IO[bytes], *, name: str = "") -> Imported:
    """Make a run of a bundle. Its codes are those of the exported model bit for bit.

    The record is written last: an import that is cut off leaves no run, and a leftover that the next one may replace.

    Args:
        name: of the file, for people; used where the bundle does not say which run it was.

    Raises:
        ModelFileError, VersionError, UnsafeFileError: as `read_bundle`.
        StorageError: the workspace cannot be written.
    """
    model, origin = open_bundle(source)
    with workspace.new_run() as run:
        run.write_model(model)
        twin = _twin(workspace, file_digest(run.folder / "model" / MANIFEST))
        if twin is None:
            run.write_history(_history(model))
            record = _record(run.id, model, origin, name, datetime.now(UTC))
            run.write_record(record)
    run.let_go()
    if twin is not None:
        run.delete()
        return Imported(twin, False, workspace.has_dataset(twin.record.dataset_fingerprint))
    return Imported(run, True, workspace.has_dataset(record.dataset_fingerprint))


def misfit(model: TrainedStack, data: Dataset) -> str:
    """Why a data set cannot stand in for the one that a model was trained on, as a clause; "" where it can."""
    preparation = model.preparation
    if data.kind != preparation.kind:
        kinds = {"table": "a table", "images": "pictures", "arrays": "arrays"}
        return f"the model takes {kinds[preparation.kind]}, and this is {kinds[data.kind]}"
    if data.image_shape != preparation.image_shape:
        return f"its pictures are {_shape(data.image_shape)}, and the model takes {_shape(preparation.image_shape)}"
    if preparation.array is not None and data.n_features != preparation.n_inputs:
        return f"its rows have {data.n_features:,} numbers, and the model takes {preparation.n_inputs:,}"
    if preparation.array is None:
        kinds_here = {column.name: column.kind for column in data.columns}
        for column in preparation.columns:
            if column.name not in kinds_here:
                return f"it has no column {column.name[:60]!r}"
            if kinds_here[column.name] != column.kind:
                return (
                    f"its column {column.name[:60]!r} is {kinds_here[column.name]}, and the model takes {column.kind}"
                )
        if len(kinds_here) != len(preparation.columns):
            return "it has other columns than the model takes"
    if model.is_classifier and data.has_labels and data.classes != model.classes:
        return "its classes are others than those of the model"
    return ""


def use_with(run: Run, data: Dataset) -> None:
    """Show an imported run with this data set from now on, which takes the place of the missing one.

    Raises:
        ModelFileError: the model takes rows of another form. StorageError: it cannot be written.
    """
    reason = misfit(run.model(), data)
    if reason:
        raise ModelFileError(f"{data.name} does not fit this model: {reason}. Choose another data set.")
    run.update(dataset_fingerprint=run.workspace.save_dataset(data), dataset_name=data.name)


def _twin(workspace: Workspace, version: str) -> Run | None:
    """The finished run with the very same model, if there is one."""
    runs = (workspace.run(record.id) for record in workspace.runs() if record.state == "finished")
    return next((run for run in runs if run.model_version == version), None)


def _record(run_id: str, model: TrainedStack, origin: Origin | None, name: str, now: datetime) -> RunRecord:
    units = "-".join(str(width) for width in model.units)
    told = f"Imported from {name[:100]}" if name else "Imported from a bundle"
    return RunRecord(
        id=run_id,
        name=(origin.run_name if origin else "") or f"{model.name} {units}".strip(),
        created=now.isoformat(timespec="microseconds"),
        state="finished",
        message=f"{told}; trained {origin.created[:10]}." if origin else f"{told}.",
        dataset_name=origin.dataset_name if origin else model.name,
        dataset_fingerprint=origin.dataset_fingerprint if origin else "",
        config=model.config,
        seconds=origin.seconds if origin else 0.0,
        device=origin.device if origin else "",
        results=origin.results.to_json() if origin else {},
        versions=origin.versions if origin else {},
        engines=origin.engines if origin else {},
        precision=origin.precision if origin else "float32",
        threads=origin.threads if origin else 0,
        split=origin.split if origin else {},
    )


def _history(model: TrainedStack) -> tuple[HistoryRow, ...]:
    if list(model.history.columns) != list(COLUMNS):
        return ()  # of a model without curves
    rows = ({str(name): value for name, value in row.items()} for row in model.history.to_dict("records"))
    return tuple(row_from_json(row) for row in rows)


def _shape(shape: tuple[int, int, int] | None) -> str:
    return "no pictures" if shape is None else " x ".join(map(str, shape))
