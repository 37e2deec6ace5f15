"""Codes of all rows as CSV and Parquet: complete, safe, and compared before they are handed out."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, ExportError, LevelError, StorageError
from sae_core.export import codes
from sae_core.export.codes import code_names, codes_frame, export_codes, unique_names
from tests.export.conftest import random_model


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_every_level_in_both_formats(data: Dataset, level: int, form: str, tmp_path: Path) -> None:
    model = random_model(data)
    made = export_codes(model, data, tmp_path / f"codes.{form}", level=level)
    read = pd.read_csv(made.path) if form == "csv" else pd.read_parquet(made.path)
    assert made.size == made.path.stat().st_size
    assert made.checked_rows == len(read) == len(data)
    assert made.largest_difference < 1e-6
    assert read["row"].tolist() == list(range(len(data)))
    np.testing.assert_allclose(read.iloc[:, -model.width(level) :], model.encode(data, level), rtol=1e-6)
    assert read["split"].tolist() == data.split.part_of_each_row().tolist()


def test_fine_tuned_codes(table: Dataset, tmp_path: Path) -> None:
    model = random_model(table, fine_tuned=True)
    path = export_codes(model, table, tmp_path / "codes.parquet", fine_tuned=True).path
    np.testing.assert_array_equal(
        pd.read_parquet(path).filter(regex=r"code_\d").to_numpy(), model.encode(table, fine_tuned=True)
    )
    assert not np.array_equal(model.encode(table, fine_tuned=True), model.encode(table))


def test_columns_labels_and_identifiers(table: Dataset) -> None:
    frame = codes_frame(random_model(table), table, 2)
    assert frame.columns.tolist() == ["row", "@id", "row (2)", "species", "split", "code_1", "code_2", "code_3"]
    assert frame["species"].isna().tolist() == [label is None for label in table.y.tolist()]  # type: ignore[union-attr]
    assert frame["row (2)"].tolist() == [2 * i for i in range(120)]
    assert frame["code_1"].dtype == np.float32


def test_no_spreadsheet_runs_a_cell(table: Dataset, tmp_path: Path) -> None:
    path = export_codes(random_model(table), table, tmp_path / "codes.csv").path
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream))
    assert header[:4] == ["row", "'@id", "row (2)", "species"]
    assert rows[0][1] == "'+row 0\tx"
    assert {row[3] for row in rows} == {"'=A1", "-1.5", "plain", ""}
    for cell in [*header, *(cell for row in rows for cell in row)]:
        if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
            float(cell)


def test_negative_numbers_stay_numbers(arrays: Dataset, tmp_path: Path) -> None:
    model = random_model(arrays, activation="tanh")
    frame = pd.read_csv(export_codes(model, arrays, tmp_path / "codes.csv").path)
    assert (frame.filter(like="code_").dtypes == np.float64).all()
    assert (frame.filter(like="code_") < 0).any(axis=None)


def test_many_pieces_are_one_file(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(table)
    whole = pd.read_parquet(export_codes(model, table, tmp_path / "whole.parquet").path)
    monkeypatch.setattr(codes, "CHUNK_ROWS", 7)
    told: list[float] = []
    for form, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        path = export_codes(model, table, tmp_path / f"pieces.{form}", progress=told.append).path
        np.testing.assert_allclose(read(path).filter(like="code_"), whole.filter(like="code_"), rtol=1e-5, atol=1e-6)
    assert told[: len(told) // 2] == sorted(told[: len(told) // 2])
    assert max(told) == 1.0


def test_labels_missing_in_the_first_pieces(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "CHUNK_ROWS", 20)
    labels: Any = np.array([None] * 60 + ["a", "b"] * 30, dtype=object)
    data = Dataset(name="late", kind="table", features=table.features, labels=labels, columns=table.columns)
    frame = pd.read_parquet(export_codes(random_model(data), data, tmp_path / "codes.parquet").path)
    assert frame["label"].isna().sum() == 60


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_that_reads_back_otherwise_is_not_handed_out(
    form: str, table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(table)
    target = tmp_path / f"codes.{form}"
    target.write_bytes(b"what stood here before")
    read = codes.read_frames

    def altered(*arguments: Any) -> Any:
        for frame in read(*arguments):
            changed = frame.copy()
            changed.loc[3, "code_2"] = "0.5" if form == "csv" else 0.5
            yield changed

    monkeypatch.setattr(codes, "read_frames", altered)
    with pytest.raises(ExportError, match="other numbers in the column 'code_2'"):
        export_codes(model, table, target)
    monkeypatch.setattr(codes, "read_frames", lambda *_: iter(()))
    with pytest.raises(ExportError, match="other rows or columns"):
        export_codes(model, table, target)
    assert target.read_bytes() == b"what stood here before"
    assert list(tmp_path.iterdir()) == [target]


def test_cancelling_leaves_nothing(table: Dataset, tmp_path: Path) -> None:
    def stop(fraction: float) -> None:
        raise CancelledError("The user stopped it.")

    with pytest.raises(CancelledError):
        export_codes(random_model(table), table, tmp_path / "codes.csv", progress=stop)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be(table: Dataset, tmp_path: Path) -> None:
    model = random_model(table)
    with pytest.raises(ExportError, match=r"not as \.xlsx"):
        export_codes(model, table, tmp_path / "codes.xlsx")
    with pytest.raises(ExportError, match="a file without an ending"):
        export_codes(model, table, tmp_path / "codes")
    with pytest.raises(LevelError, match="levels 0 to 2"):
        export_codes(model, table, tmp_path / "codes.csv", level=3)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(StorageError, match="is a folder"):
        export_codes(model, table, tmp_path / "folder.csv")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Could not write"):
        export_codes(model, table, tmp_path / "file" / "codes.csv")


def test_level_0_has_the_names_of_the_prepared_inputs(table: Dataset) -> None:
    model = random_model(table)
    assert code_names(model, 0) == list(model.preparation.feature_names_out)
    assert "sepal length (cm)" in code_names(model, 0)


def test_unique_names() -> None:
    assert unique_names(["a", "a (2)", "a", "a"]) == ["a", "a (2)", "a (3)", "a (4)"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4), st.text(max_size=4))
def test_text_of_any_kind_comes_back(texts: list[str], name: str) -> None:
    data = Dataset(
        name="text",
        kind="arrays",
        features=np.eye(4, dtype=np.float32),
        identifiers=pd.DataFrame({name: texts}),
        labels=np.array(texts, dtype=object),
    )
    model = random_model(Dataset(name="text", kind="arrays", features=np.eye(4, dtype=np.float32)))
    with tempfile.TemporaryDirectory() as folder:
        export_codes(model, data, Path(folder) / "codes.csv")
        path = export_codes(model, data, Path(folder) / "codes.parquet").path
        assert pd.read_parquet(path).iloc[:, 1].tolist() == texts
