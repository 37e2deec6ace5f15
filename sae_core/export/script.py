"""Texts that travel with a bundle: its README, and a short Python script that uses it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from sae_core.export.check import check_rows
from sae_core.model.trained import TrainedStack

_MOST_COLUMNS = 200  # listed in the README


def script_text(model: TrainedStack, bundle: str = "stacked-autoencoder.zip") -> str:
    """A Python script that runs the bundle with numpy and safetensors alone, from any folder that holds both files.

    Args:
        bundle: file name of the bundle.
    """
    lines = [
        '"""Codes of new rows with an exported stacked autoencoder, without the explorer.',
        "",
        "Keep it beside the bundle. Needs Python 3.9 or newer, numpy and safetensors: pip install numpy safetensors",
        '"""',
        "",
        "import sys",
        "import zipfile",
        "from pathlib import Path",
        "",
        *(["import numpy as np", ""] if model.preparation.array is not None else []),
        f"bundle = Path(__file__).with_name({bundle!r})",
        'folder = bundle.with_suffix("")',
        "if not folder.exists():",
        "    zipfile.ZipFile(bundle).extractall(folder)",
        "sys.path.insert(0, str(folder))",
        "from predict import Model, read_rows, write_rows  # noqa: E402 (it lies in the bundle)",
        "",
        "model = Model.load(folder)",
        f"# levels: 0 is the prepared input, then codes of {', '.join(str(units) for units in model.units)} numbers",
        "",
        *_rows_lines(model),
        "codes = model.encode(rows)  # the deepest level; encode(rows, level=1) gives another",
        'print("codes", codes.shape)',
        "print(codes)",
        "",
        "restored = model.reconstruct(rows)  # in the units of the rows",
    ]
    if model.preparation.array is None:
        lines += ["for name, cells in restored.items():", '    print(f"{name}: {cells}")']
    else:
        lines += ['print("reconstructions", restored.shape)']
    if model.is_classifier:
        lines += ["", 'print("classes", model.predict(rows))']
    lines += [
        "",
        "# A whole file, without changing a line: python script.py rows.csv",
        "if len(sys.argv) > 1:",
        "    codes = model.encode(read_rows(sys.argv[1]))",
        '    target = Path(sys.argv[1]).with_suffix(".codes.csv")',
        '    write_rows(target, {f"code_{i + 1}": codes[:, i].tolist() for i in range(codes.shape[1])})',
        '    print(f"{len(codes):,} rows -> {target}")',
    ]
    return "\n".join(lines) + "\n"


def readme_text(model: TrainedStack) -> str:
    """What the bundle holds and how it is used, in Markdown."""
    shape = model.preparation.image_shape
    names = model.preparation.feature_names_in
    if shape:
        rows = (
            f"Pictures of {shape[0]} x {shape[1]} pixels, {shape[2]} channel(s): rows of {len(names)} numbers "
            "from 0 to 1 in the order height, width, channel."
        )
    elif model.preparation.array is not None:
        rows = f"Rows of {len(names)} numbers."
    else:
        listed = [f"- {_word(column.name)}: {column.kind}" for column in model.preparation.columns[:_MOST_COLUMNS]]
        rest = len(names) - len(listed)
        rows = "\n".join(
            ["A table with these columns, in any order:", "", *listed, *([f"- and {rest:,} more"] if rest > 0 else [])]
        )
    levels = " -> ".join(str(width) for width in (model.preparation.n_inputs, *model.units))
    classes = ", ".join(_word(name) for name in model.classes[:50]) + (" ..." if len(model.classes) > 50 else "")
    parts = [
        "# A trained stacked autoencoder",
        f"Trained on {_word(model.name or 'a data set')} with the Stacked Autoencoder Explorer. Levels: {levels} "
        "(level 0, the prepared input, first).",
        "## What it takes",
        rows,
        *(["## Classes", classes] if model.is_classifier else []),
        "## Without installing the explorer",
        "`predict.py` needs Python 3.9 or newer, numpy and safetensors:",
        "```\npip install numpy safetensors\npython predict.py rows.csv --level 1 -o codes.csv\n```",
        "From Python: `from predict import Model`, then `Model.load(folder).encode(rows)`; `predict.py` tells more.",
        "## With the explorer's library",
        "```python\nimport sae_core as sae\n\nsae.load_model(folder).encode(rows, level=1)\n```",
        "## Files",
        "- `model.json`: settings, preparation (fitted on the training rows) and classes\n"
        "- `weights.safetensors`: all weights\n"
        "- `history.jsonl`: losses, one line an epoch\n"
        "- `origin.json`, in the bundle of a run: its name, results, and the name and hash of its data set\n"
        "- `manifest.json`: size and SHA-256 of each of these; an altered file is refused\n"
        "- `predict.py`, `README.md`",
    ]
    return "\n\n".join(parts) + "\n"


def _rows_lines(model: TrainedStack) -> list[str]:
    """Two example rows: made up from the preparation, so that no row of the user's travels along."""
    if model.preparation.array is not None:
        comment = "pixels 0..1" if model.preparation.image_shape else "numbers"
        n = model.preparation.n_inputs
        return [f"rows = np.full((2, {n}), 0.5, dtype=np.float32)  # your own rows here: (n, {n}) {comment}", ""]
    made_up = check_rows(model, None)
    assert isinstance(made_up, pd.DataFrame)
    rows = []
    for _, row in made_up.iloc[:2].iterrows():
        cells = ", ".join(f"{str(name)!r}: {_literal(value)}" for name, value in row.items())
        rows.append(f"    {{{cells}}},")
    return ["rows = [  # your own rows here; None where a cell is missing", *rows, "]", ""]


def _literal(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return "None"
    if isinstance(value, pd.Timestamp):
        return repr(value.isoformat(timespec="seconds"))
    if isinstance(value, bool | np.bool_):
        return repr(bool(value))
    return repr(float(f"{float(value):.6g}")) if isinstance(value, float | np.floating) else repr(str(value))


def _word(text: object) -> str:
    """A name of the user's inside prose: one line, without what Markdown or a docstring would read as its own."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text))[:80]
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", line)
