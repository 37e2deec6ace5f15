"""The pictures in a collection of files: which they are, and all of them prepared in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from sae_core.data.collection import Collection
from sae_core.data.entries import Entry, EntryError, Skipped, describe_skipped
from sae_core.data.pictures import ImageOptions, Picture, picture_format, prepare_picture
from sae_core.errors import DataError, UnreadableFileError


def sift(files: Collection) -> tuple[list[Entry], list[Skipped]]:
    """Files that begin as pictures do, and those that are left out."""
    pictures: list[Entry] = []
    skipped = list(files.skipped)
    for entry in files.entries:
        try:
            head = entry.head()
        except EntryError as error:
            skipped.append(Skipped(entry.name, error.reason, error.kind))
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


def spread(pictures: Sequence[Entry], n: int) -> list[Entry]:
    """At most n, evenly spread over the collection, so that every class is likely to be among them."""
    if len(pictures) <= n:
        return list(pictures)
    return [pictures[i] for i in np.linspace(0, len(pictures) - 1, max(n, 1)).round().astype(int)]


def prepare_all(pictures: Sequence[Entry], options: ImageOptions) -> Iterator[tuple[Entry, Picture | Skipped]]:
    """Decode in threads (Pillow and zlib let go of the interpreter), in order, a few ahead at a time."""

    def prepare(entry: Entry) -> Picture | Skipped:
        try:
            return prepare_picture(entry.read(), entry.name, options)
        except EntryError as error:
            return Skipped(entry.name, error.reason, error.kind)

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


def nothing_to_read(name: str, skipped: Sequence[Skipped]) -> DataError:
    """The error for a collection of which nothing is left, with the main reason."""
    kinds = {each.kind for each in skipped}
    kind = kinds.pop() if len(kinds) == 1 else UnreadableFileError
    if len(skipped) == 1 and skipped[0].name == name:
        start = f"{name} cannot be used because it {skipped[0].reason}."
    elif skipped:
        start = f"{name} has no picture that can be used. {describe_skipped(skipped)[0]}"
    else:
        start = f"{name} is empty."
    return kind(f"{start} Choose PNG, JPEG, GIF, BMP, TIFF or WebP pictures, or a ZIP or folder of them.")
