"""Saved selections: kept with the run, found again, and never a reason to lose one."""

from __future__ import annotations

import numpy as np
import pytest

from sae_core.errors import DataError, ModelFileError, StorageError
from sae_core.runs.run import Run
from sae_core.runs.selections import FILE, MAX_SELECTIONS, delete_selection, save_selection, saved_selections
from sae_core.runs.workspace import Workspace


@pytest.fixture
def run(tmp_path: object) -> Run:
    found = Run(Workspace(str(tmp_path)), "20200101-000000-abcdef")
    found.folder.mkdir(parents=True)
    return found


def test_what_is_saved_is_found_again_by_another_reader(run: Run) -> None:
    assert saved_selections(run) == {}
    assert save_selection(run, "  strange \n sevens ", [7, 3, 7]) == "strange sevens"
    save_selection(run, "others", np.array([1]))
    found = saved_selections(Run(run.workspace, run.id))
    assert {name: rows.tolist() for name, rows in found.items()} == {"strange sevens": [3, 7], "others": [1]}


def test_the_same_name_replaces_and_delete_forgets(run: Run) -> None:
    save_selection(run, "a", [1])
    save_selection(run, "a", [2])
    assert saved_selections(run)["a"].tolist() == [2]
    delete_selection(run, "a")
    delete_selection(run, "never there")
    assert saved_selections(run) == {}


def test_no_name_no_rows_and_too_many_are_refused(run: Run) -> None:
    with pytest.raises(DataError, match="no name"):
        save_selection(run, "  ", [1])
    with pytest.raises(DataError, match="No row"):
        save_selection(run, "a", [])
    for i in range(MAX_SELECTIONS):
        save_selection(run, f"{i}", [i])
    with pytest.raises(DataError, match="at most"):
        save_selection(run, "one more", [1])
    save_selection(run, "0", [5])  # replacing is always possible


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "selections": []}',
        '{"version": 1, "selections": [{"name": "a", "rows": [1.5]}]}',
        '{"version": 1, "selections": [{"name": "a", "rows": [-1]}]}',
        '{"version": 1, "selections": [{"name": "a", "rows": [true]}]}',
        '{"version": 1, "selections": [{"name": "a", "rows": [99999999999999999999999]}]}',
        '{"version": 1, "selections": [{"name": 3, "rows": [1]}]}',
    ],
)
def test_a_damaged_file_is_one_sentence(run: Run, content: str) -> None:
    (run.folder / FILE).write_text(content)
    with pytest.raises(ModelFileError):
        saved_selections(run)


def test_a_full_disk_keeps_the_old_selections(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save_selection(run, "a", [1])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sae_core.files.os.replace", full)
    with pytest.raises(StorageError):
        save_selection(run, "b", [2])
    monkeypatch.undo()
    assert list(saved_selections(run)) == ["a"]
