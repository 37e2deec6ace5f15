"""Buttons that save a chart of the page as a picture, for keyboard and mouse alike.

The browser draws the picture itself, with plotly.js from the plotly package: nothing else has to be installed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from explorer.widgets.plotly_library import library_address, script

HTML = """
<div class="save-picture">
<button type="button" data-format="png">Picture as PNG</button>
<button type="button" data-format="svg">Picture as SVG</button>
<div role="status"></div>
</div>
"""
CSS = """
.save-picture { font: 400 0.93rem var(--st-font); color: var(--st-text-color); }
.save-picture button {
  display: block; box-sizing: border-box; width: 100%; min-height: 2.5rem; margin: 0 0 0.5rem; padding: 0.25rem 0.75rem;
  font: inherit; color: inherit; cursor: pointer;
  background: transparent; border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
.save-picture button:last-of-type { margin-bottom: 0; }
.save-picture button:hover { color: var(--st-primary-color); border-color: var(--st-primary-color); }
.save-picture button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.save-picture button[aria-busy="true"] { opacity: 0.6; cursor: progress; }
.save-picture [role="status"] { margin-top: 0.5rem; font-size: 0.85rem; overflow-wrap: anywhere; }
.save-picture [role="status"]:empty { display: none; }
"""


@cache
def _component() -> Any:
    from streamlit.components.v2 import component

    # Not in a shadow root: the popover that holds the focus would not find the buttons there.
    return component(
        "explorer_picture", html=HTML, css=CSS, js=script("plotly_library", "picture"), isolate_styles=False
    )


def picture_buttons(chart: str, name: str, *, key: str) -> None:
    """Two buttons that save a chart as PNG and as SVG.

    Args:
        chart: the chart's key on the page.
        name: of the file.
        key: of the buttons.
    """
    _component()(data={"chart": chart, "name": name, "library": library_address()}, key=key)
