"""The parts of the Design page: levels, settings, drawing."""

from __future__ import annotations

import streamlit as st

from explorer.charts.stack import StackDrawing
from explorer.session import Session
from explorer.widgets import fields as f
from explorer.widgets.design_levels import change, change_level, exact_units
from explorer.widgets.settings import show_setting
from explorer.widgets.words import ACTIVATION_WORDS, WORDS
from sae_core.config import LayerConfig, StackConfig
from sae_core.training.plan import ParameterCounts

OWN_FIELDS = ("kind", "units", "channels", "kernel", "stride", "pooling", "input_shape")  # of one level alone


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
            if group == "Learning" and layer.kind == "dense":
                exact_units(session, level)
            for setting in (*f.LAYER_CONVOLUTION[1:], *settings) if _convolves(group, layer) else settings:
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
            help="Copies everything but the kind and the size to the other levels.",
        )


def _for_all_levels(session: Session, layer: LayerConfig) -> None:
    shared = {name: value for name, value in layer if name not in OWN_FIELDS}
    change(session, layers=[other.replace(**shared) for other in session.config.layers])


def _convolves(group: str, layer: LayerConfig) -> bool:
    return group == "Code" and layer.kind == "convolution"


def _has_no_effect(name: str, layer: LayerConfig) -> bool:
    """Settings that another one has switched off."""
    return {
        "corruption_level": layer.corruption == "none",
        "sparsity_weight": layer.sparsity == "none",
        "sparsity_target": layer.sparsity != "kl",
        "contractive": layer.kind == "convolution",
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
        words = [ACTIVATION_WORDS.get(str(layer.activation), str(layer.activation))]
        if layer.corruption != "none":
            words.append(f"{WORDS.get(layer.corruption, layer.corruption)} {layer.corruption_level:g}")
        if layer.sparsity != "none":
            words.append(f"{WORDS.get(layer.sparsity)} sparsity")
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
        shapes=(config.layers[0].input_shape, *(layer.code_shape for layer in config.layers)),
        kernels=tuple(layer.kernel if layer.kind == "convolution" else 0 for layer in config.layers),
    )
