"""The tab "Decode by hand": sliders that move a code, a walk between two rows, and the plane of a two-unit code."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer import insights, level_insights
from explorer.charts.decoding import plane_map, walk_panels
from explorer.charts.numbers import picture_numbers
from explorer.charts.reconstructions import picture_grid, show_value, signed_number
from explorer.charts.style import shorten
from explorer.session import Session
from explorer.widgets.figures import show_chart
from explorer.widgets.inside import level_selector
from explorer.widgets.rows import labels_of
from explorer.widgets.text import count, literal
from explorer.widgets.waiting import result_of
from sae_core.analysis.decoding import HandleKind, Handles, handles, plane, walk
from sae_core.analysis.reconstruction import is_numeric, signed_difference
from sae_core.analysis.selection import as_rows
from sae_core.analysis.units import UnitReport
from sae_core.data.dataset import Dataset, Features
from sae_core.model.trained import TrainedStack

MAX_SLIDERS = 16
FEW_SLIDERS = 12  # where there are more units than that
STEPS = 9  # of a walk
SIDE = 11  # pictures in each line of a plane
PLANE_SIDE = 41  # cells, of tables
MAX_PANELS = 8
MAX_COLUMNS = 200  # of a row that is decoded


def show(session: Session, run_id: str, model: TrainedStack, data: Dataset) -> None:
    """The whole tab."""
    level = level_selector(model, key="decode-level", default=model.n_levels)
    report = result_of(level_insights.units(run_id, level), key="decode-units")
    if report is None:
        return
    _by_hand(session, run_id, model, data, report)
    _walk(session, model, data, level)
    if model.width(level) == 2:
        _plane(model, data, report)
    elif 2 in model.units:
        st.caption(f"Level {model.units.index(2) + 1} has two units: there the whole decoded plane can be seen.")


@st.fragment
def _by_hand(session: Session, run_id: str, model: TrainedStack, data: Dataset, report: UnitReport) -> None:
    """Sliders, and what they draw; only this part runs while a slider moves."""
    st.markdown("**Move the code, and see what is drawn**")
    width = report.codes.shape[1]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        begin = st.segmented_control(
            "Begin with", ["The mean code", "A row"], default="The mean code", required=True, key="decode-begin",
            persist_state="session", help="The code that the sliders start from.",
        )  # fmt: skip
        row = _row_input(session, data, "Row", "decode-row", 0) if begin == "A row" else -1
        kind: HandleKind = "units"
        if width > MAX_SLIDERS:
            named = {"Units that vary most": "units", "Principal directions": "directions"}
            chosen = st.segmented_control(
                "Sliders", list(named), default="Units that vary most", required=True, key="decode-kind",
                persist_state="session",
                help=f"The code has {width:,} units, too many for a slider each: the {FEW_SLIDERS} that vary most, or "
                "the directions in which the codes vary most, in standard deviations. The others stay as they are.",
            )  # fmt: skip
            kind = cast(HandleKind, named[chosen or "Units that vary most"])
        reset = st.button("Back to the start", icon=":material/restart_alt:", key="decode-reset")
    found = handles(report.codes, MAX_SLIDERS if width <= MAX_SLIDERS else FEW_SLIDERS, kind)
    start = found.centre if row < 0 else model.encode(data.take([row]), report.level)[0]
    kept = session.page("inside")
    if reset:
        kept["decode-turn"] = kept.get("decode-turn", 0) + 1
    key = f"decode-{run_id}-{report.level}-{kind}-{row}-{kept.get('decode-turn', 0)}"
    if width > MAX_SLIDERS:
        st.caption(
            f"{len(found.directions)} of {count(width, 'unit')} have a slider."
            if kind == "units"
            else f"{count(len(found.directions), 'direction')} in which the codes vary most, in standard deviations."
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        code = found.moved(start, _sliders(found, start, key))
    with right:
        _drawn(model, data, report.level, np.asarray(start, dtype=np.float32), code, row)


def _row_input(session: Session, data: Dataset, label: str, key: str, place: int) -> int:
    """A row number; of the selection where there is one."""
    chosen = as_rows(session.selection.array, len(data))
    held_out = data.split.held_out()
    if place and data.classes:  # a walk says more between classes
        held_out = held_out[data.class_codes[held_out] != data.class_codes[held_out[0]]]
    default = int(chosen[place] if len(chosen) > place else held_out[0] if len(held_out) else 0)
    return int(
        st.number_input(
            label, 0, len(data) - 1, default, key=f"{key}-{data.fingerprint[:12]}-{default}", width=140,
            help="A row number; the first chosen rows are taken where rows are chosen.",
        )
    )  # fmt: skip


def _sliders(found: Handles, start: NDArray[np.floating], key: str) -> list[float]:
    own = found.values_of(start)
    if not len(own):
        st.info("All rows have the same code here, so there is nothing to move.", icon=":material/info:")
        return []
    values = []
    widest = max(float(np.max(found.high - found.low)), 1e-6)
    columns = st.columns(2 if len(own) > 3 else 1)
    for i, value in enumerate(own):
        low, high = float(min(found.low[i], value)), float(max(found.high[i], value))
        if high - low < 0.02 * widest:  # a dead unit: as far as the liveliest one goes
            low, high = value - widest / 2, value + widest / 2
        name = f"Unit {found.units[i] + 1}" if found.kind == "units" else f"Direction {i + 1}"
        with columns[i % len(columns)]:
            values.append(st.slider(name, low, high, float(value), (high - low) / 100, "%.2f", key=f"{key}-{i}"))
    return [float(own[i]) if abs(value - own[i]) < 1e-9 else value for i, value in enumerate(values)]


def _drawn(
    model: TrainedStack, data: Dataset, level: int, start: NDArray[np.float32], code: NDArray[np.float32], row: int
) -> None:
    both = model.decode(np.stack([start, code]), level)
    if data.image_shape is not None:
        pixels = np.asarray(both, dtype=np.float32)
        titles, strips = ["drawn now", "at the start"], [pixels[[1]], pixels[[0]]]
        if row >= 0:
            titles, strips = [*titles, "original"], [*strips, np.asarray(data.take([row]), dtype=np.float32)]
        merged = np.concatenate(strips)
        figure = picture_grid(
            [merged], data.image_shape, row_titles=[""], column_titles=titles, hover=[titles],
            rows=list(range(len(titles))), cell=190 if len(titles) < 3 else 150,
        )  # fmt: skip
        figure.update_yaxes(visible=False)  # one line needs no name
        show_chart(
            figure, key="decode-picture", alt="The decoded picture", name="decoded",
            numbers=lambda: picture_numbers(titles, merged),
        )  # fmt: skip
        return
    frame = _frame(data, both)
    table = pd.DataFrame({"Column": [str(name) for name in frame.columns]})
    if row >= 0:
        table["Original"] = [show_value(value) for value in _frame(data, data.take([row])).iloc[0]]
    table["At the start"] = [show_value(value) for value in frame.iloc[0]]
    table["Now"] = [show_value(value) for value in frame.iloc[1]]
    table["Change"] = [_change(frame.iloc[[0], i], frame.iloc[[1], i]) for i in range(frame.shape[1])]
    st.dataframe(
        table.iloc[:MAX_COLUMNS], hide_index=True, key="decode-values", height="content" if len(table) <= 16 else 560,
        alt="The decoded row",
    )  # fmt: skip
    if len(table) > MAX_COLUMNS:
        st.caption(f"The first {MAX_COLUMNS} of {len(table):,} columns.")


def _change(before: pd.Series[object], after: pd.Series[object]) -> str:
    if is_numeric(before):
        value = float(signed_difference(before, after)[0])
        return "–" if abs(value) < 1e-12 else signed_number(value)
    return "–" if show_value(before.iloc[0]) == show_value(after.iloc[0]) else "changed"


def _frame(data: Dataset, features: Features) -> pd.DataFrame:
    if isinstance(features, pd.DataFrame):
        return features
    return pd.DataFrame(features, columns=list(data.feature_names))


def _walk(session: Session, model: TrainedStack, data: Dataset, level: int) -> None:
    st.markdown(
        "**Walk from one row to another**",
        help="Through the code: both codes are mixed and decoded. Straight: both rows themselves are mixed. A code "
        "that has understood the data passes through rows that could be real.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        a = _row_input(session, data, "From row", "walk-from", 0)
        b = _row_input(session, data, "To row", "walk-to", 1)
        labels = labels_of(data, np.array([a, b]))
        if data.labels is not None:
            st.markdown(f"From **{literal(labels[0], 30)}** to **{literal(labels[1], 30)}**")
    found = walk(model, level, model.prepare(data.take([a, b])), STEPS)
    titles = [f"{share:.0%}" for share in found.shares]
    through, straight = (model.preparation.inverse_transform(x) for x in (found.through_code, found.straight))
    if data.image_shape is not None:
        figure = picture_grid(
            [np.asarray(through), np.asarray(straight)], data.image_shape,
            row_titles=["through the code", "straight"], column_titles=titles,
            hover=[[f"{name}, {title} of the way" for title in titles] for name in ("through the code", "straight")],
            rows=list(range(STEPS)), cell=84,
        )  # fmt: skip
        show_chart(
            figure, key="walk-pictures", alt="Pictures on the way between two rows", name=f"from row {a} to row {b}",
            numbers=lambda: pd.concat(
                [
                    picture_numbers(titles, np.asarray(pixels), of="share of the way").assign(way=way)
                    for way, pixels in (("through the code", through), ("straight", straight))
                ]
            ),
        )  # fmt: skip
        return
    _walk_of_columns(data, _frame(data, through), _frame(data, straight), found.shares)


def _walk_of_columns(data: Dataset, through: pd.DataFrame, straight: pd.DataFrame, shares: NDArray[np.float64]) -> None:
    scales = np.array(insights.column_scales(data))
    numeric = [i for i in range(through.shape[1]) if is_numeric(through.iloc[:, i]) and scales[i] > 0]
    numbers = [i for i in numeric if not pd.api.types.is_datetime64_any_dtype(through.iloc[:, i])]
    spans = [np.ptp(straight.iloc[:, i].to_numpy(np.float64)) / scales[i] for i in numbers]
    kept = [numbers[i] for i in np.argsort(-np.nan_to_num(spans), kind="stable")[:MAX_PANELS]]
    if kept:
        values = (frame.iloc[:, kept].to_numpy(np.float64) for frame in (through, straight))
        figure = walk_panels([str(through.columns[i]) for i in kept], shares, *values)
        show_chart(figure, key="walk-columns", alt="Columns on the way between two rows")
        if len(kept) < len(numbers):
            st.caption(f"The {len(kept)} numeric columns that change most.")
    others = [i for i in range(through.shape[1]) if i not in numbers][:MAX_COLUMNS]
    if others:
        table = pd.DataFrame({"Through the code": [str(through.columns[i]) for i in others]})
        for step in range(0, len(shares), 2):
            table[f"{shares[step]:.0%}"] = [show_value(through.iloc[step, i]) for i in others]
        st.dataframe(table, hide_index=True, key="walk-others", alt="Categories and dates on the way")


def _plane(model: TrainedStack, data: Dataset, report: UnitReport) -> None:
    st.markdown(
        "**The decoded plane of both units**",
        help="What every point of the code is decoded to, over the region that the rows' codes lie in.",
    )
    if data.image_shape is not None:
        found = plane(model, report.level, report.codes, SIDE)
        lines = np.asarray(model.preparation.inverse_transform(found.decoded)).reshape(SIDE, SIDE, -1)
        figure = picture_grid(
            list(lines), data.image_shape,
            row_titles=[f"{value:.2g}" for value in found.second[::-1]],
            column_titles=[f"{value:.2g}" for value in found.first],
            hover=[[f"unit 1 {a:.3g}, unit 2 {b:.3g}" for a in found.first] for b in found.second[::-1]],
            rows=list(range(SIDE)), cell=46,
        )  # fmt: skip
        places = [f"{a:.4g}, {b:.4g}" for b in found.second[::-1] for a in found.first]
        show_chart(
            figure, key="plane-pictures", alt="The decoded plane as pictures", name="decoded plane",
            numbers=lambda: picture_numbers(places, lines.reshape(SIDE * SIDE, -1), of="unit 1, unit 2"),
        )  # fmt: skip
        return
    names = list(data.feature_names)
    chosen = st.selectbox(
        "Column", range(min(len(names), MAX_COLUMNS)), key=f"plane-column-{data.fingerprint[:12]}", width=300,
        format_func=lambda i: shorten(names[i], 40), help="Which decoded column colours the plane.",
    )  # fmt: skip
    column = int(chosen or 0)
    found = plane(model, report.level, report.codes, PLANE_SIDE)
    decoded = _frame(data, model.preparation.inverse_transform(found.decoded)).iloc[:, column]
    if not is_numeric(decoded) or pd.api.types.is_datetime64_any_dtype(decoded):
        codes, values = pd.factorize(decoded.astype(str))
        st.caption("Groups: " + ", ".join(f"{i} = {literal(value, 24)}" for i, value in enumerate(values[:12])))
        z = codes.astype(np.float64)
    else:
        z = decoded.to_numpy(np.float64, na_value=np.nan)
    figure = plane_map(found.first, found.second, z.reshape(PLANE_SIDE, PLANE_SIDE), name=names[column])
    show_chart(figure, key="plane-map", alt="One decoded column over the plane")
