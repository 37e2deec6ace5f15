"""The front door: what kind of data some files hold, by their content first and their names second."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import IO, Literal

from sae_core.data.collection import open_collection
from sae_core.data.entries import EntryError, describe_skipped, is_hidden, tidy_name
from sae_core.data.picture_files import spread
from sae_core.data.pictures import picture_format
from sae_core.data.stored import NPY, is_idx
from sae_core.errors import UnreadableFileError

Kind = Literal["table", "images", "arrays"]

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
HEAD = 4096
LOOKED_INTO = 64  # files of an archive
AS_CSV = "save the table as CSV and bring that file"
AS_SHEET = "save the sheet as CSV and bring that file"
AS_PNG = "save it as PNG and bring that file"
AS_PLAIN = "save the numbers as CSV or .npz and bring that file"
AS_ZIP = "unpack it and pack the files as an ordinary ZIP"

# First bytes, what that is, and what to do instead.
REFUSED_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document", AS_CSV),
    (b"SQLite format 3\0", "an SQLite database", AS_CSV),
    (b"{\\rtf", "a rich text document", AS_CSV),
    (b"ARROW1", "an Arrow (Feather) file", "save it as Parquet or CSV and bring that file"),
    (b"Obj\x01", "an Avro file", "save it as Parquet or CSV and bring that file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", AS_PLAIN),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", AS_PLAIN),
    (b"%!PS", "a PostScript drawing", AS_PNG),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing", AS_PNG),
    (b"8BPS", "a Photoshop file", AS_PNG),
    (b"\0\0\x01\0", "a Windows icon", AS_PNG),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", AS_PNG),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", AS_ZIP),
    (b"Rar!", "a RAR archive", AS_ZIP),
    (b"BZh", "a bzip2 archive", AS_ZIP),
    (b"\xfd7zXZ\0", "an xz archive", AS_ZIP),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", AS_ZIP),
    (b"MZ", "a program", "bring the data itself"),
    (b"\x7fELF", "a program", "bring the data itself"),
)
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
PICKLE_REMEDY = "a pickle can run any program when it is opened, so it never is: " + AS_PLAIN


def recognise(files: Sequence[tuple[str, bytes | IO[bytes]]]) -> Kind:
    """Which reader takes these files: `read_table`, `read_images` or `read_arrays`.

    Args:
        files: (name, content) of each; a file object is left where it was.

    Raises:
        UnreadableFileError: none of them; the message says what they are and what to do instead.
        UnsafeFileError, TooLargeError: an archive that no reader would open.

    >>> recognise([("iris.txt", b"a,b,species")])
    'table'
    """
    if not files:
        raise UnreadableFileError("There is no file. Choose one or more.")
    visible = [file for file in files if not is_hidden(file[0].replace("\\", "/").split("/")[-1])] or list(files)
    counts: Counter[str] = Counter()
    refusal: UnreadableFileError | None = None
    for name, content in visible:
        try:
            counts[_kind(name, content)] += 1
        except UnreadableFileError as error:
            refusal = refusal or error
    if not counts:
        raise refusal or UnreadableFileError("None of the files can be read. Choose others.")
    # A read-me or a list of labels beside many pictures is no table of its own.
    if counts["images"] and counts["images"] >= counts["table"] and not counts["arrays"]:
        return "images"
    if len(counts) > 1:
        raise UnreadableFileError(
            "These files are of different kinds: tables, pictures or arrays. Bring those of one kind at a time."
        )
    if counts["table"] > 1:
        raise UnreadableFileError(
            f"These are {counts['table']:,} tables. Bring one at a time, or join them into one file first."
        )
    if refusal and counts["images"] < 1:
        raise refusal
    return next(kind for kind in ("table", "images", "arrays") if counts[kind])


def _kind(name: str, content: bytes | IO[bytes]) -> Kind:
    file = io.BytesIO(content) if isinstance(content, bytes | bytearray | memoryview) else content
    position = file.tell()
    try:
        file.seek(0)
        head = file.read(HEAD)
        return _kind_of_zip(name, file) if head.startswith(ZIP) else _kind_of_head(name, head)
    finally:
        file.seek(position)


def _kind_of_head(name: str, head: bytes) -> Kind:
    """By the first bytes of a file that is no ZIP."""
    if not head:
        raise UnreadableFileError(f"{name} is empty. Choose another file.")
    if picture_format(head):
        return "images"
    if head.startswith(NPY) or is_idx(head):
        return "arrays"
    if head.startswith(b"PAR1"):
        return "table"
    if head.startswith(b"\x1f\x8b"):
        return _kind_of_gzip(name, head)
    for magic, what, remedy in REFUSED_MAGIC:
        if head.startswith(magic):
            raise _refused(name, what, remedy)
    if head[4:8] == b"ftyp":
        raise _refused(name, "a HEIC or AVIF picture, or a video", "save the pictures as JPEG or PNG and bring those")
    if head[257:262] == b"ustar":
        raise _refused(name, "a tar archive", AS_ZIP)
    if _is_pickle(name, head):
        raise _refused(name, "a Python pickle", PICKLE_REMEDY)
    return _kind_of_text(name, head)


def _kind_of_text(name: str, head: bytes) -> Kind:
    text = _as_text(head)
    if text is None:
        raise _refused(name, "in a format that is not known here", "bring a CSV, Parquet, picture, .npz or IDX file")
    start = text.lstrip("\ufeff \t\r\n").lower()
    if "<svg" in start and start.startswith("<"):
        raise _refused(name, "a vector drawing (SVG)", AS_PNG)
    if start.startswith(("<!doctype html", "<html", "<head", "<table", "<meta")):
        raise _refused(name, "a web page (HTML)", AS_CSV)
    if start.startswith("<?xml"):
        raise _refused(name, "an XML document", AS_CSV)
    if start.startswith(("{", "[{", "[[")) and name.lower().endswith((".json", ".jsonl", ".geojson", ".ipynb")):
        raise _refused(name, "a JSON document", AS_CSV)
    return "table"


def _is_pickle(name: str, head: bytes) -> bool:
    return name.lower().endswith(PICKLES) or (head[0] == 0x80 and len(head) > 2 and 2 <= head[1] <= 5)


def _as_text(head: bytes) -> str | None:
    """The text that some bytes are in whatever encoding, or None where they are none."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace")
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd > len(head) // 8:  # UTF-16 without a mark: nearly all zeros in one half
        for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
            if others * 8 < zeros:
                return head.decode(encoding, errors="replace")
        return None
    control = sum(byte < 32 and byte not in b"\0\t\n\r\x0b\x0c\x1a\x1b" for byte in head)
    return None if control * 20 > len(head) else head.decode("latin-1")


def _kind_of_gzip(name: str, head: bytes) -> Kind:
    try:
        inside = gzip.GzipFile(fileobj=io.BytesIO(head)).read1(HEAD)
    except (OSError, EOFError, zlib.error):
        raise UnreadableFileError(f"{name} is a gzip file that is damaged. Download or copy it again.") from None
    if inside.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise _refused(name, "an archive inside a gzip file", AS_ZIP)
    kind = _kind_of_head(name.removesuffix(".gz"), inside)
    if kind == "images":
        raise _refused(name, "a gzipped picture", "bring the picture itself, or a ZIP of pictures")
    return kind


def _kind_of_zip(name: str, content: IO[bytes]) -> Kind:
    with open_collection((name, content)) as files:
        names = {entry.name for entry in files.entries}
        if "[Content_Types].xml" in names:
            is_sheet = any(entry.startswith("xl/") for entry in names)
            raise _refused(name, "an Excel workbook" if is_sheet else "an Office document", AS_SHEET)
        if "mimetype" in names and "content.xml" in names:
            raise _refused(name, "an OpenDocument file", AS_SHEET)
        if any(entry.split("/")[-1] == "data.pkl" for entry in names):
            raise _refused(name, "a PyTorch file, which is a Python pickle", PICKLE_REMEDY)
        counts: Counter[str] = Counter()
        for entry in spread(files.entries, LOOKED_INTO):
            try:
                counts[_kind_of_head(entry.name, entry.head(HEAD))] += 1
            except (UnreadableFileError, EntryError):
                continue
    if counts["images"]:
        return "images"
    if counts["arrays"]:
        return "arrays"
    if counts["table"]:
        raise _refused(name, "a ZIP without pictures or arrays", "unpack it and bring the CSV file itself")
    reason = f" {describe_skipped(files.skipped)[0]}" if files.skipped else ""
    raise UnreadableFileError(
        f"{name} is a ZIP without anything that can be read.{reason} Bring pictures, or a CSV file."
    )


def _refused(name: str, what: str, remedy: str) -> UnreadableFileError:
    shown = tidy_name(name)[0].split("/")[-1]
    return UnreadableFileError(f"{shown} is {what}, which is not read: {remedy}.")
