"""Maps of the chosen runs side by side: what each stack makes of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import streamlit as st

from explorer import insights, store
from explorer.charts import maps as charts
from explorer.insights import Atlas
from explorer.session import Session
from explorer.tasks import TaskState
from explorer.widgets.figures import show_chart, show_map
from explorer.widgets.hover_picture import hover_pictures
from explorer.widgets.selection import selection_bar
from explorer.widgets.text import literal, sentence
from explorer.widgets.waiting import AT_ONCE, POLL_SECONDS
from sae_core.analysis.projections import MapSettings, Method
from sae_core.runs.record import RunRecord

MOST_MAPS = 4  # a browser grants only a handful of WebGL contexts
MAP_HEIGHT = 340


def maps(session: Session, chosen: Sequence[RunRecord], names: Sequence[str]) -> None:
    """Maps of the deepest codes of up to four finished runs, PCA at once and UMAP as it gets ready.

    Rows are chosen on the maps of runs that learned from the data set in use.

    Args:
        names: what each run is called.
    """
    shown = [(record, name) for record, name in zip(chosen, names, strict=True) if _has_rows(record)][:MOST_MAPS]
    if not shown:
        st.caption("None of these runs is finished and has its data set in the workspace, so there is no map to draw.")
        return
    if not st.toggle("Draw the maps", key="compare-maps", persist_state="session", help="Of the code of one level."):
        return
    depth = max(len(record.config.layers) for record, _ in shown)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Map",
            ["umap", "pca"],
            default="umap",
            required=True,
            key="compare-method",
            format_func=lambda name: str(name).upper(),
            persist_state="session",
            help="PCA shows the plane of largest variance, at once. UMAP keeps neighbours together and takes some "
            "seconds; PCA stands in for it until then.",
        )
        level = st.selectbox(
            "Level",
            [None, *range(depth + 1)],
            key="compare-level",
            format_func=lambda level: "Deepest" if level is None else f"Level {level}" if level else "Input",
            persist_state="session",
            width=180,
        )
    with st.spinner("Reading the models"):
        found = [(insights.atlas(record.id, MapSettings()), record, name) for record, name in shown]
    _draw([atlas for atlas, _, _ in found], cast(Method, method))
    data = session.data
    if data is not None and any(atlas.data.fingerprint == data.fingerprint for atlas, _, _ in found):
        selection_bar(session, data)
    for start in range(0, len(found), 2):
        for column, (atlas, record, name) in zip(st.columns(2), found[start : start + 2], strict=False):
            with column, st.container(border=True):
                _one(session, atlas, record, name, level, cast(Method, method))


def _has_rows(record: RunRecord) -> bool:
    return record.state == "finished" and store.workspace().has_dataset(record.dataset_fingerprint)


def _draw(found: Sequence[Atlas], method: Method) -> None:
    """Start what is missing; a bar until it is there."""
    for atlas in found:
        atlas.draw("pca").join(AT_ONCE)
    tasks = [atlas.draw(method) for atlas in found]
    for task in dict.fromkeys(tasks):
        if task.snapshot().state is TaskState.FAILED:
            st.error(sentence(task.snapshot().error), icon=":material/error:")
    if all(task.snapshot().state.is_over for task in tasks):
        return

    def ready() -> int:
        return sum(atlas.ready(kind) for atlas in found for kind in ("pca", method))

    before = ready()

    @st.fragment(run_every=POLL_SECONDS)
    def bar() -> None:
        now = [task.snapshot() for task in tasks]
        if ready() != before or all(each.state.is_over for each in now):
            st.rerun()
        done = sum(atlas.ready(method) for atlas in found)
        wanted = sum(atlas.model.n_levels + 1 for atlas in found)
        st.progress(done / wanted, text=f"{method.upper()}: {done} of {wanted} maps ready")

    bar()


def _one(session: Session, atlas: Atlas, record: RunRecord, name: str, level: int | None, method: Method) -> None:
    deepest = atlas.model.n_levels
    drawn = atlas.best(deepest if level is None else min(level, deepest), method)
    if drawn is None:
        st.caption(f"{literal(name)}: the map is being drawn.")
        return
    data = atlas.data
    groups = data.class_codes if data.classes else np.zeros(len(data), dtype=np.int64)
    colouring = charts.by_group(data.label_name, data.classes or ("row",), groups)
    where = f"Level {drawn.level}, {atlas.model.width(drawn.level)} numbers" if drawn.level else "Input"
    waiting = " (PCA for now)" if drawn.method != method and not drawn.note else ""
    st.markdown(f"**{literal(name, 34)}**")  # above the chart, where it wraps
    figure = charts.map_figure(drawn, colouring, title=f"{where}{waiting}", height=MAP_HEIGHT)
    key, alt, file = f"compare-map-{record.id}", f"Map of the rows as the run {name} codes them", f"map, {name}"
    if session.data is not None and data.fingerprint == session.data.fingerprint:
        show_map(session, figure, drawn.rows, key=key, alt=alt, name=file, space=f"{drawn.method} {drawn.level}")
    else:
        figure.update_layout(dragmode="pan")
        show_chart(figure, key=key, config=charts.MAP_CONFIG, alt=alt, name=file)
    hover_pictures(data, key, key=f"compare-hover-{record.id}")
