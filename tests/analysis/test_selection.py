"""Chosen rows: composition, inversion, combination, ranges, the table to take away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sae_core.analysis.selection import (
    Share,
    as_rows,
    combined,
    composition,
    in_range,
    inverted,
    parts_of,
    selection_frame,
)
from sae_core.data.dataset import Dataset


@pytest.fixture
def data() -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset(
        name="t.csv",
        kind="table",
        features=pd.DataFrame({"size": rng.normal(size=40), "colour": ["red", "blue"] * 20}),
        labels=np.array((["a"] * 25 + ["b"] * 10 + [None] * 5), dtype=object),
        identifiers=pd.DataFrame({"id": [f"n{i}" for i in range(40)]}),
        label_name="kind",
    )


def test_rows_are_sorted_unique_and_inside() -> None:
    assert as_rows([9, 3, 3, -1, 40], 40).tolist() == [3, 9]
    assert as_rows(np.array([], dtype=np.int64), 40).tolist() == []


def test_inverting_twice_gives_the_selection_back() -> None:
    rows = np.array([1, 5, 39])
    assert inverted(inverted(rows, 40), 40).tolist() == rows.tolist()
    assert len(inverted(rows, 40)) == 37
    assert inverted(np.array([], dtype=np.int64), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("how", "expected"), [("replace", [2, 3]), ("add", [1, 2, 3]), ("keep", [2]), ("remove", [1])])
def test_every_way_to_combine(how: str, expected: list[int]) -> None:
    assert combined(np.array([1, 2]), np.array([3, 2, 3]), how).tolist() == expected  # type: ignore[arg-type]


def test_composition_counts_chosen_and_all_rows_of_each_class(data: Dataset) -> None:
    shares = composition(data, np.array([0, 1, 30, 31, 32, 39]))
    assert shares == (Share("b", 3, 10), Share("a", 2, 25), Share(None, 1, 5))
    assert composition(data, np.array([], dtype=np.int64)) == ()


def test_parts_add_up_to_the_selection(data: Dataset) -> None:
    shares = parts_of(data, np.arange(20))
    assert sum(share.chosen for share in shares) == 20
    assert sum(share.rows for share in shares) == 40


def test_a_range_includes_its_ends_and_never_nan() -> None:
    values = np.array([0.0, 1.0, 2.0, np.nan, np.inf])
    assert in_range(values, 1.0, 2.0).tolist() == [1, 2]
    assert in_range(values).tolist() == [0, 1, 2, 4]


def test_the_table_to_take_away_holds_the_users_own_values(data: Dataset) -> None:
    table = selection_frame(data, np.array([3, 38]))
    assert table.columns.tolist() == ["row", "kind (label)", "split", "id", "size", "colour"]
    assert table["row"].tolist() == [3, 38]
    assert table["id"].tolist() == ["n3", "n38"]
    assert table["size"].tolist() == data.features.iloc[[3, 38], 0].tolist()  # type: ignore[union-attr]
    assert table["kind (label)"].tolist()[0] == "a"


def test_pictures_leave_without_their_pixels() -> None:
    pictures = Dataset(name="p", kind="images", features=np.zeros((4, 9), np.float32), image_shape=(3, 3, 1))
    assert selection_frame(pictures, np.array([2])).columns.tolist() == ["row", "split"]
