"""The Inside page: units of every level, and codes decoded by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer import level_insights, store
from explorer.session import KEY
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Column, Dataset
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Train = Callable[..., str]
SMALL = StackConfig(layers=[5, 2], epochs=1, softmax_epochs=0, fine_tune_epochs=0, batch_size=32)


@pytest.fixture
def page(open_page: OpenPage, trained: Train, pictures: Dataset) -> AppTest:
    return settled(open_page("inside", data=pictures, run_id=trained(pictures, SMALL)))


def by_hand(app: AppTest) -> AppTest:
    control(app.segmented_control, "Inside").set_value("Decode by hand")
    return settled(app.run())


def level(app: AppTest, number: int) -> AppTest:
    control(app.segmented_control, "Level").set_value(number)
    return settled(app.run())


def test_without_a_run(open_page: OpenPage, table: Dataset) -> None:
    assert "Nothing has been trained" in seen(open_page("inside", data=table))


def test_every_view_of_every_level_of_pictures(page: AppTest) -> None:
    common = ["together", "alone", "around the mean"]
    for number, views in ((1, ["weights", *common]), (2, common)):
        level(page, number)
        for view in views:
            control(page.segmented_control, "Of each unit, what").set_value(view)
            settled(page.run())
            assert not page.exception
            assert not page.error
    assert "5 units" in seen(level(page, 1))


def test_a_clicked_unit_is_looked_at_and_its_rows_can_be_chosen(page: AppTest) -> None:
    page.session_state["units-wall-1-together"] = {"selection": {"points": [{"customdata": [3, "unit 3"]}]}}
    page.run()
    assert control(page.selectbox, "Unit").value == 3
    press(page, "Choose these rows")
    session = page.session_state[KEY]
    report = level_insights.units(session.run_id, 1).snapshot().result
    expected = report.rows[np.argsort(-report.of(3), kind="stable")[:24]]
    assert session.selection.rows == tuple(sorted(expected.tolist()))
    assert session.selection.source == "unit 4 of level 1"  # people count from 1
    control(page.selectbox, "Unit").set_value(1)  # an old click does not come back
    assert control(page.run().selectbox, "Unit").value == 1


def test_sorted_and_filtered(page: AppTest) -> None:
    report = level_insights.units(page.session_state[KEY].run_id, 1).snapshot().result
    control(page.selectbox, "Sorted by").set_value("weight norm")
    page.run()
    largest = int(np.argmax(report.weight_norm))
    assert control(page.selectbox, "Unit").options[0].startswith(f"Unit {largest + 1} ")
    control(page.selectbox, "Units").set_value("saturated")
    page.run()
    assert "No unit of level 1 is saturated" in seen(page)


def test_sliders_decode_at_once(page: AppTest) -> None:
    app = level(by_hand(page), 2)
    assert not app.exception
    assert not app.error
    sliders = [slider for slider in app.slider if slider.label.startswith("Unit ")]
    assert len(sliders) == 2
    before = str(app.get("plotly_chart")[0].proto)
    sliders[0].set_value(float(sliders[0].max))
    app.run()
    assert str(app.get("plotly_chart")[0].proto) != before
    assert "The decoded plane of both units" in seen(app)
    control(app.segmented_control, "Begin with").set_value("A row")
    assert not app.run().exception
    press(app, "decode-reset")


def mixed() -> Dataset:
    rng = np.random.default_rng(0)
    features = pd.DataFrame(
        {
            "age": rng.normal(40, 10, 60),
            "height": rng.normal(170, 9, 60),
            "colour": pd.Series(rng.choice(["red", "green", "blue"], 60), dtype="str"),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, 60), unit="D"),
        }
    )
    kinds = ("numeric", "numeric", "category", "date")
    columns = tuple(Column(name, kind) for name, kind in zip(features.columns, kinds, strict=True))
    return Dataset(name="people.csv", kind="table", features=features, columns=columns)


def test_a_table_with_mixed_columns(open_page: OpenPage, trained: Train) -> None:
    data = mixed()
    app = settled(open_page("inside", data=data, run_id=trained(data, SMALL)))
    assert not app.exception
    assert not app.error
    assert "colour = red" in str([chart.proto for chart in app.get("plotly_chart")])
    app = level(by_hand(app), 2)
    assert not app.exception
    assert not app.error
    values = app.dataframe[0].value
    assert values["Column"].tolist() == ["age", "height", "colour", "seen"]
    assert (values["At the start"] == values["Now"]).all()
    for column in range(4):
        control(app.selectbox, "Column").set_value(column)
        assert not app.run().exception


def test_wide_codes_have_a_few_sliders(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    wide = StackConfig(layers=[40], epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    app = by_hand(settled(open_page("inside", data=pictures, run_id=trained(pictures, wide))))
    assert len([slider for slider in app.slider if slider.label.startswith("Unit ")]) == 12
    control(app.segmented_control, "Sliders").set_value("Principal directions")
    app.run()
    assert len([slider for slider in app.slider if slider.label.startswith("Direction ")]) == 12
    assert not app.exception


def test_a_convolutional_level(open_page: OpenPage, trained: Train, pictures: Dataset) -> None:
    layers = (LayerConfig(units=1, kind="convolution", channels=3), LayerConfig(units=4))
    config = StackConfig(layers=layers, epochs=1, softmax_epochs=0, fine_tune_epochs=0).fitted(pictures.image_shape)
    app = settled(open_page("inside", data=pictures, run_id=trained(pictures, config)))
    assert not app.exception
    assert not app.error
    assert "is a convolution" in seen(app)
    assert "3 units" in seen(app)


def test_names_that_are_markup(open_page: OpenPage, trained: Train) -> None:
    data = hostile_table()
    app = settled(open_page("inside", data=data, run_id=trained(data, SMALL)))
    assert not app.exception
    assert "<img src=x" not in str([chart.proto for chart in app.get("plotly_chart")])
    assert not by_hand(app).exception
    assert store.run(app.session_state[KEY].run_id)
