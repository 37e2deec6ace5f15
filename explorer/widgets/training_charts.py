"""The figures of a run: the stack with its states, a curve for each phase, rows that sharpen.

All figures are made before the first one is shown, and only those whose numbers changed are made anew: what is on the
page stands still while the next one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from explorer import store
from explorer.cache import Cache
from explorer.charts.gallery import gallery
from explorer.charts.loss import accuracy_curve, loss_curve
from explorer.charts.numbers import picture_numbers
from explorer.charts.profiles import profiles
from explorer.charts.stack import stack_drawing
from explorer.runview import RunView, live_drawing
from explorer.session import Session
from explorer.widgets.design import drawing_of
from explorer.widgets.figures import Numbers, show_live_chart
from explorer.widgets.training import phase_title
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, Features
from sae_core.errors import SaeError
from sae_core.training.events import HistoryRow, Phase
from sae_core.training.plan import parameter_counts

PER_ROW = 3
CURVE_HEIGHT = 250
PROFILE_ROWS = 5

Figures = dict[str, go.Figure | None]
Scale = tuple[list[str], NDArray[np.float64], NDArray[np.float64]]
_scales: Cache[Scale] = Cache(8)


def kept_for(session: Session, run_id: str) -> dict[str, Any]:
    """What the page keeps of the run that it shows: figures, and reconstructions by level. Only of one run."""
    page = session.page("train")
    if page.get("run") != run_id:
        page.clear()
        page.update(run=run_id, figures={}, seen={})
    return page


def figures(run: RunView, config: StackConfig, data: Dataset | None, page: dict[str, Any]) -> Figures:
    """Every figure of a run, by name; those whose numbers did not change are the ones of the last time.

    Args:
        data: None where the workspace does not have it any more: then there are no rows to show.
        page: what `kept_for` keeps.
    """
    found: Figures = {"stack": _kept(page, "stack", (run.phase_index, run.state), lambda: drawing(run, config, data))}
    for phase in run.phases:
        if phase.kind != "softmax":
            rows, curve = run.rows_of(phase), run.curve_of(phase)
            drawn_from = (len(rows), len(curve), curve[-1:])
            found[f"loss-{phase.index}"] = _kept(page, f"loss-{phase.index}", drawn_from, _loss(phase, rows, curve))
        if phase.kind == "fine_tune":
            rows = run.rows_of(phase)
            found["accuracy"] = _kept(page, "accuracy", len(rows), _accuracy([("", phase, rows)]))
    lines = [
        ("input" if phase.level == 0 else f"level {phase.level}", phase, run.rows_of(phase))
        for phase in run.phases
        if phase.kind == "softmax"
    ]
    if lines:
        lengths = tuple(len(rows) for _, _, rows in lines)
        found["softmax"] = _kept(page, "softmax", lengths, _accuracy(lines))
    page["preview"] = run.preview  # held, so that no later one can have its id
    if data is not None:
        found["rows"] = _kept(page, "rows", (id(run.preview), run.is_active), lambda: _rows_drawn(run, data, page))
    return found


def _loss(phase: Phase, rows: Any, curve: Any) -> Callable[[], go.Figure | None]:
    return lambda: loss_curve(phase, rows, curve, height=CURVE_HEIGHT) if rows or curve else None


def _accuracy(lines: list[tuple[str, Phase, tuple[HistoryRow, ...]]]) -> Callable[[], go.Figure | None]:
    begun = any(rows for _, _, rows in lines)
    return lambda: accuracy_curve(lines, height=CURVE_HEIGHT) if begun else None


def _kept(page: dict[str, Any], name: str, basis: Hashable, draw: Callable[[], go.Figure | None]) -> go.Figure | None:
    kept: dict[str, tuple[Hashable, go.Figure | None]] = page["figures"]
    if name not in kept or kept[name][0] != basis:
        kept[name] = (basis, draw())
    return kept[name][1]


def drawing(run: RunView, config: StackConfig, data: Dataset | None) -> go.Figure | None:
    """The stack with what is trained, in training and dropped; None where not even its width is known."""
    if data is not None:
        n_inputs, n_classes = store.preparation(data, config.scaling).n_inputs, len(data.classes)
    else:
        try:
            model = store.model(run.id)
        except SaeError:
            return None
        n_inputs, n_classes = model.preparation.n_inputs, len(model.classes)
    counts = parameter_counts(n_inputs, n_classes, config)
    designed = drawing_of(config, n_inputs, n_classes, counts)
    return stack_drawing(live_drawing(run, designed), height=270)


def show(figures: Figures, name: str, alt: str, numbers: Numbers | None = None) -> None:
    """One figure, updated in place; a curve that has not begun is only its place, which costs the browser nothing.

    Args:
        numbers: the table to save; by default what the figure shows.
    """
    figure = figures.get(name)
    if figure is not None:
        show_live_chart(figure, key=f"train-{name}", alt=alt, name=alt, numbers=numbers)
    elif name != "rows":
        with st.container(height=CURVE_HEIGHT, border=True, horizontal_alignment="center", vertical_alignment="center"):
            st.caption("not begun", width="content")


def level_charts(run: RunView, figures: Figures) -> None:
    """A loss chart for each level, or for the joint and unrolled phases."""
    learning = [phase for phase in run.phases if phase.loss != "cross_entropy"]
    for start in range(0, len(learning), PER_ROW):
        columns = st.columns(max(2, min(PER_ROW, len(learning))))
        for column, phase in zip(columns, learning[start : start + PER_ROW], strict=False):
            with column:
                _heading(run, [phase], phase_title(phase))
                show(figures, f"loss-{phase.index}", f"Loss of {phase.title} by epoch")


def classifier_charts(run: RunView, figures: Figures) -> None:
    """Accuracy of the classifiers on frozen codes; loss and accuracy of fine-tuning."""
    heads = [phase for phase in run.phases if phase.kind == "softmax"]
    tuned = [phase for phase in run.phases if phase.kind == "fine_tune"]
    if not heads and not tuned:
        return
    columns = st.columns(PER_ROW)
    if heads:
        with columns[0]:
            _heading(run, heads, "Softmax on frozen codes")
            show(figures, "softmax", "Accuracy of the classifier on each level by epoch")
    for phase in tuned:
        with columns[1]:
            _heading(run, [phase], "Loss while fine-tuning")
            show(figures, f"loss-{phase.index}", "Loss of the fine-tuned classifier by epoch")
        with columns[2]:
            st.markdown("**Accuracy while fine-tuning**")
            show(figures, "accuracy", "Accuracy of the fine-tuned classifier by epoch")


def _heading(run: RunView, phases: list[Phase], text: str) -> None:
    current = run.is_active and phases[0].index <= run.phase_index <= phases[-1].index
    st.markdown(f"**{text}**" + (" :orange-badge[in training]" if current else ""))


def watched(run: RunView, data: Dataset, page: dict[str, Any]) -> tuple[NDArray[np.int64], dict[int, Features]]:
    """The watched rows, and what each level gives back: as last seen, and from the model once it is there."""
    from sae_core.training.preview import preview_rows

    seen: dict[int, Features] = page["seen"]
    if run.is_active:
        page["final"] = False
        if run.preview is None:
            return preview_rows(data), seen
        seen[run.preview.level] = run.preview.reconstruction
        return run.preview.rows, seen
    rows = preview_rows(data)
    if not page.get("final"):
        page["final"] = True
        try:
            model = store.model(run.id)
        except SaeError:
            return rows, seen
        raw = data.take(rows)
        seen.update({level: model.reconstruct(raw, level) for level in range(1, model.n_levels + 1)})
    return rows, seen


def _rows_drawn(run: RunView, data: Dataset, page: dict[str, Any]) -> go.Figure | None:
    rows, found = watched(run, data, page)
    if data.image_shape is not None:
        strips = [("original", np.asarray(data.take(rows)))]
        strips += [(f"level {level}", np.asarray(found[level])) for level in sorted(found)]
        page["numbers"] = lambda: pd.concat(
            [picture_numbers(rows, pixels, of="row").assign(of=title) for title, pixels in strips]
        )
        return gallery(strips, data.image_shape, cell=54)
    names, mean, spread = _scale(data)
    if not names:
        return None
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(PROFILE_ROWS, len(rows))).astype(int))  # classes in turn
    rows = rows[chosen]
    newest = max(found, default=0)
    original = (_numbers(data.take(rows), names) - mean) / spread
    back = (_numbers(found[newest], names)[chosen] - mean) / spread if newest else None
    labels = [f"row {row}" if data.labels is None else str(data.labels[row]) for row in rows]
    return profiles(original, back, names, labels)


def _scale(data: Dataset) -> Scale:
    """Numeric columns with mean and standard deviation over (at most 20,000) training rows."""

    def measure() -> Scale:
        names = list(data.feature_names)
        if isinstance(data.features, pd.DataFrame):
            names = [column.name for column in data.columns if column.kind in ("numeric", "boolean")]
        values = _numbers(data.take(data.split.train[:20_000]), names)
        with np.errstate(all="ignore"):
            mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return names, np.nan_to_num(mean), np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)

    return _scales.get(data.fingerprint, measure)


def _numbers(features: Features, names: list[str]) -> NDArray[np.float64]:
    if isinstance(features, pd.DataFrame):
        values: NDArray[np.float64] = features[names].astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)
        return values
    return np.asarray(features, dtype=np.float64)
