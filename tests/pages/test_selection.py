"""One selection everywhere: chosen on one page, named and used on the others, kept until it is cleared."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer import choosing
from explorer.session import KEY, Session
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]


@pytest.fixture
def page(open_page: OpenPage, trained: Train, table: Dataset) -> AppTest:
    return settled(open_page("classification", data=table, run_id=trained(table)))


def session_of(app: AppTest) -> Session:
    session: Session = app.session_state[KEY]
    return session


def search(app: AppTest, text: str) -> AppTest:
    return control(app.text_input, "Search").set_value(text).run()


def test_a_search_chooses_rows_and_the_bar_names_them_on_every_page(page: AppTest, table: Dataset) -> None:
    search(page, "species = setosa or 41, 80-81")
    assert session_of(page).selection.rows == (*range(40), 41, 80, 81)
    assert "**43 rows** · **setosa** 40 · **virginica** 2 · **versicolor** 1" in seen(page)
    for file in ("4_reconstructions.py", "5_codes.py"):
        settled(page.switch_page(f"../pages/{file}").run())
        assert not page.exception
        assert "**43 rows** · **setosa** 40" in seen(page)


def test_a_search_by_error_and_prediction(page: AppTest) -> None:
    search(page, "error at level 1 >= 0 and confidence > 0")
    assert len(session_of(page).selection) == 120
    search(page, "error < 0")
    assert len(session_of(page).selection) == 120  # nothing found changes nothing
    assert "0 rows found" in seen(page)


def test_a_search_that_makes_no_sense_says_so_and_changes_nothing(page: AppTest) -> None:
    search(page, "3")
    search(page, "[x](http://y) = 1")
    assert any("cannot be understood" in element.value for element in page.error)
    assert session_of(page).selection.rows == (3,)


def test_rows_are_added_narrowed_inverted_undone_and_cleared(page: AppTest) -> None:
    search(page, "0-9")
    control(page.segmented_control, "What is chosen next").set_value("add").run()
    search(page, "20")
    assert session_of(page).selection.rows == (*range(10), 20)
    control(page.segmented_control, "What is chosen next").set_value("keep").run()
    control(page.selectbox, "All rows of a class").set_value(0).run()
    assert session_of(page).selection.rows == (*range(10), 20)
    press(page, "Invert")
    assert len(session_of(page).selection) == 109
    press(page, "Back")
    assert session_of(page).selection.rows == (*range(10), 20)
    press(page, "Clear")
    assert session_of(page).selection.rows == ()
    assert "No rows chosen" in seen(page)


def test_a_saved_selection_is_found_by_another_session(page: AppTest, open_page: OpenPage, table: Dataset) -> None:
    search(page, "5-7")
    control(page.text_input, "Name").set_value("**odd** ones").run()
    press(page, "Save selection")
    assert not page.error
    other = settled(open_page("codes", data=table, run_id=session_of(page).run_id))
    assert session_of(other).selection.rows == ()
    press(other, "recall-0")
    assert session_of(other).selection.rows == (5, 6, 7)
    press(other, "forget-0")
    assert not [button for button in other.button if button.key == "recall-0"]


def test_saving_without_a_name_says_so(page: AppTest) -> None:
    search(page, "5")
    press(page, "Save selection")
    assert any("no name" in element.value for element in page.error)


def test_the_selection_is_kept_for_another_run_of_the_same_rows_and_dropped_for_others(
    page: AppTest, trained: Train, table: Dataset, unlabelled: Dataset
) -> None:
    search(page, "5")
    session = session_of(page)
    session.show_run(trained(table))
    assert session.selection.rows == (5,)
    session.show_run(trained(unlabelled))
    assert session.selection.rows == ()


def test_the_selection_as_csv_holds_no_formula(table: Dataset) -> None:
    lines = choosing.selection_csv(hostile_table(), hostile_table().split.test[:2]).decode().splitlines()
    assert len(lines) == 3
    assert "'=cmd()" in lines[0]
    whole = choosing.selection_csv(table, table.split.test).decode().splitlines()
    assert whole[0].startswith("row,species (label),split,length 0")
    assert len(whole) == 1 + len(table.split.test)


@pytest.mark.parametrize("kind", ["table", "pictures"])
def test_chosen_rows_stand_out_in_the_input(open_page: OpenPage, table: Dataset, pictures: Dataset, kind: str) -> None:
    data = table if kind == "table" else pictures
    app = open_page("data", data=data)
    assert "Chosen rows" not in seen(app)
    session_of(app).select([2, 40])
    app.run()
    assert not app.exception
    assert not app.error
    assert "**2 rows**" in seen(app)
    if kind == "table":
        marked = next(frame.value for frame in app.dataframe if "Chosen" in frame.value.columns)
        assert marked.index[marked["Chosen"]].tolist() == [2, 40]
        assert any(frame.value.get("Row", pd.Series()).tolist() == [2, 40] for frame in app.dataframe)
    press(app, "Clear")
    assert "Chosen rows" not in seen(app)
