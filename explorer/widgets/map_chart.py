"""A map on which rows are chosen, and the chosen ones stand out.

The figure does not change when rows are chosen: the browser draws the chosen ones above plotly's points, which step
back, on every map of the page at once. `st.plotly_chart` would take each map down and build another one instead, and
send all that it knows of every point that a lasso has caught.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from explorer.charts.style import LINE
from explorer.session import Session
from explorer.widgets.plotly_library import library_address, script
from explorer.widgets.selection import choose_in_chart, how_chosen, outline_of, tell
from sae_core.analysis.selection import Combination

HTML = '<div class="map-chart" role="figure"></div>'
CSS = """
.map-chart { width: 100%; overflow: hidden; color: var(--st-text-color); background: var(--st-background-color); }
.map-chart:fullscreen { height: 100% !important; }
.map-chart .chosen-points { position: absolute; left: 0; top: 0; pointer-events: none; }
.map-chart .selectionlayer { display: none; }
"""


@cache
def _component() -> Any:
    from streamlit.components.v2 import component

    code = script("plotly_library", "chart_theme", "map_chart")
    return component("explorer_map", html=HTML, css=CSS, js=code, isolate_styles=False)


def map_chart(
    session: Session,
    figure: go.Figure,
    rows: NDArray[np.int64],
    *,
    key: str,
    alt: str,
    config: Mapping[str, Any],
    space: str = "",
) -> None:
    """Show a figure of `explorer.charts.maps`; a lasso, a box or a click on it chooses rows.

    Args:
        rows: (m,) those that lie on the map.
        key: of the map; also the selection's source.
        alt: what it shows, for screen readers.
        config: of plotly.
        space: what the map's coordinates are: the outline of a lasso is shown again only on the same ones.
    """
    height = int(figure.layout.height or 450)
    chosen = session.selection.array
    _component()(
        data={
            "figure": figure.to_json(validate=False),
            "config": dict(config),
            "height": height,
            "alt": alt,
            "library": library_address(),
            "chosen": chosen[np.isin(chosen, rows)].tolist(),
            "how": how_chosen(session),
            "outline": [[x.tolist(), y.tolist()] for x, y in outline_of(session, key, space)],
            "line": LINE,
        },
        key=key,
        height=height,
        on_choice_change=lambda: take(session, st.session_state.get(key), key=key, space=space),
    )
    tell(session)


def take(session: Session, state: Any, *, key: str, space: str = "") -> None:
    """Choose what the browser says was chosen on a map.

    Args:
        state: of the component: {"choice": {"rows", "how", "outline"}}, anything else is ignored.
    """
    choice = state.get("choice") if isinstance(state, Mapping) else None
    if not isinstance(choice, Mapping):
        return
    rows = [row for row in choice.get("rows") or () if isinstance(row, int) and row >= 0]
    outline = [
        (np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)) for x, y in choice.get("outline") or ()
    ]
    how = choice.get("how") if choice.get("how") in get_args(Combination) else None
    choose_in_chart(session, rows, key=key, how=how, outline=outline, space=space)
