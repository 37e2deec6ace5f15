"""Inside: what single units see, and codes decoded by hand."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.widgets import decode, inside
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.selection import selection_bar

UNITS, HAND = "What units see", "Decode by hand"

session = begin_page(
    "Inside",
    intro="Single units: what they read, which rows excite them, and what they draw.",
    needs="model",
)
run_id = session.run_id
assert run_id is not None
with guarded():
    data, model = store.dataset(run_id), store.model(run_id)
    selection_bar(session, data)
    shown = st.segmented_control(
        "Inside", [UNITS, HAND], default=UNITS, required=True, key="inside-tab", label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    with guarded():
        (decode if shown == HAND else inside).show(session, run_id, model, data)
    next_step("levels", label="Does another level pay?")
