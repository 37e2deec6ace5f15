"""A plotly chart that is updated in place.

`st.plotly_chart` makes the figure part of the element's identity, also with a key (Streamlit 1.67): the browser takes a
chart down and builds another one whenever its data change, and at two changes a second it flickers. Here the key alone
is the identity, and plotly.js, from the plotly package itself, moves the chart that is there to the new figure.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go

from explorer.charts.style import CHART_CONFIG

HTML = '<div class="live-chart" role="img"></div>'
CSS = """
.live-chart { width: 100%; overflow: hidden; color: var(--st-text-color); }
.live-chart .modebar { display: none; }
"""


@cache
def _component() -> tuple[Any, str]:
    from streamlit.components.v1 import declare_component
    from streamlit.components.v2 import component

    # Only for its address, under which the browser finds plotly.min.js; nothing of it is ever mounted.
    library = declare_component("plotly", path=Path(plotly.__file__).parent / "package_data")
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    address = f"component/{library.name}/plotly.min.js"
    return component("explorer_live_chart", html=HTML, css=CSS, js=script, isolate_styles=False), address


def live_chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure that changes often.

    Args:
        key: unique on the page, the same as long as it is the same chart.
        alt: what it shows, for screen readers.
    """
    height = int(figure.layout.height or 450)
    mount, library = _component()
    spec = figure.to_json(validate=False)
    mount(
        data={"figure": spec, "config": CHART_CONFIG, "height": height, "alt": alt, "library": library},
        key=key,
        height=height,
    )
