"""Data: choose a sample or bring a file, and see what was understood."""

from __future__ import annotations

import streamlit as st

from explorer.widgets import dataset, sources
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.text import literal

session = begin_page(
    "Data", intro="Choose a sample or bring a file of your own; nothing leaves this machine.", needs="nothing"
)

samples, own, stored = st.tabs(["Samples", "Your own file", "Stored"], key="data-source", on_change="rerun")
if samples.open:
    with samples, guarded():
        sources.sample_cards(session)
if own.open:
    with own, guarded():
        st.caption("Soon.")
if stored.open:
    with stored, guarded():
        sources.stored_list(session)

if session.data is not None:
    st.subheader(literal(session.data.name), anchor=False)
    left, right = st.columns([3, 2], gap="large")
    with left, guarded():
        dataset.show_summary(session.data)
        dataset.show_rows(session.data)
    with right, guarded():
        st.markdown("**Split**")
        dataset.split_editor(session)
    with st.container(horizontal=True):
        next_step("design", label="Design the stack")
        next_step("train", label="Train at once", icon=":material/play_arrow:")
