"""The parts of the Design page: levels, settings, drawing."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explorer.charts.stack import StackDrawing
from explorer.session import Session
from explorer.widgets import fields as f
from explorer.widgets.settings import show_setting
from sae_core.config import LayerConfig, StackConfig
from sae_core.errors import ConfigError
from sae_core.limits import MAX_LEVELS, MAX_UNITS
from sae_core.training.plan import ParameterCounts

UNIT_STEPS = tuple(sorted({1, 2, 3, *(2**i for i in range(2, 15)), *(3 * 2**i for i in range(1, 13))}))


def unit_options(n_inputs: int, current: int) -> list[int]:
    """Steps of a units slider: about 1.4 apart, up to twice the input, the current value among them.

    >>> unit_options(4, 5)
    [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32]
    """
    highest = min(MAX_UNITS, max(32, 2 * n_inputs))
    return sorted({*(step for step in UNIT_STEPS if step <= highest), current})


def change(session: Session, **changes: Any) -> None:
    """Change settings of the stack; what cannot be is said at the top of the page, and nothing changes."""
    try:
        session.change_config(session.config.replace(**changes))
    except ConfigError as error:
        session.notices.append(str(error))


def change_level(session: Session, level: int, **changes: Any) -> None:
    """Change settings of one level (from 1)."""
    layers = list(session.config.layers)
    layer = layers[level - 1]
    kind = changes.get("corruption")
    if kind in ("masking", "salt_and_pepper") and layer.corruption_level > 1:
        changes["corruption_level"] = 0.25  # a standard deviation is no share
    try:
        layers[level - 1] = layer.replace(**changes)
    except ConfigError as error:
        session.notices.append(str(error))
        return
    change(session, layers=layers)


def resized(layers: tuple[LayerConfig, ...], depth: int) -> tuple[LayerConfig, ...]:
    """As many levels as wanted: further ones continue the last, each half as wide."""
    found = list(layers[:depth])
    while len(found) < depth:
        found.append(found[-1].replace(units=max(2, found[-1].units // 2)))
    return tuple(found)


def preset_buttons(session: Session) -> None:
    """Every preset that fits the data set, to be used with one click, with what it is and where it comes from."""
    from explorer import store
    from sae_core.presets import presets

    assert session.data is not None
    for entry in presets(session.data, store.preparation(session.data, "auto")):
        current = session.config == entry.config
        st.button(
            entry.title,
            icon=":material/check:" if current else None,
            key=f"design-preset-{entry.name}",
            disabled=current,
            help=f"{entry.source}.",
            on_click=session.change_config,
            args=(entry.config,),
            width="stretch",
        )
        st.caption(f"{entry.about} Source: {entry.source}.")


def level_sliders(session: Session, n_inputs: int) -> None:
    """Number of levels, and the units of each."""
    config = session.config
    st.session_state["design-levels"] = len(config.layers)
    st.slider(
        "Number of levels",
        1,
        MAX_LEVELS,
        key="design-levels",
        help="Autoencoders on top of each other. Each learns from the codes of the one below.",
        on_change=lambda: change(session, layers=resized(session.config.layers, st.session_state["design-levels"])),
    )
    for level, layer in enumerate(config.layers, start=1):
        key = f"design-units-{level}"
        st.session_state[key] = layer.units
        st.select_slider(
            f"Units of level {level}",
            unit_options(n_inputs, layer.units),
            key=key,
            help=f"Width of the code that level {level} learns. Fewer units than below force it to compress.",
            on_change=_units_changed,
            args=(session, level, key),
        )


def _units_changed(session: Session, level: int, key: str) -> None:
    change_level(session, level, units=int(st.session_state[key]))


def level_settings(session: Session) -> None:
    """All settings of one level at a time."""
    config, depth = session.config, len(session.config.layers)
    chosen = session.page("design").get("level", 1)
    st.session_state["design-level"] = min(chosen, depth)
    st.segmented_control(
        "Level",
        list(range(1, depth + 1)),
        key="design-level",
        required=True,
        label_visibility="collapsed",
        format_func=lambda level: f"Level {level}",
        on_change=lambda: session.page("design").update(level=st.session_state["design-level"]),
    )
    level = int(st.session_state["design-level"])
    layer = config.layers[level - 1]
    for column, (group, settings) in zip(
        st.columns(len(f.LAYER_GROUPS), gap="medium"), f.LAYER_GROUPS.items(), strict=True
    ):
        with column:
            st.markdown(f"**{group}**")
            if group == "Learning":
                _exact_units(session, level)
            for setting in settings:
                show_setting(
                    setting,
                    getattr(layer, setting.name),
                    lambda name, value: change_level(session, level, **{name: value}),
                    key=f"design-{level}-{setting.name}",
                    disabled=_has_no_effect(setting.name, layer),
                )
    if depth > 1:
        st.button(
            "Use these settings for every level",
            icon=":material/content_copy:",
            on_click=_for_all_levels,
            args=(session, layer),
            help="Copies everything but the units to the other levels.",
        )


def _exact_units(session: Session, level: int) -> None:
    key = f"design-exact-{level}"
    st.session_state[key] = session.config.layers[level - 1].units
    st.number_input(
        "Units, exactly",
        min_value=1,
        max_value=MAX_UNITS,
        key=key,
        help="Any number of units, where the slider's steps are too coarse.",
        on_change=_units_changed,
        args=(session, level, key),
    )


def _for_all_levels(session: Session, layer: LayerConfig) -> None:
    change(session, layers=[layer.replace(units=other.units) for other in session.config.layers])


def _has_no_effect(name: str, layer: LayerConfig) -> bool:
    """Settings that another one has switched off."""
    return {
        "corruption_level": layer.corruption == "none",
        "sparsity_weight": layer.sparsity == "none",
        "sparsity_target": layer.sparsity != "kl",
    }.get(name, False)


def stack_settings(session: Session, settings: tuple[f.Setting, ...]) -> None:
    """Settings of the whole stack, one below the other."""
    config = session.config
    for setting in settings:
        useless = {
            "momentum": config.optimiser != "sgd",
            "joint_epochs": config.pretraining != "joint",
        }.get(setting.name, False)
        show_setting(
            setting,
            getattr(config, setting.name),
            lambda name, value: change(session, **{name: value}),
            key=f"design-stack-{setting.name}",
            disabled=useless,
        )


def drawing_of(config: StackConfig, n_inputs: int, n_classes: int, counts: ParameterCounts) -> StackDrawing:
    """The designed stack, for the drawing."""
    notes = []
    for level in range(1, len(config.layers) + 1):
        layer = config.level(level)
        words = [f.ACTIVATION_WORDS.get(str(layer.activation), str(layer.activation))]
        if layer.corruption != "none":
            words.append(f"{f.WORDS.get(layer.corruption, layer.corruption)} {layer.corruption_level:g}")
        if layer.sparsity != "none":
            words.append(f"{f.WORDS.get(layer.sparsity)} sparsity")
        if layer.contractive:
            words.append("contractive")
        if layer.dropout:
            words.append(f"dropout {layer.dropout:g}")
        if layer.normalisation != "none":
            words.append(f"{layer.normalisation} normalisation")
        notes.append(", ".join(words))
    supervised = n_classes > 1 and (config.softmax_epochs > 0 or config.fine_tune_epochs > 0)
    return StackDrawing(
        widths=(n_inputs, *config.units),
        encoders=counts.encoders,
        decoders=counts.decoders,
        n_classes=n_classes if supervised else 0,
        softmax=counts.softmax if supervised else 0,
        notes=tuple(notes),
        tied=tuple(layer.tied for layer in config.layers),
    )
