"""A trained stacked autoencoder, run with numpy alone. Needs numpy and safetensors; no torch and no scikit-learn.

This file travels inside an exported bundle as predict.py, beside model.json, weights.safetensors and manifest.json.

    python predict.py rows.csv                          codes of the deepest level -> rows-code.csv
    python predict.py rows.csv --level 1 -o codes.csv   codes of another level
    python predict.py rows.csv --what reconstruction    what the stack gives back, in the columns' own units
    python predict.py rows.csv --what classes           class and probabilities (models trained with labels)

From Python:

    from predict import Model
    model = Model.load(".")
    model.encode([{"width": 3.5, "colour": "red"}])     # tables: dictionaries, a dictionary of columns, or a DataFrame
    model.encode(pixels)                                # pictures and arrays: (n, features) numbers, pixels 0..1

CSV files have a header line with the columns' names, commas (or semicolons or tabs) between cells, and a decimal point.
Cells are missing where they are empty or say NA, NaN, null or ?. Dates are written as in 2024-05-31 or
2024-05-31T14:30:00. Pictures and arrays may also be .npy files.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

Array = NDArray[np.float32]
Columns = dict[str, list[Any]]

LARGEST_NUMBER, LARGEST_SCALED, LARGEST_UNSCALED = 1e300, 1e6, 1e15
ROWS_AT_ONCE = 1024
MISSING = {"", "na", "n/a", "#n/a", "nan", "nat", "null", "<na>", "?"}  # as text; also of NaN, NaT and NA themselves
TRUE, FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 (this file also runs on Python 3.9)

ACTIVATIONS: dict[str, Callable[[Array], Any]] = {
    "linear": lambda a: a,
    "sigmoid": lambda a: 0.5 * (1 + np.tanh(0.5 * a)),
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "selu": lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(np.minimum(a, 0))),
    "gelu": lambda a: 0.5 * a * (1 + np.frompyfunc(math.erf, 1, 1)(a / math.sqrt(2)).astype(np.float32)),
}


class Model:
    """Encoders, decoders and classifiers of every level, with the preparation of the user's columns or pixels.

    Attributes:
        units: of levels 1, 2, ...; level 0 is the prepared input.
        classes: labels, () without.
        columns: names of the table's columns, or of the pixels or array columns.
    """

    def __init__(self, description: dict[str, Any], weights: dict[str, Array]) -> None:
        config, self._preparation = description["config"], description["preparation"]
        self._config, self._weights = config, weights
        self.units: tuple[int, ...] = tuple(layer["units"] for layer in config["layers"])
        self.classes: tuple[Any, ...] = tuple(description["classes"])
        self.softmax_levels: tuple[int, ...] = tuple(description["softmax_levels"])
        self.is_fine_tuned: bool = description["fine_tuned"]
        scaling, kind = self._preparation["scaling"], self._preparation["kind"]
        self.is_table: bool = kind == "table"
        self.is_pictures: bool = kind == "images"
        limit = LARGEST_UNSCALED if scaling == "none" else LARGEST_SCALED
        self._clip = (0.0, 1.0) if scaling == "min_max" else (-limit, limit)
        shape = self._preparation["image_shape"]
        names = (
            [column["name"] for column in self._preparation["columns"]] if self.is_table else self._preparation["names"]
        )
        self.columns: tuple[str, ...] = tuple(names or (f"pixel{i}" for i in range(math.prod(shape))))

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """The model in an unpacked bundle; each file is compared with the manifest first."""
        folder = Path(folder)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        files = {name: (folder / name).read_bytes() for name in ("model.json", "weights.safetensors")}
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
                raise ValueError(f"{name} is not as it was exported. Unpack the bundle again.")
        return cls(json.loads(files["model.json"]), load(files["weights.safetensors"]))

    def encode(self, rows: Any, level: int | None = None, *, fine_tuned: bool = False) -> Array:
        """Codes of a level, (n, units); None is the deepest, 0 the prepared input."""
        level = self._level(level)
        if fine_tuned and not self.is_fine_tuned:
            raise ValueError("This model was not fine-tuned with labels.")
        return _in_chunks(lambda x: self._encode(x, level, fine_tuned), self.prepare(rows))

    def decode(self, codes: Any, level: int | None = None) -> Columns | Array:
        """Codes of a level back to the user's units: a dictionary of columns, or (n, features)."""
        level = self._level(level)
        return self.unprepare(_in_chunks(lambda h: self._decode(h, level), np.asarray(codes, dtype=np.float32)))

    def reconstruct(self, rows: Any, level: int | None = None) -> Columns | Array:
        """Rows encoded to a level and decoded again, in the user's units."""
        return self.decode(self.encode(rows, level), level)

    def predict_proba(self, rows: Any, level: int | None = None) -> Array:
        """(n, classes) probabilities. None: the fine-tuned stack if there is one, else the deepest softmax."""
        tuned = level is None and self.is_fine_tuned
        if not tuned and not self.softmax_levels:
            raise ValueError("This model was trained without labels, so it cannot predict them.")
        deep = len(self.units) if tuned else max(self.softmax_levels) if level is None else level
        name = "fine_tuned.softmax" if tuned else f"softmax.{deep}"
        if f"{name}.weight" not in self._weights:
            raise ValueError(f"Level {deep} has no classifier. Choose one of the levels {self.softmax_levels}.")

        def classify(x: Array) -> Array:
            logits = self._encode(x, deep, tuned) @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            return np.asarray(odds / odds.sum(axis=1, keepdims=True))

        return _in_chunks(classify, self.prepare(rows))

    def predict(self, rows: Any, level: int | None = None) -> list[Any]:
        """The most probable class of each row."""
        return [self.classes[best] for best in self.predict_proba(rows, level).argmax(axis=1)]

    def prepare(self, rows: Any) -> Array:
        """Rows in the user's units -> (n, inputs) float32, level 0."""
        if not self.is_table:
            return self._prepare_array(rows)
        columns = _as_columns(rows)
        parts: list[Array] = []
        for column in self._preparation["columns"]:
            if column["name"] not in columns:
                raise ValueError(f"The column {column['name']!r} is missing.")
            cells = list(columns[column["name"]])
            parts += _one_hot(column, cells) if column["kind"] == "category" else _scaled(column, cells, self._clip)
        return np.stack(parts, axis=1) if parts[0].size else np.zeros((0, len(parts)), dtype=np.float32)

    def unprepare(self, x: Array) -> Columns | Array:
        """(n, inputs) -> the user's units: the inverse of `prepare`."""
        if not self.is_table:
            return self._unprepare_array(x)
        result: Columns = {}
        at = 0
        for column in self._preparation["columns"]:
            flag = int(column["has_indicator"])
            if column["kind"] == "category":
                names: list[Any] = [*column["values"], *[_other(column)] * column["has_other"], *[None] * flag]
                result[column["name"]] = [names[best] for best in x[:, at : at + len(names)].argmax(axis=1)]
                at += len(names)
                continue
            missing = x[:, at + 1] > 0.5 if flag else np.zeros(len(x), dtype=bool)
            values = [_unscaled(column, float(value)) for value in x[:, at]]
            result[column["name"]] = [None if gone else value for gone, value in zip(missing, values)]  # noqa: B905
            at += 1 + flag
        return result

    def _prepare_array(self, rows: Any) -> Array:
        if isinstance(rows, Mapping):
            rows = np.array([[float(cell) for cell in rows[name]] for name in self.columns]).T
        x = np.asarray(rows, dtype=np.float32)
        x = x.reshape(len(x), math.prod(x.shape[1:]))
        if x.shape[1] != len(self.columns):
            raise ValueError(f"Rows of {len(self.columns)} numbers are needed, these have {x.shape[1]}.")
        array = self._preparation["array"]
        if array["fill"] is not None:
            x = np.where(np.isfinite(x), x, np.array(array["fill"], dtype=np.float32))
        if array["center"] is None:
            return x
        scaled = (x.astype(np.float64) - np.array(array["center"])) / np.array(array["scale"])
        return np.asarray(np.clip(scaled, *self._clip), dtype=np.float32)

    def _unprepare_array(self, x: Array) -> Array:
        array = self._preparation["array"]
        if array["center"] is not None:
            x = (x.astype(np.float64) * np.array(array["scale"]) + np.array(array["center"])).astype(np.float32)
        return np.asarray(np.clip(x, 0, 1)) if self.is_pictures else x

    def _level(self, level: int | None) -> int:
        level = len(self.units) if level is None else level
        if not 0 <= level <= len(self.units):
            raise ValueError(f"This model has levels 0 to {len(self.units)}, not {level}.")
        return level

    def _setting(self, level: int, name: str) -> Any:
        own = self._config["layers"][level - 1][name]
        return self._config[name] if own is None else own

    def _encode(self, x: Array, level: int, fine_tuned: bool) -> Array:
        for step in range(1, level + 1):
            part = f"{'fine_tuned' if fine_tuned else 'network'}.levels.{step - 1}.encoder."
            layer, weight = self._config["layers"][step - 1], self._weights[part + "weight"]
            a = _convolved(x, weight, layer) if layer["kind"] == "convolution" else x @ weight.T
            a = a + self._weights[part + "bias"]  # of each unit; or of each channel, (n, height, width, channels)
            norm = self._setting(step, "normalisation")
            if norm != "none":
                a = _normalised(a, norm, {name: self._weights.get(f"{part}normalisation.{name}") for name in _NORM})
            a = a.reshape(len(a), self.units[step - 1])
            x = np.asarray(ACTIVATIONS[self._setting(step, "activation")](a), dtype=np.float32)
        return x

    def _decode(self, h: Array, level: int) -> Array:
        for step in range(level, 0, -1):
            part = f"network.levels.{step - 1}."
            layer, tied = self._config["layers"][step - 1], self._setting(step, "tied")
            weight = self._weights[part + ("encoder.weight" if tied else "decoder.own_weight")]
            a = _spread(h, weight, layer) if layer["kind"] == "convolution" else h @ (weight if tied else weight.T)
            a = a + self._weights[part + "decoder.bias"]
            a = a.reshape(len(h), math.prod(a.shape[1:]))
            h = np.asarray(ACTIVATIONS[self._decoder_activation(step)](a), dtype=np.float32)
        return h

    def _decoder_activation(self, level: int) -> str:
        chosen: str = self._setting(level, "decoder_activation")
        if chosen != "auto":
            return chosen
        return "sigmoid" if self._setting(level, "loss") == "binary_cross_entropy" else "linear"


_NORM = ("weight", "bias", "running_mean", "running_var")


def _normalised(a: Array, kind: str, p: dict[str, Any]) -> Array:
    if kind == "batch":
        mean, variance = p["running_mean"], p["running_var"]
    else:
        mean, variance = a.mean(axis=-1, keepdims=True), a.var(axis=-1, keepdims=True)
    return np.asarray((a - mean) / np.sqrt(variance + np.float32(1e-5)) * p["weight"] + p["bias"])


def _places(layer: dict[str, Any]) -> tuple[int, int]:
    """Rows and columns of a convolution's result, before pooling."""
    height, width, _ = layer["input_shape"]
    return -(-height // layer["stride"]), -(-width // layer["stride"])


def _steps(layer: dict[str, Any]) -> Any:
    """Each row and column of the kernel, with the pixels that it meets."""
    (height, width), stride = _places(layer), layer["stride"]
    for i in range(layer["kernel"]):
        for j in range(layer["kernel"]):
            rows = slice(i, i + (height - 1) * stride + 1, stride)
            yield i, j, (slice(None), rows, slice(j, j + (width - 1) * stride + 1, stride))


def _convolved(x: Array, weight: Array, layer: dict[str, Any]) -> Any:
    """(n, pixels) -> (n, height, width, channels), the largest value of each square."""
    edge, (height, width), square = layer["kernel"] // 2, _places(layer), layer["pooling"]
    pictures = np.pad(x.reshape(-1, *layer["input_shape"]), ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    a = np.zeros((len(x), height, width, len(weight)), dtype=np.float32)
    for i, j, pixels in _steps(layer):
        a += pictures[pixels] @ weight[:, :, i, j].T
    gaps = ((0, 0), (0, -height % square), (0, -width % square), (0, 0))
    a = np.pad(a, gaps, constant_values=-np.inf)
    tiles = a.reshape(len(a), a.shape[1] // square, square, a.shape[2] // square, square, len(weight))
    return tiles.max(axis=(2, 4))


def _spread(h: Array, weight: Array, layer: dict[str, Any]) -> Any:
    """(n, units) -> (n, height, width, channels below): the transposed convolution."""
    edge, (rows, columns), square = layer["kernel"] // 2, _places(layer), layer["pooling"]
    height, width, channels = layer["input_shape"]
    codes = h.reshape(len(h), -(-rows // square), -(-columns // square), len(weight))
    codes = codes.repeat(square, axis=1).repeat(square, axis=2)[:, :rows, :columns]
    pictures = np.zeros((len(h), height + 2 * edge, width + 2 * edge, channels), dtype=np.float32)
    for i, j, pixels in _steps(layer):
        pictures[pixels] += codes @ weight[:, :, i, j]
    return pictures[:, edge : edge + height, edge : edge + width]


def _in_chunks(function: Callable[[Array], Array], x: Array) -> Array:
    return np.concatenate([function(x[at : at + ROWS_AT_ONCE]) for at in range(0, max(1, len(x)), ROWS_AT_ONCE)])


def _as_columns(rows: Any) -> Any:
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        return {name: [row.get(name) for row in rows] for name in {name: None for row in rows for name in row}}
    return rows


def _is_missing(cell: Any) -> bool:
    return cell is None or str(cell).strip().lower() in MISSING


def _number(column: dict[str, Any], cell: Any) -> float:
    """A cell as a number (dates: days since 1970-01-01 UTC); NaN where it is missing."""
    kind, text = column["kind"], str(cell).strip()
    if _is_missing(cell):
        return math.nan
    try:
        if kind == "date":
            if isinstance(cell, np.datetime64):
                return float(cell.astype("datetime64[us]").astype(np.int64) / 86_400_000_000)
            date = cell if isinstance(cell, datetime) else datetime.fromisoformat(text.replace("Z", "+00:00"))
            date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)  # noqa: UP017
            return (date - EPOCH) / timedelta(days=1)
        if kind == "boolean":
            if text.lower() not in TRUE | FALSE:
                raise ValueError
            return float(text.lower() in TRUE)
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"Column {column['name']!r}: {text[:60]!r} is not a {kind} value.") from None
    return number if abs(number) <= LARGEST_NUMBER else math.nan


def _scaled(column: dict[str, Any], cells: list[Any], clip: tuple[float, float]) -> list[Array]:
    numbers = np.array([_number(column, cell) for cell in cells], dtype=np.float64)
    missing = np.isnan(numbers)
    numbers = np.where(missing, column["fill"], numbers)
    if column["kind"] != "boolean":
        numbers = np.clip((numbers - column["center"]) / column["scale"], *clip)
    return [numbers.astype(np.float32), *[missing.astype(np.float32)] * column["has_indicator"]]


def _unscaled(column: dict[str, Any], value: float) -> Any:
    if column["kind"] == "boolean":
        return value > 0.5
    number = value * column["scale"] + column["center"]
    if column["kind"] != "date":
        return number
    try:
        return (EPOCH + timedelta(days=float(np.round(number)) if column["whole_days"] else number)).replace(
            tzinfo=None
        )
    except OverflowError:
        return None


def _one_hot(column: dict[str, Any], cells: list[Any]) -> list[Array]:
    values = column["values"]
    places = {value: place for place, value in enumerate(values)}
    other = len(values) if column["has_other"] else -1
    gone = len(values) + column["has_other"] if column["has_indicator"] else -1
    codes = np.array(
        [places.get(_word(cell), gone if _is_gone(cell, places) else other) for cell in cells], dtype=np.int64
    )
    width = len(values) + column["has_other"] + column["has_indicator"]
    return [(codes == place).astype(np.float32) for place in range(width)]


def _is_gone(cell: Any, places: dict[str, int]) -> bool:
    return _is_missing(cell) and _word(cell) not in places


def _word(cell: Any) -> str:
    if isinstance(cell, float) and math.isfinite(cell) and cell == int(cell):
        return str(int(cell))
    return str(cell)


def _other(column: dict[str, Any]) -> str:
    return "other" if "other" not in column["values"] else "(other values)"


def read_rows(path: str | Path) -> Any:
    """Rows of a .csv file as a dictionary of columns, or of a .npy file as an array."""
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False)
    csv.field_size_limit(2**24)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        header = stream.readline()
        stream.seek(0)
        separator = max(",;\t", key=header.count)
        names, *rows = [row for row in csv.reader(stream, delimiter=separator) if row]
    return {name.strip(): [row[at].strip() if at < len(row) else "" for row in rows] for at, name in enumerate(names)}


def write_rows(path: str | Path, columns: Columns) -> None:
    """Columns as a .csv file; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([_safe(name) for name in columns])
        writer.writerows([_safe(cell) for cell in row] for row in zip(*columns.values()))  # noqa: B905


def _safe(cell: Any) -> Any:
    if isinstance(cell, datetime):
        return cell.isoformat()
    return f"'{cell}" if isinstance(cell, str) and re.match(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])", cell) else cell  # noqa: RUF001


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Codes, reconstructions or classes of the rows of a file.")
    parser.add_argument("rows", help=".csv with a header line, or .npy")
    parser.add_argument("-o", "--output", help=".csv file to write (default: beside the rows)")
    parser.add_argument("--what", choices=("code", "reconstruction", "classes"), default="code")
    parser.add_argument("--level", type=int, help="level of the code; default: the deepest")
    parser.add_argument("--fine-tuned", action="store_true", help="code of the stack after supervised fine-tuning")
    options = parser.parse_args(arguments)
    try:
        model = Model.load(Path(__file__).resolve().parent)
        rows = read_rows(options.rows)
        target = options.output or Path(options.rows).with_name(f"{Path(options.rows).stem}-{options.what}.csv")
        columns = _results(model, rows, options)
        write_rows(target, columns)
    except (OSError, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(next(iter(columns.values()))):,} rows -> {target}")
    return 0


def _results(model: Model, rows: Any, options: argparse.Namespace) -> Columns:
    if options.what == "code":
        codes = model.encode(rows, options.level, fine_tuned=options.fine_tuned)
        return {f"code_{unit + 1}": [*map(float, codes[:, unit])] for unit in range(codes.shape[1])}
    if options.what == "reconstruction":
        back = model.reconstruct(rows, options.level)
        return back if isinstance(back, dict) else {name: back[:, i].tolist() for i, name in enumerate(model.columns)}
    chances = model.predict_proba(rows, options.level)
    found: Columns = {"class": [model.classes[best] for best in chances.argmax(axis=1)]}
    return {**found, **{f"probability of {name}": chances[:, i].tolist() for i, name in enumerate(model.classes)}}


if __name__ == "__main__":
    sys.exit(main())
