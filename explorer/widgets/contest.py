"""The tab "Greedy, joint, PCA": starting the three runs, watching them, and what they came to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import streamlit as st

from explorer import contests, store
from explorer.charts import contest as charts
from explorer.charts import maps
from explorer.charts.contest import TITLES, Axis
from explorer.charts.style import duration, number
from explorer.contests import Contestant
from explorer.session import Session
from explorer.tasks import Task, TaskState
from explorer.widgets.contest_rows import show_rows_given_back
from explorer.widgets.experiments import choose, units_of
from explorer.widgets.figures import show_chart, show_legend, show_live_chart, show_map
from explorer.widgets.hover_picture import hover_pictures
from explorer.widgets.text import count, literal, sentence
from explorer.widgets.waiting import AT_ONCE, POLL_SECONDS
from sae_core.analysis.contest import PCA, WayResult, sum_up
from sae_core.analysis.projections import LevelMap, Method
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import SaeError
from sae_core.runs.experiments import Experiment, delete_experiment, experiments
from sae_core.training.plan import check, plan
from sae_core.training.ways import ways

MARKS = {"greedy": ":blue[■]", "joint": ":red[■]", "greedy then joint": ":green[■]", PCA: ":orange[■]"}
ABOUT = {
    "greedy": "One level after the other; each learns to give back the code below it.",
    "joint": "All levels at once, as one deep autoencoder.",
    "greedy then joint": "Half of the steps level by level, the other half on all levels together.",
    PCA: "The best linear code of the same width.",
}
MAP_HEIGHT = 300
GOES_ON = ("stopped", "interrupted", "failed")


def show(session: Session, data: Dataset) -> None:
    """The whole tab."""
    past = experiments(store.workspace(), "ways", data.fingerprint)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        experiment = choose(past, key="contest-choice")
        first = contests.contestants(experiment) if experiment else ()
        _buttons(session, data, experiment, first)
    if experiment is None:
        _explain(session.config.fitted(data.image_shape), data)
        return
    _live(session, data, experiment, first)
    finished = [each for each in first if each.is_finished]
    if finished:
        _results(session, data, experiment, finished)


def _buttons(session: Session, data: Dataset, experiment: Experiment | None, now: Sequence[Contestant]) -> None:
    states = [each.run.state if each.run else "" for each in now]
    active = any(state in ("queued", "running", "paused") for state in states)
    st.button(
        "Train all three",
        type="secondary" if active else "primary",
        icon=":material/play_arrow:",
        disabled=active,
        on_click=_start,
        args=(session, data),
        help=f"Trains {units_of(session.config)}, as it stands on the Design page, three times: greedily, jointly, and "
        "greedily then jointly, on the same rows, from the same seed and with the same number of gradient steps.",
    )
    if experiment is None:
        return
    if active:
        st.button("Stop", icon=":material/stop:", on_click=contests.stop, args=(experiment,), key="contest-stop")
    elif any(state in GOES_ON for state in states):
        st.button("Resume", icon=":material/resume:", on_click=_go_on, args=(session, experiment), key="contest-resume")
    if not active:
        st.button(
            "Delete", icon=":material/delete:", type="tertiary", on_click=_delete, args=(session, experiment),
            key="contest-delete", help="Forgets this experiment. Its runs stay, on the Compare page.",
        )  # fmt: skip


def _start(session: Session, data: Dataset) -> None:
    try:
        check(data, session.config, store.preparation(data, session.config.scaling))
        contests.start(data, session.config)
    except SaeError as error:
        session.notices.append(str(error))


def _go_on(session: Session, experiment: Experiment) -> None:
    session.notices.extend(contests.go_on(experiment))


def _delete(session: Session, experiment: Experiment) -> None:
    try:
        delete_experiment(store.workspace(), experiment.id)
    except SaeError as error:
        session.notices.append(str(error))


def _explain(config: StackConfig, data: Dataset) -> None:
    """What would happen, before anything was started."""
    made = ways(config)
    phases = plan(data, made.configs["joint"], store.preparation(data, config.scaling).n_inputs)
    steps = sum(phase.epochs * phase.steps_per_epoch for phase in phases if phase.kind == "joint")
    with st.container(border=True):
        st.markdown(
            f"Is it worth training **{units_of(config)}** level by level? Each way gets {count(made.epochs, 'epoch')} "
            f"over the training rows, {steps:,} gradient steps in all."
        )
        grid = st.grid(4, min_column_width=210)
        for way, about in ABOUT.items():
            with grid.cell():
                st.markdown(f"{MARKS[way]} **{TITLES[way]}**  \n{about}")
        _notes(made.notes)


def _notes(notes: Sequence[str]) -> None:
    if notes:
        st.caption(" ".join(notes))


def _live(session: Session, data: Dataset, experiment: Experiment, first: Sequence[Contestant]) -> None:
    """Cards and curves, alive as long as any way is in training."""
    before = [each.run.state if each.run else "" for each in first]
    active = any(each.run is not None and each.run.is_active for each in first)

    @st.fragment(run_every=POLL_SECONDS * 2 if active else None)
    def panel() -> None:
        now = contests.contestants(experiment)
        tasks = contests.for_each_finished(
            now, lambda way, run_id: contests.measured(way, run_id, data, experiment.config)
        )
        if not active:
            _wait_for(list(tasks.values()), "Measuring")
        results = _done(tasks)
        _summary(results, len(contests.ALL))
        _cards(session, now, results, experiment.config)
        _curves(now, results)
        if [each.run.state if each.run else "" for each in now] != before:
            st.rerun()

    panel()


def _wait_for(waiting: Sequence[Task], text: str) -> None:
    """A progress bar until the tasks are over; the page runs again as each of them ends."""
    end = time.monotonic() + AT_ONCE
    for task in waiting:
        task.join(max(0.0, end - time.monotonic()))
    over = sum(task.snapshot().state.is_over for task in waiting)
    if over == len(waiting):
        for task in waiting:
            if task.snapshot().state is TaskState.FAILED:
                st.error(sentence(task.snapshot().error), icon=":material/error:")
        return

    @st.fragment(run_every=POLL_SECONDS)
    def bar() -> None:
        states = [task.snapshot() for task in waiting]
        done = sum(1.0 if state.state.is_over else state.fraction or 0.0 for state in states)
        st.progress(min(done / len(states), 1.0), text=text)
        if sum(state.state.is_over for state in states) != over:
            st.rerun()

    bar()


def _done(tasks: dict[str, Task]) -> dict[str, Any]:
    return {way: task.snapshot().result for way, task in tasks.items() if task.snapshot().state is TaskState.DONE}


def _summary(results: dict[str, WayResult], wanted: int) -> None:
    if len(results) < 2:
        return
    words = sum_up([results[way] for way in contests.ALL if way in results])
    with st.container(border=True, key="contest-summary"):
        lead = "" if len(results) == wanted else "So far: "
        st.markdown(f"**{lead}{sentence(words, 900)}**")
        st.caption(
            "On held-out rows, from the deepest code. Shares of variance count as equal within half a point, "
            "accuracies within half a point or two standard errors."
        )


def _cards(session: Session, now: Sequence[Contestant], results: dict[str, WayResult], config: StackConfig) -> None:
    grid = st.grid(4, min_column_width=205, border=True)
    for each in now:
        with grid.cell():
            st.markdown(f"{MARKS[each.way]} **{TITLES[each.way]}**", help=ABOUT[each.way])
            _state(session, each)
            _figures(results.get(each.way))
    with grid.cell():
        st.markdown(f"{MARKS[PCA]} **PCA**", help=ABOUT[PCA])
        st.caption(f"{count(config.units[-1], 'component')}, no training")
        _figures(results.get(PCA))


def _state(session: Session, each: Contestant) -> None:
    run = each.run
    if run is None:
        st.caption("This run was deleted.")
    elif run.is_active:
        words = {"queued": "waits for its turn", "paused": "paused"}.get(run.state, "")
        left = f"{duration(run.seconds_left)} left" if run.seconds_left is not None else "in training"
        st.progress(min(max(run.fraction, 0.0), 1.0), text=words or left)
    elif run.state == "finished":
        steps = [row.step for row in run.history if row.phase in ("pretrain", "joint", "unrolled")]
        seconds = [row.seconds for row in run.history if row.phase in ("pretrain", "joint", "unrolled")]
        st.caption(f"{max(steps, default=0):,} steps, {number(max(seconds, default=0.0))} s")
    else:
        st.caption(f"{run.state.capitalize()}. {literal(run.message, 200) if run.message else ''}")


def _figures(result: WayResult | None) -> None:
    if result is None:
        return
    st.metric(
        "Variance given back", _percent(result.explained),
        help=f"Of the input, on held-out rows; mean squared error {number(result.error)} per prepared value.",
    )  # fmt: skip
    if len(result.right):
        st.metric("Linear classifier", _percent(result.accuracy), help="Softmax regression on the deepest code.")
    if len(result.fine_tuned_right):
        st.metric("Fine-tuned", _percent(result.fine_tuned_accuracy), help="The whole stack, with all labels.")


def _percent(share: float) -> str:
    return "–" if share != share else f"{share:.1%}".replace("%", " %")


def _curves(now: Sequence[Contestant], results: dict[str, WayResult]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            "**The input's error while they train**",
            help="Held-out rows, encoded to the level in training and decoded down to the input. Greedy training "
            "begins every level anew, so its curve jumps there; the marks say where.",
        )
        axis = st.segmented_control(
            "Against", ["step", "seconds"], default="step", required=True, key="contest-axis",
            format_func=lambda name: {"step": "Steps", "seconds": "Seconds"}[name], label_visibility="collapsed",
        )  # fmt: skip
    traces = {each.way: store.run(each.run.id).trace() for each in now if each.run is not None}
    pca = results[PCA].error if PCA in results else float("nan")
    figure = charts.error_curves(cast("Any", traces), axis=cast(Axis, axis or "step"), pca_error=pca)
    alt = "Error of the input during training, by way"
    show_live_chart(figure, key="contest-curves", alt=alt, name="error of the input")


def _results(session: Session, data: Dataset, experiment: Experiment, finished: Sequence[Contestant]) -> None:
    """What there is to see once at least one way is done."""
    config = experiment.config
    tasks = contests.for_each_finished(finished, lambda way, run_id: contests.measured(way, run_id, data, config))
    results = _done(tasks)
    if len(results) > 1:
        st.markdown("**What they came to**", help="Dots with their 95 % intervals; further right is better.")
        figure = charts.outcomes([results[way] for way in contests.ALL if way in results])
        show_chart(figure, key="contest-outcomes", alt="Shares by way of training")
    st.markdown("**The same held-out rows, given back from the deepest code**")
    show_rows_given_back(data, config, {each.way: each.run_id for each in finished} | {PCA: None})
    _maps(session, data, experiment, finished)
    with st.container(horizontal=True):
        for each in finished:
            opened = st.button(
                f"Open {TITLES[each.way].lower()}",
                key=f"contest-open-{each.way}",
                icon=":material/open_in_new:",
                help="Shows this run on all pages.",
            )
            if opened:
                session.show_run(str(each.run_id))
                st.rerun()


def _maps(session: Session, data: Dataset, experiment: Experiment, finished: Sequence[Contestant]) -> None:
    st.markdown(
        "**Maps of the deepest codes**",
        help="Up to 2,000 rows, every map begun from and turned onto that of PCA, so that groups can be compared.",
    )
    config = experiment.config

    def of(method: Method) -> dict[str, Task]:
        return contests.for_each_finished(finished, lambda way, run_id: contests.way_map(run_id, data, config, method))

    drawn = {"pca": of("pca"), "umap": of("umap")}
    _wait_for([*drawn["pca"].values(), *drawn["umap"].values()], "UMAP; PCA stands in for it")
    planes, umaps = _done(drawn["pca"]), _done(drawn["umap"])
    colouring = maps.by_group(data.label_name, data.classes or ("row",), _groups(data))
    if (legend := maps.legend_figure(colouring)) is not None:
        show_legend(legend, key="contest-legend", alt="Colours of the classes")
    grid = st.grid(4, min_column_width=230, gap="small")
    for way in contests.ALL:
        shown = umaps.get(way) or planes.get(way)
        if shown is not None:
            with grid.cell():
                _one_map(session, TITLES[way], shown, colouring, f"contest-map-{way}")
    hover_pictures(data, "contest-map-", key="contest-hover")


def _one_map(session: Session, title: str, drawn: LevelMap, colouring: maps.Colouring, key: str) -> None:
    figure = maps.map_figure(drawn, colouring, title=title, height=MAP_HEIGHT)
    alt = f"Map of the deepest code: {title}"
    show_map(session, figure, drawn.rows, key=key, alt=alt, name=f"map, {title}")


def _groups(data: Dataset) -> Any:
    return data.class_codes if data.classes else np.zeros(len(data), dtype=np.int64)
