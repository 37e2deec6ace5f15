"""The front door: which reader takes some files."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sae_core.data.reading import recognise
from sae_core.errors import SaeError, UnreadableFileError, UnsafeFileError
from tests.data.making import gz, idx, noise, npy, npz, picture, zip_of

PICTURE = picture(noise())
CSV = b"a,b\n1,2\n"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (zip_of({"cat/1.png": PICTURE, "dog/2.png": PICTURE, "labels.csv": CSV}), "images"),
        (zip_of({f"{i}.csv": CSV for i in range(3)} | {"1.png": PICTURE}), "images"),
        (npz(X=noise()), "arrays"),
        (zip_of({"a-idx3-ubyte": idx(noise())}), "arrays"),
        (zip_of({"a-idx3-ubyte.gz": gz(idx(noise()))}), "arrays"),
        (npy(noise()), "arrays"),
        (gz(npy(noise())), "arrays"),
        (idx(noise()), "arrays"),
        (gz(idx(noise())), "arrays"),
    ],
)
def test_archives_and_arrays(content: bytes, kind: str) -> None:
    assert recognise([("file", content)]) == kind
    file = io.BytesIO(content)
    file.seek(3)
    assert recognise([("file", file)]) == kind
    assert file.tell() == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            zip_of({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}),
            "an Excel workbook.*save the sheet as CSV",
        ),
        (zip_of({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}), "an Office document"),
        (
            zip_of({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}),
            "OpenDocument",
        ),
        (zip_of({"model/data.pkl": b"\x80\x02", "model/data/0": b"\0"}), "PyTorch"),
        (zip_of({"a.csv": CSV}), "unpack it and bring the CSV file itself"),
        (zip_of({}), "without anything that can be read"),
        (zip_of({"__MACOSX/a.png": PICTURE}), "hidden system file"),
        (zip_of({"a.png": PICTURE})[:-30], "cut short or damaged"),
    ],
)
def test_archives_that_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        recognise([("file.csv", content)])


def test_an_unsafe_archive_is_refused_as_such() -> None:
    both = bytearray(zip_of({"aaaaaa": PICTURE, "ok.png": PICTURE}))
    second = both.rindex(b"PK\x01\x02")
    both[second + 42 : second + 46] = bytes(4)
    with pytest.raises(UnsafeFileError):
        recognise([("a.zip", bytes(both))])


def test_several_files() -> None:
    assert recognise([("x.npy", npy(np.zeros((2, 2)))), ("y.npy", npy(np.zeros(2)))]) == "arrays"
    assert recognise([("a.png", PICTURE), ("readme.md", b"hello"), ("a.pdf", b"%PDF-1")]) == "images"
    for files, message in (
        ([("a.csv", CSV), ("b.csv", CSV)], "These are 2 tables"),
        ([("a.csv", CSV), ("x.npy", npy(noise()))], "of different kinds"),
        ([("a.png", PICTURE), ("b.csv", CSV), ("c.csv", CSV)], "of different kinds"),
        ([("a.csv", CSV), ("b.pdf", b"%PDF-1")], "a PDF document"),
        ([], "There is no file"),
    ):
        with pytest.raises(SaeError, match=message):
            recognise(files)  # type: ignore[arg-type]
