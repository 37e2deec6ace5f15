"""How long it takes until chosen rows show, on MNIST (20,000 rows, 10,000 of them on the maps).

    python -m benchmarks.selection_latency [ROUNDS]

A real server, a real browser. On Codes, lassos of three sizes: from letting the mouse go until every map shows the
rows, until the bar names them, and until no text, element or picture changes any more. On the other pages, "Back" in
the bar: until it says so, and until nothing changes any more. The target is 400 ms until they show.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import sae_core as sae
from sae_core.runs.workspace import Workspace
from tests.e2e.driver import Explorer, launched, new_context
from tests.server.running import serve

LASSOS = {"small": 0.15, "medium": 0.35, "large": 0.7}  # share of the plot's width
PAGES = ("Data", "Reconstructions", "Classification", "Journey", "Inside", "Levels")
QUIET_MS = 1_000  # without a change, a page counts as complete
Times = dict[str, list[dict[str, float]]]

WATCH = """event => {
    const seen = window.seen = {}, now = () => performance.now() - seen.start;
    const bar = () => document.querySelector('.st-key-selection-bar')?.innerText;
    const said = bar(), main = document.querySelector('[data-testid=stMain]');
    document.addEventListener(event, () => { seen.start = performance.now(); }, {capture: true, once: true});
    const shown = () => requestAnimationFrame(() => { seen.maps = now(); });
    document.addEventListener('explorer-chosen', shown, {once: true});
    new MutationObserver(() => {
        if (!seen.start) return;
        if (!seen.bar && bar() !== said) seen.bar = now();
        seen.last = now();
    }).observe(main, {subtree: true, childList: true, characterData: true, attributeFilter: ["src"]});
}"""


def watched(explorer: Explorer, event: str, act: Any) -> dict[str, float]:
    """Milliseconds after an event of the mouse: maps, bar, last change."""
    explorer.page.evaluate(WATCH, event)
    act()
    explorer.page.wait_for_function(f"seen.last && performance.now() - seen.start - seen.last > {QUIET_MS}")
    found: dict[str, float] = explorer.page.evaluate("seen")
    return found


def on_maps(explorer: Explorer, rounds: int) -> Times:
    """Lassos on the map of the input."""
    explorer.go("Codes")
    explorer.pick("PCA")
    explorer.wait_for_background()
    times: Times = {name: [] for name in LASSOS}
    for _ in range(rounds):
        for name, width in LASSOS.items():
            chart = explorer.page.locator(".map-chart").first
            found = watched(explorer, "mouseup", lambda chart=chart, width=width: explorer.lasso(chart, width))
            rows = explorer.page.locator(".chosen-points").first.get_attribute("data-chosen")
            times[name].append({**found, "rows": float(rows or 0)})
    return times


def on_pages(explorer: Explorer, rounds: int) -> Times:
    """The selection before, on every page that shows it."""
    times: Times = {page: [] for page in PAGES}
    for page in PAGES:
        explorer.go(page)
        explorer.wait_for_background()
        for _ in range(rounds):
            explorer.press("Invert")
            explorer.page.wait_for_timeout(2 * QUIET_MS)
            times[page].append(watched(explorer, "mouseup", lambda: explorer.press("Back")))
    return times


def table(title: str, times: Times, columns: tuple[str, ...]) -> Table:
    """Median and worst of each line."""
    result = Table(title=title)
    result.add_column("")
    for name in columns:
        result.add_column(name if name == "rows" else f"{name}, median", justify="right")
        if name != "rows":
            result.add_column("worst", justify="right")
    for line, found in times.items():
        cells = []
        for name in columns:
            values = [each.get("last" if name == "complete" else name, float("nan")) for each in found]
            cells.append(f"{statistics.median(values):,.0f}" + ("" if name == "rows" else " ms"))
            if name != "rows":
                cells.append(f"{max(values):,.0f} ms")
        result.add_row(line, *cells)
    return result


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server, launched() as browser:
        data = sae.load_sample("mnist")
        config = sae.StackConfig(layers=(256, 64, 16), epochs=1, softmax_epochs=1, fine_tune_epochs=1)
        job = sae.start_job(data, config, workspace=Workspace(server.workspace), name="latency")
        job.result()
        explorer = Explorer(new_context(browser, width=1440, height=1250).new_page(), server.url)
        explorer.open(f"codes?run={job.id}")
        explorer.wait_for_background()
        lassos = on_maps(explorer, rounds)
        console.print(table("A lasso on one of four maps of 10,000 rows", lassos, ("rows", "maps", "bar", "complete")))
        console.print(table("The selection before, on other pages", on_pages(explorer, rounds), ("bar", "complete")))
        console.print(f"{os.cpu_count()} cores, Chromium without a GPU.")


if __name__ == "__main__":
    main()
