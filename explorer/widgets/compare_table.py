"""The table of runs on the Compare page: the filter, and what one does with runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer import places, store
from explorer.charts.style import PALETTE, shorten
from explorer.runview import ACTIVE
from explorer.session import Session
from explorer.widgets.frame import guarded
from explorer.widgets.sources import size_words
from explorer.widgets.text import count, literal
from sae_core.errors import SaeError
from sae_core.limits import MEGABYTE
from sae_core.runs.record import RunRecord

EDIT, SCRIPT, DELETE = "compare-edit", "compare-script", "compare-delete"  # keys of the popovers
MOST_CURVES = len(PALETTE)  # runs in one chart: more cannot be told apart
MOST_AT_FIRST = 3  # shown before anything is chosen


def runs_table(records: Sequence[RunRecord], session: Session) -> list[RunRecord]:
    """Runs that pass the filter, sortable, and those that are ticked; before that the one in use and the newest."""
    page = session.page("compare")
    everything = records
    records = _filtered(records, session)
    ids = [record.id for record in records]
    chosen = [run_id for run_id in page.get("chosen", ()) if run_id in ids]
    if not records:
        st.caption("No run passes this filter. Clear it to see all of them.")
        return _at_first(everything, session)
    event = st.dataframe(
        _table(records, session.run_id),
        hide_index=True,
        width="stretch",
        height="auto" if len(records) <= 10 else 400,
        row_height=36,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(run_id) for run_id in chosen]}},
        # Positions mean other runs once one is added or deleted; a choice by button starts the widget afresh.
        key=f"compare-runs-{hash(tuple(ids))}" + (f"-{page['chosen_anew']}" if page.get("chosen_anew") else ""),
        column_config=_columns(),
        placeholder="–",
        alt="Runs with their settings and results",
    )
    page["chosen"] = [ids[row] for row in event["selection"]["rows"] if row < len(ids)]
    _below_table(session, records, len(everything))
    ticked = [record for record in records if record.id in page["chosen"]]
    if ticked:
        return ticked[:MOST_CURVES]
    return _at_first(records, session)


def _filtered(records: Sequence[RunRecord], session: Session) -> list[RunRecord]:
    """Those that fit what was typed and chosen above the table."""
    tags = sorted({tag for record in records for tag in record.tags})
    sets = sorted({record.dataset_name for record in records})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Filter",
            key="compare-filter",
            placeholder="name, data set, state, tag or note",
            icon=":material/filter_alt:",
            persist_state="session",
            help="Every word must occur in a run's name, data set, levels, state, tags or note.",
        )
        chosen_sets = (
            st.multiselect("Data sets", sets, key="compare-sets", format_func=shorten, placeholder="all")
            if len(sets) > 1
            else []
        )
        chosen_tags = (
            st.multiselect("Tags", tags, key="compare-tags", format_func=shorten, placeholder="any") if tags else []
        )
    return [
        record
        for record in records
        if all(word in _words(record) for word in (text or "").casefold().split())
        and (not chosen_sets or record.dataset_name in chosen_sets)
        and set(chosen_tags) <= set(record.tags)
    ]


def _words(record: RunRecord) -> str:
    levels = "-".join(str(units) for units in record.config.units)
    parts = (record.name, record.id, record.dataset_name, levels, record.state, *record.tags, record.note)
    return " ".join(parts).casefold()


def _below_table(session: Session, shown: Sequence[RunRecord], total: int) -> None:
    page = session.page("compare")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Tick all shown" if len(shown) <= MOST_CURVES else f"Tick the first {MOST_CURVES} shown",
            icon=":material/done_all:",
            on_click=_tick,
            args=(page, [record.id for record in shown[:MOST_CURVES]]),
        )
        st.button("Untick", icon=":material/remove_done:", on_click=_tick, args=(page, []), disabled=not page["chosen"])
        size = size_words(sum(store.run_size(record) for record in shown))
        few = f"{len(shown):,} of {count(total, 'run')}" if len(shown) < total else count(total, "run")
        st.caption(f"{few} in {literal(store.workspace().root, 200)}, {size} on disk")


def _tick(page: dict[str, Any], run_ids: list[str]) -> None:
    page["chosen"] = run_ids
    page["chosen_anew"] = page.get("chosen_anew", 0) + 1


def _at_first(records: Sequence[RunRecord], session: Session) -> list[RunRecord]:
    """The run in use and the newest ones on its data set; where there are none, the newest of all."""
    data = session.data
    mine = [record for record in records if record.id == session.run_id]
    alike = [record for record in records if data is not None and record.dataset_fingerprint == data.fingerprint]
    others = alike or list(records)
    return [*mine, *(record for record in others if record not in mine)][:MOST_AT_FIRST]


def _table(records: Sequence[RunRecord], current: str | None) -> pd.DataFrame:
    rows = []
    for record in records:
        errors = record.results.get("reconstruction_error") or [np.nan]
        config = record.config
        rows.append(
            {
                "": "●" if record.id == current else "",
                "Run": record.name or record.id,
                "Data": record.dataset_name,
                "Levels": "-".join(str(units) for units in config.units),
                "State": str(record.state).capitalize(),
                "Accuracy": record.results.get("test_accuracy", np.nan),
                "Reconstruction error": errors[-1],
                "Validation accuracy": record.results.get("validation_accuracy", np.nan),
                "Validation error": record.results.get("validation_error", np.nan),
                "Time": record.seconds,
                "Tags": list(record.tags),
                "Epochs": config.epochs,
                "Batch": config.batch_size,
                "Learning rate": config.learning_rate,
                "Activation": config.activation,
                "Pretraining": config.pretraining.replace("_", " "),
                "Seed": config.seed,
                "Size": store.run_size(record) / MEGABYTE,
                "Note": record.note,
                "Started": pd.Timestamp(record.created),
            }
        )
    return pd.DataFrame(rows)


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "": st.column_config.TextColumn(width=24, help="The run that the other pages show", pinned=True),
        "Run": st.column_config.TextColumn(width="medium", pinned=True),
        "Levels": st.column_config.TextColumn(help="Units of each level, from the input upwards"),
        "Accuracy": number(format="percent", help="Of the classifier, on rows that nothing was fitted on"),
        "Reconstruction error": number(
            format="%.4g", help="Of the deepest level: mean squared error per prepared value, on held-out rows"
        ),
        "Validation accuracy": number(
            format="percent", help="Of the classifier, on the validation rows: choose by this"
        ),
        "Validation error": number(
            format="%.4g", help="Of the deepest level: mean squared error per prepared value, on the validation rows"
        ),
        "Tags": st.column_config.ListColumn(),
        "Size": number("Size (MB)", format="%.1f", help="On disk"),
        "Time": number("Time (s)", format="%.1f", help="Seconds of training"),
        "Learning rate": number(format="%g"),
        "Started": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    }


def actions(session: Session, chosen: Sequence[RunRecord]) -> None:
    """Open, repeat, describe, copy or delete what is ticked."""
    ticked = session.page("compare").get("chosen", [])
    one = chosen[0] if len(ticked) == 1 else None
    hint = None if one else "Tick one run in the table first."
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Open", icon=":material/open_in_new:", disabled=one is None, help=hint or "Show this run on all pages."
        ):
            assert one is not None
            session.show_run(one.id)
            st.switch_page(places.page("train").path, query_params={"run": one.id})
        if st.button(
            "Train again with these settings",
            icon=":material/replay:",
            disabled=one is None,
            help=hint or "Starts a new run with the same data set and settings.",
        ):
            assert one is not None
            new = repeat(session, one)
            st.switch_page(places.page("train").path, query_params={"run": new})
        with st.popover("Edit", icon=":material/edit:", disabled=one is None, key=EDIT, on_change="rerun"):
            if one is not None:
                _edit(session, one)
        with st.popover("Copy as Python", icon=":material/code:", disabled=one is None, key=SCRIPT, on_change="rerun"):
            if one is not None and st.session_state[SCRIPT]:
                _script(one)
        with st.popover("Delete", icon=":material/delete:", disabled=not ticked, key=DELETE, on_change="rerun"):
            _confirm_deletion(session, [record for record in chosen if record.id in ticked])
        st.caption(
            f"{count(len(ticked), 'run')} ticked"
            if ticked
            else "Nothing is ticked: the newest runs on this data set are shown."
        )


def repeat(session: Session, record: RunRecord) -> str:
    """Start a new run with the settings and data set of another; returns its id.

    Raises:
        RunNotFoundError: the data set was deleted. StorageError, TrainingError: it cannot be started.
    """
    from sae_core.jobs import start_job

    taken = [other.name for other in store.workspace().runs()]
    job = start_job(
        store.dataset(record.id), record.config, workspace=store.workspace(), name=_next(record.name, taken)
    )
    session.show_run(job.id)
    return job.id


def edit(session: Session, run_id: str, keys: tuple[str, str, str]) -> None:
    """Give a run the name, tags and note in the fields of these keys, and close the popover."""
    st.session_state[EDIT] = False
    name, tags, note = (st.session_state[key] for key in keys)
    try:
        store.run(run_id).rename(str(name))
        store.run(run_id).annotate(tags=[str(tag) for tag in tags], note=str(note))
    except SaeError as error:
        session.notices.append(str(error))


def delete(session: Session, run_ids: Sequence[str]) -> None:
    """Remove runs from the workspace and from memory, and close the popover."""
    st.session_state[DELETE] = False
    for run_id in run_ids:
        try:
            store.run(run_id).delete()
        except SaeError as error:
            session.notices.append(str(error))
            continue
        store.forget(run_id)
        if session.run_id == run_id:
            session.run_id = None
    session.page("compare")["chosen"] = []


def _edit(session: Session, record: RunRecord) -> None:
    base = f"{record.id}-{hash((record.name, record.tags, record.note))}"
    keys = (f"name-{base}", f"tags-{base}", f"note-{base}")
    known = sorted({tag for other in store.workspace().runs() for tag in other.tags})
    st.text_input("Name", record.name, key=keys[0])
    st.multiselect(
        "Tags",
        known,
        list(record.tags),
        key=keys[1],
        accept_new_options=True,
        placeholder="Choose, or type a new one",
        format_func=lambda tag: shorten(tag, 40),
        help="Words to filter runs by.",
    )
    st.text_area("Note", record.note, key=keys[2], help="What you want to remember of this run.")
    st.button("Save", type="primary", on_click=edit, args=(session, record.id, keys))


def _script(record: RunRecord) -> None:
    from sae_core.runs.script import sample_of, script_text

    st.caption("Trains this run again, on this machine to the same weights bit for bit. Keep it as a .py file.")
    with guarded():
        st.code(
            script_text(record, workspace=store.workspace().root, sample=sample_of(record)),
            language="python",
            width=640,
        )


def _confirm_deletion(session: Session, records: Sequence[RunRecord]) -> None:
    active = [record for record in records if record.state in ACTIVE]
    if active:
        st.markdown(f"**{literal(active[0].name)}** is still in training. Open it and stop it on the Train page first.")
        return
    names = ", ".join(f"**{literal(record.name or record.id)}**" for record in records[:5])
    more = f" and {len(records) - 5} more" if len(records) > 5 else ""
    st.markdown(f"Delete {names}{more}? Weights and curves are gone for good; the data set stays.")
    st.button(
        f"Delete {count(len(records), 'run')}",
        type="primary",
        icon=":material/delete_forever:",
        on_click=delete,
        args=(session, [record.id for record in records]),
    )


def _next(name: str, taken: Sequence[str]) -> str:
    """The name of a repetition: with the next free number.

    >>> _next("first", ["first"]), _next("first (2)", ["first", "first (2)"])
    ('first (2)', 'first (3)')
    """
    stem = re.sub(r" \(\d+\)$", "", name)
    return next(f"{stem} ({number})" for number in itertools.count(2) if f"{stem} ({number})" not in taken)
