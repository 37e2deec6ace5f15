"""The parts of the Codes page: settings, maps that fill up, and one selection for all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from explorer import placing
from explorer.charts import animation, map_layers, style
from explorer.charts import maps as charts
from explorer.charts.maps import Colouring
from explorer.insights import Atlas
from explorer.placing import NewRows
from explorer.session import Session
from explorer.tasks import Task, TaskState
from explorer.widgets import place
from explorer.widgets.figures import show_chart, show_legend, show_map
from explorer.widgets.hover_picture import hover_pictures, pictures_of
from explorer.widgets.map_settings import METHODS
from explorer.widgets.rows import show_rows
from explorer.widgets.text import count, sentence
from explorer.widgets.waiting import AT_ONCE, POLL_SECONDS, result_of
from sae_core.analysis.placing import APART, spread_rows, squares
from sae_core.analysis.projections import LevelMap, Method
from sae_core.analysis.sampling import stratified_rows
from sae_core.analysis.selection import as_rows
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack

MAX_MAPS = 4  # a browser grants only a handful of WebGL contexts
MAX_PICTURES = 80  # on one map
MAP_HEIGHT = 350
MAPS_WIDTH = 740  # of two maps beside each other
TRAVEL_CONFIG = {**style.MAP_CONFIG, "scrollZoom": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


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


def draw(session: Session, found: Atlas, method: Method, levels: list[int]) -> list[LevelMap]:
    """The maps as they are now; PCA at once, the others as they get ready, with progress shown here until then.

    What the page was drawing before, under other settings, is stopped.
    """
    kept = session.page("codes")
    before, kept["drawing"] = kept.get("drawing", (found, method)), (found, method)
    if before != (found, method) and before[1] != "pca":
        before[0].stop(before[1])
    first = found.draw("pca")
    first.join(AT_ONCE)
    following = found.draw(method) if method != "pca" else first
    for task in dict.fromkeys((first, following)):
        if task.snapshot().state is TaskState.FAILED:
            st.error(sentence(task.snapshot().error), icon=":material/error:")
    if not following.snapshot().state.is_over:
        _progress(found, method, first, following)
    drawn = [found.best(level, method) for level in levels]
    return [each for each in drawn if each is not None]


def _progress(found: Atlas, method: Method, first: Task, following: Task) -> None:
    shown = (found.ready("pca"), found.ready(method))

    @st.fragment(run_every=POLL_SECONDS)
    def bar() -> None:
        now = following.snapshot()
        if now.state.is_over or (found.ready("pca"), found.ready(method)) != shown:
            st.rerun()
        text = "Maps are waiting for their turn" if now.state is TaskState.QUEUED else now.text
        if first is not following:
            text = f"{METHODS[method]}: {found.ready(method)} of {found.model.n_levels + 1} maps ready. {text}"
        st.progress(now.fraction or 0.0, text=text)

    bar()


def show_colours(colouring: Colouring) -> None:
    """What the colours mean, once for all maps."""
    legend = charts.legend_figure(colouring)
    if legend is not None:
        show_legend(legend, key="legend", alt=f"Colours: {colouring.title}")


def show_maps(session: Session, found: Atlas, drawn: list[LevelMap], colouring: Colouring, method: Method) -> None:
    """Maps side by side, and the chosen rows beside them."""
    new = place.rows_to_place(session, found)
    # Side by side on a wide page; on a narrow one the chosen rows go below the maps.
    with st.container(horizontal=True, gap="small"):
        left = st.container(width=MAPS_WIDTH)
        right = st.container(width="stretch")
    with left:
        for start in range(0, len(drawn), 2):
            for column, each in zip(st.columns(2, gap="small"), drawn[start : start + 2], strict=False):
                with column, st.container(border=True):
                    key = f"map-{found.model.n_levels}-{each.level}"
                    _one_map(session, found, method, each, colouring, key, new)
    with right:
        selection_panel(session, found)
    hover_pictures(found.data, "map-", key="codes-hover")


def _one_map(
    session: Session, found: Atlas, method: Method, drawn: LevelMap, colouring: Colouring, key: str, new: NewRows | None
) -> None:
    title = map_title(found, drawn, method)
    figure = charts.map_figure(drawn, colouring, title=title, height=MAP_HEIGHT)
    if st.session_state.get("codes-pictures") and found.data.image_shape is not None:
        picked = spread_rows(drawn.points, MAX_PICTURES)
        side = 0.95 * APART * float(np.ptp(drawn.points, axis=0).max()) / squares(MAX_PICTURES)
        sources = pictures_of(found.data, drawn.rows[picked])
        map_layers.add_pictures(figure, drawn.points[picked], drawn.rows[picked], sources, side)
    if new is not None:
        placed = result_of(placing.placing(found, method, new), key=f"placing-{drawn.level}")
        if placed is not None and drawn.level in placed:
            map_layers.add_placed(figure, placed[drawn.level], new.texts)
    alt = f"Map of {len(drawn.rows):,} rows: {title}"
    show_map(
        session,
        figure,
        drawn.rows,
        key=key,
        alt=alt,
        name=f"map of {'the input' if drawn.level == 0 else f'level {drawn.level}'}",
        numbers=lambda: map_table(found.data, drawn),
        space=f"{drawn.method} {found.settings} {found.fine_tuned} {len(found.rows)}",
    )
    if drawn.note:
        st.caption(sentence(drawn.note))


def map_table(data: Dataset, drawn: LevelMap) -> pd.DataFrame:
    """Where every row lies on a map, to take away."""
    table: dict[str, object] = {"row": drawn.rows}
    if data.labels is not None:
        table[f"{data.label_name} (label)"] = data.labels[drawn.rows]
    return pd.DataFrame(table | {"x": drawn.points[:, 0], "y": drawn.points[:, 1]})


def show_travel(session: Session, found: Atlas, drawn: list[LevelMap], colouring: Colouring, method: Method) -> None:
    """One map in which points travel from level to level."""
    if len({each.level for each in drawn}) <= found.model.n_levels:
        st.info("The animation begins when the map of every level is there.", icon=":material/hourglass_empty:")
        return
    rows = found.rows
    positions = stratified_rows(found.data.class_codes[rows], animation.MAX_POINTS)
    chosen = np.flatnonzero(session.selection.mask(len(found.data))[rows]) if len(session.selection) else None
    if chosen is not None:
        positions = np.union1d(positions, chosen[: animation.MAX_POINTS])
    figure = animation.travel_figure(
        drawn,
        [map_title(found, each, method) for each in drawn],
        colouring,
        positions,
        chosen=None if chosen is None else np.isin(positions, chosen),
    )
    show_chart(
        figure,
        key=f"travel-{found.model.n_levels}",
        alt=f"{len(positions):,} rows travelling from the input to level {found.model.n_levels}",
        name="maps of all levels",
        numbers=lambda: pd.concat([map_table(found.data, each).assign(level=each.level) for each in drawn]),
        config=TRAVEL_CONFIG,
    )
    hover_pictures(found.data, "travel-", key="travel-hover")
    if len(positions) < len(rows):
        st.caption(f"{len(positions):,} of the {len(rows):,} rows of the maps move here.")


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
                "Draw a lasso or a box around points on any map, or click one; Shift adds rows, Alt takes them "
                "away. The rows are listed here and stand out on all maps and pages: see whether a group holds "
                "together from level to level."
            )
            return
        off_map = int((~np.isin(rows, found.rows)).sum())
        if off_map:
            st.caption(f"{count(off_map, 'row')} of them not on the maps, which show a sample: see “Place rows”.")
        show_rows(data, rows, key="chosen", columns=6, cell=40, name="chosen rows")


def sample_note(found: Atlas, method: Method) -> str:
    """What the maps show, in one line."""
    n, m = len(found.data), len(found.rows)
    shown = (
        f"All {count(n, 'row')}" if m == n else f"{m:,} of {n:,} rows, a sample in which every class keeps its share"
    )
    together = {
        "aligned": "all levels are laid out together, so groups stay where they were",
        "pca": "each map is turned onto the one below it",
    }
    return style.joined(
        [shown, together.get(method, "each map starts from the one below it, so groups stay where they were")]
    )
