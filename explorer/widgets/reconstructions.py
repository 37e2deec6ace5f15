"""The parts of the Reconstructions page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer import insights
from explorer.charts import errors as error_charts
from explorer.charts.errors import level_name
from explorer.charts.reconstructions import difference_map, picture_grid, value_table
from explorer.charts.style import shorten
from explorer.session import Session
from explorer.widgets.figures import show_chart
from explorer.widgets.rows import hover_texts, labels_of
from explorer.widgets.waiting import result_of
from sae_core.analysis.reconstruction import (
    Choice,
    Reconstructions,
    RowErrors,
    choose_rows,
    is_numeric,
    reconstructions,
)
from sae_core.data.dataset import Dataset, SplitName
from sae_core.model.trained import TrainedStack

MAX_VALUE_COLUMNS = 200  # of the table of one row's values; of wider tables those of the difference map
MAX_MAP_COLUMNS = 30  # of the difference map; of wider tables the columns that differ most
CHOICES: dict[str, str] = {
    "random": "Random",
    "worst": "Worst",
    "best": "Best",
    "each class": "Each class",
    "chosen": "Chosen",
}


@dataclass(frozen=True)
class Chosen:
    """What the reader wants to look at.

    Attributes:
        rows: row numbers, in the order to show them.
        level: whose errors are judged.
        pool: (n,) bool, rows of the part that is looked at.
    """

    rows: NDArray[np.int64]
    level: int
    pool: NDArray[np.bool_]


def choose(session: Session, data: Dataset, errors: RowErrors, units: tuple[int, ...]) -> Chosen:
    """The controls, and the rows they choose."""
    kept = session.page("reconstructions")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        options = [*get_args(Choice)] if data.has_labels else ["random", "best", "worst"]
        options += ["chosen"] if session.selection.rows else []
        ordered = [name for name in CHOICES if name in options]
        how = st.segmented_control(
            "Rows",
            ordered,
            default="each class" if data.has_labels else "random",
            required=True,
            key="recon-how",
            format_func=lambda name: CHOICES[name],
            persist_state="session",
            help="Best and worst are judged at the level beside this. Each class shows its most typical rows.",
        )
        level = st.segmented_control(
            "Judged at",
            list(errors.levels),
            default=errors.levels[-1],
            required=True,
            key=f"recon-level-{units}",
            format_func=lambda level: f"Level {level}",
            persist_state="session",
            help="Whose error sorts the rows, and is drawn in the charts below.",
        )
        pool = part_selector(data, key="recon-part")
        if how in ("random", "best", "worst") and data.has_labels:
            pool &= class_selector(data, key=f"recon-class-{data.fingerprint[:12]}")
        m = st.slider("How many", 4, 20, 10, key="recon-count", width=160, persist_state="session")
        if how == "random" and st.button("Draw again", icon=":material/casino:"):
            kept["seed"] = kept.get("seed", 0) + 1
    level = int(level or errors.levels[-1])
    if how == "chosen" and session.selection.rows:
        rows = np.array(session.selection.rows[:m], dtype=np.int64)
    else:
        candidates = np.flatnonzero(pool)
        picked = choose_rows(
            errors.at(level)[candidates],
            cast(Choice, how if how in get_args(Choice) else "random"),
            m,
            class_codes=data.class_codes[candidates],
            seed=kept.get("seed", 0),
        )
        rows = candidates[picked]
    return Chosen(rows, level, pool)


def part_selector(data: Dataset, *, key: str) -> NDArray[np.bool_]:
    """(n,) bool, the rows of the part of the split that one chooses; held-out rows first."""
    names: list[SplitName] = [name for name in ("test", "validation", "train") if len(data.split.rows(name))]
    words = {"test": "Test rows", "validation": "Validation rows", "train": "Training rows", "all": "All rows"}
    name: SplitName | Literal["all"] = st.selectbox(
        "From",
        [*names, "all"],
        format_func=lambda name: words[name],
        key=f"{key}-{'-'.join(names)}",
        width=170,
        persist_state="session",
    )
    pool = np.ones(len(data), dtype=bool)
    if name != "all":
        pool[:] = False
        pool[data.split.rows(name)] = True
    return pool


def class_selector(data: Dataset, *, key: str) -> NDArray[np.bool_]:
    """(n,) bool, the rows of the class that one chooses; all by default."""
    code = st.selectbox(
        "Class",
        [-1, *range(len(data.classes))],
        key=key,
        width=150,
        persist_state="session",
        format_func=lambda code: "All classes" if code < 0 else shorten(data.classes[code], 30),
    )
    return np.ones(len(data), dtype=bool) if code < 0 else data.class_codes == code


def error_table(data: Dataset, errors: RowErrors, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Row number, label and the error at every level, to take away."""
    table: dict[str, object] = {"row": rows}
    if data.labels is not None:
        table[f"{data.label_name} (label)"] = data.labels[rows]
    return pd.DataFrame(table | {f"error at level {level}": errors.at(level)[rows] for level in errors.levels})


def show_chosen(session: Session, model: TrainedStack, data: Dataset, errors: RowErrors, chosen: Chosen) -> None:
    """Originals and what each level gives back of them."""
    if not len(chosen.rows):
        st.info("No row fits this choice. Choose another class or part.", icon=":material/info:")
        return
    shown = reconstructions(model, data, chosen.rows)
    if data.image_shape is not None:
        return _pictures(session, model, data, errors, shown)
    frames = Reconstructions(
        shown.rows, shown.levels, _frame(data, shown.original), tuple(_frame(data, back) for back in shown.given_back)
    )
    _table_rows(session, model, data, frames, chosen.level)


def _pictures(session: Session, model: TrainedStack, data: Dataset, errors: RowErrors, shown: Reconstructions) -> None:
    assert data.image_shape is not None
    with_difference = st.toggle(
        "Show what is lost",
        key="recon-lost",
        persist_state="session",
        help="Below each level: how far each pixel is off, black where it comes back exactly.",
    )
    original = np.asarray(shown.original, dtype=np.float32)
    strips, titles = [original], ["original"]
    hover = [hover_texts(data, shown.rows, {})]
    for level in shown.levels:
        back = np.asarray(shown.at(level), dtype=np.float32)
        said = hover_texts(data, shown.rows, {f"error at level {level}": errors.at(level)[shown.rows].tolist()})
        strips.append(back)
        titles.append(level_name(level, model.units[level - 1]))
        hover.append(said)
        if with_difference:
            strips.append(np.abs(back - original))
            titles.append("lost")
            hover.append(said)
    m = len(shown.rows)
    figure = picture_grid(
        strips,
        data.image_shape,
        row_titles=titles,
        hover=hover,
        rows=shown.rows.tolist(),
        column_titles=labels_of(data, shown.rows) if data.labels is not None else [f"{row:,}" for row in shown.rows],
        cell=int(min(80, max(36, 860 / m))),
        chosen=frozenset(session.selection.rows),
    )
    show_chart(
        figure,
        key="recon-pictures",
        alt=f"{m} pictures and what each of {len(shown.levels)} levels gives back of them",
        numbers=lambda: error_table(data, errors, shown.rows),
        selecting=session,
        modes=("points",),
    )


def _table_rows(session: Session, model: TrainedStack, data: Dataset, shown: Reconstructions, level: int) -> None:
    assert isinstance(shown.original, pd.DataFrame)
    back = shown.at(level)
    assert isinstance(back, pd.DataFrame)
    kept = _most_different(shown.original, back, insights.column_scales(data))
    scales = [insights.column_scales(data)[i] for i in kept]
    with st.container(horizontal=True, gap="medium"):  # beside each other on a wide page, else below
        left, right = st.container(width=560), st.container(width="stretch")
    with left:
        figure = difference_map(
            shown.original.iloc[:, kept],
            back.iloc[:, kept],
            scales,
            rows=shown.rows.tolist(),
            chosen=frozenset(session.selection.rows),
            title=f"Difference of what {level_name(level, model.units[level - 1]).lower()} gives back",
        )
        show_chart(figure, key="recon-differences", alt="Differences of rows by column")
        if len(kept) < shown.original.shape[1]:
            st.caption(f"The {len(kept)} of {shown.original.shape[1]:,} columns that differ most.")
    with right:
        labels = labels_of(data, shown.rows)
        position = st.selectbox(
            "One row in its own units",
            range(len(shown.rows)),
            key=f"recon-row-{hash(shown.rows.tobytes())}",
            format_func=lambda i: f"Row {shown.rows[i]:,} · {shorten(labels[i], 30)}",
        )
        named = [(f"Level {each}", shown.at(each)) for each in shown.levels]
        frames = [(title, frame) for title, frame in named if isinstance(frame, pd.DataFrame)]
        original = shown.original
        if original.shape[1] > MAX_VALUE_COLUMNS:
            original, frames = original.iloc[:, kept], [(title, frame.iloc[:, kept]) for title, frame in frames]
        st.dataframe(value_table(original, frames, position or 0), hide_index=True, height=_fitting(original.shape[1]))


def _fitting(columns: int) -> int | Literal["content"]:
    return "content" if columns <= 16 else 600


def _frame(data: Dataset, features: pd.DataFrame | NDArray[np.float32]) -> pd.DataFrame:
    if isinstance(features, pd.DataFrame):
        return features
    return pd.DataFrame(features, columns=list(data.feature_names))


def _most_different(original: pd.DataFrame, back: pd.DataFrame, scales: tuple[float, ...]) -> list[int]:
    """Positions of the columns that come back worst, in the table's order; vectorised, as tables have 5,000 columns."""
    if original.shape[1] <= MAX_MAP_COLUMNS:
        return list(range(original.shape[1]))
    numeric = np.array([is_numeric(original.iloc[:, i]) for i in range(original.shape[1])])
    off = np.zeros(original.shape[1])
    plain = numeric & np.array([kind.kind in "iuf" for kind in original.dtypes])
    if plain.any():
        before, after = (frame.loc[:, plain].to_numpy(np.float64, na_value=np.nan) for frame in (original, back))
        steps = np.array(scales)[plain]
        off[plain] = np.nan_to_num(np.abs(after - before) / np.where(steps > 0, steps, 1.0)).mean(axis=0)
    words = ~numeric
    if words.any():
        off[words] = (original.loc[:, words].astype(str).to_numpy() != back.loc[:, words].astype(str).to_numpy()).mean(
            axis=0
        )
    return sorted(np.argsort(-off, kind="stable")[:MAX_MAP_COLUMNS].tolist())


def show_levels(
    session: Session, run_id: str, errors: RowErrors, units: tuple[int, ...], pool: NDArray[np.bool_]
) -> None:
    """Error of every level, beside PCA of equal width."""
    st.subheader(
        "Error per level",
        anchor=False,
        help="Each box holds half of the rows, its whiskers nine of ten. The diamond is what "
        "as many principal components would lose: a level below it has found structure that no linear code of "
        "its width can keep.",
    )
    pca = result_of(insights.linear_yardstick(run_id), key="yardstick")
    figure = error_charts.level_errors(errors, units, pool, pca=pca or (), chosen=session.selection.array)
    show_chart(figure, key="recon-levels", alt="Reconstruction error by level")


def show_columns(session: Session, run_id: str, data: Dataset, level: int, units: tuple[int, ...]) -> None:
    """Which columns or pixels come back badly."""
    st.subheader(
        "Error per pixel" if data.image_shape is not None else "Error per column",
        anchor=False,
        help="Averaged over held-out rows. For columns, 100 % is no better than giving one value back for all rows.",
    )
    of_chosen = len(session.selection) > 0 and st.toggle(
        "Only the chosen rows",
        key="recon-columns-chosen",
        persist_state="session",
        help="Averaged over the chosen rows instead: see in which places they differ from the others.",
    )
    rows = session.selection.array if of_chosen else None
    found = result_of(insights.column_errors(run_id, rows), key="columns")
    if found is None:
        return
    if data.image_shape is not None:
        figure = error_charts.pixel_errors(found, data.image_shape, units)
    else:
        figure = error_charts.column_errors(found, level)
    show_chart(figure, key="recon-columns", alt="Where reconstructions err")
