"""The same held-out rows as several ways give them back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer import contests
from explorer.charts import contest as charts
from explorer.charts.contest import TITLES
from explorer.charts.numbers import picture_numbers
from explorer.charts.reconstructions import picture_grid, value_table
from explorer.charts.style import shorten
from explorer.widgets.figures import show_chart
from explorer.widgets.rows import hover_texts, labels_of
from sae_core.analysis.reconstruction import Reconstructions, column_errors
from sae_core.analysis.sampling import stratified_rows
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, Features
from sae_core.training.preview import preview_rows

COLUMN_ROWS = 1_000  # held-out rows over which errors per column are averaged
MAX_COLUMNS = 25  # shown; of wider tables those on which the ways differ most


def show_rows_given_back(data: Dataset, config: StackConfig, runs: Mapping[str, str | None]) -> None:
    """Pictures below each other, or columns beside each other.

    Args:
        runs: id of the run of each way; None for PCA.
    """
    rows = preview_rows(data)
    if data.image_shape is None:
        return _columns(data, config, runs, rows)
    strips = [np.asarray(data.take(rows), dtype=np.float32)]
    strips += [np.asarray(contests.given_back(run_id, data, config, rows)) for run_id in runs.values()]
    titles = ["original", *(TITLES[way].lower() if way != "PCA" else way for way in runs)]
    names = labels_of(data, rows) if data.labels is not None else [f"{row:,}" for row in rows]
    figure = picture_grid(
        strips,
        data.image_shape,
        row_titles=titles,
        column_titles=names,
        hover=[hover_texts(data, rows, {})] * len(strips),
        rows=rows.tolist(),
        cell=int(min(80, max(36, 860 / len(rows)))),
    )
    show_chart(
        figure, key="contest-rows", alt="Rows as each way gives them back", name="rows given back",
        numbers=lambda: pd.concat(
            [picture_numbers(rows, strip, of="row").assign(of=of) for of, strip in zip(titles, strips, strict=True)]
        ),
    )  # fmt: skip


def _columns(data: Dataset, config: StackConfig, runs: Mapping[str, str | None], watched: NDArray[np.int64]) -> None:
    held_out = data.split.held_out()
    rows = held_out[stratified_rows(data.class_codes[held_out], COLUMN_ROWS)]
    original = _frame(data, data.take(rows))
    relative = {}
    for way, run_id in runs.items():
        back = _frame(data, contests.given_back(run_id, data, config, rows))
        relative[way] = column_errors(Reconstructions(rows, (1,), original, (back,))).relative[0]
    stacked = np.array(list(relative.values()))
    spread = np.nan_to_num(np.ptp(np.nan_to_num(stacked), axis=0))
    kept = np.sort(np.argsort(-spread, kind="stable")[:MAX_COLUMNS])
    figure = charts.column_errors(
        [str(original.columns[i]) for i in kept], {way: values[kept].tolist() for way, values in relative.items()}
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        show_chart(figure, key="contest-columns", alt="Error of each column by way")
        if len(kept) < original.shape[1]:
            st.caption(f"The {len(kept)} of {original.shape[1]:,} columns on which the ways differ most.")
    with right:
        labels = labels_of(data, watched)
        position = st.selectbox(
            "One row in its own units",
            range(len(watched)),
            format_func=lambda i: f"Row {watched[i]:,} · {shorten(labels[i], 30)}",
            key=f"contest-row-{data.fingerprint[:12]}",
        )
        row = watched[[position or 0]]
        frames = [
            (TITLES[way], _frame(data, contests.given_back(run_id, data, config, row)).iloc[:, kept])
            for way, run_id in runs.items()
        ]
        table = value_table(_frame(data, data.take(row)).iloc[:, kept], frames, 0)
        st.dataframe(table.iloc[:, :-1], hide_index=True, key="contest-values", alt="One row as each way gives it back")


def _frame(data: Dataset, features: Features) -> pd.DataFrame:
    if isinstance(features, pd.DataFrame):
        return features
    return pd.DataFrame(features, columns=list(data.feature_names))
