"""Runs beside each other: settings told apart, and histories on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sae_core.config import LayerConfig, StackConfig

_INHERITED = ("activation", "loss", "epochs", "batch_size", "learning_rate")  # of a level, unless it has its own

_OF_CONVOLUTIONS = ("channels", "kernel", "stride", "pooling")


def settings(config: StackConfig) -> dict[str, str]:
    """All settings of a stack as text, by their names; those of the levels in one line, once if they agree.

    >>> settings(StackConfig(layers=[8, 4]))["units"], settings(StackConfig(layers=[8, 4]))["activation"]
    ('8, 4', 'relu')
    """
    layers = [config.level(level + 1) for level in range(len(config.layers))]
    flat = {"units": ", ".join(str(layer.units) for layer in layers)}
    convolutional = any(layer.kind == "convolution" for layer in layers)
    for field in LayerConfig.model_fields:
        if field in _OF_CONVOLUTIONS:
            texts = ["-" if layer.kind == "dense" else _text(getattr(layer, field)) for layer in layers]
            flat |= {field: _together(texts)} if convolutional else {}
        elif field not in ("units", "input_shape"):
            flat[field] = _together([_text(getattr(layer, field)) for layer in layers])
    for field in StackConfig.model_fields:
        value = _text(getattr(config, field)) if field != "layers" else ""
        if field in _INHERITED:
            flat[f"{field} of other phases"] = value  # joint, unrolled, softmax and fine-tuning phases
        elif field != "layers":
            flat[field] = value
    return {name.replace("_", " "): value for name, value in flat.items()}


def settings_table(configs: Sequence[StackConfig]) -> pd.DataFrame:
    """Settings of several stacks beside each other.

    Returns:
        One row a setting (the index), one column a stack (numbered from 0) with text, and `differs` (bool): not all of
        them agree. Of settings that inherit one another only those that say something new are listed.
    """
    table = pd.DataFrame([settings(config) for config in configs], dtype=str).fillna("").T
    table["differs"] = table.nunique(axis=1) > 1
    redundant = [
        other for field in _INHERITED
        if table.loc[(name := field.replace("_", " "))].equals(table.loc[(other := f"{name} of other phases")])
    ]  # fmt: skip
    return table.drop(index=redundant)


def varying_settings(configs: Sequence[StackConfig]) -> pd.DataFrame:
    """The settings in which stacks differ, as an axis each: numbers where all are numbers, else text.

    Returns:
        One row a stack, one column for each setting that varies: "levels", "units of level 1" .. (0 where a stack has
        no such level), then the others by their names, those of all levels together.

    >>> varying_settings([StackConfig(layers=[8], epochs=3), StackConfig(layers=[8, 4], epochs=5)]).to_dict("list")
    {'levels': [1, 2], 'units of level 2': [0, 4], 'epochs': [3.0, 5.0]}
    """
    depth = max((len(config.layers) for config in configs), default=0)
    table = pd.DataFrame({"levels": [len(config.layers) for config in configs]})
    for level in range(depth):
        table[f"units of level {level + 1}"] = [(*config.units, *[0] * depth)[level] for config in configs]
    texts = settings_table(configs)
    for name in [name for name in texts.index[texts.pop("differs")] if name != "units"]:
        column = texts.loc[name]
        numbers = pd.to_numeric(column, errors="coerce")
        table[str(name)] = list(column if numbers.isna().any() else numbers.astype(float))
    return table.loc[:, table.nunique() > 1]


def phase_table(history: pd.DataFrame) -> pd.DataFrame:
    """A history with places counted from the beginning of each phase, so that runs can be laid over each other.

    Args:
        history: columns as of `sae_core.training.events.HistoryRow`, in the order of training.

    Returns:
        The same rows with two further columns: `phase_step` (gradient steps) and `phase_seconds` since the phase began.
    """
    if history.empty:
        return history.assign(phase_step=[], phase_seconds=[])
    phase = history["phase"].astype(str) + " " + history["level"].astype(str)
    begins = phase != phase.shift()
    result = history.copy()
    for name, counted in (("step", "phase_step"), ("seconds", "phase_seconds")):
        before = history[name].shift(fill_value=0).where(begins).ffill()  # at the end of the phase before
        result[counted] = history[name] - before
    return result


def phase_title(phase: str, level: int) -> str:
    """What a phase is called where runs of different widths are shown together.

    >>> phase_title("pretrain", 2)
    'Level 2'
    """
    match phase:
        case "pretrain":
            return f"Level {level}"
        case "softmax":
            return f"Softmax on {f'level {level}' if level else 'the input'}"
        case "joint":
            return "Deep autoencoder"
        case "unrolled":
            return "Unrolled fine-tuning"
        case _:
            return "Fine-tuned classifier"


def _text(value: Any) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _together(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else ", ".join(values)
