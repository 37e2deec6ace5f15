"""Pictures built to do harm, or broken by accident. The verdict of each is in README.md here."""

from __future__ import annotations

import io
import struct
import threading
import tracemalloc
import zlib
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sae_core import limits
from sae_core.data.images import ImageOptions, inspect_images, preview_images, read_images
from sae_core.data.pictures import FORMATS, prepare_picture
from sae_core.data.reading import recognise
from sae_core.errors import SaeError, TooLargeError, UnreadableFileError
from tests.data.making import PNG_START, chunk, deep_png, gz, noise, picture, raw_png, tiff
from tests.hostile.test_archives import mutated

OPTIONS = ImageOptions(8, 8, "colour")
GOOD = picture(noise())


def refused(content: bytes, message: str, kind: type[SaeError] = UnreadableFileError) -> None:
    """Alone it is refused by every way in; in a set it is skipped and named."""
    for read in (read_images, inspect_images, preview_images):
        with pytest.raises(kind, match=message):
            read(("bad", content))
    data = read_images([("ok.png", GOOD), ("bad", content)], options=OPTIONS)
    assert len(data) == 1
    assert any(note.endswith(": bad.") for note in data.notes)


# Sizes


def header_png(width: int, height: int) -> bytes:
    """A header that promises a picture, and next to nothing after it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def headers(width: int, height: int) -> list[bytes]:
    """The same promise in every format that can make it."""
    gif = (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    )
    bmp = (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    )
    jpeg = (
        b"\xff\xd8\xff\xc0\x00\x11\x08"
        + struct.pack(">HH", height, width)
        + b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    )
    tif = tiff(np.zeros((1, 1), np.uint8), photometric=1, extra={256: (width,), 257: (height,), 278: (height,)})
    return [
        header_png(width, height),
        gif + b"\x08",
        bmp,
        jpeg + b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00",
        tif,
    ]


@pytest.mark.parametrize("content", headers(20_000, 20_000), ids=["PNG", "GIF", "BMP", "JPEG", "TIFF"])
def test_a_huge_promise_in_a_few_bytes(content: bytes) -> None:
    assert len(content) < 400
    tracemalloc.start()
    try:
        refused(content, "has more than 50 million pixels", TooLargeError)
        assert tracemalloc.get_traced_memory()[1] < 16 * limits.MEGABYTE
    finally:
        tracemalloc.stop()


def test_169_megapixels_from_twenty_kilobytes() -> None:
    side = 13_000
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(1 + side // 8)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    content = PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    assert len(content) < 30_000
    refused(content, "has more than 50 million pixels", TooLargeError)


def test_pixel_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PICTURE_PIXELS", 64)
    assert len(read_images(picture(noise(8, 8)))) == 1
    monkeypatch.setattr(limits, "MAX_PICTURE_PIXELS", 63)
    with pytest.raises(TooLargeError, match="pixels"):
        read_images(picture(noise(8, 8)))


@pytest.mark.parametrize("content", headers(0, 0), ids=["PNG", "GIF", "BMP", "JPEG", "TIFF"])
def test_no_pixels(content: bytes) -> None:
    refused(content, "cannot be used because it ")


def test_huge_tiles_of_a_small_tiff() -> None:
    content = tiff(
        np.zeros((4, 4), np.uint8), photometric=1, extra={322: (65_520,), 323: (65_520,), 324: (8,), 325: (16,)}
    )
    refused(content, "has more than 50 million pixels", TooLargeError)


# Broken, or something else


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated(format: str, share: float) -> None:
    content = picture(noise(32, 32), format)
    cut = content[: int(len(content) * share)]
    if format in ("PNG", "JPEG"):
        refused(cut, "is cut short|is damaged")
    else:  # some decoders fill in what is missing at the end; then there is a picture
        assert len(read_images([("ok.png", GOOD), ("bad", cut)], options=OPTIONS)) in (1, 2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"", "is empty"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>', "is not a picture"),
        ("a.png", b"<!doctype html><title>404</title>", "is not a picture"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
        ("a.png", b"BMW,Audi\n1,2\n", "is not a picture"),
        ("a.png", PNG_START, "is cut short|is damaged"),
        ("a.jpg", b"\xff\xd8\xff", "is cut short|is damaged"),
        ("a.webp", b"RIFF\x04\0\0\0WEBP", "is cut short|is damaged"),
        ("a.ico", b"\0\0\x01\0\x01\0", "is not a picture"),
        ("a.pdf", b"%PDF-1.7", "is not a picture"),
        ("a.zip.png", gz(GOOD), "is not a picture"),
    ],
)
def test_not_a_picture(name: str, content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        read_images((name, content))
    assert len(read_images([("ok.png", GOOD), (name, content)])) == 1


def test_a_ztxt_bomb() -> None:
    text = zlib.compress(bytes(80 * limits.MEGABYTE), 9)
    content = raw_png(4, 4, 8, 0, b"\0\0\0\0\0" * 4, chunk(b"zTXt", b"Comment\0\0" + text))
    tracemalloc.start()
    try:
        data = read_images([("ok.png", GOOD), ("bomb.png", content)], options=OPTIONS)
        assert tracemalloc.get_traced_memory()[1] < 16 * limits.MEGABYTE
    finally:
        tracemalloc.stop()
    assert len(data) in (1, 2)


def test_many_frames_cost_no_time() -> None:
    frame = Image.new("L", (4, 4))
    content = picture(
        frame, "GIF", save_all=True, append_images=[Image.new("L", (4, 4), i % 255) for i in range(1, 3000)]
    )
    assert len(read_images(content)) == 1


def test_tiff_pages_in_a_circle() -> None:
    content = bytearray(tiff(noise(4, 4, None), photometric=1))
    start = struct.unpack_from("<I", content, 4)[0]
    entries = struct.unpack_from("<H", content, start)[0]
    struct.pack_into("<I", content, start + 2 + 12 * entries, start)  # the next page is this page
    assert len(read_images(bytes(content))) == 1


def test_a_second_frame_that_is_broken_does_not_matter() -> None:
    content = picture(Image.new("L", (4, 4), 9), "GIF", save_all=True, append_images=[Image.new("L", (4, 4), 200)])
    assert len(read_images(content[:-6])) == 1


def test_broken_exif_leaves_the_picture() -> None:
    values = noise(4, 4)
    content = picture(values, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    np.testing.assert_array_equal(
        np.asarray(read_images(content, options=ImageOptions(4, 4, "colour")).features)[0],
        values.ravel() / np.float32(255),
    )


def test_planar_sixteen_bit_colour_is_refused_rather_than_misread() -> None:
    values = np.zeros((4, 4, 3), dtype=np.uint16)
    refused(tiff(values, photometric=2, extra={284: (2,), 273: (8, 40, 72), 279: (32, 32, 32)}), "plane by plane")


def test_other_errors_of_the_decoder_become_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (
        MemoryError(),
        RecursionError(),
        KeyError("x"),
        struct.error(),
        Image.DecompressionBombError(),
        SyntaxError(),
    ):
        monkeypatch.setattr(Image, "open", lambda *args, error=error, **options: (_ for _ in ()).throw(error))
        with pytest.raises(UnreadableFileError, match="cannot be used because it"):
            prepare_picture(GOOD, "a.png", OPTIONS)


# Damage at random


def seeds() -> list[tuple[str, bytes]]:
    values = noise(12, 12)
    made = [(format, picture(values, format)) for format in FORMATS]
    made += [
        ("progressive", picture(values, "JPEG", progressive=True)),
        ("PNG16", deep_png(values.astype(np.uint16) * 256)),
    ]
    made += [
        ("GREY16", picture(values[..., 0].astype(np.uint16), "TIFF")),
        ("RGB16", tiff(values.astype(np.uint16), photometric=2)),
    ]
    made += [
        ("LZW", picture(values, "TIFF", compression="tiff_lzw")),
        ("CMYK", picture(Image.new("CMYK", (9, 9)), "JPEG")),
    ]
    made += [
        ("float", picture(values[..., 0].astype(np.float32), "TIFF")),
        ("P", picture(Image.fromarray(values).quantize(8))),
    ]
    frames = [Image.fromarray(noise(12, 12, seed=i)) for i in range(3)]
    made += [
        (f"animated {format}", picture(frames[0], format, save_all=True, append_images=frames[1:]))
        for format in ("GIF", "PNG", "WEBP", "TIFF")
    ]
    exif = Image.Exif()
    exif[0x0112] = 6
    return [*made, ("EXIF", picture(values, "JPEG", exif=exif))]


@pytest.mark.parametrize("content", [content for _, content in seeds()], ids=[name for name, _ in seeds()])
def test_random_damage(content: bytes) -> None:
    options = [OPTIONS, ImageOptions(5, 9, "grey", "pad"), ImageOptions(3, 3, "grey", "stretch")]
    before = threading.active_count()
    for seed in range(400):
        bad = mutated(content, seed)
        try:
            picture = prepare_picture(bad, "bad", options[seed % 3])
        except SaeError as error:
            if not str(error).endswith("."):
                pytest.fail(f"not a sentence: {error}")
        else:
            assert np.isfinite(picture.pixels).all()
            assert picture.is_open or (picture.pixels.min() >= 0 and picture.pixels.max() <= 1)
    for seed in range(20):
        data = read_images([("ok.png", GOOD), ("bad", mutated(content, seed))])
        assert 0 <= np.asarray(data.features).min() <= np.asarray(data.features).max() <= 1
    assert threading.active_count() <= before


# The front door


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ([("a.png", GOOD)], "images"),
        ([("a.csv", GOOD)], "images"),
        ([("a.png", GOOD), ("b.jpg", GOOD), ("labels.csv", b"a,b\n1,2\n")], "images"),
        ([("a.png", GOOD), (".DS_Store", b"\0\0\0\1Bud1")], "images"),
        ([("a.csv", b"a,b\n1,2\n")], "table"),
        ([("a.png", b"a,b\n1,2\n")], "table"),
        ([("a.csv.gz", gz(b"a,b\n1,2\n"))], "table"),
        ([("a.parquet", b"PAR1")], "table"),
        ([("a.csv", "a;b\n1;2\n".encode("utf-16"))], "table"),
        ([("a.csv", "a;b\n1;2\n".encode("utf-16-le"))], "table"),
        ([("a.csv", "名字,值\n一,2\n".encode("gbk"))], "table"),
        ([("a.csv", b"a,b\n1\0,2\n")], "table"),
        ([("a.csv", b"BMW,Audi\n1,2\n")], "table"),
    ],
)
def test_recognised(files: list[tuple[str, bytes]], kind: str) -> None:
    assert recognise(files) == kind
    objects = [(name, io.BytesIO(content)) for name, content in files]
    for _, file in objects:
        file.seek(1)
    assert recognise(objects) == kind  # type: ignore[arg-type]
    assert all(file.tell() == 1 for _, file in objects)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"%PDF-1.7", "a PDF document, which is not read: save the table as CSV"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document"),
        ("a.csv", b"<!DOCTYPE html><html>", "a web page"),
        ("a.svg", b"<svg></svg>", "vector drawing"),
        ("a.svg", b'<?xml version="1.0"?><svg></svg>', "vector drawing"),
        ("a.json", b'{"a": 1}', "JSON"),
        ("a.pkl", b"\x80\x04\x95", "pickle"),
        ("a.npy", b"\x80\x04\x95", "pickle"),
        ("model.pt", b"anything", "pickle"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a.mat", b"MATLAB 5.0 MAT-file, Platform", "MATLAB"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "7z archive"),
        ("a.rar", b"Rar!\x1a\x07", "RAR"),
        ("a.heic", b"\0\0\0\x18ftypheic", "HEIC"),
        ("a.exe", b"MZ\x90\0", "a program"),
        ("a.bin", bytes(range(256)) * 8, "not known here"),
        ("a.csv", b"", "is empty"),
        ("a.gz", b"\x1f\x8b\x08broken", "gzip file that is damaged"),
        ("a.png.gz", gz(GOOD), "gzipped picture"),
        ("a.tar", b"x" * 257 + b"ustar\0" + b"x" * 100, "tar archive"),
    ],
)
def test_refused_at_the_door_with_the_remedy(name: str, content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message) as caught:
        recognise([(name, content)])
    assert str(caught.value).endswith(".")


def test_recognise_random_bytes() -> None:
    for seed in range(300):
        random = Random(seed)
        content = random.randbytes(random.randrange(200))
        for start in (b"", b"PK\x03\x04", b"\x1f\x8b", b"\x93NUMPY", b"\0\0\x08\x03", b"\xff\xfe"):
            try:
                kind: Any = recognise([("a", start + content)])
            except SaeError:
                continue
            assert kind in ("table", "images", "arrays")
