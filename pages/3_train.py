"""Train: watch every level learn."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.runview import RunView, planned_run, view_run
from explorer.session import Session, run_config
from explorer.widgets import training as parts
from explorer.widgets import training_charts as charts
from explorer.widgets.frame import begin_page, explain_missing_data, guarded, next_step, page_link
from explorer.widgets.text import literal
from sae_core.data.dataset import Dataset
from sae_core.training.plan import check


def waiting(session: Session, data: Dataset) -> None:
    """Before the first run: what would happen."""
    check(data, session.config, store.preparation(data, session.config.scaling))
    run = planned_run(data, session.config)
    st.caption(f"Nothing has been trained on {literal(data.name)} yet. This is the plan; Start training sets it going.")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        charts.show({"plan": charts.drawing(run, session.config, data)}, "plan", "The stack as planned")
    with right:
        parts.phase_list(run)
    page_link("design", label="Change the design", icon=":material/layers:")


def show(session: Session, first: RunView) -> None:
    """A run, alive as long as it is in training."""
    data, config = store.dataset_or_none(first.id), run_config(first.id)
    kept = charts.kept_for(session, first.id)

    @st.fragment(run_every=parts.POLL_SECONDS if first.is_active else None)
    def panel() -> None:
        with guarded():
            run = view_run(first.id)
            figures = charts.figures(run, config, data, kept)
            parts.progress(run)
            left, right = st.columns([3, 2], gap="medium")
            with left:
                charts.show(figures, "stack", "The stack")
            with right:
                parts.phase_list(run)
            charts.level_charts(run, figures)
            if data is not None:
                st.markdown("**Held-out rows as the stack gives them back**")
                charts.show(figures, "rows", "Originals above reconstructions", kept.get("numbers"))
            charts.classifier_charts(run, figures)
            if run.state != first.state:
                st.rerun()  # buttons and neighbours catch up; the last one of these ends the polling

    panel()


session = begin_page("Train", intro="One level after the other learns to give back what it sees.", needs="data")
data = session.data
assert data is not None
with guarded():
    absent = session.run_id is not None and store.dataset_or_none(session.run_id) is None
    run = view_run(session.run_id) if session.run_id else None
    parts.controls(session, run)
    is_read = run is not None and run.is_active and not run.phases  # a table of many files
    if absent and session.run_id and not is_read:
        explain_missing_data(session.run_id)
    if run is None:
        waiting(session, data)
    else:
        parts.outcome(run)
        if not run.is_active:
            parts.changed_design(session, run_config(run.id))
            parts.results(run)
        if run.phases:
            show(session, run)
        elif is_read:
            parts.reading(run.id)
        if not run.is_active and not absent:
            next_step("reconstructions", label="Look at the reconstructions")
