"""What both tabs of the Experiments page share."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from sae_core.config import StackConfig
from sae_core.runs.experiments import Experiment


def choose(past: Sequence[Experiment], *, key: str) -> Experiment | None:
    """The experiment to look at: the newest one, unless an older one is chosen; None where there is none.

    Args:
        past: newest first.
        key: of the list; a new experiment begins it afresh.
    """
    if len(past) < 2:
        return past[0] if past else None
    by_id = {each.id: each for each in past}
    chosen = st.selectbox(
        "Earlier experiments",
        list(by_id),
        format_func=lambda name: (
            f"{pd.Timestamp(by_id[name].created):%d %b, %H:%M:%S} · {units_of(by_id[name].config)}"
        ),
        key=f"{key}-{past[0].id}",
        width=260,
        help="On this data set, newest first (UTC), with the units of their levels.",
    )
    return by_id.get(str(chosen), past[0])


def units_of(config: StackConfig) -> str:
    """Units of all levels: "256-64-16"."""
    return "-".join(str(width) for width in config.units)
