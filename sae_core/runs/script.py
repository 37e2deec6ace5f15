"""A run as a Python script that repeats it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import SplitOptions
from sae_core.runs.record import RunRecord


def script_text(record: RunRecord, *, workspace: Path | None = None, sample: str = "") -> str:
    """A script that trains a run again, on the same machine to the same weights bit for bit.

    It takes the data set from the workspace, or a sample that needs none, makes sure that it is the same, and sets what
    the weights depend on besides: split, settings, seed, device and the number of threads, which decides in which order
    sums are added up.

    Args:
        workspace: folder of the workspace; None: the default one, wherever it is.
        sample: name of the sample that the data set is, for `load_sample`; "": a data set of the workspace.
    """
    if record.shards:
        return _script_of_shards(record)
    about = _about(record)
    place = f"sae.Workspace({os.fspath(workspace)!r})" if workspace else "sae.default_workspace()"
    split = {name: record.split[name] for name in SplitOptions.__dataclass_fields__ if name in record.split}
    if sample:
        data = [f"data = sae.load_sample({sample!r})"]
        if split and SplitOptions(**split) != SplitOptions():
            data.append(f"data = data.with_split(sae.SplitOptions({_arguments(split)}))")
    else:
        data = [f"data = {place}.load_dataset({record.dataset_fingerprint!r})"]
    config = record.config.replace(device=_device(record))
    lines = [
        *(f"# {line}" for line in about),
        "",
        "import torch",
        "",
        "import sae_core as sae",
        "",
        *([f"torch.set_num_threads({record.threads})"] if record.threads else []),
        *data,
        f"expected = {record.dataset_fingerprint!r}",
        'assert data.fingerprint == expected, "These are not the rows, or not the split, of then."',
        "",
        f"config = {config_text(config)}",
        "model = sae.fit(data, config)",
        'model.save("repeated")  # sae.load_model("repeated") reads it',
        "",
        "x = model.prepare(data.take(data.split.held_out()))",
        "back = model.reconstruct_prepared(x, model.n_levels)",
        'print("mean squared error per prepared value, on held-out rows:", ((back - x) ** 2).mean())',
    ]
    return "\n".join(lines) + "\n"


def _about(record: RunRecord) -> list[str]:
    return [
        f"{_plain(record.name)}: trained {record.created[:10]} on {_plain(record.dataset_name)}",
        *([f"Results then: {figures}"] if (figures := _figures(record)) else []),
        *([f"Packages then: {_packages(record)}"] if record.versions else []),
    ]


def _script_of_shards(record: RunRecord) -> str:
    """The same for a run on a table of many files: to the same weights where one process trained it."""
    told, split = record.shards, {name: record.split[name] for name in ("validation", "test", "seed")}
    label = f"label={told['label']!r}, " if told["label"] else ""
    lines = [
        *(f"# {line}" for line in _about(record)),
        "",
        "import torch",
        "",
        "import sae_core as sae",
        "from sae_core.data.shards import open_shards",
        "from sae_core.training.sharded import train_shards",
        "",
        *([f"torch.set_num_threads({record.threads})"] if record.threads else []),
        f"table = open_shards({told['source']!r}, {label}{_arguments(split)})",
        f"config = {config_text(record.config.replace(device=_device(record)))}",
        'result = train_shards(table, config, "repeated.work")  # prepared rows and checkpoints; under torchrun, too',
        "if result is not None:  # in the first process",
        '    result.model.save("repeated")  # sae.load_model("repeated") reads it',
        "    print(result.results)",
    ]
    return "\n".join(lines) + "\n"


def sample_of(record: RunRecord) -> str:
    """The sample that a run was trained on, for `load_sample`; "" where it was another data set, or a changed one."""
    from sae_core.data.samples import SAMPLES, load_sample

    split = {name: record.split[name] for name in SplitOptions.__dataclass_fields__ if name in record.split}
    for info in SAMPLES:
        if info.title == record.dataset_name:
            data = load_sample(info.name)
            data = data.with_split(SplitOptions(**split)) if split else data
            return info.name if data.fingerprint == record.dataset_fingerprint else ""
    return ""


def config_text(config: StackConfig) -> str:
    """A configuration as the Python expression that makes it; what has its default is left out.

    >>> print(config_text(StackConfig(layers=[8, 2], epochs=3)))
    sae.StackConfig(
        layers=[8, 2],
        epochs=3,
    )
    """
    layers = [_layer_text(layer) for layer in config.layers]
    short = all(text.isdecimal() for text in layers)
    inner = ", ".join(layers) if short else "\n        " + ",\n        ".join(layers) + ",\n    "
    lines = ["sae.StackConfig(", f"    layers=[{inner}],"]
    lines += [f"    {name}={value!r}," for name, value in _changed(config).items() if name != "layers"]
    return "\n".join([*lines, ")"])


def _layer_text(layer: LayerConfig) -> str:
    changed = {name: value for name, value in _changed(layer).items() if name != "units"}
    if not changed:
        return str(layer.units)
    units = {"units": layer.units} if layer.kind == "dense" else {}  # of a convolution they follow from the pictures
    return f"sae.LayerConfig({_arguments(units | changed)})"


def _changed(settings: LayerConfig | StackConfig) -> dict[str, Any]:
    """Settings that do not have their default."""
    fields = type(settings).model_fields
    return {name: getattr(settings, name) for name in fields if getattr(settings, name) != fields[name].default}


def _arguments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _device(record: RunRecord) -> Any:
    """Where it was trained, so that "auto" does not choose another device next time."""
    device = re.split(r"[,: ]", record.device)[0]
    return device if device in ("cpu", "cuda", "mps") else record.config.device


def _figures(record: RunRecord) -> str:
    found = []
    errors = record.results.get("reconstruction_error") or ()
    if errors:
        found.append(f"reconstruction error {errors[-1]:.6g}")
    if isinstance(accuracy := record.results.get("test_accuracy"), float):
        found.append(f"accuracy {accuracy:.2%}")
    return ", ".join(found)


def _packages(record: RunRecord) -> str:
    return ", ".join(f"{_plain(name)} {_plain(number)}" for name, number in record.versions.items())


def _plain(text: object) -> str:
    """A name of the user's in a comment: one line, without anything that could end the comment."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))[:80]
