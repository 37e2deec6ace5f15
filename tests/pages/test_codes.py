"""The Codes page: maps of every level, and one selection for all of them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer import insights
from explorer.session import KEY
from explorer.widgets.map_chart import take
from sae_core.analysis.projections import MapSettings
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, maps_of, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]


@pytest.fixture
def page(open_page: OpenPage, trained: Train, table: Dataset) -> AppTest:
    return settled(open_page("codes", data=table, run_id=trained(table)))


def lasso(app: AppTest, level: int, rows: list[int]) -> AppTest:
    """As if points were lassoed on a map of a stack of two levels."""
    choice = {"rows": rows, "how": "replace", "outline": [[[0, 1, 1], [0, 0, 1]]]}
    take(app.session_state[KEY], {"choice": choice}, key=f"map-2-{level}", space=f"umap {MapSettings()} False 120")
    return app.run()


def chosen(app: AppTest) -> tuple[int, ...]:
    rows: tuple[int, ...] = app.session_state[KEY].selection.rows
    return rows


def test_without_data(open_page: OpenPage) -> None:
    app = open_page("codes")
    assert app.title[0].value == "Codes"
    assert not app.exception


def test_without_a_run(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("codes", data=table)
    assert "Nothing has been trained" in seen(app)
    assert not app.exception


def test_a_map_of_the_input_and_of_every_level(page: AppTest) -> None:
    assert not page.exception
    assert not page.error
    run_id = page.session_state[KEY].run_id
    found = insights.atlas(run_id, MapSettings(), limit=120)
    assert [found.best(level, "umap").method for level in (0, 1, 2)] == ["umap"] * 3  # type: ignore[union-attr]
    assert "All 120 rows" in seen(page)
    assert "Draw a lasso" in seen(page)


def test_pca_alone_is_there_at_once(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    app = open_page("codes", data=table, run_id=trained(table))
    control(app.segmented_control, "Map").set_value("pca")
    assert not settled(app.run()).exception
    assert not app.error


def test_pictures(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("codes", data=pictures, run_id=trained(pictures)))
    lasso(app, 1, [0, 1, 2])
    assert not app.exception
    assert "**3 rows** · **0** 3" in seen(app)
    control(app.segmented_control, "Show as").set_value("Table")
    app.run()
    assert app.dataframe[0].value["Row"].tolist() == [0, 1, 2]


def test_without_labels(open_page: OpenPage, trained: Train, unlabelled: Dataset) -> None:
    app = settled(open_page("codes", data=unlabelled, run_id=trained(unlabelled)))
    assert not app.exception
    assert not any("Class" in option for option in control(app.selectbox, "Colour").options)
    assert "Fine-tuned" not in [option for widget in app.segmented_control for option in widget.options]


def test_every_colour(page: AppTest) -> None:
    options = control(page.selectbox, "Colour").options
    assert any("Class" in option for option in options)
    assert any("error at level 2" in option for option in options)
    assert sum("Column" in option for option in options) == 6
    for i in range(len(options)):
        control(page.selectbox, "Colour").select_index(i)
        assert not page.run().exception
        assert not page.error


def test_lassoed_rows_are_listed_and_kept(page: AppTest) -> None:
    lasso(page, 1, [41, 3, 100])
    assert chosen(page) == (3, 41, 100)
    assert "**3 rows**" in seen(page)
    assert page.dataframe[0].value["Row"].tolist() == [3, 41, 100]
    assert page.dataframe[0].value["species (label)"].tolist() == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize("state", [None, {}, {"choice": None}, {"choice": 3}, "choice"])
def test_an_empty_event_changes_nothing(page: AppTest, state: object) -> None:
    lasso(page, 1, [3, 4])
    take(page.session_state[KEY], state, key="map-2-1")
    assert chosen(page.run()) == (3, 4)


def test_what_no_browser_would_send_chooses_nothing_else(page: AppTest) -> None:
    choice = {"rows": [5, -1, "6", None, 7.5], "how": "by force", "outline": []}
    take(page.session_state[KEY], {"choice": choice}, key="map-2-1")
    assert chosen(page.run()) == (5,)
    assert not page.exception


def test_rows_are_added_and_removed_with_a_key_held(page: AppTest) -> None:
    lasso(page, 1, [3, 4])
    for how, rows in (("add", [9]), ("remove", [3])):
        take(page.session_state[KEY], {"choice": {"rows": rows, "how": how, "outline": []}}, key="map-2-2")
    assert chosen(page.run()) == (4, 9)


def test_choosing_rows_leaves_the_figures_as_they_are(page: AppTest) -> None:
    before = maps_of(page)
    lasso(page, 1, [3, 4])
    after = maps_of(page)
    assert [each["figure"] for each in after] == [each["figure"] for each in before]
    assert [(each["chosen"], len(each["outline"])) for each in before] == [([], 0)] * 3
    assert [each["chosen"] for each in after] == [[3, 4]] * 3
    assert [len(each["outline"]) for each in after] == [0, 1, 0]


def test_the_outline_goes_with_its_selection(page: AppTest) -> None:
    lasso(page, 1, [3, 4])
    press(page, "Invert")
    assert [each["outline"] for each in maps_of(page)] == [[]] * 3


def test_the_newest_lasso_counts_and_an_old_one_does_not_come_back(page: AppTest) -> None:
    lasso(page, 1, [3, 4])
    lasso(page, 2, [7, 8, 9])
    assert chosen(page) == (7, 8, 9)
    page.run()
    assert chosen(page) == (7, 8, 9)


def test_clear_and_invert(page: AppTest) -> None:
    lasso(page, 0, [3, 4])
    control(page.button, "Invert").click()
    page.run()
    assert len(chosen(page)) == 118
    assert not {3, 4} & set(chosen(page))
    control(page.button, "Clear").click()
    page.run()
    assert chosen(page) == ()
    assert "Draw a lasso" in seen(page)


def test_the_selection_outlives_the_page(page: AppTest) -> None:
    lasso(page, 1, [3, 4])
    page.switch_page("../pages/6_classification.py").run()
    page.switch_page("../pages/5_codes.py").run()
    assert chosen(page) == (3, 4)
    assert "**2 rows**" in seen(settled(page))


def test_at_most_four_maps_and_one_chooses_which(open_page: OpenPage, trained: Train, table: Dataset) -> None:
    deep = StackConfig(layers=[6, 5, 4, 3, 2], epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    app = settled(open_page("codes", data=table, run_id=trained(table, deep)))
    assert not app.exception
    levels = control(app.multiselect, "Levels (up to 4)")
    assert levels.value == [0, 1, 4, 5]
    levels.set_value([2, 3])
    assert not settled(app.run()).exception


def test_fine_tuned_codes_have_maps_of_their_own(page: AppTest) -> None:
    control(page.segmented_control, "Codes").set_value("Fine-tuned")
    settled(page.run())
    assert not page.exception
    run_id = page.session_state[KEY].run_id
    assert insights.atlas(run_id, MapSettings(), fine_tuned=True, limit=120).is_complete("umap")


def test_other_settings_stop_what_was_being_drawn(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[object] = []
    monkeypatch.setattr(insights.Atlas, "stop", lambda self, method: stopped.append((self.settings.neighbours, method)))
    control(page.slider, "Neighbours").set_value(30)
    settled(page.run())
    assert stopped == [(15, "umap")]
    control(page.segmented_control, "Map").set_value("pca")
    page.run()
    assert (30, "umap") in stopped


def test_a_revisit_draws_nothing_anew(page: AppTest) -> None:
    run_id = page.session_state[KEY].run_id
    before = insights.atlas(run_id, MapSettings(), limit=120)
    page.switch_page("../pages/1_data.py").run()
    page.switch_page("../pages/5_codes.py").run()
    after = insights.atlas(run_id, MapSettings(), limit=120)
    assert after is before
    assert after.draw("umap").snapshot().state.is_over


def test_a_map_that_cannot_be_drawn_says_why(
    open_page: OpenPage, trained: Train, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from sae_core.model.trained import TrainedStack

    run_id = trained(table)
    monkeypatch.setattr(TrainedStack, "prepare", lambda self, raw: np.full((120, 6), np.nan, dtype=np.float32))
    app = settled(open_page("codes", data=table, run_id=run_id))
    assert not app.exception
    assert any("not finite numbers" in element.value for element in app.error)


def test_columns_with_names_that_are_markup(open_page: OpenPage, trained: Train) -> None:
    hostile = hostile_table()
    app = settled(open_page("codes", data=hostile, run_id=trained(hostile)))
    lasso(app, 1, [0, 1])
    assert not app.exception
    assert not app.error
    assert "<img" not in seen(app).replace("\\<", "")


@pytest.mark.parametrize("method", ["aligned", "tsne"])
def test_other_methods(page: AppTest, method: str) -> None:
    control(page.segmented_control, "Map").set_value(method)
    settled(page.run())
    assert not page.exception
    assert not page.error
    found = insights.atlas(page.session_state[KEY].run_id, MapSettings(), limit=120)
    assert [found.best(level, method).method for level in (0, 1, 2)] == [method] * 3  # type: ignore[arg-type, union-attr]


def test_one_map_that_moves(page: AppTest) -> None:
    control(page.segmented_control, "View").set_value("travel")
    settled(page.run())
    assert not page.exception
    assert not page.error
    shown = [
        chart for chart in page.get("plotly_chart") if '"frames"' in chart.proto.spec and "Play" in chart.proto.spec
    ]
    assert len(shown) == 1


def test_a_sample_is_drawn_and_chosen_rows_outside_it_can_be_placed(
    open_page: OpenPage, trained: Train, monkeypatch: pytest.MonkeyPatch, table: Dataset
) -> None:
    from explorer.widgets import map_settings

    monkeypatch.setattr(map_settings, "SAMPLES", (50, 100))
    app = settled(open_page("codes", data=table, run_id=trained(table)))
    control(app.select_slider, "Rows on the maps").set_value(50)
    settled(app.run())
    assert "50 of 120 rows, a sample" in seen(app)
    found = insights.atlas(app.session_state[KEY].run_id, MapSettings(), limit=50)
    outside = sorted(set(range(120)) - set(found.rows.tolist()))[:3]
    app.session_state[KEY].select(outside)
    settled(app.run())
    assert "3 rows of them not on the maps" in seen(app)
    control(app.toggle, "Chosen rows outside the sample (3)").set_value(True)
    settled(app.run())
    assert not app.exception
    assert not app.error
    placed = [drawn for drawn in maps_of(app) if "placed rows" in drawn["figure"]]
    assert len(placed) == 3


def test_rows_of_a_file_are_placed_and_a_wrong_file_says_why(page: AppTest, table: Dataset) -> None:
    assert isinstance(table.features, pd.DataFrame)
    content = table.features.iloc[:4].to_csv(index=False).encode()
    uploader = next(widget for widget in page.file_uploader)
    uploader.set_value(("more.csv", content, "text/csv")).run()
    press(page, "Place these rows")
    settled(page)
    assert "4 rows placed" in seen(page)
    assert len([drawn for drawn in maps_of(page) if "of more.csv" in drawn["figure"]]) == 3
    press(page, "Take them off")
    assert "placed" not in page.session_state[KEY].page("codes")
    uploader = next(widget for widget in page.file_uploader)
    uploader.set_value(("wrong.csv", b"a,b\n1,2\n", "text/csv")).run()
    press(page, "Place these rows")
    assert page.error
    assert not page.exception


def test_pictures_lie_on_the_maps(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    app = settled(open_page("codes", data=pictures, run_id=trained(pictures)))
    control(app.toggle, "Pictures on the maps").set_value(True)
    settled(app.run())
    assert not app.exception
    assert not app.error
    maps = [drawn["figure"] for drawn in maps_of(app) if '"images"' in drawn["figure"]]
    assert len(maps) == 3
    assert all(3 <= spec.count("data:image") <= 80 for spec in maps)


def test_colours_by_a_unit_follow_its_activity(page: AppTest, table: Dataset) -> None:
    control(page.selectbox, "Colour").set_value("unit")
    settled(page.run())
    control(page.number_input, "Unit").set_value(2)
    settled(page.run())
    assert not page.exception
    assert any("activity of unit 2 of level 2" in chart.proto.spec for chart in page.get("plotly_chart"))
