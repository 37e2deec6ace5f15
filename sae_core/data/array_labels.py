"""Labels that come as an array, in a file or as values."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core import limits
from sae_core.data.collection import Collection, open_collection
from sae_core.data.entries import EntryError, Skipped, describe_skipped
from sae_core.data.stored import Stored, open_stored
from sae_core.errors import LabelError, TooLargeError, UnreadableFileError

SPARSE = {"indices", "indptr", "format", "shape", "data"}  # names in a file of scipy.sparse.save_npz


def all_stored(files: Collection, *, any_size: bool = False) -> tuple[list[Stored], list[str]]:
    """Every array in the files, and notes on what was left out.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: there is none that can be used.
    """
    stored: list[Stored] = []
    skipped = list(files.skipped)
    names = {entry.name.split("/")[-1] for entry in files.entries}
    if {f"{name}.npy" for name in SPARSE} <= names:
        raise UnreadableFileError(
            f"{files.name} holds a sparse SciPy matrix. Save the full one: numpy.savez(file, X=matrix.toarray(), "
            "y=labels)."
        )
    broken: list[EntryError] = []
    for entry in files.entries:
        try:
            array = open_stored(entry, any_size=any_size)
        except EntryError as error:
            broken.append(error)
            skipped.append(Skipped(entry.name, error.reason, error.kind))
            continue
        if array is None:
            skipped.append(Skipped(entry.name, "is not an array (.npy or IDX)"))
        else:
            stored.append(array)
    if broken and not stored:
        raise broken[0].kind(str(broken[0]))
    if not stored:
        reason = f" {describe_skipped(skipped)[0]}" if skipped else ""
        raise UnreadableFileError(f"{files.name} holds no array of numbers.{reason} Choose an .npz, .npy or IDX file.")
    return stored, list(describe_skipped(skipped))


def read_labels(stored: Stored, n: int) -> NDArray[Any]:
    """(n,) labels of n rows; (n, 1) and one-hot (n, k) are brought to that.

    Raises:
        LabelError: another form.
        TooLargeError: words of absurd length.
    """
    if stored.shape[:1] != (n,):
        has = f"{stored.shape[0]:,} labels" if stored.shape else "a single value"
        raise LabelError(f"There are {n:,} rows but {stored.name!r} has {has}. Save one label for each row.")
    if stored.n_values * stored.dtype.itemsize > limits.MAX_IDENTIFIER_BYTES:
        raise TooLargeError(
            f"The labels {stored.name!r} take more than {limits.MAX_IDENTIFIER_BYTES // limits.MEGABYTE} MB. Save "
            "class numbers or short names."
        )
    return _one_axis(stored.read(), stored.name)


def _one_axis(labels: NDArray[Any], name: str) -> NDArray[Any]:
    """(n,), (n, 1) or one-hot (n, k) -> (n,)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and is_one_hot(labels):
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim != 1:
        raise LabelError(
            f"{name!r} has the form {labels.shape}, but labels are one value for each row. Save one column."
        )
    return labels


def is_one_hot(values: NDArray[Any]) -> bool:
    """Whether every row of (n, k) numbers holds a single 1 and otherwise 0.

    >>> is_one_hot(np.eye(3)), is_one_hot(np.ones((3, 3)))
    (True, False)
    """
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def named_array(stored: Sequence[Stored], name: str) -> Stored | None:
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


def given_labels(labels: Any, n: int) -> NDArray[Any]:
    """Labels that the caller gave, as values or as another file."""
    is_pair = isinstance(labels, tuple) and len(labels) == 2 and isinstance(labels[0], str)
    if isinstance(labels, str | os.PathLike | bytes | bytearray) or hasattr(labels, "read") or is_pair:
        with open_collection(labels) as files:
            return read_labels(all_stored(files)[0][0], n)
    array = _one_axis(np.asarray(labels), "labels")
    if len(array) != n:
        raise LabelError(f"There are {n:,} rows but {len(array):,} labels. Give one label for each row.")
    return array


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
