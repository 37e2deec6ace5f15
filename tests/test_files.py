"""Files are complete or not there, and whatever was altered is noticed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from sae_core import files
from sae_core.errors import ModelFileError, StorageError, VersionError

CONTENT = {"a.json": b'{"x": 1}', "b.bin": bytes(range(256))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "thing"
    files.write_folder(target, CONTENT, kind="thing", version=2)
    return target


def test_a_folder_reads_back(folder: Path) -> None:
    assert files.read_folder(folder, kind="thing", version=2) == CONTENT
    assert set(files.verified_paths(folder, kind="thing", version=2)) == set(CONTENT)


def test_replacing_a_folder_leaves_nothing_behind(folder: Path) -> None:
    files.write_folder(folder, {"c": b"new"}, kind="thing", version=2)
    assert files.read_folder(folder, kind="thing", version=2) == {"c": b"new"}
    assert [path.name for path in folder.parent.iterdir()] == ["thing"]


@pytest.mark.parametrize("name", ["a.json", "b.bin"])
def test_every_flipped_byte_is_noticed(folder: Path, name: str) -> None:
    original = (folder / name).read_bytes()
    for position in range(0, len(original), 17):
        altered = bytearray(original)
        altered[position] ^= 1
        (folder / name).write_bytes(altered)
        with pytest.raises(ModelFileError, match=name):
            files.read_folder(folder, kind="thing", version=2)
        with pytest.raises(ModelFileError, match=name):
            files.verified_paths(folder, kind="thing", version=2)


@pytest.mark.parametrize("name", ["a.json", "manifest.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        files.read_folder(folder, kind="thing", version=2)


def test_a_newer_version_asks_for_an_update(folder: Path) -> None:
    with pytest.raises(VersionError, match="newer"):
        files.read_folder(folder, kind="thing", version=1)


def test_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(ModelFileError, match="manifest"):
        files.read_folder(folder, kind="other", version=2)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", ".hidden", "a/b", "a\\b"])
def test_a_manifest_cannot_name_files_elsewhere(name: str) -> None:
    content = files.manifest_bytes({name: (1, "0")}, kind="thing", version=1)
    with pytest.raises(ModelFileError):
        files.read_manifest(content, kind="thing", version=1)


def test_a_full_disk_leaves_the_old_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        files.write_folder(folder, {"c": b"new"}, kind="thing", version=2)
    monkeypatch.undo()
    assert files.read_folder(folder, kind="thing", version=2) == CONTENT
    assert [path.name for path in folder.parent.iterdir()] == ["thing"]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    files.write_atomically(path, b"old")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match="Read-only"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b'{"a": 1, "a": 2}', b"[" * 200_000, b"\xff", b"", b"{"])
def test_json_that_is_not_quite_json(text: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"x\.json"):
        files.parse_json(text, "x.json")


def test_json_never_holds_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.dump_json({"x": float("nan")})


def test_tensors_keep_shape_type_and_value() -> None:
    tensors = {"scalar": np.float32(2.5).reshape(()), "fortran": np.asfortranarray(np.arange(6).reshape(2, 3))}
    back = files.parse_tensors(files.dump_tensors(tensors), "t")
    for name, value in tensors.items():
        assert back[name].shape == value.shape
        assert back[name].dtype == value.dtype
        np.testing.assert_array_equal(back[name], value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04\x95", b"\xff" * 8 + b"{}", (10**9).to_bytes(8, "little") + b"{}", b"\x02" + b"\0" * 7 + b"[]"],
)
def test_what_is_not_safetensors(content: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"w\.safetensors"):
        files.parse_tensors(content, "w.safetensors")


def test_a_header_that_claims_a_huge_tensor() -> None:
    header = b'{"w":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}}'
    with pytest.raises(ModelFileError):
        files.parse_tensors(len(header).to_bytes(8, "little") + header + b"\0" * 4, "w.safetensors")
