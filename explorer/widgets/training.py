"""The parts of the Train page in words and buttons: controls, progress, phases, what became of a run."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.charts.style import duration, joined, number
from explorer.runview import RunView, view_run
from explorer.session import Session
from explorer.widgets.text import count, literal, sentence
from sae_core.config import StackConfig
from sae_core.errors import SaeError
from sae_core.training.events import Phase

POLL_SECONDS = 0.5
MOST_METRICS = 4
RESUMABLE = ("stopped", "interrupted", "failed", "out of memory", "disk full")


def controls(session: Session, run: RunView | None) -> None:
    """Start training, or Pause / Resume and Stop; outside the polling fragment, so that they answer at once."""
    from sae_core.jobs import find_job

    job = find_job(session.run_id) if session.run_id else None
    with st.container(horizontal=True, vertical_alignment="center"):
        active = run is not None and run.is_active
        st.button(
            "Start training",
            type="secondary" if active else "primary",
            icon=":material/play_arrow:",
            disabled=active and job is not None,
            on_click=start,
            args=(session,),
        )
        if run is not None and active:
            if run.state == "paused":
                st.button(
                    "Resume", icon=":material/resume:", type="primary", on_click=ask, args=(session, run.id, "resume")
                )
            else:
                st.button("Pause", icon=":material/pause:", on_click=ask, args=(session, run.id, "pause"))
            st.button(
                "Stop",
                icon=":material/stop:",
                on_click=ask,
                args=(session, run.id, "stop"),
                help="Ends this run; what is trained so far is kept.",
            )
        elif run is not None and run.state in RESUMABLE:
            st.button(
                "Resume",
                icon=":material/resume:",
                on_click=go_on,
                args=(session, run.id),
                help="Goes on from its last checkpoint.",
            )


def ask(session: Session, run_id: str, request: str) -> None:
    """Tell the job in this process, or the process that trains the run, to "pause", "resume" or "stop"."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    try:
        if job is not None:
            getattr(job, request)()
        else:
            store.run(run_id).ask(request)
    except SaeError as error:
        session.notices.append(str(error))


def start(session: Session) -> None:
    """Start a run of the designed stack on the data set in use."""
    from sae_core.jobs import start_job

    if session.data is None:
        return
    units = "-".join(str(width) for width in session.config.units)
    try:
        job = start_job(session.data, session.config, workspace=store.workspace(), name=f"{session.data.name} {units}")
    except SaeError as error:
        session.notices.append(str(error))
    else:
        session.run_id = job.id


def go_on(session: Session, run_id: str) -> None:
    """Resume a run that was stopped or interrupted."""
    from sae_core.jobs import resume_run

    try:
        resume_run(store.run(run_id))
    except SaeError as error:
        session.notices.append(str(error))


def progress(run: RunView) -> None:
    """How far the whole plan is, in one line and a bar."""
    phase = run.phase
    if run.state == "queued":
        text = (
            f"Waits for its turn, number {run.queue_position:,} in the queue{_behind(run.id)}"
            if run.queue_position
            else "About to begin"
        )
    elif phase is not None and run.is_active:
        text = joined(
            [
                ("Paused in " if run.state == "paused" else "") + phase_title(phase),
                f"epoch {min(max(run.epoch, 1), phase.epochs)} of {phase.epochs}",
                f"{duration(run.seconds_left)} left" if run.seconds_left is not None and run.state == "running" else "",
            ]
        )
    else:
        text = {"finished": "Finished"}.get(run.state, run.state.capitalize())
    st.progress(min(max(run.fraction, 0.0), 1.0), text=text)
    st.caption(
        joined(
            [
                f"{run.fraction:.0%} of the plan",
                f"{duration(run.seconds)} of training",
                f"{number(run.samples_per_second)} rows per second" if run.samples_per_second else "",
                f"device {literal(run.device)}" if run.device else "",
            ]
        )
    )


def _behind(run_id: str) -> str:
    """What trains while this run waits."""
    from sae_core.jobs import active_jobs

    names = [job.name for job in active_jobs() if job.id != run_id and job.snapshot().state == "running"]
    return f", behind {literal(names[0], 40)}" if names else ""


def outcome(run: RunView) -> None:
    """What became of a run that did not finish, and what to do next."""
    from sae_core.jobs import find_job

    if run.is_active and find_job(run.id) is None:
        st.info(
            "Another program trains this run. It is shown here as it goes on, and does what these buttons ask of it "
            "within a second or two.",
            icon=":material/info:",
        )
    advice = {
        "stopped": "What is trained so far is kept. Resume goes on from there; Start training begins a new run.",
        "interrupted": "",
        "failed": "Resume tries again from the last checkpoint; Start training begins a new run.",
        "diverged": "Choose a smaller learning rate on the Design page, then start again.",
        "out of memory": "Resume goes on from the last checkpoint once there is memory again.",
        "disk full": "What was saved before is kept. Make room on the disk, then Resume goes on from there.",
    }.get(run.state)
    if advice is not None:
        show = st.info if run.state == "stopped" else st.error
        words = (
            sentence(run.message)
            if run.message
            else f"This run {'was' if run.state != 'failed' else 'has'} {run.state}\\."
        )
        show(f"{words} {advice}", icon=":material/info:")
    elif run.message and run.phases:
        st.info(sentence(run.message), icon=":material/info:")


def reading(run_id: str) -> None:
    """How far the files of a large table are read, until the first level is in training."""

    @st.fragment(run_every=POLL_SECONDS)
    def panel() -> None:
        run = view_run(run_id)
        if run.phases or not run.is_active:
            st.rerun()
        st.info(sentence(run.message) if run.message else "About to begin.", icon=":material/folder_open:")

    panel()


def results(run: RunView) -> None:
    """The figures of a finished run, on rows that it never saw."""
    if run.state != "finished":
        return
    found = store.run(run.id).record.results
    rows = f"On {count(int(found.get('rows', 0)), 'held-out row')}"
    with st.container(horizontal=True, gap="large"):
        if "test_accuracy" in found:
            st.metric(
                "Accuracy", f"{found['test_accuracy']:.1%}", width="content", help=f"{rows}, by the final classifier."
            )
        for level, error in list(enumerate(found.get("reconstruction_error", []), start=1))[:MOST_METRICS]:
            words = f"{rows}: mean squared error of each prepared value, decoded from level {level} down to the input."
            st.metric(f"Error of level {level}", number(error), width="content", help=words)


def changed_design(session: Session, config: StackConfig) -> None:
    """Say so where the design is not the one of the run that is shown."""
    if session.config != config:
        units = "-".join(str(width) for width in session.config.units)
        st.caption(
            f":material/edit: The design has changed since this run. Start training trains the new one, {units}."
        )


def phase_list(run: RunView) -> None:
    """Every phase with its mark and its last figures; the classifiers on frozen codes share one line."""
    lines = [_phase_line(run, [phase]) for phase in run.phases if phase.kind != "softmax"]
    heads = [phase for phase in run.phases if phase.kind == "softmax"]
    if heads:
        place = sum(phase.index < heads[0].index for phase in run.phases)
        lines.insert(place, _phase_line(run, heads))
    st.markdown("  \n".join(lines))
    if run.history:
        st.caption("Validation loss at the end of each phase; accuracy of classifiers.")


def _phase_line(run: RunView, phases: list[Phase]) -> str:
    current = run.is_active and phases[0].index <= run.phase_index <= phases[-1].index
    done = phases[-1].index < run.phase_index
    mark = ":material/check_circle:" if done else ":material/pending:" if current else ":material/circle:"
    name = phase_title(phases[0]) if len(phases) == 1 else f"Softmax on {len(phases)} frozen codes"
    figures = [figure for phase in phases for figure in _last_figure(run, phase)]
    if not figures:
        detail = f"{phases[0].epochs:,} epochs" if phases[0].epochs != 1 else "1 epoch"
    elif phases[0].loss == "cross_entropy":
        detail = f"{max(figures):.1%}" if len(figures) == 1 else f"{min(figures):.1%} to {max(figures):.1%}"
    else:
        detail = number(figures[-1])
    return f"{mark} {f'**{name}**' if current else name} · {detail}"


def _last_figure(run: RunView, phase: Phase) -> list[float]:
    rows = run.rows_of(phase)
    if not rows:
        return []
    kind = "accuracy" if phase.loss == "cross_entropy" else "loss"
    held_out = getattr(rows[-1], f"validation_{kind}")
    return [held_out if held_out == held_out else getattr(rows[-1], f"train_{kind}")]


def phase_title(phase: Phase) -> str:
    """A phase for people."""
    return phase.title.replace("->", "→")
