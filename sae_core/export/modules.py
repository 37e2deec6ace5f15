"""A whole model as one torch module: raw rows in, codes of every level, reconstruction and probabilities out.

torch knows numbers only. A table is one matrix, a column for each of the user's, float64:

    numeric     the number; NaN, infinite and beyond ±1e300: missing
    date        days since 1970-01-01 UTC (fractions are the time of day); NaN: missing
    boolean     1 or 0; NaN: missing
    category    position in the list of its values, which the program's metadata holds; one further for any other value
                (where training had such), NaN: missing

Pictures and arrays are (rows, features) float32; pixels 0..1 in the order height, width, channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sae_core.data import prepared_columns as cells
from sae_core.data.dataset import Dataset, Features
from sae_core.data.preparation import Preparation
from sae_core.data.prepared_arrays import as_rows
from sae_core.data.prepared_columns import BooleanColumn, CategoryColumn, DateColumn, TableColumn
from sae_core.export.columns import features, missing_text
from sae_core.limits import LARGEST_NUMBER
from sae_core.model.trained import TrainedStack


class Program(nn.Module):
    """The model from raw rows; the result is a dictionary of tensors.

    `code_1` .. `code_L` (rows, units) float32; `reconstruction` from the deepest level, in the form and units of the
    input (of a category the position of its most probable value); `probabilities` (rows, classes) float32 of the
    fine-tuned stack, or of the deepest softmax, where the model has a classifier.
    """

    def __init__(self, model: TrainedStack) -> None:
        super().__init__()
        preparation = model.preparation
        levels = [model.network.autoencoder(level) for level in range(1, model.n_levels + 1)]
        self.enter = ArrayInput(preparation) if preparation.array is not None else TableInput(preparation)
        self.leave = ArrayOutput(preparation) if preparation.array is not None else TableOutput(preparation)
        self.encoders = nn.ModuleList(level.encoder for level in levels)
        self.decoders = nn.ModuleList(level.decoder for level in levels)
        self.classifier: nn.Sequential | None = None
        if model.is_classifier:
            network, head, depth = model.classifier()
            self.classifier = nn.Sequential(*(network.autoencoder(k).encoder for k in range(1, depth + 1)), head)
        self.eval()

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """(rows, columns) -> codes, reconstruction, probabilities."""
        x = h = self.enter(rows)
        results = {}
        for level, encoder in enumerate(self.encoders, start=1):
            h = encoder(h)
            results[f"code_{level}"] = h
        for decoder in reversed(self.decoders):
            h = decoder(h)
        results["reconstruction"] = self.leave(h)
        if self.classifier is not None:
            results["probabilities"] = torch.softmax(self.classifier(x), dim=1)
        return results


class TableInput(nn.Module):
    """(rows, columns) float64 -> (rows, prepared inputs) float32."""

    fill: Tensor
    center: Tensor
    scale: Tensor
    order: Tensor

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.clip = preparation.clip
        self.numbers = [at for at, column in enumerate(preparation.columns) if not isinstance(column, CategoryColumn)]
        scaled = [preparation.columns[at] for at in self.numbers]
        self.register_buffer("fill", _column_values(scaled, "fill", 0.0))
        self.register_buffer("center", _column_values(scaled, "center", 0.0))
        self.register_buffer("scale", _column_values(scaled, "scale", 1.0))
        self.indicated = [at for at, column in enumerate(scaled) if column.has_indicator]
        self.categories = [
            (at, len(column.feature_names), _missing_place(column))
            for at, column in enumerate(preparation.columns)
            if isinstance(column, CategoryColumn)
        ]
        begins = np.concatenate([[0], np.cumsum([len(column.feature_names) for column in preparation.columns])])
        places = [begins[self.numbers], begins[self.numbers][self.indicated] + 1]
        places += [np.arange(begins[at], begins[at + 1]) for at, _, _ in self.categories]
        order = np.argsort(np.concatenate(places).astype(np.int64))
        self.register_buffer("order", torch.from_numpy(order))

    def forward(self, rows: Tensor) -> Tensor:
        """Scale numbers, mark missing ones, one-hot categories, in the order of the prepared inputs."""
        raw = rows[:, self.numbers]
        known = raw.abs() <= LARGEST_NUMBER  # NaN: False
        scaled = (torch.where(known, raw, self.fill) - self.center) / self.scale
        parts = [scaled.clamp(*self.clip).float(), (~known).float()[:, self.indicated]]
        for at, width, missing in self.categories:
            place = torch.where(rows[:, at].isnan(), float(missing), rows[:, at])
            parts.append((place[:, None] == torch.arange(width, device=rows.device)).float())
        return torch.cat(parts, dim=1)[:, self.order]


class TableOutput(nn.Module):
    """(rows, prepared inputs) float32 -> (rows, columns) float64."""

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.columns = preparation.columns

    def forward(self, x: Tensor) -> Tensor:
        """The inverse of `TableInput`, as `Preparation.inverse_transform` does it."""
        found, at = [], 0
        for column in self.columns:
            width = len(column.feature_names)
            found.append(_given_back(column, x[:, at : at + width]))
            at += width
        return torch.stack(found, dim=1)


class ArrayInput(nn.Module):
    """(rows, features) float32 -> the same, filled and scaled."""

    fill: Tensor | None
    center: Tensor | None
    scale: Tensor | None

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        array = preparation.array
        assert array is not None
        self.clip = preparation.clip
        for name, values, dtype in (
            ("fill", array.fill, torch.float32),
            ("center", array.center, torch.float64),
            ("scale", array.scale, torch.float64),
        ):
            self.register_buffer(name, None if values is None else torch.tensor(values, dtype=dtype))

    def forward(self, rows: Tensor) -> Tensor:
        """Fill and scale what training filled and scaled."""
        if self.fill is not None:
            rows = torch.where(rows.isfinite(), rows, self.fill)
        if self.center is None or self.scale is None:
            return rows
        return ((rows.double() - self.center) / self.scale).clamp(*self.clip).float()


class ArrayOutput(nn.Module):
    """(rows, features) float32 in the prepared scale -> the user's units."""

    center: Tensor | None
    scale: Tensor | None

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        array = preparation.array
        assert array is not None
        self.pictures = preparation.kind == "images"
        for name, values in (("center", array.center), ("scale", array.scale)):
            self.register_buffer(name, None if values is None else torch.tensor(values, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Unscale; pixels stay within 0..1."""
        if self.center is not None and self.scale is not None:
            x = (x.double() * self.scale + self.center).float()
        return x.clamp(0, 1) if self.pictures else x


def program_rows(preparation: Preparation, raw: Any) -> NDArray[np.floating]:
    """Raw rows as the program takes them: (n, columns) float64, or (n, features) float32 for pictures and arrays."""
    raw = raw.features if isinstance(raw, Dataset) else raw
    if preparation.array is not None:
        return as_rows(raw, preparation.n_inputs, preparation.image_shape)
    columns = []
    for column in preparation.columns:
        values = raw[column.name]
        match column:
            case CategoryColumn():
                places = {value: place for place, value in enumerate(column.values)}
                other = len(column.values) if column.has_other else -1
                words = cells.words(values)
                found = [np.nan if word is None or word != word else places.get(word, other) for word in words]
                columns.append(np.array(found, dtype=np.float64))
            case BooleanColumn():
                columns.append(cells.truths(values, column.name))
            case DateColumn():
                columns.append(cells.days(values, column.name))
            case _:
                columns.append(cells.numbers(values, column.name))
    return np.stack(columns, axis=1) if columns else np.empty((len(raw), 0))


def program_features(preparation: Preparation, rows: NDArray[Any]) -> Features:
    """The program's `reconstruction` in the form of `Dataset.features`: the inverse of `program_rows`."""
    if preparation.array is not None:
        return rows
    outputs: list[NDArray[Any]] = []
    for at, column in enumerate(preparation.columns):
        own = rows[:, at]
        if isinstance(column, CategoryColumn):
            table = [*column.values, *([column.other] if column.has_other else [])]
            own = np.array([missing_text(column) if np.isnan(cell) else table[int(cell)] for cell in own], dtype=object)
        outputs.append(own[:, None])
    return features(preparation, outputs)


def columns_told(preparation: Preparation) -> list[dict[str, Any]]:
    """What each column of the program's input is, as JSON values."""
    told: list[dict[str, Any]] = []
    for column in preparation.columns:
        entry: dict[str, Any] = {"column": column.name, "kind": column.kind, "missing": "NaN"}
        if isinstance(column, CategoryColumn):
            entry |= {"values": list(column.values), "other": len(column.values) if column.has_other else None}
        told.append(entry)
    return told


def _given_back(column: TableColumn, x: Tensor) -> Tensor:
    """(rows, inputs of one column) -> (rows,) float64 in the user's units; NaN where it is missing."""
    nothing = torch.full((), torch.nan, dtype=torch.float64)
    if isinstance(column, CategoryColumn):
        best = x.argmax(dim=1).double()
        return torch.where(best == _missing_place(column), nothing, best) if column.has_indicator else best
    if isinstance(column, BooleanColumn):
        value = (x[:, 0] > 0.5).double()
    else:
        value = x[:, 0].double() * column.scale + column.center
        if isinstance(column, DateColumn) and column.whole_days:
            value = value.round()
    return torch.where(x[:, 1] > 0.5, nothing, value) if column.has_indicator else value


def _missing_place(column: CategoryColumn) -> int:
    """Which of its inputs is 1 where a category is missing; -1: none."""
    return len(column.values) + column.has_other if column.has_indicator else -1


def _column_values(columns: Sequence[TableColumn], name: str, default: float) -> Tensor:
    return torch.tensor([float(getattr(column, name, default)) for column in columns], dtype=torch.float64)
