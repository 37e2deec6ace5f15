"""Searches for rows: what they find, and that whatever cannot be understood is one clear sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sae_core.analysis.search import MAX_CLAUSES, MAX_LENGTH, search_rows, searchable_names
from sae_core.data.dataset import Dataset
from sae_core.errors import DataError

ERROR = np.array([0.1, 0.5, 0.9, np.nan])


@pytest.fixture
def data() -> Dataset:
    features = pd.DataFrame(
        {
            "age": [30.0, 50.0, 70.0, np.nan],
            "colour and x": pd.Series(["red", "blue", "Red", None], dtype="str"),
            "a=b": [1.0, 2.0, 3.0, 4.0],
            "age at": [1.0, 2.0, 3.0, 4.0],
            "member": pd.array([True, False, None, True], dtype="boolean"),
            "joined": pd.to_datetime(["2020-01-01", "2021-06-01", None, "2023-01-01"]),
        }
    )
    return Dataset(
        name="t.csv",
        kind="table",
        features=features,
        labels=np.array(["x", "y", "x", None], dtype=object),
        identifiers=pd.DataFrame({"file": ["cat 1.png", "dog.png", "Cat 2.png", "=x"]}),
        label_name="kind",
    )


def find(data: Dataset, text: str) -> list[int]:
    return search_rows(data, text, quantities={"error at level 2": ERROR}).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1", [1]),
        ("row 2", [2]),
        ("0-2", [0, 1, 2]),
        ("rows 0..1, 3", [0, 1, 3]),
        ("2 - 900", [2, 3]),
        ("age > 40", [1, 2]),
        ("AGE>=50", [1, 2]),
        ("age = 50", [1]),
        ("age != 50", [0, 2]),
        ("age in 40..60", [1]),
        ("age is missing", [3]),
        ("age is not missing", [0, 1, 2]),
        ("not age > 40", [0, 3]),
        ("age at > 2", [2, 3]),
        ("a=b = 2", [1]),
        ("a=b<2", [0]),
        ("colour and x = RED", [0, 2]),
        ("'colour and x' contains re", [0, 2]),
        ("colour and x = 'red' and age > 40", [2]),
        ("age < 40 or age > 60 and a=b = 3", [0, 2]),
        ("0, 2 and age > 40", [2]),
        ("age > 40 or 3", [1, 2, 3]),
        ("kind = x", [0, 2]),
        ("class = x", [0, 2]),
        ("kind != x", [1]),
        ("file contains cat", [0, 2]),
        ("file = =x", [3]),
        ("member = yes", [0, 3]),
        ("member != yes", [1]),
        ("joined > 2021-01-01", [1, 3]),
        ("error at level 2 ≥ .5", [1, 2]),
        ("age > 20 & age < 60", [0, 1]),
    ],
)
def test_what_is_found(data: Dataset, text: str, rows: list[int]) -> None:
    assert find(data, text) == rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing to search"),
        ("   ", "nothing to search"),
        ("age", "after 'age'"),
        ("foo = 1", "name of a column"),
        ("age > x", "not a number"),
        ("age > 1 foo", "not a number"),
        ("joined > soon", "not a date"),
        ("member = perhaps", "yes or no"),
        ("colour and x > red", "compared with"),
        ("age in 3", "3..7"),
        ("12", "no row 12"),
        ("3-", "neither"),
        ("age >", "expected a value"),
        ("age > 1 and", "not a number"),
        ("__import__('os')", "name of a column"),
        ("x" * (MAX_LENGTH + 1), "at most"),
        (" or ".join(["1"] * (MAX_CLAUSES + 1)), "at most"),
    ],
)
def test_what_cannot_be_understood_is_one_sentence(data: Dataset, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        find(data, text)


def test_deep_negation_ends_in_a_sentence_too(data: Dataset) -> None:
    with pytest.raises(DataError, match="at most"):
        find(data, "not " * 400 + "1")


def test_pictures_are_searched_by_label_split_and_pixel() -> None:
    pixels = np.linspace(0, 1, 40, dtype=np.float32).reshape(10, 4)
    pictures = Dataset(
        name="p", kind="images", features=pixels, labels=np.arange(10, dtype=np.int64) % 3, image_shape=(2, 2, 1)
    )
    assert search_rows(pictures, "label = 2").tolist() == [2, 5, 8]
    assert search_rows(pictures, "label >= 1 and pixel0 > 0.8").tolist() == [8]
    assert set(search_rows(pictures, "split = test")) == set(pictures.split.test)


def test_names_are_offered_in_order(data: Dataset) -> None:
    assert searchable_names(data)[:4] == ("kind", "split", "file", "age")
