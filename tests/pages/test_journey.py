"""The Journey page: one row, chosen by number, from a list or at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import insights
from explorer.session import KEY
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]


@pytest.fixture
def page(open_page: OpenPage, trained: Train, table: Dataset) -> AppTest:
    return settled(open_page("journey", data=table, run_id=trained(table)))


def test_without_a_run(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("journey", data=table)
    assert app.title[0].value == "Journey"
    assert "Nothing has been trained" in seen(app)


def test_a_row_of_a_table_in_its_own_units(page: AppTest, table: Dataset) -> None:
    control(page.number_input, "Row").set_value(41).run()
    assert not page.exception
    assert not page.error
    assert "Row **41**" in seen(page)
    assert "**versicolor**" in seen(page)
    values = page.dataframe[0].value
    assert values["Column"].tolist() == [f"length {i}" for i in range(6)]
    assert float(values["Original"][0]) == pytest.approx(float(table.features.iloc[41, 0]), rel=1e-2)  # type: ignore[union-attr]
    assert {"Level 1", "Level 2"} <= set(values.columns)
    near = page.dataframe[1].value
    assert len(near) == 10
    assert 41 not in near["Row"].tolist()
    assert near["Distance"].is_monotonic_increasing


def test_steps_through_all_chosen_and_misclassified_rows(page: AppTest) -> None:
    control(page.number_input, "Row").set_value(119).run()
    press(page, "Next")
    assert "Row **0**" in seen(page)
    press(page, "Previous")
    assert "Row **119**" in seen(page)
    page.session_state[KEY].select([3, 50])
    page.run()
    control(page.segmented_control, "Step through").set_value("chosen").run()
    press(page, "Next")
    assert "Row **3**" in seen(page)
    press(page, "Random")
    assert "Row **50**" in seen(page)
    control(page.segmented_control, "Step through").set_value("wrong").run()
    settled(page)
    found = insights.classified(page.session_state[KEY].run_id).snapshot().result
    wrong = found.rows[(found.parts == "test") & (found.classifiers[-1].predicted != found.truth)]
    assert len(wrong)
    press(page, "Next")
    assert any(f"Row **{row}**" in seen(page) for row in wrong)


def test_the_row_is_kept_while_other_pages_are_shown_and_can_be_chosen(page: AppTest) -> None:
    control(page.number_input, "Row").set_value(77).run()
    press(page, "Select this row")
    assert page.session_state[KEY].selection.rows == (77,)
    page.switch_page("../pages/1_data.py").run()
    page.switch_page("../pages/9_journey.py").run()
    settled(page)
    assert "Row **77**" in seen(page)
    press(page, "Select it with its neighbours at level 2")
    assert len(page.session_state[KEY].selection) == 11


def test_pictures(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("journey", data=pictures, run_id=trained(pictures)))
    assert not app.exception
    assert not app.error
    specs = [chart.proto.spec for chart in app.get("plotly_chart")]
    assert sum("given back" in spec for spec in specs) == 1
    assert sum("nearest" in spec for spec in specs) == 1
    app.session_state["journey-neighbours"] = {"selection": {"points": [{"customdata": [12, "text"]}]}}
    app.run()
    assert app.session_state[KEY].selection.rows == (12,)


def test_without_labels_and_without_classifiers(open_page: OpenPage, trained: Train, unlabelled: Dataset) -> None:
    app = settled(open_page("journey", data=unlabelled, run_id=trained(unlabelled)))
    assert not app.exception
    assert not app.error
    assert "wrong" not in [option for widget in app.segmented_control for option in widget.options]
    assert "What the classifiers say" not in [element.value for element in app.subheader]


def test_names_that_are_markup_and_a_deep_stack(open_page: OpenPage, trained: Train) -> None:
    hostile = hostile_table()
    deep = StackConfig(layers=[6, 5, 4, 3, 2], epochs=1, softmax_epochs=1, fine_tune_epochs=1)
    app = settled(open_page("journey", data=hostile, run_id=trained(hostile, deep)))
    assert not app.exception
    assert not app.error
    assert "<img" not in seen(app).replace("\\<", "")
    assert np.all([name.label for name in app.tabs][:2] == ["Input", "Level 1"])
