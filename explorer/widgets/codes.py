"""The parts of the Codes page: settings, maps that fill up, and one selection for all of them."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer import insights
from explorer.charts import maps as charts
from explorer.charts import style
from explorer.charts.maps import Colouring
from explorer.insights import Atlas
from explorer.session import Session
from explorer.tasks import Task, TaskState
from explorer.widgets.rows import show_rows
from explorer.widgets.selection import selectable_chart, shapes_of
from explorer.widgets.text import count, literal, sentence
from explorer.widgets.waiting import AT_ONCE, POLL_SECONDS, result_of
from sae_core.analysis.projections import LevelMap, MapSettings, Method
from sae_core.analysis.selection import as_rows
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack

MAX_MAPS = 4  # a browser grants only a handful of WebGL contexts
MAX_COLUMNS = 200  # of a table that can be chosen as colours
MAP_HEIGHT = 350
MAPS_WIDTH = 740  # of two maps beside each other


def map_settings(model: TrainedStack) -> tuple[MapSettings, bool]:
    """How the maps are drawn, and whether of the codes after fine-tuning."""
    method = st.segmented_control(
        "Map",
        ["umap", "pca"],
        default="umap",
        required=True,
        key="codes-method",
        format_func=lambda name: str(name).upper(),
        persist_state="session",
        help="PCA shows the plane of largest variance, at once. UMAP keeps neighbours together; it takes some seconds, "
        "and PCA stands in for it until then. Distances between far groups mean little in a UMAP.",
    )
    fine_tuned = False
    if model.is_fine_tuned:
        fine_tuned = (
            st.segmented_control(
                "Codes",
                ["Pretrained", "Fine-tuned"],
                default="Pretrained",
                required=True,
                key="codes-tuned",
                persist_state="session",
                help="As pretraining left them, without labels; or after fine-tuning with labels.",
            )
            == "Fine-tuned"
        )
    with st.popover("UMAP settings", icon=":material/tune:", disabled=method == "pca"):
        neighbours = st.slider(
            "Neighbours",
            5,
            100,
            15,
            key="codes-neighbours",
            persist_state="session",
            help="Rows that count as a row's neighbourhood: few show fine detail, many the large shape.",
        )
        distance = st.slider(
            "Smallest distance",
            0.0,
            1.0,
            0.1,
            0.05,
            key="codes-distance",
            persist_state="session",
            help="How closely points may lie: small packs groups tightly.",
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="codes-seed", persist_state="session")
    settings = MapSettings(cast(Method, method), int(neighbours), float(distance), seed=int(seed))
    return settings, fine_tuned


def level_selector(model: TrainedStack) -> list[int]:
    """Which levels to show side by side."""
    levels = list(range(model.n_levels + 1))
    if len(levels) <= MAX_MAPS:
        return levels
    default = sorted({0, 1, model.n_levels - 1, model.n_levels})
    chosen = st.multiselect(
        f"Levels (up to {MAX_MAPS})",
        levels,
        default,
        max_selections=MAX_MAPS,
        key=f"codes-levels-{model.n_levels}",
        format_func=lambda level: "Input" if level == 0 else f"Level {level}",
        persist_state="session",
    )
    return sorted(chosen) or default


def colour_selector(data: Dataset, n_levels: int) -> str:
    """What the colours mean: class, error, part of the split, or a column. For `colouring_of`."""
    options = ["class"] if data.labels is not None and data.classes else []
    options += ["part", *(f"error {level}" for level in range(n_levels, 0, -1))]
    if isinstance(data.features, pd.DataFrame):
        options += [f"column {i}" for i in range(min(data.n_features, MAX_COLUMNS))]

    def words(option: str) -> str:
        kind, _, rest = option.partition(" ")
        if kind == "class":
            return f"Class ({literal(data.label_name, 30)})"
        if kind == "error":
            return f"Reconstruction error at level {rest}"
        return "Part of the split" if kind == "part" else f"Column: {literal(data.feature_names[int(rest)], 40)}"

    chosen = st.selectbox(
        "Colour",
        options,
        key=f"codes-colour-{data.fingerprint[:12]}-{n_levels}",
        format_func=words,
        persist_state="session",
    )
    return chosen or options[0]


def colouring_of(run_id: str, data: Dataset, option: str) -> Colouring:
    """The colouring that an option of `colour_selector` stands for; by class while errors are being computed."""
    kind, _, rest = option.partition(" ")
    names: tuple[object, ...] = data.classes or ("row",)
    groups = data.class_codes if data.classes else np.zeros(len(data), dtype=np.int64)
    if kind == "error":
        errors = result_of(insights.row_errors(run_id), key="codes-errors")
        if errors is not None:
            amounts = errors.at(int(rest))
            return charts.by_amount(f"mean squared error per value, level {rest}", amounts, names, groups)
    if kind == "column" and isinstance(data.features, pd.DataFrame):
        return charts.by_column(data.features.iloc[:, int(rest)], names, groups)
    if kind == "part":
        parts = data.split.part_of_each_row()
        order = ("train", "validation", "test")
        return charts.by_group("part of the split", order, np.select([parts == name for name in order], [0, 1, 2], -1))
    return charts.by_group(data.label_name, names, groups)


def draw(session: Session, found: Atlas, method: Method, levels: list[int]) -> list[LevelMap]:
    """The maps as they are now; PCA at once, UMAP as it gets ready, with progress shown here until then.

    What the page was drawing before, under other settings, is stopped.
    """
    kept = session.page("codes")
    before, kept["atlas"] = kept.get("atlas", found), found
    if before is not found or method == "pca":
        before.stop("umap")
    first = found.draw("pca")
    first.join(AT_ONCE)
    following = found.draw("umap") if method == "umap" else first
    for task in dict.fromkeys((first, following)):
        if task.snapshot().state is TaskState.FAILED:
            st.error(sentence(task.snapshot().error), icon=":material/error:")
    if not following.snapshot().state.is_over:
        _progress(found, first, following)
    drawn = [found.best(level, method) for level in levels]
    return [each for each in drawn if each is not None]


def _progress(found: Atlas, first: Task, following: Task) -> None:
    shown = (found.ready("pca"), found.ready("umap"))

    @st.fragment(run_every=POLL_SECONDS)
    def bar() -> None:
        now = following.snapshot()
        if now.state.is_over or (found.ready("pca"), found.ready("umap")) != shown:
            st.rerun()
        text = "Maps are waiting for their turn" if now.state is TaskState.QUEUED else now.text
        if first is not following:
            text = f"UMAP: {found.ready('umap')} of {found.model.n_levels + 1} maps ready. {text}"
        st.progress(now.fraction or 0.0, text=text)

    bar()


def show_legend(colouring: Colouring) -> None:
    """What the colours mean, once for all maps."""
    legend = charts.legend_figure(colouring)
    if legend is not None:
        st.plotly_chart(legend, key="legend", config={"staticPlot": True}, alt=f"Colours: {colouring.title}")


def show_maps(session: Session, found: Atlas, drawn: list[LevelMap], colouring: Colouring, method: Method) -> None:
    """Maps side by side, and the chosen rows beside them."""
    # Side by side on a wide page; on a narrow one the chosen rows go below the maps.
    with st.container(horizontal=True, gap="small"):
        left = st.container(width=MAPS_WIDTH)
        right = st.container(width="stretch")
    with left:
        for start in range(0, len(drawn), 2):
            for column, each in zip(st.columns(2, gap="small"), drawn[start : start + 2], strict=False):
                with column, st.container(border=True):
                    key = f"map-{found.model.n_levels}-{each.level}"
                    _one_map(session, found, method, each, colouring, key)
    with right:
        selection_panel(session, found)


def _one_map(session: Session, found: Atlas, method: Method, drawn: LevelMap, colouring: Colouring, key: str) -> None:
    title = map_title(found, drawn, method)
    chosen = session.selection.mask(int(drawn.rows.max()) + 1)[drawn.rows] if session.selection.rows else None
    space = f"{drawn.method} {found.settings} {found.fine_tuned}"
    outline = shapes_of(session, key, space)
    figure = charts.map_figure(drawn, colouring, title=title, chosen=chosen, outline=outline, height=MAP_HEIGHT)
    alt = f"Map of {len(drawn.rows):,} rows: {title}"
    selectable_chart(session, figure, key=key, config=charts.MAP_CONFIG, alt=alt, space=space)
    if drawn.note:
        st.caption(sentence(drawn.note))


def map_title(found: Atlas, drawn: LevelMap, method: Method) -> str:
    """The level and its width, and that a map is only standing in."""
    units = found.model.width(drawn.level)
    name = "Input" if drawn.level == 0 else f"Level {drawn.level}"
    waiting = drawn.method != method and not drawn.note
    return f"{name} · {count(units, 'value' if drawn.level == 0 else 'unit')}" + (" · PCA for now" if waiting else "")


def selection_panel(session: Session, found: Atlas) -> None:
    """What the chosen rows look like."""
    data, rows = found.data, as_rows(session.selection.array, len(found.data))
    with st.container(border=True):
        st.markdown("**Chosen rows**")
        if not len(rows):
            st.caption(
                "Draw a lasso or a box around points on any map, or click one. The rows are listed here and stand out "
                "on all maps and pages: see whether a group holds together from level to level."
            )
            return
        off_map = int((~np.isin(rows, found.rows)).sum())
        if off_map:
            st.caption(f"{count(off_map, 'row')} of them not on the maps, which show a sample.")
        show_rows(data, rows, key="chosen", columns=6, cell=40)


def sample_note(found: Atlas) -> str:
    """What the maps show, in one line."""
    n, m = len(found.data), len(found.rows)
    shown = (
        f"All {count(n, 'row')}" if m == n else f"{m:,} of {n:,} rows, a sample in which every class keeps its share"
    )
    return style.joined([shown, "each map starts from the one below it, so groups stay where they were"])
