"""The whole journey in a real browser: on MNIST, on a table and on pictures of the user's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, expect

from tests.e2e import files
from tests.e2e.driver import PAGES, Explorer, new_context

pytestmark = pytest.mark.browser

TRAINING = 240_000  # ms; how long a whole training may take on a busy machine

POINTS = """[...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot.data || [])
    .filter(trace => (trace.mode || '').includes('lines') && trace.x)
    .reduce((sum, trace) => sum + trace.x.length, 0)"""


def design(explorer: Explorer, units: tuple[int, ...], batch_size: int) -> None:
    """Set the sliders of the Design page; the values survive a look at another page."""
    explorer.go("Design")
    explorer.slide("Number of levels", len(units))
    for level, width in enumerate(units, start=1):
        explorer.slide(f"Units of level {level}", width)
    explorer.slide("Batch size", batch_size)
    explorer.go("Data")
    explorer.go("Design")
    for level, width in enumerate(units, start=1):
        expect(explorer.slider(f"Units of level {level}")).to_have_attribute("aria-valuetext", str(width))
    assert explorer.failures() == []


def points_of_curves(explorer: Explorer) -> int:
    """Points of all curves on the page."""
    return int(explorer.page.evaluate(f"() => {POINTS}"))


def wait_until_curves_grow(explorer: Explorer) -> None:
    """Two growths, so that it is a movement and not one drawing."""
    for _ in range(2):
        explorer.page.wait_for_function(f"before => {POINTS} > before", arg=points_of_curves(explorer))


def run_of(explorer: Explorer) -> str:
    """The run that the address names."""
    found = re.search(r"[?&]run=([^&]+)", explorer.page.url)
    assert found, explorer.page.url
    return found.group(1)


def watch_a_long_training(explorer: Explorer, browser: Browser | None = None) -> None:
    """Start, watch, pause, resume, leave, reload and, given a browser, look from a second tab, then stop."""
    explorer.type_number("Epochs per level", 5000)
    explorer.go("Train")
    explorer.button("Start training").click()
    expect(explorer.button("Pause")).to_be_enabled()
    wait_until_curves_grow(explorer)
    run = run_of(explorer)

    explorer.button("Pause").click()
    expect(explorer.button("Resume")).to_be_visible()
    explorer.settle()
    explorer.page.wait_for_timeout(1500)  # what was under way is drawn
    paused_at = points_of_curves(explorer)
    explorer.page.wait_for_timeout(1500)
    assert points_of_curves(explorer) == paused_at

    explorer.reload()  # in the middle
    assert run_of(explorer) == run
    explorer.button("Resume").click()
    expect(explorer.button("Pause")).to_be_visible()
    wait_until_curves_grow(explorer)

    explorer.go("Data")
    explorer.go("Train")
    assert run_of(explorer) == run
    expect(explorer.button("Pause")).to_be_visible()
    if browser is not None:
        look_from_a_second_tab(browser, explorer.url, run)

    explorer.button("Stop").click()
    expect(explorer.button("Start training")).to_be_enabled()
    expect(explorer.page.get_by_test_id("stMain").get_by_text("Stopped").first).to_be_visible()
    assert explorer.failures() == []


def look_from_a_second_tab(browser: Browser, url: str, run: str) -> None:
    """A tab of another profile finds the run by its address, in training."""
    context = new_context(browser)
    try:
        other = Explorer(context.new_page(), url)
        other.open(f"train?run={run}")
        assert run_of(other) == run
        expect(other.button("Pause")).to_be_visible()
        wait_until_curves_grow(other)
        assert other.failures() == []
    finally:
        context.close()


def train(explorer: Explorer, epochs: int) -> str:
    """Train a few epochs of every phase to the end; the run's id."""
    explorer.go("Design")
    explorer.type_number("Epochs per level", epochs)
    explorer.page.get_by_text("Phases: pretraining").click()
    for phase in ("Softmax, epochs", "Fine-tuning, epochs"):
        explorer.type_number(phase, epochs)
    explorer.go("Train")
    explorer.button("Start training").click()
    expect(explorer.button("Start training")).to_be_disabled()
    expect(explorer.button("Start training")).to_be_enabled(timeout=TRAINING)
    expect(explorer.page.get_by_test_id("stMain").get_by_text("Finished").first).to_be_visible()
    assert explorer.failures() == []
    return run_of(explorer)


def visit_every_page(explorer: Explorer, run: str) -> None:
    """Every page shows something of the run, and no failure."""
    for title in PAGES:
        explorer.go(title)
        assert explorer.failures() == [], title
        assert run_of(explorer) == run
        expect(explorer.page.locator("[class*=st-key-empty-]")).to_have_count(0)


def lasso_codes(explorer: Explorer) -> None:
    """Points that are caught in one map are listed beside it, and stay when another page was visited."""
    explorer.go("Codes")
    explorer.wait_for_background()
    explorer.lasso(explorer.page.locator(".map-chart").first)
    selected = explorer.page.get_by_test_id("stMain").get_by_text(re.compile(r"^[\d,]+ rows?( ·|:|$)"))
    expect(selected.first).to_be_visible()
    before = selected.first.inner_text()
    explorer.go("Data")
    explorer.go("Codes")
    expect(selected.first).to_have_text(before)
    assert explorer.failures() == []


def exported(explorer: Explorer, folder: Path) -> tuple[Path, pd.DataFrame]:
    """The ONNX file and the codes of all rows, as downloaded from the Export page."""
    explorer.go("Export")
    for name in ("ONNX", "bundle", "CSV", "Parquet"):
        prepare = explorer.button(f"Prepare {name}")
        expect(explorer.button(f"Download {name}").or_(prepare).first).to_be_visible()
        if prepare.is_visible():
            prepare.click()
        expect(explorer.button(f"Download {name}")).to_be_visible()
    explorer.wait_for_background()
    assert explorer.failures() == []
    onnx = explorer.download("Download ONNX", folder)
    return onnx, pd.read_csv(explorer.download("Download CSV", folder))


def check_onnx(path: Path, feeds: dict[str, NDArray[Any]], codes: NDArray[np.float32]) -> None:
    """onnxruntime gives the application's own codes for raw rows."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {entry.name for entry in session.get_inputs()} == set(feeds)
    (result,) = session.run(["code"], feeds)
    assert result.shape == codes.shape
    assert np.abs(result - codes).max() / max(1.0, np.abs(codes).max()) < 1e-4
    assert codes.std() > 0


def code_columns(frame: pd.DataFrame) -> NDArray[np.float32]:
    return frame.filter(regex=r"^code_\d+$").to_numpy(np.float32)


def test_on_mnist(explorer: Explorer, browser: Browser, downloads: Path) -> None:
    explorer.open()
    expect(explorer.heading("Data")).to_be_visible()
    expect(explorer.page.get_by_test_id("stSidebar").get_by_text("MNIST")).to_be_visible()
    design(explorer, (64, 16), batch_size=256)
    watch_a_long_training(explorer, browser)
    run = train(explorer, epochs=4)
    visit_every_page(explorer, run)
    lasso_codes(explorer)
    path, frame = exported(explorer, downloads)
    pixels = files.mnist_pixels()
    assert len(frame) == len(pixels)
    check_onnx(path, {"input": pixels[frame["row"]]}, code_columns(frame))


def bring(explorer: Explorer, file: Path) -> None:
    """Upload a file of the user's own and use it."""
    explorer.open("data")
    explorer.page.get_by_role("tab", name="Your own file").click()
    explorer.upload(file)
    use = explorer.button("Use this data set")
    expect(use).to_be_visible()
    explorer.wait_for_background()
    assert explorer.failures() == []
    use.click()
    expect(explorer.page.get_by_text(f"In use: {file.name}")).to_be_visible()
    expect(explorer.page.get_by_test_id("stSidebar").get_by_text(file.name)).to_be_visible()
    expect(explorer.page.get_by_test_id("stSidebar").get_by_text("3 classes")).to_be_visible()
    assert explorer.failures() == []


def table_feeds(file: Path, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    return {name: values[frame["row"]] for name, values in files.csv_feeds(file).items()}


def picture_feeds(file: Path, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    pixels = files.zip_pixels(file)
    (names,) = [frame[column] for column in frame if set(frame[column].astype(str)) == set(pixels)]
    return {"input": np.stack([pixels[name] for name in names])}


@pytest.mark.parametrize(
    ("name", "write", "feeds", "units"),
    [
        ("things.csv", files.write_csv, table_feeds, (6, 2)),
        ("shapes.zip", files.write_zip, picture_feeds, (64, 16)),
    ],
    ids=["table", "pictures"],
)
def test_on_own_file(
    explorer: Explorer,
    downloads: Path,
    name: str,
    write: Callable[[Path], Path],
    feeds: Callable[[Path, pd.DataFrame], dict[str, NDArray[Any]]],
    units: tuple[int, ...],
) -> None:
    file = write(downloads / name)
    bring(explorer, file)
    design(explorer, units, batch_size=2)  # slow enough to be watched
    watch_a_long_training(explorer)
    run = train(explorer, epochs=20)
    visit_every_page(explorer, run)
    lasso_codes(explorer)
    path, frame = exported(explorer, downloads)
    check_onnx(path, feeds(file, frame), code_columns(frame))
