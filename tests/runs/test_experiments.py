"""Experiments of a workspace: found again, bounded by what can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

import sae_core
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ModelFileError, RunNotFoundError, StorageError
from sae_core.runs.experiments import (
    add_result,
    add_run,
    create_experiment,
    delete_experiment,
    experiments,
    read_experiment,
)
from sae_core.runs.workspace import Workspace

CONFIG = StackConfig(layers=[3, 2], epochs=2)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def iris() -> Dataset:
    return sae_core.load_sample("iris")


def test_there_and_back(workspace: Workspace, iris: Dataset) -> None:
    begun = create_experiment(workspace, "ways", iris, CONFIG, {"seeds": 3})
    add_run(workspace, begun.id, "greedy", "20260101-000000-abcdef")
    add_result(workspace, begun.id, {"accuracy": 0.5})
    add_result(workspace, begun.id, {"accuracy": 0.75})
    found = read_experiment(workspace, begun.id)
    assert (found.config, found.options, found.kind) == (CONFIG, {"seeds": 3}, "ways")
    assert found.runs == {"greedy": "20260101-000000-abcdef"}
    assert [result["accuracy"] for result in found.results] == [0.5, 0.75]
    assert workspace.has_dataset(found.dataset_fingerprint)


def test_listed_newest_first_by_kind_and_data_set(workspace: Workspace, iris: Dataset) -> None:
    first, second = (create_experiment(workspace, "ways", iris, CONFIG) for _ in range(2))
    create_experiment(workspace, "shares", iris, CONFIG)
    assert [found.id for found in experiments(workspace, "ways", iris.fingerprint)] == [second.id, first.id]
    assert experiments(workspace, "ways", "another") == []
    delete_experiment(workspace, second.id)
    assert [found.id for found in experiments(workspace, "ways")] == [first.id]
    with pytest.raises(RunNotFoundError):
        read_experiment(workspace, second.id)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"id": 1, "config": {"layers": []}}'])
def test_damaged_ones_are_left_out(workspace: Workspace, iris: Dataset, content: bytes) -> None:
    begun = create_experiment(workspace, "ways", iris, CONFIG)
    (workspace.root / "experiments" / f"{begun.id}.json").write_bytes(content)
    assert experiments(workspace, "ways") == []
    with pytest.raises(ModelFileError):
        read_experiment(workspace, begun.id)


def test_names_that_are_paths(workspace: Workspace) -> None:
    with pytest.raises(RunNotFoundError):
        read_experiment(workspace, "../../etc/passwd")


def test_a_workspace_that_cannot_be_written(workspace: Workspace, iris: Dataset) -> None:
    (workspace.root / "experiments").write_text("in the way")
    with pytest.raises(StorageError):
        create_experiment(workspace, "ways", iris, CONFIG)
