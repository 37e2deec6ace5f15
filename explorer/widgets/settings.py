"""Every setting of a stack as a widget. The configuration is the only truth.

A widget shows what the session's configuration says and writes into it when it is changed, so values survive page
switches, undo and an uploaded configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.widgets.fields import Setting

Commit = Callable[[str, Any], None]


def show_setting(setting: Setting, value: Any, commit: Commit, *, key: str, disabled: bool = False) -> None:
    """One widget that shows `value` and hands a new one to `commit(field, value)`."""
    st.session_state[key] = value  # the configuration is the truth, whatever the widget showed before

    def changed() -> None:
        new = st.session_state[key]
        commit(setting.name, int(new) if setting.kind == "whole" and new is not None else new)

    common: dict[str, Any] = {"key": key, "help": setting.help, "on_change": changed, "disabled": disabled}
    if setting.kind == "switch":
        st.toggle(setting.label, **common)
    elif setting.kind == "choice":
        options = [None, *setting.options] if setting.open else list(setting.options)
        placeholder = setting.open or None
        st.selectbox(setting.label, options, format_func=setting.word, placeholder=placeholder, **common)
    elif setting.kind == "steps":
        options = sorted({*setting.options, *([] if value is None else [value])})
        st.select_slider(
            setting.label, [None, *options] if setting.open else options, format_func=setting.word, **common
        )
    else:
        whole = setting.kind == "whole"
        as_number = int if whole else float
        if value is not None:
            st.session_state[key] = as_number(value)
        st.number_input(
            setting.label,
            min_value=as_number(setting.lowest),
            max_value=as_number(setting.highest),
            step=as_number(setting.step),
            format=None if whole else "%g",
            placeholder=setting.open or None,
            **common,
        )
