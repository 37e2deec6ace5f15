"""Labels and parts from folder names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_core.data.dataset import natural_order
from sae_core.data.entries import tidy_name
from sae_core.data.folders import labels_from_folders

paths = st.lists(st.lists(st.text("abt", min_size=1, max_size=2), max_size=4).map(tuple), max_size=12)


@pytest.mark.parametrize(
    ("folders", "labels", "in_test"),
    [
        ([], (), None),
        ([()], (None,), None),
        ([("a",), ("b",)], ("a", "b"), None),
        ([("train", "cat"), ("train", "dog"), ("test", "dog")], ("cat", "dog", "dog"), [False, False, True]),
        ([("train", "images"), ("train", "images"), ("test", "images")], (None, None, None), [False, False, True]),
        (
            [("train", "images", "cat"), ("train", "images", "dog"), ("test", "images", "cat")],
            ("cat", "dog", "cat"),
            [0, 0, 1],
        ),
        ([("train", "cat"), ("valid", "dog")], ("cat", "dog"), None),
        ([("Training", "0"), ("Testing", "1")], ("0", "1"), [False, True]),
        ([("train", "cat"), ("other", "dog")], ("cat", "dog"), None),
        ([("test_train", "cat"), ("train", "dog")], ("cat", "dog"), None),
    ],
)
def test_examples(folders: list[tuple[str, ...]], labels: tuple[str | None, ...], in_test: list[bool] | None) -> None:
    found = labels_from_folders(folders)
    assert found.labels == labels
    assert (None if found.official_test is None else found.official_test.tolist()) == in_test


@given(paths)
def test_every_label_is_a_folder_of_its_file(folders: list[tuple[str, ...]]) -> None:
    found = labels_from_folders(folders)
    assert len(found.labels) == len(folders)
    assert all(label is None or label in path for label, path in zip(found.labels, folders, strict=True))


@given(paths)
def test_a_folder_around_all_changes_nothing(folders: list[tuple[str, ...]]) -> None:
    assert labels_from_folders([("set", *path) for path in folders]).labels == labels_from_folders(folders).labels


@given(st.text())
def test_names_are_tidy_or_refused(name: str) -> None:
    tidy, refused = tidy_name(name)
    if refused is None:
        parts = tidy.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert "\\" not in tidy
        assert tidy_name(tidy) == (tidy, None)


@given(st.lists(st.text(max_size=30)))
def test_natural_order_takes_any_text(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural_order), key=natural_order) == sorted(names, key=natural_order)
