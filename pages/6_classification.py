"""Classification: how well each level separates the classes, before and after fine-tuning."""

from __future__ import annotations

import streamlit as st

from explorer import insights, store
from explorer.widgets import classification as parts
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.selection import selection_bar
from explorer.widgets.waiting import result_of

session = begin_page(
    "Classification",
    intro="A softmax on the input, on the frozen code of every level, and on the stack fine-tuned as a whole.",
    needs="model",
)
run_id = session.run_id
assert run_id is not None
with guarded():
    data, model = store.dataset(run_id), store.model(run_id)
    if not parts.explain_missing(run_id, model, data):
        found = result_of(insights.classified(run_id), key="classified")
        if found is not None:
            with guarded():
                selection_bar(session, data)
            part = parts.part_selector(found)
            with guarded():
                parts.show_accuracies(model, found, part)
            with guarded():
                parts.show_confusion(model, found, part)
            with guarded():
                parts.show_scores(found, part)
            with guarded():
                parts.show_mistakes(session, model, data, found, part)
            st.space("small")
            next_step("compare", label="Compare runs")
