"""Where a data set comes from: samples, and those stored in the workspace."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from explorer import store
from explorer.charts.style import joined
from explorer.session import Session, addressed_data
from explorer.widgets.text import count, literal
from sae_core.data.samples import SAMPLES, SampleInfo
from sae_core.errors import SaeError
from sae_core.limits import MEGABYTE
from sae_core.runs.workspace import DatasetRecord

KIND_WORDS = {"table": "table", "images": "pictures", "arrays": "array"}


def sample_cards(session: Session) -> None:
    """A card for each shipped sample, with one button."""
    with st.grid(min_column_width=180):
        for info in SAMPLES:
            with st.container(border=True, height="stretch", key=f"sample-{info.name}"):
                _card(session, info)


def _card(session: Session, info: SampleInfo) -> None:
    in_use = session.data_address == info.name
    st.markdown(f"**{info.title}**")
    st.caption(info.description)
    with st.container(vertical_alignment="bottom", height="stretch"):
        st.button(
            "In use" if in_use else "Use",
            key=f"use-{info.name}",
            icon=":material/check:" if in_use else None,
            disabled=in_use,
            width="stretch",
            help=f"{count(info.rows, 'row')}. {info.source}. Licence: {info.licence}.",
            on_click=use_address,
            args=(session, info.name),
        )


def use_address(session: Session, address: str) -> None:
    """Use a sample or a stored data set; where that fails, the one in use stays."""
    try:
        session.use_data(addressed_data(address), address=address)
    except SaeError as error:
        session.notices.append(str(error))


def stored_list(session: Session) -> None:
    """Data sets of the workspace with size and age, to use again or to delete."""
    records = store.workspace().datasets()
    if not records:
        st.caption("Nothing is stored yet. Files of your own, and what runs were trained on, appear here.")
        return
    total = sum(record.size_bytes for record in records)
    st.caption(
        f"{count(len(records), 'data set')} in {literal(store.workspace().root, 200)}, {size_words(total)} altogether."
    )
    for record in records:
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", key=f"stored-{record.fingerprint[:12]}"
        ):
            _stored_row(session, record)


def _stored_row(session: Session, record: DatasetRecord) -> None:
    with st.container(gap=None):
        st.markdown(f"**{literal(record.name)}**")
        shape = f"{count(record.rows, 'row')} × {record.n_features:,}"
        classes = count(record.n_classes, "class", "classes") if record.n_classes else "no labels"
        st.caption(
            joined(
                [
                    KIND_WORDS.get(record.kind, record.kind),
                    shape,
                    classes,
                    size_words(record.size_bytes),
                    age_words(record.stored),
                ]
            )
        )
    in_use = session.data_address == record.fingerprint
    st.button(
        "In use" if in_use else "Use",
        key=f"use-{record.fingerprint}",
        disabled=in_use,
        on_click=use_address,
        args=(session, record.fingerprint),
    )
    with st.popover("Delete", icon=":material/delete:", key=f"ask-{record.fingerprint}"):
        _ask_deletion(session, record)


def _ask_deletion(session: Session, record: DatasetRecord) -> None:
    runs = store.workspace().runs_of(record.fingerprint)
    if runs:
        names = ", ".join(literal(run.name or run.id, 40) for run in runs[:5]) + (
            " and others" if len(runs) > 5 else ""
        )
        st.markdown(f"**{count(len(runs), 'run')}** lose their rows, and keep model, curves and results: {names}.")
    else:
        st.markdown("No run needs it.")
    st.button(
        "Delete this data set",
        key=f"delete-{record.fingerprint}",
        type="primary",
        on_click=_delete,
        args=(session, record.fingerprint),
    )


def _delete(session: Session, fingerprint: str) -> None:
    try:
        store.workspace().delete_dataset(fingerprint)
    except SaeError as error:
        session.notices.append(str(error))


def size_words(size: int) -> str:
    """Bytes for people.

    >>> size_words(2_500_000), size_words(900)
    ('2.4 MB', '1 KB')
    """
    if size >= 1024 * MEGABYTE:
        return f"{size / MEGABYTE / 1024:.1f} GB"
    return f"{size / MEGABYTE:.1f} MB" if size >= MEGABYTE else f"{max(1, round(size / 1024)):,} KB"


def age_words(stored: str, now: datetime | None = None) -> str:
    """How long ago an ISO time was.

    >>> age_words("2026-01-01T10:00:00+00:00", datetime(2026, 1, 3, 11, tzinfo=UTC))
    '2 days ago'
    """
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(stored)).total_seconds()
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return f"{count(int(seconds // length), unit)} ago"
    return "just now"
