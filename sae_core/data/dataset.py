"""What people bring, once read: rows in the user's own units, labels as written, and a split."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.errors import DataError, LabelError, TooLargeError
from sae_core.limits import MAX_CLASSES

DatasetKind = Literal["table", "images", "arrays"]
ColumnKind = Literal["numeric", "category", "date", "boolean"]
SplitName = Literal["train", "validation", "test"]
Features: TypeAlias = pd.DataFrame | NDArray[np.float32]


@dataclass(frozen=True)
class Column:
    """One feature column of a table, as it was understood.

    Attributes:
        name: as written in the file.
        kind: numeric (float64), category (str), date (datetime64) or boolean (nullable boolean).
    """

    name: str
    kind: ColumnKind


@dataclass(frozen=True)
class SplitOptions:
    """How rows are divided. Shares are of all rows; with an official test set they are of the other rows.

    Attributes:
        validation: share of validation rows, 0..0.9.
        test: share of test rows, 0..0.9; ignored where the data set brings an official test set.
        seed: of the shuffle.
        stratified: keep the classes' shares in each part, where every class has enough rows.
    """

    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    stratified: bool = True


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts, each sorted; together they are all rows, none twice.

    Attributes:
        train, validation, test: (rows of that part,) int64. Only `train` is never empty.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def rows(self, part: SplitName) -> NDArray[np.int64]:
        """Row numbers of one part."""
        rows: NDArray[np.int64] = getattr(self, part)
        return rows

    def held_out(self) -> NDArray[np.int64]:
        """Rows that nothing was fitted on: the test rows, else the validation rows, else the training rows."""
        return next(rows for rows in (self.test, self.validation, self.train) if len(rows))

    def part_of_each_row(self) -> NDArray[np.str_]:
        """(n,) the name of each row's part."""
        parts = np.full(len(self.train) + len(self.validation) + len(self.test), "train", dtype="<U10")
        parts[self.validation] = "validation"
        parts[self.test] = "test"
        return parts


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows in the user's own units, with labels, a split, and what was noticed while reading.

    Attributes:
        name: shown to the user, e.g. the file's name.
        kind: table, images or arrays.
        features: table: DataFrame of the n feature rows, index 0..n-1. Images and arrays: (n, n_features) float32,
            pixels 0..1 in the order height, width, channel.
        labels: (n,) as the user wrote them: int64 when they came as whole numbers in an array, otherwise object of
            str with None for a row without a label; None where the data set has no labels.
        image_shape: (height, width, channels) for pictures, else None.
        columns: of a table, one for each column of `features`.
        identifiers: (n, ...) columns that are shown with a row but are not features (ids, file names), index 0..n-1.
        official_test: (n,) bool, rows of a test set that the data set brings; None: it brings none.
        split_options: how `split` is drawn.
        label_name: what the labels are called, e.g. the column's name.
        notes: sentences on what was guessed, changed or dropped while reading.
        source: where it comes from and its licence, for samples.
    """

    name: str
    kind: DatasetKind
    features: Features
    labels: NDArray[np.int64] | NDArray[np.object_] | None = None
    image_shape: tuple[int, int, int] | None = None
    columns: tuple[Column, ...] = ()
    identifiers: pd.DataFrame | None = None
    official_test: NDArray[np.bool_] | None = None
    split_options: SplitOptions = dataclasses.field(default_factory=SplitOptions)
    label_name: str = "label"
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        n = len(self.features)
        if n == 0 or self.features.shape[1] == 0:
            raise DataError(
                f"{self.name} has no rows or no feature columns left, so there is nothing to learn from. "
                "Choose other columns or another file."
            )
        if self.labels is not None and len(self.labels) != n:
            raise LabelError(f"{self.name} has {n} rows but {len(self.labels)} labels. Give one label for each row.")
        if self.image_shape is not None and int(np.prod(self.image_shape)) != self.features.shape[1]:
            raise DataError(
                f"{self.name}: pictures of {self.image_shape} do not have {self.features.shape[1]} pixels. "
                "Give the shape that fits."
            )
        if len(self.classes) > MAX_CLASSES:
            raise TooLargeError(
                f"The label {self.label_name!r} has {len(self.classes):,} different values, more than {MAX_CLASSES:,}: "
                "it looks like a number or an identifier, not a class. Choose another label, or none."
            )

    def __len__(self) -> int:
        return len(self.features)

    @property
    def y(self) -> NDArray[np.int64] | NDArray[np.object_] | None:
        """(n,) labels as the user wrote them, or None."""
        return self.labels

    @property
    def n_features(self) -> int:
        """Columns of the table, or pixels times channels."""
        return int(self.features.shape[1])

    @property
    def has_labels(self) -> bool:
        """Whether there are at least two classes to tell apart."""
        return len(self.classes) > 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the feature columns; pixels and array columns are numbered from 0."""
        if isinstance(self.features, pd.DataFrame):
            return tuple(str(name) for name in self.features.columns)
        return tuple(f"{'pixel' if self.image_shape else 'x'}{i}" for i in range(self.n_features))

    @cached_property
    def classes(self) -> tuple[int | str, ...]:
        """The different labels, in natural order ("9" before "10")."""
        if self.labels is None:
            return ()
        values = {value for value in self.labels.tolist() if value is not None}
        return tuple(sorted(values, key=natural_order))

    @cached_property
    def class_codes(self) -> NDArray[np.int64]:
        """(n,) position of each row's label in `classes`; -1 for a row without a label."""
        codes: dict[object, int] = {value: code for code, value in enumerate(self.classes)}
        labels = [None] * len(self) if self.labels is None else self.labels.tolist()
        return np.array([codes.get(value, -1) for value in labels], dtype=np.int64)

    @cached_property
    def split(self) -> Split:
        """Training, validation and test rows, drawn by `split_options`."""
        return draw_split(len(self), self.class_codes, self.official_test, self.split_options)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of content, roles and split: the data set's name in the workspace."""
        digest = hashlib.sha256()
        header = (self.kind, self.image_shape, self.columns, self.split_options, self.feature_names, self.label_name)
        digest.update(repr(header).encode())
        if isinstance(self.features, pd.DataFrame):
            digest.update(pd.util.hash_pandas_object(self.features, index=False).to_numpy().tobytes())
        else:
            digest.update(np.ascontiguousarray(self.features).data)
        if self.labels is not None:
            digest.update(repr(self.classes).encode() + self.class_codes.tobytes())
        if self.official_test is not None:
            digest.update(self.official_test.tobytes())
        return digest.hexdigest()

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Features:
        """The features of some rows, in the user's units, in the order asked for."""
        if isinstance(self.features, pd.DataFrame):
            return self.features.iloc[np.asarray(rows, dtype=np.int64)]
        return self.features[np.asarray(rows, dtype=np.int64)]

    def with_split(self, options: SplitOptions) -> Dataset:
        """The same rows divided otherwise."""
        return dataclasses.replace(self, split_options=options)


def natural_order(value: int | str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which "class 9" comes before "class 10" and numbers come before words."""
    if isinstance(value, int):
        return ((0, value, ""),)
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.findall(r"\d{1,18}|\D+", value)
    )


def draw_split(
    n: int, class_codes: NDArray[np.int64], official_test: NDArray[np.bool_] | None, options: SplitOptions
) -> Split:
    """Divide n rows into training, validation and test rows.

    Stratified where every class has enough rows for every part, otherwise plainly random. Tiny data sets keep at
    least one training row, and give the others to validation first.

    Raises:
        DataError: the shares leave no training row.
    """
    if not (0 <= options.validation < 1 and 0 <= options.test < 1 and options.validation + options.test < 1):
        raise DataError("Validation and test rows together must leave some rows to train on. Choose smaller shares.")
    rng = np.random.default_rng(options.seed)
    test = np.zeros(0, dtype=np.int64)
    pool = np.arange(n)
    if official_test is not None:
        test, pool = np.flatnonzero(official_test), np.flatnonzero(~official_test)
    elif options.test:
        test = _draw(pool, class_codes, options.test, options.stratified, rng)
        pool = np.setdiff1d(pool, test)
    share = options.validation * n / len(pool) if official_test is None and len(pool) else options.validation
    validation = _draw(pool, class_codes, share, options.stratified, rng)
    train = np.setdiff1d(pool, validation)
    if not len(train):
        raise DataError("The split leaves no row to train on. Choose smaller shares for validation and test.")
    return Split(train.astype(np.int64), np.sort(validation).astype(np.int64), np.sort(test).astype(np.int64))


def _draw(
    pool: NDArray[np.int64], class_codes: NDArray[np.int64], share: float, stratified: bool, rng: np.random.Generator
) -> NDArray[np.int64]:
    wanted = min(round(share * len(pool)), len(pool) - 1)
    if wanted <= 0:
        return np.zeros(0, dtype=np.int64)
    shuffled = rng.permutation(pool)
    if not stratified:
        return shuffled[:wanted]
    codes = class_codes[shuffled]
    counts = np.unique(codes, return_counts=True)[1]
    if len(counts) < 2 or wanted < len(counts) or counts.min() < 2:
        return shuffled[:wanted]
    # Rank of each row within its class, as a share of the class: the lowest shares of every class are drawn.
    order = np.argsort(codes, kind="stable")
    rank = np.empty(len(pool))
    rank[order] = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    return shuffled[np.argsort(rank, kind="stable")[:wanted]]
