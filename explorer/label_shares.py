"""With and without pretraining, by the share of labels: one background task that keeps what it finds as it goes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from explorer import store, tasks
from explorer.charts.style import duration
from explorer.tasks import Progress, Task
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.runs.experiments import Experiment, add_result, create_experiment, read_experiment
from sae_core.training.few_labels import METHODS, ShareResult, few_labels

PATIENCE = 3.0  # seconds before the time left is told: the first ones say little


def start(data: Dataset, config: StackConfig, shares: Sequence[float], seeds: int) -> Experiment:
    """Begin an experiment in the background. Raises StorageError."""
    options = {"shares": sorted(shares), "seeds": [config.seed + place for place in range(seeds)]}
    experiment = create_experiment(store.workspace(), "shares", data, config.fitted(data.image_shape), options)
    go_on(experiment, data)
    return experiment


def go_on(experiment: Experiment, data: Dataset) -> Task:
    """Do what is not done yet."""
    workspace = store.workspace()
    shares, seeds = plan_of(experiment)

    def compute(progress: Progress) -> None:
        from sae_core.jobs.threads import training_threads

        done = [(result.method, result.share, result.seed) for result in results_of(experiment)]
        began = time.monotonic()

        def report(fraction: float, text: str) -> None:
            spent = time.monotonic() - began
            left = spent * (1 - fraction) / fraction if fraction > 0 and spent > PATIENCE else None
            progress(fraction, text + (f" · {duration(left)} left" if left is not None else ""))

        with training_threads():
            for result in few_labels(data, experiment.config, shares, seeds, done=done, report=report):
                add_result(workspace, experiment.id, vars(result))

    return tasks.submit(_key(experiment), compute, text="About to begin", retry=True)


def task_of(experiment: Experiment) -> Task | None:
    """Its task in this process, if there is one."""
    return tasks.find(_key(experiment))


def is_running(experiment: Experiment) -> bool:
    """Whether it is under way here."""
    task = task_of(experiment)
    return task is not None and not task.snapshot().state.is_over


def stop(experiment: Experiment) -> None:
    """Stop it; what is found so far is kept."""
    tasks.cancel(_key(experiment))


def results_of(experiment: Experiment) -> tuple[ShareResult, ...]:
    """What it has found so far, read afresh. Raises RunNotFoundError, ModelFileError."""
    kept = read_experiment(store.workspace(), experiment.id).results
    return tuple(found for found in map(ShareResult.from_json, kept) if found is not None)


def plan_of(experiment: Experiment) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Its shares and seeds; what cannot be read is left out."""
    shares, seeds = experiment.options.get("shares"), experiment.options.get("seeds")
    return (
        tuple(float(share) for share in shares if 0 < share <= 1) if isinstance(shares, list) else (),
        tuple(int(seed) for seed in seeds) if isinstance(seeds, list) else (),
    )


def wanted(experiment: Experiment) -> int:
    """How many results it will have."""
    shares, seeds = plan_of(experiment)
    return len(shares) * len(seeds) * len(METHODS)


def _key(experiment: Experiment) -> tuple[str, ...]:
    return ("label shares", str(store.workspace().root), experiment.id)
