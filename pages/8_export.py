"""Export: the trained encoder and its codes in forms that run elsewhere, each verified before it is offered."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.session import Session
from explorer.widgets import export as parts
from explorer.widgets import export_more as more
from explorer.widgets.bring import import_card
from explorer.widgets.frame import begin_page, guarded, require


def cards(session: Session, run_id: str) -> None:
    """A card for each form."""
    model, data = store.model(run_id), store.dataset_or_none(run_id)
    parts.not_yet_trained_note(model, len(session.config.layers))
    left, right = st.columns(2, gap="medium")
    with left:
        with st.container(border=True), guarded():
            parts.onnx_card(run_id, model)
        with st.container(border=True), guarded():
            more.report_card(run_id, data)
        with st.container(border=True), guarded():
            more.program_card(run_id, model)
        with st.container(border=True), guarded():
            parts.script_card(model)
    with right:
        with st.container(border=True), guarded():
            parts.bundle_card(run_id, model)
        with st.container(border=True), guarded():
            parts.codes_card(run_id, model, data)
        with st.container(border=True), guarded():
            more.projector_card(run_id, data)


session = begin_page(
    "Export",
    intro="Take the encoder and its codes away. Each file takes your own columns or pixels, and is loaded again and "
    "compared before it is offered.",
    needs="nothing",
    follow_levels=True,
)
if parts.way(session) == "Import":
    with guarded():
        import_card(session)
else:
    require(session, "model alone")
    with guarded():
        cards(session, str(session.run_id))
