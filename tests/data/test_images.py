"""Collections of pictures: what people bring comes out as they would expect."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sae_core as sae
from sae_core import limits
from sae_core.data.dataset import Dataset
from sae_core.data.images import ImageOptions, inspect_images, preview_images, read_images
from sae_core.data.pictures import FORMATS
from sae_core.errors import CancelledError, TooLargeError, UnreadableFileError
from tests.data.making import deep_png, noise, picture, tiff, zip_of

GREY4 = ImageOptions(4, 4, "grey")
COLOUR4 = ImageOptions(4, 4, "colour")


def pixels(data: Dataset) -> NDArray[np.float32]:
    """(n, height, width, channels)"""
    assert data.image_shape is not None
    return np.asarray(data.features).reshape(-1, *data.image_shape)


def read_one(content: bytes, options: ImageOptions) -> NDArray[np.float32]:
    return pixels(read_images(content, options=options))[0]


# Labels


def test_folders_of_a_zip_are_the_classes() -> None:
    data = read_images(
        zip_of({f"set/{name}/{i}.png": picture(noise(seed=i)) for name in ("cat", "dog") for i in range(3)}),
        name="pets.zip",
    )
    assert data.name == "pets.zip"
    assert data.kind == "images"
    assert data.y is not None
    assert data.y.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert data.identifiers is not None
    assert data.identifiers["file"].tolist()[:2] == ["set/cat/0.png", "set/cat/1.png"]


def test_pixels_keep_value_and_order() -> None:
    values = noise(6, 5)
    data = read_images(zip_of({"a/1.png": picture(values), "b/2.png": picture(values[::-1].copy())}))
    assert data.image_shape == (6, 5, 3)
    np.testing.assert_array_equal(pixels(data)[0], (values / np.float32(255)).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(data.features)[1], (values[::-1].ravel() / np.float32(255)))


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["cat/1", "dog/2"], ["cat", "dog"]),
        (["a/b/c/cat/1", "a/b/c/dog/2"], ["cat", "dog"]),
        (["camera1/cat/1", "camera2/cat/2", "camera1/dog/3"], ["cat", "cat", "dog"]),  # in natural order of names
        (["cat/images/1", "dog/images/2"], ["cat", "dog"]),
        (["0/1", "1/2", "10/3", "2/4"], ["0", "1", "2", "10"]),
        (["007/1", "07/2"], ["007", "07"]),
        (["cat/1", "2"], [None, "cat"]),
        (["cat/persian/1", "cat/2", "dog/3"], ["cat", "persian", "dog"]),
        (["1", "2"], None),
        (["pictures/1", "pictures/2"], None),
        (["train/1", "train/2", "test/3"], None),
        (["NA/1", "None/2", "null/3"], ["NA", "None", "null"]),
    ],
)
def test_labels(paths: list[str], labels: list[str | None] | None) -> None:
    data = read_images(zip_of({f"{path}.png": picture(noise()) for path in paths}))
    assert data.y is None if labels is None else data.y is not None
    if labels is not None and data.y is not None:
        assert sorted(data.y.tolist(), key=str) == sorted(labels, key=str)


def test_train_and_test_folders_are_a_split() -> None:
    paths = ["train/cat/1", "train/dog/2", "train/cat/3", "test/cat/4", "test/dog/5"]
    data = read_images(zip_of({f"set/{path}.png": picture(noise()) for path in paths}))
    assert data.classes == ("cat", "dog")
    assert data.official_test is not None
    assert data.identifiers is not None
    assert data.identifiers["file"][data.official_test].tolist() == ["set/test/cat/4.png", "set/test/dog/5.png"]
    assert any("test folder" in note for note in data.notes)


def test_a_test_folder_without_classes_is_not_used_to_test() -> None:
    paths = ["train/cat/1", "train/dog/2", "test/3"]
    data = read_images(zip_of({f"{path}.png": picture(noise()) for path in paths}))
    assert data.official_test is None
    assert data.classes == ("cat", "dog")


def test_split_folders_may_have_longer_names() -> None:
    paths = ["seg_train/sea/1", "seg_train/street/2", "seg_test/sea/3"]
    data = read_images(zip_of({f"{path}.png": picture(noise()) for path in paths}))
    assert data.classes == ("sea", "street")
    assert data.official_test is not None
    assert data.official_test.sum() == 1


def test_a_class_may_be_called_train() -> None:
    paths = ["car/1", "train/2", "plane/3"]
    assert read_images(zip_of({f"{path}.png": picture(noise()) for path in paths})).classes == ("car", "plane", "train")


def test_too_many_folders_are_no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    files = zip_of({f"person{i}/1.png": picture(noise()) for i in range(4)})
    monkeypatch.setattr(limits, "MAX_CLASSES", 4)
    assert len(read_images(files).classes) == 4
    monkeypatch.setattr(limits, "MAX_CLASSES", 3)
    data = read_images(files)
    assert data.y is None
    assert data.identifiers is not None
    assert data.identifiers["folder"].tolist() == ["person0", "person1", "person2", "person3"]
    assert any("4 folders, too many for classes" in note for note in data.notes)


def test_classes_that_differ_in_case_are_named() -> None:
    data = read_images(zip_of({"Cat/1.png": picture(noise()), "cat/2.png": picture(noise())}))
    assert data.classes == ("Cat", "cat")
    assert any("'Cat' and 'cat' differ only in upper and lower case" in note for note in data.notes)


# Sources


def test_all_sources_give_the_same_rows(tmp_path: Path) -> None:
    files = {f"{name}/{i}.png": picture(noise(seed=i)) for name in ("a", "b") for i in range(12)}
    for name, content in files.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    (tmp_path / "set.zip").write_bytes(zip_of(files))
    paths = sorted((tmp_path / "set").rglob("*.png"), key=lambda path: (path.parent.name, int(path.stem)))
    sources: list[Any] = [
        tmp_path / "set",
        str(tmp_path / "set"),
        tmp_path / "set.zip",
        str(tmp_path / "set.zip"),
        zip_of(files),
        bytearray(zip_of(files)),
        io.BytesIO(zip_of(files)),
        ("set.zip", zip_of(files)),
        [zip_of(files)],
        [("set.zip", io.BytesIO(zip_of(files)))],
        list(files.items()),
        [(name, io.BytesIO(content)) for name, content in files.items()],
        paths,
        [str(path) for path in paths],
    ]
    first = read_images(sources[0])
    assert first.y is not None
    for source in sources:
        data = read_images(source)
        np.testing.assert_array_equal(data.features, first.features)
        assert data.y is not None
        assert data.y.tolist() == first.y.tolist()


def test_several_zips_are_read_together() -> None:
    zips = [(f"{name}.zip", zip_of({"1.png": picture(noise()), "2.png": picture(noise())})) for name in ("cat", "dog")]
    assert read_images(zips).classes == ("cat", "dog")


def test_several_folders_are_read_together(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(picture(noise()))
    assert read_images([tmp_path / "cat", tmp_path / "dog"]).classes == ("cat", "dog")


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.png").write_bytes(picture(noise()))
    for source in ("~/a.png", ["~/a.png"], "~"):
        assert len(read_images(source)) == 1


def test_loose_files_have_no_labels(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(picture(noise()))
    data = read_images([tmp_path / "1.png", tmp_path / "2.png"])
    assert data.y is None
    assert data.name == "2 files"
    assert data.identifiers is not None
    assert data.identifiers["file"].tolist() == ["1.png", "2.png"]


def test_one_picture() -> None:
    data = read_images(("me.png", picture(noise())))
    assert (len(data), data.name) == (1, "me.png")


def test_a_file_object_stays_open_and_can_be_read_again() -> None:
    file = io.BytesIO(zip_of({"a.png": picture(noise())}))
    file.seek(7)
    first = read_images(file)
    assert not file.closed
    np.testing.assert_array_equal(read_images(file).features, first.features)


def test_a_stream_that_cannot_seek() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(picture(noise()))
    with os.fdopen(reader, "rb") as stream:
        assert len(read_images(stream)) == 1


@pytest.mark.parametrize("source", ["no such file.zip", [], 7, [7], io.StringIO("text")])
def test_sources_that_are_none(source: Any) -> None:
    with pytest.raises(sae.SaeError):
        read_images(source)


# Formats and modes


@pytest.mark.parametrize("format", [format for format in FORMATS if format not in ("JPEG", "GIF")])
def test_lossless_formats_are_exact(format: str) -> None:
    values = noise(4, 4)
    content = picture(values, format, **({"lossless": True} if format == "WEBP" else {}))
    np.testing.assert_array_equal(read_one(content, COLOUR4), values / np.float32(255))


@pytest.mark.parametrize("format", ["JPEG", "GIF"])
def test_lossy_formats_are_close(format: str) -> None:
    values = np.full((4, 4, 3), (200, 100, 50), dtype=np.uint8)
    np.testing.assert_allclose(read_one(picture(values, format), COLOUR4), values / 255, atol=0.02)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(compression: str) -> None:
    values = noise(4, 4)
    np.testing.assert_array_equal(
        read_one(picture(values, "TIFF", compression=compression), COLOUR4), values / np.float32(255)
    )


def test_grey_is_the_usual_luma() -> None:
    values = noise(4, 4)
    expected = np.asarray(Image.fromarray(values).convert("L")) / 255
    np.testing.assert_allclose(read_one(picture(values), GREY4)[:, :, 0], expected, atol=1 / 255)


def test_one_bit() -> None:
    image = Image.fromarray(noise(4, 4, None) > 127)
    expected = np.asarray(image).astype(np.float32)
    np.testing.assert_array_equal(read_one(picture(image), GREY4)[:, :, 0], expected)


SIXTEEN = np.array([[0, 1, 255, 256], [257, 4095, 32767, 32768], [65279, 65280, 65534, 65535], [7, 8, 9, 10]], "u2")


@pytest.mark.parametrize(
    "content",
    [
        deep_png(SIXTEEN),
        picture(SIXTEEN),
        picture(SIXTEEN, "TIFF"),
        picture(SIXTEEN, "TIFF", compression="tiff_lzw"),
        tiff(SIXTEEN, photometric=1),
        tiff(SIXTEEN, photometric=1, order=">"),
    ],
    ids=["hand-made PNG", "PNG", "TIFF", "LZW", "little endian", "big endian"],
)
def test_sixteen_bit_grey_is_exact(content: bytes) -> None:
    values = read_one(content, GREY4)[:, :, 0]
    np.testing.assert_array_equal(values, SIXTEEN.astype(np.float32) / np.float32(65535))
    np.testing.assert_array_equal(np.rint(values * 65535), SIXTEEN)


def deep_noise(channels: int) -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 65536, (4, 4, channels), dtype=np.uint16)


@pytest.mark.parametrize(
    "make",
    [
        deep_png,
        lambda values: tiff(values, photometric=2),
        lambda values: tiff(values, photometric=2, order=">"),
        lambda values: tiff(values, photometric=2, deflate=True),
    ],
    ids=["PNG", "little endian TIFF", "big endian TIFF", "deflated TIFF"],
)
def test_sixteen_bit_colour_is_exact(make: Any) -> None:
    values = deep_noise(3)
    np.testing.assert_array_equal(read_one(make(values), COLOUR4), values.astype(np.float32) / np.float32(65535))


def test_sixteen_bit_colour_with_a_channel_that_means_nothing() -> None:
    values = deep_noise(4)
    np.testing.assert_array_equal(
        read_one(tiff(values, photometric=2, extra={338: (0,)}), COLOUR4),
        values[:, :, :3].astype(np.float32) / np.float32(65535),
    )


def test_sixteen_bit_tiff_in_which_zero_is_white() -> None:
    np.testing.assert_allclose(read_one(tiff(SIXTEEN, photometric=0), GREY4)[:, :, 0], 1 - SIXTEEN / 65535, atol=1e-6)


def test_sixteen_bit_with_premultiplied_alpha() -> None:
    values = np.full((4, 4, 4), 32768, dtype=np.uint16)  # half-transparent white
    np.testing.assert_allclose(read_one(tiff(values, photometric=2, extra={338: (1,)}), COLOUR4), 1, atol=0.01)


def test_sixteen_bit_with_alpha_is_laid_on_white() -> None:
    values = deep_noise(4)
    parts = values.astype(np.float32) / np.float32(65535)
    expected = parts[:, :, :3] * parts[:, :, 3:] + (1 - parts[:, :, 3:])
    np.testing.assert_allclose(read_one(deep_png(values), COLOUR4), expected, atol=1e-6)


def test_sixteen_bit_grey_with_alpha_is_laid_on_white() -> None:
    values = deep_noise(2)
    parts = values.astype(np.float32) / np.float32(65535)
    expected = parts[:, :, 0] * parts[:, :, 1] + (1 - parts[:, :, 1])
    np.testing.assert_allclose(read_one(deep_png(values), GREY4)[:, :, 0], expected, atol=1e-6)


def test_float_tiff_in_zero_to_one_is_exact() -> None:
    values = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(read_one(picture(values, "TIFF"), GREY4)[:, :, 0], values)


@pytest.mark.parametrize(
    ("low", "high", "start", "top"), [(0, 250, 0, 255), (0, 60_000, 0, 65535), (0, 1234.5, 0, 1234.5), (-2, 6, -2, 6)]
)
def test_float_tiffs_of_a_set_share_one_scale(low: float, high: float, start: float, top: float) -> None:
    bright = np.linspace(low, high, 16, dtype=np.float32).reshape(4, 4)
    dark = bright / 2
    data = read_images({"1.tif": picture(bright, "TIFF"), "2.tif": picture(dark, "TIFF")}.items(), options=GREY4)
    expected = (np.stack([bright, dark]) - start) / (top - start)
    np.testing.assert_allclose(pixels(data)[..., 0], expected, atol=1e-6)
    assert any("2 pictures hold float or 32-bit values" in note for note in data.notes)


def test_thirty_two_bit_tiff() -> None:
    values = np.arange(16, dtype=np.int32).reshape(4, 4) * 100_000
    result = read_one(tiff(values, photometric=1), GREY4)[:, :, 0]
    np.testing.assert_allclose(result, values / values.max(), atol=1e-6)


def test_float_tiff_with_nan_is_left_out() -> None:
    good = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    bad = good.copy()
    bad[0, 0] = np.nan
    data = read_images([("good.tif", picture(good, "TIFF")), ("bad.tif", picture(bad, "TIFF"))], options=GREY4)
    assert len(data) == 1
    assert any("holds values that are not finite numbers: bad.tif" in note for note in data.notes)


def test_cmyk() -> None:
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))  # red ink
    for content in (picture(image, "JPEG", quality=100), picture(image, "TIFF")):
        np.testing.assert_allclose(read_one(content, COLOUR4), np.broadcast_to((1, 0, 0), (4, 4, 3)), atol=0.02)


def palette(transparency: Any = None) -> bytes:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], dtype=np.uint8).repeat(2, 0).repeat(2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    return picture(image, **({} if transparency is None else {"transparency": transparency}))


def test_palette() -> None:
    values = read_one(palette(), COLOUR4)
    assert values[0, 0].tolist() == [1, 0, 0]
    assert values[0, 3].tolist() == [0, 0, 1]


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_palette_with_transparency(transparency: Any) -> None:
    values = read_one(palette(transparency), COLOUR4)
    assert values[0, 0].tolist() == [1, 1, 1]
    assert values[0, 3].tolist() == [0, 0, 1]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_hidden_colour_does_not_show(mode: str) -> None:
    secret = np.zeros((4, 4, len(mode)), dtype=np.uint8)
    secret[..., 0] = noise(4, 4, None)
    content = picture(Image.fromarray(secret, mode))
    assert read_one(content, COLOUR4).tolist() == np.ones((4, 4, 3)).tolist()
    data = read_images(content, options=GREY4)
    assert (np.asarray(data.features) == 1).all()
    assert any("transparent parts" in note for note in data.notes)


def test_half_transparent_is_half_white() -> None:
    content = picture(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))
    np.testing.assert_allclose(read_one(content, GREY4), 1 - 128 / 255, atol=1 / 255)


def test_transparent_colour_of_a_png_without_alpha() -> None:
    values = np.zeros((4, 4, 3), dtype=np.uint8)
    values[0] = (10, 20, 30)
    assert read_one(picture(values, transparency=(10, 20, 30)), COLOUR4)[0].min() == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    # What EXIF says about the stored picture, undone by hand.
    upright = noise(6, 4)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(format, {})
    content = picture(np.ascontiguousarray(stored), format, exif=exif, **lossless)
    result = read_one(content, ImageOptions(6, 4, "colour"))
    tolerance = 0.03 if format == "JPEG" else 0
    np.testing.assert_allclose(result, upright / np.float32(255), atol=tolerance, rtol=0)
    assert inspect_images(content).sizes == {(4, 6): 1}


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_the_first_frame_counts_and_that_is_said(format: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    content = picture(frames[0], format, save_all=True, append_images=frames[1:], **options)
    data = read_images(content, options=COLOUR4)
    assert pixels(data)[0, 0, 0].tolist() == [1, 0, 0]
    assert any("several frames or pages" in note for note in data.notes)


def test_the_several_pictures_of_a_camera_jpeg_are_one() -> None:
    frames = [Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")]
    data = read_images(picture(frames[0], "MPO", save_all=True, append_images=frames[1:]), options=COLOUR4)
    np.testing.assert_allclose(pixels(data)[0, 0, 0], (1, 0, 0), atol=0.02)


def test_a_large_jpeg_is_reduced_as_another_format_would_be() -> None:
    values = np.asarray(Image.fromarray(noise(6, 8)).resize((800, 600), Image.Resampling.BICUBIC))
    for options in (
        ImageOptions(30, 40, "colour"),
        ImageOptions(64, 64, "grey", "pad"),
        ImageOptions(9, 50, "grey", "stretch"),
    ):
        jpeg, png = (
            read_one(picture(values, format, **more), options)
            for format, more in (("JPEG", {"quality": 95}), ("PNG", {}))
        )
        np.testing.assert_allclose(jpeg, png, atol=0.06)


def test_mixed_sizes_and_modes_in_one_set() -> None:
    files = {
        "a/1.png": picture(noise(20, 30)),
        "a/2.jpg": picture(noise(7, 5, None), "JPEG"),
        "a/3.gif": picture(Image.fromarray(noise(40, 40)).quantize(16), "GIF"),
        "b/4.png": deep_png(SIXTEEN),
        "b/5.tif": picture(Image.new("CMYK", (9, 9)), "TIFF"),
        "b/6.webp": picture(Image.new("RGBA", (9, 9), (1, 2, 3, 4)), "WEBP"),
        "b/7.bmp": picture(Image.fromarray(noise(9, 9, None) > 127), "BMP"),
    }
    data = read_images(zip_of(files))
    assert len(data) == 7
    assert data.image_shape == (32, 32, 3)
    assert np.asarray(data.features).min() >= 0
    assert np.asarray(data.features).max() <= 1


# Size, colour, fit


def cross(height: int, width: int) -> bytes:
    """Black with a white frame one pixel wide."""
    values = np.zeros((height, width), dtype=np.uint8)
    values[[0, -1]], values[:, [0, -1]] = 255, 255
    return picture(values)


def test_crop_takes_the_middle() -> None:
    values = np.zeros((4, 12), dtype=np.uint8)
    values[:, 4:8] = noise(4, 4, None)
    np.testing.assert_array_equal(read_one(picture(values), GREY4)[:, :, 0], values[:, 4:8] / np.float32(255))


def test_pad_keeps_all_of_it_on_black() -> None:
    values = np.full((4, 8), 255, dtype=np.uint8)
    result = read_one(picture(values), ImageOptions(8, 8, "grey", "pad"))[:, :, 0]
    assert result[:2].max() == result[6:].max() == 0
    assert result[2:6].min() == 1


def test_stretch_fills_the_frame() -> None:
    values = np.repeat(np.array([[0, 255]], dtype=np.uint8), 10, axis=0)
    result = read_one(picture(values), ImageOptions(4, 4, "grey", "stretch"))[:, :, 0]
    assert result[:, 0].max() < 0.2
    assert result[:, -1].min() > 0.8


def test_reduction_does_not_alias() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    np.testing.assert_allclose(read_one(picture(board), GREY4), 0.5, atol=0.02)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (3, 7), (128, 128)])
def test_any_shape_fits(fit: Any, size: tuple[int, int]) -> None:
    content = picture(np.full(size, 255, dtype=np.uint8))
    for height, width in ((1, 1), (5, 3), (128, 128)):
        result = read_one(content, ImageOptions(height, width, "grey", fit))
        assert result.shape == (height, width, 1)
        assert result.max() == 1


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 3, (28, 28)),
        ([(64, 64)] * 3, (64, 64)),
        ([(20, 33)] * 3, (20, 33)),
        ([(65, 65)] * 3, (64, 64)),
        ([(480, 640)] * 3, (48, 64)),
        ([(112, 92)] * 3, (64, 53)),
        ([(480, 640), (300, 400), (600, 800)], (48, 64)),
        ([(480, 640), (640, 480), (100, 100)], (64, 64)),
        ([(40, 50), (50, 40)], (32, 32)),
        ([(10, 300)] * 2, (32, 32)),
        ([(28, 28)] * 19 + [(300, 100)], (28, 28)),
    ],
)
def test_the_guessed_size_suits_the_set(sizes: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    files = {f"{i}.png": picture(np.zeros(size, np.uint8)) for i, size in enumerate(sizes)}
    guess = inspect_images(zip_of(files)).options
    assert (guess.height, guess.width) == expected
    data = read_images(zip_of(files))
    assert data.image_shape == (*expected, 1)


def test_grey_pictures_stored_in_colour_are_read_as_grey() -> None:
    values = np.repeat(noise(8, 8, 1), 3, axis=2)
    files = {f"{i}.{format}": picture(values, format) for i, format in enumerate(("PNG", "JPEG", "BMP"))}
    assert read_images(zip_of(files)).image_shape == (8, 8, 1)


def test_colour_is_kept_and_one_exception_is_not() -> None:
    grey, coloured = picture(noise(8, 8, None)), picture(noise(8, 8))
    assert read_images([grey, coloured]).image_shape == (8, 8, 3)
    data = read_images([grey] * 30 + [coloured])
    assert data.image_shape == (8, 8, 1)
    assert "1 of 31 pictures looked into are in colour; all are read as grey." in data.notes
    assert read_images([grey] * 30 + [coloured], options=ImageOptions(colour="colour")).image_shape == (8, 8, 3)


def test_what_is_left_open_is_guessed() -> None:
    files = [picture(noise(20, 20, None))]
    assert read_images(files, options=ImageOptions(height=10)).image_shape == (10, 10, 1)
    assert read_images(files, options=ImageOptions(colour="colour")).image_shape == (20, 20, 3)
    assert read_images(files, options=ImageOptions(8, 6)).image_shape == (8, 6, 1)


@pytest.mark.parametrize("side", ["height", "width"])
def test_side_limit(side: str) -> None:
    assert getattr(ImageOptions(**{side: limits.MAX_PICTURE_SIDE}), side) == limits.MAX_PICTURE_SIDE
    with pytest.raises(TooLargeError, match=f"up to 128 pixels on a side, not 129. Choose a smaller {side}"):
        ImageOptions(**{side: limits.MAX_PICTURE_SIDE + 1})


@pytest.mark.parametrize(
    "options", [{"height": 0}, {"width": -1}, {"height": 1.5}, {"width": True}, {"colour": "red"}, {"fit": "squeeze"}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(sae.SaeError):
        ImageOptions(**options)


# What is broken, what is not a picture


def test_broken_pictures_are_left_out_and_named() -> None:
    good = picture(noise())
    files = {f"a/{i}.png": good for i in range(5)} | {"b/cut.png": good[:60], "b/note.txt": b"hello", "b/ok.png": good}
    data = read_images(zip_of(files))
    assert len(data) == 6
    assert data.y is not None
    assert data.y.tolist() == ["a"] * 5 + ["b"]
    text = " ".join(data.notes)
    assert "1 file was skipped because it is cut short: b/cut.png." in text
    assert "b/note.txt" in text


def test_nothing_readable_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        UnreadableFileError, match=r"^a.zip has no picture that can be used. 2 files were skipped because "
    ):
        read_images(zip_of({"a.txt": b"a", "b.txt": b"b"}), name="a.zip")


def test_an_empty_archive() -> None:
    with pytest.raises(UnreadableFileError, match=r"^a.zip is empty. Choose PNG, JPEG"):
        read_images(zip_of({}), name="a.zip")


def test_the_extension_does_not_matter() -> None:
    files = {"1.txt": picture(noise()), "2": picture(noise(), "JPEG"), "3.jpg": picture(noise(), "PNG")}
    assert len(read_images(zip_of(files))) == 3


# Looking before reading


def test_inspection_tells_what_is_there() -> None:
    files = {f"cat/{i}.png": picture(noise(8, 9, seed=i)) for i in range(3)}
    files |= {"dog/4.jpg": picture(noise(16, 16), "JPEG"), "dog/readme.txt": b"hello", "5.png": picture(noise(8, 9))}
    guess = inspect_images(zip_of(files), name="pets.zip")
    assert (guess.name, guess.count, guess.looked_into) == ("pets.zip", 5, 5)
    assert guess.formats == {"PNG": 4, "JPEG": 1}
    assert guess.modes == {"RGB": 5}
    assert guess.sizes == {(9, 8): 4, (16, 16): 1}
    assert guess.classes == {"cat": 3, "dog": 1}
    assert guess.unlabelled == 1
    assert [skipped.name for skipped in guess.skipped] == ["dog/readme.txt"]
    assert guess.options == ImageOptions(32, 32, "colour")
    assert any("2 different sizes" in note for note in guess.notes)


def test_preview_shows_pictures_as_they_will_be() -> None:
    files = {f"{name}/{i}.png": picture(noise(8, 8, seed=i)) for name in ("cat", "dog") for i in range(30)}
    preview = preview_images(zip_of(files), COLOUR4, 10)
    assert preview.pixels.shape == (10, 48)
    assert preview.image_shape == (4, 4, 3)
    assert set(preview.labels) == {"cat", "dog"}
    data = read_images(zip_of(files), options=COLOUR4)
    assert data.identifiers is not None
    rows = [data.identifiers["file"].tolist().index(file) for file in preview.files]
    np.testing.assert_array_equal(preview.pixels, np.asarray(data.features)[rows])


def test_preview_of_files_without_extension() -> None:
    files = {f"{name}/{i}": picture(noise()) for name in ("cat", "dog") for i in range(3)} | {"readme": b"hello"}
    preview = preview_images(zip_of(files))
    assert preview.labels == ("cat",) * 3 + ("dog",) * 3


def test_preview_of_nothing() -> None:
    with pytest.raises(UnreadableFileError, match="has no picture that can be used"):
        preview_images(zip_of({"a.txt": b"text", "b.txt": b"text"}))
    with pytest.raises(UnreadableFileError, match="has no picture that can be used"):
        preview_images(zip_of({"a.png": b"text", "b.png": b"text"}), COLOUR4)


def test_preview_of_fewer() -> None:
    assert preview_images(picture(noise()), n=24).pixels.shape == (1, 192)


# Progress, limits


def test_progress_and_cancelling() -> None:
    files = [picture(noise())] * 130
    seen: list[tuple[float, str]] = []
    read_images(files, progress=lambda fraction, text: seen.append((fraction, text)))
    assert seen[-1] == (1, "130 of 130 pictures")
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)

    def cancel(fraction: float, text: str) -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        read_images(files, progress=cancel)


def test_picture_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PICTURES", 3)
    assert len(read_images([picture(noise())] * 3)) == 3
    with pytest.raises(TooLargeError, match="4 pictures; the limit is 3"):
        read_images([picture(noise())] * 4)


def test_matrix_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PREPARED_BYTES", 4 * 48 * 4)
    assert len(read_images([picture(noise())] * 4, options=COLOUR4)) == 4
    with pytest.raises(TooLargeError, match="Choose a smaller size, or grey, or fewer pictures"):
        read_images([picture(noise())] * 5, options=COLOUR4)
    assert len(read_images([picture(noise())] * 5, options=GREY4)) == 5
