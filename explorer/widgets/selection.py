"""One selection everywhere: charts that choose rows, and the bar that names the chosen ones on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from explorer import choosing, store
from explorer.cache import Cache
from explorer.charts import style
from explorer.charts.maps import chosen_rows
from explorer.charts.style import shorten
from explorer.session import Session
from explorer.widgets.text import count, literal, sentence
from sae_core.analysis.selection import Combination, Share, as_rows, combined, composition, inverted, parts_of
from sae_core.data.dataset import Dataset
from sae_core.errors import SaeError
from sae_core.runs.selections import FILE, MAX_NAME, delete_selection, save_selection, saved_selections

Outline = Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]  # (x, y) of the corners of each shape
RowsOf = Callable[[Any], Iterable[int]]  # a selection event -> row numbers; () when it chooses none
Mode = Literal["points", "box", "lasso"]
HOW: dict[Combination, str] = {"replace": "Replace", "add": "Add", "keep": "Keep common", "remove": "Remove"}
MAX_SHOWN = 4  # classes named in the bar
MAX_LISTED = 40  # and in the list of its composition
SEARCH_HELP = """Row numbers: `12, 100-150`. Conditions: `age > 40 and colour = red`, `height in 3..7`,
`name contains smith`, `weight is missing`, `split = test`, `not label = 7`. Also `error at level 2 > 0.3`,
`predicted = 9` and `confidence < 0.6`. Put a name in quotes where it would be misread."""

_read: Cache[dict[str, NDArray[np.int64]]] = Cache(4)  # what is saved with a run, until its file changes


def selection_bar(session: Session, data: Dataset) -> None:
    """Take what was just chosen in any chart, then show how many rows are chosen, of which classes, and what to do.

    Call it before anything that shows the selection. Inside a fragment with charts that choose rows, call it there.
    """
    harvest(session)
    rows = as_rows(session.selection.array, len(data))
    with (
        st.container(border=True, key="selection-bar"),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        if len(rows):
            st.markdown(summary(data, rows), width="stretch")
            st.button(
                "Clear", icon=":material/close:", type="tertiary", on_click=_choose, args=(session, (), "cleared")
            )
            st.button(
                "Invert",
                icon=":material/swap_horiz:",
                type="tertiary",
                on_click=_choose,
                args=(session, inverted(rows, len(data)), ""),
            )
        else:
            st.markdown(":grey[No rows chosen. Draw a lasso on a map, click a picture or a cell, or search.]")
        _undo(session)
        with st.popover("Choose", icon=":material/search:"):
            _search(session, data)
        if len(rows):
            with st.popover("Composition", icon=":material/donut_small:"):
                _composition(data, rows)
        _saving(session, data, rows)
        if len(rows):
            st.download_button(
                "CSV",
                lambda: choosing.selection_csv(data, rows),
                file_name="selection.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
                key="selection-csv",
                type="tertiary",
                help="The chosen rows with their numbers, labels, part of the split and columns.",
            )


def selectable_chart(
    session: Session,
    figure: Any,
    *,
    key: str,
    alt: str,
    rows_of: RowsOf = chosen_rows,
    modes: Iterable[Mode] = ("points", "box", "lasso"),
    config: dict[str, Any] | None = None,
) -> None:
    """A chart in which rows can be chosen, for all pages; for maps see `map_chart`.

    Args:
        key: of the chart; also the selection's source.
        rows_of: row numbers that an event chooses; by default those in the points' customdata.
        modes: what may choose.
    """
    _charts(session)[key] = rows_of
    st.plotly_chart(
        figure, key=key, on_select="rerun", selection_mode=tuple(modes), config=config or style.CHART_CONFIG, alt=alt
    )
    _take(session, key, rows_of)
    tell(session)


def harvest(session: Session) -> None:
    """Make the newest box or click in any chart the session's selection."""
    charts = _charts(session)
    for key in [key for key in charts if key not in st.session_state]:
        del charts[key]  # of a page that was left
    for key, rows_of in charts.items():
        _take(session, key, rows_of)
    session.page("selection")["news"] = False  # the bar tells it


def tell(session: Session) -> None:
    """Run the whole page again where a chart in a fragment chose rows and the bar, outside of it, does not know yet."""
    if session.page("selection").pop("news", False):
        st.rerun()


def how_chosen(session: Session) -> Combination:
    """What happens to the selection when rows are chosen in a chart."""
    how: Combination = session.page("selection").get("how", "replace")
    return how


def choose_in_chart(
    session: Session,
    rows: Iterable[int],
    *,
    key: str,
    how: Combination | None = None,
    outline: Outline = (),
    space: str = "",
) -> None:
    """Take rows that were chosen in a chart.

    Args:
        how: by default as the bar says.
        outline: corners of the lassos and boxes, for `outline_of`.
        space: what the chart's coordinates are.
    """
    kept = session.page("selection")
    kept["outline"], kept["outline of"], kept["news"] = outline, (key, space), True
    new = np.array(list(rows), dtype=np.int64)
    session.select(combined(session.selection.array, new, how or how_chosen(session)), source=key)


def outline_of(session: Session, key: str, space: str) -> Outline:
    """Corners of the lassos and boxes that the selection was drawn with in this chart, in these coordinates.

    () where the selection was made elsewhere.
    """
    kept = session.page("selection")
    outline: Outline = kept.get("outline", ())
    return outline if kept.get("outline of") == (key, space) and session.selection.source == key else ()


def _charts(session: Session) -> dict[str, RowsOf]:
    return cast("dict[str, RowsOf]", session.page("selection").setdefault("charts", {}))


def _take(session: Session, key: str, rows_of: RowsOf) -> None:
    """Choose what a chart's event says, if it is news.

    A chart's event comes back empty whenever its figure changes, and stays as it was on every other rerun: only an
    event that is neither empty nor the one already taken is news.
    """
    kept = session.page("selection")
    taken: dict[str, tuple[int, ...]] = kept.setdefault("taken", {})
    event = st.session_state.get(key)
    rows = tuple(rows_of(event)) if event else ()
    if not rows:
        taken.pop(key, None)
    elif taken.get(key) != rows:
        taken[key] = rows
        choose_in_chart(session, rows, key=key)


def summary(data: Dataset, rows: NDArray[np.int64]) -> str:
    """How many rows of which classes, commonest first, as markdown: "**12 rows** · **setosa** 9 · **virginica** 3"."""
    text = f"**{count(len(rows), 'row')}**"
    shares = composition(data, rows)
    if not shares:
        return text
    parts = [f"**{_name(share)}** {share.chosen:,}" for share in shares[:MAX_SHOWN]]
    rest = sum(share.chosen for share in shares[MAX_SHOWN:])
    return f"{text} · " + " · ".join([*parts, *([f"others {rest:,}"] if rest else [])])


def _name(share: Share) -> str:
    return "no label" if share.name is None else literal(share.name, 20)


def _choose(session: Session, rows: Iterable[int] | NDArray[np.int64], source: str) -> None:
    session.select(rows, source)


def _undo(session: Session) -> None:
    if session.selections_before:
        st.button(
            "Back",
            icon=":material/undo:",
            type="tertiary",
            on_click=session.select_before,
            key="selection-back",
            help="The rows that were chosen before these.",
        )


def _search(session: Session, data: Dataset) -> None:
    kept = session.page("selection")
    # What is typed is read at once; the text itself may be forgotten when the page is left.
    st.text_input(
        "Search",
        key="selection-search",
        placeholder="12, 100-150   or   column > 3 and label = a",
        help=SEARCH_HELP,
        icon=":material/search:",
        on_change=_search_changed,
        args=(session, data),
        width=420,
    )
    if kept.get("search error"):
        st.error(sentence(kept["search error"]), icon=":material/error:")
    elif kept.get("search result"):
        st.caption(kept["search result"])
    if data.classes:
        st.selectbox(
            "All rows of a class",
            range(len(data.classes)),
            index=None,
            key=f"selection-class-{data.fingerprint[:12]}",
            format_func=lambda code: shorten(data.classes[code], 40),
            placeholder="Choose a class",
            on_change=_class_changed,
            args=(session, data),
        )
    kept["how"] = st.segmented_control(
        "What is chosen next",
        list(HOW),
        default=kept.get("how", "replace"),
        required=True,
        key="selection-how",
        format_func=lambda how: HOW[how],
        help="Whether new rows replace the selection, are added to it, narrow it down to what both have, or leave it. "
        "Holds for charts, too.",
    )


def _search_changed(session: Session, data: Dataset) -> None:
    kept, text = session.page("selection"), str(st.session_state.get("selection-search") or "")
    kept["search error"] = kept["search result"] = ""
    if not text.strip():
        return
    try:
        rows = choosing.find_rows(data, session.run_id, text)
    except SaeError as error:
        kept["search error"] = str(error)
        return
    kept["search result"] = f"{count(len(rows), 'row')} found."
    if len(rows):
        session.select(combined(session.selection.array, rows, how_chosen(session)), source="search")


def _class_changed(session: Session, data: Dataset) -> None:
    code = st.session_state.get(f"selection-class-{data.fingerprint[:12]}")
    if code is not None:
        rows = np.flatnonzero(data.class_codes == code)
        session.select(combined(session.selection.array, rows, how_chosen(session)), source="class")


def _composition(data: Dataset, rows: NDArray[np.int64]) -> None:
    label = literal(data.label_name, 30) if data.labels is not None else ""
    for title, shares in ((label, composition(data, rows)), ("Split", parts_of(data, rows))):
        if shares:
            st.markdown(composition_table(title, shares, len(rows)))


def composition_table(title: str, shares: Sequence[Share], chosen: int) -> str:
    """Shares as a markdown table: how much of the selection each class makes up, and how much of it is chosen.

    Args:
        title: escaped.
        chosen: rows of the selection.
    """
    lines = [f"| {title} | Chosen | Of the selection | Of all such rows |", "|:--|--:|--:|--:|"]
    lines += [
        f"| {_name(share)} | {share.chosen:,} | {share.chosen / chosen:.1%} | {share.chosen / share.rows:.1%} |"
        for share in shares[:MAX_LISTED]
    ]
    return "\n".join(lines)


def _saving(session: Session, data: Dataset, rows: NDArray[np.int64]) -> None:
    kept = session.page("selection")
    try:
        found = {} if session.run_id is None else _saved(session.run_id)
    except SaeError as error:
        found = {}
        kept["save error"] = str(error)
    if not found and not (len(rows) and session.run_id is not None):
        return
    with st.popover("Keep", icon=":material/bookmark:"):
        if len(rows) and session.run_id is not None:
            st.text_input("Name", key="selection-name", max_chars=MAX_NAME, placeholder="e.g. strange sevens")
            st.button(
                "Save selection",
                icon=":material/bookmark_add:",
                on_click=_save,
                args=(session, rows),
                help="Kept with the run: found again after a restart, and in every tab.",
            )
        if kept.get("save error"):
            st.error(sentence(kept.pop("save error")), icon=":material/error:")
        for i, (name, saved) in enumerate(found.items()):
            with st.container(horizontal=True, vertical_alignment="center"):
                inside = as_rows(saved, len(data))
                label = f"{literal(name, 40)} ({len(inside):,})"
                st.button(label, key=f"recall-{i}", on_click=_choose, args=(session, inside, "saved"), width="stretch")
                st.button(
                    "Delete", key=f"forget-{i}", icon=":material/delete:", on_click=_delete, args=(session, name),
                    type="tertiary",
                )  # fmt: skip


def _saved(run_id: str) -> dict[str, NDArray[np.int64]]:
    run = store.run(run_id)
    try:
        stat = (run.folder / FILE).stat()
    except OSError:
        return {}
    return _read.get((str(run.folder), stat.st_mtime_ns, stat.st_size), lambda: saved_selections(run))


def _save(session: Session, rows: NDArray[np.int64]) -> None:
    assert session.run_id is not None
    try:
        save_selection(store.run(session.run_id), str(st.session_state.get("selection-name") or ""), rows)
    except SaeError as error:
        session.page("selection")["save error"] = str(error)
    else:
        st.session_state["selection-name"] = ""


def _delete(session: Session, name: str) -> None:
    assert session.run_id is not None
    try:
        delete_selection(store.run(session.run_id), name)
    except SaeError as error:
        session.page("selection")["save error"] = str(error)
