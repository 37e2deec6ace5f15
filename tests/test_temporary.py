"""What is not finished yet is told from what a dead process left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sae_core import temporary
from sae_core.files import write_folder
from sae_core.temporary import discard, is_abandoned, mark, sweep, sweep_scratch, temporary_path

ROOT = Path(__file__).parents[1]
DEAD = f"{mark().split('-')[0]}-{2**22 + 1}-5"  # no such process
REUSED = f"{mark().split('-')[0]}-{os.getppid()}-1"  # its number was given to another process since
ELSEWHERE = "00000000-1-1"


@pytest.mark.parametrize(
    ("name", "abandoned"),
    [
        (f".x.npy.{mark()}.0123abcd.part", False),  # our own
        (f".x.npy.{DEAD}.0123abcd.part", True),
        (f".x.npy.{REUSED}.0123abcd.part", True),
        (f".x.npy.{ELSEWHERE}.0123abcd.part", False),  # as long as it was written to of late
        (f".codes.{DEAD}.0123abcd.parquet", True),
        (f"x.npy.{DEAD}.0123abcd.part", False),  # whatever is not hidden is the user's
        (".x.npy.part", False),
        (f".{DEAD}", False),
    ],
    ids=["own", "dead", "reused", "elsewhere", "dead-with-ending", "not-hidden", "no-mark", "mark-alone"],
)
def test_whose_it_is(name: str, abandoned: bool, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert is_abandoned(tmp_path / name) is abandoned


def test_of_another_machine_the_last_write_counts(tmp_path: Path) -> None:
    folder = tmp_path / f".data.{ELSEWHERE}.0123abcd.part"
    folder.mkdir()
    (folder / "features.npy").touch()
    long_ago = time.time() - temporary.ABANDONED_SECONDS - 60
    os.utime(folder, (long_ago, long_ago))
    assert not is_abandoned(folder)
    os.utime(folder / "features.npy", (long_ago, long_ago))
    assert is_abandoned(folder)


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sae_core.temporary import temporary_path;"
        "temporary_path(Path(sys.argv[1]) / 'x', 'part').mkdir(); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sweep(tmp_path)
        [path] = tmp_path.iterdir()
        assert not is_abandoned(path)
        process.kill()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_set_aside_is_put_back_where_nothing_took_its_place(tmp_path: Path) -> None:
    for name in ("model", "other"):
        (tmp_path / f".{name}.{DEAD}.0123abcd.old").mkdir()
        (tmp_path / f".{name}.{DEAD}.0123abcd.old" / "weights").touch()
    (tmp_path / "other").mkdir()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other"]
    assert (tmp_path / "model" / "weights").exists()


def test_only_what_was_to_become_the_same(tmp_path: Path) -> None:
    for name in ("a", "ab"):
        (tmp_path / f".{name}.{DEAD}.0123abcd.part").mkdir()
    write_folder(tmp_path / "a", {"x": b"1"}, kind="k", version=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".ab.{DEAD}.0123abcd.part", "a"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / f".x.{DEAD}.0123abcd.part").symlink_to(tmp_path / "mine")
    sweep(tmp_path / "sweep")
    assert list((tmp_path / "sweep").iterdir()) == []
    assert (tmp_path / "mine" / "kept").exists()


def test_a_deleted_folder_is_gone_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # as if it were killed there
    discard(tmp_path / "run")
    discard(tmp_path / "run")  # twice is no error
    assert [path.suffix for path in tmp_path.iterdir()] == [".gone"]


def test_scratch_folders_of_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"explorer-exports-{DEAD}-0123abcd").mkdir()
    (tmp_path / f"explorer-exports-{DEAD}-0123abcd" / "codes.csv").touch()
    (tmp_path / "explorer-of-mine").mkdir()
    with temporary.scratch_folder("exports") as own:
        sweep_scratch()
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "explorer-of-mine", Path(own)])


def test_a_name_keeps_its_ending_where_a_reader_needs_it(tmp_path: Path) -> None:
    path = temporary_path(tmp_path / "codes.parquet")
    assert (path.name.startswith(".codes."), path.suffix) == (True, ".parquet")
