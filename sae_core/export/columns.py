"""The preparation as ONNX nodes, both ways, and raw rows as the inputs of such a graph.

Tables have one input for each of the user's columns, (rows, 1):

    numeric     double; NaN, infinite and beyond ±1e300: missing
    date        double, days since 1970-01-01 UTC (fractions are the time of day); NaN: missing
    boolean     double, 1 or 0; NaN: missing
    category    string; "": missing ("(missing)" in the odd case that "" is a value of its own)

Pictures and arrays have one, "input": (rows, features) float32. Pixels are 0..1 in the order height, width, channel.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core.data import prepared_columns as cells
from sae_core.data.dataset import Dataset, Features
from sae_core.data.preparation import Preparation
from sae_core.data.prepared_arrays import ArrayScaling, as_rows
from sae_core.data.prepared_columns import BooleanColumn, CategoryColumn, DateColumn, NumericColumn, TableColumn
from sae_core.export.graph import Graph
from sae_core.limits import LARGEST_NUMBER

RESERVED = ("input", "code", "reconstruction", "label", "probabilities")
ABOUT = {
    "numeric": "number; NaN where it is missing",
    "date": "days since 1970-01-01 UTC, with fractions; NaN where it is missing",
    "boolean": "1 for true, 0 for false; NaN where it is missing",
    "category": "text; empty where it is missing",
}


def input_names(preparation: Preparation) -> tuple[str, ...]:
    """Names of the graph's inputs: the user's columns, with what is not a letter, digit or _ replaced, made unique."""
    if preparation.array is not None:
        return ("input",)
    return valid_names((column.name for column in preparation.columns), RESERVED)


def output_names(preparation: Preparation) -> tuple[str, ...]:
    """Names of the outputs of a reconstruction: one for each column, or "reconstruction"."""
    if preparation.array is not None:
        return ("reconstruction",)
    inputs = input_names(preparation)
    return valid_names((f"reconstructed_{name}" for name in inputs), (*inputs, *RESERVED))


def valid_names(names: Iterable[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Names that every ONNX tool takes, none of them twice or in `taken`.

    >>> valid_names(["sepal length (cm)", "2nd", "2nd!", ""])
    ('sepal_length_cm', 'column_2nd', 'column_2nd_2', 'column')
    """
    used, result = {name.lower() for name in taken}, []
    for name in names:
        stem = re.sub(r"\W+", "_", name).strip("_")
        if not stem or stem[0].isdigit():
            stem = f"column_{stem}".strip("_")
        numbered = (f"{stem}_{number}" for number in itertools.count(2))
        chosen = next(name for name in itertools.chain([stem], numbered) if name.lower() not in used)
        used.add(chosen.lower())
        result.append(chosen)
    return tuple(result)


def missing_text(column: CategoryColumn) -> str:
    """What stands for a missing cell of a category column: "", unless that is a value of its own."""
    candidates = itertools.chain([""], (f"(missing{' ' * extra})" for extra in itertools.count()))
    return next(text for text in candidates if text not in column.values)


def feeds(preparation: Preparation, raw: Any) -> dict[str, NDArray[Any]]:
    """Raw rows as onnxruntime takes them: an array for each input.

    Args:
        raw: a Dataset, or anything of the form of its features.

    Raises:
        ShapeError: columns or pixels are missing.
    """
    raw = raw.features if isinstance(raw, Dataset) else raw
    if preparation.array is not None:
        return {"input": as_rows(raw, preparation.n_inputs, preparation.image_shape)}
    return {
        name: _cells(column, raw[column.name])[:, None]
        for name, column in zip(input_names(preparation), preparation.columns, strict=True)
    }


def features(preparation: Preparation, outputs: Sequence[NDArray[Any]]) -> Features:
    """The outputs of a reconstruction in the form of `Dataset.features`: the inverse of `feeds`."""
    if preparation.array is not None:
        return outputs[0]
    result: dict[str, Any] = {}
    for column, output in zip(preparation.columns, outputs, strict=True):
        values = output[:, 0]
        match column:
            case CategoryColumn():
                gone = missing_text(column)
                words = [None if value == gone else value for value in values.tolist()]
                result[column.name] = pd.array(words, dtype="str")
            case BooleanColumn():
                missing = np.isnan(values)
                result[column.name] = pd.arrays.BooleanArray(np.where(missing, 0, values) > 0.5, missing)
            case DateColumn():
                result[column.name] = cells.dates(values, column.whole_days)
            case _:
                result[column.name] = values
    return pd.DataFrame(result, copy=False)


def _cells(column: TableColumn, values: pd.Series) -> NDArray[Any]:
    match column:
        case CategoryColumn():
            return np.asarray(cells.words(values).fillna(missing_text(column)), dtype=object)
        case BooleanColumn():
            return cells.truths(values, column.name)
        case DateColumn():
            return cells.days(values, column.name)
        case _:
            return cells.numbers(values, column.name)


def add_preparation(graph: Graph, preparation: Preparation) -> str:
    """Inputs and nodes from raw rows to the prepared input, (rows, n_inputs) float32."""
    if preparation.array is not None:
        return _add_array(graph, preparation.array, preparation)
    names = input_names(preparation)
    parts: list[str] = []  # (rows, some of the prepared inputs), in the order of `places`
    places: list[NDArray[np.int64]] = []  # which prepared inputs each part holds
    begins = np.concatenate([[0], np.cumsum([len(column.feature_names) for column in preparation.columns])])
    scaled: list[NumericColumn | DateColumn | BooleanColumn] = []
    scaled_at: list[int] = []  # their positions among all columns
    for at, (name, column) in enumerate(zip(names, preparation.columns, strict=True)):
        graph.input(
            name, np.str_ if column.kind == "category" else np.float64, 1, about=f"{column.name}: {ABOUT[column.kind]}"
        )
        if isinstance(column, CategoryColumn):
            parts.append(_add_category(graph, name, column))
            places.append(np.arange(begins[at], begins[at + 1]))
        else:
            scaled.append(column)
            scaled_at.append(at)
    if scaled:
        raw = graph.join([names[at] for at in scaled_at])  # (rows, numeric, date and boolean columns) double
        known = graph.add(
            "LessOrEqual", graph.add("Abs", raw), graph.constant(np.float64(LARGEST_NUMBER))
        )  # NaN: false
        filled = graph.add("Where", known, raw, graph.constant(np.array([float(column.fill) for column in scaled])))
        center, scale = _scaling(scaled)
        parts.append(_add_scaling(graph, filled, center, scale, preparation.clip))
        places.append(begins[scaled_at])
        indicated = [at for at, column in enumerate(scaled) if column.has_indicator]
        if indicated:
            missing = graph.add("Cast", graph.add("Not", known), to=graph.type_of(np.float32))
            parts.append(graph.pick(missing, indicated))
            places.append(begins[scaled_at][indicated] + 1)
    order = np.argsort(np.concatenate(places))
    joined = graph.join(parts)
    return joined if np.array_equal(order, np.arange(len(order))) else graph.pick(joined, order)


def add_inverse(graph: Graph, preparation: Preparation, x: str) -> None:
    """Nodes from the prepared scale, (rows, n_inputs) float32, to the user's units, and the outputs."""
    names = output_names(preparation)
    if preparation.array is not None:
        return _add_array_inverse(graph, preparation.array, preparation, x)
    at = 0
    for name, column in zip(names, preparation.columns, strict=True):
        width = len(column.feature_names)
        own = graph.pick(x, range(at, at + width))
        about = f"{column.name}: {ABOUT[column.kind]}"
        if isinstance(column, CategoryColumn):
            table = [
                *column.values,
                *([column.other] if column.has_other else []),
                *([missing_text(column)] if column.has_indicator else []),
            ]
            best = graph.add("ArgMax", own, axis=1, keepdims=1)
            graph.output(
                graph.add("Gather", graph.constant(np.array(table, dtype=object)), best), name, np.str_, 1, about=about
            )
        else:
            graph.output(_add_number(graph, own, column), name, np.float64, 1, about=about)
        at += width


def _add_number(graph: Graph, own: str, column: TableColumn) -> str:
    """(rows, value [, missing]) float32 -> (rows, 1) double in the user's units, NaN where it is missing."""
    value = graph.pick(own, [0])
    half = graph.constant(np.float32(0.5))
    if isinstance(column, BooleanColumn):
        number = graph.add("Cast", graph.add("Greater", value, half), to=graph.type_of(np.float64))
    else:
        center, scale = _scaling([column])
        number = _add_unscaling(graph, value, center, scale)
        if isinstance(column, DateColumn) and column.whole_days:
            number = graph.add("Round", number)
    if not column.has_indicator:
        return number
    missing = graph.add("Greater", graph.pick(own, [1]), half)
    return graph.add("Where", missing, graph.constant(np.float64(np.nan)), number)


def _add_category(graph: Graph, name: str, column: CategoryColumn) -> str:
    """(rows, 1) string -> (rows, its inputs) float32 of 0 and 1."""
    places = {value: place for place, value in enumerate(column.values)}
    if column.has_indicator:
        places[missing_text(column)] = len(column.values) + column.has_other
    places.setdefault(missing_text(column), -1)
    codes = graph.encode_strings(name, places, len(column.values) if column.has_other else -1)  # (rows, 1) int64
    width = len(column.feature_names)
    return graph.add("Cast", graph.add("Equal", codes, graph.constant(np.arange(width))), to=graph.type_of(np.float32))


def _add_array(graph: Graph, array: ArrayScaling, preparation: Preparation) -> str:
    about = "pixels 0..1 in the order height, width, channel" if preparation.image_shape else "numbers"
    x = graph.input("input", np.float32, preparation.n_inputs, about=about)
    if array.fill is not None:
        known = graph.add(
            "LessOrEqual", graph.add("Abs", x), graph.constant(np.finfo(np.float32).max)
        )  # neither NaN nor inf
        x = graph.add("Where", known, x, graph.constant(np.array(array.fill, dtype=np.float32)))
    if array.center is None:
        return x
    wide = graph.add("Cast", x, to=graph.type_of(np.float64))
    return _add_scaling(graph, wide, np.array(array.center), np.array(array.scale), preparation.clip)


def _add_array_inverse(graph: Graph, array: ArrayScaling, preparation: Preparation, x: str) -> None:
    if array.center is not None:
        wide = _add_unscaling(graph, x, np.array(array.center), np.array(array.scale))
        x = graph.add("Cast", wide, to=graph.type_of(np.float32))
    if preparation.kind == "images":
        x = graph.add("Clip", x, graph.constant(np.float32(0)), graph.constant(np.float32(1)))
    graph.output(x, "reconstruction", np.float32, preparation.n_inputs)


def _scaling(columns: Sequence[TableColumn]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (
        np.array([getattr(column, "center", 0.0) for column in columns], dtype=np.float64),
        np.array([getattr(column, "scale", 1.0) for column in columns], dtype=np.float64),
    )


def _add_scaling(
    graph: Graph, x: str, center: NDArray[np.float64], scale: NDArray[np.float64], clip: tuple[float, float]
) -> str:
    # As Preparation does it: double until the cast.
    scaled = graph.add("Div", graph.add("Sub", x, graph.constant(center)), graph.constant(scale))
    clipped = graph.add("Clip", scaled, *(graph.constant(np.float64(limit)) for limit in clip))
    return graph.add("Cast", clipped, to=graph.type_of(np.float32))


def _add_unscaling(graph: Graph, x: str, center: NDArray[np.float64], scale: NDArray[np.float64]) -> str:
    wide = graph.add("Cast", x, to=graph.type_of(np.float64))
    return graph.add("Add", graph.add("Mul", wide, graph.constant(scale)), graph.constant(center))
