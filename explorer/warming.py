"""What the later pages need, imported while nobody waits for it.

A thread begins when the first page was served and goes on only while every tab is at rest and nothing trains: a visitor
who clicks meanwhile waits for the step under way at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from importlib import import_module

from sae_core import lazy
from sae_core.jobs import active_jobs

REST = 0.7  # seconds without a page run that count as rest
PAUSE = 0.1  # seconds between two steps

log = logging.getLogger(__name__)
_lock = threading.Lock()
_thread: threading.Thread | None = None
_last_run = 0.0


def page_served() -> None:
    """Note that a page is being run; the first time, begin."""
    global _thread, _last_run
    _last_run = time.monotonic()
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_work, args=(STEPS,), name="warming", daemon=True)
            _thread.start()


def _work(steps: tuple[Callable[[], object], ...]) -> None:
    for step in steps:
        while not _at_rest():
            time.sleep(PAUSE)
        try:
            step()
        except Exception:  # the page that needs it will say what is wrong
            log.debug("Nothing was warmed by %r", step, exc_info=True)
        time.sleep(PAUSE)


def _at_rest() -> bool:
    return time.monotonic() - _last_run > REST and not active_jobs()


def _package(name: str) -> Callable[[], object]:
    return lambda: lazy.package(name)


def _module(name: str) -> Callable[[], object]:
    return lambda: import_module(name)


def _first_map() -> None:
    """Compiles the layout of maps, and makes plotly load what maps are made of."""
    import numpy as np

    from explorer.charts.maps import by_group, map_figure
    from sae_core.analysis.projections import MapSettings, level_maps

    rows = np.arange(12)
    points = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    for drawn in level_maps({0: lambda: points}, rows, MapSettings(neighbours=5)):
        map_figure(drawn, by_group("", ["a", "b"], rows % 2), title="").to_json()


STEPS: tuple[Callable[[], object], ...] = (
    _module("sae_core.model.trained"),
    _package("scipy.sparse"),
    _package("scipy.optimize"),
    _package("sklearn.utils.extmath"),
    _package("sklearn.neighbors"),
    _package("sklearn.metrics"),
    _package("numba"),
    _first_map,
    *(
        _module(f"explorer.widgets.{name}")
        for name in ("reconstructions", "outliers", "codes", "journey", "classification", "fine_tuning", "inside")
    ),
    *(
        _module(f"explorer.widgets.{name}")
        for name in ("decode", "levels", "compare", "compare_table", "contest", "label_shares", "sweep", "export")
    ),
    _module("sae_core.export.bundle"),
    _module("sae_core.export.codes"),
    _module("onnx"),
    _module("pyarrow.parquet"),
)
