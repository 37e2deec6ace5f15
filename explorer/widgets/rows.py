"""Chosen rows to look at: a wall of pictures or a table, with what is said of each row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer.charts import style
from explorer.charts.reconstructions import picture_wall
from explorer.widgets.figures import Numbers, save_menu, show_live_chart
from explorer.widgets.text import count
from sae_core.data.dataset import Dataset

MAX_PICTURES = 100
MAX_TABLE_ROWS = 1_000
MARK = "Chosen"  # column that marks the chosen rows
MAX_FEATURES = 60  # columns of the data shown beside what is said of a row

Said = Mapping[str, Sequence[Any] | NDArray[Any]]  # name of a fact -> its value for each row


def show_rows(
    data: Dataset,
    rows: NDArray[np.int64],
    *,
    key: str,
    said: Said | None = None,
    columns: int = 12,
    cell: int = 48,
    chosen: Collection[int] = (),
    name: str = "rows",
    numbers: Numbers | None = None,
) -> None:
    """Rows as pictures or in a table.

    Args:
        rows: (m,) row numbers, in the order to show them.
        key: of the place on the page.
        said: further facts of each row.
        columns: pictures in a line.
        cell: height of a picture on the screen, in pixels, where there is width enough.
        chosen: row numbers that stand out.
        name: of the saved files.
        numbers: the table to save; by default the rows with what is said of them.
    """
    said = said or {}
    numbers = numbers or partial(rows_table, data, rows, said)
    if data.image_shape is None:
        _table(data, rows, said, key, chosen)
        return save_menu(numbers, key=key, name=name)
    look = st.segmented_control(
        "Show as", ["Pictures", "Table"], default="Pictures", required=True, key=f"{key}-look",
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    if look == "Table":
        _table(data, rows, said, key, chosen)
        return save_menu(numbers, key=key, name=name)
    shown = rows[: columns * max(1, MAX_PICTURES // columns)]  # whole lines
    pixels = np.asarray(data.take(shown), dtype=np.float32)
    facts = {name: list(values)[: len(shown)] for name, values in said.items()}
    figure = picture_wall(
        pixels,
        data.image_shape,
        hover=hover_texts(data, shown, facts),
        rows=shown.tolist(),
        columns=columns,
        cell=cell,
        chosen=frozenset(chosen),
    )
    alt = f"Pictures of {count(len(shown), 'row')}"
    show_live_chart(
        figure, key=f"{key}-wall", alt=alt, name=name, numbers=numbers
    )  # at once, however often they change
    _left_out(len(rows), len(shown))


def _table(data: Dataset, rows: NDArray[np.int64], said: Said, key: str, chosen: Collection[int]) -> None:
    shown = rows[:MAX_TABLE_ROWS]
    table = rows_table(data, shown, {name: list(values)[: len(shown)] for name, values in said.items()})
    if chosen:
        table.insert(1, MARK, np.isin(shown, list(chosen)))
    st.dataframe(table, hide_index=True, key=f"{key}-table", placeholder="–")
    _left_out(len(rows), len(shown))


def _left_out(n: int, shown: int) -> None:
    if shown < n:
        st.caption(f"The first {shown:,} of {n:,} rows.")


def rows_table(data: Dataset, rows: NDArray[np.int64], said: Said) -> pd.DataFrame:
    """Row number, label, what is said, identifiers, then the row's own columns, in the user's units."""
    parts: dict[str, Any] = {"Row": rows}
    if data.labels is not None:
        parts[f"{data.label_name} (label)"] = labels_of(data, rows)
    parts |= {name: list(values) for name, values in said.items()}
    if data.identifiers is not None:
        for name in data.identifiers.columns:
            parts.setdefault(str(name), data.identifiers[name].iloc[rows].to_numpy())
    table = pd.DataFrame(parts)
    if data.image_shape is not None:
        return table
    features = data.take(rows)
    if not isinstance(features, pd.DataFrame):
        features = pd.DataFrame(features, columns=list(data.feature_names))
    features = features.iloc[:, :MAX_FEATURES].reset_index(drop=True)
    features.columns = [_free(str(name), table.columns) for name in features.columns]
    return pd.concat([table, features], axis=1)


def _free(name: str, taken: Sequence[str] | pd.Index[Any]) -> str:
    return f"{name} (column)" if name in taken else name


def labels_of(data: Dataset, rows: NDArray[np.int64]) -> list[str]:
    """The label of each row for people; "–" without one."""
    if data.labels is None:
        return ["–"] * len(rows)
    return ["–" if value is None else str(value) for value in data.labels[rows].tolist()]


def hover_texts(data: Dataset, rows: NDArray[np.int64], said: Said) -> list[str]:
    """What to say of each row on hover, escaped for plotly."""
    labels = labels_of(data, rows) if data.labels is not None else []
    texts = []
    for i, row in enumerate(rows.tolist()):
        lines = [f"row {row:,}"]
        if labels:
            lines.append(f"{style.escape(data.label_name, 24)} <b>{style.escape(labels[i], 40)}</b>")
        lines += [f"{style.escape(name.lower())} {style.escape(_said(values[i]))}" for name, values in said.items()]
        texts.append("<br>".join(lines))
    return texts


def _said(value: object) -> str:
    return style.number(float(value)) if isinstance(value, float | np.floating) else str(value)
