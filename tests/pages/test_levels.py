"""The Levels page: whether another level pays, with and without labels, for tables and pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, seen
from tests.pages.hostile import NAMES, hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]


@pytest.fixture
def page(open_page: OpenPage, trained: Train, table: Dataset) -> AppTest:
    return settled(open_page("levels", data=table, run_id=trained(table)))


def test_without_a_run(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("levels", data=table)
    assert app.title[0].value == "Levels"
    assert "Nothing has been trained" in seen(app)
    assert not app.exception


def test_a_sentence_a_chart_for_each_question_and_a_table(page: AppTest) -> None:
    assert not page.exception
    assert not page.error
    text = seen(page)
    assert "a linear classifier gets" in text
    assert any(words in text for words in ("trending_up", "trending_flat", "trending_down", "question_mark"))
    for title in ("What is lost of the input", "Share of variance explained", "How well the classes come apart"):
        assert title in text
    assert len(page.get("plotly_chart")) == 6
    found = page.dataframe[0].value
    assert found["Level"].tolist() == ["Input", "Level 1", "Level 2"]
    assert found["Width"].tolist() == [6, 5, 3]
    assert found["Error"][0] == 0
    assert (found["Error"][1:] > 0).all()
    assert found["Linear"].between(0, 1).all()
    assert found["Trustworthiness"][0] == 1


def test_one_column_in_its_own_unit(page: AppTest) -> None:
    control(page.selectbox, "Error of").set_value(2)
    app = settled(page.run())
    assert not app.exception
    assert "length 2" in str(app.get("plotly_chart")[0].proto)


def test_pictures(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("levels", data=pictures, run_id=trained(pictures)))
    assert not app.exception
    assert not app.error
    assert "pixel brightness" in str(app.get("plotly_chart")[0].proto)


def test_without_labels(open_page: OpenPage, trained: Train, unlabelled: Dataset) -> None:
    app = settled(open_page("levels", data=unlabelled, run_id=trained(unlabelled)))
    assert not app.exception
    assert "Without labels" in seen(app)
    assert len(app.get("plotly_chart")) == 5
    assert "Linear" not in app.dataframe[0].value.columns


def test_saturated_units_are_listed_where_there_is_a_range(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    config = StackConfig(layers=[4], activation="sigmoid", epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    app = settled(open_page("levels", data=table, run_id=trained(table, config)))
    assert "Saturated" in app.dataframe[0].value.columns


def test_names_that_are_markup(open_page: OpenPage, trained: Train) -> None:
    hostile = hostile_table()
    app = settled(open_page("levels", data=hostile, run_id=trained(hostile)))
    control(app.selectbox, "Error of").set_value(0)
    app = settled(app.run())
    assert not app.exception
    assert not app.error
    assert NAMES[0] not in str(app.get("plotly_chart")[0].proto)
