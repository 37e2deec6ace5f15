"""Numbers read off a figure are those that it shows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from explorer.charts import style
from explorer.charts.classification import accuracy_chart, confusion_chart
from explorer.charts.errors import distribution, level_errors
from explorer.charts.maps import by_group, map_figure
from explorer.charts.numbers import figure_numbers
from sae_core.analysis.classification import with_interval
from sae_core.analysis.projections import LevelMap
from sae_core.analysis.reconstruction import RowErrors


def test_points_by_series_under_the_names_of_the_axes() -> None:
    found = [with_interval(80, 100), with_interval(95, 100)]
    table = figure_numbers(accuracy_chart(["raw input", "fine-tuned stack"], found, None, part="test"))
    assert table.columns.tolist() == ["series", "what the classifier reads", "accuracy (share of rows)"]
    assert table.iloc[:, 2].tolist() == [0.8, 0.95]


def test_cells_by_the_names_of_their_classes_as_the_user_wrote_them() -> None:
    matrix = np.array([[8, 2], [0, 10]])
    table = figure_numbers(confusion_chart(matrix, ["<b>&a</b>", "b"], title=""))
    cell = table[(table["true class"] == "<b>&a</b>") & (table["predicted class"] == "b")]
    assert cell["value"].tolist() == [0.2]
    assert len(table) == 4  # marks that are only pointed at are none


def test_boxes_bars_and_lines() -> None:
    errors = RowErrors(np.arange(50), (1, 2), np.linspace(0, 1, 100, dtype=np.float32).reshape(2, 50))
    table = figure_numbers(level_errors(errors, (8, 4), np.ones(50, dtype=bool), chosen=np.array([3])))
    assert table["median"].notna().sum() == 2
    assert set(table["series"]) == {"rows", "mean of rows", "chosen rows"}
    bars = figure_numbers(distribution(errors.at(1), 0.4))
    assert bars.groupby("series")["rows"].sum().sum() == 50


def test_points_of_a_map_keep_their_row_numbers() -> None:
    drawn = LevelMap(0, "pca", np.array([7, 3, 9]), np.zeros((3, 2), dtype=np.float32), 0.5)
    table = figure_numbers(map_figure(drawn, by_group("k", ["a", "b"], np.arange(10) % 2), title="t"))
    assert sorted(table["row"]) == [3, 7, 9]
    assert set(table["series"]) == {"b"}


def test_a_figure_without_numbers_is_an_empty_table() -> None:
    import plotly.graph_objects as go

    assert figure_numbers(style.apply_style(go.Figure())).equals(pd.DataFrame())
