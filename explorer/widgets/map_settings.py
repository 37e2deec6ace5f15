"""How the maps of the Codes page are drawn, and what their colours mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from explorer import insights
from explorer.charts import maps as charts
from explorer.charts.maps import Colouring
from explorer.charts.style import BLUE, VERMILION, shorten
from explorer.widgets.waiting import result_of
from sae_core.analysis.projections import MapSettings, Method, Metric
from sae_core.data.dataset import Dataset
from sae_core.limits import MAX_MAP_ROWS
from sae_core.model.trained import TrainedStack

METHODS: dict[Method, str] = {"umap": "UMAP", "aligned": "Aligned UMAP", "tsne": "t-SNE", "pca": "PCA"}
METRICS: dict[Metric, str] = {"euclidean": "Euclidean", "cosine": "Cosine", "correlation": "Correlation"}
SAMPLES = (500, 1_000, 2_000, 3_000, 5_000, MAX_MAP_ROWS)
TSNE_ROWS = 3_000  # at most: it takes minutes beyond, and cannot tell how far it is
MAX_COLUMNS = 200  # of a table that can be chosen as colours
METHOD_HELP = """**PCA** shows the plane of largest variance, at once. **UMAP** keeps neighbours together; each level
starts from the map below it. **Aligned UMAP** lays all levels out together and draws each row towards its place at the
levels beside: easiest to follow from level to level. **t-SNE** shows the finest detail. PCA stands in until a map is
ready. Distances between far groups mean little outside PCA."""


def map_settings(model: TrainedStack, data: Dataset) -> tuple[MapSettings, bool, int]:
    """How the maps are drawn, whether of the codes after fine-tuning, and of at most how many rows."""
    method = (
        st.segmented_control(
            "Map",
            list(METHODS),
            default="umap",
            required=True,
            key="codes-method",
            format_func=lambda name: METHODS[name],
            persist_state="session",
            help=METHOD_HELP,
        )
        or "umap"
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
    with st.popover("Settings", icon=":material/tune:"):
        settings, limit = _details(method, len(data))
    return settings, fine_tuned, min(limit, TSNE_ROWS) if method == "tsne" else limit


def _details(method: Method, n: int) -> tuple[MapSettings, int]:
    sizes = [size for size in SAMPLES if size < n] + [min(n, MAX_MAP_ROWS)] if n > SAMPLES[0] else [n]
    sizes = sorted(set(sizes))
    limit = sizes[-1]
    if len(sizes) > 1:
        limit = st.select_slider(
            "Rows on the maps",
            sizes,
            sizes[-1],
            key=f"codes-rows-{sizes[-1]}",
            format_func=lambda size: f"{size:,}",
            persist_state="session",
            help="A sample in which every class keeps its share. Fewer rows are drawn faster. "
            f"t-SNE draws at most {TSNE_ROWS:,}.",
        )
    neighbours = st.slider(
        "Neighbours",
        5,
        100,
        15,
        key="codes-neighbours",
        persist_state="session",
        help="Rows that count as a row's neighbourhood: few show fine detail, many the large shape. For t-SNE this is "
        "the perplexity.",
    )
    distance = st.slider(
        "Smallest distance",
        0.0,
        1.0,
        0.1,
        0.05,
        key="codes-distance",
        persist_state="session",
        help="How closely points may lie: small packs groups tightly. UMAP only.",
    )
    metric = st.selectbox(
        "Metric",
        list(METRICS),
        key="codes-metric",
        format_func=lambda name: METRICS[name],
        persist_state="session",
        help="How far two rows are from each other. Euclidean: by all values. Cosine: by direction, not by length. "
        "Correlation: by shape, neither by length nor by level.",
    )
    alignment = st.slider(
        "Alignment of levels",
        0.0,
        0.5,
        0.2,
        0.05,
        key="codes-alignment",
        persist_state="session",
        disabled=method != "aligned",
        help="How strongly a row is drawn towards its places at the levels beside. Aligned UMAP only.",
    )
    seed = st.number_input(
        "Seed",
        0,
        2**31 - 1,
        0,
        key="codes-seed",
        persist_state="session",
        help="Another seed gives another sample and another layout: what stays is worth believing.",
    )
    settings = MapSettings(
        method, int(neighbours), float(distance), seed=int(seed), metric=metric, alignment=float(alignment)
    )
    return settings, int(limit)


def colour_selector(data: Dataset, model: TrainedStack) -> str:
    """What the colours mean: class, prediction, error, part of the split, a unit, or a column. For `colouring_of`."""
    options = ["class"] if data.labels is not None and data.classes else []
    options += ["predicted", "right"] if model.is_classifier and data.has_labels else []
    options += ["part", *(f"error {level}" for level in range(model.n_levels, 0, -1)), "unit"]
    if data.image_shape is None:
        options += [f"column {i}" for i in range(min(data.n_features, MAX_COLUMNS))]
    fixed = {
        "class": f"Class ({shorten(data.label_name, 30)})",
        "predicted": "Predicted class",
        "right": "Right or wrong",
        "part": "Part of the split",
        "unit": "A unit of a code",
    }

    def words(option: str) -> str:
        kind, _, rest = option.partition(" ")
        if kind == "error":
            return f"Reconstruction error at level {rest}"
        return fixed[kind] if kind in fixed else f"Column: {shorten(data.feature_names[int(rest)], 40)}"

    chosen = st.selectbox(
        "Colour",
        options,
        key=f"codes-colour-{data.fingerprint[:12]}-{model.n_levels}",
        format_func=words,
        persist_state="session",
    )
    return _unit_selector(model) if chosen == "unit" else chosen or options[0]


def _unit_selector(model: TrainedStack) -> str:
    level = st.selectbox(
        "Level",
        range(model.n_levels, 0, -1),
        key=f"codes-unit-level-{model.n_levels}",
        format_func=lambda level: f"Level {level}",
        persist_state="session",
    )
    unit = st.number_input(
        "Unit", 1, model.width(level), 1, key=f"codes-unit-{level}-{model.width(level)}", persist_state="session"
    )
    return f"unit {level} {int(unit) - 1}"


def colouring_of(run_id: str, data: Dataset, option: str, *, fine_tuned: bool = False) -> Colouring:
    """The colouring that an option of `colour_selector` stands for; by class while it is being computed."""
    kind, _, rest = option.partition(" ")
    names: tuple[object, ...] = data.classes or ("row",)
    groups = data.class_codes if data.classes else np.zeros(len(data), dtype=np.int64)
    if kind == "error":
        errors = result_of(insights.row_errors(run_id), key="codes-errors")
        if errors is not None:
            amounts = errors.at(int(rest))
            return charts.by_amount(f"mean squared error per value, level {rest}", amounts, names, groups)
    if kind == "unit":
        level, unit = (int(part) for part in rest.split())
        activity = result_of(insights.unit_activity(run_id, level, unit, fine_tuned=fine_tuned), key="codes-unit")
        if activity is not None:
            return charts.by_amount(f"activity of unit {unit + 1} of level {level}", activity, names, groups)
    if kind in ("predicted", "right"):
        found = result_of(insights.classified(run_id), key="codes-classified")
        if found is not None:
            by = found.classifiers[-1]
            said = np.full(len(data), -1, dtype=np.int64)
            said[found.rows] = by.predicted if kind == "predicted" else by.predicted == found.truth
            if kind == "predicted":
                return charts.by_group(f"class predicted by the {by.name}", found.classes, said)
            return charts.by_group(by.name, ("wrong", "right"), said, colours=(VERMILION, BLUE))
    if kind == "column":
        features = data.features
        place = int(rest)
        column = (
            features.iloc[:, place]
            if isinstance(features, pd.DataFrame)
            else pd.Series(features[:, place], name=data.feature_names[place])
        )
        return charts.by_column(column, names, groups)
    if kind == "part":
        parts = data.split.part_of_each_row()
        order = ("train", "validation", "test")
        codes = np.select([parts == name for name in order], [0, 1, 2], -1)
        return charts.by_group("part of the split", order, codes, named=False)  # chance put them where they are
    return charts.by_group(data.label_name, names, groups)
