"""From the user's columns or pictures to the network's input and back, fitted on the training rows only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from sae_core.config import Scaling
from sae_core.data.column_transforms import fill, fit_column, unfill
from sae_core.data.dataset import Dataset, DatasetKind, Features
from sae_core.data.prepared_arrays import ArrayScaling, as_rows, fit_array
from sae_core.data.prepared_columns import BooleanColumn, CategoryColumn, FittedScaling, TableColumn
from sae_core.errors import DataError, ModelFileError, ShapeError, TooLargeError, VersionError
from sae_core.limits import LARGEST_SCALED, LARGEST_UNSCALED, MAX_PREPARED_BYTES, MAX_PREPARED_FEATURES, MEGABYTE

JSON_VERSION: Literal[1] = 1

_BLOCK_CELLS = 4_000_000  # cells prepared at once: temporaries stay below about 50 MB


@dataclass(frozen=True)
class _State:
    """What `to_json` writes."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    version: Literal[1]
    kind: DatasetKind
    scaling: FittedScaling
    columns: tuple[TableColumn, ...]
    array: ArrayScaling | None
    names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None


_ADAPTER = TypeAdapter(_State)


class Preparation:
    """The fitted, invertible way from raw rows to the network's input (level 0).

    Made by `fit`, or by `from_json`. Numeric values are scaled as scikit-learn's StandardScaler, MinMaxScaler (with
    `clip=True`) or RobustScaler do after `SimpleImputer(strategy="median")`: in float64 subtract `center`, divide by
    `scale`, clip to `clip`, then cast to float32. `prepared_columns` documents each kind of column.

    Attributes:
        kind: of the data set it was fitted on.
        scaling: "standard", "min_max", "robust" or "none"; "auto" is resolved by `fit`.
        columns: of a table, one fitted column for each of the user's; empty for pictures and arrays.
        array: of pictures and arrays, their scaling; None for tables.
        image_shape: (height, width, channels) for pictures, else None.
        clip: lowest and highest prepared value of numeric columns.
        feature_names_in: the user's columns, or pixel names.
        feature_names_out: one for each prepared input, e.g. "age", "age is missing", "colour = red".
        source_columns: (n_inputs,) position of each prepared input's column in `feature_names_in`.
        output_range: (0, 1) when every prepared value lies in 0..1, else None.
    """

    def __init__(
        self,
        *,
        kind: DatasetKind,
        scaling: FittedScaling,
        feature_names_in: tuple[str, ...],
        columns: tuple[TableColumn, ...] = (),
        array: ArrayScaling | None = None,
        image_shape: tuple[int, int, int] | None = None,
    ) -> None:
        self.kind, self.scaling, self.columns, self.array, self.image_shape = kind, scaling, columns, array, image_shape
        self.feature_names_in = feature_names_in
        if kind == "table":
            self.feature_names_out = _unique([name for column in columns for name in column.feature_names])
            widths = [len(column.feature_names) for column in columns]
            self.source_columns: NDArray[np.int64] = np.repeat(np.arange(len(columns)), widths)
        else:
            self.feature_names_out = feature_names_in
            self.source_columns = np.arange(len(feature_names_in))
        self.n_inputs = len(self.feature_names_out)

    @property
    def clip(self) -> tuple[float, float]:
        """Lowest and highest prepared value of numeric and date columns, and of scaled pictures and arrays."""
        if self.scaling == "min_max":
            return (0.0, 1.0)
        limit = LARGEST_UNSCALED if self.scaling == "none" else LARGEST_SCALED
        return (-limit, limit)

    @property
    def output_range(self) -> tuple[float, float] | None:
        """(0, 1) when every prepared value lies in 0..1, else None."""
        if self.scaling == "min_max" or (self.scaling == "none" and self.kind == "images"):
            return (0.0, 1.0)
        unscaled = all(isinstance(column, (BooleanColumn, CategoryColumn)) for column in self.columns)
        return (0.0, 1.0) if self.kind == "table" and unscaled else None

    @classmethod
    def fit(cls, data: Dataset, scaling: Scaling = "auto") -> Preparation:
        """Fit on the training rows of a data set, and on nothing else.

        Args:
            data: its `split.train` rows are used.
            scaling: "auto" is "none" for pictures (already 0..1) and "standard" otherwise.

        Raises:
            TooLargeError: more prepared inputs than `limits.MAX_PREPARED_FEATURES`, or a larger matrix than
                `limits.MAX_PREPARED_BYTES`.
        """
        fitted: FittedScaling = ("none" if data.kind == "images" else "standard") if scaling == "auto" else scaling
        train = data.split.train
        if isinstance(data.features, pd.DataFrame):
            columns = tuple(
                fit_column(data.features[column.name].iloc[train], column.name, column.kind, fitted)
                for column in data.columns
            )
            made = cls(kind="table", scaling=fitted, feature_names_in=data.feature_names, columns=columns)
        else:
            array = fit_array(data.features, train, fitted)
            made = cls(
                kind=data.kind,
                scaling=fitted,
                feature_names_in=data.feature_names,
                array=array,
                image_shape=data.image_shape,
            )
        _refuse_too_wide(data, made.n_inputs)
        return made

    def transform(self, raw: Any) -> NDArray[np.float32]:
        """Prepare raw rows for the network.

        Args:
            raw: a `Dataset`, or anything of the form of its features: for a table a DataFrame with at least the
                training columns in any order, or a 2-D array with exactly those columns; for pictures and arrays
                (n, n_features), for pictures also (n, height, width, channels); bytes (uint8) count as 0..255.

        Returns:
            (n, n_inputs) float32. Pictures and arrays that are not scaled may share memory with `raw`.

        Raises:
            ShapeError: rows of another form than in training; the message names the column.
        """
        if isinstance(raw, Dataset):
            raw = raw.features
        if self.array is not None:
            rows = as_rows(raw, self.n_inputs, self.image_shape)
            return self.array.transform(rows, self.clip)
        frame = self._frame(raw)
        result = np.empty((len(frame), self.n_inputs), dtype=np.float32)
        for rows_of_block in _blocks(len(frame), self.n_inputs):
            at = 0
            for column in self.columns:
                width = len(column.feature_names)
                fill(column, frame[column.name].iloc[rows_of_block], result[rows_of_block, at : at + width], self.clip)
                at += width
        return result

    def inverse_transform(self, x: Any) -> Features:
        """Bring prepared rows (or reconstructions of them) back to the user's columns and units.

        Numbers and dates are unscaled; the more likely side of 0.5 decides a boolean; the largest input of a category
        decides its value ("other" for the input of other values). A cell is missing again where its `missing` input is
        above 0.5 (a category: where that is the largest). Values that were clipped come back as clipped.

        Args:
            x: (n, n_inputs).

        Returns:
            Table: DataFrame with the user's columns; numeric float64, category str, date datetime64[us], boolean
            nullable. Pictures and arrays: (n, n_features) float32, pictures clipped to 0..1.

        Raises:
            ShapeError: not (n, n_inputs).
        """
        try:
            values = np.asarray(x, dtype=np.float32)
        except (TypeError, ValueError):
            raise ShapeError(
                f"Prepared rows are numbers of the form (rows, {self.n_inputs}). Give such an array."
            ) from None
        if values.ndim != 2 or values.shape[1] != self.n_inputs:
            raise ShapeError(
                f"Prepared rows have the form (rows, {self.n_inputs}) here, but these have {values.shape}. "
                "Give rows that this preparation has made, or reconstructions of them."
            )
        if self.array is not None:
            unscaled = self.array.inverse(values)
            return np.clip(unscaled, 0, 1) if self.kind == "images" else unscaled
        result: dict[str, Any] = {}
        at = 0
        for column in self.columns:
            width = len(column.feature_names)
            result[column.name] = unfill(column, values[:, at : at + width])
            at += width
        return pd.DataFrame(result, copy=False)

    def to_json(self) -> dict[str, Any]:
        """The fitted state as plain numbers, strings and lists; `from_json` gives an equal preparation back."""
        names = () if self.kind == "table" or self.image_shape else self.feature_names_in
        state = _State(JSON_VERSION, self.kind, self.scaling, self.columns, self.array, names, self.image_shape)
        plain: dict[str, Any] = json.loads(json.dumps(asdict(state)))
        return plain

    @classmethod
    def from_json(cls, value: Any) -> Preparation:
        """A preparation from what `to_json` gave.

        Raises:
            VersionError: another version of the format.
            ModelFileError: anything that `to_json` would not have written.
        """
        if isinstance(value, dict) and isinstance(value.get("version"), int) and value["version"] != JSON_VERSION:
            raise VersionError(
                f"The preparation has format {value['version']}, this program reads format {JSON_VERSION}. "
                "Use the version that wrote it, or train again."
            )
        try:
            state = _ADAPTER.validate_json(json.dumps(value, allow_nan=False), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise _broken(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise _broken(str(error)) from None
        return cls._from_state(state)

    @classmethod
    def _from_state(cls, state: _State) -> Preparation:
        names = state.names
        if state.kind == "table":
            names = tuple(column.name for column in state.columns)
        elif state.image_shape is not None:
            names = tuple(f"pixel{i}" for i in range(_pixels(state.image_shape)))
        if (state.kind == "table") != (state.array is None) or (state.kind == "images") != (
            state.image_shape is not None
        ):
            raise _broken("its kind and its contents disagree")
        if (state.kind != "table" and state.columns) or (state.kind != "arrays" and state.names):
            raise _broken("its kind and its contents disagree")
        if not names or len(set(names)) != len(names):
            raise _broken("its column names are missing or occur twice")
        if state.array is not None and state.array.width not in (None, len(names)):
            raise _broken("its scaling has another length than its columns")
        for column in state.columns:
            if not column.feature_names or (
                isinstance(column, CategoryColumn) and len(set(column.values)) != len(column.values)
            ):
                raise _broken(f"the categories of {column.name!r} are missing or occur twice")
        made = cls(
            kind=state.kind,
            scaling=state.scaling,
            feature_names_in=names,
            columns=state.columns,
            array=state.array,
            image_shape=state.image_shape,
        )
        if made.n_inputs > MAX_PREPARED_FEATURES:
            raise _broken(f"it has more than {MAX_PREPARED_FEATURES:,} inputs")
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preparation) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Preparation({self.kind}, {self.scaling}, {len(self.feature_names_in)} columns -> {self.n_inputs} inputs)"
        )

    def _frame(self, raw: Any) -> pd.DataFrame:
        """Raw table rows as a DataFrame with the training columns."""
        if not isinstance(raw, pd.DataFrame):
            try:
                array = raw if isinstance(raw, np.ndarray) else np.asarray(raw, dtype=object)
            except ValueError:
                array = np.empty(0)
            if array.ndim != 2 or array.shape[1] != len(self.columns):
                raise ShapeError(
                    f"This stack was trained on a table of {len(self.columns)} columns, but these rows have the form "
                    f"{array.shape}. Give a DataFrame with the columns {_listed(self.feature_names_in)}."
                )
            return pd.DataFrame(array, columns=list(self.feature_names_in))
        if not all(isinstance(name, str) for name in raw.columns):
            raw = raw.rename(columns=str)
        missing = [name for name in self.feature_names_in if name not in raw.columns]
        if missing:
            raise ShapeError(
                f"These rows lack the column{'s' if len(missing) > 1 else ''} {_listed(missing)} that the stack was "
                "trained on. Add them, or train again on these columns."
            )
        doubled = [name for name in self.feature_names_in if isinstance(raw[name], pd.DataFrame)]
        if doubled:
            raise ShapeError(
                f"These rows have several columns called {_listed(doubled)}. Give each column a name of its own."
            )
        return raw


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names of the inputs; "a is missing" may be a column of its own as well."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)


def _blocks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK_CELLS // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def _refuse_too_wide(data: Dataset, n_inputs: int) -> None:
    if n_inputs > MAX_PREPARED_FEATURES:
        raise TooLargeError(
            f"{data.name} becomes {n_inputs:,} inputs once categories are one-hot, more than "
            f"{MAX_PREPARED_FEATURES:,}. Ignore some columns, or those with many categories."
        )
    if n_inputs * len(data) * 4 > MAX_PREPARED_BYTES:
        raise TooLargeError(
            f"{data.name} becomes {len(data):,} rows of {n_inputs:,} inputs, more than the "
            f"{MAX_PREPARED_BYTES // MEGABYTE:,} MB that training keeps in memory. "
            "Ignore some columns, or bring fewer rows."
        )
    if n_inputs == 0:
        raise DataError(f"{data.name} has no feature columns left. Choose other columns.")


def _pixels(shape: tuple[int, int, int]) -> int:
    if min(shape) < 1 or shape[0] * shape[1] * shape[2] > MAX_PREPARED_FEATURES * 16:
        raise _broken(f"pictures of {shape} are not possible")
    return shape[0] * shape[1] * shape[2]


def _broken(why: str) -> ModelFileError:
    return ModelFileError(
        f"The preparation saved with this model is broken or was altered ({why}). Export or train it again."
    )


def _listed(names: Any) -> str:
    names = [repr(str(name)) for name in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
