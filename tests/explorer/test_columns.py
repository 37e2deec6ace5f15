from __future__ import annotations

import numpy as np
import pandas as pd

from explorer.columns import BINS, describe_columns
from sae_core.data.dataset import Column, Dataset


def test_each_kind_is_described() -> None:
    table = pd.DataFrame(
        {
            "size": [1.0, 2.0, np.nan, np.inf],
            "colour": ["red", "red", None, "blue"],
            "day": pd.to_datetime(["2020-01-01", None, "2021-06-30", "2020-01-01"]),
            "member": pd.array([True, False, None, True], dtype="boolean"),
            "void": [np.nan] * 4,
        }
    )
    kinds = ("numeric", "category", "date", "boolean", "numeric")
    columns = tuple(Column(name, kind) for name, kind in zip(table.columns, kinds, strict=True))  # type: ignore[arg-type]
    told = describe_columns(Dataset(name="t", kind="table", features=table, columns=columns)).set_index("Column")
    assert told["Missing"].tolist() == [1, 1, 1, 1, 4]
    assert told.loc["size", "Range or values"] == "1 to 2"
    assert told.loc["colour", "Range or values"] == "red, blue"
    assert told.loc["day", "Range or values"] == "2020-01-01 to 2021-06-30"
    assert told.loc["void", "Histogram"] == [0] * BINS
    assert sum(told.loc["size", "Histogram"]) == 2
