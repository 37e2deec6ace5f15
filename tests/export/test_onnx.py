"""ONNX files from raw rows to codes, reconstructions and classes, held against the model by onnxruntime."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

from sae_core.config import Activation, Normalisation, Scaling
from sae_core.data.dataset import Column, Dataset
from sae_core.errors import ExportError, LabelError, LevelError, StorageError
from sae_core.export import graph
from sae_core.export import onnx as exporter
from sae_core.export.check import check_rows, reconstruction_difference
from sae_core.export.columns import features, feeds, input_names, valid_names
from sae_core.export.graph import add_module
from sae_core.export.onnx import export_onnx
from tests.export.conftest import random_model

ACTIVATIONS = typing.get_args(Activation)
NORMALISATIONS = typing.get_args(Normalisation)
SCALINGS = [name for name in typing.get_args(Scaling) if name != "auto"]


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def raw_feeds(data: Dataset) -> dict[str, Any]:
    """Inputs written by hand from the documentation, without the exporter's own `feeds`."""
    if not isinstance(data.features, pd.DataFrame):
        return {"input": data.features}
    frame = data.features
    epoch = pd.Timestamp("1970-01-01")
    return {
        "sepal_length_cm": frame[["sepal length (cm)"]].to_numpy(),
        "größe": frame[["größe"]].to_numpy(),
        "city": frame[["=city"]].fillna("").to_numpy(dtype=object),
        "code_2": frame[["code"]].to_numpy(dtype=object),
        "seen": ((frame[["seen"]] - epoch) / pd.Timedelta(days=1)).to_numpy(),
        "at": ((frame[["at"]] - epoch) / pd.Timedelta(days=1)).to_numpy(),
        "ok": frame[["ok"]].to_numpy(dtype=np.float64, na_value=np.nan),
    }


@pytest.mark.parametrize("level", [0, 1, 2])
def test_codes_from_the_users_own_columns(data: Dataset, level: int, tmp_path: Path) -> None:
    model = random_model(data)
    made = export_onnx(model, tmp_path / "code.onnx", level=level, data=data)
    assert made.largest_difference < 1e-5
    (code,) = session(made.path).run(["code"], raw_feeds(data))
    assert code.dtype == np.float32
    np.testing.assert_allclose(code, model.encode(data, level), rtol=1e-5, atol=1e-5)


def test_any_number_of_rows(data: Dataset, tmp_path: Path) -> None:
    model = random_model(data)
    running = session(export_onnx(model, tmp_path / "code.onnx").path)
    whole = model.encode(data)
    for n in (0, 1, 7, len(data)):
        part = {name: values[:n] for name, values in raw_feeds(data).items()}
        np.testing.assert_allclose(running.run(None, part)[0], whole[:n], rtol=1e-5, atol=1e-5)


def test_reconstructions_in_the_users_units(data: Dataset, tmp_path: Path) -> None:
    model = random_model(data)
    made = export_onnx(model, tmp_path / "back.onnx", output="reconstruction", data=data)
    running = session(made.path)
    outputs = running.run(None, raw_feeds(data))
    ours = model.reconstruct(data)
    if not isinstance(ours, pd.DataFrame):
        np.testing.assert_allclose(outputs[0], ours, rtol=1e-5, atol=1e-5)
        return
    names = [output.name for output in running.get_outputs()]
    assert names[0] == "reconstructed_sepal_length_cm"
    found = dict(zip(names, (output[:, 0] for output in outputs), strict=True))
    np.testing.assert_allclose(found["reconstructed_größe"], ours["größe"], rtol=1e-6)
    assert (
        pd.Series(found["reconstructed_city"]).replace("", None).fillna("-") == ours["=city"].fillna("-")
    ).mean() > 0.98
    seen = pd.Timestamp("1970-01-01") + pd.to_timedelta(found["reconstructed_seen"], unit="D")
    assert ours["seen"].isna().any()
    assert pd.Series(seen).isna().equals(ours["seen"].isna())
    assert (pd.Series(seen) == ours["seen"])[ours["seen"].notna()].mean() > 0.98
    assert (seen.dropna() == seen.dropna().floor("D")).all()  # no training row had a time of day


def test_class_probabilities_and_labels(table: Dataset, pictures: Dataset, tmp_path: Path) -> None:
    for data in (table, pictures):
        for fine_tuned in (False, True):
            model = random_model(data, fine_tuned=fine_tuned)
            for level in (None, 0, 1, 2):
                made = export_onnx(model, tmp_path / "classes.onnx", output="classes", level=level, data=data)
                label, probabilities = session(made.path).run(["label", "probabilities"], raw_feeds(data))
                np.testing.assert_allclose(probabilities, model.predict_proba(data, level=level), atol=1e-5)
                assert label.shape == (len(data),)
                assert label.tolist() == [model.classes[best] for best in probabilities.argmax(axis=1)]


def test_fine_tuned_codes(table: Dataset, tmp_path: Path) -> None:
    model = random_model(table, fine_tuned=True)
    made = export_onnx(model, tmp_path / "code.onnx", fine_tuned=True)
    (code,) = session(made.path).run(None, raw_feeds(table))
    np.testing.assert_allclose(code, model.encode(table, fine_tuned=True), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_every_scaling_and_normalisation(data: Dataset, scaling: Scaling, normalisation: str, tmp_path: Path) -> None:
    model = random_model(data, scaling=scaling, layer={"normalisation": normalisation, "tied": True})
    for output in ("code", "reconstruction"):
        assert export_onnx(model, tmp_path / "x.onnx", output=output, data=data).largest_difference < 1e-4  # type: ignore[arg-type]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(arrays: Dataset, activation: str, tmp_path: Path) -> None:
    layer = {"activation": activation, "decoder_activation": activation}
    model = random_model(arrays, layer=layer)
    for output in ("code", "reconstruction"):
        made = export_onnx(model, tmp_path / "x.onnx", output=output, data=arrays)  # type: ignore[arg-type]
        assert made.largest_difference < 1e-5


def test_missing_unknown_and_infinite_cells(table: Dataset, tmp_path: Path) -> None:
    model = random_model(table)
    running = session(export_onnx(model, tmp_path / "code.onnx").path)
    assert isinstance(table.features, pd.DataFrame)
    odd = table.features.iloc[:6].copy()
    odd.loc[0, "sepal length (cm)"] = np.inf
    odd.loc[1, "sepal length (cm)"] = 1e301
    odd.loc[2, "sepal length (cm)"] = np.nan
    odd.loc[3, "=city"] = "never seen"
    odd.loc[4, "code"] = None
    odd.loc[5, "größe"] = -1e200
    (code,) = running.run(None, feeds(model.preparation, odd))
    np.testing.assert_allclose(code, model.encode(odd), rtol=1e-4, atol=1e-4)


def test_what_the_file_says_about_itself(table: Dataset, pictures: Dataset, tmp_path: Path) -> None:
    path = export_onnx(random_model(table), tmp_path / "code.onnx", level=1).path
    running = session(path)
    facts = running.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == ["-1.5", "=A1", "plain"]
    assert facts["level"] == "1"
    assert facts["output"] == "code"
    inputs = json.loads(facts["inputs"])
    assert [entry["input"] for entry in inputs] == [entry.name for entry in running.get_inputs()]
    assert [entry["column"] for entry in inputs] == list(table.feature_names)
    assert {entry.name: entry.type for entry in running.get_inputs()}["city"] == "tensor(string)"
    about = {entry.name: entry.doc_string for entry in onnx.load(path).graph.input}
    assert "days since 1970-01-01" in about["seen"]
    path = export_onnx(random_model(pictures), tmp_path / "classes.onnx", output="classes").path
    facts = session(path).get_modelmeta().custom_metadata_map
    assert json.loads(facts["image_shape"]) == [4, 5, 3]
    assert json.loads(facts["classes"]) == [0, 1, 2]
    (entry,) = session(path).get_inputs()
    assert (entry.name, entry.type, entry.shape) == ("input", "tensor(float)", ["rows", 60])


def test_the_operators_are_old_enough_for_old_runtimes(table: Dataset, tmp_path: Path) -> None:
    proto = onnx.load(export_onnx(random_model(table), tmp_path / "code.onnx").path)
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert proto.ir_version == 8


def test_names_of_inputs_are_valid_and_unique() -> None:
    names = [
        "a b",
        "a_b",
        "A-B",
        "input",
        "code",
        "",
        "  ",
        "1st",
        "_x",
        "größe",
        "名前",
        "a" * 300,
        "😀",
        "x\ny",
        "</b>",
    ]
    found = valid_names(names, ("input", "code"))
    assert len({name.lower() for name in found}) == len(names)
    assert all(name.isidentifier() for name in found)
    assert not {"input", "code"} & set(found)
    assert found[9:11] == ("größe", "名前")


def test_twin_columns_have_inputs_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 3)), columns=["a b", "a_b", "label"])
    data = Dataset(name="t", kind="table", features=frame, columns=tuple(Column(name, "numeric") for name in frame))
    model = random_model(data)
    assert input_names(model.preparation) == ("a_b", "a_b_2", "label_2")
    made = export_onnx(model, tmp_path / "x.onnx", output="reconstruction", data=data)
    outputs = session(made.path).run(None, feeds(model.preparation, data))
    back = features(model.preparation, outputs)
    assert isinstance(back, pd.DataFrame)
    pd.testing.assert_frame_equal(back, model.reconstruct(data), rtol=1e-5)


def test_empty_text_that_is_a_value_of_its_own(tmp_path: Path) -> None:
    frame = pd.DataFrame({"word": pd.array(["", "x"] * 20, dtype="str")})
    data = Dataset(name="t", kind="table", features=frame, columns=(Column("word", "category"),))
    made = export_onnx(random_model(data), tmp_path / "x.onnx", data=data)
    assert made.largest_difference < 1e-5


@pytest.mark.parametrize("output", ["code", "reconstruction", "classes"])
def test_a_file_that_disagrees_is_not_handed_out(
    output: Any, table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(table)
    target = tmp_path / "x.onnx"
    target.write_bytes(b"what stood here before")
    run = exporter.run_onnx

    def altered(*arguments: Any) -> Any:
        results = run(*arguments)
        numbers = next(result for result in results if result.dtype.kind == "f")
        numbers[2] += 0.001 * max(1.0, np.abs(numbers).max())
        return results

    monkeypatch.setattr(exporter, "run_onnx", altered)
    with pytest.raises(ExportError, match=r"differ from the model's by .* not handed out"):
        export_onnx(model, target, output=output, data=table)
    assert target.read_bytes() == b"what stood here before"
    assert list(tmp_path.iterdir()) == [target]


def test_nan_is_a_difference(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "run_onnx", lambda *_: [np.full((32, 3), np.nan, dtype=np.float32)])
    with pytest.raises(ExportError):
        export_onnx(random_model(table), tmp_path / "x.onnx", data=table.with_split(table.split_options))


def test_what_onnx_cannot_hold(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(table)
    monkeypatch.setattr(graph, "MAX_BYTES", 100)
    with pytest.raises(ExportError, match="Export the bundle instead"):
        export_onnx(model, tmp_path / "x.onnx")
    import torch

    with pytest.raises(ExportError, match="levels of the kind Bilinear"):
        add_module(torch.nn.Bilinear(1, 1, 1), graph.Graph(), "x")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be(arrays: Dataset, table: Dataset, tmp_path: Path) -> None:
    with pytest.raises(LevelError, match="levels 0 to 2"):
        export_onnx(random_model(arrays), tmp_path / "x.onnx", level=3)
    with pytest.raises(LabelError, match="without labels"):
        export_onnx(random_model(arrays), tmp_path / "x.onnx", output="classes")
    with pytest.raises(LabelError, match="not fine-tuned"):
        export_onnx(random_model(table), tmp_path / "x.onnx", fine_tuned=True)
    with pytest.raises(ExportError, match="not 'weights'"):
        export_onnx(random_model(table), tmp_path / "x.onnx", output="weights")  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Could not write"):
        export_onnx(random_model(table), tmp_path / "file" / "x.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_rows_for_the_check_are_held_out_and_odd_ones(table: Dataset) -> None:
    model = random_model(table)
    rows = check_rows(model, table)
    assert isinstance(rows, pd.DataFrame)
    held_out = table.split.test
    pd.testing.assert_frame_equal(
        rows.iloc[: len(held_out)], table.take(held_out).reset_index(drop=True), check_dtype=False
    )
    assert rows.iloc[-1].isna().all()
    assert rows.iloc[-2]["=city"] == "a value that training never saw"
    made_up = check_rows(model, None)
    assert set(made_up["=city"].dropna()) - {"a value that training never saw"} <= {"Rom", "Köln", "=1+1", "<b>"}


def test_a_wrong_reconstruction_is_seen_whatever_the_unit(table: Dataset) -> None:
    model = random_model(table)
    rows = check_rows(model, table)
    back = model.reconstruct(rows)
    assert isinstance(back, pd.DataFrame)
    assert reconstruction_difference(model, rows, 2, back) == 0
    for column, other in (("größe", 1e6), ("=city", "Rom"), ("seen", pd.Timestamp("2024-05-05")), ("ok", True)):
        wrong = back.copy()
        differing = wrong.index[wrong[column] != other][:1]
        wrong.loc[differing, column] = other
        if len(differing):
            assert reconstruction_difference(model, rows, 2, wrong) > 1e-4
