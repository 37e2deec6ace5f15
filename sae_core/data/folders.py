"""Labels from the folders that files lie in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Folder names that tell parts of a data set, not classes.
PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class FolderLabels:
    """What folder names say about the files in them.

    Attributes:
        labels: one for each file, None where the folders give it none.
        official_test: (n,) bool, files of a test set; None where there is none.
        notes: sentences on what was guessed.
    """

    labels: tuple[str | None, ...]
    official_test: NDArray[np.bool_] | None
    notes: tuple[str, ...]


def labels_from_folders(folders: Sequence[tuple[str, ...]]) -> FolderLabels:
    """Read classes and a test set from folder names.

    The class of a file is the innermost folder that it lies in. Folders that all files share say nothing and are left
    out, at the top ("pictures/cat/1.png") as at the bottom ("cat/images/1.png"). Folders named "train" and "test"
    above the classes are a split.

    Args:
        folders: for each file the folders that it lies in, outermost first.

    >>> labels_from_folders([("set", "cat"), ("set", "dog")]).labels
    ('cat', 'dog')
    >>> labels_from_folders([("train", "cat"), ("train", "dog"), ("test", "cat")]).labels
    ('cat', 'dog', 'cat')
    """
    paths = _without_shared_top(folders)
    parts = [_part(path[0]) if path else None for path in paths]
    notes: list[str] = []
    is_test = None
    if all(parts) and len(set(parts)) > 1:
        paths = _without_shared_top([path[1:] for path in paths])
        in_test = np.array([part == "test" for part in parts])
        labelled = np.array([bool(path) for path in paths])
        if "test" in parts and (labelled[in_test].any() or not labelled.any()):
            is_test = in_test
            notes.append(f"{in_test.sum():,} files in the test folder are kept as the test set.")
        if "validation" in parts:
            notes.append("Files in the validation folder are used with the training files; the split draws new ones.")
    labels = tuple(path[-1] if path else None for path in _without_shared_bottom(paths))
    classes = Counter(label for label in labels if label is not None)
    twins = [names for names in _same_but_for_case(classes) if len(names) > 1]
    notes += [
        f"The folders {' and '.join(map(repr, names))} differ only in upper and lower case; they are separate classes."
        for names in twins[:3]
    ]
    return FolderLabels(labels, is_test, tuple(notes))


def _part(folder: str) -> str | None:
    """ "Train", "seg_train", "testing-images" -> the part of a data set that a folder holds."""
    found = {PARTS[word] for word in re.findall("[a-z]+", folder.lower()) if word in PARTS}
    return found.pop() if len(found) == 1 else None


def _without_shared_top(folders: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    shared = 0
    if folders:
        first, last = min(folders), max(folders)  # what these two share, all between them share
        pairs = enumerate(zip(first, last, strict=False))
        shared = next((at for at, (one, other) in pairs if one != other), min(len(first), len(last)))
    return [tuple(path[shared:]) for path in folders]


def _without_shared_bottom(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Without the innermost folders that all files share, as long as others are left above them."""
    while paths and all(len(path) > 1 for path in paths) and len({path[-1] for path in paths}) == 1:
        paths = [path[:-1] for path in paths]
    return paths


def _same_but_for_case(names: Counter[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name.casefold(), []).append(name)
    return list(groups.values())
