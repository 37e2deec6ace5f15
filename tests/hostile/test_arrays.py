"""Arrays built to do harm, or broken by accident. The verdict of each is in README.md here."""

from __future__ import annotations

import io
import pickle
import resource
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from sae_core import limits
from sae_core.data.arrays import read_arrays
from sae_core.data.reading import recognise
from sae_core.data.stored import Stored
from sae_core.errors import LabelError, SaeError, TooLargeError, UnreadableFileError, UnsafeFileError
from tests.data.making import gz, idx, noise, npy, npz, zip_of
from tests.hostile.test_archives import mutated

X = np.arange(40, dtype=np.float64).reshape(8, 5)
Y = np.arange(8) % 2


def header(shape: str, descr: str = "'<f8'", fortran: bool = False) -> bytes:
    """The header of an .npy file that says whatever is asked for."""
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


class Bomb:
    """Fails the test where it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was opened",)


PICKLED = npy(np.array([Bomb()], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "source",
    [
        PICKLED,
        gz(PICKLED),
        zip_of({"X.npy": PICKLED, "y.npy": PICKLED}),
        [("X.npy", PICKLED), ("y.npy", PICKLED)],
        header("(1,)", "'|O'") + pickle.dumps([Bomb()]),
    ],
    ids=["npy", "gzip", "npz", "list", "by hand"],
)
def test_pickled_objects_are_never_opened(source: Any) -> None:
    with pytest.raises(UnsafeFileError, match="which can run any program when they are opened"):
        read_arrays(source)


def test_pickled_labels_are_left_out() -> None:
    data = read_arrays(zip_of({"X.npy": npy(X), "y.npy": PICKLED}))
    assert data.y is None
    assert any("can run any program" in note and note.endswith(": y.npy.") for note in data.notes)


@pytest.mark.parametrize("content", [pickle.dumps(Bomb(), protocol) for protocol in range(2, 6)])
def test_pickles_are_refused_at_the_door(content: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="pickle can run any program"):
        recognise([("data.npy", content)])
    with pytest.raises(SaeError):
        read_arrays(("data.npy", content))


@pytest.mark.parametrize(
    "content",
    [
        header("(1000000000, 1000000000)"),
        header("(1000000000, 1)"),
        header("(1000000000, 1)", "'|u1'"),
        header("(100000000, 5)", "'|u1'"),
        header("(10, 10)", "'<U100000000'"),
        header("(1000000000000000000, 0)"),
        header("(0, 1000000000000000000)"),
        header("(1000000000000000000, 0, 9)", "'|u1'"),
        header("(1000000, 500)", fortran=True),
        header("(1000000, 500)"),
        b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1),
        b"\0\0\x0e\x02" + struct.pack(">2I", 100_000, 5_000),
        gz(b"\0\0\x0e\x02" + struct.pack(">2I", 100_000, 5_000)),
    ],
)
def test_absurd_promises_cost_nothing(content: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SaeError):
        read_arrays(("a", content + bytes(800)))
    # What is within the limits is asked for, but no page of it is touched before the bytes arrive.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KB


def test_running_out_of_memory_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stored, "blocks", lambda self: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(TooLargeError, match=r"X\.npz needs more memory than this machine has to spare"):
        read_arrays(npz(X=X, y=Y), name="X.npz")


def test_row_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", 8)
    assert len(read_arrays(npy(X))) == 8
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", 7)
    with pytest.raises(TooLargeError, match="8 rows; the limit is 7"):
        read_arrays(npy(X))


def test_label_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = npz(X=X, y=Y)
    monkeypatch.setattr(limits, "MAX_IDENTIFIER_BYTES", Y.nbytes)
    assert read_arrays(content).classes == (0, 1)
    monkeypatch.setattr(limits, "MAX_IDENTIFIER_BYTES", Y.nbytes - 1)
    with pytest.raises(TooLargeError, match="Save class numbers or short names"):
        read_arrays(content)


def test_labels_that_promise_more_than_there_are_rows() -> None:
    lying = header("(1000000000000, 0)")
    for labels in (lying, npy(np.zeros((0, 8))), npy(np.float64(1))):
        with pytest.raises(LabelError, match="There are 8 rows but"):
            read_arrays(npy(X), labels=("y.npy", labels))


@pytest.mark.parametrize("pack", [lambda content: content, gz])
def test_bytes_after_the_end_are_not_read(pack: Any) -> None:
    content = pack(npy(X) + bytes(50 * limits.MEGABYTE))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match="more than the 8 x 5 values that it announces"):
            read_arrays(("a.npy", content))
        assert tracemalloc.get_traced_memory()[1] < 8 * limits.MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_ends_where_the_header_says() -> None:
    bomb = gz(idx(noise(4, 4, None)) + bytes(100 * limits.MEGABYTE))
    assert len(bomb) < limits.MEGABYTE
    with pytest.raises(UnreadableFileError, match="holds more than"):
        read_arrays(("images-idx3-ubyte.gz", bomb))


def test_a_gzip_of_nothing_but_zeros() -> None:
    with pytest.raises(SaeError):
        read_arrays(("a.gz", gz(bytes(100 * limits.MEGABYTE))))


@pytest.mark.parametrize("share", [i / 16 for i in range(1, 16)])
@pytest.mark.parametrize("make", [lambda: npy(X), lambda: npz(X=X, y=Y), lambda: gz(idx(X)), lambda: idx(X)])
def test_truncated_anywhere(make: Any, share: float) -> None:
    whole = make()
    with pytest.raises(SaeError):
        read_arrays(("a", whole[: int(len(whole) * share)]))


def test_members_of_an_npz_that_are_no_arrays() -> None:
    data = read_arrays(zip_of({"X.npy": npy(X), "y.npy": npy(Y), "note.txt": b"hello", "../z.npy": npy(X)}))
    assert data.features.shape == (8, 5)
    assert data.classes == (0, 1)
    text = " ".join(data.notes)
    assert "is not an array (.npy or IDX): note.txt" in text
    assert "leads out of the archive: ../z.npy" in text


@pytest.mark.parametrize(
    "content",
    [
        npy(X),
        npy(noise(6, 6)[None].repeat(4, 0)),
        npz(X=X, y=Y),
        npz(x_train=X, y_train=Y, x_test=X, y_test=Y),
        npz(X=X, y=np.array(list("abcdefgh"))),
        idx(noise(6, 6, None)[None].repeat(4, 0)),
        gz(idx(X), mtime=0),
        zip_of({"train-images-idx3-ubyte": idx(noise(8, 8, 8)), "train-labels-idx1-ubyte": idx(Y.astype("u1"))}),
    ],
    ids=["npy", "pictures", "npz", "parts", "words", "idx", "gzip", "pair"],
)
def test_random_damage(content: bytes) -> None:
    for seed in range(500):
        bad = mutated(content, seed)
        try:
            data = read_arrays(("a", bad))
        except SaeError as error:
            if not str(error).endswith("."):
                pytest.fail(f"not a sentence: {error}")
        else:
            assert data.features.shape[0] == len(data)


def test_zip_methods_of_an_npz() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("X.npy", npy(X))
    with pytest.raises(UnreadableFileError, match="unusual method, LZMA"):
        read_arrays(file)
