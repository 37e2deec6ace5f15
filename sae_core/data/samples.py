"""Data sets that are there at once, without a download."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sae_core import lazy
from sae_core.data.dataset import Column, Dataset, SplitOptions
from sae_core.data.entries import Entry
from sae_core.data.stored import open_stored
from sae_core.errors import DataError


@dataclass(frozen=True)
class SampleInfo:
    """What the Data page tells about a sample.

    Attributes:
        name: for `load_sample`.
        title: for people.
        rows: number of rows.
        description: one sentence.
        source: who made it, with the reference.
        licence: under which it may be passed on.
    """

    name: str
    title: str
    rows: int
    description: str
    source: str
    licence: str


_UCI = "CC BY 4.0 (UCI Machine Learning Repository), shipped with scikit-learn"

SAMPLES: tuple[SampleInfo, ...] = (
    SampleInfo(
        name="mnist",
        title="MNIST digits",
        rows=20_000,
        description="Handwritten digits as 28 x 28 grey pictures: the first 10,000 training pictures and the 10,000 "
        "of the official test set.",
        source='LeCun, Cortes, Burges: "The MNIST database of handwritten digits"',
        licence="CC BY-SA 3.0",
    ),
    SampleInfo(
        name="digits",
        title="Small digits",
        rows=1_797,
        description="Handwritten digits as 8 x 8 grey pictures, small enough to train in seconds.",
        source='Alpaydin, Kaynak (1998): "Optical recognition of handwritten digits"',
        licence=_UCI,
    ),
    SampleInfo(
        name="breast_cancer",
        title="Breast cancer",
        rows=569,
        description="30 measurements of cell nuclei from each of 569 tumours, benign or malignant.",
        source='Wolberg, Mangasarian, Street, Street (1993): "Breast cancer Wisconsin (diagnostic)"',
        licence=_UCI,
    ),
    SampleInfo(
        name="wine",
        title="Wine",
        rows=178,
        description="13 chemical measurements of wines from three growers of one region in Italy.",
        source='Aeberhard, Forina (1992): "Wine"',
        licence=_UCI,
    ),
    SampleInfo(
        name="iris",
        title="Iris",
        rows=150,
        description="Length and width of sepals and petals of 150 irises of three species.",
        source='Fisher (1936): "The use of multiple measurements in taxonomic problems"',
        licence=_UCI,
    ),
)


def sample_names() -> tuple[str, ...]:
    """Names that `load_sample` knows.

    >>> sample_names()
    ('mnist', 'digits', 'breast_cancer', 'wine', 'iris')
    """
    return tuple(sample.name for sample in SAMPLES)


def sample_info(name: str) -> SampleInfo:
    """The record of one sample.

    Raises:
        DataError: there is no such sample.
    """
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    known = ", ".join(repr(known) for known in sample_names())
    close = difflib.get_close_matches(str(name).lower().replace(" ", "_"), sample_names(), n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise DataError(f"There is no sample named {name!r}. {hint}The samples are {known}.")


def load_sample(name: str) -> Dataset:
    """One of the data sets that come with the program.

    Args:
        name: one of `sample_names()`.

    Returns:
        mnist: 20,000 pictures of 28 x 28, the training pictures first, the second 10,000 being the official test set;
        int64 labels 0..9. digits: 1,797 pictures of 8 x 8, likewise labelled. The others: tables with numeric columns
        in their own units and the names of the classes as labels.

    Raises:
        DataError: there is no such sample.

    >>> data = load_sample("iris")
    >>> len(data), data.classes
    (150, ('setosa', 'versicolor', 'virginica'))
    """
    info = sample_info(name)
    source = f"{info.source}. Licence: {info.licence}."
    if name == "mnist":
        return _mnist(info.title, source)
    if name == "digits":
        return _digits(info.title, source)
    datasets = lazy.package("sklearn.datasets")
    loaders: dict[str, tuple[Callable[..., Any], str]] = {
        "breast_cancer": (datasets.load_breast_cancer, "diagnosis"),
        "wine": (datasets.load_wine, "grower"),
        "iris": (datasets.load_iris, "species"),
    }
    loader, label_name = loaders[name]
    return _table(loader(as_frame=True), info.title, source, label_name)


def _mnist(title: str, source: str) -> Dataset:
    parts = [("train10k-images-idx3-ubyte.gz", "train10k-labels-idx1-ubyte.gz")]
    parts += [("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")]
    pictures = [_shipped(pictures) for pictures, _ in parts]
    labels = [_shipped(labels) for _, labels in parts]
    n_train, n = len(pictures[0]), sum(len(part) for part in pictures)
    features = np.empty((n, 28 * 28), dtype=np.float32)
    features[:n_train], features[n_train:] = (part.reshape(len(part), -1) for part in pictures)
    features /= np.float32(255)
    return Dataset(
        name=title,
        kind="images",
        features=features,
        labels=np.concatenate(labels).astype(np.int64),
        image_shape=(28, 28, 1),
        official_test=np.arange(n) >= n_train,
        split_options=SplitOptions(validation=0.2),
        label_name="digit",
        source=source,
    )


def _shipped(name: str) -> NDArray[Any]:
    file = resources.files("sae_core.data").joinpath("mnist", name)
    stored = open_stored(Entry(name, lambda: io.BytesIO(file.read_bytes())))
    if stored is None:
        raise DataError(f"{name}, which comes with the program, is damaged. Install the program again.")
    return stored.read()


def _digits(title: str, source: str) -> Dataset:
    bunch = lazy.package("sklearn.datasets").load_digits()
    return Dataset(
        name=title,
        kind="images",
        features=(bunch.data / 16).astype(np.float32),  # the pixels are counts 0..16
        labels=bunch.target.astype(np.int64),
        image_shape=(8, 8, 1),
        label_name="digit",
        source=source,
    )


def _table(bunch: Any, title: str, source: str, label_name: str) -> Dataset:
    names = [str(name) for name in bunch.target_names]
    labels = np.array([names[code] for code in bunch.target], dtype=object)
    return Dataset(
        name=title,
        kind="table",
        features=bunch.data,
        labels=labels,
        columns=tuple(Column(str(name), "numeric") for name in bunch.data.columns),
        label_name=label_name,
        source=source,
    )
