from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from explorer import pictures


def read(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_grey_pixels_are_exact() -> None:
    pixels = np.array([[0, 0.5, 1, np.nan, -1, 2]], dtype=np.float32)
    image = pictures.to_bytes(pixels, (2, 3, 1))[0]
    assert image[..., 0].tolist() == [[0, 128, 255], [0, 0, 255]]
    assert (image[..., 0] == image[..., 2]).all()


def test_colour_keeps_its_channels() -> None:
    image = pictures.to_bytes(np.array([[1, 0, 0, 0, 1, 0]], dtype=np.float32), (1, 2, 3))[0]
    assert image.tolist() == [[[255, 0, 0], [0, 255, 0]]]


def test_montage_places_pictures_in_rows_with_transparent_gaps() -> None:
    pixels = np.ones((3, 4), dtype=np.float32)
    sheet = pictures.montage(pixels, (2, 2, 1), columns=2, gap=1)
    assert sheet.shape == (5, 5, 4)
    assert sheet[0, 2, 3] == 0  # the gap
    assert sheet[3, 3, 3] == 0  # no fourth picture
    assert sheet[3, 0].tolist() == [255, 255, 255, 255]


def test_png_round_trip_and_scale() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (read(pictures.png(image)) == image).all()
    assert read(pictures.png(image, scale=3)).shape == (6, 6, 3)


def test_thumbnails_are_pngs_of_at_least_the_side() -> None:
    uris = pictures.thumbnails(np.zeros((2, 64), dtype=np.float32), (8, 8, 1), side=50)
    assert len(uris) == 2
    head, body = uris[0].split(",")
    assert head == "data:image/png;base64"
    assert min(read(base64.b64decode(body)).shape[:2]) >= 50
