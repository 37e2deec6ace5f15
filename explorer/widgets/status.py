"""What the session works with, below the navigation on every page, alive while something trains."""

from __future__ import annotations

import streamlit as st

from explorer.charts.style import duration, joined
from explorer.session import Session
from explorer.widgets.text import count, literal

POLL_SECONDS = 2.0  # beside the Train page's own, faster polling


def sidebar_status(session: Session, *, follow_levels: bool = False) -> None:
    """Data set and run in the sidebar.

    Args:
        follow_levels: run the page again whenever the run in training has finished another phase.
    """
    with st.sidebar:
        if session.data is not None:
            _data_status(session)
        if session.run_id is not None:
            _run_status(session.run_id, follow_levels)


def _data_status(session: Session) -> None:
    data = session.data
    assert data is not None
    parts = [count(len(data), "row")]
    if data.image_shape is not None:
        height, width, channels = data.image_shape
        parts.append(f"{height} × {width}{' colour' if channels == 3 else ''}")
    else:
        parts.append(count(data.n_features, "feature"))
    if data.has_labels:
        parts.append(count(len(data.classes), "class", "classes"))
    with st.container(border=True, key="status-data", gap=None):
        st.caption("Data set")
        st.markdown(f"**{literal(data.name, 40)}**")
        st.caption(joined(parts))


def _run_status(run_id: str, follow_levels: bool) -> None:
    from sae_core.jobs import find_job

    job = find_job(run_id)
    alive = job is not None and not job.snapshot().state.is_over
    shown = job.trained_so_far if job is not None else None

    @st.fragment(run_every=POLL_SECONDS if alive else None)
    def panel() -> None:
        if job is None:
            return _stored_status(run_id)
        now = job.snapshot()
        with st.container(border=True, key="status-run", gap=None):
            st.caption("Run")
            st.markdown(f"**{literal(now.name or run_id, 40)}**")
            state = str(now.state).capitalize()
            if now.state.is_active:
                st.progress(min(max(now.fraction, 0.0), 1.0))
                waits = f"number {now.queue_position:,}" if now.queue_position else ""
                left = f"{duration(now.seconds_left)} left" if now.seconds_left else ""
                state = joined([state, waits or f"{now.fraction:.0%}", left])
            st.caption(state)
        if alive and (now.state.is_over or (follow_levels and job.trained_so_far != shown)):
            st.rerun()  # the page may now show what was missing

    panel()


def _stored_status(run_id: str) -> None:
    from explorer import store
    from sae_core.errors import SaeError

    try:
        record = store.run(run_id).record
    except SaeError:
        return
    with st.container(border=True, key="status-run", gap=None):
        st.caption("Run")
        st.markdown(f"**{literal(record.name or run_id, 40)}**")
        st.caption(joined([str(record.state).capitalize(), duration(record.seconds) if record.seconds else ""]))
