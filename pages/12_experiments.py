"""Experiments: greedy against joint against PCA, and what pretraining is worth with few labels."""

from __future__ import annotations

import streamlit as st

from explorer.widgets import contest, label_shares
from explorer.widgets.frame import begin_page, guarded
from explorer.widgets.selection import selection_bar

WAYS, SHARES = "Greedy, joint, PCA", "With and without pretraining"

session = begin_page(
    "Experiments",
    intro="Is it worth learning level by level? One architecture, trained in several ways on the same rows.",
    needs="data",
)
data = session.data
assert data is not None
selection_bar(session, data)
shown = st.segmented_control(
    "Experiment", [WAYS, SHARES], default=WAYS, required=True, key="experiments-tab", label_visibility="collapsed",
    persist_state="session",
)  # fmt: skip
with guarded():
    (label_shares if shown == SHARES else contest).show(session, data)
