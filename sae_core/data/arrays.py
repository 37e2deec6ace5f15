"""Arrays of numbers (.npz, .npy, IDX) -> Dataset."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core import limits
from sae_core.data.collection import Collection, Source, open_collection
from sae_core.data.dataset import Dataset
from sae_core.data.entries import Report, Skipped, describe_skipped
from sae_core.data.picture_arrays import Layout, layout_of
from sae_core.data.stored import Stored, open_stored
from sae_core.errors import LabelError, UnreadableFileError

Part = Literal["train", "validation", "test"]

FEATURE_WORDS = {"x", "images", "image", "imgs", "img", "pictures", "data", "features", "feature", "inputs", "input"}
LABEL_WORDS = {"y", "labels", "label", "targets", "target", "classes", "class"}
NAME_WORDS = {"names", "name", "meta", "columns"}  # "target_names": what classes are called, not labels
SPARSE = {"indices", "indptr", "format", "shape", "data"}


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
        front, with pixels 0..1; otherwise kind "arrays", (n, n_features) float32 in their own units. Rows with values
        that are not finite are left out and counted in `notes`. Arrays for testing become the official test set.

    Raises:
        UnreadableFileError: no array that can be used, or a broken file.
        UnsafeFileError: pickled objects, or an archive built to do harm.
        TooLargeError: beyond one of the limits.
        LabelError: another number of labels than rows, or no such array.
    """
    report = progress or (lambda fraction, text: None)
    with open_collection(source, name=name) as files:
        stored, notes = _all_stored(files)
        chosen = _named(stored, labels) if isinstance(labels, str) else None
        parts, unused = _parts([each for each in stored if each is not chosen], files.name)
        if chosen is not None:
            if len(parts) > 1:
                raise LabelError(
                    f"{files.name} holds several parts, so one array cannot label it. Leave the labels open."
                )
            parts["train"].labels, labels = chosen, None
        layout = layout_of([rows.features for rows in parts.values()], files.name)
        matrix, kept = _read_features(parts, layout, report)
        found = [_part_labels(rows) for rows in parts.values()] if labels is None else [_given(labels, len(kept))]
    if not kept.any():
        raise UnreadableFileError(
            f"No row of {files.name} holds finite numbers only, so nothing is left. Check the file."
        )
    if dropped := int((~kept).sum()):
        pictures = "picture was" if dropped == 1 else "pictures were"
        notes.append(f"{dropped:,} {pictures} left out because of values that are not finite numbers.")
    if unused:
        notes.append(f"Arrays that are not used: {', '.join(repr(each.name) for each in unused[:8])}.")
    merged = _merged(found)
    values, extra = (None, None) if merged is None else as_labels(merged[kept])
    if extra:
        notes.append(extra)
    if missing := int((~np.isfinite(matrix)).any(axis=1).sum()) if layout.image_shape is None else 0:
        rows_have = "row has" if missing == 1 else "rows have"
        notes.append(f"{missing:,} {rows_have} missing or infinite values, which the preparation fills in.")
    part_of_row = np.repeat(list(parts), [rows.features.shape[0] for rows in parts.values()])[kept]
    if "validation" in parts:
        notes.append("Rows of the validation part are used with the training rows; the split draws new ones.")
    return Dataset(
        name=files.name,
        kind="arrays" if layout.image_shape is None else "images",
        features=matrix,
        labels=values,
        image_shape=layout.image_shape,
        identifiers=None if values is not None or merged is None else pd.DataFrame({"target": merged[kept]}),
        official_test=part_of_row == "test" if {"train", "test"} <= set(parts) else None,
        notes=(*layout.notes, *notes),
    )


def _all_stored(files: Collection) -> tuple[list[Stored], list[str]]:
    """Every array in the files, and notes on what was left out."""
    stored: list[Stored] = []
    skipped = list(files.skipped)
    names = {entry.name.split("/")[-1] for entry in files.entries}
    if {f"{name}.npy" for name in SPARSE} <= names:
        raise UnreadableFileError(
            f"{files.name} holds a sparse SciPy matrix. Save the full one: numpy.savez(file, X=matrix.toarray(), "
            "y=labels)."
        )
    for entry in files.entries:
        array = open_stored(entry)
        if array is None:
            skipped.append(Skipped(entry.name, "is not an array (.npy or IDX)"))
        else:
            stored.append(array)
    if not stored:
        reason = f" {describe_skipped(skipped)[0]}" if skipped else ""
        raise UnreadableFileError(f"{files.name} holds no array of numbers.{reason} Choose an .npz, .npy or IDX file.")
    return stored, list(describe_skipped(skipped))


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


def _parts(stored: Sequence[Stored], name: str) -> tuple[dict[Part, _Rows], list[Stored]]:
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
    named = [each for each in others if _is_label_name(each.name) and _part(each.name) == part and each.shape]
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


def _part_labels(rows: _Rows) -> tuple[int, NDArray[Any] | None]:
    return rows.features.shape[0], None if rows.labels is None else _one_axis(rows.labels.read(), rows.labels.name)


def _one_axis(labels: NDArray[Any], name: str) -> NDArray[Any]:
    """(n,), (n, 1) or one-hot (n, k) -> (n,)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if (
        labels.ndim == 2
        and labels.dtype.kind in "biuf"
        and np.isin(labels, (0, 1)).all()
        and (labels.sum(axis=1) == 1).all()
    ):
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim != 1:
        raise LabelError(
            f"{name!r} has the form {labels.shape}, but labels are one value for each row. Save one column."
        )
    return labels


def _merged(found: Sequence[tuple[int, NDArray[Any] | None]]) -> NDArray[Any] | None:
    """Labels of all parts, one after the other; None for rows of a part without labels."""
    if all(labels is None for _, labels in found):
        return None
    known = [labels for _, labels in found if labels is not None]
    if len(known) == len(found) and len({labels.dtype.kind in "US" for labels in known}) == 1:
        return np.concatenate(known)
    return np.concatenate(
        [np.full(n, None, object) if labels is None else labels.astype(object) for n, labels in found]
    )


def _named(stored: Sequence[Stored], name: str) -> Stored | None:
    """The array of this name; None where the name is rather that of a file."""
    for each in stored:
        if name in (each.name, each.name.split("/")[-1]):
            return each
    if os.path.isfile(name):
        return None
    names = [each.name for each in stored]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise LabelError(
        f"There is no array and no file named {name!r}. {hint}The arrays are {', '.join(map(repr, names[:8]))}."
    )


def _given(labels: Any, n: int) -> tuple[int, NDArray[Any]]:
    """Labels that the caller gave, as values or as another file."""
    is_pair = isinstance(labels, tuple) and len(labels) == 2 and isinstance(labels[0], str)
    if isinstance(labels, str | os.PathLike | bytes | bytearray) or hasattr(labels, "read") or is_pair:
        with open_collection(labels) as files:
            stored, _ = _all_stored(files)
            array = _one_axis(stored[0].read(), stored[0].name)
    else:
        array = _one_axis(np.asarray(labels), "labels")
    if len(array) != n:
        raise LabelError(f"There are {n:,} rows but {len(array):,} labels. Give one label for each row.")
    return n, array


def as_labels(values: NDArray[Any]) -> tuple[NDArray[np.int64] | NDArray[np.object_] | None, str]:
    """Labels as `Dataset` has them, and a note; None for numbers that are measurements rather than classes.

    >>> as_labels(np.array([1.0, 2.0]))[0].tolist(), as_labels(np.array([b"a", b"b"]))[0].tolist()
    ([1, 2], ['a', 'b'])
    """
    if values.dtype.kind in "biu":
        if values.size and int(values.max()) > np.iinfo(np.int64).max:
            return _words_of(values), ""
        return _few(values.astype(np.int64))
    if values.dtype.kind == "f":
        known = values[np.isfinite(values)]
        if not (known == np.round(known)).all() or (known.size and np.abs(known).max() > 2**53):
            return None, "The targets are measurements, not classes; they are shown with each row but not learnt from."
        if len(known) == len(values):
            return _few(values.astype(np.int64))
        whole = [str(int(value)) if np.isfinite(value) else None for value in values]
        return _few(np.array(whole, dtype=object))
    return _few(_words_of(values))


def _few(labels: Any) -> tuple[Any, str]:
    different = len({value for value in labels.tolist() if value is not None})
    if different > limits.MAX_CLASSES:
        return (
            None,
            f"The targets have {different:,} different values, too many for classes; they are shown with each row.",
        )
    return labels, ""


def _words_of(values: NDArray[Any]) -> NDArray[np.object_]:
    words = np.empty(len(values), dtype=object)
    for row, value in enumerate(values.tolist()):
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        missing = value is None or (isinstance(value, float) and np.isnan(value))
        words[row] = None if missing else str(value)
    return words
