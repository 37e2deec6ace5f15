"""Everything that writes, on a disk that is really full. Run in a mount of its own; prints what was said, as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sae_core import StackConfig
from sae_core.errors import DiskFullError
from sae_core.export.bundle import export_bundle
from sae_core.export.codes import export_codes
from sae_core.export.imported import import_bundle
from sae_core.export.npz import export_npz
from sae_core.export.onnx import export_onnx
from sae_core.export.program import export_program
from sae_core.export.projector import export_projector
from sae_core.export.report import export_report
from sae_core.runs.experiments import add_result, create_experiment
from sae_core.runs.workspace import Workspace
from tests.export.conftest import array_set, picture_set, random_model


def main(disk: Path, elsewhere: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    workspace, data, config = Workspace(disk / "workspace"), array_set(), StackConfig(layers=[7, 3])
    model = random_model(data)
    bundle = export_bundle(model, elsewhere / "bundle.zip").path.read_bytes()
    run = workspace.create_run(data, config, "kept")
    run.write_model(model)
    experiment = create_experiment(workspace, "ways", data, config).id
    writers: dict[str, Callable[[], object]] = {
        "rename": lambda: run.rename("other"),
        "tag": lambda: run.annotate(tags=["new"], note="new"),
        "result": lambda: run.write_result("x", 1),
        "model": lambda: run.write_model(model),
        "run": lambda: workspace.create_run(data, config),
        "data set": lambda: workspace.save_dataset(picture_set()),
        "import": lambda: import_bundle(workspace, bundle),
        "experiment": lambda: add_result(workspace, experiment, {"x": 1}),
        "m.onnx": lambda: export_onnx(model, disk / "m.onnx", output="code"),
        "m.zip": lambda: export_bundle(model, disk / "m.zip"),
        "m.pt2": lambda: export_program(model, disk / "m.pt2"),
        "c.csv": lambda: export_codes(model, data, disk / "c.csv"),
        "c.parquet": lambda: export_codes(model, data, disk / "c.parquet"),
        "c.npz": lambda: export_npz(model, data, disk / "c.npz"),
        "p.zip": lambda: export_projector(model, data, disk / "p.zip"),
        "r.html": lambda: export_report(model, disk / "r.html", data=data),
    }
    for name in writers:
        if "." in name:
            (disk / name).write_text("older")

    def content() -> dict[str, bytes]:
        files = (path for path in disk.rglob("*") if path.is_file() and path.name != "filler")
        return {str(path.relative_to(disk)): path.read_bytes() for path in files}

    before = content()
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    said = {}
    for name, write in writers.items():
        try:
            write()
        except DiskFullError as error:
            said[name] = str(error)
        after = content()
        assert after.keys() - {path for path in after if path.endswith(".guard")} <= before.keys(), name
        assert all(after[path] == kept for path, kept in before.items()), name
    run.delete()
    assert workspace.runs() == []
    print(json.dumps({"names": list(writers), "said": said}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
