"""The Classification page: with and without data, run, labels and classifiers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import insights
from explorer.session import KEY
from sae_core.analysis.classification import accuracy
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]


@pytest.fixture
def page(open_page: OpenPage, trained: Train, table: Dataset) -> AppTest:
    return settled(open_page("classification", data=table, run_id=trained(table)))


def test_without_data(open_page: OpenPage) -> None:
    app = open_page("classification")
    assert app.title[0].value == "Classification"
    assert not app.exception


def test_without_a_run(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("classification", data=table)
    assert "Nothing has been trained" in seen(app)
    assert not app.exception


def test_without_labels_it_says_what_is_needed(open_page: OpenPage, trained: Train, unlabelled: Dataset) -> None:
    app = settled(open_page("classification", data=unlabelled, run_id=trained(unlabelled)))
    assert "Choose a label column on Data" in seen(app)
    assert not app.exception
    assert not app.error


def test_without_classifiers_it_says_what_is_needed(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    bare = StackConfig(layers=[3], epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    app = settled(open_page("classification", data=table, run_id=trained(table, bare)))
    assert "trained without classifiers" in seen(app)
    assert not app.exception


def test_the_three_figures_are_the_engines(page: AppTest) -> None:
    assert not page.exception
    assert not page.error
    found = insights.classified(page.session_state[KEY].run_id).snapshot().result
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Raw input"] == f"{accuracy(found, 0, 'test').share:.1%}"
    assert shown["Fine-tuned"] == f"{accuracy(found, None, 'test').share:.1%}"
    assert set(shown) == {"Raw input", "Best code", "Fine-tuned"}
    assert [element.value for element in page.subheader] == ["Confusion", "Per class"]


def test_softmax_without_fine_tuning(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    frozen = StackConfig(layers=[3], epochs=1, softmax_epochs=3, fine_tune_epochs=0)
    app = settled(open_page("classification", data=table, run_id=trained(table, frozen)))
    assert not app.exception
    assert {metric.label for metric in app.metric} == {"Raw input", "Best code"}


def test_every_part_of_the_split(page: AppTest) -> None:
    for part in ("validation", "train", "test"):
        control(page.segmented_control, "Rows").set_value(part)
        assert not page.run().exception


def test_scores_of_every_class(page: AppTest) -> None:
    assert page.dataframe[0].value["Class"].tolist() == ["setosa", "versicolor", "virginica"]
    for score in ("precision", "recall"):
        control(page.segmented_control, "Score").set_value(score)
        assert not page.run().exception


def test_a_click_on_a_cell_chooses_its_rows(page: AppTest) -> None:
    found = insights.classified(page.session_state[KEY].run_id).snapshot().result
    right = np.flatnonzero((found.parts == "test") & (found.truth == 0) & (found.after.predicted == 0))
    page.session_state["class-confusion-None"] = {"selection": {"points": [{"customdata": [0, 0, "text"]}]}}
    page.run()
    assert page.session_state[KEY].selection.rows == tuple(found.rows[right].tolist())
    assert len(right) > 0
    assert not page.error


def test_rows_that_fine_tuning_turned_round(page: AppTest) -> None:
    page.session_state["class-tab"] = "Frozen against fine-tuned"
    control(page.segmented_control, "Rows").set_value("train")
    settled(page.run())
    assert not page.exception
    assert not page.error
    found = insights.classified(page.session_state[KEY].run_id).snapshot().result
    was, now = found.before.predicted == found.truth, found.after.predicted == found.truth
    of_part = found.parts == "train"
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Wrong to right"] == str((of_part & ~was & now).sum())
    assert shown["Right to wrong"] == str((of_part & was & ~now).sum())
    control(page.segmented_control, "Show").set_value("kept_wrong")
    settled(page.run())
    press(page, "Select these rows")
    assert page.session_state[KEY].selection.rows == tuple(found.rows[of_part & ~was & ~now].tolist())


def test_without_fine_tuning_there_is_nothing_to_compare(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    frozen = StackConfig(layers=[3], epochs=1, softmax_epochs=1, fine_tune_epochs=0)
    app = open_page("classification", data=table, run_id=trained(table, frozen))
    app.session_state["class-tab"] = "Frozen against fine-tuned"
    settled(app.run())
    assert any("nothing to compare" in element.value for element in app.error)
    assert not app.exception


def test_misclassified_rows_can_be_narrowed_and_chosen(page: AppTest, table: Dataset) -> None:
    page.session_state["class-tab"] = "Misclassified rows"
    page.run()
    control(page.segmented_control, "Rows").set_value("train")
    control(page.selectbox, "Classifier").select_index(2)
    page.run()
    control(page.selectbox, "True class").set_value(1)
    page.run()
    mistakes = page.dataframe[0].value
    assert set(mistakes["species (label)"]) == {"versicolor"}
    assert "versicolor" not in set(mistakes["Predicted"])
    press(page, "Select these rows")
    assert sorted(page.session_state[KEY].selection.rows) == sorted(mistakes["Row"].tolist())


def test_pictures(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("classification", data=pictures, run_id=trained(pictures)))
    assert not app.exception
    assert not app.error


def test_labels_that_are_markup(open_page: OpenPage, trained: Train) -> None:
    hostile = hostile_table()
    app = settled(open_page("classification", data=hostile, run_id=trained(hostile)))
    assert not app.exception
    assert not app.error
    assert "<img" not in seen(app).replace("\\<", "")
