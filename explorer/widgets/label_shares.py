"""The tab "With and without pretraining": accuracy against the share of labels used."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from explorer import label_shares, store
from explorer.charts.label_shares import TITLES, accuracy_by_share
from explorer.session import Session
from explorer.tasks import TaskState
from explorer.widgets.experiments import choose, units_of
from explorer.widgets.figures import show_chart
from explorer.widgets.frame import empty_state
from explorer.widgets.text import count, sentence
from explorer.widgets.waiting import POLL_SECONDS
from sae_core.data.dataset import Dataset
from sae_core.errors import SaeError
from sae_core.runs.experiments import Experiment, delete_experiment, experiments
from sae_core.training.few_labels import METHODS, ShareResult, ShareSummary, by_share, sum_up
from sae_core.training.plan import check

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FIRST_SHARES = (0.01, 0.05, 0.1, 1.0)
MAX_SEEDS = 10


def show(session: Session, data: Dataset) -> None:
    """The whole tab."""
    if not data.has_labels:
        empty_state(
            "This data set has no classes to tell apart. Choose a label column, and what pretraining is worth with few "
            "labels can be measured here.",
            link="data",
            label="Choose a label",
        )
        return
    past = experiments(store.workspace(), "shares", data.fingerprint)
    experiment = choose(past, key="shares-choice")
    _controls(session, data, experiment)
    if experiment is None:
        with st.container(border=True):
            st.markdown(
                f"How many labels does **{units_of(session.config)}** need, and is pretraining worth it? The stack is "
                "trained without labels first, once a seed; then it is fine-tuned with a share of the labels, once "
                "from the pretrained weights and once from random ones, with the same number of gradient steps."
            )
        return
    _live(experiment)


def _controls(session: Session, data: Dataset, experiment: Experiment | None) -> None:
    active = experiment is not None and label_shares.is_running(experiment)
    labelled = int((data.class_codes[data.split.train] >= 0).sum())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        shares = st.pills(
            "Shares of the labels",
            SHARES,
            default=FIRST_SHARES,
            selection_mode="multi",
            key="shares-shares",
            format_func=lambda share: _share_name(data, labelled, share),
            persist_state="session",
            help="Of the training rows' labels; every class keeps at least one row.",
        )
        seeds = st.slider(
            "Repeated over seeds", 1, MAX_SEEDS, 3, key="shares-seeds", width=180, persist_state="session",
            help="Each seed draws other weights, batches and labels; the spread between them is shown.",
        )  # fmt: skip
        st.button(
            "Start",
            type="secondary" if active else "primary",
            icon=":material/play_arrow:",
            disabled=active or not shares,
            on_click=_start,
            args=(session, data, tuple(shares), int(seeds)),
            key="shares-start",
            help=f"Trains {units_of(session.config)}, as it stands on the Design page, in the background.",
        )
        if experiment is not None and active:
            st.button(
                "Stop", icon=":material/stop:", on_click=label_shares.stop, args=(experiment,), key="shares-stop",
                help="What is measured so far is kept.",
            )  # fmt: skip
        elif experiment is not None:
            if len(_results(experiment)) < label_shares.wanted(experiment):
                st.button(
                    "Go on", icon=":material/resume:", on_click=_go_on, args=(experiment, data),
                    key="shares-go-on", help="Measures what is still missing.",
                )  # fmt: skip
            st.button(
                "Delete", icon=":material/delete:", type="tertiary", on_click=_delete, args=(session, experiment),
                key="shares-delete",
            )  # fmt: skip


def _share_name(data: Dataset, labelled: int, share: float) -> str:
    return f"{100 * share:g} % (≈ {count(max(len(data.classes), round(share * labelled)), 'row')})"


def _start(session: Session, data: Dataset, shares: tuple[float, ...], seeds: int) -> None:
    try:
        check(data, session.config, store.preparation(data, session.config.scaling))
        label_shares.start(data, session.config, shares, seeds)
    except SaeError as error:
        session.notices.append(str(error))


def _go_on(experiment: Experiment, data: Dataset) -> None:
    label_shares.go_on(experiment, data)


def _delete(session: Session, experiment: Experiment) -> None:
    try:
        delete_experiment(store.workspace(), experiment.id)
    except SaeError as error:
        session.notices.append(str(error))


def _results(experiment: Experiment) -> tuple[ShareResult, ...]:
    try:
        return label_shares.results_of(experiment)
    except SaeError:
        return ()


def _live(experiment: Experiment) -> None:
    """Progress, chart and table; filling up while the task runs."""
    running = label_shares.is_running(experiment)

    @st.fragment(run_every=POLL_SECONDS * 2 if running else None)
    def panel() -> None:
        task, found = label_shares.task_of(experiment), _results(experiment)
        if task is not None:
            now = task.snapshot()
            if running:
                st.progress(now.fraction or 0.0, text=sentence(now.text))
            if now.state is TaskState.FAILED:
                st.error(sentence(now.error), icon=":material/error:")
            if running and now.state.is_over:
                st.rerun()
        elif len(found) < label_shares.wanted(experiment):
            st.info("This experiment was stopped before it was complete. Go on measures what is missing.",
                    icon=":material/info:")  # fmt: skip
        if found:
            _show(experiment, by_share(found), sum_up(found))

    panel()


def _show(experiment: Experiment, found: Sequence[ShareSummary], words: str) -> None:
    if words:
        with st.container(border=True, key="shares-summary"):
            st.markdown(f"**{sentence(words, 900)}**")
            st.caption(
                f"{units_of(experiment.config)}. A difference counts beyond half a point and two standard errors over "
                "the seeds. Every fine-tuning takes the same number of gradient steps."
            )
    figure = accuracy_by_share(found)
    show_chart(figure, key="shares-chart", alt="Accuracy against the share of labels")
    st.caption("Dots are single seeds, lines their mean, bars the standard deviation between seeds.")
    st.dataframe(table(found), hide_index=True, key="shares-table", placeholder="–", alt="Mean accuracy by share")


def table(found: Sequence[ShareSummary]) -> pd.DataFrame:
    """Means and spreads as text: one row a share, one column a method."""
    shares = sorted({summary.share for summary in found})
    rows = {summary.share: summary.rows for summary in found}
    by = {(summary.method, summary.share): summary for summary in found}
    columns: dict[str, list[str | int]] = {
        "Labels": [f"{100 * share:g} %" for share in shares],
        "Rows": [rows[share] for share in shares],
    }
    for method in METHODS:
        columns[TITLES[method]] = [_cell(by.get((method, share))) for share in shares]
    return pd.DataFrame(columns)


def _cell(summary: ShareSummary | None) -> str:
    if summary is None:
        return "–"
    spread = f" ± {100 * summary.spread:.1f}" if summary.spread == summary.spread else ""
    return f"{100 * summary.mean:.1f}{spread} % ({count(len(summary.accuracies), 'seed')})"
