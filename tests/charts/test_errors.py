"""Charts of errors: the numbers that they draw."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.charts import errors as charts
from sae_core.analysis.levels import LinearYardstick
from sae_core.analysis.reconstruction import ColumnErrors, RowErrors


def test_boxes_are_the_quantiles_of_the_rows_that_count() -> None:
    values = np.vstack([np.arange(101.0), 10 * np.arange(101.0)])
    errors = RowErrors(np.arange(101), (1, 2), values)
    rows = np.arange(101) <= 50
    figure = charts.level_errors(errors, (64, 16), rows, pca=[LinearYardstick(1, 64, 3.0, 0.9)] * 2)
    box, mean, pca = figure.data
    assert list(box.median) == [25, 250]
    assert list(box.q1) == [12.5, 125]
    assert list(mean.y) == [25, 250]
    assert list(pca.y) == [3, 3]
    assert list(box.x) == ["Level 1 · 64", "Level 2 · 16"]


def test_levels_without_pca_yet() -> None:
    errors = RowErrors(np.arange(3), (1,), np.ones((1, 3)))
    assert len(charts.level_errors(errors, (4,), np.ones(3, dtype=bool)).data) == 2


def test_every_row_is_in_the_distribution_once() -> None:
    values = np.random.default_rng(0).exponential(size=500)
    figure = charts.distribution(values, 2.0)
    usual, beyond = figure.data
    assert sum(usual.y) + sum(beyond.y) == 500
    assert sum(beyond.y) == (values > 2).sum()
    assert figure.layout.barmode == "stack"


@pytest.mark.parametrize("values", [np.zeros(5), np.array([np.nan, 1.0]), np.zeros(0)])
def test_odd_distributions(values: np.ndarray) -> None:
    usual, beyond = charts.distribution(values, 0.5).data
    assert sum(usual.y) + sum(beyond.y) == np.isfinite(values).sum()


def test_columns_worst_on_top() -> None:
    found = ColumnErrors(
        ("age", "<b>colour</b>", "constant"),
        (1,),
        ("mean absolute error", "share of rows changed", "mean absolute error"),
        np.array([[2.0, 0.25, 0.0]]),
        np.array([[0.2, 1.4, np.nan]]),
    )
    figure = charts.column_errors(found, 1)
    assert list(figure.data[0].x) == [0.2, 1.4]
    assert list(figure.layout.yaxis.ticktext) == ["age", "&lt;b&gt;colour&lt;/b&gt;"]
    assert list(figure.data[0].customdata[1]) == ["&lt;b&gt;colour&lt;/b&gt;", "share of rows changed", "25.0%"]


def test_wide_tables_show_their_worst_columns() -> None:
    relative = np.arange(100.0)[None]
    names = tuple(f"c{i}" for i in range(100))
    found = ColumnErrors(names, (1,), ("mean absolute error",) * 100, relative, relative)
    assert list(charts.column_errors(found, 1).data[0].x) == list(range(80, 100))


def test_pixels_have_their_place() -> None:
    values = np.arange(12.0).reshape(1, 12)
    found = ColumnErrors(tuple(map(str, range(12))), (1,), ("mean absolute error",) * 12, values, values)
    figure = charts.pixel_errors(found, (2, 2, 3), (5,))
    np.testing.assert_array_equal(figure.data[0].z, [[1, 4], [7, 10]])
