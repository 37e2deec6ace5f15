"""Take the README's pictures from the real application: `make screenshots`.

A real server on an empty workspace, a real browser; the default MNIST stack is trained once, then every page is
photographed in the light theme, the best ones in the dark theme too. Pictures are reduced to a palette to stay small.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, expect  # noqa: E402

from sae_core.runs.workspace import Workspace  # noqa: E402
from tests.e2e.driver import PAGES, Explorer, launched, new_context  # noqa: E402
from tests.server.running import serve  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1440, 900
COLOURS = 160  # of the palette
DARK = ("Train", "Design", "Codes")
NOT_SHOWN = ("Data", "Train", "Sweep")  # photographed on the way, or with little to see after one run
TRAINING_SECONDS = 600  # at most


def photograph(explorer: Explorer, name: str) -> None:
    """The visible part of the page, as docs/images/NAME.png."""
    explorer.page.mouse.move(WIDTH - 2, 2)
    explorer.page.wait_for_timeout(1500)  # charts finish their drawing
    picture = Image.open(io.BytesIO(explorer.page.screenshot()))
    IMAGES.mkdir(parents=True, exist_ok=True)
    small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(IMAGES / f"{name}.png", optimize=True)
    print(f"docs/images/{name}.png  {(IMAGES / f'{name}.png').stat().st_size // 1024} KB", flush=True)


def tab(browser: Browser, url: str, *, dark: bool = False) -> Explorer:
    """A tab in one of the two themes."""
    return Explorer(new_context(browser, dark=dark, width=WIDTH, height=HEIGHT).new_page(), url)


def run_address(explorer: Explorer) -> str:
    """The run's part of the address."""
    return explorer.page.url.split("?", 1)[1]


def train(light: Explorer, dark: Explorer, workspace: Workspace) -> str:
    """Train, with pictures of both themes on the way; the run's address.

    No page looks on while the rest of the training is waited for: drawing without a GPU would take its time.
    """
    light.open("train")
    light.press("Start training")
    expect(light.button("Pause")).to_be_visible()
    light.page.wait_for_url("**run=*")
    address = run_address(light)
    dark.open(f"train?{address}")
    light.page.get_by_text("Level 3", exact=False).first.wait_for()
    wait_for_share(light, 0.35)
    photograph(light, "train-light")
    photograph(dark, "train-dark")
    for explorer in (light, dark):
        explorer.page.goto("about:blank")
    run = workspace.run(workspace.runs()[0].id)
    end = time.monotonic() + TRAINING_SECONDS
    while run.record.state != "finished" and time.monotonic() < end:
        time.sleep(1)
    return address


def wait_for_share(explorer: Explorer, share: float) -> None:
    """Wait until that share of the training is done."""
    bar = explorer.page.get_by_role("progressbar").first
    explorer.page.wait_for_function(
        "([bar, share]) => Number(bar.getAttribute('aria-valuenow')) >= 100 * share",
        arg=[bar.element_handle(), share],
        timeout=TRAINING_SECONDS * 1000,
    )


def wait_for_maps(explorer: Explorer) -> None:
    """Wait until the background work of a page is done."""
    expect(explorer.page.get_by_test_id("stProgress")).to_have_count(0, timeout=300_000)


def contest(explorer: Explorer) -> None:
    """Train the design in all three ways, out of sight."""
    explorer.press("Train all three")
    address = explorer.page.url
    explorer.page.goto("about:blank")
    time.sleep(60)
    explorer.page.goto(address)
    expect(explorer.button("Train all three")).to_be_enabled(timeout=TRAINING_SECONDS * 1000)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server, launched() as browser:
        light, dark = tab(browser, server.url), tab(browser, server.url, dark=True)
        light.open("data")
        photograph(light, "data-light")
        address = train(light, dark, Workspace(Path(folder) / "workspace"))
        for title in PAGES:
            if title in NOT_SHOWN:
                continue
            for explorer, theme in ((light, "light"), *(((dark, "dark"),) if title in DARK else ())):
                explorer.open(f"{title.lower()}?{address}")
                if title == "Experiments":
                    contest(explorer)
                explorer.page.wait_for_timeout(1000)  # what takes longer shows its progress by now
                wait_for_maps(explorer)
                explorer.settle()
                photograph(explorer, f"{title.lower()}-{theme}")


if __name__ == "__main__":
    main()
