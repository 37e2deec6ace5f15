"""What size and colour suit a collection of pictures, judged by a look at some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sae_core import limits
from sae_core.data.collection import Source, open_collection
from sae_core.data.dataset import natural_order
from sae_core.data.entries import Entry, EntryError, Skipped
from sae_core.data.folders import labels_from_folders
from sae_core.data.picture_files import nothing_to_read, sift, spread
from sae_core.data.pictures import VISIBLE_COLOUR, Header, ImageOptions, prepare_picture, quiet, read_header

SAMPLE_FILES = 256  # pictures that are looked into before the options are guessed
SAMPLE_BYTES = 64 * limits.MEGABYTE
KEPT_SIDE = 64  # pictures that all have one size up to this keep it
SAMPLE_SIDE = 32
COLOUR_SHARE = 0.1  # fewer pictures in colour than this are an exception in a grey set
GENEROUS_BYTES = 512 * limits.MEGABYTE  # of a prepared set with pictures of 64 x 64


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


def inspect_images(source: Source, *, name: str | None = None) -> ImageGuess:
    """Look at a collection of pictures without reading it whole.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: as `read_images`.
    """
    with open_collection(source, name=name) as files, quiet():
        pictures, skipped = sift(files)
        if not pictures:
            raise nothing_to_read(files.name, skipped)
        headers, broken = _headers(spread(pictures, SAMPLE_FILES))
        if not headers:
            raise nothing_to_read(files.name, [*skipped, *broken])
        options, notes = _guess(headers, len(pictures))
    folders = labels_from_folders([entry.folders for entry in pictures])
    classes = Counter(label for label in folders.labels if label is not None)
    found = [header for _, _, header in headers]
    return ImageGuess(
        name=files.name,
        count=len(pictures),
        looked_into=len(found),
        formats=dict(Counter(header.format for header in found).most_common()),
        modes=dict(Counter(header.mode for header in found).most_common()),
        sizes=dict(Counter((header.width, header.height) for header in found).most_common()),
        classes={label: classes[label] for label in sorted(classes, key=natural_order)},
        unlabelled=len(pictures) - classes.total(),
        options=options,
        skipped=(*skipped, *broken),
        notes=(*notes, *folders.notes),
    )


def _headers(pictures: Iterable[Entry]) -> tuple[list[tuple[Entry, bytes, Header]], list[Skipped]]:
    """Entry, content and header of a sample of pictures, until it is large enough."""
    headers: list[tuple[Entry, bytes, Header]] = []
    skipped: list[Skipped] = []
    size = 0
    for entry in pictures:
        try:
            content = entry.read()
            headers.append((entry, content, read_header(content, entry.name)))
        except EntryError as error:
            skipped.append(Skipped(entry.name, error.reason, error.unsafe))
            continue
        size += len(content)
        if size > SAMPLE_BYTES:
            break
    return headers, skipped


def decide_options(
    name: str, pictures: Sequence[Entry], skipped: Sequence[Skipped], options: ImageOptions | None
) -> tuple[ImageOptions, list[str]]:
    """Options with nothing left open, and notes on what was chosen."""
    if not pictures:
        raise nothing_to_read(name, skipped)
    options = options or ImageOptions()
    if options.height and options.width and options.colour != "auto":
        return options, []
    headers, broken = _headers(spread(pictures, SAMPLE_FILES))
    if not headers:
        raise nothing_to_read(name, [*skipped, *broken])
    guess, notes = _guess(headers, len(pictures))
    height, width = options.height or options.width or guess.height, options.width or options.height or guess.width
    colour = guess.colour if options.colour == "auto" else options.colour
    return ImageOptions(height, width, colour, options.fit), notes


def _guess(headers: Sequence[tuple[Entry, bytes, Header]], count: int) -> tuple[ImageOptions, list[str]]:
    colour = _in_colour(headers)
    notes = []
    if colour and colour < COLOUR_SHARE * len(headers):
        notes.append(f"{colour:,} of {len(headers):,} pictures looked into are in colour; all are read as grey.")
    in_colour = colour >= COLOUR_SHARE * len(headers) and colour > 0
    sizes = Counter((header.height, header.width) for _, _, header in headers)
    height, width = _size(sizes, count, 3 if in_colour else 1)
    if len(sizes) > 1:
        notes.append(f"The pictures have {len(sizes):,} different sizes; all are brought to {width} x {height} pixels.")
    elif (height, width) not in sizes:
        (h, w), _ = sizes.most_common(1)[0]
        notes.append(f"The pictures of {w} x {h} pixels are reduced to {width} x {height}.")
    return ImageOptions(height, width, "colour" if in_colour else "grey"), notes


def _in_colour(headers: Sequence[tuple[Entry, bytes, Header]]) -> int:
    """How many of some pictures show colour; a grey picture is often stored as a colour one."""
    count = 0
    for entry, content, header in headers:
        if header.mode in ("1", "L", "LA", "F", "I") or header.mode.startswith("I;16"):
            continue
        try:
            picture = prepare_picture(content, entry.name, ImageOptions(SAMPLE_SIDE, SAMPLE_SIDE, "colour", "stretch"))
        except EntryError:
            continue
        count += bool(np.ptp(picture.pixels, axis=2).max() > VISIBLE_COLOUR)
    return count


def _size(sizes: Counter[tuple[int, int]], count: int, channels: int) -> tuple[int, int]:
    """Height and width that suit pictures of these (height, width)."""
    longest = max(max(size) for size in sizes)
    if len(sizes) == 1 and longest <= KEPT_SIDE:
        return next(iter(sizes))
    side = KEPT_SIDE
    short = sorted(min(size) for size in sizes.elements())[sizes.total() // 2]
    if short < KEPT_SIDE or count * KEPT_SIDE**2 * channels * 4 > GENEROUS_BYTES:
        side = KEPT_SIDE // 2
    ratios = [width / height for height, width in sizes]
    if max(ratios) - min(ratios) > 0.02 * max(ratios) or not 0.25 <= ratios[0] <= 4:
        return side, side
    ratio = float(np.median(ratios))
    return (side, max(1, round(side * ratio))) if ratio <= 1 else (max(1, round(side / ratio)), side)
