from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from explorer.charts.gallery import gallery


def sheet(figure: object) -> np.ndarray:
    source = figure.data[0].source  # type: ignore[attr-defined]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_rows_are_named_and_in_order() -> None:
    black, white = np.zeros((3, 16), dtype=np.float32), np.ones((2, 16), dtype=np.float32)
    figure = gallery([("original", black), ("<b>level 1</b>", white)], (4, 4, 1))
    assert list(figure.layout.yaxis.ticktext) == ["original", "&lt;b&gt;level 1&lt;/b&gt;"]
    image = sheet(figure)
    scale = image.shape[0] // 9
    assert image[0, 0].tolist() == [0, 0, 0, 255]
    assert image[5 * scale + 1, 0].tolist() == [255, 255, 255, 255]
    assert image[-1, -1, 3] == 0, "a shorter row leaves transparent room"


def test_an_empty_row_leaves_room() -> None:
    figure = gallery([("original", np.ones((2, 4), np.float32)), ("level 1", np.zeros((0, 4), np.float32))], (2, 2, 1))
    assert sheet(figure)[..., 3].any()
    assert len(figure.layout.yaxis.tickvals) == 2


def test_hover_texts_stand_over_their_pictures() -> None:
    rows = [("a", np.ones((2, 4), np.float32)), ("b", np.ones((1, 4), np.float32))]
    figure = gallery(rows, (2, 2, 1), hover=[["row 1", "row 2"], ["row 3"]])
    points = figure.data[1]
    assert list(points.text) == ["row 1", "row 2", "row 3"]
    assert points.x[0] == points.x[2] < points.x[1]
    assert points.y[0] == points.y[1] < points.y[2]


def test_small_pictures_are_enlarged_so_that_browsers_do_not_blur_them() -> None:
    image = sheet(gallery([("a", np.ones((1, 64), np.float32))], (8, 8, 1)))
    assert min(image.shape[:2]) >= 56
