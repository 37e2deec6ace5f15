"""Inside: what single units see, and codes decoded by hand."""

from __future__ import annotations

import streamlit as st

from explorer.widgets import decode, inside
from explorer.widgets.frame import guarded, next_step
from explorer.widgets.looking import look_at_run

UNITS, HAND = "What units see", "Decode by hand"

at = look_at_run("Inside", intro="Single units: what they read, which rows excite them, and what they draw.")
shown = st.segmented_control(
    "Inside", [UNITS, HAND], default=UNITS, required=True, key="inside-tab", label_visibility="collapsed",
    persist_state="session",
)  # fmt: skip
with guarded():
    (decode if shown == HAND else inside).show(at.session, at.run_id, at.model, at.data)
next_step("levels", label="Does another level pay?")
