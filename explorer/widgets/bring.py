"""Import on the Export page: a bundle becomes a run that the other pages show."""

from __future__ import annotations

import streamlit as st

from explorer import imports, places, store, tasks
from explorer.charts.style import joined
from explorer.session import Session
from explorer.tasks import TaskState
from explorer.widgets.text import count, literal, sentence
from explorer.widgets.waiting import result_of
from sae_core.errors import SaeError
from sae_core.export.imported import Imported, misfit, use_with

HINT = "A bundle (.zip) as this page exports it, from this machine or another. Nothing in it is executed."


def import_card(session: Session) -> None:
    """The whole way from a file to a run in use."""
    page = session.page("export")
    bundle: imports.Bundle | None = page.get("bundle")
    with st.container(border=True):
        st.subheader("Import a bundle", anchor=False)
        st.caption(HINT)
        if bundle is None:
            return _choose(session)
        task = imports.importing(bundle, session.data)
        made = result_of(task, key="import")
        if not isinstance(made, Imported):
            if task.snapshot().state in (TaskState.FAILED, TaskState.CANCELLED):
                _another(session)
            return
        _show(session, made)
        _another(session)


def _choose(session: Session) -> None:
    # A fresh key after each upload: the file chosen last time must not come back.
    key = f"import-file-{session.page('export').get('imports', 0)}"
    st.file_uploader("Bundle", type="zip", key=key, on_change=_received, args=(session, key), help=HINT)


def _received(session: Session, key: str) -> None:
    """Copy the bytes at once: the browser's uploader forgets them on the next page."""
    file, page = st.session_state[key], session.page("export")
    if file is None:
        return
    try:
        page["bundle"] = imports.received(file.name, file.getvalue())
    except MemoryError:
        session.notices.append("This file needs more memory than this machine has. Choose a smaller one.")
    page["imports"] = page.get("imports", 0) + 1


def _another(session: Session) -> None:
    st.button(
        "Import another bundle", key="import-another", icon=":material/upload:", on_click=_discard, args=(session,)
    )


def _discard(session: Session) -> None:
    bundle = session.page("export").pop("bundle", None)
    if bundle is not None:
        tasks.cancel(bundle.key)


def _show(session: Session, made: Imported) -> None:
    try:
        record, model = made.run.record, store.model(made.run.id)
    except SaeError:
        st.info("This run has been deleted since it was imported.", icon=":material/info:")
        return
    has_data = store.workspace().has_dataset(record.dataset_fingerprint)
    where = "is in the workspace now" if made.is_new else "was in the workspace already"
    st.success(f"**{literal(record.name)}** {where}.", icon=":material/check_circle:")
    levels = " → ".join(f"{width:,}" for width in (model.preparation.n_inputs, *model.units))
    classes = count(len(model.classes), "class", "classes") if model.is_classifier else "no classifier"
    st.caption(joined([f"levels {levels}", classes, f"trained on {literal(record.dataset_name)}"]))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Show this run", key="import-show", type="primary", icon=":material/visibility:",
            disabled=session.run_id == made.run.id and has_data,
        ):  # fmt: skip
            session.show_run(made.run.id)
            page = "reconstructions" if has_data else "export"
            if page == "export":
                session.page("export")["view"] = "Export"
            st.switch_page(places.page(page).path, query_params={"run": made.run.id})
    if not has_data:
        _say_what_is_missing(session, made)


def _say_what_is_missing(session: Session, made: Imported) -> None:
    record, model = made.run.record, store.model(made.run.id)
    st.info(
        f"Its data set **{literal(record.dataset_name)}** is not in this workspace. Compare and Export do without it; "
        "for the other pages bring the same file on the Data page, with the same columns and split.",
        icon=":material/info:",
    )
    data = session.data
    if data is None:
        return
    reason = misfit(model, data)
    if reason:
        st.caption(literal(f"The data set in use, {data.name}, cannot stand in for it: {reason}.", 300))
        return
    st.button(
        f"Use it with {literal(data.name, 40)}",
        key="import-use-with",
        icon=":material/link:",
        on_click=_use_with,
        args=(session, made),
        help="Its codes, reconstructions and classes are then those of the rows in use. The figures of its training "
        "stay as they were.",
    )


def _use_with(session: Session, made: Imported) -> None:
    if session.data is None:
        return
    try:
        use_with(made.run, session.data)
        session.show_run(made.run.id)
    except SaeError as error:
        session.notices.append(sentence(error))
