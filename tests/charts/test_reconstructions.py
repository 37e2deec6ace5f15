"""Pictures in their places, values beside their originals."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from explorer.charts.reconstructions import (
    difference_map,
    picture_grid,
    picture_wall,
    show_value,
    signed_number,
    value_table,
)

NASTY = "<b>x</b>%{x}"


def sheet_of(figure: object) -> np.ndarray:
    source = figure.layout.images[0].source  # type: ignore[attr-defined]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_every_picture_is_in_its_place() -> None:
    first, second = np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32)
    figure = picture_grid(
        [first, second],
        (2, 2, 1),
        row_titles=["original", "Level 1"],
        column_titles=["a", "b", "c"],
        hover=[["o1", "o2", "o3"], ["r1", "r2", "r3"]],
        rows=[7, 8, 9],
    )
    sheet = sheet_of(figure)
    height = sheet.shape[0]
    assert (sheet[: height // 3, :, :3][sheet[: height // 3, :, 3] > 0] == 0).all()
    assert (sheet[-height // 3 :, :, :3][sheet[-height // 3 :, :, 3] > 0] == 255).all()
    marks = figure.data[0]
    assert [tuple(entry) for entry in marks.customdata] == [
        (7, "o1"), (8, "o2"), (9, "o3"), (7, "r1"), (8, "r2"), (9, "r3"),
    ]  # fmt: skip
    assert list(figure.layout.xaxis.ticktext) == ["a", "b", "c"]
    # a mark stands in the middle of its picture
    assert marks.x[0] == pytest.approx(figure.layout.xaxis.tickvals[0])
    assert marks.y[3] == pytest.approx(figure.layout.yaxis.tickvals[1])


def test_titles_are_shown_literally() -> None:
    pixels = np.zeros((1, 4), np.float32)
    figure = picture_grid([pixels], (2, 2, 1), row_titles=[NASTY], column_titles=[NASTY], hover=[["x"]], rows=[0])
    assert "<b>" not in "".join([*figure.layout.xaxis.ticktext, *figure.layout.yaxis.ticktext])


def test_a_wall_wraps() -> None:
    figure = picture_wall(
        np.zeros((7, 4), np.float32), (2, 2, 1), hover=list("abcdefg"), rows=list(range(7)), columns=3
    )
    assert len(figure.data[0].x) == 7
    assert len(set(figure.data[0].y)) == 3
    assert figure.data[0].x[3] == figure.data[0].x[0]


def test_colour_pictures_keep_their_colour() -> None:
    red = np.tile(np.array([1, 0, 0], np.float32), 4)[None]
    sheet = sheet_of(picture_wall(red, (2, 2, 3), hover=["x"], rows=[0], columns=1))
    assert (sheet[..., :3] == [255, 0, 0]).all()


ORIGINAL = pd.DataFrame({"age": [10.0, 20.0], "colour": pd.Series(["red", "blue"], dtype="str")})
BACK = pd.DataFrame({"age": [12.0, np.nan], "colour": pd.Series(["red", "red"], dtype="str")})
ORIGINAL.index = BACK.index = pd.Index([4, 9])


def test_differences_by_column_and_row() -> None:
    figure = difference_map(ORIGINAL, BACK, [4.0, 0.0], rows=[4, 9], title="x")
    heat = figure.data[0]
    np.testing.assert_allclose(heat.z, [[0.5, 0.0], [0.0, 2.0]])
    assert list(heat.customdata[0][0]) == ["4", "age", "10", "12", "difference +2"]
    assert list(heat.customdata[1][1]) == ["9", "colour", "blue", "red", "changed"]


def test_cells_of_the_users_are_shown_literally() -> None:
    frame = pd.DataFrame({NASTY: pd.Series([NASTY], dtype="str")})
    figure = difference_map(frame, frame, [0.0], rows=[0], title=NASTY)
    heat = figure.data[0]
    assert "<b>" not in "".join(str(value) for value in heat.customdata.ravel())
    assert "%{x}" not in heat.hovertemplate
    assert "<b>" not in figure.layout.title.text


def test_values_of_one_row_below_each_other() -> None:
    table = value_table(ORIGINAL, [("Level 1", BACK), ("Level 2", ORIGINAL)], 0)
    assert table["Column"].tolist() == ["age", "colour"]
    assert table["Original"].tolist() == ["10", "red"]
    assert table["Level 1"].tolist() == ["12", "red"]
    assert table["Difference at level 2"].tolist() == ["0", "the same"]
    assert value_table(ORIGINAL, [("Level 1", BACK)], 1)["Difference at level 1"].tolist() == ["–", "changed"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (pd.NaT, "–"),
        (pd.NA, "–"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (pd.Timestamp("2024-05-06"), "2024-05-06"),
        (pd.Timestamp("2024-05-06 07:08"), "2024-05-06 07:08"),
        (np.float32(0.5), "0.5"),
        (12345, "12,345"),
        ("text", "text"),
    ],
)
def test_cells_for_people(value: object, shown: str) -> None:
    assert show_value(value) == shown


def test_signs() -> None:
    assert [signed_number(value) for value in (1.5, -1.5, 0.0, float("nan"))] == ["+1.5", "−1.5", "0", "–"]


def test_a_line_of_pictures_may_have_no_title() -> None:
    figure = picture_grid([np.zeros((1, 4))], (2, 2, 1), row_titles=[""], column_titles=["x"], hover=[["x"]], rows=[0])
    assert list(figure.layout.yaxis.ticktext) == [""]
