"""The parts of the Journey page: one row, level by level."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer import insights
from explorer.charts import journey as charts
from explorer.charts.reconstructions import picture_grid, value_table
from explorer.session import Session
from explorer.widgets.figures import save_menu, show_chart
from explorer.widgets.rows import hover_texts, labels_of, rows_table
from explorer.widgets.text import count, literal
from sae_core.analysis.classification import Classification
from sae_core.analysis.journey import Journey, Way, kept_neighbours, step
from sae_core.analysis.selection import as_rows
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack

LISTS = {"all": "All rows", "chosen": "Chosen rows", "wrong": "Misclassified rows"}
KEY = "journey-row"
MAX_COLUMNS = 200  # of a table's row; of wider tables the first


def choose_row(session: Session, run_id: str, model: TrainedStack, data: Dataset) -> int:
    """The row to follow, and buttons that go to another one of a list."""
    kept = session.page("journey")
    row = min(int(kept.get("row", _first_row(session, data))), len(data) - 1)
    st.session_state[KEY] = row  # a widget's own value is forgotten when the page is left
    options = ["all"]
    options += ["chosen"] if len(as_rows(session.selection.array, len(data))) else []
    options += ["wrong"] if model.is_classifier and data.has_labels else []
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.number_input(
            "Row",
            0,
            len(data) - 1,
            key=KEY,
            width=140,
            on_change=_typed,
            args=(session,),
            help="The row's number in the data set, from 0.",
        )
        which = st.segmented_control(
            "Step through",
            options,
            default="all",
            required=True,
            key=f"journey-list-{'-'.join(options)}",
            format_func=lambda name: LISTS[name],
            persist_state="session",
            help="What the buttons beside this go through. Chosen rows: those picked out on any page.",
        )
        pool = _list(session, run_id, data, which or "all")
        for way, label, icon in (
            ("previous", "Previous", ":material/arrow_back:"),
            ("next", "Next", ":material/arrow_forward:"),
            ("random", "Random", ":material/casino:"),
        ):
            st.button(
                label,
                icon=icon,
                key=f"journey-{way}",
                disabled=not len(pool),
                on_click=_go,
                args=(session, pool, row, cast(Way, way)),
            )
        st.button(
            "Select this row",
            icon=":material/select_all:",
            on_click=session.select,
            args=([row], "journey"),
            help="Makes it the chosen row on all pages.",
        )
    if which != "all":
        st.caption(f"{count(len(pool), 'row')} in this list.")
    return row


def _first_row(session: Session, data: Dataset) -> int:
    rows = as_rows(session.selection.array, len(data))
    return int(rows[0]) if len(rows) else int(data.split.held_out()[0])


def _typed(session: Session) -> None:
    session.page("journey")["row"] = int(st.session_state[KEY])


def _go(session: Session, pool: NDArray[np.int64], row: int, way: Way) -> None:
    session.page("journey")["row"] = step(pool, row, way)


def _list(session: Session, run_id: str, data: Dataset, which: str) -> NDArray[np.int64]:
    if which == "chosen":
        return as_rows(session.selection.array, len(data))
    if which == "wrong":
        task = insights.classified(run_id)
        task.join(2.0)
        found = task.snapshot().result
        return wrong_rows(found) if found is not None else np.zeros(0, dtype=np.int64)
    return np.arange(len(data), dtype=np.int64)


def wrong_rows(found: Classification) -> NDArray[np.int64]:
    """Held-out rows that the best classifier (the fine-tuned stack, else the deepest softmax) gets wrong, sorted."""
    by = found.classifiers[-1]
    part = next(part for part in ("test", "validation", "train") if (found.parts == part).any())
    rows: NDArray[np.int64] = np.sort(found.rows[(found.parts == part) & (by.predicted != found.truth)])
    return rows


def show_summary(model: TrainedStack, data: Dataset, found: Journey) -> None:
    """Label, part of the split and what the stack says of the row, in a line."""
    part = data.split.part_of_each_row()[found.row]
    words = [f"Row **{found.row:,}**", f"{part} row"]
    if data.labels is not None:
        words.append(f"{literal(data.label_name, 30)} **{literal(labels_of(data, np.array([found.row]))[0], 40)}**")
    if found.probabilities:
        level, said = list(found.probabilities.items())[-1]
        best = int(said.argmax())
        who = "fine-tuned stack" if level is None else f"softmax on level {level}"
        words.append(f"the {who} says **{literal(model.classes[best], 40)}** ({said[best]:.0%})")
    if data.identifiers is not None:
        for name in list(data.identifiers.columns)[:2]:
            words.append(f"{literal(name, 20)} {literal(data.identifiers[name].iloc[found.row], 60)}")
    st.markdown(" · ".join(words))


def show_way(model: TrainedStack, data: Dataset, found: Journey) -> None:
    """The input beside what every level gives back of it, and the difference."""
    st.subheader(
        "What each level gives back",
        anchor=False,
        help="The row encoded to each level and decoded down to the input again. What is lost at one level cannot come "
        "back at a deeper one.",
    )
    if data.image_shape is not None:
        return _pictures(model, data, found)
    frames = [(f"Level {stop.level}", _frame(data, stop.given_back)) for stop in found.stops if stop.level]
    original = _frame(data, found.original)
    wide = original.shape[1] > MAX_COLUMNS
    if wide:
        original, frames = original.iloc[:, :MAX_COLUMNS], [(name, each.iloc[:, :MAX_COLUMNS]) for name, each in frames]
    st.dataframe(value_table(original, frames, 0), hide_index=True, height="content" if len(original.T) <= 16 else 600)
    errors = [f"level {stop.level}: {stop.error:.4g}" for stop in found.stops if stop.level]
    st.caption(
        f"Values in your own units. Mean squared error per prepared value: {', '.join(errors)}."
        + (f" The first {MAX_COLUMNS} columns are shown." if wide else "")
    )


def _frame(data: Dataset, features: object) -> pd.DataFrame:
    if isinstance(features, pd.DataFrame):
        return features
    return pd.DataFrame(np.asarray(features), columns=list(data.feature_names))


def _pictures(model: TrainedStack, data: Dataset, found: Journey) -> None:
    assert data.image_shape is not None
    original = np.asarray(found.original, dtype=np.float32)[0]
    back = [np.asarray(stop.given_back, dtype=np.float32)[0] for stop in found.stops if stop.level]
    said = [f"level {stop.level}<br>mean squared error {stop.error:.4g}" for stop in found.stops if stop.level]
    titles = ["input", *(f"level {stop.level} · {model.width(stop.level)}" for stop in found.stops if stop.level)]
    figure = picture_grid(
        [np.stack([original, *back]), np.stack([np.zeros_like(original), *(np.abs(each - original) for each in back)])],
        data.image_shape,
        row_titles=["given back", "lost"],
        column_titles=titles,
        hover=[["the input", *said], ["nothing is lost here", *said]],
        rows=[found.row] * len(titles),
        cell=130,
    )
    show_chart(
        figure,
        key="journey-pictures",
        alt=f"Row {found.row} and what each level gives back of it",
        numbers=lambda: pd.DataFrame(
            {
                "level": [stop.level for stop in found.stops],
                "mean squared error per value": [stop.error for stop in found.stops],
            }
        ),
    )


def show_codes(model: TrainedStack, found: Journey) -> None:
    """The row's code at every level, as tiles."""
    st.subheader(
        "Its code",
        anchor=False,
        help="Activity of every unit, line by line from the upper left. Point at a tile for its number; colour a map "
        "by that unit on Codes to see which other rows it is active for.",
    )
    stops = [stop for stop in found.stops if stop.level]
    for start in range(0, len(stops), 4):
        for column, stop in zip(st.columns(4, gap="small"), stops[start : start + 4], strict=False):
            with column:
                title = f"Level {stop.level} · {count(model.width(stop.level), 'unit')}"
                figure = charts.code_figure(stop.code, title=title)
                show_chart(
                    figure,
                    key=f"journey-code-{stop.level}",
                    alt=title,
                    name=f"code of row {found.row} at level {stop.level}",
                    numbers=partial(charts.code_numbers, stop.level, stop.code),
                )


def show_neighbours(session: Session, data: Dataset, model: TrainedStack, found: Journey, sampled: bool) -> None:
    """Its nearest rows at every level."""
    st.subheader(
        "Its neighbours",
        anchor=False,
        help="The rows whose code is nearest to its own at each level. Where they change, the level sees something "
        "else in the row than the level below it.",
    )
    if data.image_shape is not None:
        _neighbour_pictures(session, data, found)
    else:
        _neighbour_tables(data, model, found)
    shares = kept_neighbours(found)
    words = [f"level {stop.level} keeps {share:.0%}" for stop, share in zip(found.stops[1:], shares, strict=True)]
    st.caption(
        f"Of its {len(found.stops[0].neighbours)} neighbours at the input, {', '.join(words)}."
        + (" Sought in a sample of the rows." if sampled else "")
    )
    deepest = found.stops[-1]
    st.button(
        f"Select it with its neighbours at level {deepest.level}",
        icon=":material/select_all:",
        on_click=session.select,
        args=([found.row, *deepest.neighbours.tolist()], "neighbours"),
    )


def _neighbour_pictures(session: Session, data: Dataset, found: Journey) -> None:
    assert data.image_shape is not None
    k = min(len(stop.neighbours) for stop in found.stops)
    if not k:
        st.caption("There is no other row.")
        return
    strips, hover, titles, rows = [], [], [], []
    for stop in found.stops:
        near = stop.neighbours[:k]
        strips.append(np.asarray(data.take(near), dtype=np.float32))
        hover.append(hover_texts(data, near, {"distance": stop.distances[:k].tolist()}))
        titles.append("input" if stop.level == 0 else f"level {stop.level}")
        rows.append(near.tolist())
    figure = picture_grid(
        strips,
        data.image_shape,
        row_titles=titles,
        column_titles=["nearest", *(f"{i}." for i in range(2, k + 1))],
        hover=hover,
        rows=rows,
        cell=62,
        chosen=frozenset(session.selection.rows),
    )
    show_chart(
        figure,
        key="journey-neighbours",
        alt="Nearest rows at each level",
        numbers=lambda: neighbour_table(found),
        selecting=session,
        modes=("points",),
    )


def _neighbour_tables(data: Dataset, model: TrainedStack, found: Journey) -> None:
    names = ["Input", *(f"Level {level}" for level in range(1, model.n_levels + 1))]
    for tab, stop in zip(st.tabs(names), found.stops, strict=True):
        with tab:
            table = rows_table(data, stop.neighbours, {"Distance": stop.distances.round(4)})
            st.dataframe(table, hide_index=True, placeholder="–", key=f"journey-near-{stop.level}")
    save_menu(lambda: neighbour_table(found), key="journey-near", name=f"neighbours of row {found.row}")


def neighbour_table(found: Journey) -> pd.DataFrame:
    """Level, rank, row and distance of all neighbours, to take away."""
    parts = [
        pd.DataFrame(
            {
                "level": stop.level,
                "rank": np.arange(1, len(stop.neighbours) + 1),
                "row": stop.neighbours,
                "distance": stop.distances,
            }
        )
        for stop in found.stops
    ]
    return pd.concat(parts, ignore_index=True)


def show_probabilities(model: TrainedStack, data: Dataset, found: Journey) -> None:
    """What each level's softmax and the fine-tuned stack say of it."""
    if not found.probabilities:
        return
    st.subheader(
        "What the classifiers say",
        anchor=False,
        help="Class probabilities from the softmax on the input, on the frozen code of each level, and from the stack "
        "fine-tuned as a whole.",
    )
    names = [name_of_level(model, level) for level in found.probabilities]
    labels = {value: place for place, value in enumerate(model.classes)}
    own: int | str | None = None if data.labels is None else data.labels[found.row]
    truth = -1 if own is None else labels.get(own, -1)
    figure = charts.probability_chart(names, np.stack(list(found.probabilities.values())), model.classes, truth=truth)
    show_chart(figure, key="journey-probabilities", alt="Class probabilities by classifier")


def name_of_level(model: TrainedStack, level: int | None) -> str:
    """A classifier's name on axes."""
    if level is None:
        return "fine-tuned stack"
    return "raw input" if level == 0 else f"level {level} · {model.width(level):,}"
