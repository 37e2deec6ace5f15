"""Collections of pictures -> Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sae_core import limits
from sae_core.data.collection import Source, open_collection
from sae_core.data.dataset import Dataset
from sae_core.data.entries import Entry, Report, Skipped, describe_skipped, memory_errors
from sae_core.data.folders import labels_from_folders
from sae_core.data.image_guess import ImageGuess, decide_options, inspect_images
from sae_core.data.picture_files import nothing_to_read, prepare_all, sift, spread
from sae_core.data.pictures import Fit, ImageOptions, Picture, quiet, usual_top
from sae_core.errors import TooLargeError

PICTURE_NAMES = (".png", ".jpg", ".jpeg", ".jpe", ".gif", ".bmp", ".tif", ".tiff", ".webp")
NOTHING = np.zeros((0, 0, 0), dtype=np.float32)


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
    with open_collection(source, name=name) as files, quiet(), memory_errors(files.name):
        pictures, skipped = sift(files)
        if len(pictures) > limits.MAX_PICTURES:
            raise TooLargeError(
                f"{files.name} holds {len(pictures):,} pictures; the limit is {limits.MAX_PICTURES:,}. Use fewer."
            )
        decided, notes = decide_options(files.name, pictures, skipped, options)
        matrix = _matrix(files.name, len(pictures), decided)
        kept: list[Entry] = []
        flags: list[Picture] = []
        for done, (entry, result) in enumerate(prepare_all(pictures, decided), start=1):
            if isinstance(result, Skipped):
                skipped.append(result)
            else:
                matrix[len(kept)] = result.pixels.ravel()
                kept.append(entry)
                flags.append(replace(result, pixels=NOTHING))
            if done % 64 == 0 or done == len(pictures):
                report(done / len(pictures), f"{done:,} of {len(pictures):,} pictures")
    if not kept:
        raise nothing_to_read(files.name, skipped)
    matrix = matrix[: len(kept)]
    folders = labels_from_folders([entry.folders for entry in kept])
    notes += picture_notes(flags, decided)
    notes += scale_open(matrix, np.array([flag.is_open for flag in flags]))
    labels, about, note = folder_labels(folders.labels)
    return Dataset(
        name=files.name,
        kind="images",
        features=matrix,
        labels=labels,
        image_shape=decided.shape,
        identifiers=pd.DataFrame({"file": [entry.name for entry in kept], **about}),
        official_test=folders.official_test,
        notes=(*notes, *folders.notes, *note, *describe_skipped(skipped)),
    )


def folder_labels(
    found: Sequence[str | None],
) -> tuple[NDArray[np.object_] | None, dict[str, Sequence[str | None]], tuple[str, ...]]:
    """Labels; or columns that tell the folders, and a note, where these are too many to be classes."""
    different = {label for label in found if label is not None}
    if len(different) > limits.MAX_CLASSES:
        note = (
            f"The pictures lie in {len(different):,} folders, too many for classes; they are shown with each picture."
        )
        return None, {"folder": found}, (note,)
    return (np.array(found, dtype=object) if different else None), {}, ()


def preview_images(
    source: Source, options: ImageOptions | None = None, n: int = 24, *, name: str | None = None
) -> ImagePreview:
    """Prepare a few pictures, spread over the collection, as `read_images` would.

    Raises:
        UnreadableFileError, UnsafeFileError, TooLargeError: as `read_images`.
    """
    with open_collection(source, name=name) as files, quiet():
        # Where names are those of pictures they are believed: to open each of 20,000 files takes a second.
        pictures = [entry for entry in files.entries if entry.name.lower().endswith(PICTURE_NAMES)]
        skipped = list(files.skipped)
        if not pictures:
            pictures, skipped = sift(files)
        decided, _ = decide_options(files.name, pictures, skipped, options)
        results = list(prepare_all(spread(pictures, n), decided))
    labels = dict(
        zip(map(id, pictures), labels_from_folders([entry.folders for entry in pictures]).labels, strict=True)
    )
    good = [(entry, result) for entry, result in results if isinstance(result, Picture)]
    broken = [result for _, result in results if isinstance(result, Skipped)]
    if not good:
        raise nothing_to_read(files.name, [*skipped, *broken])
    pixels = np.stack([picture.pixels.ravel() for _, picture in good])
    scale_open(pixels, np.array([picture.is_open for _, picture in good]))
    return ImagePreview(
        pixels=pixels,
        image_shape=decided.shape,
        labels=tuple(labels[id(entry)] for entry, _ in good),
        files=tuple(entry.name for entry, _ in good),
        skipped=tuple(broken),
    )


def _matrix(name: str, n: int, options: ImageOptions) -> NDArray[np.float32]:
    size = int(np.prod(options.shape))
    if n * size * 4 > limits.MAX_PREPARED_BYTES:
        raise TooLargeError(
            f"{n:,} pictures of {options.width} x {options.height} pixels in {options.colour} need "
            f"{n * size * 4 / limits.MEGABYTE:,.0f} MB of memory; the limit is "
            f"{limits.MAX_PREPARED_BYTES // limits.MEGABYTE:,} MB. Choose a smaller size, or grey, or fewer pictures "
            f"of {name}."
        )
    return np.empty((n, size), dtype=np.float32)


def open_span(low: float, high: float) -> tuple[float, float]:
    """What becomes 0 and 1 of float and 32-bit pictures, from their smallest and largest value."""
    return min(low, 0.0), usual_top(high) if low >= 0 else high


def scale_open(
    matrix: NDArray[np.float32], is_open: NDArray[np.bool_], span: tuple[float, float] | None = None
) -> list[str]:
    """Bring rows of float and 32-bit pictures to 0..1, all by the same rule, in place. span: known from more rows."""
    if not is_open.any():
        return []
    rows = np.flatnonzero(is_open)
    if span is None:
        low = min(float(matrix[row].min()) for row in rows)
        high = max(float(matrix[row].max()) for row in rows)
        span = open_span(low, high)
    start, top = span
    for row in rows:
        matrix[row] = np.float32(0) if top == start else (matrix[row] - start) / (top - start)
    np.clip(matrix, 0, 1, out=matrix)
    hold = "picture holds" if len(rows) == 1 else "pictures hold"
    return [f"{len(rows):,} {hold} float or 32-bit values; {start:g} to {top:g} became 0 to 1."]


def picture_notes(flags: Sequence[Picture], options: ImageOptions) -> list[str]:
    notes = []
    if count := sum(flag.had_more for flag in flags):
        hold = "file holds" if count == 1 else "files hold"
        notes.append(f"{count:,} {hold} several frames or pages; only the first was read.")
    if count := sum(flag.had_transparency for flag in flags):
        notes.append(
            f"{count:,} {'picture has' if count == 1 else 'pictures have'} transparent parts, which are shown on white."
        )
    if options.colour == "grey" and (count := sum(flag.was_colour for flag in flags)):
        notes.append(f"{count:,} {'picture in colour was' if count == 1 else 'pictures in colour were'} turned grey.")
    return notes


__all__ = ["Fit", "ImageGuess", "ImageOptions", "ImagePreview", "inspect_images", "preview_images", "read_images"]
