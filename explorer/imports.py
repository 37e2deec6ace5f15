"""Bundles that a session brought, made runs of the workspace away from the script thread."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from explorer import store, tasks
from explorer.tasks import Key, Progress, Task
from sae_core.data.dataset import Dataset

_numbers = itertools.count()


@dataclass(frozen=True)
class Bundle:
    """A file of one session.

    Attributes:
        name: of the file.
        content: its bytes.
        number: of the upload: the same file brought again is read again (the run may have been deleted meanwhile).
    """

    name: str
    content: bytes
    number: int

    @property
    def key(self) -> Key:
        """Of its task."""
        return ("import", self.number)


def received(name: str, content: bytes) -> Bundle:
    """Take a file over."""
    return Bundle(name, content, next(_numbers))


def importing(bundle: Bundle, in_use: Dataset | None) -> Task:
    """Make it a run; the task's result is an `sae_core.export.imported.Imported`.

    Args:
        in_use: the session's data set, stored with the run where that is what it was trained on (shipped samples are
            not in the workspace until something needs them).
    """

    def make(progress: Progress) -> object:
        from sae_core.export.imported import Imported, import_bundle

        progress(0.2, "Reading and checking")
        made = import_bundle(store.workspace(), bundle.content, name=bundle.name)
        record = made.run.record
        if not made.has_data:
            progress(0.8, "Looking for its data set")
            data = _same(record.dataset_name, record.dataset_fingerprint, in_use)
            if data is not None:
                store.workspace().save_dataset(data)
                return Imported(made.run, made.is_new, True)
        return made

    return tasks.submit(bundle.key, make, text="Waiting")


def _same(name: str, fingerprint: str, in_use: Dataset | None) -> Dataset | None:
    """The data set in use or the sample that has this fingerprint."""
    from sae_core.data.samples import SAMPLES

    shipped = [store.sample(info.name) for info in SAMPLES if info.title == name]
    candidates = [*([in_use] if in_use is not None else []), *shipped]
    return next((data for data in candidates if data.fingerprint == fingerprint), None)
