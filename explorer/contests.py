"""Greedy, joint and PCA on the same data: starting the runs, finding them again, and what they came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer import store, tasks
from explorer.cache import Cache
from explorer.runview import RunView, view_run
from explorer.tasks import Progress, Task
from sae_core.analysis import contest
from sae_core.analysis.components import PrincipalComponents
from sae_core.analysis.contest import WayResult
from sae_core.analysis.projections import LevelMap, MapSettings, Method, draw_map
from sae_core.analysis.sampling import stratified_rows
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, Features
from sae_core.errors import SaeError
from sae_core.runs.experiments import Experiment, add_run, create_experiment
from sae_core.training.ways import Way, ways

WAYS: tuple[Way, ...] = ("greedy", "joint", "greedy then joint")
ALL = (*WAYS, contest.PCA)
MAP_ROWS = 2_000  # of each map: four UMAPs must not take minutes

_fits: Cache[PrincipalComponents] = Cache(8)
_materials: Cache[contest.Material] = Cache(4)


@dataclass(frozen=True)
class Contestant:
    """One way of an experiment.

    Attributes:
        run_id: of its run; None before it is queued.
        run: as it is now; None where it was deleted.
    """

    way: Way
    run_id: str | None
    run: RunView | None

    @property
    def is_finished(self) -> bool:
        """Whether it can be measured."""
        return self.run is not None and self.run.state == "finished"


def start(data: Dataset, config: StackConfig) -> Experiment:
    """Queue the three runs. Raises SaeError: they could not be written, or too many wait already."""
    from sae_core.jobs import start_job

    workspace, config = store.workspace(), config.fitted(data.image_shape)
    experiment = create_experiment(workspace, "ways", data, config)
    units = "-".join(str(width) for width in config.units)
    for way, own in ways(config).configs.items():
        job = start_job(data, own, workspace=workspace, name=f"{data.name} {units} {way}")
        add_run(workspace, experiment.id, way, job.id)
    return experiment


def contestants(experiment: Experiment) -> tuple[Contestant, ...]:
    """The ways of an experiment as they are now."""
    found = []
    for way in WAYS:
        run_id = experiment.runs.get(way)
        try:
            run = view_run(run_id) if run_id else None
        except SaeError:
            run = None
        found.append(Contestant(way, run_id, run))
    return tuple(found)


def stop(experiment: Experiment) -> None:
    """Stop what is under way; what is trained so far is kept."""
    from sae_core.jobs import find_job

    for run_id in reversed(list(experiment.runs.values())):  # the queued ones first, so that none of them begins
        if (job := find_job(run_id)) is not None:
            job.stop()


def go_on(experiment: Experiment) -> list[str]:
    """Resume what was stopped or interrupted; why a run could not be."""
    from sae_core.jobs import resume_run

    troubles = []
    for contestant in contestants(experiment):
        if contestant.run is not None and contestant.run.state in ("stopped", "interrupted", "failed"):
            try:
                resume_run(store.run(contestant.run.id))
            except SaeError as error:
                troubles.append(str(error))
    return troubles


def pca_fit(data: Dataset, config: StackConfig) -> PrincipalComponents:
    """As many principal components as the deepest code has units."""
    preparation = store.preparation(data, config.scaling)
    return _fits.get(
        (data.fingerprint, config.scaling, config.units[-1]),
        lambda: contest.fit_pca(preparation, _material(data, config), config.units[-1]),
    )


def _material(data: Dataset, config: StackConfig) -> contest.Material:
    n_inputs = store.preparation(data, config.scaling).n_inputs
    return _materials.get((data.fingerprint, n_inputs), lambda: contest.material(data, n_inputs))


def measured(way: str, run_id: str | None, data: Dataset, config: StackConfig) -> Task:
    """What a way has come to: a `WayResult`. `run_id`: of a finished run; None for PCA."""
    if run_id is None:

        def compute_pca(progress: Progress) -> WayResult:
            progress(0.1, "Principal components of equal width")
            preparation = store.preparation(data, config.scaling)
            return contest.measure_pca(preparation, _material(data, config), pca_fit(data, config))

        key = ("way pca", data.fingerprint, config.scaling, config.units[-1])
        return tasks.submit(key, compute_pca, text="Principal components", retry=True)

    def compute(progress: Progress) -> WayResult:
        return contest.measure(store.model(run_id), _material(data, config), way, report=progress)

    return tasks.submit(("way", *store.version(run_id)), compute, text=f"Measuring {way}", retry=True)


def way_map(run_id: str | None, data: Dataset, config: StackConfig, method: Method) -> Task:
    """The map of a way's deepest code, begun from and turned onto the map of PCA: a `LevelMap`."""
    rows = stratified_rows(data.class_codes, MAP_ROWS)

    def compute(progress: Progress) -> LevelMap:
        preparation = store.preparation(data, config.scaling)
        code: NDArray[np.floating] = pca_fit(data, config).project(preparation.transform(data.take(rows)))
        plane = draw_map(code, rows, MapSettings(method="pca"))
        if run_id is not None:
            code = store.model(run_id).encode(data.take(rows))
            plane = draw_map(code, rows, MapSettings(method="pca"), below=plane)
        if method == "pca":
            return plane
        return draw_map(code, rows, MapSettings(method="umap"), below=plane, report=progress)

    version = (data.fingerprint, config.scaling, config.units[-1]) if run_id is None else store.version(run_id)
    return tasks.submit(("way map", *version, method), compute, text="Map", retry=True)


def given_back(run_id: str | None, data: Dataset, config: StackConfig, rows: NDArray[np.int64]) -> Features:
    """Rows as a way gives them back from its deepest code, in the user's units; `run_id` None: PCA."""
    raw = data.take(rows)
    if run_id is not None:
        return store.model(run_id).reconstruct(raw)
    preparation = store.preparation(data, config.scaling)
    fitted = pca_fit(data, config)
    back = fitted.reconstruct(preparation.transform(raw), len(fitted.components))
    return preparation.inverse_transform(back.astype(np.float32))


def for_each_finished(now: Sequence[Contestant], do: Callable[[str, str | None], Task]) -> dict[str, Task]:
    """Submit something for every finished way, and for PCA, by way."""
    found = {str(each.way): do(each.way, each.run_id) for each in now if each.is_finished}
    return {**found, contest.PCA: do(contest.PCA, None)}
