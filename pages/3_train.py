"""Train: watch every level learn."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.charts.style import CHART_CONFIG
from explorer.runview import RunView, planned_run, view_run
from explorer.session import Session, run_config
from explorer.widgets import training as parts
from explorer.widgets.frame import begin_page, guarded, next_step, page_link
from explorer.widgets.text import literal
from sae_core.data.dataset import Dataset
from sae_core.training.plan import check


def waiting(session: Session, data: Dataset) -> None:
    """Before the first run: what would happen."""
    preparation = store.preparation(data, session.config.scaling)
    check(data, session.config, preparation)
    run = planned_run(data, session.config)
    st.caption(f"Nothing has been trained on {literal(data.name)} yet. This is the plan; Start training sets it going.")
    left, right = st.columns([3, 2], gap="medium")
    left.plotly_chart(parts.drawing(run, session.config, data, {}), key="train-plan", config=CHART_CONFIG)
    with right:
        parts.phase_list(run)
    page_link("design", label="Change the design", icon=":material/layers:")


def show(session: Session, first: RunView) -> None:
    data, config = store.dataset(first.id), run_config(first.id)
    state = parts.kept_for(session, first.id)

    @st.fragment(run_every=parts.POLL_SECONDS if first.is_active else None)
    def panel() -> None:
        with guarded():
            run = view_run(first.id)
            parts.progress(run)
            left, right = st.columns([3, 2], gap="medium")
            left.plotly_chart(
                parts.drawing(run, config, data, state["figures"]),
                key="train-stack",
                config=CHART_CONFIG,
                alt="The stack",
            )
            with right:
                parts.phase_list(run)
            parts.charts(run, state["figures"])
            figure = parts.reconstructions(run, data, state)
            if figure is not None:
                st.markdown("**Held-out rows as the stack gives them back**")
                st.plotly_chart(figure, key="train-rows", config=CHART_CONFIG, alt="Originals above reconstructions")
            parts.classifier_charts(run, state["figures"])
            if run.state != first.state:
                st.rerun()  # buttons and neighbours catch up; the last one of these ends the polling

    panel()


session = begin_page("Train", intro="One level after the other learns to give back what it sees.", needs="data")
data = session.data
assert data is not None
with guarded():
    run = view_run(session.run_id) if session.run_id else None
    parts.controls(session, run)
    if run is None:
        waiting(session, data)
    else:
        parts.outcome(run)
        show(session, run)
        if not run.is_active:
            next_step("reconstructions", label="Look at the reconstructions")
