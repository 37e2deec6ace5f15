"""Experiments of the workspace: runs that belong together, and results that are kept as they arrive."""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ConfigError, ModelFileError, RunNotFoundError
from sae_core.files import dump_json, parse_json, storage_errors, write_atomically
from sae_core.runs.workspace import Workspace

Kind = Literal["ways", "shares"]

FOLDER = "experiments"
VERSION = 1
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_lock = threading.Lock()  # a task adds results while a page adds a run


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        id: name of its file.
        kind: "ways" (greedy, joint, PCA) or "shares" (with and without pretraining, by share of labels).
        created: ISO 8601, UTC.
        dataset_name, dataset_fingerprint: what it is done on.
        config: of the stack that it started from.
        options: of this kind of experiment; plain JSON.
        runs: id of the run of each part.
        results: what has been found so far; plain JSON.
    """

    id: str
    kind: Kind
    created: str
    dataset_name: str
    dataset_fingerprint: str
    config: StackConfig
    options: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)


def create_experiment(
    workspace: Workspace, kind: Kind, data: Dataset, config: StackConfig, options: Mapping[str, Any] | None = None
) -> Experiment:
    """Begin an experiment; its data set is stored with it.

    Raises:
        StorageError: it could not be written.
    """
    workspace.save_dataset(data)
    now = datetime.now(UTC)
    experiment = Experiment(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        kind=kind,
        created=now.isoformat(timespec="microseconds"),
        dataset_name=data.name,
        dataset_fingerprint=data.fingerprint,
        config=config,
        options=dict(options or {}),
    )
    _write(workspace, experiment)
    return experiment


def experiments(workspace: Workspace, kind: Kind, fingerprint: str | None = None) -> list[Experiment]:
    """Experiments of a kind (on one data set), newest first; damaged ones are left out."""
    folder, found = workspace.root / FOLDER, []
    for path in folder.glob("*.json") if folder.is_dir() else ():
        with contextlib.suppress(ModelFileError, RunNotFoundError):
            experiment = read_experiment(workspace, path.stem)
            if experiment.kind == kind and fingerprint in (None, experiment.dataset_fingerprint):
                found.append(experiment)
    return sorted(found, key=lambda experiment: (experiment.created, experiment.id), reverse=True)


def read_experiment(workspace: Workspace, experiment_id: str) -> Experiment:
    """One experiment as it stands.

    Raises:
        RunNotFoundError: there is none of that id. ModelFileError: its file is damaged.
    """
    try:
        content = _path(workspace, experiment_id).read_bytes()
    except OSError:
        raise RunNotFoundError("This experiment is not in the workspace. It may have been deleted.") from None
    value = parse_json(content, "experiment")
    try:
        fields = {name: entry for name, entry in value.items() if name != "version"}
        experiment = Experiment(**fields | {"config": StackConfig(**fields["config"])})
        if experiment.kind not in get_args(Kind) or not all(isinstance(each, dict) for each in experiment.results):
            raise ValueError("its kind is not known")
        if not isinstance(experiment.runs, dict) or not isinstance(experiment.options, dict):
            raise ValueError("its runs cannot be read")
    except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise ModelFileError(f"This experiment cannot be read ({error}). Delete it and start it again.") from None
    return experiment


def add_run(workspace: Workspace, experiment_id: str, part: str, run_id: str) -> None:
    """Note which run is which part of an experiment."""
    with _lock:
        experiment = read_experiment(workspace, experiment_id)
        _write(workspace, replace(experiment, runs=experiment.runs | {part: run_id}))


def add_result(workspace: Workspace, experiment_id: str, result: Mapping[str, Any]) -> None:
    """Keep a result as soon as it is there. `result`: plain JSON."""
    with _lock:
        experiment = read_experiment(workspace, experiment_id)
        _write(workspace, replace(experiment, results=[*experiment.results, dict(result)]))


def delete_experiment(workspace: Workspace, experiment_id: str) -> None:
    """Remove an experiment; its runs stay."""
    path = _path(workspace, experiment_id)
    with storage_errors(path):
        path.unlink(missing_ok=True)


def _path(workspace: Workspace, experiment_id: str) -> Path:
    if not _ID.fullmatch(experiment_id):
        raise RunNotFoundError("This is not the name of an experiment.")
    return workspace.root / FOLDER / f"{experiment_id}.json"


def _write(workspace: Workspace, experiment: Experiment) -> None:
    path = _path(workspace, experiment.id)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_json(vars(experiment) | {"config": experiment.config.model_dump(), "version": VERSION}))
