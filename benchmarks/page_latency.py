"""How long switching pages takes in the real application: at rest, and while a stack is in training.

    python -m benchmarks.page_latency [ROUNDS]

A real server, a real browser. "Shown" is the time from the click to the new page's heading, "complete" until its script
has ended. The target is under one second to the heading while training, on two cores.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect
from rich.console import Console
from rich.table import Table

from tests.e2e.driver import PAGES, Explorer, launched, new_context
from tests.server.running import serve

Times = dict[str, list[tuple[float, float]]]


def measure(explorer: Explorer, rounds: int) -> Times:
    """Seconds until shown and until complete, for each page and round."""
    times: Times = {title: [] for title in PAGES}
    for _ in range(rounds):
        for title in PAGES:
            link = explorer.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=False)
            if explorer.heading(title).is_visible():
                explorer.go(PAGES[PAGES.index(title) - 1])
            started = time.perf_counter()
            link.click()
            explorer.heading(title).wait_for(state="visible")
            shown = time.perf_counter() - started
            explorer.settle()
            times[title].append((shown, time.perf_counter() - started))
            explorer.page.wait_for_timeout(300)
    return times


def table(title: str, times: Times) -> Table:
    """Median and worst of each page."""
    result = Table(title=title)
    result.add_column("Page")
    for name in ("shown, median", "shown, worst", "complete, median", "complete, worst"):
        result.add_column(f"{name} (s)", justify="right")
    for page, pairs in times.items():
        columns = [column(values) for values in zip(*pairs, strict=True) for column in (statistics.median, max)]
        result.add_row(page, *(f"{value:.2f}" for value in columns))
    return result


def start_long_training(explorer: Explorer) -> None:
    """Train the default MNIST stack."""
    explorer.go("Train")
    explorer.press("Start training")
    expect(explorer.button("Pause")).to_be_visible()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    console = Console()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server, launched() as browser:
        explorer = Explorer(new_context(browser).new_page(), server.url)
        explorer.open()
        measure(explorer, 1)  # the first visit imports what the page needs
        console.print(table("At rest, nothing trained", measure(explorer, rounds)))
        start_long_training(explorer)
        console.print(table("While the default MNIST stack trains", measure(explorer, rounds)))
        explorer.go("Train")
        running = explorer.button("Pause").is_visible()
        console.print(f"{os.cpu_count()} cores; training was {'still going on' if running else 'over'} at the end.")


if __name__ == "__main__":
    main()
