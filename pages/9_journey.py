"""Journey: one row on its way through the stack."""

from __future__ import annotations

import streamlit as st

from explorer import insights, store
from explorer.widgets import journey as parts
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.selection import selection_bar
from explorer.widgets.waiting import result_of
from sae_core.analysis.journey import journey

session = begin_page(
    "Journey",
    intro="One row through the stack: what each level makes of it, what comes back, and which rows are like it there.",
    needs="model",
)
run_id = session.run_id
assert run_id is not None
with guarded():
    data, model = store.dataset(run_id), store.model(run_id)
    with guarded():
        selection_bar(session, data)
    row = parts.choose_row(session, run_id, model, data)
    pool = result_of(insights.journey_pool(run_id), key="journey-pool")
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
