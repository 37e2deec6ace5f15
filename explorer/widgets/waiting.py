"""Waiting for background work without holding the page up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.tasks import Task, TaskState
from explorer.widgets.text import sentence

AT_ONCE = 0.35  # seconds a page waits before it shows progress instead: what is quick never flickers
POLL_SECONDS = 0.5


def result(task: Task, *, key: str) -> Any | None:
    """The task's result, or None while it is not ready: then its progress stands here, and the page runs again once it is.

    Args:
        key: of the place on the page.
    """
    task.join(AT_ONCE)
    now = task.snapshot()
    if now.state is TaskState.DONE:
        return now.result
    if now.state.is_over:
        explain(task, key=key)
    else:
        show_progress(task, key=key)
    return None


def explain(task: Task, *, key: str) -> None:
    """Why a task ended without a result, and a way to try again."""
    now = task.snapshot()
    if now.state is TaskState.FAILED:
        st.error(sentence(now.error), icon=":material/error:")
    else:
        st.info("This was stopped.", icon=":material/block:")
    st.button("Try again", key=f"again-{key}", icon=":material/refresh:")  # any rerun submits it afresh


def show_progress(task: Task, *, key: str, changed: Callable[[], bool] = lambda: False) -> None:
    """A progress bar that moves by itself.

    Args:
        changed: whether the page should run again already before the end, e.g. for a part that is ready.
    """

    @st.fragment(run_every=POLL_SECONDS, key=f"waiting-{key}")
    def panel() -> None:
        now = task.snapshot()
        if now.state.is_over or changed():
            st.rerun()
        if now.fraction is None or now.state is TaskState.QUEUED:
            st.progress(
                0.0, text=now.text if now.state is not TaskState.QUEUED else f"{now.text}: waiting for its turn"
            )
        else:
            st.progress(now.fraction, text=now.text)

    panel()
