from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.chromium import find
from tests.e2e.driver import Explorer, launched, new_context
from tests.server.running import ROOT, Server, serve

RESULTS = ROOT / "test-results"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if find() is None:
        message = "No Chromium was found; `python -m tests.e2e.chromium --install` installs one."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def explorer_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all browser tests."""
    with serve(tmp_path_factory.mktemp("explorer")) as running:
        yield running


@pytest.fixture
def explorer(browser: Browser, explorer_server: Server, request: pytest.FixtureRequest) -> Iterator[Explorer]:
    """A tab in a fresh profile; a picture of it goes to test-results/ when the test fails."""
    context = new_context(browser)
    tab = Explorer(context.new_page(), explorer_server.url)
    try:
        yield tab
        assert tab.foreign == [], "the page asked for something outside this machine"
    finally:
        if request.node.stash.get(FAILED, False):
            RESULTS.mkdir(exist_ok=True)
            name = re.sub(r"\W+", "-", request.node.name).strip("-")
            tab.page.screenshot(path=RESULTS / f"{name}.png", full_page=True)
            (RESULTS / f"{name}.log").write_text(explorer_server.printed() + "\n".join(tab.console), encoding="utf-8")
        context.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
