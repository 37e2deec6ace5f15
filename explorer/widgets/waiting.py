"""Waiting for a background task without holding up the page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explorer import tasks
from explorer.tasks import Task, TaskState
from explorer.widgets.text import sentence

AT_ONCE = 0.4  # seconds: what is done by then shows no progress bar, which would only flash
POLL_SECONDS = 0.4


def result_of(task: Task, *, key: str) -> Any | None:
    """The task's result; None while there is none, with a progress bar that ends in a rerun, or the reason why.

    Args:
        task: as `explorer.tasks.submit` gave it.
        key: of the widgets; unique on the page.
    """
    task.join(AT_ONCE)
    now = task.snapshot()
    if now.state is TaskState.DONE:
        return now.result
    if now.state is TaskState.FAILED:
        st.error(sentence(now.error), icon=":material/error:")
        return None
    if now.state is TaskState.CANCELLED:
        st.info("Cancelled.", icon=":material/cancel:")
        return None

    @st.fragment(run_every=POLL_SECONDS)
    def bar() -> None:
        then = task.snapshot()
        st.progress(then.fraction or 0.0, text=sentence(then.text))
        if then.state.is_over:
            st.rerun()

    bar()
    st.button("Cancel", key=f"cancel-{key}", icon=":material/cancel:", on_click=tasks.cancel, args=(task.key,))
    return None
