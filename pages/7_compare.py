"""Compare: the runs of the workspace, their settings, results and curves beside each other."""

from __future__ import annotations

import streamlit as st

from explorer.runview import ACTIVE
from explorer.session import Session
from explorer.widgets import compare as parts
from explorer.widgets import compare_table as table
from explorer.widgets.compare_maps import maps
from explorer.widgets.frame import begin_page, empty_state, guarded
from sae_core.runs.record import RunRecord


def body(session: Session, records: list[RunRecord]) -> None:
    """Table, actions, and the chosen runs side by side."""
    chosen = table.runs_table(records, session)
    with guarded():
        table.actions(session, chosen)
    colours = parts.run_colours(session, chosen)
    st.subheader("Curves", anchor=False)
    with guarded():
        parts.curves(chosen, colours)
    st.subheader("Results by level", anchor=False)
    with guarded():
        parts.results(chosen, colours)
    st.subheader("Settings", anchor=False)
    with guarded():
        parts.settings(chosen)
    st.subheader("Settings against results", anchor=False)
    with guarded():
        alike = [record for record in records if record.dataset_fingerprint == chosen[0].dataset_fingerprint]
        parts.against_results(chosen if len(chosen) > parts.FEW else alike)
    st.subheader("Maps side by side", anchor=False)
    with guarded():
        maps(session, chosen, [parts.legend_name(record, chosen) for record in chosen])


session = begin_page(
    "Compare",
    intro="All runs of the workspace beside each other: tick some to lay them over each other.",
    needs="nothing",
)
records = parts.guarded_records()
if not records:
    empty_state(
        "There are no runs yet. A stack is chosen: one click starts the first one.", link="train", label="Go to Train"
    )
elif any(record.state in ACTIVE for record in records):

    @st.fragment(run_every=parts.POLL_SECONDS)
    def live() -> None:
        now = parts.guarded_records()
        body(session, now)
        if not any(record.state in ACTIVE for record in now):
            st.rerun()  # one full run ends the polling

    live()
else:
    body(session, records)
