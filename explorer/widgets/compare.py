"""The parts of the Compare page: the table of runs, what one does with them, their curves and settings side by side."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer import places, store
from explorer.charts.compare import (
    AUTOENCODERS,
    CLASSIFIERS,
    Axis,
    Measure,
    RunCurve,
    levels_compared,
    overlaid,
    phases,
)
from explorer.charts.style import CHART_CONFIG, PALETTE
from explorer.runview import ACTIVE
from explorer.session import Session
from explorer.widgets.text import count, literal
from sae_core.analysis.comparison import settings_table
from sae_core.errors import SaeError
from sae_core.runs.record import RunRecord
from sae_core.training.history import history_frame

RENAME, DELETE = "compare-rename", "compare-delete"  # keys of the popovers
MOST_CURVES = len(PALETTE)  # runs in one chart: more cannot be told apart
MOST_AT_FIRST = 3  # shown before anything is chosen
POLL_SECONDS = 2.0
DIFFERENT = "background-color: rgba(224, 138, 0, 0.22)"  # legible on light and dark
VIEWS: dict[str, tuple[tuple[str, ...], Measure]] = {
    "Reconstruction loss": (AUTOENCODERS, "loss"),
    "Classifier loss": (CLASSIFIERS, "loss"),
    "Classifier accuracy": (CLASSIFIERS, "accuracy"),
}


def runs_table(records: Sequence[RunRecord], session: Session) -> list[RunRecord]:
    """All runs, sortable, and those that are ticked; before anything is ticked the run in use and the newest ones."""
    page = session.page("compare")
    ids = [record.id for record in records]
    chosen = [run_id for run_id in page.get("chosen", ()) if run_id in ids]
    event = st.dataframe(
        _table(records, session.run_id),
        hide_index=True,
        width="stretch",
        height="auto" if len(records) <= 10 else 400,
        row_height=36,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(run_id) for run_id in chosen]}},
        key=f"compare-runs-{hash(tuple(ids))}",  # positions mean other runs once one is added or deleted
        column_config=_columns(),
        placeholder="–",
        alt="Runs with their settings and results",
    )
    page["chosen"] = [ids[row] for row in event["selection"]["rows"] if row < len(ids)]
    ticked = [record for record in records if record.id in page["chosen"]]
    if ticked:
        return ticked[:MOST_CURVES]
    return _at_first(records, session)


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
                "Time": record.seconds,
                "Epochs": config.epochs,
                "Batch": config.batch_size,
                "Learning rate": config.learning_rate,
                "Activation": config.activation,
                "Pretraining": config.pretraining.replace("_", " "),
                "Seed": config.seed,
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
        "Time": number("Time (s)", format="%.1f", help="Seconds of training"),
        "Learning rate": number(format="%g"),
        "Started": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    }


def actions(session: Session, chosen: Sequence[RunRecord]) -> None:
    """Open, repeat, rename or delete what is ticked."""
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
        with st.popover("Rename", icon=":material/edit:", disabled=one is None, key=RENAME, on_change="rerun"):
            if one is not None:
                _rename(session, one)
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


def rename(session: Session, run_id: str, key: str) -> None:
    """Give a run the name that was typed into the field of this key, and close the popover."""
    st.session_state[RENAME] = False
    try:
        store.run(run_id).rename(str(st.session_state[key]))
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


def _rename(session: Session, record: RunRecord) -> None:
    key = f"name-{record.id}-{record.name}"
    st.text_input("Name", record.name, key=key)
    st.button("Save", type="primary", on_click=rename, args=(session, record.id, key))


def _confirm_deletion(session: Session, records: Sequence[RunRecord]) -> None:
    active = [record for record in records if record.state in ACTIVE]
    if active:
        st.markdown(f"**{literal(active[0].name)}** is still in training. Stop it on the Train page first.")
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


def run_colours(session: Session, chosen: Sequence[RunRecord]) -> dict[str, str]:
    """A colour for each chosen run; those that were chosen before keep theirs."""
    page = session.page("compare")
    ids = [record.id for record in chosen]
    kept = {run_id: colour for run_id, colour in page.get("colours", {}).items() if run_id in ids}
    free = (colour for colour in PALETTE if colour not in kept.values())
    page["colours"] = kept | {run_id: next(free) for run_id in ids if run_id not in kept}
    return dict(page["colours"])


def curves(chosen: Sequence[RunRecord], colours: Mapping[str, str]) -> None:
    """The chosen runs laid over each other, phase by phase."""
    drawn = [
        RunCurve(record.id, _legend_name(record, chosen), history_frame(store.history(record.id))) for record in chosen
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        possible = [view for view, (kinds, _) in VIEWS.items() if phases(drawn, kinds)]
        if not possible:
            st.caption("No epoch of these runs is complete yet.")
            return
        view = st.segmented_control(
            "Show", possible, default=possible[0], required=True, key="compare-view", persist_state="session"
        )
        axis = st.segmented_control(
            "Along",
            ["epoch", "step", "seconds"],
            default="epoch",
            required=True,
            key="compare-axis",
            format_func=lambda name: {"epoch": "Epochs", "step": "Steps", "seconds": "Seconds"}[str(name)],
            persist_state="session",
            help="Counted from the beginning of each phase.",
        )
        kinds, measure = VIEWS[str(view)]
        logarithmic = measure == "loss" and st.toggle("Logarithmic", key="compare-log", persist_state="session")
    shown = phases(drawn, kinds)
    figure = overlaid(drawn, shown, colours, axis=cast(Axis, axis), measure=measure, logarithmic=logarithmic)
    st.plotly_chart(figure, width="stretch", key="compare-curves", theme="streamlit", config=CHART_CONFIG)
    st.caption("Validation solid, training dotted. A click on a run in the legend hides it everywhere.")


def results(chosen: Sequence[RunRecord], colours: Mapping[str, str]) -> None:
    """What each level keeps and separates, a line a run."""
    curves = [RunCurve(record.id, _legend_name(record, chosen), pd.DataFrame()) for record in chosen]
    errors = {record.id: _errors(record) for record in chosen}
    accuracies = {record.id: _accuracies(record) for record in chosen}
    figures = [("mean squared error per value", errors, False), ("accuracy (share of held-out rows)", accuracies, True)]
    figures = [figure for figure in figures if any(figure[1].values())]
    if not figures:
        st.caption("None of these runs is finished, so there are no results yet.")
        return
    if len({record.dataset_fingerprint for record in chosen}) > 1:
        st.caption("These runs were trained on different data sets or splits: errors are not on one scale.")
    for column, (title, values, share) in zip(st.columns(len(figures), gap="medium"), figures, strict=True):
        with column:
            st.markdown("What a softmax on each level gets right" if share else "What each level loses of the input")
            figure = levels_compared(curves, values, colours, y_title=title, share=share)
            st.plotly_chart(
                figure, width="stretch", key=f"compare-levels-{share}", theme="streamlit", config=CHART_CONFIG
            )


def _errors(record: RunRecord) -> dict[str, float]:
    errors = record.results.get("reconstruction_error") or ()
    return {f"level {level}": float(error) for level, error in enumerate(errors, start=1)}


def _accuracies(record: RunRecord) -> dict[str, float]:
    frozen = sorted(
        (int(level), float(share)) for level, share in (record.results.get("softmax_accuracy") or {}).items()
    )
    found = {f"level {level}" if level else "input": share for level, share in frozen}
    if record.config.fine_tune_epochs and "test_accuracy" in record.results:
        found["fine-tuned"] = float(record.results["test_accuracy"])
    return found


def settings(chosen: Sequence[RunRecord]) -> None:
    """Settings beside each other, what differs marked."""
    table = settings_table([record.config for record in chosen])
    several = len(chosen) > 1
    everything = not several or st.toggle("All settings", key="compare-all", persist_state="session")
    differs = table.pop("differs")
    shown = table if everything else table[differs]
    if shown.empty:
        st.caption("All settings of these runs are the same.")
        return
    names = [_legend_name(record, chosen) for record in chosen]
    shown = shown.set_axis(_distinct(names), axis=1)
    marked = [bool(several and differs[setting]) for setting in shown.index]
    labels = [f"≠ {setting}" if mark else setting for setting, mark in zip(shown.index, marked, strict=True)]
    shown.insert(0, "Setting", labels)
    shown = shown.reset_index(drop=True)
    styled = shown.style.apply(lambda row: [DIFFERENT if marked[row.name] else ""] * len(row), axis=1)
    st.dataframe(
        styled,
        hide_index=True,
        width="stretch",
        height="content",
        column_config={"Setting": st.column_config.TextColumn(pinned=True, width="medium")},
        key="compare-settings",
        alt="Settings of the chosen runs; those that differ are marked",
    )


def _legend_name(record: RunRecord, among: Sequence[RunRecord]) -> str:
    """The run's name, with its time where another one has the same."""
    name = record.name or record.id
    twins = [other for other in among if (other.name or other.id) == name]
    return f"{name} ({pd.Timestamp(record.created):%H:%M:%S})" if len(twins) > 1 else name


def _distinct(names: Sequence[str]) -> list[str]:
    return [f"{name} ({place})" if list(names).count(name) > 1 else name for place, name in enumerate(names, start=1)]


def guarded_records() -> list[RunRecord]:
    """Runs of the workspace, newest first; none where it cannot be read."""
    try:
        return store.workspace().runs()
    except (SaeError, OSError) as error:
        st.error(literal(f"The workspace cannot be read ({error}). Check the folder and reload the page.", 400))
        return []
