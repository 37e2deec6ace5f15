"""The Reconstructions page: with and without data, run and labels; what its controls do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from explorer.session import KEY, Selection
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, seen
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
    headings = [element.value for element in page.subheader]
    assert headings == ["Error per level", "Error per column", "Distribution of errors, and the rows at its far end"]
    assert "Original" in page.dataframe[0].value.columns
    assert page.dataframe[0].value["Column"].tolist() == [f"length {i}" for i in range(6)]


def test_pictures(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("reconstructions", data=pictures, run_id=trained(pictures)))
    assert not app.exception
    assert "Error per pixel" in [element.value for element in app.subheader]
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


def test_the_threshold_moves_and_the_rows_go_to_the_maps(page: AppTest) -> None:
    control(page.select_slider, "Largest errors, % of rows").set_value(10.0)
    settled(page.run())
    outliers = page.dataframe[1].value
    errors = outliers["Error at level 2"].tolist()
    assert 1 <= len(errors) <= 2  # of 18 test rows
    assert errors == sorted(errors, reverse=True)
    control(page.button, "Show them on the maps").click()
    page.run()
    assert sorted(page.session_state[KEY].selection.rows) == sorted(outliers["Row"].tolist())


def test_columns_with_names_that_are_markup(open_page: OpenPage, trained: Train) -> None:
    hostile = hostile_table()
    app = settled(open_page("reconstructions", data=hostile, run_id=trained(hostile)))
    assert not app.exception
    assert not app.error
