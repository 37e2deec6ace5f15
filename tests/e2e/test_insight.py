"""What the stack learned, asked in a real browser: on MNIST, on a table and on pictures of the user's own.

The runs are trained beforehand in the server's workspace; a page finds each by its address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

import sae_core as sae
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack
from sae_core.runs.workspace import Workspace
from tests.e2e import files
from tests.e2e.driver import Explorer, new_context
from tests.server.running import Server

pytestmark = pytest.mark.browser

MAKE: dict[str, Callable[[Path], Dataset]] = {
    "mnist": lambda _: sae.load_sample("mnist"),
    "table": lambda folder: sae.read_table(files.write_csv(folder / "things.csv"), label="species"),
    "pictures": lambda folder: sae.read_images(files.write_zip(folder / "shapes.zip")),
}
UNITS = {"mnist": (32, 8), "table": (6, 2), "pictures": (48, 2)}
EPOCHS = {"mnist": 2, "table": 20, "pictures": 10}


@dataclass(frozen=True)
class Case:
    """A finished run, and a tab that looks at it."""

    tab: Explorer
    run: str
    data: Dataset
    model: TrainedStack

    def see(self, page: str) -> Explorer:
        """Go to a page of the run, and wait until all of it is there."""
        self.show(page)
        self.tab.wait_for_background()
        return self.tab

    def show(self, page: str) -> None:
        """Go to a page of the run: by the navigation where the tab shows the run already, which is sooner there."""
        if f"run={self.run}" in self.tab.page.url:
            self.tab.go(page)
        else:
            self.tab.open(f"{page.lower()}?run={self.run}")

    def see_maps(self) -> Explorer:
        """The Codes page with maps by PCA: those by UMAP, which take long for many rows, are not waited for."""
        self.show("Codes")
        self.tab.pick("PCA")
        self.tab.wait_for_background()
        return self.tab

    def has_no_failure(self) -> None:
        assert self.tab.failures() == []


@pytest.fixture(scope="module", params=list(MAKE))
def case(
    request: pytest.FixtureRequest, browser: Browser, explorer_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    name = request.param
    data = MAKE[name](tmp_path_factory.mktemp(name))
    epochs = EPOCHS[name]
    config = sae.StackConfig(
        layers=UNITS[name], epochs=epochs, softmax_epochs=epochs, fine_tune_epochs=epochs, batch_size=64
    )
    job = sae.start_job(data, config, workspace=Workspace(explorer_server.workspace), name=name)
    context = new_context(browser)
    yield Case(Explorer(context.new_page(), explorer_server.url), job.id, data, job.result())
    context.close()


def search(tab: Explorer, text: str) -> None:
    """Choose rows by a search in the selection bar."""
    tab.button("Choose").click()
    field = tab.page.get_by_role("textbox", name="Search")
    field.fill(text)
    field.press("Enter")
    tab.settle()
    tab.page.keyboard.press("Escape")
    tab.settle()


def bar_says(tab: Explorer, words: str) -> None:
    """What the selection bar says, once the page has caught up."""
    expect(tab.page.locator(".st-key-selection-bar")).to_contain_text(words)


def test_one_selection_on_every_page(case: Case, tmp_path: Path) -> None:
    tab = case.see_maps()
    search(tab, "0-11")
    bar_says(tab, "12 rows")
    for page in ("Reconstructions", "Classification", "Inside", "Levels", "Journey", "Codes"):
        tab.go(page)
        tab.wait_for_background()
        bar_says(tab, "12 rows")
    frame = pd.read_csv(tab.download("CSV", tmp_path))
    assert frame["row"].tolist() == list(range(12))
    label = next(name for name in frame.columns if name.startswith(case.data.label_name))
    assert frame[label].astype(str).tolist() == [str(value) for value in case.data.y[:12]]
    tab.press("Invert")
    bar_says(tab, f"{len(case.data) - 12:,} rows")
    tab.press("Clear")
    bar_says(tab, "No rows chosen")
    case.has_no_failure()


def on_maps(tab: Explorer) -> list[int]:
    """How many rows stand out on each map, by what is drawn there."""
    script = """() => [...document.querySelectorAll('.map-chart')].map(map => {
        const sheet = map.querySelector('.chosen-points');
        const pixels = sheet.getContext('2d').getImageData(0, 0, sheet.width, sheet.height).data;
        const drawn = pixels.some(value => value > 0);
        const back = map.querySelector('.gl-container').style.opacity !== '';
        const rows = Number(sheet.dataset.chosen);
        return drawn === (rows > 0) && back === (rows > 0) ? rows : -1;
    })"""
    found: list[int] = tab.page.evaluate(script)
    return found


def become(tab: Explorer, wanted: list[int]) -> None:
    """Wait until so many rows stand out on the maps."""
    for _ in range(50):
        if on_maps(tab) == wanted:
            return
        tab.page.wait_for_timeout(100)
    assert on_maps(tab) == wanted


def test_rows_lassoed_on_one_map_stand_out_on_all(case: Case) -> None:
    tab = case.see_maps()
    n_maps = case.model.n_levels + 1
    first = tab.page.locator(".map-chart").first
    tab.lasso(first, 0.5)
    said = tab.page.locator(".st-key-selection-bar").get_by_text(re.compile(r"^[\d,]+ rows?( ·|$)")).inner_text()
    chosen = int(said.split()[0].replace(",", ""))
    assert 0 < chosen <= len(case.data)
    become(tab, [chosen] * n_maps)
    place = tab.page.evaluate(
        """() => {
            const map = document.querySelector('.map-chart'), {xaxis, yaxis} = map._fullLayout;
            const trace = map._fullData.find(({x}) => x.length), box = map.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.d2p(trace.x[0]), box.y + yaxis._offset + yaxis.d2p(trace.y[0])];
        }"""
    )
    tab.page.mouse.move(*place)
    tab.page.mouse.click(*place)
    tab.settle()
    bar_says(tab, "1 row")
    become(tab, [1] * n_maps)
    tab.press("Clear")
    bar_says(tab, "No rows chosen")
    become(tab, [0] * n_maps)
    case.has_no_failure()


def test_one_map_in_which_points_travel(case: Case) -> None:
    tab = case.see_maps()
    tab.pick("Animated")
    tab.wait_for_background()
    frames = "[...document.querySelectorAll('.js-plotly-plot')].flatMap(p => (p._transitionData || {})._frames || [])"
    names = tab.page.evaluate(f"() => {frames}.map(frame => frame.name)")
    assert len(names) >= case.model.n_levels + 1
    points = tab.page.evaluate(
        f"() => {frames}.map(f => f.data.reduce((n, t) => n + (t.x ? (t.x.length || Object.keys(t.x).length) : 0), 0))"
    )
    assert min(points) > 0
    tab.pick("Side by side")
    case.has_no_failure()


def traces(tab: Explorer, chart: str, row: int = 0) -> list[dict[str, Any]]:
    """Of every trace of a map: name, title of its axis, number of points, and where a row and the first point lie."""
    script = """([key, row]) => {
        const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
        const axis = plot._fullLayout.xaxis.title.text;
        return plot._fullData.map(({name, x, y, customdata}) => {
            const place = i => x && i >= 0 && i < x.length ? [x[i], y[i]] : null;
            const rows = [...(customdata || [])];
            return {name, axis, points: x ? x.length : 0, first: place(0), of_row: place(rows.indexOf(row))};
        });
    }"""
    found: list[dict[str, Any]] = tab.page.evaluate(script, [chart, row])
    return found


def traces_when(tab: Explorer, chart: str, what: str, begins: str, row: int = 0) -> list[dict[str, Any]]:
    """The traces of a map once one of them has a name or an axis that begins like this."""
    for _ in range(100):
        found = traces(tab, chart, row)
        if any(trace[what].startswith(begins) for trace in found):
            return found
        tab.page.wait_for_timeout(100)
    raise AssertionError(f"{chart} shows no {what} {begins!r}: {found}")


def test_maps_of_every_method_and_new_rows_on_them(case: Case, tmp_path: Path) -> None:
    if case.data.image_shape is None or len(case.data) > 1_000:
        pytest.skip("the small pictures show the same sooner")
    tab = case.see("Codes")
    for method, axis in (("t-SNE", "t-SNE 1"), ("Aligned UMAP", "UMAP 1"), ("PCA", "PCA 1")):
        tab.pick(method)
        tab.wait_for_background()
        for level in range(case.model.n_levels + 1):
            drawn = traces_when(tab, f"map-{case.model.n_levels}-{level}", "axis", axis)
            assert sum(trace["points"] for trace in drawn) == len(case.data)
    # A row of the data itself, brought as a file, lies where it lies already.
    file = tmp_path / "one.png"
    pixels = np.asarray(case.data.features[7]).reshape(case.data.image_shape)
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8).squeeze()).save(file)
    tab.press("Place rows")
    tab.upload(file)
    tab.press("Place these rows")
    tab.page.keyboard.press("Escape")
    tab.wait_for_background()
    for level in range(case.model.n_levels + 1):
        drawn = traces_when(tab, f"map-{case.model.n_levels}-{level}", "name", "placed rows", row=7)
        (placed,) = (trace for trace in drawn if trace["name"] == "placed rows")
        (own,) = (trace["of_row"] for trace in drawn if trace["of_row"] and trace["name"] != "placed rows")
        assert placed["points"] == 1
        assert placed["first"] == pytest.approx(own, abs=1e-3), level
    tab.press("Place rows")
    tab.press("Take them off")
    case.has_no_failure()


def test_a_click_on_a_cell_chooses_its_rows(case: Case) -> None:
    tab = case.see("Classification")
    chart = ".st-key-class-confusion-None .js-plotly-plot"
    plot = tab.page.locator(chart)
    plot.scroll_into_view_if_needed()
    tab.settle()
    # the fullest cell off the diagonal, or on it where there is no mistake
    cell = tab.page.evaluate(
        """chart => {
            const plot = document.querySelector(chart), {xaxis, yaxis} = plot._fullLayout;
            const text = plot.data.find(trace => trace.customdata).customdata.map(([i, j, said]) => ({
                i, j, rows: Number(said.split("<br>")[1].split(" ")[0].replaceAll(",", ""))}));
            text.sort((a, b) => (a.i === a.j) - (b.i === b.j) || b.rows - a.rows);
            const best = text.find(each => each.rows > 0), box = plot.getBoundingClientRect();
            return {
                ...best, x: box.x + xaxis._offset + xaxis.d2p(best.j), y: box.y + yaxis._offset + yaxis.d2p(best.i)};
        }""",
        chart,
    )
    tab.page.mouse.click(cell["x"], cell["y"])
    tab.settle()
    expect(tab.page.locator(".st-key-selection-bar")).to_contain_text(f"{cell['rows']:,} row")
    part = case.data.split.test if len(case.data.split.test) else case.data.split.validation
    said = case.model.predict(case.data.take(part))
    of_cell = (case.data.y[part] == case.model.classes[cell["i"]]) & (said == case.model.classes[cell["j"]])
    assert int(of_cell.sum()) == cell["rows"]
    tab.press("Clear")
    case.has_no_failure()


def test_a_chart_is_saved_with_the_keyboard_alone(case: Case, tmp_path: Path) -> None:
    if len(case.data) < 1_000:
        pytest.skip("one is enough")
    tab = case.see("Reconstructions")
    keyboard = tab.page.keyboard
    tab.page.locator("[class*=st-key-recon-][class*=-save] button").first.focus()
    keyboard.press("Enter")  # the menu takes the keyboard over
    saved = {}
    for name in ("Picture as PNG", "Picture as SVG", "Numbers as CSV"):
        expect(tab.page.get_by_role("button", name=name)).to_be_focused()
        with tab.page.expect_download() as started:
            keyboard.press("Enter")
        target = tmp_path / started.value.suggested_filename
        started.value.save_as(target)
        saved[target.suffix] = target
        keyboard.press("Tab")
    with Image.open(saved[".png"]) as picture:
        assert min(picture.size) > 100
        assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 2, "nothing is drawn"
    assert ElementTree.parse(saved[".svg"]).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert len(pd.read_csv(saved[".csv"])) > 0
    keyboard.press("Escape")
    case.has_no_failure()


def test_whether_another_level_pays_is_said_with_its_grounds(case: Case) -> None:
    tab = case.see("Levels")
    verdict = tab.page.locator(".st-key-verdict").inner_text()
    assert re.search(r"level", verdict, re.IGNORECASE)
    assert re.search(r"\d", verdict), "no grounds"
    case.has_no_failure()


def test_units_show_what_they_see_and_give_their_rows(case: Case) -> None:
    tab = case.see("Inside")
    unit = tab.page.get_by_role("combobox", name="Unit", exact=True)
    if case.data.image_shape is not None:  # their weights are pictures, and a click chooses one
        before = unit.input_value()
        area = tab.page.locator(".js-plotly-plot").first.locator(".nsewdrag").first.bounding_box()
        assert area is not None
        tab.page.mouse.click(area["x"] + area["width"] * 0.55, area["y"] + area["height"] * 0.25)
        tab.settle()
        expect(unit).not_to_have_value(before)
    tab.press("Choose these rows")
    bar_says(tab, "24 rows")
    tab.press("Clear")
    case.has_no_failure()


def drawn(tab: Explorer) -> str:
    """Everything that the page's charts show, as text."""
    plots = "[...document.querySelectorAll('.js-plotly-plot')].map(p => [p.data, p.layout.images])"
    return str(tab.page.evaluate(f"() => JSON.stringify({plots})"))


def test_a_code_is_decoded_by_hand(case: Case) -> None:
    tab = case.see("Inside")
    tab.pick("Decode by hand")
    tab.wait_for_background()
    before = drawn(tab) + tab.page.get_by_test_id("stMain").inner_text()
    slider = tab.page.get_by_test_id("stMain").locator("input[type=range]").first
    for _ in range(20):  # the first keys may meet a page that is still being drawn
        slider.focus()
        for _ in range(12):
            slider.press("ArrowRight")
        tab.settle()
        tab.page.wait_for_timeout(500)
        if drawn(tab) + tab.page.get_by_test_id("stMain").inner_text() != before:
            break
    else:
        pytest.fail("moving a slider changed nothing")
    case.has_no_failure()


def test_one_row_through_the_stack(case: Case) -> None:
    row = int(case.data.split.held_out()[3])
    tab = case.see("Journey")
    tab.type_number("Row", row)
    tab.wait_for_background()
    main = tab.page.get_by_test_id("stMain")
    expect(main).to_contain_text(f"Row {row:,} ·")
    said = str(case.model.predict(case.data.take([row]))[0])
    expect(main.get_by_text(said, exact=False).first).to_be_visible()
    tab.press("Select this row")
    bar_says(tab, "1 row")
    tab.press("Clear")
    tab.press("Next")
    expect(main).to_contain_text(f"Row {row + 1:,} ·")
    case.has_no_failure()


def test_outliers_are_those_beyond_the_threshold(case: Case) -> None:
    tab = case.see("Reconstructions")
    tab.page.get_by_role("tab", name="Outliers").click()
    tab.wait_for_background()
    listed = tab.page.get_by_text(re.compile(r"^[\d,]+ rows? above")).first
    shown = int(listed.inner_text().split()[0].replace(",", ""))
    tab.press("Select these rows")
    bar_says(tab, f"{shown:,} row")
    tab.press("Clear")
    case.has_no_failure()


def test_rows_that_fine_tuning_turned_round_are_counted(case: Case) -> None:
    tab = case.see("Classification")
    tab.page.get_by_role("tab", name="Frozen against fine-tuned").click()
    tab.wait_for_background()
    rows = case.data.split.test if len(case.data.split.test) else case.data.split.validation
    truth = case.data.y[rows]
    taken = case.data.take(rows)
    frozen = case.model.predict(taken, level=case.model.n_levels) == truth
    tuned = case.model.predict(taken) == truth
    metrics = tab.page.get_by_test_id("stMetric").all_inner_texts()
    numbers = dict(re.split(r"\n+", text.strip())[:2] for text in metrics if "\n" in text.strip())
    assert int(numbers["Wrong to right"].replace(",", "")) == int(np.sum(tuned & ~frozen))
    assert int(numbers["Right to wrong"].replace(",", "")) == int(np.sum(frozen & ~tuned))
    case.has_no_failure()


def test_greedy_joint_and_pca_side_by_side(case: Case) -> None:
    tab = case.see("Experiments")
    tab.press("Train all three")
    expect(tab.button("Train all three")).to_be_enabled(timeout=180_000)
    tab.wait_for_background()
    expect(tab.page.get_by_test_id("stMetric").filter(has_text="Variance given back")).to_have_count(4)
    assert re.search(r"\d", tab.page.locator(".st-key-contest-summary").inner_text())
    case.has_no_failure()
    tab.reload()
    expect(tab.page.get_by_test_id("stMetric").filter(has_text="Variance given back")).to_have_count(4)
    tab.press("Open joint")
    expect(tab.page.get_by_test_id("stSidebar").get_by_text(re.compile(r" joint$"))).to_be_visible()
    case.has_no_failure()


def test_what_pretraining_is_worth_with_few_labels(case: Case) -> None:
    tab = case.see("Experiments")
    tab.pick("With and without pretraining")
    tab.slide("Repeated over seeds", 1)
    tab.press("Start")
    expect(tab.button("Start")).to_be_enabled(timeout=180_000)
    tab.wait_for_background()
    expect(tab.page.get_by_test_id("stMain").locator(".js-plotly-plot").first).to_be_visible()
    lines = tab.page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(p => p.data).filter(t => t.y && t.y.length)"
        ".map(t => t.name)"
    )
    assert len(lines) >= 2
    case.has_no_failure()
