"""Codes: maps of the input and of every level, side by side."""

from __future__ import annotations

import streamlit as st

from explorer import insights, store
from explorer.insights import Atlas
from explorer.session import Session
from explorer.widgets import codes as parts
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.selection import selection_bar
from sae_core.analysis.projections import LevelMap, Method


@st.fragment
def maps(session: Session, run_id: str, found: Atlas, drawn: list[LevelMap], method: Method) -> None:
    """Colours and selections change without the rest of the page."""
    with guarded():
        selection_bar(session, found.data)
    with guarded():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            left, right = st.container(width=270), st.container(width="stretch")
        with left:
            option = parts.colour_selector(found.data, found.model.n_levels)
        with right:
            colouring = parts.colouring_of(run_id, found.data, option)
            parts.show_legend(colouring)
        parts.show_maps(session, found, drawn, colouring, method)


session = begin_page(
    "Codes",
    intro="Every row as a point, from the input to the deepest code: see which rows each level brings together.",
    needs="model",
)
run_id = session.run_id
assert run_id is not None
with guarded():
    model = store.model(run_id)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        settings, fine_tuned = parts.map_settings(model)
        levels = parts.level_selector(model)
    found = insights.atlas(run_id, settings, fine_tuned=fine_tuned)
    st.caption(parts.sample_note(found))
    drawn = parts.draw(session, found, settings.method, levels)
    if drawn:
        maps(session, run_id, found, drawn, settings.method)
    next_step("classification" if model.is_classifier else "export", label="Go on")
