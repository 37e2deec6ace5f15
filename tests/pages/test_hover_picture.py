"""The picture of a row that is pointed at on a map."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from explorer.widgets.hover_picture import picture_of
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage


def test_a_row_that_is_asked_for_comes_with_its_picture_and_label(pictures: Dataset) -> None:
    found = picture_of(pictures, 31)
    assert found["row"] == 31
    assert str(found["source"]).startswith("data:image/png;base64,")
    assert found["text"] == str(pictures.y[31])
    assert found["source"] != picture_of(pictures, 0)["source"]


@pytest.mark.parametrize("asked", [None, -1, 90, 1e9, float("nan"), "3", [3], {"row": 3}])
def test_what_is_no_row_gets_nothing(pictures: Dataset, asked: object) -> None:
    assert picture_of(pictures, asked) == {}


def test_maps_of_pictures_can_be_pointed_at(
    open_page: OpenPage, pictures: Dataset, table: Dataset, trained: Callable[..., str]
) -> None:
    def listening(app: AppTest) -> list[str]:
        said = [json.loads(part.proto.json) for part in app.get("bidi_component") if part.proto.json]
        return [each["charts"] for each in said if "charts" in each]

    assert listening(open_page("codes", data=pictures, run_id=trained(pictures))) == ["map-"]
    assert listening(open_page("codes", data=table, run_id=trained(table))) == []
