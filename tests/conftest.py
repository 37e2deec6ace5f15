"""What every test gets: a workspace of its own, few threads, and no job left running."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Two workers share two cores; must be set before numpy, torch and numba are imported.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
for _name in [name for name in os.environ if name.startswith("STREAMLIT_")]:
    del os.environ[_name]

ROOT = Path(__file__).resolve().parent.parent


BEGUN = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests first: they take longest, and wait for the browser while other tests use the cores."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Of several workers, one that does not begin with browser tests takes only what those leave of the cores."""
    if "PYTEST_XDIST_WORKER" in os.environ and not item.config.stash.get(BEGUN, False):
        item.config.stash[BEGUN] = True
        if hasattr(os, "nice") and item.get_closest_marker("browser") is None:
            os.nice(10)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Whole files go to one worker, so that what a file trains or compiles for all of its tests is made once.

    pytest-xdist's own `--dist=loadfile` would begin with the files that have most tests, not with the longest.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            # umap-learn, which some of these compare with, takes half a minute to compile
            return "tests/analysis" if nodeid.startswith("tests/analysis/") else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def workspace_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, named by SAE_WORKSPACE for this test alone."""
    folder = tmp_path_factory.mktemp("workspace")
    monkeypatch.setenv("SAE_WORKSPACE", str(folder))
    return folder


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_warmed() -> Iterator[None]:
    """Imports for pages that no test will open would only slow the tests down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explorer.warming.STEPS", ())
        yield


@pytest.fixture(autouse=True)
def _stop_jobs() -> Iterator[None]:
    """Jobs that a test leaves behind are stopped, so that they do not slow down or disturb the next one."""
    yield
    jobs = sys.modules.get("sae_core.jobs")
    if jobs is not None:
        for job in jobs.active_jobs():
            job.stop()
            job.join(30)
