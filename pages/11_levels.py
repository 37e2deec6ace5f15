"""Levels: whether another level pays."""

from __future__ import annotations

import streamlit as st

from explorer import level_insights, store
from explorer.widgets import levels as parts
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.selection import selection_bar
from explorer.widgets.waiting import result_of
from sae_core.analysis.levels import input_unit

session = begin_page(
    "Levels",
    intro="Does another level pay? What each one keeps and loses, beside the input and PCA of equal width.",
    needs="model",
)
run_id = session.run_id
assert run_id is not None
with guarded():
    data, model = store.dataset(run_id), store.model(run_id)
    selection_bar(session, data)
    summaries = result_of(level_insights.level_summaries(run_id), key="levels")
    if summaries is not None:
        with guarded():
            parts.show_verdict(summaries)
        with guarded():
            parts.show_charts(run_id, model, data, summaries)
        with guarded():
            st.markdown("**All figures**")
            parts.show_table(summaries, input_unit(model, data))
            st.caption("Fitted on training rows, measured on held-out rows; of large data sets on a stratified sample.")
    next_step("codes", label="See the codes")
