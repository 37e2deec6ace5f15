"""Codes: maps of the input and of every level, side by side or as one that moves."""

from __future__ import annotations

import streamlit as st

from explorer import insights
from explorer.charts.maps import LEGEND_WIDTH
from explorer.insights import Atlas
from explorer.session import Session
from explorer.widgets import codes as parts
from explorer.widgets.frame import guarded, next_step
from explorer.widgets.looking import look_at_run
from explorer.widgets.map_settings import colour_selector, colouring_of, map_settings
from explorer.widgets.place import place_menu
from explorer.widgets.selection import selection_bar
from sae_core.analysis.projections import LevelMap, Method

VIEWS = {"beside": "Side by side", "travel": "Animated"}


@st.fragment
def maps(session: Session, run_id: str, found: Atlas, drawn: list[LevelMap], method: Method, travel: bool) -> None:
    """Colours and selections change without the rest of the page."""
    with guarded():
        selection_bar(session, found.data)
    with guarded():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            left, right = st.container(width=270), st.container(width=LEGEND_WIDTH)
        with left:
            option = colour_selector(found.data, found.model)
        with right:
            colouring = colouring_of(run_id, found.data, option, fine_tuned=found.fine_tuned)
            parts.show_colours(colouring)
        if travel:
            parts.show_travel(session, found, drawn, colouring, method)
            return
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            if found.data.image_shape is not None:
                st.toggle(
                    "Pictures on the maps",
                    key="codes-pictures",
                    persist_state="session",
                    help="Some rows as small pictures, spread over each map.",
                )
            place_menu(session, found)
        parts.show_maps(session, found, drawn, colouring, method)


at = look_at_run(
    "Codes",
    intro="Every row as a point, from the input to the deepest code: see which rows each level brings together.",
    bar=False,  # stands with the maps
)
with guarded():
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        settings, fine_tuned, limit = map_settings(at.model, at.data)
        view = st.segmented_control(
            "View",
            list(VIEWS),
            default="beside",
            required=True,
            key="codes-view",
            format_func=lambda name: VIEWS[name],
            persist_state="session",
            help="Side by side: a map for each level, in which rows can be chosen. Animated: one map in which points "
            "travel from level to level.",
        )
        travel = view == "travel"
        levels = list(range(at.model.n_levels + 1)) if travel else parts.level_selector(at.model)
    found = insights.atlas(at.run_id, settings, fine_tuned=fine_tuned, limit=limit)
    st.caption(parts.sample_note(found, settings.method))
    drawn = parts.draw(at.session, found, settings.method, levels)
    if drawn:
        maps(at.session, at.run_id, found, drawn, settings.method, travel)
if at.model.is_classifier:
    next_step("classification", label="How well do the classes come apart?")
else:
    next_step("export", label="Take the encoder away")
