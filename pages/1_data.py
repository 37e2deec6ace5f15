"""Data: choose a sample or bring a file, and see what was understood."""

from __future__ import annotations

import streamlit as st

from explorer.widgets import dataset, rows, sources, upload
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.selection import selection_bar
from explorer.widgets.text import literal
from sae_core.analysis.selection import as_rows

session = begin_page(
    "Data", intro="Choose a sample or bring a file of your own; nothing leaves this machine.", needs="nothing"
)

samples, own, stored = st.tabs(["Samples", "Your own file", "Stored"], key="data-source", on_change="rerun")
for tab, show in ((samples, sources.sample_cards), (own, upload.own_file), (stored, sources.stored_list)):
    if tab.open:
        with tab, guarded():
            show(session)

data = session.data
if data is not None:
    st.divider()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"In use: {literal(data.name)}", anchor=False, width="stretch")
        next_step("design", label="Design the stack", primary=False)
        next_step("train", label="Train", icon=":material/play_arrow:")
    if len(session.selection):
        with guarded():
            selection_bar(session, data)
    left, right = st.columns([3, 2], gap="medium")
    with left, guarded():
        dataset.show_summary(data)
        dataset.show_rows(data, key="in-use", chosen=session.selection.rows)
        if len(session.selection):
            st.markdown("**Chosen rows**")
            rows.show_rows(data, as_rows(session.selection.array, len(data)), key="data-chosen", columns=14, cell=44)
    with right, guarded():
        dataset.split_editor(session)
