"""The parts of the Levels page: whether another level pays, a chart for each question, and the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.elements.lib.grid_container import GridContainer

from explorer import insights
from explorer.charts import levels as charts
from explorer.charts.style import shorten
from explorer.widgets.figures import show_chart
from explorer.widgets.text import sentence
from explorer.widgets.waiting import result_of
from sae_core.analysis.levels import LevelSummary, input_unit
from sae_core.analysis.verdict import Outcome, verdict
from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack

MAX_COLUMNS = 500  # of a table that can be chosen for the error in their own units
LEAST_CHART_WIDTH = 270  # pixels
MARKS: dict[Outcome, str] = {
    "pays": ":green-badge[:material/trending_up: pays]",
    "does not pay": ":orange-badge[:material/trending_flat: does not pay]",
    "hurts": ":red-badge[:material/trending_down: hurts]",
    "nothing to say": ":gray-badge[:material/question_mark: cannot be told]",
}


def show_verdict(summaries: Sequence[LevelSummary]) -> None:
    """The sentence that sums it up, and what each level adds."""
    found = verdict(summaries)
    with st.container(border=True, key="verdict"):
        st.markdown(f"{MARKS[found.outcome]} **{sentence(found.sentence)}**")
        with st.expander("Level by level, and how this is judged", icon=":material/rule:"):
            for step in found.steps:
                st.markdown(f"**Level {step.level}** {MARKS[step.outcome]} {sentence(step.sentence)}")
            st.caption(
                "A level pays where a linear classifier on its code gets clearly more held-out rows right than on the "
                "level below, or as many from a narrower code; it hurts where it gets clearly fewer right. A "
                "difference counts beyond two standard errors (of the rows that only one of both gets right) and "
                "half a point. A deeper code may be worth having for other reasons: a map, an outlier score, or "
                "as the start of fine-tuning."
            )


def show_charts(run_id: str, model: TrainedStack, data: Dataset, summaries: Sequence[LevelSummary]) -> None:
    """One chart a question, as many beside each other as the page is wide."""
    grid = st.grid(3, min_column_width=LEAST_CHART_WIDTH, gap="medium")
    with grid.cell():
        _heading(
            "What is lost of the input",
            "How far the input is off when it is decoded from each level, beside what as many principal components "
            "would lose. Lower is better; below the diamonds the stack has found structure that no linear code keeps.",
        )
        column = _column_selector(data) if isinstance(data.features, pd.DataFrame) else -1
        _show("error", "Reconstruction error by level", _error_chart(run_id, model, data, summaries, column))
    _chart(
        grid, "explained", "Share of variance explained",
        "How much of the input's variance comes back, beside PCA of equal width. Higher is better.",
        lambda: charts.explained(summaries),
    )  # fmt: skip
    if summaries[0].judged:
        _chart(
            grid, "accuracy", "How well the classes come apart",
            "A linear classifier (softmax regression) and the vote of the five nearest training rows on each code, "
            "judged on held-out rows; the diamonds are a linear classifier on as many principal components.",
            lambda: charts.accuracies(summaries),
        )  # fmt: skip
    _chart(
        grid, "neighbours", "Who stays beside whom",
        "Trustworthiness falls when rows that are far apart in the input become neighbours in the code; continuity "
        "falls when neighbours are torn apart (Venna & Kaski 2001). Measured on up to 1,500 held-out rows.",
        lambda: charts.neighbourhoods(summaries),
    )  # fmt: skip
    _chart(
        grid, "units", "What the units do",
        "Dead units say the same of every row; saturated ones stay at an end of their range (sigmoid, tanh) on nine of "
        "ten rows. The effective rank is the number of directions that the code really uses (Roy & Vetterli 2007).",
        lambda: charts.units(summaries),
    )  # fmt: skip
    _chart(
        grid, "activation", "How active the code is",
        "Mean over all units and held-out rows; a sparse code lies near 0.",
        lambda: charts.activations(summaries),
    )  # fmt: skip


def _chart(grid: GridContainer, name: str, title: str, explained: str, draw: Callable[[], go.Figure]) -> None:
    with grid.cell():
        _heading(title, explained)
        _show(name, f"{title}, by level", draw())


def _heading(title: str, explained: str) -> None:
    st.markdown(f"**{title}**", help=explained)


def _show(name: str, alt: str, figure: go.Figure | None) -> None:
    if figure is not None:
        show_chart(figure, key=f"levels-{name}", alt=alt)


def _column_selector(data: Dataset) -> int:
    names = data.feature_names[:MAX_COLUMNS]
    chosen = st.selectbox(
        "Error of",
        range(-1, len(names)),
        format_func=lambda i: "All columns together" if i < 0 else shorten(names[i], 40),
        key=f"levels-column-{data.fingerprint[:12]}",
        label_visibility="collapsed",
        persist_state="session",
        help="All columns together are counted on one scale; a single column in its own unit.",
    )
    return int(chosen if chosen is not None else -1)


def _error_chart(
    run_id: str, model: TrainedStack, data: Dataset, summaries: Sequence[LevelSummary], column: int
) -> go.Figure | None:
    if column < 0:
        return charts.errors(summaries, input_unit(model, data))
    found = result_of(insights.column_errors(run_id), key="levels-columns")
    return None if found is None else charts.column_error(found, column, summaries)


def table(summaries: Sequence[LevelSummary]) -> pd.DataFrame:
    """All figures of all levels: one row a level, columns by the names that `show_table` explains."""
    nothing = float("nan")
    rows = [
        {
            "Level": "Input" if s.level == 0 else f"Level {s.level}",
            "Width": s.units,
            "Error": s.input_error,
            "Error of PCA": s.pca_input_error if s.level else nothing,
            "Explained": s.explained,
            "Explained by PCA": s.pca_explained if s.level else nothing,
            "Linear": s.linear_accuracy,
            "Linear on PCA": s.pca_linear_accuracy,
            "Neighbours": s.neighbour_accuracy,
            "Trustworthiness": s.trustworthiness,
            "Continuity": s.continuity,
            "Dead": s.dead,
            "Saturated": s.saturated,
            "Effective rank": s.effective_rank,
            "Mean activation": s.mean_activation,
        }
        for s in summaries
    ]
    found = pd.DataFrame(rows)
    if not summaries[0].judged:
        found = found.drop(columns=["Linear", "Linear on PCA", "Neighbours"])
    return found.drop(columns=["Saturated"]) if np.isnan([s.saturated for s in summaries]).all() else found


def show_table(summaries: Sequence[LevelSummary], unit: str) -> None:
    """The same figures as numbers."""
    number = st.column_config.NumberColumn
    st.dataframe(
        table(summaries),
        hide_index=True,
        key="levels-table",
        placeholder="–",
        alt="Every figure of every level",
        column_config={
            "Level": st.column_config.TextColumn(pinned=True, width="small"),
            "Width": number(format="localized", help="Values of the code"),
            "Error": number(format="%.4g", help=f"Root mean squared error of the input decoded from here ({unit})"),
            "Error of PCA": number(format="%.4g", help="The same through as many principal components"),
            "Explained": number(format="percent", help="Share of the input's variance that comes back"),
            "Explained by PCA": number(format="percent", help="The same through as many principal components"),
            "Linear": number(format="percent", help="Accuracy of a softmax regression on the code, held-out rows"),
            "Linear on PCA": number(format="percent", help="The same on as many principal components"),
            "Neighbours": number(format="percent", help="Accuracy of the 5 nearest training rows, held-out rows"),
            "Trustworthiness": number(format="%.4f", help="Of 10 nearest neighbours in the code, against the input"),
            "Continuity": number(format="%.4f", help="Of 10 nearest neighbours in the input, against the code"),
            "Dead": number(format="localized", help="Units that say the same of every row"),
            "Saturated": number(format="localized", help="Units at an end of their range on nine of ten rows"),
            "Effective rank": number(format="%.1f", help="Directions that the code really uses"),
            "Mean activation": number(format="%.4g", help="Over units and rows"),
        },
    )
