"""A plotly chart that is updated in place.

`st.plotly_chart` makes the figure part of the element's identity, also with a key (Streamlit 1.67): the browser takes a
chart down and builds another one whenever its data change, and at two changes a second it flickers. Here the key alone
is the identity, and plotly.js, from the plotly package itself, moves the chart that is there to the new figure.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import plotly.graph_objects as go

from explorer.charts.style import CHART_CONFIG
from explorer.widgets.plotly_library import library_address, script

HTML = '<div class="live-chart" role="img"></div>'
CSS = """
.live-chart { width: 100%; overflow: hidden; color: var(--st-text-color); }
.live-chart .modebar { display: none; }
"""


@cache
def _component() -> Any:
    from streamlit.components.v2 import component

    return component(
        "explorer_live_chart",
        html=HTML,
        css=CSS,
        js=script("plotly_library", "chart_theme", "live_chart"),
        isolate_styles=False,
    )


def live_chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure that changes often.

    Args:
        key: unique on the page, the same as long as it is the same chart.
        alt: what it shows, for screen readers.
    """
    height = int(figure.layout.height or 450)
    spec = figure.to_json(validate=False)
    _component()(
        data={"figure": spec, "config": CHART_CONFIG, "height": height, "alt": alt, "library": library_address()},
        key=key,
        height=height,
    )
