"""The parts of the Train page: controls, progress, phases, charts, reconstructions that sharpen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from explorer import store
from explorer.cache import Cache
from explorer.charts.gallery import gallery
from explorer.charts.loss import accuracy_curve, loss_curve
from explorer.charts.profiles import profiles
from explorer.charts.stack import stack_drawing
from explorer.charts.style import CHART_CONFIG, duration, joined, number
from explorer.runview import RunView, live_drawing
from explorer.session import Session
from explorer.widgets.design import drawing_of
from explorer.widgets.text import literal, sentence
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, Features
from sae_core.errors import SaeError
from sae_core.training.events import Phase
from sae_core.training.plan import parameter_counts

POLL_SECONDS = 0.6
LEVELS_PER_ROW = 3
PROFILE_ROWS = 5

Figures = dict[str, tuple[Any, go.Figure]]  # by key, with what each was drawn from
Scale = tuple[list[str], NDArray[np.float64], NDArray[np.float64]]
_scales: Cache[Scale] = Cache(8)


def controls(session: Session, run: RunView | None) -> None:
    """Start training, or Pause / Resume and Stop; outside the polling fragment, so that they answer at once."""
    from sae_core.jobs import find_job

    job = find_job(session.run_id) if session.run_id else None
    with st.container(horizontal=True, vertical_alignment="center"):
        active = run is not None and run.is_active and job is not None
        st.button(
            "Start training",
            type="secondary" if active else "primary",
            icon=":material/play_arrow:",
            disabled=active,
            on_click=start,
            args=(session,),
        )
        if run is not None and job is not None and active:
            if run.state == "paused":
                st.button("Resume", icon=":material/resume:", type="primary", on_click=job.resume)
            else:
                st.button("Pause", icon=":material/pause:", on_click=job.pause)
            st.button(
                "Stop", icon=":material/stop:", on_click=job.stop, help="Ends this run; what is trained so far is kept."
            )
        elif run is not None and run.state in ("stopped", "interrupted", "failed"):
            st.button(
                "Resume",
                icon=":material/resume:",
                on_click=go_on,
                args=(session, run.id),
                help="Goes on from its last checkpoint.",
            )


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


def kept_for(session: Session, run_id: str) -> dict[str, Any]:
    """What the page keeps of the run that it shows: figures by key, reconstructions by level. Only of one run."""
    page = session.page("train")
    if page.get("run") != run_id:
        page.clear()
        page.update(run=run_id, figures={}, seen={})
    return page


def progress(run: RunView) -> None:
    """How far the whole plan is, in one line and a bar."""
    phase = run.phase
    if run.state == "queued":
        text = (
            f"Waits for its turn, number {run.queue_position:,} in the queue"
            if run.queue_position
            else "About to begin"
        )
    elif phase is not None and run.is_active:
        text = joined(
            [
                ("Paused in " if run.state == "paused" else "") + _title(phase),
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


def outcome(run: RunView) -> None:
    """What became of a run that did not finish, and what to do next."""
    from sae_core.jobs import find_job

    if run.is_active and find_job(run.id) is None:
        st.info(
            "Another process trains this run; it is shown as far as that process has written it.",
            icon=":material/info:",
        )
    advice = {
        "stopped": "What is trained so far is kept. Resume goes on from there; Start training begins a new run.",
        "interrupted": "",
        "failed": "Resume tries again from the last checkpoint; Start training begins a new run.",
        "diverged": "Choose a smaller learning rate on the Design page, then start again.",
    }.get(run.state)
    if advice is not None:
        show = st.info if run.state == "stopped" else st.error
        words = (
            sentence(run.message)
            if run.message
            else f"This run {'was' if run.state != 'failed' else 'has'} {run.state}\\."
        )
        show(f"{words} {advice}", icon=":material/info:")
    elif run.message:
        st.info(sentence(run.message), icon=":material/info:")


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
    name = _title(phases[0]) if len(phases) == 1 else f"Softmax on {len(phases)} frozen codes"
    figures = [figure for phase in phases for figure in _last_figure(run, phase)]
    if not figures:
        detail = f"{phases[0].epochs:,} epochs" if phases[0].epochs != 1 else "1 epoch"
    elif phases[0].loss == "cross_entropy":
        detail = f"{max(figures):.1%}" if len(phases) == 1 else f"{min(figures):.1%} to {max(figures):.1%}"
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


def drawing(run: RunView, config: StackConfig, data: Dataset, kept: Figures) -> go.Figure:
    """The stack with what is trained, in training and dropped; `kept` as of `charts`."""
    return _redrawn(kept, "stack", (run.phase_index, run.state), lambda: _drawn(run, config, data))


def _drawn(run: RunView, config: StackConfig, data: Dataset) -> go.Figure:
    n_inputs = store.preparation(data, config.scaling).n_inputs
    counts = parameter_counts(n_inputs, len(data.classes), config)
    designed = drawing_of(config, n_inputs, len(data.classes), counts)
    return stack_drawing(live_drawing(run, designed), height=270)


def charts(run: RunView, kept: Figures) -> None:
    """A loss chart for each level (or joint phase); only those whose numbers changed are drawn anew.

    Args:
        kept: figures of the last time by key, with what they were drawn from.
    """
    learning = [phase for phase in run.phases if phase.loss != "cross_entropy"]
    for start_at in range(0, len(learning), LEVELS_PER_ROW):
        part = learning[start_at : start_at + LEVELS_PER_ROW]
        for column, phase in zip(st.columns(max(len(part), min(LEVELS_PER_ROW, len(learning)))), part, strict=False):
            with column:
                _phase_chart(run, phase, kept)


def classifier_charts(run: RunView, kept: Figures) -> None:
    """Accuracy of the classifiers on frozen codes; loss and accuracy of fine-tuning."""
    heads = [phase for phase in run.phases if phase.kind == "softmax"]
    tuned = [phase for phase in run.phases if phase.kind == "fine_tune"]
    if heads or tuned:
        columns = st.columns(LEVELS_PER_ROW)
        if heads:
            with columns[0]:
                _softmax_chart(run, heads, kept)
        for phase in tuned:
            with columns[1]:
                _phase_chart(run, phase, kept)
            with columns[2]:
                _accuracy_chart(run, phase, kept)


def _phase_chart(run: RunView, phase: Phase, kept: Figures) -> None:
    rows, curve = run.rows_of(phase), run.curve_of(phase)
    _heading(run, phase, _title(phase))
    key = f"loss-{run.id}-{phase.index}"
    figure = _redrawn(kept, key, (len(rows), len(curve), curve[-1:]), lambda: loss_curve(phase, rows, curve))
    st.plotly_chart(figure, key=key, config=CHART_CONFIG, alt=f"Loss of {phase.title} by epoch")


def _accuracy_chart(run: RunView, phase: Phase, kept: Figures) -> None:
    rows = run.rows_of(phase)
    st.markdown("**Accuracy while fine-tuning**")
    key = f"accuracy-{run.id}-{phase.index}"
    figure = _redrawn(kept, key, len(rows), lambda: accuracy_curve([("", phase, rows)]))
    st.plotly_chart(figure, key=key, config=CHART_CONFIG, alt="Accuracy of the fine-tuned classifier by epoch")


def _softmax_chart(run: RunView, heads: list[Phase], kept: Figures) -> None:
    lines = [("input" if phase.level == 0 else f"level {phase.level}", phase, run.rows_of(phase)) for phase in heads]
    st.markdown("**Softmax on frozen codes**")
    key = f"softmax-{run.id}"
    figure = _redrawn(kept, key, tuple(len(rows) for _, _, rows in lines), lambda: accuracy_curve(lines))
    st.plotly_chart(figure, key=key, config=CHART_CONFIG, alt="Accuracy of the classifier on each level by epoch")


def _heading(run: RunView, phase: Phase, text: str) -> None:
    current = phase.index == run.phase_index and run.is_active
    st.markdown(f"**{text}**" + (" :orange-badge[in training]" if current else ""))


def _redrawn(kept: Figures, key: str, basis: Any, draw: Any) -> go.Figure:
    if key not in kept or kept[key][0] != basis:
        kept[key] = (basis, draw())
    return kept[key][1]


def _title(phase: Phase) -> str:
    return phase.title.replace("->", "→")


def watched(run: RunView, data: Dataset, page: dict[str, Any]) -> tuple[NDArray[np.int64], dict[int, Features]]:
    """The watched held-out rows, and each level's reconstructions: as last seen, and from the model once it is there."""
    from sae_core.training.preview import preview_rows

    seen: dict[int, Features] = page["seen"]
    if run.is_active:
        page["final"] = False
        if run.preview is None:
            return preview_rows(data), seen
        seen[run.preview.level] = run.preview.reconstruction
        return run.preview.rows, seen
    rows = preview_rows(data)
    if not page.get("final"):
        page["final"] = True
        try:
            model = store.model(run.id)
        except SaeError:
            return rows, seen
        raw = data.take(rows)
        seen.update({level: model.reconstruct(raw, level) for level in range(1, model.n_levels + 1)})
    return rows, seen


def reconstructions(run: RunView, data: Dataset, page: dict[str, Any]) -> go.Figure | None:
    """Held-out rows above what each level gives back; pictures as pictures, numbers as profiles of the newest level.

    Args:
        page: what `kept_for` keeps.
    """
    if "rows" not in page["figures"] or run.preview is not page.get("preview") or not run.is_active:
        page["figures"]["rows"] = (None, _rows_drawn(run, data, page))
        page["preview"] = run.preview
    figure: go.Figure | None = page["figures"]["rows"][1]
    return figure


def _rows_drawn(run: RunView, data: Dataset, page: dict[str, Any]) -> go.Figure | None:
    rows, found = watched(run, data, page)
    if data.image_shape is not None:
        strips = [("original", np.asarray(data.take(rows)))]
        strips += [(f"level {level}", np.asarray(found[level])) for level in sorted(found)]
        return gallery(strips, data.image_shape, cell=54)
    names, mean, spread = _scale(data)
    if not names:
        return None
    rows = rows[:PROFILE_ROWS]
    newest = max(found, default=0)
    original = (_numbers(data.take(rows), names) - mean) / spread
    back = (_numbers(found[newest], names)[:PROFILE_ROWS] - mean) / spread if newest else None
    labels = [f"row {row}" if data.labels is None else str(data.labels[row]) for row in rows]
    return profiles(original, back, names, labels)


def _scale(data: Dataset) -> Scale:
    """Numeric columns with mean and standard deviation over (at most 20,000) training rows."""

    def measure() -> Scale:
        names = list(data.feature_names)
        if isinstance(data.features, pd.DataFrame):
            names = [column.name for column in data.columns if column.kind in ("numeric", "boolean")]
        values = _numbers(data.take(data.split.train[:20_000]), names)
        with np.errstate(all="ignore"):
            mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return names, np.nan_to_num(mean), np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)

    return _scales.get(data.fingerprint, measure)


def _numbers(features: Features, names: list[str]) -> NDArray[np.float64]:
    if isinstance(features, pd.DataFrame):
        values: NDArray[np.float64] = features[names].astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)
        return values
    return np.asarray(features, dtype=np.float64)
