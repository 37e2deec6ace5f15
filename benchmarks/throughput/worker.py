"""One contestant in its own process: `python -m benchmarks.throughput.worker NAME FOLDER` prints one line of JSON."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path

from benchmarks.throughput.task import UNITS, fashion_mnist, losses

CONTESTANTS = {
    "ours.float32": "This engine, float32",
    "ours.auto": "This engine, precision auto",
    "peers.torch_loop": "PyTorch, DataLoader loop",
    "peers.clustpy": "ClustPy, StackedAutoencoder",
    "peers.keras_torch": "Keras on PyTorch",
    "peers.keras_tensorflow": "Keras on TensorFlow",
    "peers.scikit_learn": "scikit-learn, MLPRegressor chain",
}
MEASUREMENTS = ("ours.large_float32", "ours.large_auto", "ours.small")


def main(name: str, folder: Path) -> None:
    """Run one contestant and print what it did."""
    module, function = name.split(".")
    contestant = getattr(importlib.import_module(f"benchmarks.throughput.{module}"), function)
    x = fashion_mnist(folder)
    outcome = contestant(x, UNITS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    facts = outcome.facts | {"seconds": outcome.seconds, "peak": peak, "data": x.nbytes}
    print(json.dumps(facts | {"losses": losses(outcome, x)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
