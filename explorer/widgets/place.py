"""Rows placed on maps that are already drawn: what to place, and where it comes from."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer import placing
from explorer.insights import Atlas
from explorer.placing import MAX_PLACED, NewRows
from explorer.session import Session
from explorer.widgets.text import count, sentence
from sae_core.analysis.selection import as_rows
from sae_core.errors import SaeError

MAX_MEGABYTES = 50  # of a file whose rows are placed
FILES = {"table": "A table with the columns that the stack was trained on", "images": "Pictures, or a ZIP of them"}


def place_menu(session: Session, found: Atlas) -> None:
    """Choose what is placed on the maps: chosen rows outside the sample, or the rows of a file."""
    kept = session.page("codes")
    if kept.get("placed of") != session.run_id:
        kept.pop("placed", None)  # rows prepared for another stack
    with st.popover("Place rows", icon=":material/add_location_alt:"):
        st.caption(
            "Rows that had no part in the maps are put where their nearest rows lie, as diamonds; nothing else moves."
        )
        rows = as_rows(session.selection.array, len(found.data))
        outside = rows[~np.isin(rows, found.rows)]
        if len(found.rows) < len(found.data):
            st.toggle(
                f"Chosen rows outside the sample ({len(outside):,})",
                key="codes-place-chosen",
                persist_state="session",
                help=f"The maps show {len(found.rows):,} of {len(found.data):,} rows; at most {MAX_PLACED:,} placed.",
            )
        uploaded = st.file_uploader(
            FILES.get(found.model.preparation.kind, "Arrays as the stack was trained on"),
            accept_multiple_files=True,
            key="codes-place-files",
            max_upload_size=MAX_MEGABYTES,
            help=f"The first {MAX_PLACED:,} rows are placed. They are not kept.",
        )
        if uploaded and st.button("Place these rows", icon=":material/add_location_alt:"):
            try:
                kept["placed"] = placing.rows_of_files(found.model, [(file.name, file.getvalue()) for file in uploaded])
                kept["placed of"] = session.run_id
            except SaeError as error:
                kept.pop("placed", None)
                st.error(sentence(error), icon=":material/error:")
        if kept.get("placed") is not None:
            st.caption(f"{count(len(kept['placed'].texts), 'row')} placed.")
            st.button("Take them off", icon=":material/close:", on_click=kept.pop, args=("placed", None))


def rows_to_place(session: Session, found: Atlas) -> NewRows | None:
    """What lies on the maps beside their own rows, or None."""
    new: list[NewRows] = []
    if session.page("codes").get("placed") is not None:
        new.append(session.page("codes")["placed"])
    if st.session_state.get("codes-place-chosen"):
        rows = as_rows(session.selection.array, len(found.data))
        outside = rows[~np.isin(rows, found.rows)]
        if len(outside):
            new.append(placing.rows_of_data(found, outside))
    if not new:
        return None
    texts = tuple(text for each in new for text in each.texts)
    return NewRows(np.concatenate([each.prepared for each in new]), texts)
