"""Files as a user would bring them, and their raw rows read back without our own readers."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.server.running import ROOT

SHAPES = ("circle", "cross", "square")
SIDE = 16


def write_csv(path: Path, rows: int = 240) -> Path:
    """Three kinds of things with numbers, a category, missing cells, and a label that can be learned."""
    rng = np.random.default_rng(7)
    kind = rng.integers(0, 3, rows)
    length = np.round(4 + 1.5 * kind + rng.normal(0, 0.4, rows), 2)
    length[::17] = np.nan
    frame = pd.DataFrame(
        {
            "length (cm)": length,
            "width": np.round(2 + 0.8 * (kind == 1) + rng.normal(0, 0.2, rows), 3),
            "weight": np.round(30 + 12 * kind + rng.normal(0, 3, rows), 1),
            "colour": np.where(rng.random(rows) < 0.8, np.array(["red", "green", "blue"])[kind], "grey"),
            "price": np.round(rng.gamma(2, 40, rows), 2),
            "species": np.array(["<alpha>", "beta & co", "gamma"])[kind],
        }
    )
    frame.to_csv(path, index=False)
    return path


def csv_feeds(path: Path) -> dict[str, NDArray[np.float64] | NDArray[np.object_]]:
    """Every row of that file as the exported ONNX model takes it: numbers as they are, text as text."""
    frame = pd.read_csv(path)
    names = {"length (cm)": "length_cm", "width": "width", "weight": "weight", "price": "price"}
    numbers = {name: frame[column].to_numpy(np.float64)[:, None] for column, name in names.items()}
    return {**numbers, "colour": frame["colour"].to_numpy(object)[:, None]}


def write_zip(path: Path, each: int = 30) -> Path:
    """Small grey pictures, a folder for each class."""
    rng = np.random.default_rng(8)
    with zipfile.ZipFile(path, "w") as archive:
        for shape in SHAPES:
            for number in range(each):
                content = io.BytesIO()
                _draw(shape, rng).save(content, "png")
                archive.writestr(f"{shape}/{number:02}.png", content.getvalue())
    return path


def _draw(shape: str, rng: np.random.Generator) -> Image.Image:
    left, top = rng.integers(1, 5, 2).tolist()
    right, bottom = left + int(rng.integers(8, 11)), top + int(rng.integers(8, 11))
    picture = Image.fromarray(rng.integers(0, 40, (SIDE, SIDE), dtype=np.uint8))
    pen = ImageDraw.Draw(picture)
    if shape == "circle":
        pen.ellipse((left, top, right, bottom), outline=230, width=2)
    elif shape == "square":
        pen.rectangle((left, top, right, bottom), outline=230, width=2)
    else:
        pen.line((left, top, right, bottom), fill=230, width=2)
        pen.line((left, bottom, right, top), fill=230, width=2)
    return picture


def zip_pixels(path: Path) -> dict[str, NDArray[np.float32]]:
    """(256,) pixels 0..1 of every picture in that file, by its name."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: np.asarray(Image.open(io.BytesIO(archive.read(name))), dtype=np.float32).ravel() / 255
            for name in archive.namelist()
        }


def mnist_pixels() -> NDArray[np.float32]:
    """(20000, 784) pixels 0..1 of the shipped files, training pictures first."""
    folder = ROOT / "sae_core" / "data" / "mnist"
    parts = []
    for name in ("train10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        content = gzip.decompress((folder / name).read_bytes())
        parts.append(np.frombuffer(content, dtype=np.uint8, offset=16).reshape(-1, 784))
    return np.concatenate(parts).astype(np.float32) / 255
