"""Files that a session brought: looked into, previewed and read away from the script thread.

The same files with the same choices are prepared once: a note in the workspace tells which stored data set they became.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from explorer import store, tasks
from explorer.tasks import Key, Progress, Task
from sae_core.data.arrays import read_arrays
from sae_core.data.column_guess import GuessedKind, Role
from sae_core.data.dataset import Dataset
from sae_core.data.dialect import Dialect
from sae_core.data.images import ImageOptions, ImagePreview, inspect_images, preview_images, read_images
from sae_core.data.reading import Kind, recognise
from sae_core.data.tables import TableGuess, TableOptions, inspect_table, read_table
from sae_core.errors import SaeError
from sae_core.files import write_atomically

PREVIEW_PICTURES = 60
READER_VERSION = 1  # part of the note's name: a reader that understands more reads the files again


@dataclass
class Upload:
    """Files of one session, and what was decided about them.

    Attributes:
        files: (name, content) of each.
        digest: of names and contents.
        kind: which reader takes them; None: none does.
        problem: why none does.
        dialect: how a text table is written; None in it is guessed.
        label: chosen label column; only meaningful once `label_chosen`.
        roles, kinds: of columns, where they differ from what was guessed.
        pictures: size, colour and fit; None: as guessed.
        wanted: the user asked for the data set to be used.
    """

    files: tuple[tuple[str, bytes], ...]
    digest: str
    kind: Kind | None = None
    problem: str = ""
    dialect: Dialect = field(default_factory=Dialect)
    label: str | None = None
    label_chosen: bool = False
    roles: dict[str, Role] = field(default_factory=dict)
    kinds: dict[str, GuessedKind] = field(default_factory=dict)
    pictures: ImageOptions | None = None
    wanted: bool = False

    @property
    def name(self) -> str:
        """Of the file, or of the folder that all files lie in, or their number."""
        if len(self.files) == 1:
            return self.files[0][0].replace("\\", "/").split("/")[-1]
        tops = {name.replace("\\", "/").split("/")[0] for name, _ in self.files if "/" in name}
        return (
            tops.pop()
            if len(tops) == 1 and all("/" in name for name, _ in self.files)
            else f"{len(self.files):,} files"
        )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(content) for _, content in self.files)


def received(files: list[tuple[str, bytes]]) -> Upload:
    """Take files over and recognise them by their content."""
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    upload = Upload(tuple(files), digest.hexdigest())
    try:
        upload.kind = recognise(files)
    except SaeError as error:
        upload.problem = str(error)
    return upload


def inspection(upload: Upload) -> Task:
    """What the files seem to hold: a `TableGuess`, an `ImageGuess`, or for arrays the `Dataset` itself."""
    if upload.kind == "table":
        (name, content), dialect = upload.files[0], upload.dialect
        return tasks.submit(
            inspection_key(upload),
            lambda progress: inspect_table(content, name=name, dialect=dialect, progress=progress),
            text=f"Looking through {name}",
        )
    files, title = list(upload.files), upload.name
    if upload.kind == "images":
        return tasks.submit(
            inspection_key(upload), lambda _: inspect_images(files, name=title), text=f"Looking into {title}"
        )
    return reading(upload, None)


def inspection_key(upload: Upload) -> Key:
    """Of the inspection's task."""
    return ("inspect", upload.digest, repr(upload.dialect))


def preview(upload: Upload, options: ImageOptions) -> Task:
    """A few pictures as they would be: an `ImagePreview`."""
    files, title = list(upload.files), upload.name

    def look(_: Progress) -> ImagePreview:
        return preview_images(files, options, PREVIEW_PICTURES, name=title)

    return tasks.submit(("preview", upload.digest, repr(options)), look, text="Preparing a preview")


def reading(upload: Upload, guess: TableGuess | None) -> Task:
    """Reads the files as decided: a `Dataset`, stored in the workspace beforehand where there is room."""
    key, files, title = reading_key(upload), list(upload.files), upload.name
    place = store.workspace()
    note = place.root / "uploads" / f"{hashlib.sha256(repr((READER_VERSION, *key[2:])).encode()).hexdigest()}.json"

    def read(progress: Progress) -> Dataset:
        known = _noted(note)
        if known is not None and place.has_dataset(known):
            return replace(place.load_dataset(known), name=title)  # the same rows may have come under another name
        if upload.kind == "table":
            options = TableOptions(
                dialect=upload.dialect, roles=dict(upload.roles), kinds=dict(upload.kinds), guess=guess
            )
            data = read_table(files[0][1], name=files[0][0], label=upload.label, options=options, progress=progress)
        elif upload.kind == "images":
            data = read_images(files, options=upload.pictures, name=title, progress=progress)
        else:
            data = read_arrays(files, name=title, progress=progress)
        if upload.kind != "arrays":  # arrays are read to be looked at; they are stored once they are used
            progress(1.0, "Storing the data set")
            _store(data, note)
        return data

    return tasks.submit(key, read, text=f"Reading {title}")


def reading_key(upload: Upload) -> Key:
    """Of the reading's task: the files and every choice."""
    choices = (
        upload.dialect,
        upload.label,
        sorted(upload.roles.items()),
        sorted(upload.kinds.items()),
        upload.pictures,
    )
    return ("read", str(store.workspace().root), upload.digest, repr(choices))


def let_go(upload: Upload) -> None:
    """Cancel what is under way for an upload and forget what was read from it."""
    for key in (inspection_key(upload), reading_key(upload)):
        tasks.forget(key)


def _store(data: Dataset, note: Path) -> None:
    try:
        fingerprint = store.workspace().save_dataset(data)
        write_atomically(note, json.dumps({"fingerprint": fingerprint}).encode())
    except SaeError:
        return  # `Session.use_data` tries again, and tells the user


def _noted(note: Path) -> str | None:
    try:
        value: Any = json.loads(note.read_text(encoding="utf-8"))
        return str(value["fingerprint"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
