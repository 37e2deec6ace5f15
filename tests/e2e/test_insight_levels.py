"""Experiments, Levels and Inside in a real browser: what is trained there, and what comes of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.driver import Explorer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TRAINING = 240_000  # ms; how long three trainings may take on a busy machine


def metrics(explorer: Explorer, label: str) -> Locator:
    return explorer.page.get_by_test_id("stMetric").filter(has_text=label)


def picture(explorer: Explorer) -> str:
    """The picture that the code is decoded to right now."""
    image = explorer.page.locator(".st-key-decode-picture image").first
    expect(image).to_be_visible()
    return str(image.evaluate("image => image.getAttribute('xlink:href') || image.getAttribute('href')"))


def test_three_ways_their_levels_and_what_is_inside(explorer: Explorer) -> None:
    explorer.open("experiments?data=digits")
    explorer.press("Train all three")
    expect(metrics(explorer, "Fine-tuned")).to_have_count(3, timeout=TRAINING)
    expect(metrics(explorer, "Variance given back")).to_have_count(4)
    explorer.wait_for_background()
    expect(explorer.page.get_by_text(re.compile(r"of its variance")).first).to_be_visible()
    explorer.reload()
    expect(metrics(explorer, "Variance given back")).to_have_count(4)
    explorer.press("Open joint")
    explorer.wait_for_background()
    assert explorer.failures() == []

    explorer.go("Levels")
    explorer.wait_for_background()
    expect(explorer.page.get_by_text(re.compile(r"a linear classifier gets")).first).to_be_visible()
    expect(explorer.page.locator(".js-plotly-plot")).to_have_count(6)
    assert explorer.failures() == []

    explorer.go("Inside")
    explorer.wait_for_background()
    unit = explorer.page.get_by_role("combobox", name="Unit", exact=True)
    before = unit.input_value()
    wall = explorer.page.locator(".js-plotly-plot").first.locator(".nsewdrag").first
    area = wall.bounding_box()
    assert area is not None
    explorer.page.mouse.click(area["x"] + area["width"] * 0.55, area["y"] + area["height"] * 0.25)
    explorer.settle()
    expect(unit).not_to_have_value(before)
    explorer.press("Choose these rows")
    expect(explorer.page.get_by_text("24 rows", exact=True).first).to_be_visible()

    explorer.pick("Decode by hand")
    explorer.wait_for_background()
    drawn = picture(explorer)
    slider = explorer.page.locator("input[type=range]").first
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    explorer.settle()
    explorer.page.wait_for_timeout(1000)
    assert picture(explorer) != drawn
    assert explorer.failures() == []
