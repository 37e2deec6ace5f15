"""Models and checkpoints that are truncated, altered, exchanged, newer, or built to do harm."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_core.config import StackConfig
from sae_core.data.samples import load_sample
from sae_core.errors import ModelFileError, VersionError
from sae_core.files import MANIFEST, dump_json, dump_tensors, file_digest, manifest_bytes, parse_tensors
from sae_core.model.trained import MODEL_KIND, MODEL_VERSION, TrainedStack, load_model
from sae_core.training.trainer import fit


@pytest.fixture(scope="module")
def model() -> TrainedStack:
    return fit(load_sample("iris"), StackConfig(layers=[3, 2], epochs=2, softmax_epochs=2, fine_tune_epochs=2))


@pytest.fixture
def folder(model: TrainedStack, tmp_path: Path) -> Path:
    return model.save(tmp_path / "model")


def seal(folder: Path, version: int = MODEL_VERSION) -> None:
    """Write a manifest that agrees with the files, as somebody who means harm would."""
    names = [path.name for path in folder.iterdir() if path.name != MANIFEST]
    entries = {name: ((folder / name).stat().st_size, file_digest(folder / name)) for name in names}
    (folder / MANIFEST).write_bytes(manifest_bytes(entries, kind=MODEL_KIND, version=version))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change model.json and seal."""
    description = json.loads((folder / "model.json").read_text())
    change(description)
    (folder / "model.json").write_bytes(dump_json(description))
    seal(folder)


def refused(folder: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", MANIFEST, "history.jsonl"])
def test_truncated_at_every_sixteenth(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for sixteenth in range(16):
        (folder / name).write_bytes(content[: len(content) * sixteenth // 16])
        refused(folder)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_truncated_and_sealed(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for sixteenth in range(16):
        (folder / name).write_bytes(content[: len(content) * sixteenth // 16])
        seal(folder)
        refused(folder)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "history.jsonl"])
def test_one_bit_flipped_anywhere(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for position in range(0, len(content), max(1, len(content) // 40)):
        altered = bytearray(content)
        altered[position] ^= 1 << (position % 8)
        (folder / name).write_bytes(altered)
        assert name in refused(folder)


def test_one_bit_flipped_in_the_manifest_never_changes_the_model(folder: Path, model: TrainedStack) -> None:
    content = (folder / MANIFEST).read_bytes()
    data = load_sample("iris")
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 1
        (folder / MANIFEST).write_bytes(altered)
        try:
            loaded = load_model(folder)
        except ModelFileError:
            continue
        np.testing.assert_array_equal(loaded.encode(data), model.encode(data))


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_files_of_two_models_exchanged(folder: Path, tmp_path: Path, name: str) -> None:
    other = fit(load_sample("iris"), StackConfig(layers=[4, 2], epochs=1)).save(tmp_path / "other")
    (folder / name).write_bytes((other / name).read_bytes())
    assert name in refused(folder)
    seal(folder)
    refused(folder)


def test_a_newer_model_asks_for_an_update_and_one_without_version_is_refused(folder: Path) -> None:
    seal(folder, version=MODEL_VERSION + 1)
    with pytest.raises(VersionError, match="Update"):
        load_model(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["version"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(VersionError, match="which version"):
        load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["config"].update(layers=[{"units": 5}, {"units": 2}]),
        lambda d: d["config"].update(layers=[{"units": 3}]),
        lambda d: d["config"].update(layers=[{"units": 16_384}] * 12),
        lambda d: d.update(softmax_levels=[0, 9]),
        lambda d: d.update(softmax_levels=[0]),
        lambda d: d.update(fine_tuned=False),
        lambda d: d.update(classes=["a"]),
        lambda d: d.update(classes=[1.5, None, True]),
        lambda d: d.pop("preparation"),
        lambda d: d.update(preparation={}),
        lambda d: d.update(preparation=[[]]),
        lambda d: d.pop("config"),
    ],
)
def test_a_description_that_disagrees_with_its_weights(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edit(folder, change)
    refused(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers(folder: Path, value: float) -> None:
    path = folder / "weights.safetensors"
    tensors = parse_tensors(path.read_bytes(), "w")
    name = "network.levels.1.encoder.weight"
    tensors[name] = tensors[name].copy()
    tensors[name][0, 0] = value
    path.write_bytes(dump_tensors(tensors))
    seal(folder)
    assert "NaN" in refused(folder)


def test_a_header_that_claims_more_than_there_is(folder: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4000000000000000000]}}'
    (folder / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 64)
    seal(folder)
    refused(folder)


def test_a_pickle_named_safetensors_runs_nothing(folder: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    (folder / "weights.safetensors").write_bytes(pickle.dumps(Harm()))
    seal(folder)
    refused(folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "text", [b'{"config": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff\xfe", b"", b"null", b"[1]"]
)
def test_json_that_is_not_quite_json(folder: Path, text: bytes) -> None:
    (folder / "model.json").write_bytes(text)
    seal(folder)
    refused(folder)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file")
