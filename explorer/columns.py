"""What is in the columns of a table: kind, missing, distinct, range, and a small histogram of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from explorer.cache import Cache
from explorer.charts.style import number, shorten
from sae_core.data.dataset import Column, Dataset

BINS = 16
MAX_ROWS = 50_000  # looked at for histogram and distinct values of long tables; missing values are counted in all

_kept: Cache[pd.DataFrame] = Cache(8)


def describe_columns(data: Dataset) -> pd.DataFrame:
    """One row a feature column: name, kind, missing, distinct, range, histogram (BINS counts)."""
    features = data.features
    assert isinstance(features, pd.DataFrame)
    return pd.DataFrame([_described(column, features[column.name]) for column in data.columns])


def missing_values(data: Dataset) -> int:
    """Empty cells of all feature columns."""
    return int(described(data)["Missing"].sum())


def described(data: Dataset) -> pd.DataFrame:
    """`describe_columns`, kept."""
    return _kept.get(data.fingerprint, lambda: describe_columns(data))


def _described(column: Column, values: pd.Series) -> dict[str, Any]:
    present = values.dropna().iloc[:MAX_ROWS]
    extent, counts = "", [0] * BINS
    if len(present) and column.kind == "numeric":
        numbers = pd.to_numeric(present, errors="coerce").to_numpy(dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers):
            extent = f"{number(numbers.min())} to {number(numbers.max())}"
            counts = np.histogram(numbers, bins=BINS)[0].tolist()
    elif len(present) and column.kind == "date":
        extent = f"{present.min():%Y-%m-%d} to {present.max():%Y-%m-%d}"
        counts = np.histogram(present.astype("int64").to_numpy(), bins=BINS)[0].tolist()
    elif len(present):
        frequent = present.astype(str).value_counts()
        extent = shorten(", ".join(frequent.index[:4]), 48)
        counts = frequent.iloc[:BINS].tolist()
    return {
        "Column": column.name,
        "Kind": column.kind,
        "Missing": int(values.isna().sum()),
        "Distinct": int(present.nunique()),
        "Histogram": counts,
        "Range or values": extent,
    }
