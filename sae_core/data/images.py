"""Collections of pictures -> Dataset."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core import limits
from sae_core.data.archive import (
    Collection,
    Entry,
    EntryError,
    Report,
    Skipped,
    Source,
    describe_skipped,
    open_collection,
)
from sae_core.data.dataset import Dataset, natural_order
from sae_core.data.folders import labels_from_folders
from sae_core.data.pictures import (
    VISIBLE_COLOUR,
    Fit,
    Header,
    ImageOptions,
    Picture,
    picture_format,
    prepare_picture,
    quiet,
    read_header,
    usual_top,
)
from sae_core.errors import TooLargeError, UnreadableFileError, UnsafeFileError

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


@dataclass(frozen=True)
class ImagePreview:
    """A few pictures as they will be.

    Attributes:
        pixels: (m, height * width * channels) float32, 0..1.
        image_shape: (height, width, channels).
        labels: (m,) class of each, or None.
        files: (m,) names.
        skipped: pictures among them that turned out to be unusable.
    """

    pixels: NDArray[np.float32]
    image_shape: tuple[int, int, int]
    labels: tuple[str | None, ...]
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def read_images(
    source: Source, *, options: ImageOptions | None = None, name: str | None = None, progress: Report | None = None
) -> Dataset:
    """Read a collection of pictures; the names of the folders that they lie in are the labels.

    Args:
        source: a ZIP (path, binary file object or bytes), a folder, or a list of paths, file objects and
            (name, bytes) pairs. PNG, JPEG, GIF, BMP, TIFF and WebP are read, whatever the files are called.
        options: size, colour and fit; what is left open, or None, is chosen to suit the collection.
        name: of the data set; the file's or folder's own by default.
        progress: told the fraction done, 0..1, and what is being done; what it raises ends the reading.

    Returns:
        kind "images"; features (n, height * width * channels) float32, 0..1; labels of str, or None where no folder
        names a class; file names in `identifiers["file"]`. Pictures that cannot be read are left out and named in
        `notes`. Folders "train" and "test" above the classes become the official test set.

    Raises:
        UnreadableFileError: no picture among the files can be read.
        UnsafeFileError: an archive built to do harm.
        TooLargeError: beyond one of the limits.
    """
    report = progress or (lambda fraction, text: None)
    with open_collection(source, name=name) as files, quiet():
        pictures, skipped = _sift(files)
        if len(pictures) > limits.MAX_PICTURES:
            raise TooLargeError(
                f"{files.name} holds {len(pictures):,} pictures; the limit is {limits.MAX_PICTURES:,}. Use fewer."
            )
        decided, notes = _decide(files.name, pictures, skipped, options)
        matrix = _matrix(files.name, len(pictures), decided)
        kept: list[Entry] = []
        flags: list[Picture] = []
        for done, (entry, result) in enumerate(_prepare_all(pictures, decided), start=1):
            if isinstance(result, Skipped):
                skipped.append(result)
            else:
                matrix[len(kept)] = result.pixels.ravel()
                kept.append(entry)
                flags.append(replace(result, pixels=result.pixels[:0]))
            if done % 64 == 0 or done == len(pictures):
                report(done / len(pictures), f"{done:,} of {len(pictures):,} pictures")
    if not kept:
        raise nothing_to_read(files.name, skipped)
    matrix = matrix[: len(kept)]
    folders = labels_from_folders([entry.folders for entry in kept])
    notes += _picture_notes(flags, decided)
    notes += _scale_open(matrix, np.array([flag.is_open for flag in flags]))
    labels = np.array(folders.labels, dtype=object)
    return Dataset(
        name=files.name,
        kind="images",
        features=matrix,
        labels=labels if any(label is not None for label in folders.labels) else None,
        image_shape=decided.shape,
        identifiers=pd.DataFrame({"file": [entry.name for entry in kept]}),
        official_test=folders.official_test,
        notes=(*notes, *folders.notes, *describe_skipped(skipped)),
    )


def inspect_images(source: Source, *, name: str | None = None) -> ImageGuess:
    """Look at a collection of pictures without reading it whole.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: as `read_images`.
    """
    with open_collection(source, name=name) as files, quiet():
        pictures, skipped = _sift(files)
        if not pictures:
            raise nothing_to_read(files.name, skipped)
        headers, broken = _headers(_spread(pictures, SAMPLE_FILES))
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


def preview_images(
    source: Source, options: ImageOptions | None = None, n: int = 24, *, name: str | None = None
) -> ImagePreview:
    """Prepare a few pictures, spread over the collection, as `read_images` would.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: as `read_images`.
    """
    with open_collection(source, name=name) as files, quiet():
        pictures, skipped = _sift(files)
        decided, _ = _decide(files.name, pictures, skipped, options)
        chosen = _spread(pictures, n)
        results = list(_prepare_all(chosen, decided))
    labels = dict(
        zip(map(id, pictures), labels_from_folders([entry.folders for entry in pictures]).labels, strict=True)
    )
    good = [(entry, result) for entry, result in results if isinstance(result, Picture)]
    broken = [result for _, result in results if isinstance(result, Skipped)]
    if not good:
        raise nothing_to_read(files.name, [*skipped, *broken])
    pixels = np.stack([picture.pixels.ravel() for _, picture in good])
    _scale_open(pixels, np.array([picture.is_open for _, picture in good]))
    return ImagePreview(
        pixels=pixels,
        image_shape=decided.shape,
        labels=tuple(labels[id(entry)] for entry, _ in good),
        files=tuple(entry.name for entry, _ in good),
        skipped=tuple(broken),
    )


def nothing_to_read(name: str, skipped: Sequence[Skipped]) -> UnreadableFileError | UnsafeFileError:
    """The error for a collection of which nothing is left, with the main reason."""
    kind = UnsafeFileError if skipped and all(each.unsafe for each in skipped) else UnreadableFileError
    if len(skipped) == 1 and skipped[0].name == name:
        start = f"{name} cannot be used because it {skipped[0].reason}."
    elif skipped:
        start = f"{name} has no picture that can be used. {describe_skipped(skipped)[0]}"
    else:
        start = f"{name} is empty."
    return kind(f"{start} Choose PNG, JPEG, GIF, BMP, TIFF or WebP pictures, or a ZIP or folder of them.")


def _sift(files: Collection) -> tuple[list[Entry], list[Skipped]]:
    """Files that begin as pictures do, and those that are left out."""
    pictures: list[Entry] = []
    skipped = list(files.skipped)
    for entry in files.entries:
        try:
            head = entry.head()
        except EntryError as error:
            skipped.append(Skipped(entry.name, error.reason, error.unsafe))
            continue
        if picture_format(head):
            pictures.append(entry)
        else:
            skipped.append(Skipped(entry.name, _no_picture(head)))
    return pictures, skipped


def _no_picture(head: bytes) -> str:
    if not head:
        return "is empty"
    if head.startswith(b"PK\x03\x04"):
        return "is an archive inside the archive"
    return "is not a picture (PNG, JPEG, GIF, BMP, TIFF or WebP)"


def _spread(pictures: Sequence[Entry], n: int) -> list[Entry]:
    """At most n, evenly spread over the collection, so that every class is likely to be among them."""
    if len(pictures) <= n:
        return list(pictures)
    return [pictures[i] for i in np.linspace(0, len(pictures) - 1, max(n, 1)).round().astype(int)]


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


def _decide(
    name: str, pictures: Sequence[Entry], skipped: Sequence[Skipped], options: ImageOptions | None
) -> tuple[ImageOptions, list[str]]:
    """Options with nothing left open, and notes on what was chosen."""
    if not pictures:
        raise nothing_to_read(name, skipped)
    options = options or ImageOptions()
    if options.height and options.width and options.colour != "auto":
        return options, []
    headers, broken = _headers(_spread(pictures, SAMPLE_FILES))
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


def _matrix(name: str, n: int, options: ImageOptions) -> NDArray[np.float32]:
    size = int(np.prod(options.shape))
    if n * size * 4 > limits.MAX_PREPARED_BYTES:
        raise TooLargeError(
            f"{n:,} pictures of {options.width} x {options.height} pixels in {options.colour} need "
            f"{n * size * 4 / limits.MEGABYTE:,.0f} MB of memory; the limit is "
            f"{limits.MAX_PREPARED_BYTES // limits.MEGABYTE:,} MB. Choose a smaller size, or grey, or fewer pictures of {name}."
        )
    return np.empty((n, size), dtype=np.float32)


def _prepare_all(pictures: Sequence[Entry], options: ImageOptions) -> Iterator[tuple[Entry, Picture | Skipped]]:
    """Decode in threads (Pillow and zlib let go of the interpreter), in order, a few ahead at a time."""

    def prepare(entry: Entry) -> Picture | Skipped:
        try:
            return prepare_picture(entry.read(), entry.name, options)
        except EntryError as error:
            return Skipped(entry.name, error.reason, error.unsafe)

    workers = min(4, os.cpu_count() or 1)
    waiting: deque[tuple[Entry, Future[Picture | Skipped]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        try:
            for entry in pictures:
                waiting.append((entry, pool.submit(prepare, entry)))
                if len(waiting) > 4 * workers:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()


def _scale_open(matrix: NDArray[np.float32], is_open: NDArray[np.bool_]) -> list[str]:
    """Bring rows of float and 32-bit pictures to 0..1, all by the same rule, in place."""
    if not is_open.any():
        return []
    rows = np.flatnonzero(is_open)
    low = min(float(matrix[row].min()) for row in rows)
    high = max(float(matrix[row].max()) for row in rows)
    start = min(low, 0.0)
    top = usual_top(high) if low >= 0 else high
    for row in rows:
        matrix[row] = np.float32(0) if top == start else (matrix[row] - start) / (top - start)
    np.clip(matrix, 0, 1, out=matrix)
    return [f"{len(rows):,} pictures hold float or 32-bit values; {start:g} to {top:g} became 0 to 1 in all of them."]


def _picture_notes(flags: Sequence[Picture], options: ImageOptions) -> list[str]:
    notes = []
    if count := sum(flag.had_more for flag in flags):
        notes.append(f"{count:,} files hold several frames or pages; only the first of each was read.")
    if count := sum(flag.had_transparency for flag in flags):
        notes.append(f"{count:,} pictures have transparent parts, which are shown on white.")
    if options.colour == "grey" and (count := sum(flag.was_colour for flag in flags)):
        notes.append(f"{count:,} pictures in colour were turned grey.")
    return notes


__all__ = ["Fit", "ImageGuess", "ImageOptions", "ImagePreview", "inspect_images", "preview_images", "read_images"]
