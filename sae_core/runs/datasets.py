"""Data sets on disk: features, labels and roles as plain numpy, Parquet and JSON."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from sae_core.data.dataset import Column, Dataset, SplitOptions
from sae_core.errors import ModelFileError
from sae_core.files import Content, dump_json, parse_json, verified_paths, write_folder

DATASET_KIND = "data set"
DATASET_VERSION = 1


def write_dataset(data: Dataset, folder: Path) -> None:
    """Write a data set as a folder with a manifest.

    Raises:
        StorageError: it could not be written.
    """
    files: dict[str, Content] = {"dataset.json": dump_json(_description(data))}
    if isinstance(data.features, pd.DataFrame):
        files["features.parquet"] = _parquet(data.features)
    elif (pixels := _as_bytes(data)) is not None:
        files["pixels.npy"] = _npy(pixels)
    else:
        files["features.npy"] = _npy(data.features)
    if data.labels is not None and data.labels.dtype != object:
        files["labels.npy"] = _npy(data.labels)
    elif data.labels is not None:
        files["labels.parquet"] = _parquet(pd.DataFrame({"label": pd.array(data.labels, dtype="object")}))
    if data.identifiers is not None and len(data.identifiers.columns):
        files["identifiers.parquet"] = _parquet(data.identifiers)
    if data.official_test is not None:
        files["official_test.npy"] = _npy(data.official_test)
    write_folder(folder, files, kind=DATASET_KIND, version=DATASET_VERSION)


def read_dataset(folder: Path) -> Dataset:
    """Read a data set that `write_dataset` wrote, each file compared with the manifest.

    Raises:
        ModelFileError: a file is missing, damaged or altered. VersionError: written by a newer version.
    """
    paths = verified_paths(folder, kind=DATASET_KIND, version=DATASET_VERSION)
    try:
        description = parse_json(paths["dataset.json"].read_bytes(), "dataset.json")
        features = _features(paths)
        labels = None
        if "labels.npy" in paths:
            labels = _read_npy(paths["labels.npy"])
        elif "labels.parquet" in paths:
            column = _read_parquet(paths["labels.parquet"])["label"]
            labels = np.array([None if pd.isna(value) else str(value) for value in column], dtype=object)
        return Dataset(
            name=description["name"],
            kind=description["kind"],
            features=features,
            labels=labels,
            image_shape=tuple(description["image_shape"]) if description["image_shape"] else None,
            columns=tuple(Column(**column) for column in description["columns"]),
            identifiers=_read_parquet(paths["identifiers.parquet"]) if "identifiers.parquet" in paths else None,
            official_test=_read_npy(paths["official_test.npy"]) if "official_test.npy" in paths else None,
            split_options=SplitOptions(**description["split_options"]),
            label_name=description["label_name"],
            notes=tuple(description["notes"]),
            source=description["source"],
        )
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"The stored data set does not have the form of this version ({error}). Upload it again."
        ) from None


def describe_stored(folder: Path) -> dict[str, Any]:
    """The description of a stored data set, without reading its rows.

    Raises:
        ModelFileError: it is not there or not readable.
    """
    try:
        description = parse_json((folder / "dataset.json").read_bytes(), "dataset.json")
    except OSError:
        raise ModelFileError(f"{folder.name} is not a complete data set. Upload it again.") from None
    if not isinstance(description, dict):
        raise ModelFileError(f"{folder.name} is not a data set. Upload it again.")
    return description


def _description(data: Dataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "kind": data.kind,
        "rows": len(data),
        "n_features": data.n_features,
        "n_classes": len(data.classes),
        "fingerprint": data.fingerprint,
        "image_shape": data.image_shape,
        "columns": [dataclasses.asdict(column) for column in data.columns],
        "split_options": dataclasses.asdict(data.split_options),
        "label_name": data.label_name,
        "notes": list(data.notes),
        "source": data.source,
    }


def _as_bytes(data: Dataset) -> np.ndarray[Any, Any] | None:
    """Pictures of 8 bits as uint8, a quarter of the size; None where that would change a value."""
    if data.image_shape is None or not isinstance(data.features, np.ndarray):
        return None
    pixels = np.rint(data.features * np.float32(255)).astype(np.uint8)
    return pixels if np.array_equal(_from_bytes(pixels), data.features) else None


def _from_bytes(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return pixels.astype(np.float32) / np.float32(255)


def _features(paths: dict[str, Path]) -> pd.DataFrame | np.ndarray[Any, np.dtype[np.float32]]:
    if "features.parquet" in paths:
        return _read_parquet(paths["features.parquet"])
    if "pixels.npy" in paths:
        return _from_bytes(_read_npy(paths["pixels.npy"]))
    features: np.ndarray[Any, np.dtype[np.float32]] = _read_npy(paths["features.npy"])
    return features


def _npy(array: np.ndarray[Any, Any]) -> Callable[[BinaryIO], object]:
    return lambda file: np.save(file, array, allow_pickle=False)


def _parquet(frame: pd.DataFrame) -> Callable[[BinaryIO], object]:
    return lambda file: frame.to_parquet(file, engine="pyarrow", index=False)


def _read_npy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ModelFileError(f"{path.name} is damaged ({error}). Upload the data set again.") from None


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(io.BytesIO(path.read_bytes()), engine="pyarrow")
    except pyarrow.ArrowException as error:
        raise ModelFileError(f"{path.name} is damaged ({error}). Upload the data set again.") from None
