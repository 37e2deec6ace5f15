"""torch.export: the whole model as one program (.pt2) for torch in Python or C++, without this library.

Exporting traces the network, which changes torch for every thread of a process while it lasts, and loading such a file
unpickles parts of it. Both happen in a process of its own, which only ever sees the file that it has just written.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset, Features
from sae_core.errors import ExportError
from sae_core.export.check import TOLERANCE, check_rows, reconstruction_difference
from sae_core.export.files import Exported, Report, relative_difference, silent, written
from sae_core.export.modules import Program, columns_told, program_features, program_rows
from sae_core.model.trained import TrainedStack, load_model
from sae_core.temporary import scratch_folder

METADATA = "metadata.json"
LIMIT_SECONDS = 600
_REFUSED = "The system refused to write: "


def export_program(
    model: TrainedStack, path: str | Path, *, data: Dataset | None = None, progress: Report = silent
) -> Exported:
    """Write the model as a torch.export program, load it again, and compare what it gives with the model.

    One program gives everything: codes of every level, the reconstruction and the class probabilities (see
    `sae_core.export.modules`, also for what it takes). Any number of rows at once. Its extra file `metadata.json`
    names columns, categories, classes and version.

    Args:
        path: of the new file, usually *.pt2.
        data: whose held-out rows it is checked on; None: made-up rows.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: torch cannot export the model, or the program differs from it by more than 1e-4.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    rows = check_rows(model, data)
    with written(path) as temporary, scratch_folder("program") as scratch:
        folder = model.save(Path(scratch) / "model")
        inputs, results = Path(scratch) / "rows.npy", Path(scratch) / "results.npz"
        np.save(inputs, program_rows(model.preparation, rows), allow_pickle=False)
        progress(0.1)
        _run([str(folder), str(inputs), str(temporary), str(results)], progress)
        with np.load(results, allow_pickle=False) as found:
            worst = _difference(model, rows, dict(found))
        if not worst <= TOLERANCE:
            raise ExportError(
                f"The exported program gave results that differ from the model's by {worst:.2g} on held-out rows, more "
                f"than {TOLERANCE:g}, so it is not handed out. Export the bundle instead."
            )
    progress(1.0)
    return Exported.of(path, checked_rows=len(rows), largest_difference=worst)


def program_metadata(model: TrainedStack) -> dict[str, Any]:
    """What the program says about itself, as JSON values."""
    from sae_core import __version__

    return {
        "application": "Stacked Autoencoder Explorer",
        "version": __version__,
        "data": model.name,
        "kind": model.preparation.kind,
        "image_shape": list(model.preparation.image_shape or ()),
        "units": list(model.units),
        "classes": list(model.classes),
        "columns": columns_told(model.preparation),
    }


def main(model_folder: str, rows_file: str, program_file: str, results_file: str) -> None:
    """Export, load again, run: in the process of its own."""
    import torch

    model = load_model(model_folder)
    rows = torch.from_numpy(np.load(rows_file, allow_pickle=False))
    several = rows[:3] if len(rows) >= 3 else rows[:1].expand(3, -1).contiguous()
    shapes = {"rows": {0: torch.export.Dim("rows")}}
    program = torch.export.export(Program(model), (several,), dynamic_shapes=shapes, strict=False)
    told = json.dumps(program_metadata(model), ensure_ascii=False)
    content = io.BytesIO()  # torch aborts the process where it cannot write to a file
    torch.export.save(program, content, extra_files={METADATA: told})
    try:
        Path(program_file).write_bytes(content.getbuffer())
    except OSError as error:
        raise SystemExit(f"{_REFUSED}{error.errno}") from None
    extra = {METADATA: ""}
    loaded = torch.export.load(program_file, extra_files=extra).module()
    if extra[METADATA] != told:
        raise SystemExit("its metadata were not kept")
    with torch.inference_mode():
        results: dict[str, Any] = loaded(rows)
        one = loaded(rows[:1])
    for name, value in one.items():  # any number of rows, also a single one
        torch.testing.assert_close(value, results[name][:1], rtol=1e-4, atol=1e-4, equal_nan=True)
    np.savez(results_file, **{name: value.numpy() for name, value in results.items()})


def _run(arguments: list[str], progress: Report) -> None:
    """Run `main` in a process of its own; a report that raises ends it."""
    root = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from sae_core.export.program import main; main(*sys.argv[1:])"
    command = [sys.executable, "-P", "-c", code, *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        begun = time.monotonic()
        try:
            while process.poll() is None:
                seconds = time.monotonic() - begun
                if seconds > LIMIT_SECONDS:
                    raise ExportError(f"torch.export did not end within {LIMIT_SECONDS} seconds. Try again later.")
                progress(0.1 + 0.8 * seconds / (seconds + 10))
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode:
            said.seek(0)
            lines = [line for line in said.read().splitlines() if line.strip()]
            if lines and lines[-1].startswith(_REFUSED):
                number = int(lines[-1].removeprefix(_REFUSED))
                raise OSError(number, os.strerror(number))
            errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)] or lines
            reason = errors[-1][:200] if errors else f"exit code {process.returncode}"
            raise ExportError(f"torch cannot export this model ({reason}). Export ONNX or the bundle instead.")


def _difference(model: TrainedStack, rows: Features, found: dict[str, NDArray[Any]]) -> float:
    worst = [relative_difference(model.encode(rows, k), found[f"code_{k}"]) for k in range(1, model.n_levels + 1)]
    back = program_features(model.preparation, found["reconstruction"])
    worst.append(reconstruction_difference(model, rows, model.n_levels, back))
    if model.is_classifier:
        worst.append(relative_difference(model.predict_proba(rows), found["probabilities"]))
    return max(worst)
