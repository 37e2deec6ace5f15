"""The Reconstructions page: with and without data, run and labels; what its controls do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import insights
from explorer.session import KEY, Selection
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]


@pytest.fixture
def page(open_page: OpenPage, trained: Train, table: Dataset) -> AppTest:
    return settled(open_page("reconstructions", data=table, run_id=trained(table)))


def test_without_data(open_page: OpenPage) -> None:
    app = open_page("reconstructions")
    assert app.title[0].value == "Reconstructions"
    assert not app.exception


def test_without_a_run(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("reconstructions", data=table)
    assert "Nothing has been trained" in seen(app)
    assert not app.exception


def test_a_table(page: AppTest) -> None:
    assert not page.exception
    assert not page.error
    assert [tab.label for tab in page.tabs] == ["Rows", "Errors by level", "Outliers", "Anomalies"]
    assert "Original" in page.dataframe[0].value.columns
    assert page.dataframe[0].value["Column"].tolist() == [f"length {i}" for i in range(6)]


def test_pictures(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("reconstructions", data=pictures, run_id=trained(pictures)))
    assert not app.exception
    control(app.toggle, "Show what is lost").set_value(True)
    assert not settled(app.run()).exception


def test_without_labels(open_page: OpenPage, trained: Train, unlabelled: Dataset) -> None:
    app = settled(open_page("reconstructions", data=unlabelled, run_id=trained(unlabelled)))
    assert not app.exception
    assert "Each class" not in control(app.segmented_control, "Rows").options


@pytest.mark.parametrize("how", ["random", "best", "worst", "each class"])
def test_every_choice_of_rows(page: AppTest, how: str) -> None:
    control(page.segmented_control, "Rows").set_value(how)
    assert not settled(page.run()).exception
    assert not page.error
    assert len(control(page.selectbox, "One row in its own units").options) == 10


def test_best_and_worst_differ_and_follow_the_class(page: AppTest, table: Dataset) -> None:
    shown = {}
    control(page.selectbox, "From").set_value("all")
    for how in ("best", "worst"):
        control(page.segmented_control, "Rows").set_value(how)
        settled(page.run())
        shown[how] = control(page.selectbox, "One row in its own units").options
    assert not set(shown["best"]) & set(shown["worst"])
    control(page.selectbox, "Class").set_value(1)
    settled(page.run())
    assert all("versicolor" in option for option in control(page.selectbox, "One row in its own units").options)


def test_drawing_again_shows_other_rows(page: AppTest) -> None:
    control(page.segmented_control, "Rows").set_value("random")
    settled(page.run())
    before = control(page.selectbox, "One row in its own units").options
    control(page.button, "Draw again").click()
    settled(page.run())
    assert control(page.selectbox, "One row in its own units").options != before


def test_rows_chosen_on_a_map_can_be_shown(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    app = open_page("reconstructions", data=table, run_id=trained(table))
    app.session_state[KEY].selection = Selection((5, 17), "map")
    settled(app.run())
    control(app.segmented_control, "Rows").set_value("chosen")
    settled(app.run())
    options = control(app.selectbox, "One row in its own units").options
    assert [option.split(" ·")[0] for option in options] == ["Row 5", "Row 17"]


def opened(app: AppTest, tab: str) -> AppTest:
    app.session_state["recon-tab"] = tab
    return settled(app.run())


def test_a_clicked_picture_is_chosen(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("reconstructions", data=pictures, run_id=trained(pictures)))
    app.session_state["recon-pictures"] = {"selection": {"points": [{"customdata": [33, "text"]}]}}
    app.run()
    assert app.session_state[KEY].selection.rows == (33,)
    assert "**1 row** · **1** 1" in seen(app)


@pytest.mark.parametrize("kind", ["table", "pictures"])
def test_errors_by_level_with_and_without_a_selection(
    open_page: OpenPage, trained: Train, table: Dataset, pictures: Dataset, kind: str
) -> None:
    data = table if kind == "table" else pictures
    app = opened(open_page("reconstructions", data=data, run_id=trained(data)), "Errors by level")
    assert [element.value for element in app.subheader] == [
        "Error per level",
        "Error per column" if kind == "table" else "Error per pixel",
    ]
    app.session_state[KEY].select(range(30))
    settled(app.run())
    control(app.toggle, "Only the chosen rows").set_value(True)
    settled(app.run())
    assert not app.exception
    assert not app.error


def test_the_threshold_moves_and_the_rows_can_be_chosen(page: AppTest) -> None:
    opened(page, "Outliers")
    control(page.select_slider, "Largest errors, % of rows").set_value(10.0)
    settled(page.run())
    outliers = page.dataframe[0].value
    errors = outliers["Error at level 2"].tolist()
    assert 1 <= len(errors) <= 2  # of 18 test rows
    assert errors == sorted(errors, reverse=True)
    press(page, "Select these rows")
    assert sorted(page.session_state[KEY].selection.rows) == sorted(outliers["Row"].tolist())
    assert page.dataframe[0].value["Chosen"].all()
    control(page.segmented_control, "Threshold by").set_value("error")
    settled(page.run())
    control(page.slider, "Threshold, % of the largest error").set_value(0.0)
    settled(page.run())
    assert len(page.dataframe[0].value) == 18


def test_a_box_around_bars_chooses_the_rows_of_their_range(page: AppTest) -> None:
    opened(page, "Outliers")
    run_id = page.session_state[KEY].run_id
    errors = insights.row_errors(run_id).snapshot().result.at(2)
    test = page.session_state[KEY].data.split.test
    middle = float(np.median(errors[test]))
    points = [{"customdata": [0.0, middle / 2]}, {"customdata": [middle / 2, middle]}]
    page.session_state["recon-distribution"] = {"selection": {"points": points}}
    page.run()
    assert page.session_state[KEY].selection.rows == tuple(test[errors[test] < middle].tolist())


def test_anomalies_are_judged_by_the_class_that_one_chooses(page: AppTest) -> None:
    control(page.selectbox, "From").set_value("all")
    opened(page, "Anomalies")
    assert not page.exception
    assert not page.error
    table = page.dataframe[0].value
    assert table["Level"].tolist() == [1, 2]
    assert table["Area under ROC"].between(0, 1).all()
    assert "are anomalies (33.3%)" in seen(page)
    control(page.multiselect, "Which classes are the anomalies?").set_value([0, 1, 2])
    settled(page.run())
    assert any("nothing to tell apart" in element.value for element in page.error)
    control(page.multiselect, "Which classes are the anomalies?").set_value([])
    settled(page.run())
    assert "at least one class" in seen(page)


def test_anomalies_need_labels(open_page: OpenPage, trained: Train, unlabelled: Dataset) -> None:
    app = opened(open_page("reconstructions", data=unlabelled, run_id=trained(unlabelled)), "Anomalies")
    assert "needs labels" in seen(app)
    assert not app.exception


def test_columns_with_names_that_are_markup(open_page: OpenPage, trained: Train) -> None:
    hostile = hostile_table()
    app = settled(open_page("reconstructions", data=hostile, run_id=trained(hostile)))
    assert not app.exception
    assert not app.error
