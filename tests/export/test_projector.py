"""Files for TensorBoard's Embedding Projector."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sae_core.data.dataset import Dataset
from sae_core.export import projector
from sae_core.export.projector import MAX_SPRITE_SIDE, export_projector, sprite_sheet
from tests.export.conftest import picture_set, random_model
from tests.pages.hostile import hostile_table


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_vectors_labels_and_thumbnails(pictures: Dataset, tmp_path: Path) -> None:
    model = random_model(pictures)
    made = export_projector(model, pictures, tmp_path / "p.zip", levels=[0, 2])
    files = unpacked(made.path)
    for level in (0, 2):
        back = np.loadtxt(io.BytesIO(files[f"vectors_level_{level}.tsv"]), delimiter="\t", ndmin=2)
        np.testing.assert_allclose(back, model.encode(pictures, level), rtol=1e-6)
    table = pd.read_csv(io.BytesIO(files["metadata.tsv"]), sep="\t")
    assert table["row"].tolist() == list(range(60))
    assert table["label"].tolist() == pictures.labels.tolist()  # type: ignore[union-attr]
    sheet = np.asarray(Image.open(io.BytesIO(files["sprite.png"])))
    assert sheet.shape == (8 * 4, 8 * 5, 3)
    row = np.asarray(pictures.take([9])).reshape(4, 5, 3)
    np.testing.assert_array_equal(sheet[4:8, 5:10], np.rint(row * 255))
    config = files["projector_config.pbtxt"].decode()
    assert config.count("embeddings {") == 2
    assert config.count('image_path: "sprite.png"') == 2
    assert "single_image_dim: 5\n    single_image_dim: 4" in config  # width first


def test_the_config_is_what_tensorboard_reads(table: Dataset, tmp_path: Path) -> None:
    config = unpacked(export_projector(random_model(table), table, tmp_path / "p.zip").path)["projector_config.pbtxt"]
    depth = 0
    for line in config.decode().splitlines():
        depth += line.count("{") - line.count("}")
        assert line.strip() in ("}", "embeddings {", "sprite {") or line.count('"') in (0, 2)
        if ".tsv" in line:
            assert line.split('"')[1] in ("vectors_level_1.tsv", "vectors_level_2.tsv", "metadata.tsv")
    assert depth == 0


def test_hostile_labels_stay_one_cell_each(tmp_path: Path) -> None:
    data = hostile_table()
    labels = np.array(["=cmd()|' /C calc'!A0", "a\tb\nc", "", "<img src=x>", "-1.5"], dtype=object)[np.arange(90) % 5]
    data = dataclasses.replace(data, labels=labels, label_name="row\tx", identifiers=pd.DataFrame({"row": ["@x"] * 90}))
    text = unpacked(export_projector(random_model(data), data, tmp_path / "p.zip").path)["metadata.tsv"].decode()
    lines = text.split("\n")
    assert lines[0].split("\t") == ["row", "row x", "split", "row (2)"]
    assert len(lines) == 92
    assert {len(line.split("\t")) for line in lines[:-1]} == {4}
    assert {line.split("\t")[1] for line in lines[1:-1]} == {
        "'=cmd()|' /C calc'!A0", "a b c", "-", "<img src=x>", "-1.5",
    }  # fmt: skip
    assert lines[1].split("\t")[3] == "'@x"


def test_more_rows_than_the_projector_takes(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "MAX_ROWS", 30)
    files = unpacked(export_projector(random_model(table), table, tmp_path / "p.zip").path)
    assert files["vectors_level_1.tsv"].count(b"\n") == 30
    assert files["metadata.tsv"].count(b"\n") == 31
    assert b"30 of 120 rows" in files["README.txt"]


def test_the_sprite_never_outgrows_the_browsers_limit() -> None:
    pictures = picture_set(4)
    large = dataclasses.replace(
        pictures, features=np.ones((4, 128 * 128), np.float32), image_shape=(128, 128, 1), labels=None
    )  # fmt: skip
    found = sprite_sheet(large, np.zeros(10_000, dtype=np.int64))
    assert found is not None
    sheet, size = found
    assert max(sheet.shape[:2]) <= MAX_SPRITE_SIDE
    assert size == (64, 64)
    assert sheet.shape[:2] == (6400, 6400)
