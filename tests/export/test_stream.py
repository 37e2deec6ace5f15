"""Rows of a file, encoded in pieces, are what they are when read whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sae_core as sae
from sae_core import limits
from sae_core.data import fast_rows, parquet_rows, table_rows, table_source
from sae_core.data.shards import count_shard, open_shards
from sae_core.data.table_stream import TableStream
from sae_core.errors import DataError, ShapeError, TooLargeError
from sae_core.export import stream
from sae_core.export.stream import encode_file, kind_of
from tests.export.conftest import mixed_table, picture_set, random_model


def small_pieces(monkeypatch: pytest.MonkeyPatch, rows: int = 50) -> None:
    monkeypatch.setattr(table_rows, "_BATCH_CELLS", rows)
    monkeypatch.setattr(table_rows, "_LEAST_ROWS", rows)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    table = mixed_table()
    frame = pd.DataFrame(table.features).assign(species=table.labels, note="kept, as text")
    frame["ok"] = frame["ok"].map({True: "yes", False: "no"})
    frame.to_csv(tmp_path / "rows.csv", index=False, sep=";", decimal=",", date_format="%d.%m.%Y %H:%M:%S")
    frame.drop(columns="ok").assign(ok=pd.DataFrame(table.features)["ok"]).to_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.csv"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_pieces_are_the_whole(written: Path, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written.with_suffix(ending)
    small_pieces(monkeypatch)
    whole = sae.read_table(source, label="species")
    model = random_model(whole)
    made = encode_file(model, source, tmp_path / "codes.parquet", keep=["species", "note"])
    frame = pd.read_parquet(tmp_path / "codes.parquet")
    assert (made.rows, made.level, made.units) == (120, 2, 3)
    assert frame["row"].tolist() == list(range(120))
    np.testing.assert_array_equal(frame.filter(like="code_"), model.encode(whole))
    assert frame["species"].fillna("").tolist() == [label or "" for label in whole.y.tolist()]  # type: ignore[union-attr]
    assert set(frame["note"]) == {"kept, as text"}


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=30_000), "b": rng.normal(size=30_000)})
    frame.to_csv(tmp_path / "long.csv", index=False)
    model = random_model(sae.read_table(tmp_path / "long.csv"))
    stream = TableStream(tmp_path / "long.csv", [sae_column("a"), sae_column("b")])
    sizes = [len(piece) for piece in stream.frames()]
    assert sum(sizes) == 30_000
    told: list[float] = []
    target = tmp_path / "codes.csv"
    encode_file(model, tmp_path / "long.csv", target, progress=lambda fraction, text: told.append(fraction))
    assert told == sorted(told)
    assert len(pd.read_csv(target)) == 30_000


def sae_column(name: str, kind: str = "numeric") -> sae.Dataset:
    from sae_core.data.dataset import Column

    return Column(name, kind)  # type: ignore[arg-type,return-value]


def test_a_piece_without_a_single_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pieces(monkeypatch)
    n = 200
    frame = pd.DataFrame({
        "x": range(n),
        "flag": [None] * 150 + ["yes", "no"] * 25,
        "day": [None] * 150 + ["2024-01-05"] * 50,
        "word": [None] * 150 + ["a"] * 50,
    })  # fmt: skip
    frame.to_csv(tmp_path / "late.csv", index=False)
    columns = [sae_column("flag", "boolean"), sae_column("day", "date"), sae_column("word", "category")]
    pieces = list(TableStream(tmp_path / "late.csv", columns, keep=["x"]).frames())  # type: ignore[arg-type]
    together = pd.concat(pieces, ignore_index=True)
    assert len(pieces) > 2
    assert together["flag"].isna().sum() == together["day"].isna().sum() == together["word"].isna().sum() == 150
    assert together["day"].dtype == "datetime64[us]"
    assert together["x"].tolist() == [str(i) for i in range(n)]


def test_cells_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n" + "\n".join(f"{i},{i * 2}" for i in range(50)))
    (tmp_path / "new.csv").write_text("b,a,c\n1,2,x\nodd,3,y\n5,4\n")
    model = random_model(sae.read_table(tmp_path / "train.csv"))
    made = encode_file(model, tmp_path / "new.csv", tmp_path / "codes.csv")
    assert made.rows == 3
    assert any("'b': 1 cell is not of its kind" in note for note in made.notes)
    assert any("fewer cells" in note for note in made.notes)
    expected = model.encode(pd.DataFrame({"a": [2.0, 3, 4], "b": [1, np.nan, 5]}))
    np.testing.assert_allclose(pd.read_csv(tmp_path / "codes.csv").filter(like="code_"), expected, rtol=1e-5, atol=1e-6)


def test_what_is_missing_is_named_and_nothing_is_left(written: Path, tmp_path: Path) -> None:
    model = random_model(sae.read_table(written, label="species"))
    (tmp_path / "less.csv").write_text("größe;code\n1;2\n3;4\n")
    with pytest.raises(ShapeError, match=r"lacks the columns 'sepal length \(cm\)', '=city'"):
        encode_file(model, tmp_path / "less.csv", tmp_path / "codes.csv")
    with pytest.raises(DataError, match="Did you mean 'species'"):
        encode_file(model, written, tmp_path / "codes.csv", keep=["specie"])
    assert not (tmp_path / "codes.csv").exists()


def test_pictures(tmp_path: Path) -> None:
    pictures = picture_set()
    model = random_model(pictures)
    pixels = (np.asarray(pictures.features) * 255).round().astype(np.uint8).reshape(-1, 4, 5, 3)
    np.savez(tmp_path / "pictures.npz", images=pixels, labels=pictures.labels)
    made = encode_file(model, tmp_path / "pictures.npz", tmp_path / "codes.parquet", keep=["label"])
    frame = pd.read_parquet(tmp_path / "codes.parquet")
    assert made.rows == 60
    assert frame["label"].tolist() == pictures.labels.tolist()  # type: ignore[union-attr]
    np.testing.assert_allclose(frame.filter(like="code_"), model.encode(pixels), rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match="no 'colour' to keep"):
        encode_file(model, tmp_path / "pictures.npz", tmp_path / "codes.parquet", keep=["colour"])


def test_a_folder_of_pictures_in_the_models_own_size(tmp_path: Path) -> None:
    from PIL import Image

    model = random_model(picture_set())
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (20, 16), (i * 60, 10, 200)).save(tmp_path / "photos" / name / f"{i}.png")
    assert kind_of(tmp_path / "photos") == "images"
    encode_file(model, tmp_path / "photos", tmp_path / "codes.csv", keep=["label", "file"])
    frame = pd.read_csv(tmp_path / "codes.csv")
    assert frame["label"].tolist() == ["cat"] * 3 + ["dog"] * 3
    assert frame.filter(like="code_").shape == (6, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty folder"):
        kind_of(tmp_path / "empty")


def float_pictures(folder: Path) -> Path:
    """Twelve pictures in two classes: PNG, and TIFF of floats whose range only all of them tell."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(12):
        target = folder / ("cat" if i % 2 else "dog")
        target.mkdir(parents=True, exist_ok=True)
        if i % 3:
            Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(target / f"{i:02d}.png")
        else:
            Image.fromarray((rng.random((9, 9)) * 10 * (i + 1)).astype(np.float32)).save(target / f"{i:02d}.tif")
    (folder / "dog" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


def test_pictures_in_pieces_are_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sae_core.data import row_stream
    from sae_core.data.images import read_images
    from sae_core.data.pictures import ImageOptions

    folder, options = float_pictures(tmp_path / "set"), ImageOptions(4, 5, "grey")
    whole = read_images(folder, options=options)
    stream = row_stream.PictureStream(folder, options, keep=["label", "file"])
    pieces = list(stream.pieces(5))
    assert [len(rows) for rows, _ in pieces] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in pieces]), whole.features)
    kept = pd.concat([beside for _, beside in pieces])
    assert whole.labels is not None
    assert whole.identifiers is not None
    assert kept["label"].tolist() == whole.labels.tolist()
    assert kept["file"].tolist() == whole.identifiers["file"].tolist()
    assert any("broken.png" in note for note in stream.notes())
    with pytest.raises(DataError, match="no 'colour' to keep"):
        list(row_stream.PictureStream(folder, options, keep=["colour"]).pieces(5))


@pytest.mark.parametrize("save", ["npy", "npz"])
def test_arrays_are_read_in_bounded_memory(tmp_path: Path, save: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sae_core.data import stored

    x = np.random.default_rng(0).normal(size=(40_000, 64)).astype(np.float32)  # 10 MB
    file = tmp_path / f"long.{save}"
    np.save(file, x) if save == "npy" else np.savez(file, x=x, y=np.arange(40_000) % 3)
    np.save(tmp_path / "short.npy", x[:500])
    model = random_model(sae.read_arrays(tmp_path / "short.npy"))
    monkeypatch.setattr(stored, "BLOCK_BYTES", 2**18)
    monkeypatch.setattr(stream, "_MOST_CELLS", 2**16)
    encode_file(model, tmp_path / "short.npy", tmp_path / "codes.csv")  # imports
    tracemalloc.start()
    try:
        made = encode_file(model, file, tmp_path / "codes.csv", keep=["label"] if save == "npz" else [])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.rows == 40_000
    assert peak < x.nbytes / 3
    frame = pd.read_csv(tmp_path / "codes.csv")
    np.testing.assert_allclose(frame.filter(like="code_"), model.encode(x), rtol=1e-4, atol=1e-5)
    if save == "npz":
        assert frame["label"].tolist() == (np.arange(40_000) % 3).tolist()


def test_a_table_is_encoded_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(60_000, 8))
    pd.DataFrame(rows, columns=[f"x{i}" for i in range(8)]).to_csv(tmp_path / "long.csv", index=False)
    (tmp_path / "short.csv").write_text("\n".join((tmp_path / "long.csv").read_text().split("\n", 400)[:400]))
    model = random_model(sae.read_table(tmp_path / "short.csv"))
    small_pieces(monkeypatch, 1000)
    monkeypatch.setattr(fast_rows, "_LEAST_BLOCK", 2**15)  # of which pyarrow reads 32 ahead
    monkeypatch.setattr(fast_rows, "_ROWS_AT_ONCE", 100)
    encode_file(model, tmp_path / "short.csv", tmp_path / "codes.parquet")
    tracemalloc.start()
    try:
        encode_file(model, tmp_path / "long.csv", tmp_path / "codes.parquet")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "long.csv").stat().st_size > 9e6
    assert peak < 5e6
    assert len(pd.read_parquet(tmp_path / "codes.parquet")) == 60_000


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_what_is_read_in_pieces_may_be_of_any_size(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(3000, 4)), columns=list("abcd"))
    path = tmp_path / f"rows.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_csv(path, index=False)
    model = random_model(sae.read_table(path))
    for module in (table_rows, parquet_rows):
        monkeypatch.setattr(module, "MAX_TABLE_ROWS", 1000)
    monkeypatch.setattr(table_source, "MAX_TABLE_BYTES", 10_000)
    with pytest.raises(TooLargeError):
        sae.read_table(path)
    assert encode_file(model, path, tmp_path / "codes.parquet").rows == 3000
    assert count_shard(open_shards(path), 0).rows == 3000  # likewise a file that is trained on


def test_arrays_that_are_read_in_pieces_may_be_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(300, 4)))
    model = random_model(sae.read_arrays(tmp_path / "x.npy"))
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", 100)
    monkeypatch.setattr(limits, "MAX_PREPARED_BYTES", 1000)
    with pytest.raises(TooLargeError):
        sae.read_arrays(tmp_path / "x.npy")
    assert encode_file(model, tmp_path / "x.npy", tmp_path / "codes.csv").rows == 300
