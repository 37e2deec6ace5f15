"""Maps: what each point carries, how choices stand out, and what an event says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from explorer.charts import maps
from explorer.charts.maps import (
    Colouring,
    by_amount,
    by_column,
    by_group,
    chosen_rows,
    legend_figure,
    map_figure,
)
from sae_core.analysis.projections import LevelMap

NASTY = "<img src=x onerror=alert(1)> %{x} $\\href{javascript:alert(1)}{x}$"


def drawn(n: int = 30, method: Any = "umap") -> LevelMap:
    points = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    share = 0.42 if method == "pca" else float("nan")
    return LevelMap(1, method, np.arange(100, 100 + n), points, share)


def by_class(names: tuple[object, ...] = ("a", "b", "c"), n: int = 130) -> Colouring:
    return by_group("species", names, np.arange(n) % len(names))


def rows_of(figure: Any) -> list[int]:
    return sorted(int(row) for trace in figure.data for row in np.asarray(trace.customdata).ravel())


def test_every_point_carries_its_row_number() -> None:
    figure = map_figure(drawn(), by_class(), title="Level 1")
    assert rows_of(figure) == list(range(100, 130))
    for trace in figure.data:
        for x, row in zip(trace.x, trace.customdata, strict=True):
            assert x == drawn().points[row - 100, 0]


def test_points_are_drawn_by_webgl_with_equal_scales() -> None:
    figure = map_figure(drawn(), by_class(), title="Level 1")
    assert {trace.type for trace in figure.data} == {"scattergl"}
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.dragmode == "lasso"


def test_colours_are_those_of_the_classes_on_every_map() -> None:
    colours = {trace.name: trace.marker.color for trace in map_figure(drawn(), by_class(), title="").data}
    again = {trace.name: trace.marker.color for trace in map_figure(drawn(7), by_class(), title="").data}
    assert again == {name: colours[name] for name in again}


def test_rows_without_a_label_are_grey() -> None:
    colouring = by_group("species", ("a",), np.where(np.arange(130) % 2, 0, -1))
    names = [trace.name for trace in map_figure(drawn(), colouring, title="").data]
    assert names == ["no label", "a"]


def test_plotlys_own_fading_is_off() -> None:
    for trace in map_figure(drawn(), by_class(), title="").data:
        assert trace.unselected.marker.opacity == trace.marker.opacity


def test_pca_says_how_much_it_shows() -> None:
    assert "42% of the variance" in map_figure(drawn(method="pca"), by_class(), title="").layout.xaxis.title.text
    assert "no unit" in map_figure(drawn(), by_class(), title="").layout.xaxis.title.text


def test_amounts_share_one_scale_and_missing_ones_stay() -> None:
    amounts = np.arange(130.0)
    amounts[105] = np.nan
    colouring = by_amount("error", amounts, ("a",), np.zeros(130, dtype=np.int64))
    figure = map_figure(drawn(), colouring, title="")
    assert rows_of(figure) == list(range(100, 130))
    assert figure.data[0].marker.coloraxis == "coloraxis"
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (colouring.low, colouring.high)


def test_single_rows_do_not_flatten_the_scale() -> None:
    amounts = np.append(np.linspace(0, 1, 999), 1e9)
    colouring = by_amount("error", amounts, ("a",), np.zeros(1000, dtype=np.int64))
    assert colouring.high < 2


@pytest.mark.parametrize("amounts", [np.full(5, 3.0), np.full(5, np.nan), np.full(5, np.inf)])
def test_scales_of_nothing(amounts: np.ndarray) -> None:
    colouring = by_amount("x", amounts, ("a",), np.zeros(5, dtype=np.int64))
    assert colouring.low < colouring.high
    assert not np.isinf(colouring.amounts).any()  # type: ignore[arg-type]


def test_columns_of_every_kind() -> None:
    names, groups = ("a",), np.zeros(130, dtype=np.int64)
    number = by_column(pd.Series(np.arange(130.0), name="age"), names, groups)
    assert number.amounts is not None
    date = by_column(pd.Series(pd.date_range("2024-01-01", periods=130), name="seen"), names, groups)
    assert date.amounts is not None
    assert date.low == pytest.approx(2024, abs=0.1)
    flag = by_column(pd.Series([True, None] * 65, name="member", dtype="boolean"), names, groups)
    assert set(flag.names) == {"True", "missing"}
    many = by_column(pd.Series([f"v{i % 40}" for i in range(130)], name="city"), names, groups)
    assert len(many.names) == maps.MAX_GROUPS + 1
    assert many.names[-1] == "other values"
    assert (many.groups >= 0).all()


def test_names_of_the_users_are_shown_literally() -> None:
    figure = map_figure(drawn(), by_class((NASTY, "b")), title=NASTY)
    text = figure.to_json()
    assert "<img" not in text
    assert "$\\\\href" not in text
    for trace in figure.data:
        assert "%{x}" not in trace.hovertemplate
    legend = legend_figure(by_class((NASTY, "b")))
    assert legend is not None
    assert "<img" not in legend.to_json()


def test_many_classes_are_one_trace_with_names_on_hover() -> None:
    names = tuple(f"class {i}" for i in range(100))
    figure = map_figure(drawn(), by_class(names), title="")
    assert len(figure.data) == 1
    assert [entry[0] for entry in figure.data[0].customdata] == list(range(100, 130))
    assert figure.data[0].customdata[5][1] == "class 5"
    assert legend_figure(by_class(names)) is None


def test_few_classes_stand_on_the_map_by_name() -> None:
    figure = map_figure(drawn(), by_class(), title="")
    assert sorted(annotation.text for annotation in figure.layout.annotations) == ["a", "b", "c"]
    assert not map_figure(drawn(), by_class(tuple(range(20))), title="").layout.annotations


def test_events_of_every_form() -> None:
    def event(*customdata: Any) -> dict[str, Any]:
        return {"selection": {"points": [{"customdata": each, "point_index": 0} for each in customdata]}}

    assert chosen_rows(event(5, 3, 5)) == (3, 5)
    assert chosen_rows(event([7], [2, "label"])) == (2, 7)
    assert chosen_rows(event(4.0)) == (4,)
    assert chosen_rows(event(None, "text", [])) == ()
    for nothing in (None, {}, {"selection": {}}, {"selection": {"points": []}}):
        assert chosen_rows(nothing) == ()


def test_groups_without_places_of_their_own_have_no_names_on_the_map() -> None:
    parts = by_group("part of the split", ("train", "test"), np.arange(130) % 2, named=False)
    assert not map_figure(drawn(), parts, title="").layout.annotations
    assert map_figure(drawn(), by_class(), title="").layout.annotations
