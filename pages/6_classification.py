"""Classification: how well each level separates the classes, before and after fine-tuning."""

from __future__ import annotations

import streamlit as st

from explorer import insights
from explorer.widgets import classification as parts
from explorer.widgets import fine_tuning
from explorer.widgets.frame import guarded, next_step
from explorer.widgets.looking import look_at_run
from explorer.widgets.waiting import result_of

at = look_at_run(
    "Classification",
    intro="A softmax on the input, on the frozen code of every level, and on the stack fine-tuned as a whole.",
)
session, data, model = at.session, at.data, at.model
with guarded():
    if not parts.explain_missing(at.run_id, model, data):
        found = result_of(insights.classified(at.run_id), key="classified")
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
                            fine_tuning.show_moves(at.run_id)
            st.space("small")
            next_step("compare", label="Compare runs")
