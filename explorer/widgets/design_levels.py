"""The sliders of the Design page: how many levels, of which kind, how wide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import streamlit as st

from explorer.session import Session
from explorer.widgets import fields as f
from explorer.widgets.settings import show_setting
from sae_core.config import Kind, LayerConfig
from sae_core.errors import ConfigError
from sae_core.limits import MAX_LEVELS, MAX_UNITS

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
    """As many levels as wanted: further ones continue the last, each half as wide; above a convolution, dense."""
    found = list(layers[:depth])
    while len(found) < depth:
        last = found[-1]
        found.append(as_dense(last) if last.kind == "convolution" else last.replace(units=max(2, last.units // 2)))
    return tuple(found)


def as_dense(layer: LayerConfig) -> LayerConfig:
    """A dense level with the other settings of a convolution, a good deal narrower."""
    return layer.replace(kind="dense", units=max(2, min(256, layer.units // 8)), input_shape=None)


def change_kind(session: Session, level: int, kind: Kind) -> None:
    """Make a level (from 1) dense or convolutional. Nothing convolutional can stay above a dense level."""
    layers = list(session.config.layers)
    if kind == "convolution":
        layers[level - 1] = layers[level - 1].replace(kind=kind, contractive=0.0)
    else:
        layers[level - 1 :] = [
            as_dense(layer) if layer.kind == "convolution" else layer for layer in layers[level - 1 :]
        ]
    change(session, layers=layers)


def level_sliders(session: Session, n_inputs: int) -> None:
    """Number of levels, the units of each, and for pictures its kind."""
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
    pictures = session.data is not None and session.data.image_shape is not None
    for level, layer in enumerate(config.layers, start=1):
        if not pictures or (level > 1 and config.layers[level - 2].kind == "dense"):
            _size(session, level, n_inputs)  # nothing can be convolved above a dense level
            continue
        with st.container(gap=None):
            _kind(session, level)
            _size(session, level, n_inputs)
            if layer.code_shape:
                pooled = f", largest of {layer.pooling} × {layer.pooling}" if layer.pooling > 1 else ""
                st.caption(
                    f"{layer.kernel} × {layer.kernel} pixels, stride {layer.stride}{pooled}: "
                    f"{' × '.join(map(str, layer.code_shape))} = {layer.units:,} values"
                )


def _kind(session: Session, level: int) -> None:
    key = f"design-kind-{level}"
    st.session_state[key] = session.config.layers[level - 1].kind
    st.segmented_control(
        f"Kind of level {level}",
        get_args(Kind),
        key=key,
        required=True,
        format_func=lambda kind: {"dense": "Dense", "convolution": "Convolution"}[kind],
        help="Dense: each unit sees the whole picture. Convolution: the same small detectors everywhere in the picture "
        "(Masci et al. 2011); only from the input upwards, below the first dense level.",
        on_change=lambda: change_kind(session, level, st.session_state[key]),
    )


def _size(session: Session, level: int, n_inputs: int) -> None:
    layer = session.config.layers[level - 1]
    if layer.kind == "convolution":
        channels = replace(f.LAYER_CONVOLUTION[0], label=f"Channels of level {level}")
        show_setting(
            channels,
            layer.channels,
            lambda name, value: change_level(session, level, **{name: value}),
            key=f"design-channels-{level}",
        )
        return
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


def exact_units(session: Session, level: int) -> None:
    """The units of a dense level as a number."""
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
