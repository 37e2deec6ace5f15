"""The explorer as a user works with it: pages, sliders, buttons, files and maps, found by what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright

from explorer import places
from tests.e2e.chromium import FLAGS, find

PAGES = tuple(place.title for place in places.PAGES)
AT_REST = """() => {
    const app = document.querySelector('[data-testid=stApp][data-test-connection-state=CONNECTED]');
    return app?.dataset.testScriptState === 'notRunning' && !document.querySelector('[data-stale=true]');
}"""
PATIENCE = 60_000  # ms; how long one step may take on a busy machine of two cores

expect.set_options(timeout=PATIENCE)


class Explorer:
    """One browser tab on the running explorer.

    Attributes:
        page: the Playwright page, for what this class has no word for.
        foreign: addresses outside this machine that the page asked for; the request itself is refused.
        console: errors that the browser's console reported.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.foreign: list[str] = []
        self.console: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.console.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.context.route(lambda address: not address.startswith((url, "data:", "blob:")), self._refuse)

    def _refuse(self, route: Route) -> None:
        self.foreign.append(route.request.url)
        route.abort()

    def open(self, address: str = "") -> None:
        """Go to an address of the explorer, as if it had been typed or followed from elsewhere."""
        self.page.goto(f"{self.url}/{address}")
        expect(self.page.locator("h1").first).to_be_visible()
        self.settle()

    def reload(self) -> None:
        """The browser's own reload."""
        self.page.reload()
        expect(self.page.locator("h1").first).to_be_visible()
        self.settle()

    def go(self, title: str) -> None:
        """Follow the navigation to another page and wait for its heading."""
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=False)
        link.click()
        expect(self.heading(title)).to_be_visible()
        self.settle()

    def heading(self, title: str) -> Locator:
        """The heading of a page."""
        return self.page.get_by_role("heading", level=1, name=title, exact=True)

    def settle(self) -> None:
        """Wait until the script has ended and nothing of an earlier page is left."""
        self.page.wait_for_timeout(120)  # what was just done reaches the server
        self.page.wait_for_function(AT_REST, polling=30)  # often: beside a training, pages rest for moments only

    def wait_for_background(self) -> None:
        """Wait until maps and other background work that shows its progress are done."""
        expect(self.page.get_by_test_id("stMain").get_by_test_id("stProgress")).to_have_count(0, timeout=5 * PATIENCE)
        self.settle()

    def failures(self) -> list[str]:
        """Exceptions, tracebacks and error messages on the page."""
        boxes = self.page.locator("[data-testid=stException], [data-testid=stAlertContentError]").all_inner_texts()
        text = self.page.locator("body").inner_text()
        return boxes + re.findall(r"Traceback[^\n]*", text)

    def button(self, name: str) -> Locator:
        """A button by its label."""
        return self.page.get_by_role("button", name=re.compile(rf"(^|\s){re.escape(name)}$")).first

    def press(self, name: str) -> None:
        """Press a button and wait for what it does."""
        self.button(name).click()
        self.settle()

    def slider(self, name: str) -> Locator:
        """A slider by its label."""
        return self.page.locator(f'input[type=range][aria-label="{name}"]')

    def slide(self, name: str, value: int | float | str) -> None:
        """Drag a slider until it reads like this, and let go."""
        slider, wanted = self.slider(name), str(value)
        slider.scroll_into_view_if_needed()
        if slider.get_attribute("aria-valuetext") == wanted:
            return
        track = (
            self.page.get_by_test_id("stSlider").filter(has=slider).locator("[role=group] > div").first.bounding_box()
        )
        thumb = slider.locator("xpath=ancestor::div[@data-rac][1]").bounding_box()
        assert track is not None
        assert thumb is not None
        lowest, highest = (int(slider.get_attribute(end) or 0) for end in ("min", "max"))
        mouse, y = self.page.mouse, thumb["y"] + thumb["height"] / 2
        mouse.move(thumb["x"] + thumb["width"] / 2, y)
        mouse.down()
        for step in range(highest - lowest + 1):
            mouse.move(track["x"] + track["width"] * step / (highest - lowest), y)
            if slider.get_attribute("aria-valuetext") == wanted:
                break
        mouse.up()
        self.settle()
        expect(slider).to_have_attribute("aria-valuetext", wanted)

    def type_number(self, name: str, value: int | float) -> None:
        """Fill a number field."""
        field = self.page.get_by_role("spinbutton", name=name).first
        field.fill(str(value))
        field.press("Enter")
        self.settle()

    def choose(self, name: str, option: str) -> None:
        """Choose from a drop-down list."""
        box = self.page.get_by_role("combobox", name=name).first
        box.click()
        self.page.get_by_role("option", name=option).first.click()
        self.settle()

    def pick(self, option: str) -> None:
        """Pick one of a row of choices (segmented control, pills, radio)."""
        self.page.get_by_role("radio", name=option, exact=True).first.click()
        self.settle()

    def upload(self, *files: Path) -> None:
        """Give files to the page's uploader."""
        self.page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(list(files))
        self.settle()

    def download(self, name: str, folder: Path) -> Path:
        """Press a download button and keep the file."""
        with self.page.expect_download() as started:
            self.button(name).click()
        target = folder / started.value.suggested_filename
        started.value.save_as(target)
        return target

    def lasso(self, chart: Locator, inside: float = 0.8) -> None:
        """Draw a loop with the mouse around the middle of a chart; `inside` is its share of the plot's width."""
        surface = chart.locator(".nsewdrag").first
        expect(surface).to_be_visible()
        surface.scroll_into_view_if_needed()
        self.settle()
        area = surface.bounding_box()
        assert area is not None
        x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
        dx, dy = inside * area["width"] / 2, inside * area["height"] / 2
        corners = [(-dx, -dy), (0, -dy), (dx, -dy), (dx, 0), (dx, dy), (0, dy), (-dx, dy), (-dx, 0), (-dx, -dy)]
        mouse = self.page.mouse
        mouse.move(x - dx, y - dy)
        mouse.down()
        for cx, cy in corners[1:]:
            mouse.move(x + cx, y + cy, steps=4)
        mouse.up()
        self.settle()


@contextmanager
def launched() -> Iterator[Browser]:
    """A Chromium for the length of a `with` block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, *, dark: bool = False, width: int = 1280, height: int = 900) -> BrowserContext:
    """A fresh profile: no cookies, downloads allowed."""
    return browser.new_context(
        accept_downloads=True,
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        reduced_motion="reduce",
    )
