"""One picture: from the bytes of a file to numbers of a chosen size.

Pillow does the decoding, behind the guards that its defaults lack: the format is decided by the first bytes and is one
of six, the size is checked before a pixel is decoded, and whatever a broken file sets off comes out as `EntryError`.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sae_core import limits
from sae_core.data.entries import EntryError
from sae_core.errors import DataError, TooLargeError

Colour = Literal["auto", "grey", "colour"]
Fit = Literal["crop", "pad", "stretch"]
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
LARGE_PIXELS = 4_000_000  # larger pictures are decoded one at a time, whatever the number of threads

VISIBLE_COLOUR = 0.04  # difference between the channels of a pixel; JPEG's rounding stays below

# ITU-R 601-2 luma, as Pillow's own conversion to grey has it.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
EXIF_ORIENTATION = 0x0112
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TIFF_TILE_SIDES = (322, 323)
TIFF_PHOTOMETRIC = 262
TIFF_PLANAR = 284
TIFF_BITS = 258
# Ways of packing 16 bits a channel that `_deep_colour` takes apart.
DEEP_COLOUR = ("RGB;16", "RGBA;16", "RGBX;16", "LA;16B")

_one_large = threading.Lock()


@dataclass(frozen=True)
class ImageOptions:
    """What every picture of a set is turned into.

    Attributes:
        height, width: pixels, 1 .. `limits.MAX_PICTURE_SIDE`; None: chosen to suit the set.
        colour: "grey" (one channel), "colour" (three), or "auto": grey where (nearly) all pictures are.
        fit: pictures of another shape are cropped around their middle, padded with black, or stretched.
    """

    height: int | None = None
    width: int | None = None
    colour: Colour = "auto"
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        for side, value in (("height", self.height), ("width", self.width)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise DataError(f"The {side} of pictures is a whole number of pixels from 1, not {value!r}.")
            if value > limits.MAX_PICTURE_SIDE:
                raise TooLargeError(
                    f"Pictures can be up to {limits.MAX_PICTURE_SIDE} pixels on a side, not {value}. Choose a smaller "
                    f"{side}."
                )
        if self.colour not in ("auto", "grey", "colour"):
            raise DataError(f'The colour of pictures is "auto", "grey" or "colour", not {self.colour!r}.')
        if self.fit not in ("crop", "pad", "stretch"):
            raise DataError(f'The fit of pictures is "crop", "pad" or "stretch", not {self.fit!r}.')

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels); only of options without anything left to choose."""
        if self.height is None or self.width is None or self.colour == "auto":
            raise DataError("Height, width and colour of the pictures are not decided yet.")
        return int(self.height), int(self.width), 1 if self.colour == "grey" else 3


@dataclass(frozen=True)
class Header:
    """What a picture says about itself before its pixels are decoded.

    Attributes:
        format: one of `FORMATS`.
        mode: Pillow's name for the kind of pixels, e.g. "RGB", "L", "I;16".
        width, height: pixels, as shown (after the rotation that EXIF asks for).
    """

    format: str
    mode: str
    width: int
    height: int


@dataclass(frozen=True)
class Picture:
    """A prepared picture.

    Attributes:
        pixels: (height, width, channels) float32, 0..1; in the file's own units where `is_open` is true.
        is_open: float or 32-bit values, whose range only the whole set can tell.
        had_more: only the first of several frames or pages was taken.
        had_transparency: transparent parts are shown on white.
        was_colour: it had colour before it was made grey.
    """

    pixels: NDArray[np.float32]
    is_open: bool = False
    had_more: bool = False
    had_transparency: bool = False
    was_colour: bool = False


def picture_format(head: bytes) -> str | None:
    """The format that the first bytes belong to, or None.

    >>> picture_format(b"GIF89a")
    'GIF'
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    # "BM" alone also begins English words; byte 14 is the size of the second header.
    if (
        head.startswith(b"BM")
        and len(head) > 17
        and head[14] in (12, 16, 40, 52, 56, 64, 108, 124)
        and not any(head[15:18])
    ):
        return "BMP"
    return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings about odd files to itself while many are read; the filters belong to the process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        yield


@contextlib.contextmanager
def _picture_errors(name: str) -> Iterator[None]:
    """Whatever a broken picture sets off in Pillow becomes one sentence.

    Pillow raises OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error, zlib.error,
    OverflowError, MemoryError, RuntimeError ... depending on where the damage is, so all are caught.
    """
    try:
        yield
    except EntryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise EntryError(name, _too_many_pixels(), TooLargeError) from None
    except MemoryError:
        raise EntryError(name, "needs more memory than there is") from None
    except Exception as error:
        cut_short = "truncated" in str(error).lower() or isinstance(error, EOFError)
        raise EntryError(
            name, "is cut short" if cut_short else "is damaged or not a picture that can be read"
        ) from None


def _too_many_pixels() -> str:
    return f"has more than {limits.MAX_PICTURE_PIXELS // 1_000_000} million pixels"


def _opened(content: bytes, name: str) -> Image.Image:
    """Header read, size checked, no pixel decoded."""
    format_ = picture_format(content[:64])
    if format_ is None:
        raise EntryError(name, "is not a picture in one of the formats PNG, JPEG, GIF, BMP, TIFF and WebP")
    image = Image.open(io.BytesIO(content), formats=(format_,))
    width, height = image.size
    if width < 1 or height < 1:
        raise EntryError(name, "has no pixels")
    tags: Any = getattr(image, "tag_v2", {})
    tile = [tags.get(tag) or 1 for tag in TIFF_TILE_SIDES]
    if width * height > limits.MAX_PICTURE_PIXELS or tile[0] * tile[1] > limits.MAX_PICTURE_PIXELS:
        raise EntryError(name, _too_many_pixels(), TooLargeError)
    return image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # a broken EXIF block leaves the picture itself readable
        return 1


def read_header(content: bytes, name: str) -> Header:
    """Look at a picture without decoding its pixels.

    Raises:
        EntryError: not a picture, or more pixels than `limits.MAX_PICTURE_PIXELS`.
    """
    with _picture_errors(name):
        image = _opened(content, name)
        width, height = image.size
        if image.format != "TIFF" and _orientation(image) >= 5:  # Pillow has already turned a TIFF
            width, height = height, width
        return Header(str(picture_format(content[:64])), image.mode, width, height)


def prepare_picture(content: bytes, name: str, options: ImageOptions) -> Picture:
    """Decode one picture and bring it to the size and colour of `options`.

    8-bit values become v / 255, 16-bit values v / 65535, without rounding where the size stays the same. The first
    frame or page counts. Transparent parts are laid on white, so that colours hidden under them do not show.

    Args:
        content: the whole file.
        name: used in messages.
        options: with height, width and colour decided.

    Raises:
        EntryError: not a picture, broken, or more pixels than `limits.MAX_PICTURE_PIXELS`.
    """
    shape = options.shape
    with _picture_errors(name):
        image = _opened(content, name)
        large = image.width * image.height > LARGE_PIXELS
        with _one_large if large else contextlib.nullcontext():
            return _prepared(image, content, name, shape, options.fit)


def _prepared(image: Image.Image, content: bytes, name: str, shape: tuple[int, int, int], fit: Fit) -> Picture:
    height, width, channels = shape
    if image.format in ("JPEG", "MPO"):
        # Decode at a half, quarter or eighth of the size where that is still twice what is needed.
        image.draft(None, (2 * max(height, width),) * 2)
    had_more = image.format != "MPO" and _has_more(image)
    planes, had_transparency, is_open = _planes(image, content, name)
    orientation = TRANSPOSE.get(_orientation(image))
    if orientation is not None:
        planes = [plane.transpose(orientation) for plane in planes]
    fitted = np.dstack([_fitted(plane, height, width, fit) for plane in planes])  # (h, w, 1 or 3)
    was_colour = fitted.shape[2] == 3 and _shows_colour(fitted)
    if channels == 1 and fitted.shape[2] == 3:
        fitted = (fitted @ LUMA)[:, :, None]
    elif channels == 3 and fitted.shape[2] == 1:
        fitted = np.repeat(fitted, 3, axis=2)
    if is_open and not np.isfinite(fitted).all():
        raise EntryError(name, "holds values that are not finite numbers")
    pixels = fitted.astype(np.float32, copy=False)
    return Picture(pixels if is_open else pixels.clip(0, 1), is_open, had_more, had_transparency, was_colour)


def _shows_colour(values: NDArray[np.float32]) -> bool:
    """Whether the channels of (h, w, 3) differ anywhere; a grey picture is often stored as a colour one."""
    red, green, blue = values[:, :, 0], values[:, :, 1], values[:, :, 2]
    return any(
        bool(np.abs(one - other).max() > VISIBLE_COLOUR) for one, other in ((red, green), (green, blue), (red, blue))
    )


def _has_more(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is broken; the first is the one that counts
        return True


def _planes(image: Image.Image, content: bytes, name: str) -> tuple[list[Image.Image], bool, bool]:
    """The picture as 8-bit ("L" or "RGB") or float ("F", one for each channel) images; transparent?; range unknown?"""
    raw_mode, tags = _raw_mode(image), getattr(image, "tag_v2", {})
    if image.mode in ("RGB", "RGBA") and tags.get(TIFF_PLANAR, 1) == 2 and max(tags.get(TIFF_BITS, (8,))) > 8:
        raise EntryError(name, "stores 16-bit colour plane by plane, which cannot be read (save it as PNG)")
    if raw_mode.startswith(DEEP_COLOUR) and image.mode in ("RGB", "RGBA"):
        return _deep_colour(image, content, name, raw_mode)
    image.load()
    if image.mode.startswith("I;16"):
        bits = tags.get(TIFF_BITS, (16,))[0]
        values = np.asarray(image).astype(np.float32)
        values /= np.float32(2 ** (bits if bits == 12 else 16) - 1)
        if tags.get(TIFF_PHOTOMETRIC) == 0:
            values = 1 - values  # zero is white
        return [Image.fromarray(values)], False, False
    if image.mode in ("I", "F"):
        return [Image.fromarray(np.asarray(image).astype(np.float32))], False, True
    if image.has_transparency_data or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        transparent = image.getchannel("A").getextrema() != (255, 255)
        if transparent:
            image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
        return [image.convert("RGB")], transparent, False
    return [image.convert("L" if image.mode in ("1", "L") else "RGB")], False, False


def _raw_mode(image: Image.Image) -> str:
    """How the file packs its pixels, e.g. "RGB;16B"."""
    tile = image.tile[0] if getattr(image, "tile", None) else None  # type: ignore[attr-defined]
    args = tile[3] if tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _deep_colour(image: Image.Image, content: bytes, name: str, raw_mode: str) -> tuple[list[Image.Image], bool, bool]:
    """Colour with 16 bits a channel, exactly. Pillow keeps the high byte of each value only, so the file is decoded
    a second time with the bytes taken in the other order, which gives the low one."""
    if raw_mode == "LA;16B":  # four bytes a pixel: grey high, grey low, alpha high, alpha low
        quads = _decoded_as(content, "RGBA").astype(np.float32)
        values = quads[:, :, 0::2] * 256 + quads[:, :, 1::2]
    else:
        image.load()
        kind, order = raw_mode.split(";16")
        low = _decoded_as(content, f"{kind};16{'L' if order == 'B' else 'B'}")
        values = np.asarray(image).astype(np.float32) * 256 + low
    values /= np.float32(65535)
    transparent = values.shape[2] in (2, 4) and bool(values[:, :, -1].min() < 1)
    if values.shape[2] in (2, 4):
        alpha = values[:, :, -1:]
        values = values[:, :, :-1] * alpha + (1 - alpha)
    return [Image.fromarray(np.ascontiguousarray(values[:, :, c])) for c in range(values.shape[2])], transparent, False


def _decoded_as(content: bytes, raw_mode: str) -> NDArray[np.uint8]:
    """Decode with another way of unpacking the bytes than the file's header suggests."""
    image: Any = Image.open(io.BytesIO(content), formats=(str(picture_format(content[:64])),))
    image.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in image.tile
    ]
    return np.asarray(image)


def usual_top(high: float) -> float:
    """The value that stands for white in a set whose largest value is `high`.

    1, 255 or 65535 where the values come near it, so that a dark set stays dark; otherwise the largest value itself.

    >>> usual_top(0.3), usual_top(250), usual_top(16)
    (1.0, 255.0, 16)
    """
    return next((top for top, least in ((1.0, 0.0), (255.0, 128.0), (65535.0, 32768.0)) if least <= high <= top), high)


def fit_values(values: NDArray[np.float32], height: int, width: int, fit: Fit) -> NDArray[np.float32]:
    """Bring (h, w, c) float32 values to (height, width, c)."""
    planes = [Image.fromarray(np.ascontiguousarray(values[:, :, c])) for c in range(values.shape[2])]
    return np.dstack([_fitted(plane, height, width, fit) for plane in planes])


def _fitted(image: Image.Image, height: int, width: int, fit: Fit) -> NDArray[np.float32]:
    """(height, width) or (height, width, 3) float32; 8-bit values divided by 255."""
    w, h = image.size
    if fit == "crop" and (w, h) != (width, height):
        scale = min(w / width, h / height)  # source pixels for each pixel of the result
        crop_w, crop_h = min(scale * width, w), min(scale * height, h)
        left, top = (w - crop_w) / 2, (h - crop_h) / 2
        image = _resized(image, width, height, (left, top, left + crop_w, top + crop_h))
    elif fit == "pad" and (w, h) != (width, height):
        scale = max(w / width, h / height)
        inner_w, inner_h = max(1, round(w / scale)), max(1, round(h / scale))
        inner = _resized(image, inner_w, inner_h, (0, 0, w, h))
        image = Image.new(image.mode, (width, height))
        image.paste(inner, ((width - inner_w) // 2, (height - inner_h) // 2))
    elif (w, h) != (width, height):
        image = _resized(image, width, height, (0, 0, w, h))
    values = np.asarray(image)
    return values if values.dtype == np.float32 else values.astype(np.float32) / np.float32(255)


def _resized(image: Image.Image, width: int, height: int, box: tuple[float, float, float, float]) -> Image.Image:
    # Triangle filter with the support scaled to the reduction: no aliasing, and no overshoot beyond the values' range.
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
