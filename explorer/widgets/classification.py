"""The parts of the Classification page."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer import store
from explorer.charts import classification as charts
from explorer.charts.style import shorten
from explorer.session import Session
from explorer.widgets.figures import show_chart
from explorer.widgets.frame import empty_state
from explorer.widgets.rows import show_rows
from explorer.widgets.text import count, literal
from sae_core.analysis.classification import (
    Accuracy,
    Classification,
    Predictions,
    accuracy,
    class_scores,
    confusion,
    misclassified,
    most_confused,
    rows_of_cell,
)
from sae_core.data.dataset import Dataset, SplitName
from sae_core.model.trained import TrainedStack

PARTS: dict[SplitName, str] = {"test": "Test rows", "validation": "Validation rows", "train": "Training rows"}
SCORES = {"f1": "F1", "precision": "Precision", "recall": "Recall"}
MATRIX_WIDTH = 420  # pixels of a confusion matrix


def explain_missing(run_id: str, model: TrainedStack, data: Dataset) -> bool:
    """Say what is needed where there is nothing to classify; whether that is so."""
    if model.is_classifier:
        return False
    if not data.has_labels:
        empty_state(
            f"**{literal(data.name)}** has no labels that tell at least two classes apart, so there is nothing to "
            "classify. Choose a label column on Data, then train again: a softmax is put on every level and the stack "
            "is fine-tuned.",
            link="data",
            label="Choose a label column",
        )
    elif store.training(run_id) is not None:
        empty_state(
            "The classifiers are trained when all levels are. This page fills by itself as soon as the first one is.",
            link="train",
            label="Watch it learn",
        )
    else:
        empty_state(
            "This stack was trained without classifiers. Give the softmax and fine-tuning phases some epochs on "
            "Design, then train again.",
            link="design",
            label="Go to Design",
        )
    return True


def part_selector(found: Classification) -> SplitName:
    """Which rows are judged; test rows first."""
    names = [name for name in PARTS if found.has(name)]
    chosen = st.segmented_control(
        "Rows",
        names,
        default=names[0],
        required=True,
        key=f"class-part-{'-'.join(names)}",
        format_func=lambda name: PARTS[name],
        persist_state="session",
        help="Test rows were never seen while the stack learned: only they tell how it will do on new rows.",
    )
    return chosen or names[0]


def name_of(model: TrainedStack, by: Predictions) -> str:
    """A classifier's name on axes."""
    if by.level is None:
        return "fine-tuned stack"
    return "raw input" if by.level == 0 else f"level {by.level} · {model.width(by.level):,}"


def show_accuracies(model: TrainedStack, found: Classification, part: SplitName) -> None:
    """Accuracy of every classifier, in numbers and as a chart."""
    names = [name_of(model, by) for by in found.classifiers]
    shares = [accuracy(found, by.level, part) for by in found.classifiers]
    training = [accuracy(found, by.level, "train") for by in found.classifiers] if part != "train" else None
    best = int(np.argmax([each.share for each in shares]))
    base = next((each for by, each in zip(found.classifiers, shares, strict=True) if by.level == 0), None)
    left, right = st.columns([1, 4], gap="large")
    with left:
        for title, place in _headlines(found, shares).items():
            gain = (
                None
                if base is None or shares[place] is base
                else f"{100 * (shares[place].share - base.share):+.1f} points"
            )
            right_of = f"{shares[place].right:,} of {count(shares[place].rows, 'row')} right"
            st.metric(title, f"{shares[place].share:.1%}", gain, help=f"{names[place]}: {right_of}")
    with right:
        figure = charts.accuracy_chart(names, shares, training, part=PARTS[part].split()[0].lower())
        show_chart(figure, key="class-accuracy", alt="Accuracy of each classifier")
    words = f"Best on {PARTS[part].lower()}: **{names[best]}** with {shares[best].share:.1%}."
    if base is not None and found.classifiers[best].level != 0:
        clear = shares[best].low > base.high
        words += f" The raw input gives {base.share:.1%}" + (
            "; the intervals do not overlap." if clear else ", and the 95 % intervals overlap: that may be chance."
        )
    st.caption(words)


def _headlines(found: Classification, shares: list[Accuracy]) -> dict[str, int]:
    """The three figures that matter most, each with its place among the classifiers."""
    frozen = [i for i, by in enumerate(found.classifiers) if by.level]
    chosen = {"Raw input": next((i for i, by in enumerate(found.classifiers) if by.level == 0), None)}
    chosen["Best code"] = max(frozen, key=lambda i: shares[i].share) if frozen else None
    chosen["Fine-tuned"] = next((i for i, by in enumerate(found.classifiers) if by.level is None), None)
    return {title: place for title, place in chosen.items() if place is not None}


def show_confusion(session: Session, model: TrainedStack, found: Classification, part: SplitName) -> None:
    """Which classes are taken for which, before and after fine-tuning."""
    st.subheader(
        "Confusion",
        anchor=False,
        help="Each row of a matrix holds the rows of one true class. Grey is right; the redder a cell, the larger the "
        "share of its class that is taken for the class below it.",
    )
    shown = [by for by in (found.before, found.after) if by is not None]
    matrices = [confusion(found, by.level, part) for by in shown]
    top = charts.largest_mistake(*matrices)
    chosen = session.selection.mask(int(found.rows.max()) + 1)[found.rows] if len(session.selection) else None
    beside = st.container(horizontal=True, gap="medium")  # below each other on narrow pages
    for by, matrix in zip(shown, matrices, strict=True):
        with beside.container(width=MATRIX_WIDTH):
            when = "after fine-tuning" if by.level is None else "before fine-tuning" if found.after else "frozen code"
            title = f"{name_of(model, by)}, {when}" if by.level is not None else "fine-tuned stack"
            marked = None if chosen is None else confusion(found, by.level, part, among=chosen)
            figure = charts.confusion_chart(
                matrix, found.classes, title=title[:1].upper() + title[1:], top=top, chosen=marked
            )
            show_chart(
                figure,
                key=f"class-confusion-{by.level}",
                alt=f"Confusion matrix, {title}",
                selecting=session,
                rows_of=partial(_rows_of_cells, found, by, part),
                modes=("points",),
            )
            mistakes = most_confused(matrix, 3)
            if mistakes:
                pairs = [
                    f"{literal(found.classes[i], 20)} taken for {literal(found.classes[j], 20)} ({n:,})"
                    for i, j, n in mistakes
                ]
                st.caption(f"Most often: {'; '.join(pairs)}.")


def _rows_of_cells(found: Classification, by: Predictions, part: SplitName, event: object) -> list[int]:
    """Row numbers of the cells that were clicked."""
    caught = [rows_of_cell(found, by.level, part, *cell) for cell in charts.cells(event)]
    return sorted({int(row) for rows in caught for row in rows})


def show_scores(found: Classification, part: SplitName) -> None:
    """Precision, recall and F1 of every class."""
    after = found.after or found.before
    if after is None:
        return
    st.subheader(
        "Per class",
        anchor=False,
        help="Precision: of the rows predicted as this class, the share that is right. Recall: of the rows of this "
        "class, the share that was found. F1: their harmonic mean.",
    )
    before = found.before if found.after is not None else None
    tables = [None if by is None else class_scores(found, by.level, part) for by in (before, after)]
    assert tables[1] is not None
    left, right = st.columns(2, gap="large")
    with left:
        score = st.segmented_control(
            "Score",
            list(SCORES),
            default="f1",
            required=True,
            key="class-score",
            format_func=lambda name: SCORES[name],
            label_visibility="collapsed",
            persist_state="session",
        )
        figure = charts.score_chart(tables[0], tables[1], score or "f1", title="")
        show_chart(figure, key="class-scores", alt=f"{SCORES[score or 'f1']} of each class")
    with right:
        st.dataframe(score_table(tables[1]), hide_index=True, placeholder="–")
        st.caption("Of the fine-tuned stack." if found.after is not None else "Of the deepest softmax.")


def score_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores for people, in per cent."""
    table = pd.DataFrame({"Class": scores["class"].astype(str)})
    for name, title in {"precision": "Precision, %", "recall": "Recall, %", "f1": "F1, %"}.items():
        table[title] = (100 * scores[name]).round(1)
    table["Rows"] = scores["rows"]
    return table


def show_mistakes(session: Session, model: TrainedStack, data: Dataset, found: Classification, part: SplitName) -> None:
    """The misclassified rows, the most confident mistakes first."""
    st.subheader(
        "Misclassified rows",
        anchor=False,
        help="The most confident mistakes come first: often they are rows with a wrong label, or truly ambiguous ones.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        places_of = list(range(len(found.classifiers)))
        chosen = st.selectbox(
            "Classifier",
            places_of,
            index=len(places_of) - 1,
            format_func=lambda i: name_of(model, found.classifiers[i]),
            key=f"class-by-{len(places_of)}",
            width=200,
            persist_state="session",
        )
        by = found.classifiers[chosen if chosen is not None else -1]
        truth, predicted = (
            st.selectbox(
                words,
                [-1, *range(len(found.classes))],
                format_func=lambda code: "Any class" if code < 0 else shorten(found.classes[code], 30),
                key=f"class-{key}-{len(found.classes)}",
                width=180,
                persist_state="session",
            )
            for words, key in (("True class", "truth"), ("Predicted as", "guess"))
        )
        positions = misclassified(
            found,
            by.level,
            part,
            truth=None if truth < 0 else truth,
            predicted=None if predicted < 0 else predicted,
        )
        rows = found.rows[positions]
        if len(rows):
            st.button(
                "Select these rows", icon=":material/select_all:", on_click=session.select, args=(rows, "misclassified")
            )
    total = int((found.parts == part).sum())
    st.markdown(f"**{count(len(rows), 'row')}** of {total:,} ({len(rows) / max(total, 1):.1%})")
    if len(rows):
        said: dict[str, Any] = {
            "Predicted": [str(found.classes[code]) for code in by.predicted[positions]],
            "Confidence": by.confidence[positions].astype(np.float64).round(3),
            "Of the true class": by.of_truth[positions].astype(np.float64).round(3),
        }
        show_rows(data, rows, key="mistakes", said=said, columns=16, cell=64, chosen=session.selection.rows)
