"""What the pages on levels, units and experiments ask of the engine, in the background and kept by run."""

from __future__ import annotations

from explorer import store, tasks
from explorer.tasks import Progress, Task
from sae_core.analysis import levels


def level_summaries(run_id: str) -> Task:
    """Every level in numbers: a tuple of `LevelSummary`, the input first."""
    model, data = store.model(run_id), store.dataset(run_id)

    def compute(progress: Progress) -> tuple[levels.LevelSummary, ...]:
        return levels.level_summaries(model, data, report=progress)

    return tasks.submit(("levels", *store.version(run_id)), compute, text="Looking at every level", retry=True)
