"""Rows that the stack cannot give back: the far end of the errors, and whether it is where the anomalies are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from explorer.charts import anomalies as anomaly_charts
from explorer.charts import errors as error_charts
from explorer.charts.errors import ranges
from explorer.charts.style import number, shorten
from explorer.session import Session
from explorer.widgets.figures import show_chart
from explorer.widgets.reconstructions import Chosen, error_table
from explorer.widgets.rows import show_rows
from explorer.widgets.text import count
from sae_core.analysis.anomalies import detections, rarest_class
from sae_core.analysis.reconstruction import RowErrors
from sae_core.analysis.selection import in_range
from sae_core.data.dataset import Dataset

SHARES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # percent of rows that count as largest errors
STEPS = 200  # of the slider that sets the threshold itself


def show_outliers(session: Session, data: Dataset, errors: RowErrors, chosen: Chosen) -> None:
    """Distribution of errors with a movable threshold, and the rows beyond it."""
    values = errors.at(chosen.level)
    pool = np.flatnonzero(chosen.pool)
    pool = pool[np.isfinite(values[pool])]
    st.subheader(
        "Distribution of errors, and the rows at its far end",
        anchor=False,
        help="A row that the stack cannot give back is unlike those it learned from: an outlier, an error in the "
        "data, or a rare case. Move the threshold and look at them, or draw a box around bars to choose their rows.",
    )
    if not len(pool):
        st.info("There is no row to judge here. Choose another class or part.", icon=":material/info:")
        return
    threshold = _threshold(values[pool], chosen.level)
    beyond = pool[values[pool] > threshold]
    beyond = beyond[np.argsort(-values[beyond], kind="stable")]
    left, right = st.columns(2, gap="large")
    with left:
        figure = error_charts.distribution(
            values[pool], threshold, chosen=session.selection.mask(len(data))[pool] if len(session.selection) else None
        )

        def rows_of(event: object) -> list[int]:
            caught = [pool[in_range(values[pool], low, np.nextafter(high, -np.inf))] for low, high in ranges(event)]
            return sorted({int(row) for rows in caught for row in rows})

        show_chart(
            figure,
            key="recon-distribution",
            alt=f"Distribution of errors at level {chosen.level}",
            selecting=session,
            rows_of=rows_of,
            modes=("points", "box"),
        )
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{count(len(beyond), 'row')}** above {number(threshold)}, the largest error first")
            if len(beyond):
                st.button(
                    "Select these rows", icon=":material/select_all:", on_click=session.select, args=(beyond, "errors")
                )
        said = {f"Error at level {level}": errors.at(level)[beyond] for level in errors.levels}
        show_rows(
            data, beyond, key="outliers", said=said, columns=10, cell=46, chosen=session.selection.rows,
            name="largest errors", numbers=lambda: error_table(data, errors, beyond),
        )  # fmt: skip


def _threshold(known: NDArray[np.floating], level: int) -> float:
    """The error beyond which a row is listed: set by the share of rows, or by itself."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        how = st.segmented_control(
            "Threshold by",
            ["share of rows", "error"],
            default="share of rows",
            required=True,
            key="recon-threshold-by",
            persist_state="session",
        )
        if how == "error":
            top = float(known.max()) or 1.0
            start = round(float(np.quantile(known, 0.99)) / top * STEPS)
            step = st.slider(
                "Threshold, % of the largest error",
                0.0,
                100.0,
                100 * start / STEPS,
                100 / STEPS,
                key=f"recon-threshold-{level}",
                width=320,
                persist_state="session",
            )
            return top * step / 100
        share = st.select_slider(
            "Largest errors, % of rows",
            SHARES,
            1.0,
            key="recon-share",
            width=320,
            format_func=lambda share: f"{share:g} %",
            persist_state="session",
        )
    return float(np.quantile(known, 1 - share / 100))


def show_detection(data: Dataset, errors: RowErrors, pool: NDArray[np.bool_]) -> None:
    """Where labels mark anomalies: how well the error of each level finds them."""
    st.subheader(
        "Do the largest errors find the anomalies?",
        anchor=False,
        help="Rows are sorted by their reconstruction error. ROC: how many anomalies are beyond a threshold, against "
        "how many usual rows. Average precision says more where anomalies are rare.",
    )
    if not data.has_labels:
        st.info(
            "This needs labels that say which rows are anomalies. Choose a label column on Data, then train again; "
            "the stack itself does not look at them.",
            icon=":material/info:",
        )
        return
    chosen = st.multiselect(
        "Which classes are the anomalies?",
        range(len(data.classes)),
        [rarest_class(data.class_codes)],
        key=f"recon-anomalies-{data.fingerprint[:12]}",
        format_func=lambda code: shorten(data.classes[code], 30),
        persist_state="session",
        help="The rarest class is proposed. A stack trained on all rows has seen the anomalies, too: train it on usual "
        "rows alone for a sharper detector.",
    )
    if not chosen:
        st.info("Choose at least one class.", icon=":material/info:")
        return
    found = detections(errors, data.class_codes, chosen, np.flatnonzero(pool))
    best = max(found, key=lambda each: each.average_precision)
    base = best.anomalies / best.rows
    st.markdown(
        f"**{best.anomalies:,}** of {count(best.rows, 'row')} are anomalies ({base:.1%}). Level **{best.level}** finds "
        f"them best: average precision **{best.average_precision:.3f}** (chance {base:.3f}), "
        f"area under the ROC curve **{best.area:.3f}** (chance 0.5)."
        + (" Below 0.5: these rows come back *better* than the others." if best.area < 0.5 else "")
    )
    left, right = st.columns(2, gap="large")
    with left:
        show_chart(anomaly_charts.roc_chart(found), key="recon-roc", alt="ROC curve of each level")
    with right:
        show_chart(
            anomaly_charts.precision_chart(found), key="recon-precision", alt="Precision and recall of each level"
        )
    table = pd.DataFrame(
        {
            "Level": [each.level for each in found],
            "Area under ROC": [round(each.area, 4) for each in found],
            "Average precision": [round(each.average_precision, 4) for each in found],
        }
    )
    st.dataframe(table, hide_index=True, width=420)
