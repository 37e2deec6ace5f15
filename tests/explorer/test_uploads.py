"""Files of a session, read away from the script thread."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import store, uploads
from explorer.tasks import Task, TaskState
from sae_core.data.dataset import Dataset
from sae_core.data.dialect import Dialect

WAIT = 60
CSV = b"size,shape\n" + b"".join(f"{i % 9}.5,{'round' if i % 2 else 'square'}\n".encode() for i in range(50))


def done(task: Task) -> object:
    assert task.join(WAIT)
    now = task.snapshot()
    assert now.state is TaskState.DONE, now.error
    return now.result


def test_files_are_recognised_by_content() -> None:
    assert uploads.received([("picture.png", CSV)]).kind == "table"
    nothing = uploads.received([("empty.csv", b"")])
    assert nothing.kind is None
    assert "empty" in nothing.problem


def test_names_of_one_file_a_folder_and_many_files() -> None:
    assert uploads.received([("a/b/things.csv", CSV)]).name == "things.csv"
    png = b"\x89PNG\r\n\x1a\n"
    assert uploads.received([("set/a/1.png", png), ("set/b/2.png", png)]).name == "set"
    assert uploads.received([("1.png", png), ("2.png", png)]).name == "2 files"


def test_a_table_is_inspected_then_read_and_stored() -> None:
    upload = uploads.received([("things.csv", CSV)])
    guess = done(uploads.inspection(upload))
    upload.label = "shape"
    data = done(uploads.reading(upload, guess))  # type: ignore[arg-type]
    assert isinstance(data, Dataset)
    assert data.classes == ("round", "square")
    assert store.workspace().has_dataset(data.fingerprint)


def test_the_note_of_a_deleted_data_set_is_ignored() -> None:
    upload = uploads.received([("things.csv", CSV)])
    first = done(uploads.reading(upload, None))
    assert isinstance(first, Dataset)
    uploads.let_go(upload)
    store.workspace().delete_dataset(first.fingerprint)
    again = done(uploads.reading(upload, None))
    assert isinstance(again, Dataset)
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize("note", [b"", b"[]", b'{"fingerprint": "../../x"}', b"\xff\xfe\x00"])
def test_a_broken_note_is_ignored(note: bytes) -> None:
    upload = uploads.received([("things.csv", CSV)])
    done(uploads.reading(upload, None))
    uploads.let_go(upload)
    (path,) = (store.workspace().root / "uploads").iterdir()
    path.write_bytes(note)
    assert isinstance(done(uploads.reading(upload, None)), Dataset)


def test_every_choice_makes_another_reading() -> None:
    upload = uploads.received([("things.csv", CSV)])
    keys = {uploads.reading_key(upload)}
    upload.label = "shape"
    keys.add(uploads.reading_key(upload))
    upload.kinds["size"] = "category"
    keys.add(uploads.reading_key(upload))
    upload.dialect = Dialect(delimiter=";")
    keys.add(uploads.reading_key(upload))
    assert len(keys) == 4


def test_letting_go_forgets_the_result() -> None:
    upload = uploads.received([("things.csv", CSV)])
    task = uploads.reading(upload, None)
    done(task)
    uploads.let_go(upload)
    assert uploads.reading(upload, None) is not task


def test_arrays_are_not_stored_before_they_are_used(tmp_path: object) -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, X=np.ones((6, 3)) * np.arange(6)[:, None])
    upload = uploads.received([("numbers.npz", buffer.getvalue())])
    data = done(uploads.inspection(upload))
    assert isinstance(data, Dataset)
    assert not store.workspace().has_dataset(data.fingerprint)
