"""Classification: how well each level separates the classes, before and after fine-tuning."""

from __future__ import annotations

import streamlit as st

from explorer import insights, store
from explorer.widgets import classification as parts
from explorer.widgets import fine_tuning
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
    with guarded():
        selection_bar(session, data)
    if not parts.explain_missing(run_id, model, data):
        found = result_of(insights.classified(run_id), key="classified")
        if found is not None:
            part = parts.part_selector(found)
            whole, mistakes, changed = st.tabs(
                ["Accuracy and confusion", "Misclassified rows", "Frozen against fine-tuned"],
                key="class-tab",
                on_change="rerun",
            )
            if whole.open:
                with whole:
                    with guarded():
                        parts.show_accuracies(model, found, part)
                    with guarded():
                        parts.show_confusion(session, model, found, part)
                    with guarded():
                        parts.show_scores(found, part)
            if mistakes.open:
                with mistakes, guarded():
                    parts.show_mistakes(session, model, data, found, part)
            if changed.open:
                with changed:
                    with guarded():
                        fine_tuning.show_flips(session, data, found, part)
                    if model.is_fine_tuned:
                        with guarded():
                            fine_tuning.show_moves(run_id)
            st.space("small")
            next_step("compare", label="Compare runs")
