"""The parts of the Sweep page: ranges to choose, the sweep under way, its leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer import places, store
from explorer.charts.parallel import parallel
from explorer.charts.style import duration, joined, shorten
from explorer.runview import ACTIVE
from explorer.session import Session
from explorer.widgets.design_levels import unit_options
from explorer.widgets.figures import show_chart
from explorer.widgets.text import count, literal, sentence
from sae_core.analysis.comparison import varying_settings
from sae_core.config import Corruption, StackConfig
from sae_core.errors import SaeError
from sae_core.limits import MAX_SWEEP_RUNS
from sae_core.runs import draws
from sae_core.runs.draws import Method, Space
from sae_core.runs.sweep import Sweep, SweepPlan, Trial, open_sweep, ranked, sweeps

POLL_SECONDS = 1.0
RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
METHODS: dict[str, str] = {"random": "At random", "grid": "Grid", "optuna": "Optuna"}
CORRUPTIONS: dict[str, str] = {
    "none": "As designed",
    "masking": "Masking",
    "gaussian": "Gaussian noise",
    "salt_and_pepper": "Salt and pepper",
}
OBJECTIVES = {"validation_accuracy": "Validation accuracy", "validation_error": "Validation error"}


def ranges(session: Session, n_inputs: int) -> Space:
    """Sliders for every range, around the design."""
    config = session.config
    name = f"{session.data.fingerprint[:8] if session.data else ''}-{'-'.join(map(str, config.units))}"
    units = [_units(level, layer.units, n_inputs, layer.kind == "dense", name) for level, layer in _levels(config)]
    rate = min(max(config.learning_rate, RATES[0]), RATES[-1])
    options = sorted({*RATES, rate})
    low, high = (options[min(max(options.index(rate) + step, 0), len(options) - 1)] for step in (-2, 2))
    rates = st.select_slider(
        "Learning rate",
        options,
        (low, high),
        key=f"sweep-rate-{name}",
        persist_state="session",
        format_func=lambda value: f"{value:g}",
        help="Of every level. Equal steps are equal ratios.",
    )
    kind = st.selectbox(
        "Corruption",
        list(CORRUPTIONS),
        key="sweep-corruption",
        persist_state="session",
        format_func=lambda word: CORRUPTIONS[str(word)],
        help="Noise on the input of every level while it learns; the code must undo it.",
    )
    amounts = (0.0, 0.5)
    if kind != "none":
        words = "Standard deviation of the noise" if kind == "gaussian" else "Share of values that are corrupted"
        amounts = st.slider("Amount of corruption", 0.0, 1.0, amounts, 0.05, key="sweep-amount", help=words)
    return Space(tuple(units), rates, cast(Corruption, kind), amounts)


def _levels(config: StackConfig) -> Any:
    return enumerate(config.layers, start=1)


def _units(level: int, units: int, n_inputs: int, free: bool, name: str) -> tuple[int, int]:
    if not free:
        st.caption(f"Level {level} is convolutional and stays as designed.")
        return units, units
    options = unit_options(n_inputs, units)
    near = [option for option in options if units / 2 <= option <= units * 2]
    chosen = st.select_slider(
        f"Units of level {level}",
        options,
        (near[0], near[-1]),
        key=f"sweep-units-{level}-{name}",
        persist_state="session",
        help="The sweep tries widths between these two. Both ends on one value: it does not vary.",
    )
    return chosen


def method_and_number(space: Space) -> tuple[Method, int, int]:
    """How settings are drawn, how many runs, and the seed."""
    method = st.segmented_control(
        "Draw",
        list(METHODS),
        default="random",
        required=True,
        key="sweep-method",
        persist_state="session",
        format_func=lambda word: METHODS[str(word)],
        help="At random: evenly over every range, mostly the best for a few runs. Grid: every combination of a few "
        "steps. Optuna: after five random runs it tries what the results so far make promising.",
    )
    with st.container(horizontal=True):
        runs = st.number_input(
            "Runs at most", 1, MAX_SWEEP_RUNS, 12, key="sweep-runs", persist_state="session", help="Each is kept."
        )
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="sweep-seed", persist_state="session", help="Of the draws, not of the weights."
        )
    if method == "grid":
        st.caption(f"{count(len(draws.grid(space, int(runs))), 'combination')}, every range divided alike.")
    return cast(Method, method), int(runs), int(seed)


def start(session: Session, space: Space, method: Method, runs: int, seed: int) -> None:
    """Start a sweep around the design."""
    from sae_core.jobs.sweep import start_sweep

    if session.data is None:
        return
    try:
        job = start_sweep(store.workspace(), session.data, session.config, space, method=method, runs=runs, seed=seed)
    except SaeError as error:
        session.notices.append(str(error))
    else:
        session.page("sweep")["shown"] = job.sweep.id


def chooser(session: Session, plans: Sequence[SweepPlan]) -> SweepPlan:
    """Which sweep is shown: the newest, unless another one is chosen."""
    page = session.page("sweep")
    ids = [plan.id for plan in plans]
    names = {plan.id: f"{plan.name}, {plan.created[:16].replace('T', ' ')} UTC" for plan in plans}
    if page.get("shown") not in ids:
        page["shown"] = ids[0]
    if len(plans) > 1:
        st.session_state["sweep-shown"] = page["shown"]
        st.selectbox(
            "Sweep",
            ids,
            key="sweep-shown",
            format_func=lambda found: shorten(names[str(found)]),
            on_change=lambda: page.update(shown=st.session_state["sweep-shown"]),
        )
    else:
        st.subheader(literal(names[ids[0]]), anchor=False)
    return plans[ids.index(page["shown"])]


def controls(session: Session, plan: SweepPlan) -> None:
    """Stop, Go on, Delete."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if plan.state == "running":
            st.button(
                "Stop",
                icon=":material/stop:",
                on_click=stop,
                args=(session, plan.id),
                help="Ends the run in training and starts no further one. What is finished stays.",
            )
        elif plan.state != "finished":
            st.button("Go on", icon=":material/resume:", type="primary", on_click=go_on, args=(session, plan.id))
        if plan.state != "running":
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("Forget this sweep? Its runs stay; they can be deleted on the Compare page.")
                st.button("Delete this sweep", type="primary", on_click=delete, args=(session, plan.id))
    if plan.state == "interrupted":
        st.error("The program ended while this sweep was under way. Nothing that was finished is lost: Go on.")
    elif plan.state == "failed":
        st.error(f"{sentence(plan.message)} Then press Go on.", icon=":material/error:")


def stop(session: Session, sweep_id: str) -> None:
    """Stop a sweep, here or in another process."""
    from sae_core.jobs.sweep import find_sweep

    job = find_sweep(sweep_id)
    try:
        if job is not None:
            job.stop()
            job.join(5)
        else:
            open_sweep(store.workspace(), sweep_id).ask("stop")
    except SaeError as error:
        session.notices.append(str(error))


def go_on(session: Session, sweep_id: str) -> None:
    """Go on with a sweep."""
    from sae_core.jobs.sweep import go_on as drive

    try:
        drive(open_sweep(store.workspace(), sweep_id))
    except SaeError as error:
        session.notices.append(str(error))


def delete(session: Session, sweep_id: str) -> None:
    """Forget a sweep."""
    try:
        open_sweep(store.workspace(), sweep_id).delete()
    except SaeError as error:
        session.notices.append(str(error))


def progress(plan: SweepPlan, trials: Sequence[Trial]) -> None:
    """How many runs are done, and the one in training."""
    done = sum(trial.record.state in ("finished", "failed", "diverged") for trial in trials)
    active = [trial for trial in trials if trial.record.state in ACTIVE]
    seconds = [trial.record.seconds for trial in trials if trial.record.state == "finished"]
    left = float(np.mean(seconds)) * (plan.runs - done) if seconds and plan.state == "running" else None
    text = joined(
        [
            f"{done} of {count(plan.runs, 'run')} done",
            f"number {active[0].number + 1} is {active[0].record.state}" if active else "",
            f"about {duration(left)} left" if left else "",
            plan.state if plan.state != "running" else "",
        ]
    )
    st.progress(min(1.0, done / max(1, plan.runs)), text=text)


def leaderboard(session: Session, plan: SweepPlan, trials: list[Trial]) -> None:
    """Runs by the objective, best first, and what one does with the best."""
    order = ranked(trials, plan)
    if not order:
        st.caption("The first run is about to begin.")
        return
    objective = OBJECTIVES[plan.objective]
    rows = [_row(place, trial, plan, objective) for place, trial in enumerate(order, start=1)]
    form = "percent" if plan.higher_is_better else "%.4g"
    words = "Of the final classifier" if plan.higher_is_better else "Mean squared error per prepared value"
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        height="auto" if len(rows) <= 10 else 400,
        placeholder="–",
        column_config={
            "Place": st.column_config.NumberColumn(width=60, pinned=True),
            objective: st.column_config.NumberColumn(format=form, help=f"{words}, on the validation rows"),
            "Learning rate": st.column_config.NumberColumn(format="%g"),
            "Time": st.column_config.NumberColumn("Time (s)", format="%.1f"),
        },
        alt="Runs of the sweep, the best first",
    )
    best = order[0]
    if best.value is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Open the best run", icon=":material/open_in_new:", type="primary", help="On all pages."):
            session.show_run(best.record.id)
            st.switch_page(places.page("train").path, query_params={"run": best.record.id})
        if st.button("Compare the best three", icon=":material/stacked_line_chart:"):
            page = session.page("compare")
            page["chosen"] = [trial.record.id for trial in order[:3]]
            page["chosen_anew"] = page.get("chosen_anew", 0) + 1
            st.switch_page(places.page("compare").path, query_params=st.query_params.to_dict())
        st.button(
            "Design as the best",
            icon=":material/layers:",
            on_click=session.change_config,
            args=(best.record.config,),
            help="Takes its settings as the design; Undo on the Design page takes them back.",
        )


def _row(place: int, trial: Trial, plan: SweepPlan, objective: str) -> dict[str, Any]:
    config = trial.record.config
    corruption = {} if plan.space.corruption == "none" else {"Corruption": config.layers[0].corruption_level}
    return {
        "Place": place if trial.value is not None else None,
        objective: trial.value,
        "Levels": "-".join(str(units) for units in config.units),
        "Learning rate": config.learning_rate,
        **corruption,
        "State": str(trial.record.state).capitalize(),
        "Time": trial.record.seconds or None,
        "Run": trial.number + 1,
    }


def settings_drawn(plan: SweepPlan, trials: Sequence[Trial]) -> None:
    """Settings against the objective, once two runs are done."""
    done = [trial for trial in trials if trial.value is not None]
    settings = varying_settings([trial.record.config for trial in done])
    if len(done) < 2 or settings.empty:
        return
    values = np.array([trial.value for trial in done], dtype=np.float64)
    names = [f"run {trial.number + 1}" for trial in done]
    st.markdown("Settings against results")
    figure = parallel(settings, values, OBJECTIVES[plan.objective].lower(), share=plan.higher_is_better, names=names)
    title = OBJECTIVES[plan.objective].lower()
    show_chart(
        figure, key="sweep-parallel", alt=f"Settings of the runs against the {title}", name="settings against results",
        numbers=lambda: settings.reset_index(drop=True).assign(**{"run": names, title: values}),
    )  # fmt: skip
    st.caption("A line a run; violet is the lowest result, yellow-green the highest.")


def found(plan_id: str) -> tuple[SweepPlan, list[Trial]]:
    """A sweep as it is now. Raises RunNotFoundError."""
    sweep: Sweep = open_sweep(store.workspace(), plan_id)
    return sweep.plan, sweep.trials()


def known() -> list[SweepPlan]:
    """All sweeps of the workspace, newest first."""
    return sweeps(store.workspace())
