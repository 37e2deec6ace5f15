"""torch.export programs: everything from raw rows, loaded again where this library is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, ExportError
from sae_core.export import program
from sae_core.export.check import check_rows
from sae_core.export.modules import Program, program_features, program_rows
from sae_core.export.program import export_program
from sae_core.training.trainer import fit
from tests.export.conftest import mixed_table, picture_set, random_model

ELSEWHERE = """
import json, sys
import numpy as np
import torch
assert "sae_core" not in sys.modules
extra = {"metadata.json": ""}
loaded = torch.export.load(sys.argv[1], extra_files=extra).module()
found = loaded(torch.from_numpy(np.load(sys.argv[2])))
np.savez(sys.argv[3], **{name: value.detach().numpy() for name, value in found.items()})
print(extra["metadata.json"])
"""


def test_the_module_gives_what_the_model_gives(data: Dataset) -> None:
    import torch

    for fine_tuned in {False, data.has_labels}:
        model = random_model(data, fine_tuned=fine_tuned, layer={"normalisation": "layer"})
        rows = check_rows(model, data)
        with torch.inference_mode():
            found = Program(model)(torch.from_numpy(program_rows(model.preparation, rows)))
        for level in (1, 2):
            np.testing.assert_allclose(found[f"code_{level}"], model.encode(rows, level), atol=1e-5)
        assert program._difference(model, rows, {name: value.numpy() for name, value in found.items()}) < 1e-4
        assert ("probabilities" in found) == model.is_classifier


@pytest.mark.parametrize("layer", [{"pooling": 2, "normalisation": "batch"}, {"stride": 2, "tied": True}])
def test_convolutions_are_traced_for_any_number_of_rows(layer: dict[str, Any]) -> None:
    import torch

    pictures = picture_set()
    below = LayerConfig(kind="convolution", channels=2, kernel=3, **layer)
    model = fit(pictures, StackConfig(layers=[below, 3], epochs=1, softmax_epochs=1, batch_size=16))
    rows = torch.from_numpy(program_rows(model.preparation, pictures))
    shapes = {"rows": {0: torch.export.Dim("rows")}}
    traced = torch.export.export(Program(model), (rows[:3],), dynamic_shapes=shapes, strict=False).module()
    for n in (1, 7):
        found = traced(rows[:n])
        np.testing.assert_allclose(found["code_2"].detach(), model.encode(pictures)[:n], atol=1e-5)
        np.testing.assert_allclose(found["reconstruction"].detach(), model.reconstruct(pictures)[:n], atol=1e-5)


def test_rows_there_and_back(table: Dataset) -> None:
    preparation = random_model(table).preparation
    raw = preparation.inverse_transform(preparation.transform(table))
    back = program_features(preparation, program_rows(preparation, raw))
    np.testing.assert_array_equal(preparation.transform(back), preparation.transform(raw))


def test_it_runs_where_this_library_is_not(tmp_path: Path) -> None:
    data = mixed_table()
    model = random_model(data, fine_tuned=True, layer={"normalisation": "batch"})
    made = export_program(model, tmp_path / "model.pt2", data=data)
    assert made.largest_difference < 1e-4
    assert made.checked_rows > 10
    np.save(tmp_path / "rows.npy", program_rows(model.preparation, data))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, made.path, tmp_path / "rows.npy", tmp_path / "found.npz"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["classes"] == list(model.classes)
    assert [column["column"] for column in told["columns"]] == list(model.preparation.feature_names_in)
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["code_2"], model.encode(data), atol=1e-4)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(data), atol=1e-4)


def test_a_model_that_torch_cannot_export_is_one_sentence(
    table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(table)
    monkeypatch.setattr(type(model), "save", lambda self, folder: tmp_path / "nothing")
    with pytest.raises(ExportError, match=r"torch cannot export this model \(.*nothing.*\)\. Export ONNX") as caught:
        export_program(model, tmp_path / "model.pt2")
    assert "Traceback" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_cancelling_ends_the_process(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[str]] = []
    start = subprocess.Popen
    monkeypatch.setattr(program.subprocess, "Popen", lambda *a, **o: begun.append(start(*a, **o)) or begun[0])

    def stop(fraction: float) -> None:
        if begun:
            raise CancelledError("The user stopped it.")

    with pytest.raises(CancelledError):
        export_program(random_model(table), tmp_path / "model.pt2", progress=stop)
    assert begun[0].poll() is not None
    assert not list(tmp_path.iterdir())
