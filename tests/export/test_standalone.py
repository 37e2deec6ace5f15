"""The program in the bundle, fed with the kinds of rows that people write by hand."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sae_core.data.dataset import Dataset
from sae_core.export import standalone
from sae_core.export.standalone import Model, read_rows, write_rows
from sae_core.model.trained import TrainedStack
from tests.export.conftest import array_set, mixed_table, picture_set, random_model


def alone(model: TrainedStack, folder: Path) -> Model:
    return Model.load(model.save(folder / "model"))


def test_it_imports_only_numpy_safetensors_and_the_standard_library() -> None:
    import sys

    tree = ast.parse(Path(standalone.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"numpy", "safetensors"}


def test_rows_in_every_form(tmp_path: Path) -> None:
    table = mixed_table()
    assert isinstance(table.features, pd.DataFrame)
    model = random_model(table)
    here = alone(model, tmp_path)
    expected = model.encode(table)
    columns = {name: table.features[name].tolist() for name in table.features}
    records = table.features.to_dict("records")
    for rows in (table.features, columns, records):
        np.testing.assert_allclose(here.encode(rows), expected, rtol=1e-5, atol=1e-5)
    assert here.encode(records[:0] or {name: [] for name in columns}).shape == (0, 3)


def test_cells_as_text_and_as_objects(tmp_path: Path) -> None:
    model = random_model(mixed_table())
    here = alone(model, tmp_path)
    written = {
        "sepal length (cm)": "5.5", "größe": "1e6", "=city": "Rom", "code": "007", "seen": "2024-03-01",
        "at": "2024-03-01T12:30:00Z", "ok": "yes",
    }  # fmt: skip
    objects = {
        **written, "sepal length (cm)": 5.5, "größe": np.float64(1e6), "seen": datetime(2024, 3, 1),
        "at": datetime(2024, 3, 1, 12, 30, tzinfo=UTC), "ok": True,
    }  # fmt: skip
    stamped = {**objects, "seen": np.datetime64("2024-03-01"), "at": pd.Timestamp("2024-03-01 12:30")}
    prepared = [here.prepare([row]) for row in (written, objects, stamped)]
    np.testing.assert_array_equal(prepared[0], prepared[1])
    np.testing.assert_array_equal(prepared[0], prepared[2])
    days = here.prepare([{**written, "seen": str(date(2024, 3, 2))}])
    assert not np.array_equal(prepared[0], days)


def test_missing_cells_are_missing_however_they_are_written(tmp_path: Path) -> None:
    table = mixed_table()
    model = random_model(table)
    here = alone(model, tmp_path)
    assert isinstance(table.features, pd.DataFrame)
    empty = table.features.reindex([999])
    expected = model.prepare(empty)
    for missing in (None, "", "NA", "null", float("nan"), pd.NA, pd.NaT, "?"):
        np.testing.assert_array_equal(here.prepare([dict.fromkeys(table.feature_names, missing)]), expected)
    np.testing.assert_array_equal(here.prepare(empty), expected)


def test_pictures_and_arrays(tmp_path: Path) -> None:
    pictures = picture_set()
    model = random_model(pictures)
    here = alone(model, tmp_path)
    np.testing.assert_allclose(here.encode(pictures.features), model.encode(pictures), rtol=1e-5, atol=1e-5)
    cubes = np.asarray(pictures.features).reshape(-1, 4, 5, 3)
    np.testing.assert_allclose(here.encode(cubes), model.encode(pictures), rtol=1e-5, atol=1e-5)
    assert here.columns[:2] == ("pixel0", "pixel1")
    np.testing.assert_allclose(here.reconstruct(cubes), np.asarray(model.reconstruct(pictures)), atol=1e-5)
    arrays = array_set()
    model = random_model(arrays)
    here = alone(model, tmp_path)
    np.testing.assert_allclose(here.encode(arrays.features), model.encode(arrays), rtol=1e-5, atol=1e-5)
    by_name = {name: np.asarray(arrays.features)[:, i] for i, name in enumerate(here.columns)}
    np.testing.assert_allclose(here.encode(by_name), model.encode(arrays), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"sepal length (cm)": "long"}], "'long' is not a numeric value"),
        ([{}], "is missing"),
    ],
)
def test_mistakes_are_told(rows: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        alone(random_model(mixed_table()), tmp_path).encode(rows)


def test_what_the_model_does_not_have(tmp_path: Path) -> None:
    here = alone(random_model(array_set()), tmp_path)
    rows = np.zeros((2, 6))
    with pytest.raises(ValueError, match="without labels"):
        here.predict(rows)
    with pytest.raises(ValueError, match="not fine-tuned"):
        here.encode(rows, fine_tuned=True)
    with pytest.raises(ValueError, match="Rows of 6 numbers"):
        here.encode(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="levels 0 to 2"):
        here.encode(rows, 3)
    labelled = alone(random_model(picture_set(), fine_tuned=True), tmp_path / "labelled")
    with pytest.raises(ValueError, match="Level 9 has no classifier"):
        labelled.predict_proba(np.zeros((2, 60)), 9)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_files(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'\ufeffa{separator}"b c"\n1{separator} x \n\n2\n', encoding="utf-8")
    assert read_rows(path) == {"a": ["1", "2"], "b c": ["x", ""]}


def test_written_files_run_no_formula(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.csv", {"=a": ["=1", "x"], "n": [-1.5, 2.0], "d": [datetime(2024, 1, 1), None]})
    assert (tmp_path / "out.csv").read_text().splitlines() == ["'=a,n,d", "'=1,-1.5,2024-01-01T00:00:00", "x,2.0,"]


def test_the_decoder_activation_follows_the_engine(tmp_path: Path) -> None:
    for loss, activation in (("squared_error", "sigmoid"), ("squared_error", "tanh"), ("squared_error", "relu")):
        data: Dataset = picture_set()
        model = random_model(data, loss=loss, activation=activation)
        here = alone(model, tmp_path)
        for level in (1, 2):
            ours = np.asarray(model.reconstruct(data, level))
            np.testing.assert_allclose(here.reconstruct(data.features, level), ours, atol=1e-5)
    model = random_model(picture_set(), loss="binary_cross_entropy", activation="sigmoid")
    ours = np.asarray(model.reconstruct(picture_set()))
    np.testing.assert_allclose(alone(model, tmp_path).reconstruct(picture_set().features), ours, atol=1e-5)
