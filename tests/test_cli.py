"""The command line, as people and scripts use it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from sklearn.datasets import load_iris

import sae_core as sae
from sae_core import cli
from sae_core.cli import application
from sae_core.runs.workspace import Workspace

ROOT = Path(sae.__file__).resolve().parents[1]
QUICK = ["--epochs", "1", "--set", "softmax_epochs=1", "--set", "fine_tune_epochs=1"]


def run(*arguments: object) -> Result:
    """One command with its exit code, as `main` gives it."""

    def main(args: list[str] | None = None, **_: Any) -> None:
        cli.main(args)

    command = type("Command", (), {"main": staticmethod(main), "name": "sae-explorer"})()
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def ok(*arguments: object) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    """Standard error of a command that must fail with one sentence."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return str(result.stderr)


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    frame = load_iris(as_frame=True).frame
    frame["species"] = load_iris().target_names[frame.pop("target")]
    frame.insert(0, "id", [f"plant {i}" for i in range(150)])
    frame.to_csv(tmp_path / "iris.csv", index=False)
    return tmp_path / "iris.csv"


@pytest.fixture
def model(iris: Path, tmp_path: Path) -> Path:
    ok("train", iris, "--label", "species", "--layers", "8,2", "--out", tmp_path / "model", *QUICK)
    return tmp_path / "model"


def test_train_writes_a_model_and_a_run(iris: Path, tmp_path: Path, workspace_folder: Path) -> None:
    arguments = (
        "--label",
        "species",
        "--layers",
        "16,8,2",
        "--out",
        tmp_path / "model",
        "--name",
        "first",
        "--seed",
        "3",
    )
    result = json.loads(ok("train", iris, *arguments, *QUICK, "--json").stdout)
    assert result["state"] == "finished"
    assert result["units"] == [16, 8, 2]
    assert len(result["results"]["reconstruction_error"]) == 3
    model = sae.load_model(tmp_path / "model")
    assert model.classes == ("setosa", "versicolor", "virginica")
    assert model.config.seed == 3
    assert model.config.fine_tune_epochs == 1
    (record,) = Workspace(workspace_folder).runs()
    assert (record.id, record.name, record.state) == (result["run"], "first", "finished")
    assert record.results == result["results"]


def test_training_says_what_came_out(iris: Path) -> None:
    text = ok("train", iris, "--label", "species", "--layers", "4", *QUICK).stdout
    assert re.search(r"Run \S+: finished in [\d.]+ s on cpu", text)
    assert "level 1: reconstruction error" in text
    assert "accuracy on held-out rows" in text


def test_a_preset(tmp_path: Path) -> None:
    arguments = ("--preset", "matlab", "--set", "softmax_epochs=0", "--set", "pretraining=none")
    ok("train", "digits", *arguments, "--set", "fine_tune_epochs=1", "--out", tmp_path / "model")
    model = sae.load_model(tmp_path / "model")
    assert (model.units, model.config.layers[0].l2, model.config.pretraining) == ((100, 50), 0.004, "none")


def test_the_order_of_settings(tmp_path: Path) -> None:
    config = sae.StackConfig(layers=[sae.LayerConfig(units=3, tied=True)], epochs=9, batch_size=7, softmax_epochs=0)
    (tmp_path / "config.json").write_text(config.to_json())
    arguments = ("--config", tmp_path / "config.json", "--epochs", "1", "--set", "fine-tune-epochs=0")
    result = json.loads(
        ok("train", "iris", *arguments, "--corruption", "masking:0.1", "--set", "l2=0.01", "--json").stdout
    )
    (record,) = [record for record in sae.default_workspace().runs() if record.id == result["run"]]
    layer = record.config.level(1)
    assert (layer.epochs, layer.batch_size, layer.tied, layer.l2) == (1, 7, True, 0.01)
    assert (layer.corruption, layer.corruption_level) == ("masking", 0.1)


def test_samples_and_shares(tmp_path: Path) -> None:
    ok("train", "wine", "--layers", "4", "--validation", "0.3", "--test", "0.2", "--out", tmp_path / "model", *QUICK)
    (record,) = sae.default_workspace().runs()
    data = sae.default_workspace().load_dataset(record.dataset_fingerprint)
    assert (len(data.split.validation), len(data.split.test)) == (53, 36)


def test_encode_gives_the_codes_of_the_model(model: Path, iris: Path, tmp_path: Path) -> None:
    stack = sae.load_model(model)
    data = sae.read_table(iris, label="species")
    for level, units in ((0, 4), (1, 8), (2, 2)):
        ok("encode", model, iris, "-o", tmp_path / "codes.parquet", "--level", level)
        frame = pd.read_parquet(tmp_path / "codes.parquet")
        assert frame["row"].tolist() == list(range(150))
        codes = frame.drop(columns="row").to_numpy()
        assert codes.shape == (150, units)
        np.testing.assert_array_equal(codes, stack.encode(data, level))
    ok("encode", model, iris, "-o", tmp_path / "codes.csv", "--fine-tuned", "--keep", "species", "--keep", "id")
    frame = pd.read_csv(tmp_path / "codes.csv")
    assert frame.columns.tolist() == ["row", "species", "id", "code_1", "code_2"]
    assert frame["id"][149] == "plant 149"
    np.testing.assert_allclose(frame[["code_1", "code_2"]], stack.encode(data, fine_tuned=True), rtol=1e-6)


def test_encode_pictures_and_arrays(tmp_path: Path) -> None:
    ok("train", "digits", "--layers", "8", "--out", tmp_path / "model", *QUICK)
    pixels = (sae.load_sample("digits").features[:20] * 255).round().astype(np.uint8).reshape(20, 8, 8)
    np.savez(tmp_path / "digits.npz", images=pixels, labels=np.arange(20))
    ok("encode", tmp_path / "model", tmp_path / "digits.npz", "-o", tmp_path / "codes.csv", "--keep", "label")
    frame = pd.read_csv(tmp_path / "codes.csv")
    assert frame["label"].tolist() == list(range(20))
    expected = sae.load_model(tmp_path / "model").encode(pixels)
    np.testing.assert_allclose(frame.filter(like="code_"), expected, rtol=1e-5, atol=1e-6)


def test_encode_takes_bundles_and_runs(model: Path, iris: Path, tmp_path: Path) -> None:
    ok("export", model, "--format", "bundle", "-o", tmp_path / "model.zip")
    (record,) = sae.default_workspace().runs()
    frames = []
    for source in (model, tmp_path / "model.zip", record.id):
        ok("encode", source, iris, "-o", tmp_path / "codes.parquet")
        frames.append(pd.read_parquet(tmp_path / "codes.parquet"))
    pd.testing.assert_frame_equal(frames[0], frames[1])
    pd.testing.assert_frame_equal(frames[0], frames[2])


def test_export_every_form(model: Path, tmp_path: Path) -> None:
    result = json.loads(ok("export", model, "-o", tmp_path / "encoder.onnx", "--level", "1", "--json").stdout)
    assert result["bytes"] == (tmp_path / "encoder.onnx").stat().st_size
    assert result["largest_difference"] < 1e-4
    assert result["checked_rows"] > 10
    for gives in ("reconstruction", "classes"):
        ok("export", model, "--format", "onnx", "--gives", gives, "-o", tmp_path / f"{gives}.onnx")
    ok("export", model, "--format", "script", "-o", tmp_path / "use.py")
    compile((tmp_path / "use.py").read_text(), "use.py", "exec")
    (record,) = sae.default_workspace().runs()
    assert "checked on 150 rows" in ok("export", record.id, "--format", "codes", "-o", tmp_path / "codes.csv").stdout
    assert len(pd.read_csv(tmp_path / "codes.csv")) == 150
    ok("export", record.id, "--format", "codes", "-o", tmp_path / "codes.npz", "--level", "1")
    ok("export", record.id, "--format", "projector", "-o", tmp_path / "projector.zip")
    ok("export", record.id, "--format", "report", "-o", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_codes_need_rows(model: Path, tmp_path: Path) -> None:
    assert "Give the id of a run" in refused("export", model, "--format", "codes", "-o", tmp_path / "codes.csv")


def test_runs(iris: Path, workspace_folder: Path) -> None:
    empty = ok("runs")
    assert empty.stdout == ""
    assert "no runs yet" in empty.stderr
    assert json.loads(ok("runs", "--json").stdout) == []
    ok("train", iris, "--layers", "3", "--name", "[bold]odd\x1b[31m name", *QUICK)
    text = ok("runs").stdout
    assert "\x1b" not in text
    assert "[bold]odd" in text
    (facts,) = json.loads(ok("runs", "--json").stdout)
    assert facts["config"]["layers"][0]["units"] == 3
    assert facts["state"] == "finished"


def test_reconstruct_gives_rows_in_their_own_units(model: Path, iris: Path, tmp_path: Path) -> None:
    stack, data = sae.load_model(model), sae.read_table(iris, label="species")
    result = json.loads(
        ok("reconstruct", model, iris, "-o", tmp_path / "back.parquet", "--level", "1", "--json").stdout
    )
    assert (result["rows"], result["level"]) == (150, 1)
    frame = pd.read_parquet(tmp_path / "back.parquet")
    expected = stack.reconstruct(data, 1)
    assert isinstance(expected, pd.DataFrame)
    pd.testing.assert_frame_equal(frame[list(expected)], expected.reset_index(drop=True), check_exact=True)
    x = stack.prepare(data)
    errors = np.square(stack.reconstruct_prepared(x, 1) - x).mean(axis=1)
    np.testing.assert_allclose(frame["reconstruction_error"], errors, rtol=1e-6)
    ok("reconstruct", model, iris, "-o", tmp_path / "back.csv", "--keep", "id", "--keep", "species")
    frame = pd.read_csv(tmp_path / "back.csv")
    assert frame["id"][3] == "plant 3"
    assert frame.columns[-1] == "reconstruction_error"


def test_classify_gives_classes_with_their_probabilities(model: Path, iris: Path, tmp_path: Path) -> None:
    stack, data = sae.load_model(model), sae.read_table(iris, label="species")
    for level in (None, 0, 2):
        arguments = [] if level is None else ["--level", level]
        ok("classify", model, iris, "-o", tmp_path / "classes.parquet", "--keep", "species", *arguments)
        frame = pd.read_parquet(tmp_path / "classes.parquet")
        assert frame["class"].tolist() == stack.predict(data, level=level).tolist()
        shares = frame.filter(like="probability of ").to_numpy()
        np.testing.assert_array_equal(shares, stack.predict_proba(data, level=level))
        assert frame["species"].tolist() == data.y.tolist()  # type: ignore[union-attr]
    ok("train", iris, "--layers", "3", "--out", tmp_path / "plain", *QUICK)
    assert "label" in refused("classify", tmp_path / "plain", iris, "-o", tmp_path / "x.csv")


def test_pictures_are_given_back_and_classified(tmp_path: Path) -> None:
    ok("train", "digits", "--layers", "8", "--out", tmp_path / "model", *QUICK)
    pixels = (sae.load_sample("digits").features[:20] * 255).round().astype(np.uint8).reshape(20, 8, 8)
    np.savez(tmp_path / "digits.npz", images=pixels, labels=np.arange(20))
    stack = sae.load_model(tmp_path / "model")
    ok("reconstruct", tmp_path / "model", tmp_path / "digits.npz", "-o", tmp_path / "back.parquet")
    back = pd.read_parquet(tmp_path / "back.parquet").filter(like="pixel")
    np.testing.assert_allclose(back, stack.reconstruct(pixels), rtol=1e-5, atol=1e-6)
    ok("classify", tmp_path / "model", tmp_path / "digits.npz", "-o", tmp_path / "classes.csv")
    assert pd.read_csv(tmp_path / "classes.csv")["class"].tolist() == stack.predict(pixels).tolist()


def test_what_one_does_with_runs(iris: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        ok("train", iris, "--label", "species", "--layers", "3", "--name", name, *QUICK)
    second, first = Workspace(os.environ["SAE_WORKSPACE"]).runs()
    ok("runs", "rename", first.id, "renamed")
    ok("runs", "tag", "renamed", "good", "of May")
    ok("runs", "tag", first.id, "of May", "--remove")
    ok("runs", "note", first.id[-6:], "Keeps the petals.")
    facts = json.loads(ok("runs", "show", "renamed", "--json").stdout)
    assert (facts["name"], facts["tags"], facts["note"]) == ("renamed", ["good"], "Keeps the petals.")
    assert facts["split"]["train_rows"] == 106
    assert facts["threads"] >= 1
    assert "torch" in ok("runs", "show", first.id).stdout
    assert "#good" in ok("runs").stdout
    compile(ok("runs", "script", first.id).stdout, "again.py", "exec")
    assert "no run 'third'" in refused("runs", "show", "third")
    assert "fits 2 runs" in refused("runs", "show", first.id[:4])
    assert "is finished" in refused("runs", "resume", first.id)
    assert "not in training" in refused("runs", "stop", first.id)
    assert run("runs", "delete", first.id).exit_code == 130  # nobody said yes
    ok("runs", "delete", first.id, "--yes")
    assert [facts["id"] for facts in json.loads(ok("runs", "--json").stdout)] == [second.id]


def test_an_interrupted_run_is_resumed(workspace_folder: Path) -> None:
    from sae_core.config import StackConfig
    from sae_core.data.samples import load_sample

    config = StackConfig(layers=[3], epochs=2, softmax_epochs=1, fine_tune_epochs=1)
    cut_off = Workspace(workspace_folder).create_run(load_sample("iris"), config, "cut off")
    cut_off.update(state="running")
    assert json.loads(ok("runs", "--json").stdout)[0]["state"] == "interrupted"
    result = json.loads(ok("runs", "resume", "cut off", "--json").stdout)
    assert result["state"] == "finished"
    assert cut_off.record.state == "finished"


def test_a_run_of_the_command_line_is_seen_and_stopped_elsewhere(iris: Path, workspace_folder: Path) -> None:
    command = [sys.executable, "-m", "sae_core", "train", str(iris), "--layers", "3", "--epochs", "100000"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not (records := Workspace(workspace_folder).runs()) or records[0].state != "running":
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "training in another program" in refused("runs", "delete", records[0].id, "--yes")
        ok("runs", "stop", records[0].id)
        assert process.wait(60) == 1
    assert Workspace(workspace_folder).runs()[0].state == "stopped"


def test_another_workspace(iris: Path, tmp_path: Path) -> None:
    ok("train", iris, "--layers", "3", "--workspace", tmp_path / "elsewhere", *QUICK)
    assert len(Workspace(tmp_path / "elsewhere").runs()) == 1
    assert sae.default_workspace().runs() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "missing.csv"], "no file, folder or sample 'missing.csv'"),
        (["train", "mnsit"], "mnist"),
        (["train", "iris", "--preset", "matlab"], "does not fit this data set"),
        (["train", "iris", "--preset", "matlab", "--config", "x.json"], "Choose one of them"),
        (["train", "iris", "--layers", "a,b"], "--layers takes numbers"),
        (["train", "iris", "--layers", "0"], "units"),
        (["train", "iris", "--set", "epochs"], "NAME=VALUE"),
        (["train", "iris", "--set", "epoch=3"], "epoch"),
        (["train", "iris", "--activation", "swish"], "activation"),
        (["train", "iris", "--config", "missing.json"], "missing.json"),
        (["train", "iris", "--test", "0.9", "--validation", "0.9"], "leave some rows"),
        (["encode", "missing", "iris.csv", "-o", "x.csv"], "no model folder, bundle or run 'missing'"),
        (["export", "missing", "-o", "x.onnx"], "no model folder, bundle or run 'missing'"),
    ],
)
def test_one_sentence_for_what_cannot_be(
    arguments: Sequence[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)


def test_mistakes_with_a_model(model: Path, iris: Path, tmp_path: Path) -> None:
    assert "0 to 2" in refused("encode", model, iris, "-o", tmp_path / "x.csv", "--level", "3")
    assert ".csv or .parquet" in refused("encode", model, iris, "-o", tmp_path / "x.xlsx")
    assert "Did you mean 'species'" in refused("encode", model, iris, "-o", tmp_path / "x.csv", "--keep", "specis")
    pd.read_csv(iris).drop(columns="petal width (cm)").to_csv(tmp_path / "less.csv")
    assert "'petal width (cm)'" in refused("encode", model, tmp_path / "less.csv", "-o", tmp_path / "x.csv")
    assert not list(tmp_path.glob("*x.*"))
    (model / "weights.safetensors").write_bytes(b"altered")
    assert "not as it was saved" in refused("encode", model, iris, "-o", tmp_path / "x.csv")


@pytest.mark.parametrize("arguments", [["nonsense"], ["train"], ["train", "iris", "--epochs", "many"], ["export", "x"]])
def test_a_mistake_in_the_command_is_exit_code_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


def test_ctrl_c_stops_and_keeps_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    from sae_core.cli import training

    def interrupted(job: Any, as_json: bool) -> None:
        while not job.snapshot().history:
            job.join(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_follow", interrupted)
    result = run("train", "mnist", "--layers", "8", "--epochs", "1000")
    assert result.exit_code == 130
    (record,) = sae.default_workspace().runs()
    assert record.state == "stopped"
    assert record.id in result.stderr


def test_help_names_every_command() -> None:
    text = ok("--help").stdout
    for command in ("explore", "train", "encode", "reconstruct", "classify", "export", "runs"):
        assert re.search(rf"^  {command} ", text, re.MULTILINE)
        assert "Usage" in ok(command, "--help").stdout
    assert sae.__version__ in ok("--version").stdout


def test_the_application_is_started_by_path_with_its_own_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda _, command: started.append(command))
    monkeypatch.setattr(application.subprocess, "call", lambda command: 0)
    for arguments in (
        ["--port", "8600", "--no-browser", "--workspace", "work"],
        ["explore", "--server.headless", "true"],
        [],
    ):
        monkeypatch.chdir(tmp_path)
        run(*arguments)
    command = started[0]
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(command[4]) == ROOT / "explorer" / "app.py"
    assert command[5:] == ["--server.port", "8600", "--server.headless", "true"]
    assert os.environ["SAE_WORKSPACE"] == str(tmp_path / "work")
    assert started[1][5:] == ["--server.headless", "true"]
    assert started[2][5:] == []
    assert (Path.cwd() / ".streamlit" / "config.toml").is_file()  # where Streamlit looks for it


def test_python_m_sae_core() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sae_core", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert sae.__version__ in done.stdout
