"""Journey: one row on its way through the stack."""

from __future__ import annotations

import streamlit as st

from explorer import insights
from explorer.widgets import journey as parts
from explorer.widgets.frame import guarded, next_step
from explorer.widgets.looking import look_at_run
from explorer.widgets.waiting import result_of
from sae_core.analysis.journey import journey

at = look_at_run(
    "Journey",
    intro="One row through the stack: what each level makes of it, what comes back, and which rows are like it there.",
)
session, data, model = at.session, at.data, at.model
with guarded():
    row = parts.choose_row(session, at.run_id, model, data)
    pool = result_of(insights.journey_pool(at.run_id), key="journey-pool")
    if pool is not None:
        found = journey(model, data, row, pool)
        parts.show_summary(model, data, found)
        with guarded(), st.container(border=True):
            parts.show_way(model, data, found)
        with guarded():
            parts.show_probabilities(model, data, found)
        with guarded():
            parts.show_neighbours(session, data, model, found, sampled=len(pool.rows) < len(data))
        with guarded():
            parts.show_codes(model, found)
next_step("codes", label="See it on the maps")
