"""The parts of the Data page that show the data set in use: summary, first rows, split."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer import columns
from explorer.charts.balance import class_balance
from explorer.charts.gallery import gallery
from explorer.charts.numbers import picture_numbers
from explorer.session import Session
from explorer.widgets.figures import show_live_chart
from explorer.widgets.text import count, sentence
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.errors import DataError

FIRST_ROWS = 200  # of a table's preview; scrolling further is not looking
CLASSES_SHOWN = 10
PICTURES_PER_ROW = 14
COLUMN_TABLE = {
    "Missing": st.column_config.NumberColumn(format="localized", width="small"),
    "Distinct": st.column_config.NumberColumn(format="localized", width="small"),
    "Histogram": st.column_config.BarChartColumn(width="small", y_min=0),
}


def show_summary(data: Dataset) -> None:
    """Size, features, classes, missing values; what was noticed while reading."""
    with st.container(horizontal=True, gap="large"):
        st.metric("Rows", f"{len(data):,}", width="content")
        if data.image_shape is not None:
            height, width, channels = data.image_shape
            st.metric("Pictures", f"{height} × {width} {'colour' if channels == 3 else 'grey'}", width="content")
        else:
            st.metric("Features", f"{data.n_features:,}", width="content")
        st.metric("Classes", f"{len(data.classes):,}" if data.labels is not None else "no labels", width="content")
        if isinstance(data.features, pd.DataFrame):
            missing = columns.missing_values(data)
            st.metric("Missing values", f"{missing:,}", width="content")
    for note in data.notes:
        st.caption(f":material/info: {sentence(note)}")
    if data.source:
        st.caption(f"Source: {sentence(data.source)}")


def show_rows(data: Dataset, *, key: str, chosen: Collection[int] = ()) -> None:
    """Pictures with their labels, or the columns and first rows of a table.

    Args:
        key: unique on the page.
        chosen: row numbers that stand out.
    """
    if data.image_shape is not None:
        return picture_grid(data, key=key, chosen=chosen)
    if isinstance(data.features, pd.DataFrame):
        tabs = st.tabs(["Columns", "First rows"])
        with tabs[0]:
            described = columns.described(data)
            height = min(40 + 35 * len(described), 420)
            st.dataframe(described, hide_index=True, height=height, column_config=COLUMN_TABLE)
        with tabs[1]:
            st.dataframe(first_rows(data, chosen=chosen), height=330)
    else:
        st.dataframe(first_rows(data, chosen=chosen), height=330)


def first_rows(data: Dataset, n: int = FIRST_ROWS, *, chosen: Collection[int] = ()) -> pd.DataFrame:
    """The first rows as they came, the label and identifiers in front; chosen rows are marked where there are any."""
    rows = np.arange(min(n, len(data)))
    features = data.take(rows)
    table = features if isinstance(features, pd.DataFrame) else pd.DataFrame(features, columns=list(data.feature_names))
    front: dict[str, object] = {}
    if chosen:
        front["Chosen"] = np.isin(rows, list(chosen))
    if data.labels is not None:
        front[f"{data.label_name} (label)"] = data.labels[: len(rows)]
    if data.identifiers is not None:
        for name in data.identifiers.columns:
            front[f"{name} (shown only)"] = data.identifiers[name].iloc[: len(rows)].to_numpy()
    return pd.concat([pd.DataFrame(front, index=table.index), table], axis=1) if front else table


def picture_grid(data: Dataset, *, key: str, chosen: Collection[int] = ()) -> None:
    """A row of pictures for each class, or plain rows without labels; chosen rows have a frame."""
    assert data.image_shape is not None
    codes = data.class_codes
    if data.classes:
        shown = [
            (str(name), np.flatnonzero(codes == code)[:PICTURES_PER_ROW])
            for code, name in enumerate(data.classes[:CLASSES_SHOWN])
        ]
    else:
        first = np.arange(min(len(data), 6 * PICTURES_PER_ROW))
        shown = [("", part) for part in np.array_split(first, -(-len(first) // PICTURES_PER_ROW))]
    rows = [(name, np.asarray(data.take(part), dtype=np.float32)) for name, part in shown if len(part)]
    hover = [[f"row {row}" for row in part] for _, part in shown if len(part)]
    framed = [np.isin(part, list(chosen)).tolist() for _, part in shown if len(part)] if chosen else []
    figure = gallery(rows, data.image_shape, hover=hover, cell=44, framed=framed)
    shown_rows = np.concatenate([part for _, part in shown])
    show_live_chart(
        figure, key=f"{key}-pictures", alt="Pictures of each class", name="pictures",
        numbers=lambda: picture_numbers(shown_rows, np.asarray(data.take(shown_rows), dtype=np.float32), of="row"),
    )  # fmt: skip
    if len(data.classes) > CLASSES_SHOWN:
        st.caption(f"{count(len(data.classes) - CLASSES_SHOWN, 'further class', 'further classes')} not shown here.")


def split_editor(session: Session) -> None:
    """Shares of validation and test rows, with the counts and classes that result."""
    data = session.data
    assert data is not None
    options = data.split_options
    official = data.official_test is not None
    st.session_state["data-validation"] = round(100 * options.validation)
    st.session_state["data-test"] = round(100 * options.test)
    st.session_state["data-seed"] = options.seed
    common: dict[str, Any] = {"on_change": _split_changed, "args": (session,)}
    st.slider(
        "Validation rows, % of " + ("the training set" if official else "all"),
        0,
        60,
        key="data-validation",
        help="Watched while training, to see overfitting; nothing is fitted on them.",
        **common,
    )
    if official:
        st.caption(f":material/lock: The official test set of {count(len(data.split.test), 'row')} is kept as it is.")
    else:
        st.slider("Test rows, % of all", 0, 60, key="data-test", help="Looked at only after training.", **common)
    st.number_input(
        "Seed of the shuffle", 0, 2**31 - 1, key="data-seed", help="Another seed draws other rows.", **common
    )
    parts = {"train": data.split.train, "validation": data.split.validation, "test": data.split.test}
    if data.labels is not None and data.classes:
        counts = {
            part: np.bincount(data.class_codes[rows][data.class_codes[rows] >= 0], minlength=len(data.classes))
            for part, rows in parts.items()
            if len(rows)
        }
        figure = class_balance(data.classes, counts, data.label_name)
        show_live_chart(figure, key="data-balance", alt="Rows of each class by part of the split")
    st.caption("  ·  ".join(f"**{len(rows):,}** {part}" for part, rows in parts.items()))
    without = int((data.class_codes < 0).sum()) if data.labels is not None else 0
    if without:
        st.caption(f"{count(without, 'row')} without a label train the levels, but not the classifier.")
    if data.labels is not None and not data.has_labels:
        st.caption("There is only one class, so there is nothing to classify; the levels train all the same.")


def _split_changed(session: Session) -> None:
    if session.data is None:
        return
    official = session.data.official_test is not None
    options: SplitOptions = session.data.split_options
    test = options.test if official else st.session_state["data-test"] / 100
    options = dataclasses.replace(
        options,
        validation=st.session_state["data-validation"] / 100,
        test=test,
        seed=int(st.session_state["data-seed"]),
    )
    try:
        session.use_split(options)
    except DataError as error:
        session.notices.append(str(error))
