"""A run as a script: run as it stands, it gives the same weights bit for bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sae_core as sae
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Column, Dataset, SplitOptions
from sae_core.data.samples import load_sample
from sae_core.jobs import start_job
from sae_core.runs.record import new_record
from sae_core.runs.script import config_text, sample_of, script_text
from sae_core.runs.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def test_the_script_repeats_the_run_to_the_same_weights(workspace: Workspace, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(90, 5)), columns=["a", "b'", 'c"', "d\\", "e\n"])
    columns = tuple(Column(name, "numeric") for name in frame.columns)
    data = Dataset('"""\nname', "table", frame, labels=np.arange(90) % 3, columns=columns)
    data = data.with_split(SplitOptions(validation=0.2, test=0.1, seed=3))
    layers = [
        LayerConfig(units=4, corruption="gaussian", corruption_level=0.3, tied=True),
        LayerConfig(units=2, l2=1e-3),
    ]
    config = StackConfig(layers=layers, epochs=3, softmax_epochs=2, fine_tune_epochs=2, batch_size=16, seed=7)
    job = start_job(data, config, workspace=workspace, name="it's\nmine")
    job.result()
    record = workspace.run(job.id).record
    assert record.threads >= 1
    text = script_text(record, workspace=workspace.root, sample=sample_of(record))
    (tmp_path / "again.py").write_text(text)
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "again.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    error = float(done.stdout.rsplit(maxsplit=1)[1])
    assert error == pytest.approx(record.results["reconstruction_error"][-1], rel=1e-5)
    again = sae.load_model(tmp_path / "repeated")
    assert again.config == config.replace(device="cpu")
    first, second = (
        (folder / "weights.safetensors").read_bytes()
        for folder in (workspace.run(job.id).folder / "model", tmp_path / "repeated")
    )
    assert first == second


def test_a_sample_needs_no_workspace() -> None:
    data = load_sample("iris").with_split(SplitOptions(seed=5))
    record = new_record("x", "", data, StackConfig(layers=[2]))
    assert sample_of(record) == "iris"
    text = script_text(record, sample="iris")
    assert "data = sae.load_sample('iris')" in text
    assert "seed=5" in text
    assert sample_of(new_record("x", "", load_sample("wine"), StackConfig(layers=[2]))) == "wine"


def test_settings_as_python_are_the_settings() -> None:
    config = StackConfig(
        layers=[8, LayerConfig(units=2, corruption="masking", epochs=3)], schedule="cosine", gradient_clip=1.0, seed=9
    )
    assert eval(config_text(config), {"sae": sae}) == config
    assert "momentum" not in config_text(config)
