"""Levels: whether another level pays."""

from __future__ import annotations

import streamlit as st

from explorer import level_insights
from explorer.widgets import levels as parts
from explorer.widgets.frame import guarded, next_step
from explorer.widgets.looking import look_at_run
from explorer.widgets.waiting import result_of
from sae_core.analysis.levels import input_unit

at = look_at_run(
    "Levels", intro="Does another level pay? What each one keeps and loses, beside the input and PCA of equal width."
)
with guarded():
    summaries = result_of(level_insights.level_summaries(at.run_id), key="levels")
    if summaries is not None:
        with guarded():
            parts.show_verdict(summaries)
        with guarded():
            parts.show_charts(at.run_id, at.model, at.data, summaries)
        with guarded():
            st.markdown("**All figures**")
            parts.show_table(summaries, input_unit(at.model, at.data))
            st.caption("Fitted on training rows, measured on held-out rows; of large data sets on a stratified sample.")
next_step("codes", label="See the codes")
