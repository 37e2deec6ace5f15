"""Bundles that are broken, altered, exchanged or built to do harm. The verdict of each is in README.md here."""

from __future__ import annotations

import io
import json
import pickle
import struct
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from sae_core.errors import ModelFileError, SaeError, UnsafeFileError, VersionError
from sae_core.export import bundle
from sae_core.export.bundle import export_bundle, read_bundle
from sae_core.files import dump_json
from sae_core.model.trained import TrainedStack
from tests.export.conftest import array_set, mixed_table, random_model

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def model() -> TrainedStack:
    return random_model(mixed_table(), fine_tuned=True)


@pytest.fixture(scope="module")
def whole(model: TrainedStack, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return export_bundle(model, tmp_path_factory.mktemp("bundle") / "model.zip").path.read_bytes()


@pytest.fixture
def members(whole: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    assert not list(tmp_path.iterdir())


def packed(members: Members, **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def signed(members: Members) -> Members:
    """The same files with a manifest that agrees with them, as an attacker would write it."""
    import hashlib

    manifest = json.loads(members["manifest.json"])
    for name, entry in manifest["files"].items():
        entry["size"], entry["sha256"] = len(members[name]), hashlib.sha256(members[name]).hexdigest()
    return {**members, "manifest.json": dump_json(manifest)}


def refused(content: bytes, kind: type[SaeError] = SaeError) -> str:
    """The one sentence with which it is refused."""
    with pytest.raises(kind) as caught:
        read_bundle(content)
    text = str(caught.value)
    assert text.endswith(".")
    assert "Traceback" not in text
    return text


def opened(content: bytes) -> TrainedStack | None:
    """The model, or None where it is refused with a full sentence; nothing else may happen."""
    try:
        return read_bundle(content)
    except SaeError as error:
        text = str(error)
    assert text.endswith(".")
    return None


def with_json(members: Members, change: Callable[[Any], None]) -> Members:
    description = json.loads(members["model.json"])
    change(description)
    return signed({**members, "model.json": json.dumps(description).encode()})


def with_weights(members: Members, change: Callable[[dict[str, Any]], None]) -> Members:
    weights = {name: value.copy() for name, value in load(members["weights.safetensors"]).items()}
    change(weights)
    return signed({**members, "weights.safetensors": save(weights)})


def test_a_whole_one_gives_the_same_model(whole: bytes, model: TrainedStack) -> None:
    rows = mixed_table()
    np.testing.assert_array_equal(read_bundle(whole).encode(rows), model.encode(rows))


def test_packed_again_by_hand(members: Members, model: TrainedStack) -> None:
    in_folder = {f"my model/{name}": content for name, content in members.items()}
    litter = {**in_folder, "__MACOSX/my model/._model.json": b"x", "my model/.DS_Store": b"x"}
    rows = mixed_table()
    for content in (packed(members), packed(in_folder), packed(litter, compression=zipfile.ZIP_DEFLATED)):
        np.testing.assert_array_equal(read_bundle(content).encode(rows), model.encode(rows))


def test_cut_short_at_every_sixteenth(whole: bytes) -> None:
    for part in range(16):
        refused(whole[: len(whole) * part // 16], ModelFileError)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "history.jsonl", "manifest.json"])
def test_one_bit_flipped_in_a_file(name: str, members: Members) -> None:
    random = Random(0)
    for _ in range(20):
        content = bytearray(members[name])
        if not content:
            continue
        position = random.randrange(len(content))
        content[position] ^= 1 << random.randrange(8)
        read = opened(packed({**members, name: bytes(content)}))
        assert read is None or name == "manifest.json"  # in which only blanks can change unnoticed


def test_one_bit_flipped_anywhere_in_the_archive(whole: bytes, model: TrainedStack) -> None:
    random = Random(1)
    rows = mixed_table()
    expected = model.encode(rows)
    for _ in range(300):
        content = bytearray(whole)
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        read = opened(bytes(content))
        if read is not None:  # a flip in a time, an attribute, the README or predict.py changes nothing
            np.testing.assert_array_equal(read.encode(rows), expected)


def test_a_file_is_missing(members: Members) -> None:
    for name in ("model.json", "weights.safetensors", "manifest.json"):
        text = refused(packed({key: value for key, value in members.items() if key != name}), ModelFileError)
        assert name in text


def test_files_of_two_models_exchanged(members: Members, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = random_model(array_set())
    path = export_bundle(other, tmp_path_factory.mktemp("other") / "other.zip").path
    with zipfile.ZipFile(path) as archive:
        theirs = {name: archive.read(name) for name in archive.namelist()}
    for name in ("model.json", "weights.safetensors"):
        assert name in refused(packed({**members, name: theirs[name]}), ModelFileError)
        refused(packed(signed({**members, name: theirs[name]})), ModelFileError)


@pytest.mark.parametrize("version", [2, 99, 0, -1, None, "1", 1.5, True])
def test_versions(version: object, members: Members) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["version"] = version
    content = packed({**members, "manifest.json": json.dumps(manifest).encode()})
    text = refused(content, VersionError)
    assert ("newer version" in text) == (version in (2, 99))


def test_another_kind_of_folder(members: Members) -> None:
    manifest = json.loads(members["manifest.json"]) | {"kind": "checkpoint"}
    assert "not the manifest of a stacked autoencoder" in refused(
        packed({**members, "manifest.json": dump_json(manifest)}), ModelFileError
    )


def test_shapes_that_disagree_with_the_configuration(members: Members) -> None:
    def transpose(weights: dict[str, Any]) -> None:
        weights["network.levels.0.encoder.weight"] = weights["network.levels.0.encoder.weight"].T.copy()

    def wider(description: Any) -> None:
        description["config"]["layers"][0]["units"] = 8

    def more_classes(description: Any) -> None:
        description["classes"].append("one more")

    def double(weights: dict[str, Any]) -> None:
        weights["network.levels.0.encoder.bias"] = weights["network.levels.0.encoder.bias"].astype(np.float64)

    refused(packed(with_weights(members, transpose)), ModelFileError)
    refused(packed(with_weights(members, double)), ModelFileError)
    refused(packed(with_weights(members, lambda weights: weights.pop("network.levels.1.decoder.bias"))), ModelFileError)
    refused(packed(with_weights(members, lambda weights: weights.update(extra=np.zeros(3)))), ModelFileError)
    refused(packed(with_json(members, wider)), ModelFileError)
    refused(packed(with_json(members, more_classes)), ModelFileError)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(value: float, members: Members) -> None:
    def poison(weights: dict[str, Any]) -> None:
        weights["network.levels.0.encoder.weight"][0, 0] = value

    assert "NaN or infinity" in refused(packed(with_weights(members, poison)), ModelFileError)


def test_a_header_that_claims_the_world(members: Members) -> None:
    header = json.dumps(
        {"network.levels.0.encoder.weight": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4 * 10**18]}}
    )
    claims = struct.pack("<Q", len(header)) + header.encode() + b"\0" * 64
    endless = struct.pack("<Q", 2**62) + b"{}"
    tracemalloc.start()
    for content in (claims, endless):
        refused(packed(signed({**members, "weights.safetensors": content})), ModelFileError)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_stack_of_absurd_size_asks_for_no_memory(members: Members) -> None:
    def huge(description: Any) -> None:
        description["config"]["layers"] = [{**description["config"]["layers"][0], "units": 16_384}] * 12

    tracemalloc.start()
    refused(packed(with_json(members, huge)), ModelFileError)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


class _Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("import pathlib; pathlib.Path('ran').touch()",))


def test_a_pickle_under_another_name_runs_nothing(members: Members, tmp_path: Path) -> None:
    for name in ("weights.safetensors", "model.json", "manifest.json"):
        content = {**members, name: pickle.dumps(_Bomb())}
        refused(packed(content if name == "manifest.json" else signed(content)), ModelFileError)
    refused(pickle.dumps(_Bomb()), ModelFileError)
    assert not (tmp_path / "ran").exists()


def test_the_program_inside_is_never_run(members: Members, model: TrainedStack, tmp_path: Path) -> None:
    evil = b"import pathlib; pathlib.Path('ran').touch()"
    content = {**members, "predict.py": evil, "sitecustomize.py": evil, "torch.py": evil, "conftest.py": evil}
    rows = mixed_table()
    np.testing.assert_array_equal(read_bundle(packed(content)).encode(rows), model.encode(rows))
    assert not (tmp_path / "ran").exists()


ODD_JSON = [
    '{"config": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "{" * 50_000, '{"a": Infinity}', "null", "[]", '"x"',
    "1e999", "\ufeff{}", "",
    '{"config": {}, "preparation": {}, "classes": 3, "softmax_levels": [], "fine_tuned": false}',
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_JSON)
def test_odd_json(text: str, members: Members) -> None:
    refused(packed(signed({**members, "model.json": text.encode()})), ModelFileError)
    refused(packed({**members, "manifest.json": text.encode()}), ModelFileError)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["preparation"].update(version=2),
        lambda d: d["preparation"]["columns"][0].update(scale=0.0),
        lambda d: d["preparation"]["columns"][0].update(scale="1"),
        lambda d: d["preparation"]["columns"][0].update(extra=1),
        lambda d: d["preparation"]["columns"].pop(),
        lambda d: d["preparation"].update(kind="images"),
        lambda d: d["config"].update(unknown=1),
        lambda d: d["config"]["layers"].clear(),
        lambda d: d.update(classes=[1.5]),
        lambda d: d.update(classes=[True, False, "x"]),
        lambda d: d.update(softmax_levels=[7]),
        lambda d: d.update(softmax_levels=["x"]),
        lambda d: d.update(config=None),
        lambda d: d.pop("preparation"),
    ],
)
def test_a_description_that_was_tampered_with(change: Callable[[Any], None], members: Members) -> None:
    refused(packed(with_json(members, change)), ModelFileError)


@pytest.mark.parametrize(
    "name",
    [
        "../model.json",
        "/etc/passwd",
        "..\\model.json",
        "C:\\x",
        "c:x",
        "a/b/c/model.json",
        "\\\\server\\x",
        "a/../../x",
        "../../x/y",
    ],
)
def test_names_that_would_leave_the_folder(name: str, members: Members) -> None:
    refused(packed({**members, name: b"x"}))
    manifest = json.loads(members["manifest.json"])
    manifest["files"][name] = {"size": 1, "sha256": "0" * 64}
    refused(packed({**members, "manifest.json": dump_json(manifest)}), ModelFileError)


def test_links_twins_and_crowds(members: Members) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("model.json")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    refused(stream.getvalue(), UnsafeFileError)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("model.json", b"{}")
    assert "twice" in refused(stream.getvalue(), UnsafeFileError)
    assert "several folders" in refused(packed({**members, "a/x": b"", "b/y": b""}), ModelFileError)
    crowd = {**members, **{f"{i}.txt": b"" for i in range(1000)}}
    assert "1,006 files" in refused(packed(crowd), UnsafeFileError)


def test_a_bomb_is_counted_while_it_is_read(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", 10_000_000)
    bomb = packed(signed({**members, "weights.safetensors": b"\0" * 60_000_000}), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 200_000
    tracemalloc.start()
    refused(bomb, UnsafeFileError)
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


def test_a_size_that_lies(members: Members) -> None:
    whole = bytearray(packed(members))
    at = whole.rindex(b"PK\x01\x02")
    struct.pack_into("<I", whole, at + 24, 7)  # the uncompressed size in the directory's last entry
    opened(bytes(whole))


def test_encrypted_unknown_method_and_nested(members: Members) -> None:
    for offset, value in ((8, 1), (10, 99)):  # flags, method; in the directory and in the local header
        whole = bytearray(packed(members))
        position = -1
        while (position := whole.find(b"PK\x01\x02", position + 1)) >= 0:
            struct.pack_into("<H", whole, position + offset, value)
        position = -1
        while (position := whole.find(b"PK\x03\x04", position + 1)) >= 0:
            struct.pack_into("<H", whole, position + offset - 2, value)
        refused(bytes(whole), ModelFileError)
    nested = packed({"model.zip": packed(members)})
    assert "no manifest.json" in refused(nested, ModelFileError)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n", b"\0" * 5000]
)
def test_no_bundle_at_all(content: bytes) -> None:
    refused(content, ModelFileError)


def test_random_mutations_bring_only_our_own_errors(whole: bytes, model: TrainedStack) -> None:
    random = Random(2)
    rows = mixed_table()
    expected = model.encode(rows)
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(random.randrange(1, 8)):
            at = random.randrange(len(content))
            match random.randrange(4):
                case 0:
                    content[at] = random.randrange(256)
                case 1:
                    del content[at : at + random.randrange(1, 40)]
                case 2:
                    content[at:at] = random.randbytes(random.randrange(1, 40))
                case _:
                    content[at : at + 4] = b"\xff\xff\xff\xff"
        read = opened(bytes(content))
        if read is not None:
            np.testing.assert_array_equal(read.encode(rows), expected)


def test_no_thread_and_no_file_handle_is_left(whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("handles")
    (folder / "good.zip").write_bytes(whole)
    (folder / "bad.zip").write_bytes(whole[:-30])
    handles = Path("/proc/self/fd")
    read_bundle(folder / "good.zip")
    before = (len(list(handles.iterdir())) if handles.exists() else 0, threading.active_count())
    for _ in range(50):
        read_bundle(folder / "good.zip")
        with pytest.raises(ModelFileError):
            read_bundle(folder / "bad.zip")
    after = (len(list(handles.iterdir())) if handles.exists() else 0, threading.active_count())
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_bundle(tmp_path / "missing.zip")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_bundle(tmp_path)
