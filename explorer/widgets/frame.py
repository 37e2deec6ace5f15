"""The frame of every page: heading, address, sidebar, empty states, and one clear message for a failure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import streamlit as st

from explorer import places, store, warming
from explorer.session import Session, current
from explorer.widgets.status import sidebar_status
from explorer.widgets.text import literal, sentence
from sae_core.errors import SaeError
from sae_core.jobs import warm_up

log = logging.getLogger(__name__)

Needs = Literal["nothing", "data", "run", "model", "model alone"]


@contextmanager
def guarded() -> Iterator[None]:
    """Whatever fails inside becomes one clear message; the rest of the page goes on.

    An `SaeError` is shown as it is; anything else is a bug: one sentence for the visitor, the details in the log.
    """
    try:
        yield
    except SaeError as error:
        st.error(sentence(error), icon=":material/error:")
    except MemoryError:
        st.error(
            "The memory of this machine is not enough for that. Use fewer rows or smaller levels.",
            icon=":material/error:",
        )
    except Exception:
        log.exception("A page failed")
        st.error(
            "Something unexpected went wrong in this part of the page. Your data and runs are untouched: "
            "reload the page, or go on elsewhere. The terminal has the details.",
            icon=":material/error:",
        )


def begin_page(title: str, *, intro: str, needs: Needs, follow_levels: bool | None = None) -> Session:
    """Heading, address and sidebar; stops the page with an empty state where what it needs is missing.

    Args:
        title: the page's word, e.g. "Codes".
        intro: one sentence below the heading.
        needs: what the page cannot be without, see `require`.
        follow_levels: run the page again whenever a level of the run in training is done; None: where it needs a model.
    """
    warm_up()
    warming.page_served()
    store.tidy_up()
    session = current()
    session.write_address()
    st.title(title, anchor=False)
    st.caption(intro)
    sidebar_status(session, follow_levels=needs == "model" if follow_levels is None else follow_levels)
    while session.notices:
        st.warning(sentence(session.notices.pop(0)), icon=":material/info:")
    require(session, needs)
    return session


def require(session: Session, needs: Needs) -> None:
    """Stop the page with an empty state where what it needs is missing.

    Args:
        needs: "model" is a run whose training has left a stack to look at, with its data set; "model alone" does
            without the data set (an imported run may have none).
    """
    if needs != "nothing":
        _stop_without(session, needs)


def empty_state(message: str, *, link: str, label: str, icon: str = ":material/arrow_forward:") -> None:
    """What to do next where there is nothing to show yet, with a link there.

    Args:
        message: markdown of our own; names of the user's go through `literal` first.
        link: address of the page to go to, e.g. "train".
    """
    with st.container(border=True, key=f"empty-{link}", horizontal_alignment="center", gap="medium"):
        st.space("small")
        st.markdown(message, text_alignment="center", width="content")
        next_step(link, label=label, icon=icon)
        st.space("small")


def next_step(address: str, *, label: str, icon: str = ":material/arrow_forward:", primary: bool = True) -> None:
    """A button that leads to another page of the journey."""
    kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    if st.button(label, icon=icon, icon_position="right", type=kind, key=f"next-{address}"):
        st.switch_page(places.page(address).path, query_params=st.query_params.to_dict())


def page_link(address: str, *, label: str, icon: str = ":material/arrow_forward:") -> None:
    """A link to another page of the journey; plain text where that page is not registered."""
    try:
        st.page_link(places.page(address).path, label=label, icon=icon)
    except Exception:  # StreamlitPageNotFoundError, or a bare page without navigation
        st.markdown(label)


def _stop_without(session: Session, needs: Needs) -> None:
    if session.data is None:
        empty_state(
            "There is no data set yet. Choose a sample or bring a file of your own.",
            link="data",
            label="Choose a data set",
        )
        st.stop()
    if needs == "data":
        return
    if session.run_id is None:
        empty_state(
            f"Nothing has been trained on **{literal(session.data.name)}** yet. A stack is chosen already.",
            link="train",
            label="Train it",
        )
        st.stop()
    if needs == "run":
        return
    with guarded():
        job = store.training(session.run_id)
        if job is None:
            store.model(session.run_id)
            if needs == "model alone" or store.dataset_or_none(session.run_id) is not None:
                return
            explain_missing_data(session.run_id)
            st.stop()
        if job.trained_so_far is not None:
            _note_training(job.trained_so_far[1].n_levels, len(job.config.layers))
            return
        empty_state(
            "The first level is still in training. This page fills by itself as soon as it is done.",
            link="train",
            label="Watch it learn",
        )
    st.stop()


def _note_training(trained: int, planned: int) -> None:
    levels = f"{trained} of {planned} levels are" if trained < planned else "All levels are"
    st.info(
        f"{levels} trained so far, and are shown here; the rest joins them as it is done.", icon=":material/pending:"
    )


def explain_missing_data(run_id: str) -> None:
    """What a run needs before its rows can be shown, where its data set was deleted or did not come with its bundle."""
    record = store.run(run_id).record
    empty_state(
        f"The data set **{literal(record.dataset_name)}** of **{literal(record.name)}** is not in this workspace, so "
        "its rows cannot be shown; the model, its curves and results are there. Bring the same file, with the same "
        "columns and split, or let the run use another data set that fits: Import on the Export page offers that.",
        link="data",
        label="Bring the data set",
    )
