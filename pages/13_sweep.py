"""Sweep: many settings in the background, and a leaderboard by the validation rows."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.session import Session
from explorer.widgets import sweep as parts
from explorer.widgets.frame import begin_page, guarded
from explorer.widgets.text import count, literal
from sae_core.data.dataset import Dataset
from sae_core.runs.sweep import SweepPlan


def ask(session: Session, data: Dataset) -> None:
    """Ranges, and the button that starts."""
    if not len(data.split.validation):
        st.warning(
            "There are no validation rows to choose by. Set a share aside on the Data page.", icon=":material/info:"
        )
        return
    left, right = st.columns(2, gap="large")
    with left:
        space = parts.ranges(session, store.preparation(data, session.config.scaling).n_inputs)
    with right:
        method, runs, seed = parts.method_and_number(space)
        st.button(
            "Start sweep",
            type="primary",
            icon=":material/play_arrow:",
            on_click=parts.start,
            args=(session, space, method, runs, seed),
        )
        by = "accuracy of the classifier" if data.has_labels else "reconstruction error of the deepest level"
        st.caption(
            f"On {literal(data.name)}, by the {by} on its {count(len(data.split.validation), 'validation row')}. "
            "The test rows are not looked at. Everything that does not vary is as on the Design page: "
            f"{session.config.epochs} epochs a level, {literal(session.config.activation)}."
        )


def show(session: Session, first: SweepPlan) -> None:
    """A sweep, alive as long as it is under way."""

    @st.fragment(run_every=parts.POLL_SECONDS if first.state == "running" else None)
    def board() -> None:
        with guarded():
            plan, trials = parts.found(first.id)
            parts.progress(plan, trials)
            parts.leaderboard(session, plan, trials)
            parts.settings_drawn(plan, trials)
            if plan.state != first.state:
                st.rerun()  # the buttons catch up, and the polling ends

    board()


session = begin_page(
    "Sweep",
    intro="Try many layer sizes, learning rates and corruptions in the background, and see which are best.",
    needs="data",
)
data = session.data
assert data is not None
plans = []
with guarded():
    plans = parts.known()
with (
    st.expander("Start another sweep" if plans else "Ranges to try", icon=":material/tune:", expanded=not plans),
    guarded(),
):
    ask(session, data)
if plans:
    with guarded():
        plan = parts.chooser(session, plans)
        parts.controls(session, plan)
        show(session, plan)
else:
    st.caption("No sweep has been started in this workspace yet. Choose ranges above and press Start sweep.")
