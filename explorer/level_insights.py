"""What the pages on levels, units and experiments ask of the engine, in the background and kept by run."""

from __future__ import annotations

from explorer import store, tasks
from explorer.tasks import Progress, Task
from sae_core.analysis import levels
from sae_core.analysis.units import UnitReport, look_at_units


def level_summaries(run_id: str) -> Task:
    """Every level in numbers: a tuple of `LevelSummary`, the input first."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> tuple[levels.LevelSummary, ...]:
        return levels.level_summaries(model, data, report=progress)

    return tasks.submit(("levels", *store.version(run_id)), compute, text="Looking at every level", retry=True)


def units(run_id: str, level: int) -> Task:
    """The units of a level's code: a `UnitReport`."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> UnitReport:
        return look_at_units(model, data, level, report=progress)

    return tasks.submit(("units", *store.version(run_id), level), compute, text="Looking at the units", retry=True)
