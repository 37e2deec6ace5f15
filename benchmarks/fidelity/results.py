"""Figures of every (training, seed): computed, or taken from the folder that `--cache` names."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import sae_core as sae
from benchmarks.fidelity import work
from benchmarks.fidelity.literature import TRAININGS
from benchmarks.fidelity.work import Figures, Laboratory


@dataclass(frozen=True)
class Result:
    """One training with one seed.

    Attributes:
        settings: digest of what it was computed with; a cached result of other settings is computed anew.
        figures: by name, see `work`.
        cpu_seconds: of the processor, all threads together. Pretraining that another training of the same process has
            already done is not counted again.
        finished: local ISO time.
    """

    training: str
    seed: int
    settings: str
    figures: Figures
    cpu_seconds: float
    finished: str


def collect(
    laboratory: Laboratory,
    trainings: Iterable[str],
    seeds: Iterable[int],
    cache: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[Result]:
    """Every training with every seed, seed by seed, so that an interrupted collection has whole seeds.

    Args:
        laboratory: with the data.
        trainings: names, see `TRAININGS`.
        seeds: of initial weights, order of rows, corruption and dropout.
        cache: folder with one JSON file for each result; None: everything is computed.
        report: told about every result that was computed.
    """
    found, trainings = [], list(trainings)
    for seed in seeds:
        for training in trainings:
            result = _cached(laboratory, training, seed, cache)
            if result is None:
                result = _computed(laboratory, training, seed)
                _keep(result, cache)
                report(_in_words(result))
            found.append(result)
    return found


def settings(laboratory: Laboratory, training: str) -> str:
    """Digest of what a training's result depends on, beside its name and seed."""
    preset = TRAININGS[training].preset
    config = None if preset is None else laboratory.preset(preset, 0).model_dump(exclude_defaults=True)
    constants = (work.FEW_LABELS_EPOCHS, work.FEW_LABELS_STEPS, work.DEEP_EPOCHS, work.GREEDY_SHARE, work.COMPONENTS)
    whole = json.dumps([sae.__version__, laboratory.data.fingerprint, config, constants], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _computed(laboratory: Laboratory, training: str, seed: int) -> Result:
    started = time.process_time()
    figures = TRAININGS[training].compute(laboratory, seed)
    seconds = time.process_time() - started
    return Result(training, seed, settings(laboratory, training), figures, seconds, time.strftime("%Y-%m-%dT%H:%M:%S"))


def _file(training: str, seed: int, cache: Path) -> Path:
    return cache / f"{re.sub(r'[^a-z0-9]+', '-', training.lower()).strip('-')}-{seed}.json"


def _cached(laboratory: Laboratory, training: str, seed: int, cache: Path | None) -> Result | None:
    if cache is None or not (file := _file(training, seed, cache)).is_file():
        return None
    result = Result(**json.loads(file.read_text(encoding="utf-8")))
    return result if result.settings == settings(laboratory, training) else None


def _keep(result: Result, cache: Path | None) -> None:
    if cache is None:
        return
    file = _file(result.training, result.seed, cache)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    unfinished.replace(file)


def _in_words(result: Result) -> str:
    figures = ", ".join(f"{name} {value:.2f}" for name, value in result.figures.items())
    return f"{result.training}, seed {result.seed}: {figures} ({result.cpu_seconds:.0f} s of the processor)"
