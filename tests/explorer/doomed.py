"""A program that does at once what a server does for its pages, each piece standing still in the middle of a write.

Run as `python -m tests.explorer.doomed WORKSPACE BUNDLE OUTPUT`; it prints what it did as JSON, and waits to be killed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from explorer import exports, imports, store, uploads
from explorer.tasks import Progress
from sae_core import StackConfig
from sae_core.data.samples import load_sample
from sae_core.export.codes import export_codes
from sae_core.files import MANIFEST, Content, write_atomically
from sae_core.jobs import start_job
from sae_core.jobs.sweep import start_sweep
from sae_core.runs.draws import Space

UPLOAD = [("things.csv", b"size,weight\n" + b"".join(b"%d.5,%d\n" % (i % 9, i) for i in range(60)))]
BASE = StackConfig(layers=[3, 2], epochs=100, softmax_epochs=2, fine_tune_epochs=2, batch_size=16)
SPACE = Space(units=((3, 3), (2, 2)), learning_rate=(1e-3, 1e-2))

stuck: set[str] = set()


def stand_still(what: str) -> None:
    stuck.add(what)
    threading.Event().wait()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, stuck
        time.sleep(0.01)


def write(path: Path, content: Content) -> None:
    """The last file of a folder is not written: the manifest of a data set or checkpoint, the record of an import."""
    if path.name == MANIFEST and path.parents[1].name == "datasets":
        stand_still("data set")
    second = (
        path.name == MANIFEST and path.parent.parent.name == "checkpoints" and len(list(path.parents[1].glob("0*")))
    )
    if second:
        stand_still("checkpoint")
    if path.name == "run.json" and (path.parent / "model").exists() and not path.exists():
        stand_still("import")
    write_atomically(path, content)


def export_stands_still(progress: Progress, fraction: float | None = None, text: str | None = None) -> None:
    if progress._task.key[0] == "export" and fraction is not None and fraction > 0.5:
        stand_still("download")


def main(bundle: str, output: str) -> None:
    workspace, iris = store.workspace(), load_sample("iris")
    kept = start_job(iris, BASE.replace(epochs=2), workspace=workspace, name="kept")
    model = kept.result()
    sweep = start_sweep(workspace, iris, BASE, SPACE, method="grid", runs=3).sweep
    until(lambda: any(trial.value is not None for trial in sweep.trials()))

    patch("sae_core.jobs.job.CHECKPOINT_EVERY", 0.0).start()  # checkpoints follow one another without a pause
    for name in ("sae_core.files.write_atomically", "sae_core.runs.run.write_atomically"):
        patch(name, write).start()
    patch("explorer.tasks.MAX_WORKERS", 3).start()
    patch("explorer.tasks.Progress.__call__", export_stands_still).start()
    exports.bundle(kept.id).start()
    imports.importing(imports.received("other.zip", Path(bundle).read_bytes()), None)
    uploads.reading(uploads.received(UPLOAD), None)

    def save() -> None:
        export_codes(model, iris, Path(output), progress=lambda fraction: stand_still("codes"))

    threading.Thread(target=save, daemon=True).start()
    until(lambda: stuck == {"data set", "checkpoint", "import", "download", "codes"})
    print(json.dumps({"kept": kept.id, "sweep": sweep.id}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
