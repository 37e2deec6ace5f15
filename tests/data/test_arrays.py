"""Arrays: .npz, .npy and IDX, recognised by name and by form."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import sae_core as sae
from sae_core import limits
from sae_core.data.array_labels import as_labels
from sae_core.data.arrays import read_arrays
from sae_core.errors import CancelledError, LabelError, TooLargeError, UnreadableFileError, UnsafeFileError
from tests.data.making import gz, idx, noise, npy, npz, zip_of

X = np.random.default_rng(0).normal(size=(12, 5))
Y = np.arange(12) % 3
PICTURES = np.random.default_rng(0).integers(0, 256, (12, 6, 5), dtype=np.uint8)
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)


def test_npz_of_numbers() -> None:
    data = read_arrays(npz(X=X, y=Y), name="data.npz")
    assert (data.name, data.kind, data.image_shape) == ("data.npz", "arrays", None)
    assert data.features.dtype == np.float32
    np.testing.assert_array_equal(data.features, X.astype(np.float32))
    assert data.y is not None
    assert data.y.dtype == np.int64
    assert data.y.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        ("X", "y"),
        ("x", "Y"),
        ("data", "target"),
        ("data", "targets"),
        ("images", "labels"),
        ("features", "label"),
        ("inputs", "classes"),
        ("arr_0", "arr_1"),
        ("whatever", "else"),
        ("xTrain", "yTrain"),
    ],
)
def test_names(features: str, labels: str) -> None:
    data = read_arrays(npz(**{features: X, labels: Y}))
    assert data.features.shape == (12, 5)
    assert data.y is not None
    assert data.y.tolist() == Y.tolist()


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("xtrain", "ytrain", "xtest", "ytest"),
        ("trainX", "trainY", "testX", "testY"),
        ("training/data", "training/target", "testing/data", "testing/target"),
    ],
)
def test_train_and_test_parts(names: tuple[str, ...]) -> None:
    arrays = dict(zip(names, (PICTURES[:8], Y[:8], PICTURES[8:], Y[8:]), strict=True))
    data = read_arrays(npz(**arrays))
    np.testing.assert_array_equal(data.features, PICTURES.reshape(12, -1) / np.float32(255))
    assert data.y is not None
    assert data.y.tolist() == Y.tolist()
    assert data.official_test is not None
    assert data.official_test.tolist() == [False] * 8 + [True] * 4


def test_validation_part_is_used_and_said() -> None:
    data = read_arrays(
        npz(
            train_images=PICTURES[:6],
            train_labels=Y[:6],
            val_images=PICTURES[6:9],
            val_labels=Y[6:9],
            test_images=PICTURES[9:],
            test_labels=Y[9:],
        )
    )
    assert len(data) == 12
    assert data.official_test is not None
    assert data.official_test.sum() == 3
    assert any("validation part" in note for note in data.notes)


def test_the_largest_array_is_taken_and_the_others_named() -> None:
    data = read_arrays(npz(a=X, b=X[:, :2], target_names=np.array(["u", "v", "w"]), y=Y))
    assert data.features.shape == (12, 5)
    assert data.classes == (0, 1, 2)
    assert any("not used: 'b', 'target_names'" in note for note in data.notes)


def test_npy_alone_and_with_labels() -> None:
    assert read_arrays(npy(X)).y is None
    files = [("X.npy", npy(X)), ("y.npy", npy(Y))]
    for source in (files, zip_of(files)):
        data = read_arrays(source)
        assert data.y is not None
        assert data.y.tolist() == Y.tolist()


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u2", "u1", "?", ">f8", ">i2"])
def test_dtypes_of_numbers(dtype: str) -> None:
    values = np.arange(12).reshape(4, 3).astype(dtype)
    np.testing.assert_array_equal(read_arrays(npy(values)).features, values.astype(np.float32))


def test_fortran_order() -> None:
    np.testing.assert_array_equal(read_arrays(npy(np.asfortranarray(X))).features, X.astype(np.float32))
    np.testing.assert_array_equal(
        read_arrays(npy(np.asfortranarray(COLOUR))).features, COLOUR.reshape(12, -1) / np.float32(255)
    )


def test_gzipped_npy() -> None:
    np.testing.assert_array_equal(read_arrays(("X.npy.gz", gz(npy(X)))).features, X.astype(np.float32))


# Pictures


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (PICTURES, (6, 5, 1)),
        (PICTURES[..., None], (6, 5, 1)),
        (PICTURES[:, None], (6, 5, 1)),
        (COLOUR, (6, 5, 3)),
        (COLOUR.transpose(0, 3, 1, 2), (6, 5, 3)),
    ],
    ids=["grey", "one channel", "channel first", "colour", "channels first"],
)
def test_uint8_arrays_are_pictures(values: Any, shape: tuple[int, int, int]) -> None:
    data = read_arrays(npz(X=values, y=Y))
    assert (data.kind, data.image_shape) == ("images", shape)
    expected = COLOUR if shape[2] == 3 else PICTURES
    np.testing.assert_array_equal(data.features, expected.reshape(12, -1) / np.float32(255))


def test_transparency_is_laid_on_white() -> None:
    values = np.zeros((2, 4, 4, 4), dtype=np.uint8)
    values[1, ..., 3] = 255
    data = read_arrays(npy(values))
    assert data.image_shape == (4, 4, 3)
    assert np.asarray(data.features).mean(axis=1).tolist() == [1, 0]


def test_float_pictures_keep_their_values() -> None:
    values = noise(8, 8, 3)[None].repeat(3, axis=0) / np.float32(255)
    data = read_arrays(npy(values))
    assert (data.kind, data.image_shape) == ("images", (8, 8, 3))
    np.testing.assert_array_equal(data.features, values.reshape(3, -1))


@pytest.mark.parametrize(
    ("factor", "shift", "note"),
    [(255, 0, "0 to 255"), (65535, 0, "0 to 65535"), (16, 0, "0 to 16"), (2, -1, "-1 to 1")],
)
def test_pictures_in_other_units(factor: float, shift: float, note: str) -> None:
    unit = np.linspace(0, 1, 3 * 8 * 8 * 3, dtype=np.float64).reshape(3, 8, 8, 3)
    data = read_arrays(npy(unit * factor + shift))
    np.testing.assert_allclose(np.asarray(data.features), unit.reshape(3, -1), atol=1e-6)
    assert any(note in each for each in data.notes)


def test_black_and_white_in_uint8() -> None:
    values = (PICTURES > 127).astype(np.uint8)
    np.testing.assert_array_equal(read_arrays(npy(values)).features, values.reshape(12, -1))


@pytest.mark.parametrize("shape", [(10, 50, 6), (10, 9, 9, 9), (10, 2, 3, 4, 5)])
def test_other_forms_are_laid_out_in_rows(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    data = read_arrays(npy(values))
    assert data.kind == "arrays"
    np.testing.assert_array_equal(data.features, values.reshape(10, -1).astype(np.float32))
    assert any("laid out" in note for note in data.notes)


def test_too_large_pictures_are_reduced() -> None:
    values = np.zeros((2, 200, 150, 3), dtype=np.uint8)
    values[:, :, 75:] = 255
    data = read_arrays(npy(values))
    assert data.image_shape == (64, 48, 3)
    halves = np.asarray(data.features).reshape(2, 64, 48, 3)
    assert halves[:, :, :23].max() < 0.01
    assert halves[:, :, 25:].min() > 0.99
    assert any("reduced to 48 x 64" in note for note in data.notes)


def test_digits_of_scikit_learn() -> None:
    bunch = load_digits()
    data = read_arrays(npz(**{name: value for name, value in bunch.items() if isinstance(value, np.ndarray)}))
    sample = sae.load_sample("digits")
    assert data.image_shape == (8, 8, 1)  # `images`, not the same values flat in `data`
    assert len(data) == len(sample)
    assert data.classes == sample.classes


# IDX


def mnist_files() -> list[tuple[str, bytes]]:
    folder = resources.files("sae_core.data").joinpath("mnist")
    return [(file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".gz")]


def test_the_four_files_of_mnist_are_the_sample() -> None:
    data, sample = read_arrays(mnist_files()), sae.load_sample("mnist")
    np.testing.assert_array_equal(data.features, sample.features)
    np.testing.assert_array_equal(data.y, sample.y)
    np.testing.assert_array_equal(data.official_test, sample.official_test)
    assert data.image_shape == (28, 28, 1)


@pytest.mark.parametrize("pack", [lambda content: content, gz], ids=["plain", "gzip"])
def test_pictures_and_labels_together(pack: Any, tmp_path: Path) -> None:
    files = [("train-images-idx3-ubyte", pack(idx(PICTURES))), ("train-labels-idx1-ubyte", pack(idx(Y.astype("u1"))))]
    for name, content in files:
        (tmp_path / name).write_bytes(content)
    sources: list[Any] = [files, zip_of(files), tmp_path, [tmp_path / name for name, _ in files[::-1]]]
    for source in sources:
        data = read_arrays(source)
        np.testing.assert_array_equal(data.features, PICTURES.reshape(12, -1) / np.float32(255))
        assert data.y is not None
        assert data.y.tolist() == Y.tolist()
        assert data.official_test is None


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_of_any_type(dtype: str) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    np.testing.assert_array_equal(read_arrays(idx(values)).features, values.astype(np.float32))


def test_a_test_set_alone_is_no_official_test() -> None:
    files = [("t10k-images-idx3-ubyte", idx(PICTURES)), ("t10k-labels-idx1-ubyte", idx(Y.astype("u1")))]
    data = read_arrays(files)
    assert data.official_test is None
    assert data.classes == (0, 1, 2)


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b[:10], lambda b: b[:5], lambda b: b + b"\0"])
def test_idx_of_the_wrong_length(change: Any) -> None:
    with pytest.raises(UnreadableFileError, match=r"cut short|damaged|ends within"):
        read_arrays(("a.idx", change(idx(PICTURES))))


# Labels


def test_labels_given_as_values() -> None:
    for labels in (Y.tolist(), Y, pd.Series(Y), Y.astype("u1"), Y.astype(float), Y[:, None]):
        data = read_arrays(npy(X), labels=labels)
        assert data.y is not None
        assert data.y.dtype == np.int64
        assert data.y.tolist() == Y.tolist()


def test_labels_given_by_name_or_file(tmp_path: Path) -> None:
    (tmp_path / "labels.npy").write_bytes(npy(Y))
    for source, labels in (
        (npz(a=X, digit=Y, other=Y * 2), "digit"),
        (npy(X), tmp_path / "labels.npy"),
        (npy(X), str(tmp_path / "labels.npy")),
        (npy(X), npy(Y)),
        (npy(X), io.BytesIO(idx(Y.astype("u1")))),
        (npy(X), ("labels.npy", npy(Y))),
    ):
        data = read_arrays(source, labels=labels)
        assert data.y is not None
        assert data.y.tolist() == Y.tolist()


def test_unknown_label_name_guesses() -> None:
    with pytest.raises(LabelError, match=r"no array and no file named 'digi'\. Did you mean 'digit'\?"):
        read_arrays(npz(a=X, digit=Y), labels="digi")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array(["cat", "dog", "NA"]), ["cat", "dog", "NA"]),
        (np.array([b"caf\xc3\xa9", b"007", b""]), ["café", "007", ""]),
        (np.array([True, False, True]), [1, 0, 1]),
        (np.array([1.0, np.nan, 2.0]), ["1", None, "2"]),
        (np.eye(3), [0, 1, 2]),
        (np.eye(3, dtype=bool), [0, 1, 2]),
        (np.array([-1, 2**40, 0]), [-1, 2**40, 0]),
        (np.array([2**64 - 1, 0, 1], dtype="u8"), [str(2**64 - 1), "0", "1"]),
    ],
)
def test_kinds_of_labels(labels: Any, expected: list[Any]) -> None:
    data = read_arrays(npz(X=X[:3], y=labels))
    assert data.y is not None
    assert data.y.tolist() == expected


def test_labels_of_objects_given_as_values() -> None:
    data = read_arrays(npy(X[:3]), labels=["a", None, float("nan")])
    assert data.y is not None
    assert data.y.tolist()[0] == "a"


def test_measurements_are_not_classes() -> None:
    data = read_arrays(npz(X=X, y=np.linspace(0, 1, 12)))
    assert data.y is None
    assert data.identifiers is not None
    np.testing.assert_array_equal(data.identifiers["target"], np.linspace(0, 1, 12))
    assert any("measurements, not classes" in note for note in data.notes)


def test_too_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CLASSES", 3)
    assert as_labels(np.arange(3))[0] is not None
    labels, note = as_labels(np.arange(4))
    assert labels is None
    assert "4 different values" in note


@pytest.mark.parametrize("labels", [Y[:11], np.zeros((12, 2, 2)), np.zeros((12, 3))])
def test_labels_that_do_not_fit(labels: Any) -> None:
    with pytest.raises(LabelError):
        read_arrays(npy(X), labels=labels)
    with pytest.raises(LabelError):
        read_arrays(npz(X=X, digit=labels), labels="digit")


def test_recognised_labels_of_another_number_are_an_error_and_of_another_form_are_not_used() -> None:
    with pytest.raises(LabelError, match="'X' has 12 rows but 'y' has 11 labels"):
        read_arrays(npz(X=X, y=Y[:11]))
    data = read_arrays(npz(X=X, y=np.zeros((12, 3))))
    assert data.y is None
    assert any("not used: 'y'" in note for note in data.notes)


def test_pickled_extras_are_left_out() -> None:
    extra = np.array([{"author": "me"}], dtype=object)
    data = read_arrays(npz(X=X, y=Y, metadata=extra))
    assert data.classes == (0, 1, 2)
    assert any("holds pickled Python objects" in note and note.endswith(": metadata.npy.") for note in data.notes)


# Values that are no numbers


def test_missing_values_are_kept_and_counted() -> None:
    values = X.copy()
    values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, 1e300
    data = read_arrays(npz(X=values, y=Y))
    assert len(data) == 12
    assert any("3 rows have missing or infinite values" in note for note in data.notes)


def test_pictures_with_missing_values_are_left_out() -> None:
    values = np.random.default_rng(0).random((12, 8, 8))
    values[3, 0, 0] = np.nan
    data = read_arrays(npz(X=values, y=Y))
    assert data.y is not None
    assert data.y.tolist() == np.delete(Y, 3).tolist()
    np.testing.assert_array_equal(data.features, np.delete(values, 3, axis=0).reshape(11, -1).astype(np.float32))
    assert any("1 picture" in note for note in data.notes)


# What is refused


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (npy(np.array([1, "a", None], dtype=object), allow_pickle=True), "pickled Python objects"),
        (npy(np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])), "named fields"),
        (npy(np.zeros((3, 3), dtype=complex)), "not plain numbers"),
        (npy(np.zeros((3, 3), dtype="M8[s]")), "not plain numbers"),
        (npy(np.zeros(5)), "no array with one row for each example"),
        (npy(np.float64(3)), "no array with one row for each example"),
        (npy(np.zeros((0, 3))), "without any values"),
        (npy(np.zeros((3, 0))), "without any values"),
        (npy(np.array([["a", "b"]])), "no array with one row for each example"),
        (npz(y=Y), "no array with one row for each example"),
        (npy(X)[:-1], "cut short"),
        (npy(X)[:100], "cut short|header that is broken"),
        (npy(X)[:7], "header that is broken"),
        (npy(X) + b"\0", "more than"),
        (gz(npy(X))[:-20], "damaged|cut short"),
        (b"a,b\n1,2\n", "no array of numbers"),
        (b"", "no array of numbers"),
        (zip_of({"a.txt": b"hello"}), "no array of numbers"),
        (
            npz(indices=Y, indptr=Y, format=np.array(b"csr"), shape=np.array([3, 4]), data=X[0]),
            "sparse SciPy matrix",
        ),
        (npz(x_train=X, x_test=X[:, :3]), "rows of different forms"),
    ],
)
def test_refused_with_a_reason(source: bytes, message: str) -> None:
    with pytest.raises(sae.SaeError, match=message):
        read_arrays(source)


def test_pickled_objects_are_named_unsafe_and_never_opened() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("the pickle was opened",))

    with pytest.raises(UnsafeFileError, match="can run any program"):
        read_arrays(npy(np.array([Bomb()], dtype=object), allow_pickle=True))


def header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("shape", "descr"),
    [
        ("(1000000000, 1000000000)", "'<f8'"),
        ("(10, 10)", "'<U100000000'"),
        ("(-1, 10)", "'<f8'"),
        ("(1e9, 2)", "'<f8'"),
        ("(True, True)", "'<f8'"),
        ("10", "'<f8'"),
        ("(2, 2)", "'<z8'"),
        ("(2, 2)", "'|V8'"),
        ("(2, 2)", "'|O'"),
        ("(2, 2)", "__import__('os')"),
        ("(" + "9" * 40 + ",)", "'<f8'"),
        ("(" * 40 + ")" * 40, "'<f8'"),
    ],
)
def test_headers_that_lie(shape: str, descr: str) -> None:
    with pytest.raises(sae.SaeError):
        read_arrays(header(shape, descr) + b"\0" * 800)


def test_feature_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PREPARED_FEATURES", 5)
    assert read_arrays(npy(X)).n_features == 5
    with pytest.raises(TooLargeError, match="6 numbers; the limit is 5"):
        read_arrays(npy(np.zeros((3, 6))))


def test_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PREPARED_BYTES", 12 * 5 * 4)
    assert len(read_arrays(npy(X))) == 12
    with pytest.raises(TooLargeError):
        read_arrays(npy(np.zeros((13, 5))))


def test_progress_and_cancelling() -> None:
    seen: list[float] = []
    read_arrays(npy(X), progress=lambda fraction, text: seen.append(fraction))
    assert seen[-1] == 1

    def cancel(fraction: float, text: str) -> None:
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        read_arrays(npy(X), progress=cancel)
