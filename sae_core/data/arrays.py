"""Arrays of numbers (.npz, .npy, IDX) -> Dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data.array_labels import all_stored, as_labels, given_labels, is_one_hot, named_array, read_labels
from sae_core.data.collection import Source, open_collection
from sae_core.data.dataset import Dataset
from sae_core.data.entries import Report, memory_errors
from sae_core.data.picture_arrays import Layout, layout_of
from sae_core.data.stored import Stored
from sae_core.errors import LabelError, UnreadableFileError

Part = Literal["train", "validation", "test"]

FEATURE_WORDS = {"x", "images", "image", "imgs", "img", "pictures", "data", "features", "feature", "inputs", "input"}
LABEL_WORDS = {"y", "labels", "label", "targets", "target", "classes", "class"}
NAME_WORDS = {"names", "name", "meta", "columns"}  # "target_names": what classes are called, not labels


@dataclass
class _Rows:
    """The arrays of one part of a data set."""

    features: Stored
    labels: Stored | None = None


def read_arrays(
    source: Source, *, labels: Any = None, name: str | None = None, progress: Report | None = None
) -> Dataset:
    """Read arrays of numbers or pictures, with their labels.

    Recognised by name (X, images, data, features; y, labels, target; x_train, y_train, x_test, y_test;
    train-images-idx3-ubyte ...) and, where names say nothing, by shape: the largest array of two or more axes are
    the rows, an array of one axis and the same length their labels.

    Args:
        source: an .npz, .npy or IDX file (path, binary file object or bytes; IDX and .npy may be gzipped), a ZIP or
            folder of them, or a list of them.
        labels: (n,) labels, the name of an array in the file, or another file; by default recognised by name.
        name: of the data set; the file's own by default.
        progress: told the fraction done, 0..1, and what is being done; what it raises ends the reading.

    Returns:
        kind "images" for arrays of pictures, (n, height, width) or (n, height, width, 1, 3 or 4) or the channels in
        front, with pixels 0..1; otherwise kind "arrays", (n, n_features) float32 in their own units. Rows with
        missing or infinite values are kept and counted in `notes`; such pictures are left out. Arrays for testing
        become the official test set.

    Raises:
        UnreadableFileError: no array that can be used, or a broken file.
        UnsafeFileError: pickled objects, or an archive built to do harm.
        TooLargeError: beyond one of the limits.
        LabelError: another number of labels than rows, or no such array.
    """
    report = progress or (lambda fraction, text: None)
    with open_collection(source, name=name) as files, memory_errors(files.name):
        stored, notes = all_stored(files)
        chosen = named_array(stored, labels) if isinstance(labels, str) else None
        parts, unused = parts_of([each for each in stored if each is not chosen], files.name)
        if chosen is not None:
            if len(parts) > 1:
                raise LabelError(
                    f"{files.name} has several parts, which one array cannot label. Leave the labels open."
                )
            next(iter(parts.values())).labels, labels = chosen, None
        layout = layout_of([rows.features for rows in parts.values()], files.name)
        counts = [rows.features.shape[0] for rows in parts.values()]
        targets = given_labels(labels, sum(counts)) if labels is not None else part_labels(parts)
        matrix, kept = _read_features(parts, layout, report)
    if not kept.any():
        raise UnreadableFileError(
            f"No picture of {files.name} has finite values only, so none is left. Check the file."
        )
    values, note = (None, "") if targets is None else as_labels(targets[kept])
    is_test = np.repeat([part == "test" for part in parts], counts)[kept]
    return Dataset(
        name=files.name,
        kind="arrays" if layout.image_shape is None else "images",
        features=matrix,
        labels=values,
        image_shape=layout.image_shape,
        identifiers=pd.DataFrame({"target": targets[kept]}) if targets is not None and values is None else None,
        official_test=is_test if {"train", "test"} <= set(parts) else None,
        notes=(*layout.notes, *notes, *_notes(matrix, layout, kept, parts, unused), *((note,) if note else ())),
    )


def _notes(
    matrix: NDArray[np.float32],
    layout: Layout,
    kept: NDArray[np.bool_],
    parts: dict[Part, _Rows],
    unused: Sequence[Stored],
) -> list[str]:
    notes = []
    if dropped := int((~kept).sum()):
        pictures = "picture was" if dropped == 1 else "pictures were"
        notes.append(f"{dropped:,} {pictures} left out because of values that are not finite numbers.")
    if layout.image_shape is None and (missing := int((~np.isfinite(matrix)).any(axis=1).sum())):
        rows_have = "row has" if missing == 1 else "rows have"
        notes.append(f"{missing:,} {rows_have} missing or infinite values, which the preparation fills in.")
    if "validation" in parts:
        notes.append("Rows of the validation part are used with the training rows; the split draws new ones.")
    if unused:
        notes.append(f"Arrays that are not used: {', '.join(repr(each.name) for each in unused[:8])}.")
    return notes


def _words(name: str) -> set[str]:
    """Words of an array's name, lower case: "xTrain" -> {"x", "train"}."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = set(re.findall(r"[a-z]+", spaced.lower()))
    for word in list(words):  # "xtrain", "ytest"
        if match := re.fullmatch(r"([xy])(train|test|val|valid)", word):
            words |= set(match.groups())
    return words


def _part(name: str) -> Part:
    words = _words(name)
    if words & {"test", "testing", "te"} or re.search(r"(^|[^a-z])t10k([^a-z]|$)", name.lower()):
        return "test"
    return "validation" if words & {"val", "valid", "validation", "dev"} else "train"


def _is_label_name(name: str) -> bool:
    words = _words(name.split("/")[-1]) or _words(name)
    return bool(_words(name) & LABEL_WORDS) and not words & NAME_WORDS


def _is_feature_name(name: str) -> bool:
    return bool(_words(name) & FEATURE_WORDS) and not _is_label_name(name)


def parts_of(stored: Sequence[Stored], name: str) -> tuple[dict[Part, _Rows], list[Stored]]:
    """Which arrays are rows, which are their labels, and which are neither."""
    candidates = [
        each for each in stored if len(each.shape) >= 2 and each.dtype.kind in "biuf" and not _is_label_name(each.name)
    ]
    if not candidates:
        forms = ", ".join(f"{each.name} {each.shape}" for each in stored[:5])
        raise UnreadableFileError(
            f"{name} holds no array with one row for each example ({forms}). Save the rows as an array of two axes, "
            "(rows, numbers), or pictures as (rows, height, width)."
        )
    parts: dict[Part, _Rows] = {}
    used: list[Stored] = []
    for part in ("train", "validation", "test"):
        mine = [each for each in candidates if _part(each.name) == part]
        if not mine:
            continue
        features = max(mine, key=lambda each: (_is_feature_name(each.name), each.n_values, len(each.shape)))
        labels = _labels_for(features, [each for each in stored if each not in candidates], part)
        parts[part] = _Rows(features, labels)
        used += [features] if labels is None else [features, labels]
    return parts, [each for each in stored if not any(each is one for one in used)]


def _labels_for(features: Stored, others: Sequence[Stored], part: Part) -> Stored | None:
    n = features.shape[0]
    named = [each for each in others if _is_label_name(each.name) and _part(each.name) == part and _is_one_a_row(each)]
    for each in named:
        if each.shape[0] == n:
            return each
    if named:
        raise LabelError(
            f"{features.name!r} has {n:,} rows but {named[0].name!r} has {named[0].shape[0]:,} labels. Save one label "
            "for each row."
        )
    unnamed = [
        each
        for each in others
        if each.shape == (n,)
        and each.dtype.kind in "iubUS"
        and _part(each.name) == part
        and not _words(each.name) & NAME_WORDS
    ]
    return unnamed[0] if len(unnamed) == 1 else None


def _is_one_a_row(labels: Stored) -> bool:
    """Whether an array may hold one label for each row: a single column, or indicators of a class."""
    if len(labels.shape) == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf":
        return all(is_one_hot(block) for block in labels.blocks())
    return len(labels.shape) == 1 or (len(labels.shape) == 2 and labels.shape[1] == 1)


def _read_features(
    parts: dict[Part, _Rows], layout: Layout, report: Report
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(kept rows, n_features) float32, and which rows of the files they are."""
    n = sum(rows.features.shape[0] for rows in parts.values())
    matrix = np.empty((n, layout.n_features), dtype=np.float32)
    kept = np.ones(n, dtype=bool)
    done = filled = 0
    for rows in parts.values():
        for block in rows.features.blocks():
            values = layout.rows(block)
            if layout.image_shape is not None:
                good = np.isfinite(values).all(axis=1)
                kept[done : done + len(values)] = good
                values = values[good]
            matrix[filled : filled + len(values)] = values
            filled += len(values)
            done += len(block)
            report(done / n, f"{done:,} of {n:,} rows")
    return matrix[:filled], kept


def part_labels(parts: dict[Part, _Rows]) -> NDArray[Any] | None:
    """Labels of all parts, one after the other: None for rows of a part without labels, None at all without any."""
    found = [
        None if rows.labels is None else read_labels(rows.labels, rows.features.shape[0]) for rows in parts.values()
    ]
    known = [labels for labels in found if labels is not None]
    if not known:
        return None
    if len(known) == len(found) and len({labels.dtype.kind in "US" for labels in known}) == 1:
        return np.concatenate(known)
    counts = [rows.features.shape[0] for rows in parts.values()]
    return np.concatenate(
        [
            np.full(n, None, object) if labels is None else labels.astype(object)
            for n, labels in zip(counts, found, strict=True)
        ]
    )
