"""How every page begins that looks at one trained run."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from explorer import store
from explorer.session import Session
from explorer.widgets.frame import begin_page, guarded
from explorer.widgets.selection import selection_bar
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack


@dataclass(frozen=True)
class Looking:
    """What such a page looks at.

    Attributes:
        session: of the browser tab.
        run_id: of the run; its model, and the data set that it was trained on.
    """

    session: Session
    run_id: str
    model: TrainedStack
    data: Dataset


def look_at_run(title: str, *, intro: str, bar: bool = True) -> Looking:
    """Heading, sidebar and selection bar; what is looked at. Stops the page where there is nothing to look at.

    Args:
        bar: whether the selection bar comes at once; a page whose charts live in a fragment shows it there.
    """
    session = begin_page(title, intro=intro, needs="model")
    found: Looking | None = None
    with guarded():
        run_id = str(session.run_id)
        found = Looking(session, run_id, store.model(run_id), store.dataset(run_id))
    if found is None:
        st.stop()
    if bar:
        with guarded():
            selection_bar(session, found.data)
    return found
