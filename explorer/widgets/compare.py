"""The parts of the Compare page below its table: curves, results, settings, and settings against results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer import store
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
from explorer.charts.parallel import parallel
from explorer.charts.style import PALETTE
from explorer.session import Session
from explorer.widgets.figures import show_chart
from explorer.widgets.text import literal
from sae_core.analysis.comparison import settings_table, varying_settings
from sae_core.errors import SaeError
from sae_core.runs.record import RunRecord
from sae_core.training.history import history_frame

POLL_SECONDS = 2.0
FEW = 3  # chosen runs: with no more, settings are drawn against results over all runs of their data set
DIFFERENT = "background-color: rgba(224, 138, 0, 0.22)"  # legible on light and dark
VIEWS: dict[str, tuple[tuple[str, ...], Measure]] = {
    "Reconstruction loss": (AUTOENCODERS, "loss"),
    "Classifier loss": (CLASSIFIERS, "loss"),
    "Classifier accuracy": (CLASSIFIERS, "accuracy"),
}
RESULTS: dict[str, tuple[str, bool]] = {  # of a run's results: what stands at the axis, and whether it is a share
    "validation_accuracy": ("accuracy on validation rows", True),
    "validation_error": ("squared error on validation rows", False),
    "test_accuracy": ("accuracy on held-out rows", True),
    "seconds": ("training time (s)", False),
}


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
        RunCurve(record.id, legend_name(record, chosen), history_frame(store.history(record.id))) for record in chosen
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
    show_chart(figure, key="compare-curves", alt=f"{view} of the chosen runs", name="curves of runs")
    st.caption("Validation solid, training dotted. A click on a run in the legend hides it everywhere.")


def results(chosen: Sequence[RunRecord], colours: Mapping[str, str]) -> None:
    """What each level keeps and separates, a line a run."""
    curves = [RunCurve(record.id, legend_name(record, chosen), pd.DataFrame()) for record in chosen]
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
            show_chart(figure, key=f"compare-levels-{share}", alt=f"{title} by level", name=f"{title} by level")


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
    names = [legend_name(record, chosen) for record in chosen]
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
        column_config={
            "Setting": st.column_config.TextColumn(pinned=True, width="medium"),
            **{name: st.column_config.Column(width=150) for name in shown.columns[1:]},
        },
        key="compare-settings",
        alt="Settings of the chosen runs; those that differ are marked",
    )


def against_results(records: Sequence[RunRecord]) -> None:
    """Parallel coordinates of the settings that vary to a result, over all finished runs of one data set."""
    options = [name for name in RESULTS if sum(name in _figures(record) for record in records) > 1]
    if not options:
        st.caption("With two or more finished runs, their settings are drawn here against what came out.")
        return
    chosen = st.segmented_control(
        "Result",
        options,
        default=options[0],
        required=True,
        key="compare-result",
        format_func=lambda name: RESULTS[str(name)][0].capitalize(),
        persist_state="session",
        help="Choose among runs by the validation rows; the held-out rows tell afterwards how good the choice is.",
    )
    title, share = RESULTS[str(chosen)]
    with_it = [record for record in records if chosen in _figures(record)]
    settings = varying_settings([record.config for record in with_it])
    if settings.empty:
        st.caption("These runs have the same settings throughout.")
        return
    result = np.array([_figures(record)[str(chosen)] for record in with_it], dtype=np.float64)
    names = [legend_name(record, with_it) for record in with_it]
    figure = parallel(settings, result, title, share=share, names=names)
    show_chart(
        figure, key="compare-parallel", alt=f"Settings of runs against the {title}", name="settings against results",
        numbers=lambda: settings.reset_index(drop=True).assign(**{"run": names, title: result}),
    )  # fmt: skip
    st.caption(f"{len(with_it):,} finished runs, a line each; violet is the lowest result, yellow-green the highest.")


def _figures(record: RunRecord) -> dict[str, float]:
    found = {name: record.results[name] for name in RESULTS if isinstance(record.results.get(name), float | int)}
    return found | ({"seconds": record.seconds} if record.state == "finished" else {})


def legend_name(record: RunRecord, among: Sequence[RunRecord]) -> str:
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
