"""Frozen against fine-tuned: rows that changed sides, and how far each level moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from explorer import insights
from explorer.charts import classification as charts
from explorer.session import Session
from explorer.widgets.figures import show_chart
from explorer.widgets.rows import show_rows
from explorer.widgets.text import count
from explorer.widgets.waiting import result_of
from sae_core.analysis.classification import Classification
from sae_core.analysis.fine_tuning import Flips, flips
from sae_core.data.dataset import Dataset, SplitName

SIDES = {"gained": "Wrong to right", "lost": "Right to wrong", "kept_wrong": "Wrong both times"}


def show_flips(session: Session, data: Dataset, found: Classification, part: SplitName) -> None:
    """Which rows fine-tuning turned round."""
    st.subheader(
        "Rows that changed sides",
        anchor=False,
        help="What the softmax on the deepest frozen code says of a row, against what the fine-tuned stack says of it.",
    )
    changed = flips(found, part)
    with st.container(horizontal=True, gap="large"):
        st.metric("Wrong to right", f"{len(changed.gained):,}", width="content")
        st.metric("Right to wrong", f"{len(changed.lost):,}", width="content")
        st.metric("Net", f"{changed.net:+,}", width="content")
        st.metric("Wrong both times", f"{len(changed.kept_wrong):,}", width="content")
    st.caption(verdict(changed))
    side = st.segmented_control(
        "Show",
        list(SIDES),
        default="gained",
        required=True,
        key="class-side",
        format_func=lambda name: SIDES[name],
        label_visibility="collapsed",
        persist_state="session",
    )
    positions = getattr(changed, side or "gained")
    rows = found.rows[positions]
    if not len(rows):
        st.info("There is no such row in this part of the data.", icon=":material/info:")
        return
    before, after = found.before, found.after
    assert before is not None
    assert after is not None
    said: dict[str, Any] = {
        "Frozen code says": [str(found.classes[code]) for code in before.predicted[positions]],
        "Fine-tuned says": [str(found.classes[code]) for code in after.predicted[positions]],
        "Of the true class, before": before.of_truth[positions].astype(np.float64).round(3),
        "After": after.of_truth[positions].astype(np.float64).round(3),
    }
    st.button(
        "Select these rows",
        icon=":material/select_all:",
        on_click=session.select,
        args=(rows, SIDES[side or "gained"].lower()),
    )
    show_rows(
        data, rows, key="flips", said=said, columns=16, cell=64, chosen=session.selection.rows,
        name=SIDES[side or "gained"].lower(),
    )  # fmt: skip


def verdict(changed: Flips) -> str:
    """What the flips say, in a sentence."""
    n = len(changed.gained) + len(changed.lost)
    if not n:
        return "Fine-tuning changed the side of no row."
    better = "more right than wrong" if changed.net > 0 else "more wrong than right" if changed.net < 0 else "as many"
    words = f"Fine-tuning turned {count(n, 'row')} round, {better} ({changed.net:+,})."
    if changed.chance < 0.05:
        p = f"p = {changed.chance:.2g}" if changed.chance >= 1e-4 else "p < 0.0001"
        return f"{words} A coin would hardly do that: {p} (McNemar's test)."
    return f"{words} That may be chance: p = {changed.chance:.2f} (McNemar's test)."


def show_moves(run_id: str) -> None:
    """How far weights and codes of each level moved."""
    st.subheader(
        "How far each level moved",
        anchor=False,
        help="Weights: size of their change as a share of their size before. Codes: what is left of their distance "
        "when shift, turn and scale do not count (Procrustes), and 1 − similarity (linear CKA), both 0 for no change.",
    )
    found = result_of(insights.fine_tuning_moves(run_id), key="moves")
    if found is None:
        return
    show_chart(charts.moves_chart(found), key="class-moves", alt="How far fine-tuning moved each level")
    far = max(found, key=lambda each: each.weights)
    st.caption(
        f"Weights moved most at level {far.level}: by {far.weights:.0%} of their size. Codes are compared over "
        f"{count(far.rows, 'held-out row')}. On Codes, “Fine-tuned” shows the maps after it."
    )
