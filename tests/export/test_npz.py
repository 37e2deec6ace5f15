"""Codes as .npz: plain arrays that numpy reads without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError
from sae_core.export import npz
from sae_core.export.npz import export_npz
from tests.export.conftest import mixed_table, random_model


@pytest.mark.parametrize("level", [0, 1, 2])
def test_codes_and_labels_come_back(data: Dataset, level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "CHUNK_ROWS", 50)  # several pieces
    model = random_model(data)
    made = export_npz(model, data, tmp_path / "codes.npz", level=level)
    assert (made.checked_rows, made.largest_difference) == (len(data), 0.0)
    with np.load(made.path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["code"], model.encode(data, level))
        np.testing.assert_array_equal(arrays["row"], np.arange(len(data)))
        assert arrays["split"].tolist() == data.split.part_of_each_row().tolist()
        if not data.has_labels:
            assert "label" not in arrays
            return
        labels = arrays["classes"][arrays["label"]]
        assert data.labels is not None
        known = arrays["label"] >= 0
        assert labels[known].tolist() == data.labels[known].tolist()
        assert all(label is None for label in data.labels[~known])


def test_the_same_codes_give_the_same_bytes(table: Dataset, tmp_path: Path) -> None:
    first, second = (
        export_npz(random_model(table), mixed_table(), tmp_path / f"{n}.npz").path.read_bytes() for n in (1, 2)
    )
    assert first == second


def test_a_file_that_differs_is_not_handed_out(table: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(table)
    write = npz._write
    monkeypatch.setattr(npz, "_write", lambda a, n, s, d, pieces: write(a, n, s, d, lambda: (p * 2 for p in pieces())) if n == "code" else write(a, n, s, d, pieces))  # fmt: skip  # noqa: E501
    with pytest.raises(ExportError, match="other values"):
        export_npz(model, table, tmp_path / "codes.npz")
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused(table: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"Choose \.npz"):
        export_npz(random_model(table), table, tmp_path / "codes.csv")
