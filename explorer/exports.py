"""Files to take away, made and verified in the background, each kept for as long as its task is remembered.

Every function returns at once with a request; its task's result is a `ReadyFile`. The same request finds the same file
from any session.
"""

from __future__ import annotations

import re
import tempfile
import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from explorer import store, tasks
from explorer.tasks import Progress, Task
from sae_core.export.files import Exported, Report
from sae_core.temporary import scratch_folder

if TYPE_CHECKING:
    from sae_core.export.onnx import OnnxOutput
    from sae_core.export.origin import Origin
    from sae_core.model.trained import TrainedStack

Codes = Literal["csv", "parquet", "npz"]
AT_ONCE_CELLS = 2_000_000  # codes beyond that are made only when they are asked for

_folder = scratch_folder("exports")  # removed when the program ends


@dataclass(frozen=True)
class ReadyFile:
    """A file that was loaded again and agreed with the model.

    Attributes:
        name: under which it is downloaded.
        exported: where it is, its size and what the check found.
    """

    name: str
    exported: Exported

    def read(self) -> bytes:
        """Its content."""
        return self.exported.path.read_bytes()


@dataclass(frozen=True)
class Request:
    """A file that can be asked for.

    Attributes:
        key: everything that it depends on.
        name: under which it is downloaded.
        make: writes and verifies it.
    """

    key: tasks.Key
    name: str
    make: Callable[[Progress], ReadyFile]

    def find(self) -> Task | None:
        """Its task, if it was asked for before."""
        return tasks.find(self.key)

    def start(self) -> Task:
        """Its task, begun if it was not (or failed, or was cancelled)."""
        return tasks.submit(self.key, self.make, text="Waiting", retry=True)


def onnx(run_id: str, output: OnnxOutput, level: int | None, *, fine_tuned: bool = False) -> Request:
    """One ONNX file from raw columns or pixels to codes, reconstructions or classes."""
    from sae_core.export.onnx import export_onnx

    model, data = store.model(run_id), store.dataset_or_none(run_id)
    tuned = "-fine-tuned" if fine_tuned and output == "code" else ""
    what = "classes" if output == "classes" else f"{output}-{'input' if level == 0 else f'level-{level}'}{tuned}"

    def write(path: Path, report: Report) -> Exported:
        return export_onnx(model, path, output=output, level=level, fine_tuned=fine_tuned, data=data, progress=report)

    return _request(run_id, ("onnx", output, level, fine_tuned), f"{stem(model)}-{what}.onnx", write)


def bundle(run_id: str) -> Request:
    """The whole model as one ZIP file, with a program that needs only numpy and safetensors."""
    from sae_core.export.bundle import export_bundle

    model, data, origin = store.model(run_id), store.dataset_or_none(run_id), _origin(run_id)

    def write(path: Path, report: Report) -> Exported:
        return export_bundle(model, path, data=data, origin=origin, progress=report)

    return _request(run_id, ("bundle", origin.run_name), f"{stem(model)}.zip", write)


def program(run_id: str) -> Request:
    """The whole model as a torch.export program."""
    from sae_core.export.program import export_program

    model, data = store.model(run_id), store.dataset_or_none(run_id)

    def write(path: Path, report: Report) -> Exported:
        return export_program(model, path, data=data, progress=report)

    return _request(run_id, ("program",), f"{stem(model)}.pt2", write)


def projector(run_id: str) -> Request:
    """Codes of every level, labels and thumbnails for TensorBoard's Embedding Projector."""
    from sae_core.export.projector import export_projector

    model, data = store.model(run_id), store.dataset(run_id)

    def write(path: Path, report: Report) -> Exported:
        return export_projector(model, data, path, progress=report)

    return _request(run_id, ("projector",), f"{stem(model)}-projector.zip", write)


def report(run_id: str) -> Request:
    """Settings, curves, reconstructions, maps and tables as one HTML file; UMAP where all its maps are drawn."""
    from explorer import insights
    from sae_core.analysis.projections import LevelMap, MapSettings
    from sae_core.export.report import export_report

    model, data, origin = store.model(run_id), store.dataset_or_none(run_id), _origin(run_id)
    maps: dict[int, LevelMap] | None = None
    if data is not None:
        drawn = insights.atlas(run_id, MapSettings())
        if drawn.is_complete("umap"):
            found = {level: drawn.best(level, "umap") for level in range(model.n_levels + 1)}
            maps = {level: of_level for level, of_level in found.items() if of_level is not None}

    def write(path: Path, tell: Report) -> Exported:
        return export_report(model, path, data=data, origin=origin, maps=maps, progress=tell)

    return _request(run_id, ("report", origin.run_name, maps is not None), f"{stem(model)}-report.html", write)


def codes(run_id: str, form: Codes, level: int, *, fine_tuned: bool = False) -> Request:
    """Codes of all rows with row numbers, identifiers, labels and split."""
    from sae_core.export.codes import export_codes
    from sae_core.export.npz import export_npz

    model, data = store.model(run_id), store.dataset(run_id)
    tuned = "-fine-tuned" if fine_tuned else ""
    export = export_npz if form == "npz" else export_codes

    def write(path: Path, report: Report) -> Exported:
        return export(model, data, path, level=level, fine_tuned=fine_tuned, progress=report)

    return _request(
        run_id, ("codes", form, level, fine_tuned), f"{stem(model)}-codes-level-{level}{tuned}.{form}", write
    )


def script(model: TrainedStack) -> tuple[str, str]:
    """File name and text of a Python script that uses the bundle."""
    from sae_core.export.script import script_text

    return "use_codes.py", script_text(model, f"{stem(model)}.zip")


def codes_are_small(run_id: str, level: int) -> bool:
    """Whether the codes of a level are made without being asked for."""
    return len(store.dataset(run_id)) * store.model(run_id).width(level) <= AT_ONCE_CELLS


def stem(model: TrainedStack) -> str:
    """A file name of the data set and the units, without anything that a file system or shell reads as its own."""
    name = re.sub(r"\.(csv|tsv|txt|parquet|zip|npz|npy|gz)$", "", model.name, flags=re.IGNORECASE)
    name = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:40] or "stack"
    return f"{name}-{'-'.join(str(units) for units in model.units)}"


def _origin(run_id: str) -> Origin:
    from sae_core.export.origin import Origin

    return Origin.of(store.run(run_id).record)


def _request(run_id: str, what: tuple[Hashable, ...], name: str, write: Callable[[Path, Report], Exported]) -> Request:
    def make(progress: Progress) -> ReadyFile:
        # A folder of its own, so that two files of one name do not meet.
        path = Path(tempfile.mkdtemp(dir=_folder.name)) / name
        ready = ReadyFile(name, write(path, lambda fraction: progress(fraction, "Writing and checking")))
        weakref.finalize(ready, _remove, path)
        return ready

    return Request(("export", *store.version(run_id), *what), name, make)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()
