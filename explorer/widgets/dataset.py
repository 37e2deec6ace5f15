"""The parts of the Data page that show the data set in use: summary, first rows, split."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import streamlit as st

from explorer import columns, pictures
from explorer.charts.balance import class_balance
from explorer.charts.style import CHART_CONFIG
from explorer.session import Session
from explorer.widgets.text import count, literal, sentence
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.errors import DataError

FIRST_ROWS = 200  # of a table's preview; scrolling further is not looking
GRID_PICTURES = 36
COLUMN_TABLE = {
    "Missing": st.column_config.NumberColumn(format="localized", width="small"),
    "Distinct": st.column_config.NumberColumn(format="localized", width="small"),
    "Histogram": st.column_config.BarChartColumn(width="medium", y_min=0),
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


def show_rows(data: Dataset) -> None:
    """Pictures with their labels, or the columns and first rows of a table."""
    if data.image_shape is not None:
        return picture_grid(data)
    if isinstance(data.features, pd.DataFrame):
        tabs = st.tabs(["Columns", "First rows"])
        with tabs[0]:
            st.dataframe(columns.described(data), hide_index=True, height=330, column_config=COLUMN_TABLE)
        with tabs[1]:
            st.dataframe(first_rows(data), height=330)
    else:
        st.dataframe(first_rows(data), height=330)


def first_rows(data: Dataset, n: int = FIRST_ROWS) -> pd.DataFrame:
    """The first rows as they came, the label and identifiers in front."""
    rows = np.arange(min(n, len(data)))
    features = data.take(rows)
    table = features if isinstance(features, pd.DataFrame) else pd.DataFrame(features, columns=list(data.feature_names))
    front: dict[str, object] = {}
    if data.labels is not None:
        front[f"{data.label_name} (label)"] = data.labels[: len(rows)]
    for name in data.identifiers.columns if data.identifiers is not None else ():
        front[f"{name} (shown only)"] = data.identifiers[name].iloc[: len(rows)].to_numpy()
    return pd.concat([pd.DataFrame(front, index=table.index), table], axis=1) if front else table


def picture_grid(data: Dataset, n: int = GRID_PICTURES) -> None:
    """Pictures of all classes in turn, each with its label."""
    assert data.image_shape is not None
    rows = mixed_rows(data, n)
    pixels = np.asarray(data.take(rows), dtype=np.float32)
    scale = max(1, -(-72 // max(data.image_shape[:2])))
    images = [pictures.png(image, scale=scale) for image in pictures.to_bytes(pixels, data.image_shape)]
    labels = None if data.labels is None else [literal(data.labels[row], 14) for row in rows]
    st.image(images, caption=labels, width=72, alt=[f"Row {row}" for row in rows])


def mixed_rows(data: Dataset, n: int) -> list[int]:
    """n rows, the classes taking turns, each class in the order of the file."""
    codes = data.class_codes
    turn = np.zeros(len(data), dtype=np.int64)
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)[:n]
        turn[mine] = np.arange(1, len(mine) + 1)
    chosen = np.flatnonzero(turn)
    order = np.lexsort((codes[chosen], turn[chosen]))
    return [int(row) for row in chosen[order][:n]]


def split_editor(session: Session) -> None:
    """Shares of validation and test rows, with the counts and classes that result."""
    data = session.data
    assert data is not None
    options = data.split_options
    official = data.official_test is not None
    st.session_state["data-validation"] = round(100 * options.validation)
    st.session_state["data-test"] = round(100 * options.test)
    st.session_state["data-seed"] = options.seed
    common = {"on_change": _split_changed, "args": (session,)}
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
        st.plotly_chart(figure, key="data-balance", config=CHART_CONFIG, alt="Rows of each class by part of the split")
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
