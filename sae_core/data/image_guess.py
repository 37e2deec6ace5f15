"""What size and colour suit a collection of pictures, judged by a look at some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sae_core import limits
from sae_core.data.collection import Source, open_collection
from sae_core.data.dataset import natural_order
from sae_core.data.entries import Entry, EntryError, Skipped
from sae_core.data.folders import labels_from_folders
from sae_core.data.picture_files import nothing_to_read, sift, spread
from sae_core.data.pictures import Header, ImageOptions, prepare_picture, quiet, read_header

SAMPLE_FILES = 256  # pictures that are looked into before the options are guessed
SAMPLE_BYTES = 64 * limits.MEGABYTE
KEPT_SIDE = 64  # pictures that all have one size up to this keep it
USUAL_SHARE = 0.9  # of the pictures, which have one size or shape; the others follow them
SAME_RATIO = 0.02  # relative difference of width / height that is no difference
COLOUR_SHARE = 0.1  # fewer pictures in colour than this are an exception in a grey set
GENEROUS_BYTES = 512 * limits.MEGABYTE  # of a prepared set with pictures of 64 x 64


_SMALL = ImageOptions(32, 32, "colour", "stretch")


@dataclass(frozen=True)
class ImageGuess:
    """What a collection of pictures was understood as.

    Attributes:
        name: of the collection.
        count: files that begin as pictures do.
        looked_into: pictures that the next three describe; a spread-out sample of a large collection.
        formats: e.g. {"PNG": 12}.
        modes: Pillow's names of the kinds of pixels, e.g. {"RGB": 12}.
        sizes: (width, height), most common first.
        classes: names and counts of the classes that folder names give; empty where there are none.
        unlabelled: pictures without a class.
        options: proposed; height, width and colour are decided.
        skipped: files that are left out, with the reason, as far as they have been noticed.
        notes: sentences on what was guessed.
    """

    name: str
    count: int
    looked_into: int
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: dict[tuple[int, int], int]
    classes: dict[str, int]
    unlabelled: int
    options: ImageOptions
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Look:
    """What a look at one picture shows."""

    header: Header
    in_colour: bool


def inspect_images(source: Source, *, name: str | None = None) -> ImageGuess:
    """Look at a collection of pictures without reading it whole.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: as `read_images`.
    """
    with open_collection(source, name=name) as files, quiet():
        pictures, skipped = sift(files)
        looks, broken = _look_into(files.name, pictures, skipped)
    options, notes = _guess(looks, len(pictures), ImageOptions())
    folders = labels_from_folders([entry.folders for entry in pictures])
    classes = Counter(label for label in folders.labels if label is not None)
    headers = [look.header for look in looks]
    return ImageGuess(
        name=files.name,
        count=len(pictures),
        looked_into=len(looks),
        formats=dict(Counter(header.format for header in headers).most_common()),
        modes=dict(Counter(header.mode for header in headers).most_common()),
        sizes=dict(Counter((header.width, header.height) for header in headers).most_common()),
        classes={label: classes[label] for label in sorted(classes, key=natural_order)},
        unlabelled=len(pictures) - classes.total(),
        options=options,
        skipped=(*skipped, *broken),
        notes=(*notes, *folders.notes),
    )


def decide_options(
    name: str, pictures: Sequence[Entry], skipped: Sequence[Skipped], options: ImageOptions | None
) -> tuple[ImageOptions, list[str]]:
    """Options with nothing left open, and notes on what was chosen.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: no picture can be used; named by `skipped`.
    """
    if not pictures:
        raise nothing_to_read(name, skipped)
    options = options or ImageOptions()
    if options.height and options.width and options.colour != "auto":
        return options, []
    looks, _ = _look_into(name, pictures, skipped)
    return _guess(looks, len(pictures), options)


def _look_into(name: str, pictures: Sequence[Entry], skipped: Sequence[Skipped]) -> tuple[list[_Look], list[Skipped]]:
    """Decode a spread-out sample of the pictures, small; what cannot be decoded is listed with the reason."""
    looks: list[_Look] = []
    broken: list[Skipped] = []
    size = 0
    for entry in spread(pictures, SAMPLE_FILES):
        try:
            content = entry.read()
            header = read_header(content, entry.name)
            picture = prepare_picture(content, entry.name, _SMALL)
        except EntryError as error:
            broken.append(Skipped(entry.name, error.reason, error.kind))
            continue
        looks.append(_Look(header, picture.was_colour))
        size += len(content)
        if size > SAMPLE_BYTES:
            break
    if not looks:
        raise nothing_to_read(name, [*skipped, *broken])
    return looks, broken


def _guess(looks: Sequence[_Look], count: int, wanted: ImageOptions) -> tuple[ImageOptions, list[str]]:
    """Fill in what is left open."""
    notes: list[str] = []
    colour = wanted.colour
    if colour == "auto":
        coloured = sum(look.in_colour for look in looks)
        colour = "colour" if coloured and coloured >= COLOUR_SHARE * len(looks) else "grey"
        if coloured and colour == "grey":
            notes.append(f"{coloured:,} of {len(looks):,} pictures looked into are in colour; all are read as grey.")
    sizes = Counter((look.header.height, look.header.width) for look in looks)
    height, width = _size(sizes, count, 1 if colour == "grey" else 3)
    height, width = wanted.height or wanted.width or height, wanted.width or wanted.height or width
    (h, w), _ = sizes.most_common(1)[0]
    if len(sizes) > 1:
        notes.append(f"The pictures have {len(sizes):,} different sizes; all are brought to {width} x {height} pixels.")
    elif (height, width) != (h, w):
        notes.append(f"The pictures of {w} x {h} pixels are brought to {width} x {height}.")
    return ImageOptions(height, width, colour, wanted.fit), notes


def _size(sizes: Counter[tuple[int, int]], count: int, channels: int) -> tuple[int, int]:
    """Height and width that suit pictures of these (height, width)."""
    usual, frequency = sizes.most_common(1)[0]
    if frequency >= USUAL_SHARE * sizes.total() and max(usual) <= KEPT_SIDE:
        return usual
    side = KEPT_SIDE
    short = sorted(min(size) for size in sizes.elements())[sizes.total() // 2]
    if short < KEPT_SIDE or count * KEPT_SIDE**2 * channels * 4 > GENEROUS_BYTES:
        side = KEPT_SIDE // 2
    ratios = sorted(width / height for height, width in sizes.elements())
    outliers = int((1 - USUAL_SHARE) * (len(ratios) - 1))
    low, ratio, high = ratios[outliers], ratios[len(ratios) // 2], ratios[-1 - outliers]
    if high - low > SAME_RATIO * high or not 0.25 <= ratio <= 4:
        return side, side
    return (side, max(1, round(side * ratio))) if ratio <= 1 else (max(1, round(side / ratio)), side)
