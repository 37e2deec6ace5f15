"""Files of one's own on the Data page: choose, see what was understood, correct it, use it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explorer import tasks, uploads
from explorer.charts.style import joined
from explorer.session import Session
from explorer.tasks import TaskState
from explorer.uploads import Upload
from explorer.widgets.dataset import show_rows, show_summary
from explorer.widgets.sources import size_words
from explorer.widgets.text import count, literal, sentence
from explorer.widgets.upload_pictures import decide_pictures
from explorer.widgets.upload_table import decide_table
from explorer.widgets.waiting import result_of
from sae_core.data.dataset import Dataset
from sae_core.errors import SaeError

HINT = (
    "A table (CSV, TSV, text, Parquet; also .gz), pictures (PNG, JPEG, GIF, BMP, TIFF, WebP, loose or in a ZIP with "
    "one folder per class), or arrays (.npz, .npy, IDX). Files are recognised by what is in them, not by their name."
)


def own_file(session: Session) -> None:
    """The whole way from a file to the data set in use."""
    page = session.page("data")
    upload: Upload | None = page.get("upload")
    if upload is None:
        return _choose(session)
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = {"table": "a table", "images": "pictures", "arrays": "arrays of numbers"}.get(
            str(upload.kind), "not usable"
        )
        st.markdown(f"**{literal(upload.name)}** · {kind} · {size_words(upload.size)}", width="stretch")
        st.button("Choose another file", icon=":material/close:", on_click=discard, args=(session,))
    if upload.problem:
        st.error(sentence(upload.problem), icon=":material/error:")
        if session.data is not None:
            st.caption(f"{literal(session.data.name)} stays in use.")
        return
    _decide(session, upload)


def _choose(session: Session) -> None:
    page = session.page("data")
    st.session_state["data-upload-mode"] = page.get("mode", "Files")
    st.segmented_control(
        "What to bring",
        ["Files", "A folder"],
        key="data-upload-mode",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: page.update(mode=st.session_state["data-upload-mode"]),
    )
    folder = st.session_state["data-upload-mode"] == "A folder"
    # A fresh key after each upload: the files chosen last time must not come back.
    key = f"data-files-{page.get('uploads', 0)}-{int(folder)}"
    st.file_uploader(
        "A folder of pictures" if folder else "Files of your own",
        accept_multiple_files="directory" if folder else True,
        key=key,
        help=HINT,
        on_change=_received,
        args=(session, key),
    )
    st.caption(HINT)


def _received(session: Session, key: str) -> None:
    """Copy the bytes at once: the browser's uploader forgets them on the next page."""
    files = st.session_state[key] or []
    if not files:
        return
    page = session.page("data")
    try:
        page["upload"] = uploads.received([(file.name, file.getvalue()) for file in files])
        page["uploads"] = page.get("uploads", 0) + 1
    except SaeError as error:
        session.notices.append(str(error))
    except MemoryError:
        session.notices.append("These files need more memory than this machine has. Choose fewer or smaller ones.")


def discard(session: Session) -> None:
    """Let the files go; the data set in use stays."""
    upload = session.page("data").pop("upload", None)
    if upload is not None:
        uploads.let_go(upload)


def _decide(session: Session, upload: Upload) -> None:
    guess: Any = result_of(uploads.inspection(upload), key="inspect")
    if guess is None:
        return
    if upload.wanted:
        return _read(session, upload, guess)
    if upload.kind == "table":
        decide_table(session, upload, guess)
        told = joined([count(guess.rows, "row"), count(len(guess.columns), "column")])
    elif upload.kind == "images":
        decide_pictures(session, upload, guess)
        told = joined(
            [
                count(guess.count, "picture"),
                count(len(guess.classes), "class", "classes") if guess.classes else "no classes",
            ]
        )
    else:
        show_summary(guess)
        show_rows(guess, key="upload")
        told = count(len(guess), "row")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Use this data set", type="primary", icon=":material/check:", key="data-use", on_click=_want, args=(upload,)
        )
        st.caption(told)


def _want(upload: Upload) -> None:
    upload.wanted = True


def _read(session: Session, upload: Upload, guess: Any) -> None:
    task = uploads.reading(upload, guess if upload.kind == "table" else None)
    data: Dataset | None = result_of(task, key="read")
    if data is not None:
        session.use_data(data)
        discard(session)
        st.rerun()
    now = task.snapshot()
    if now.state in (TaskState.FAILED, TaskState.CANCELLED):  # back to the choices, with the reason above them
        upload.wanted = False
        tasks.forget(task.key)
        if now.error:
            session.notices.append(now.error)
        st.rerun()
