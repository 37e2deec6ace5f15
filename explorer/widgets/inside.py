"""The tab "What units see": pictures or columns of every unit, and one unit looked at closely."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer import level_insights
from explorer.charts import units as charts
from explorer.charts.numbers import picture_numbers
from explorer.charts.reconstructions import picture_grid, picture_wall
from explorer.charts.style import number
from explorer.pictures import in_colour
from explorer.session import Session
from explorer.widgets.figures import clickable_chart, show_chart
from explorer.widgets.rows import show_rows
from explorer.widgets.text import count
from explorer.widgets.waiting import result_of
from sae_core.analysis.units import (
    Against,
    Order,
    UnitReport,
    correlations,
    decoded_units,
    goes_with,
    in_order,
    most_active_rows,
    read_by,
    strongest,
)
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack

PAGE_UNITS = 60  # pictures at once
PAGE_COLUMNS = 24  # units beside each other, of tables
MAX_INPUTS = 30  # columns of a table at once
MAX_BARS = 15
MAX_CORRELATED = 64
TOP_ROWS = 24
Keep = Literal["all", "alive", "dead", "saturated"]
View = Literal["together", "weights", "alone", "around the mean"]
VIEWS: dict[View, str] = {
    "together": "What goes with it",
    "weights": "What it reads",
    "alone": "What it draws alone",
    "around the mean": "What it changes",
}
AMOUNTS: dict[View, str] = {
    "together": "shift of the column (prepared scale)",
    "weights": "weight",
}


def level_selector(model: TrainedStack, *, key: str, default: int = 1) -> int:
    """The level whose units are looked at."""
    levels = list(range(1, model.n_levels + 1))
    chosen = st.segmented_control(
        "Level",
        levels,
        default=default,
        required=True,
        key=f"{key}-{model.n_levels}",
        format_func=lambda level: f"Level {level} ({model.width(level):,})",
        persist_state="session",
        help="The code whose units are shown, with its width.",
    )
    return int(chosen or default)


def show(session: Session, run_id: str, model: TrainedStack, data: Dataset) -> None:
    """The whole tab."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        level = level_selector(model, key="units-level")
        view = _view(model, level)
        order = st.selectbox(
            "Sorted by", ["variance", "activity", "weight norm", "number"], key="units-order", width=130,
            format_func=str.capitalize, persist_state="session",
            help="Number: as in the code. Activity: mean over rows. Variance: how much a unit differs from row to row. "
            "Weight norm: length of the weights it reads with. Largest first.",
        )  # fmt: skip
        keep = st.selectbox(
            "Units", ["all", "alive", "dead", "saturated"], key="units-keep", width=130, persist_state="session",
            format_func=str.capitalize,
            help="Dead units say the same of every row; saturated ones stay at an end of their range on nine of ten.",
        )  # fmt: skip
    report = result_of(level_insights.units(run_id, level), key="units")
    if report is None:
        return
    if model.level_config(level).kind == "convolution":
        st.caption(
            f"Level {level} is a convolution: every channel reads the same everywhere, so of each channel the unit in "
            "the middle of the picture is shown."
        )
    units = in_order(report, cast(Order, order), cast(Keep, keep))
    if not len(units):
        st.info(f"No unit of level {level} is {keep}.", icon=":material/info:")
        return
    _walls_and_unit(session, model, data, report, units, view)
    with st.expander("Which units go together", icon=":material/grid_on:"):
        _correlations(report)


def _view(model: TrainedStack, level: int) -> View:
    """What is shown of each unit; only a dense first level reads the input itself."""
    first = level == 1 and model.level_config(1).kind == "dense"
    options = [view for view in VIEWS if view != "weights" or first]
    chosen = st.segmented_control(
        "Of each unit, what",
        options,
        default=options[0],
        required=True,
        key=f"units-view-{first}",
        format_func=lambda name: VIEWS[name].removeprefix("What "),
        persist_state="session",
        help="What goes with it: how far inputs lie above or below their mean where the unit is one deviation higher. "
        "What it reads: the weights of the first level; they look like noise where they cancel out what other units "
        "say. What it draws alone: the input decoded with only this unit active, less that of a code of zeros. "
        "What it changes: the decoded mean code with this unit high, less the same with it low. "
        "Orange is more, blue is less; each unit has a scale of its own.",
    )
    return chosen or options[0]


def profiles_of(
    model: TrainedStack, data: Dataset, report: UnitReport, units: NDArray[np.int64], view: View
) -> NDArray[np.float32]:
    """(k, n_inputs) signed amounts in the prepared scale: of inputs, weights, or what the decoded input gains."""
    if view == "together":
        return goes_with(model, data, report, units)
    if view == "weights":
        return read_by(model, units)
    against: Against = "nothing" if view == "alone" else "mean"
    active, at_rest = decoded_units(model, report, units, against)
    return active - at_rest


def _walls_and_unit(
    session: Session, model: TrainedStack, data: Dataset, report: UnitReport, units: NDArray[np.int64], view: View
) -> None:
    kept = session.page("inside")
    with st.container(horizontal=True, gap="medium"):
        left, right = st.container(width=620), st.container(width="stretch")
    with left:
        shown = _page_of(units, PAGE_UNITS if data.image_shape is not None else PAGE_COLUMNS, report.level)
        profiles = profiles_of(model, data, report, shown, view)
        key = f"units-wall-{report.level}-{view}"
        if data.image_shape is not None:
            pixels, shape = charts.signed_pictures(profiles, data.image_shape)
            hover = [_said(report, int(unit)) for unit in shown]
            figure = picture_wall(pixels, shape, hover=hover, rows=shown.tolist(), columns=10, cell=58)
        else:
            figure = _columns_by_units(model, profiles, shown, view)
        event = clickable_chart(
            figure, key=key, alt=f"{VIEWS[view]}: {len(shown)} units of level {report.level}",
            name=f"{VIEWS[view].lower()}, level {report.level}",
            numbers=lambda: _profile_numbers(model, shown, profiles),
        )  # fmt: skip
        st.caption("Click a unit to look at it closely, or choose it by its number.")
    clicked = charts.clicked_unit(event)
    if clicked is not None and kept.get("clicked") != (key, clicked) and clicked in units:
        kept["clicked"] = (key, clicked)
        st.session_state[_unit_key(report.level)] = clicked
    with right, st.container(border=True):
        _one_unit(session, model, data, report, units, view)


def _profile_numbers(model: TrainedStack, units: NDArray[np.int64], profiles: NDArray[np.float32]) -> pd.DataFrame:
    """A line for each unit, a column for each prepared input."""
    table = pd.DataFrame(profiles, columns=list(model.preparation.feature_names_out))
    table.insert(0, "unit", units + 1, allow_duplicates=True)
    return table


def _unit_key(level: int) -> str:
    return f"units-unit-{level}"


def _page_of(units: NDArray[np.int64], size: int, level: int) -> NDArray[np.int64]:
    """As many units as fit, with a slider through the rest."""
    pages = -(-len(units) // size)
    if pages == 1:
        st.markdown(f"**{count(len(units), 'unit')}**")
        return units
    page = st.select_slider(
        f"**{count(len(units), 'unit')}**", range(pages), key=f"units-page-{level}-{len(units)}",
        persist_state="session",
        format_func=lambda i: f"{i * size + 1:,} to {min((i + 1) * size, len(units)):,}",
    )  # fmt: skip
    return units[int(page) * size : (int(page) + 1) * size]


def _said(report: UnitReport, unit: int) -> str:
    place = report.place(unit)
    return (
        f"<b>unit {unit + 1}</b><br>mean {number(float(report.activity.mean[place]))}, "
        f"sd {number(float(report.activity.spread[place]))}<br>weight norm {number(float(report.weight_norm[place]))}"
    )


def _columns_by_units(
    model: TrainedStack, profiles: NDArray[np.float32], units: NDArray[np.int64], view: View
) -> object:
    inputs = np.sort(strongest(np.abs(profiles).max(axis=0), MAX_INPUTS))
    names = [model.preparation.feature_names_out[i] for i in inputs]
    unit_names = [f"unit {unit + 1}" for unit in units]
    if len(inputs) < profiles.shape[1]:
        st.caption(f"The {len(inputs)} of {profiles.shape[1]:,} inputs that matter most to these units.")
    return charts.profiles(names, units.tolist(), profiles[:, inputs], title=VIEWS[view].lower(), unit_names=unit_names)


def _one_unit(
    session: Session, model: TrainedStack, data: Dataset, report: UnitReport, units: NDArray[np.int64], view: View
) -> None:
    key = _unit_key(report.level)
    if st.session_state.get(key) not in units:
        st.session_state[key] = int(units[0])
    unit = int(
        st.selectbox(
            "Unit", units.tolist(), key=key, format_func=lambda unit: f"Unit {unit + 1} of level {report.level}"
        )
    )
    place = report.place(unit)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Mean", number(float(report.activity.mean[place])), width="content", help="Over rows; no unit.")
        st.metric("Deviation", number(float(report.activity.spread[place])), width="content", help="Over rows.")
        st.metric("Weight norm", number(float(report.weight_norm[place])), width="content")
    amounts = profiles_of(model, data, report, np.array([unit]), view)[0]
    if data.image_shape is not None:
        _pictures(model, data, report, unit, amounts, view)
    else:
        best = strongest(amounts, MAX_BARS)
        title = AMOUNTS.get(view, "change of the decoded column (prepared scale)")
        names = [model.preparation.feature_names_out[i] for i in best]
        figure = charts.profile_bars(names, amounts[best].tolist(), x_title=title)
        show_chart(figure, key="units-bars", alt=f"{VIEWS[view]}: unit {unit + 1}, by column")
    figure = charts.histogram(
        report.of(unit), data.class_codes[report.rows], data.classes, x_title=f"value of unit {unit + 1}"
    )
    show_chart(figure, key="units-histogram", alt=f"Values of unit {unit + 1} over rows")
    _top_rows(session, data, report, unit)


def _pictures(
    model: TrainedStack, data: Dataset, report: UnitReport, unit: int, amounts: NDArray[np.float32], view: View
) -> None:
    assert data.image_shape is not None
    shape = data.image_shape
    signed, signed_shape = charts.signed_pictures(amounts[None], shape)
    against: Against = "mean" if view == "around the mean" else "nothing"
    active, at_rest = decoded_units(model, report, np.array([unit]), against)
    decoded = [np.asarray(model.preparation.inverse_transform(x)) for x in (active, at_rest)]
    titles = [{"together": "goes with it", "weights": "weights"}.get(view, "difference"), "unit active"]
    titles.append("all zero" if against == "nothing" else "unit low")
    figure = picture_grid(
        [np.concatenate([signed, *(in_colour(pixels, shape) for pixels in decoded)])], signed_shape, row_titles=[""],
        column_titles=titles, hover=[titles], rows=[unit] * 3, cell=120,
    )  # fmt: skip
    figure.update_yaxes(visible=False)  # one line needs no name
    show_chart(
        figure, key="units-picture", alt=f"Unit {unit + 1}: {', '.join(titles)}", name=f"unit {unit + 1}",
        numbers=lambda: picture_numbers(titles, np.concatenate([amounts[None], *decoded])),
    )  # fmt: skip


def _top_rows(session: Session, data: Dataset, report: UnitReport, unit: int) -> None:
    best = most_active_rows(report, unit, TOP_ROWS)
    rows = report.rows[best]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**The {count(len(rows), 'row')} that excite it most**")
        if st.button(
            "Choose these rows", icon=":material/check:", key="units-choose",
            help="Makes them the selection on all pages.",
        ):  # fmt: skip
            session.select(rows, source=f"unit {unit + 1} of level {report.level}")
            st.rerun()
    show_rows(data, rows, key="units-rows", said={"Value": report.of(unit)[best]}, columns=8, cell=46)


def _correlations(report: UnitReport) -> None:
    units = in_order(report, "variance", "alive")[:MAX_CORRELATED]
    if len(units) < 2:
        st.caption("Fewer than two units differ from row to row, so none can go together.")
        return
    units = np.sort(units)
    figure = charts.correlation_map(correlations(report.codes[:, units]), [f"{unit + 1}" for unit in units])
    show_chart(figure, key="units-correlation", alt="Correlation of units")
    if len(units) < len(report.units):
        st.caption(f"The {len(units)} of {len(report.units):,} units that vary most.")
