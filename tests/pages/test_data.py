"""The Data page."""

from __future__ import annotations

from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, seen


def test_heading(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("data", data=table)
    assert app.title[0].value == "Data"
    assert "flowers\\.csv" in seen(app)
