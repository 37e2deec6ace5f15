"""Design: choose the levels of the stack and how they learn."""

from __future__ import annotations

import streamlit as st

from explorer import store
from explorer.charts.stack import stack_drawing
from explorer.charts.style import joined, number
from explorer.session import Session, suggested
from explorer.widgets import design as parts
from explorer.widgets import fields as f
from explorer.widgets.design_levels import level_sliders
from explorer.widgets.figures import show_live_chart
from explorer.widgets.frame import begin_page, guarded, next_step
from explorer.widgets.text import count, sentence
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ConfigError
from sae_core.limits import MEGABYTE
from sae_core.training import plan as plans

MOST_WARNINGS = 3


def toolbar(session: Session) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        next_step("train", label="Train this stack")
        st.button("Undo", icon=":material/undo:", disabled=not session.undone, on_click=session.undo)
        st.button("Reset to suggested", icon=":material/restart_alt:", on_click=reset, args=(session,))
        with st.popover("Presets", icon=":material/menu_book:"):
            parts.preset_buttons(session)
        with st.popover("Configuration file", icon=":material/file_json:"):
            st.download_button(
                "Download configuration",
                session.config.to_json(),
                file_name="stack.json",
                mime="application/json",
                icon=":material/download:",
                on_click="ignore",
            )
            st.file_uploader(
                "Use a configuration",
                type="json",
                key="design-upload",
                on_change=upload,
                args=(session,),
                max_upload_size=1,
            )


def reset(session: Session) -> None:
    if session.data is not None:
        session.change_config(suggested(session.data))


def upload(session: Session) -> None:
    file = st.session_state["design-upload"]
    if file is None:
        return
    try:
        session.change_config(StackConfig.from_json(file.getvalue()[:MEGABYTE].decode("utf-8", errors="replace")))
    except ConfigError as error:
        session.notices.append(str(error))


def _corrupted(config: StackConfig) -> str:
    """Which levels learn to give back what was hidden from them: it is set elsewhere, and changes much."""
    levels = [str(level) for level, layer in enumerate(config.layers, start=1) if layer.corruption != "none"]
    if not levels:
        return ""
    return f"level{'s' if len(levels) > 1 else ''} {' and '.join(levels)} denoising (see single levels)"


def drawing(session: Session, data: Dataset) -> None:
    config = session.config
    preparation = store.preparation(data, config.scaling)
    counts = plans.parameter_counts(preparation.n_inputs, len(data.classes), config)
    drawn = parts.drawing_of(config, preparation.n_inputs, len(data.classes), counts)
    show_live_chart(stack_drawing(drawn), key="design-stack", alt="The stack as designed", name="stack")
    phases = plans.plan(data, config, preparation.n_inputs)
    steps = sum(phase.epochs * phase.steps_per_epoch for phase in phases)
    ratio = preparation.n_inputs / config.units[-1]
    st.caption(
        joined(
            [
                f"{counts.total:,} parameters",
                f"deepest code {number(ratio)} times narrower than the input" if ratio > 1 else "",
                count(len(phases), "phase"),
                count(steps, "gradient step"),
                _corrupted(config),
            ]
        )
    )
    with guarded():
        plans.check(data, config, preparation)
    found = plans.warnings(data, config, preparation.n_inputs)
    if found:
        lines = [sentence(warning) for warning in found[:MOST_WARNINGS]]
        more = len(found) - MOST_WARNINGS
        st.warning(
            "\n\n".join([*lines, f"And {more:,} more of the kind."] if more > 0 else lines), icon=":material/lightbulb:"
        )


session = begin_page("Design", intro="How many levels, how wide, and how each one learns.", needs="data")
data = session.data
assert data is not None
with guarded():
    toolbar(session)
    with st.container(border=True):
        drawing(session, data)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Levels", anchor=False)
        level_sliders(session, store.preparation(data, session.config.scaling).n_inputs)
    with right:
        st.subheader("Learning", anchor=False)
        parts.stack_settings(session, f.STACK_MAIN)
    with st.expander("Settings of single levels", icon=":material/tune:"):
        parts.level_settings(session)
    with st.expander("Phases: pretraining, classifier, fine-tuning", icon=":material/timeline:"):
        for column, settings in zip(
            st.columns(3, gap="medium"), (f.STACK_PRETRAINING, f.STACK_CLASSIFIER, f.STACK_CLASSIFIER_MORE), strict=True
        ):
            with column:
                parts.stack_settings(session, settings)
    with st.expander("Optimiser, loss and scaling", icon=":material/speed:"):
        for column, settings in zip(
            st.columns(2, gap="medium"), (f.STACK_OPTIMISER[:4], f.STACK_OPTIMISER[4:]), strict=True
        ):
            with column:
                parts.stack_settings(session, settings)
