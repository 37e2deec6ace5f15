"""The bundle: the same model bit for bit, and a program in it that needs neither torch nor this library."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sae_core as sae
from sae_core.data.dataset import Dataset
from sae_core.errors import CancelledError, ExportError, StorageError
from sae_core.export import bundle, standalone
from sae_core.export.bundle import export_bundle, read_bundle
from sae_core.export.script import readme_text, script_text
from tests.export.conftest import random_model


def isolated(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A program run where this project cannot be imported and torch is not there."""
    guard = (
        "import sys, runpy\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'sae_core', 'pandas', 'sklearn', 'scipy'):\n"
        "            raise ImportError('the program must not need ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "sys.argv = sys.argv[1:]\n"
        "sys.path[0] = ''\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-I", "-c", guard, str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)


def unpacked(path: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.with_suffix(""))
    return path.with_suffix("")


@pytest.mark.parametrize("fine_tuned", [False, True])
def test_the_same_codes_bit_for_bit(data: Dataset, fine_tuned: bool, tmp_path: Path) -> None:
    model = random_model(data, fine_tuned=fine_tuned and data.has_labels)
    made = export_bundle(model, tmp_path / "model.zip", data=data)
    assert made.size == made.path.stat().st_size
    assert made.largest_difference < 1e-5
    for again in (read_bundle(made.path), read_bundle(made.path.read_bytes()), sae.load_model(unpacked(made.path))):
        for level in range(3):
            np.testing.assert_array_equal(again.encode(data, level), model.encode(data, level))
        assert again.classes == model.classes
        assert again.config == model.config
        assert again.name == model.name
        if model.is_classifier:
            np.testing.assert_array_equal(again.predict_proba(data), model.predict_proba(data))


def test_what_is_inside(table: Dataset, tmp_path: Path) -> None:
    path = export_bundle(random_model(table), tmp_path / "model.zip").path
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = sorted(archive.namelist())
    assert names == ["README.md", "history.jsonl", "manifest.json", "model.json", "predict.py", "weights.safetensors"]
    folder = unpacked(path)
    readme = (folder / "README.md").read_text()
    assert "- sepal length (cm): numeric" in readme
    assert (folder / "predict.py").read_text() == Path(standalone.__file__).read_text()


def test_the_same_model_gives_the_same_bytes(table: Dataset, tmp_path: Path) -> None:
    first, second = (export_bundle(random_model(table), tmp_path / f"{n}.zip").path.read_bytes() for n in (1, 2))
    assert first == second


def test_the_program_inside_runs_alone(table: Dataset, tmp_path: Path) -> None:
    model = random_model(table, fine_tuned=True)
    folder = unpacked(export_bundle(model, tmp_path / "model.zip").path)
    assert isinstance(table.features, pd.DataFrame)
    table.features.to_csv(tmp_path / "rows.csv", index=False)
    read = sae.read_table(tmp_path / "rows.csv").features
    for arguments, expected in (
        (["--level", "1"], model.encode(read, 1)),
        (["--fine-tuned"], model.encode(read, fine_tuned=True)),
        (["--what", "classes"], model.predict_proba(read)),
    ):
        done = isolated(folder / "predict.py", tmp_path / "rows.csv", "-o", tmp_path / "out.csv", *arguments)
        assert done.returncode == 0, done.stderr
        assert "120 rows" in done.stdout
        out = pd.read_csv(tmp_path / "out.csv").select_dtypes("number").to_numpy()
        np.testing.assert_allclose(out[:, -expected.shape[1] :], expected, rtol=1e-5, atol=1e-5)
    done = isolated(folder / "predict.py", tmp_path / "rows.csv", "--what", "reconstruction")
    back = pd.read_csv(tmp_path / "rows-reconstruction.csv")
    assert back.columns.tolist() == ["sepal length (cm)", "größe", "'=city", "code", "seen", "at", "ok"]
    ours = model.reconstruct(read)
    assert isinstance(ours, pd.DataFrame)
    np.testing.assert_allclose(back["sepal length (cm)"], ours["sepal length (cm)"], rtol=1e-4)


def test_the_program_explains_a_mistake_in_one_line(table: Dataset, tmp_path: Path) -> None:
    folder = unpacked(export_bundle(random_model(table), tmp_path / "model.zip").path)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    for arguments, message in (
        (["missing.csv"], "missing.csv"),
        ([tmp_path / "rows.csv"], "'sepal length (cm)' is missing"),
        ([tmp_path / "rows.csv", "--level", "9"], "levels 0 to 2"),
    ):
        done = isolated(folder / "predict.py", *arguments)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    (folder / "model.json").write_text((folder / "model.json").read_text().replace("numeric", "boolean", 1))
    done = isolated(folder / "predict.py", tmp_path / "rows.csv")
    assert "not as it was exported" in done.stderr


def test_the_script_runs_beside_the_bundle(data: Dataset, tmp_path: Path) -> None:
    model = random_model(data, fine_tuned=data.has_labels)
    export_bundle(model, tmp_path / "my model.zip", data=data)
    (tmp_path / "use.py").write_text(script_text(model, "my model.zip"), encoding="utf-8")
    if isinstance(data.features, pd.DataFrame):
        data.features.to_csv(tmp_path / "rows.csv", index=False)
        rows, raw = tmp_path / "rows.csv", sae.read_table(tmp_path / "rows.csv").features
    else:
        np.save(tmp_path / "rows.npy", data.features)
        rows, raw = tmp_path / "rows.npy", data.features
    done = isolated(tmp_path / "use.py", rows)
    assert done.returncode == 0, done.stderr
    assert "codes (2, 3)" in done.stdout
    out = pd.read_csv(rows.with_suffix(".codes.csv")).to_numpy()
    np.testing.assert_allclose(out, model.encode(raw), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    ['"""\nimport os; os.abort()\n"""', "'); import os; os.abort(); ('", "# `rm` [x](y) <script>", "\\", "{x}", "%s"],
)
def test_hostile_names_stay_names(name: str, tmp_path: Path) -> None:
    from sae_core.data.dataset import Column

    frame = pd.DataFrame({name: np.arange(20.0), "word": pd.array([name, "x"] * 10, dtype="str")})
    data = Dataset(
        name=name, kind="table", features=frame, columns=(Column(name, "numeric"), Column("word", "category")),
        labels=np.array([name, "b"] * 10, dtype=object),
    )  # fmt: skip
    model = random_model(data)
    text = script_text(model, f"{name}.zip")
    tree = ast.parse(text)
    assert "abort" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert "os" not in {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    readme = readme_text(model)
    assert "<script>" not in readme
    assert "[x](y)" not in readme
    export_bundle(model, tmp_path / "model.zip", data=data)


def test_no_row_of_the_user_travels_along(table: Dataset, tmp_path: Path) -> None:
    assert isinstance(table.features, pd.DataFrame)
    model = random_model(table)
    path = export_bundle(model, tmp_path / "model.zip", data=table).path
    with zipfile.ZipFile(path) as archive:
        texts = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8", errors="replace")
    texts += script_text(model)
    for value in table.features["sepal length (cm)"]:
        assert repr(value) not in texts
    assert "+row 1" not in texts


def test_a_bundle_that_disagrees_is_not_handed_out(
    table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(table)
    target = tmp_path / "model.zip"
    target.write_bytes(b"what stood here before")

    class Wrong(standalone.Model):
        def encode(self, *arguments: Any, **options: Any) -> Any:
            return super().encode(*arguments, **options) + np.float32(0.01)

    monkeypatch.setattr(bundle.standalone, "Model", Wrong)
    with pytest.raises(ExportError, match=r"predict\.py in the bundle differs"):
        export_bundle(model, target, data=table)
    monkeypatch.undo()
    other = random_model(table, activation="tanh")
    monkeypatch.setattr(bundle, "read_bundle", lambda _: other)
    with pytest.raises(ExportError, match="gave other values when it was read back"):
        export_bundle(model, target, data=table)
    assert target.read_bytes() == b"what stood here before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_what_was_there(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    model = random_model(table)
    target = export_bundle(model, tmp_path / "model.zip").path
    before = target.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        export_bundle(random_model(table, activation="tanh"), target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_cancelling_leaves_nothing(table: Dataset, tmp_path: Path) -> None:
    def stop(fraction: float) -> None:
        if fraction > 0.5:
            raise CancelledError("The user stopped it.")

    with pytest.raises(CancelledError):
        export_bundle(random_model(table), tmp_path / "model.zip", progress=stop)
    assert not list(tmp_path.iterdir())
