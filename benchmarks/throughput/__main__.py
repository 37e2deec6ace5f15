"""`python -m benchmarks.throughput`: the same stack in this engine and in other programs, in turn.

python -m benchmarks.throughput [--rounds 3] [--data FOLDER] [--only NAME ...] [--write]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.throughput.report import Rounds, report, write
from benchmarks.throughput.task import FASHION
from benchmarks.throughput.worker import CONTESTANTS, MEASUREMENTS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each program runs; medians are reported")
    parser.add_argument("--data", type=Path, default=FASHION, help="folder with train-images-idx3-ubyte.gz")
    parser.add_argument("--only", nargs="*", help="some contestants only, e.g. ours.float32 peers.clustpy")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    options = parser.parse_args()
    if not (options.data / "train-images-idx3-ubyte.gz").exists():
        parser.error(f"{options.data} has no train-images-idx3-ubyte.gz: install dataset-fashion-mnist, or give --data")
    names = [name for name in (*CONTESTANTS, *MEASUREMENTS) if not options.only or name in options.only]
    rounds: Rounds = {name: [] for name in names}
    for turn in range(options.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            command = [sys.executable, "-m", "benchmarks.throughput.worker", name, str(options.data)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}", file=sys.stderr)
                continue
            rounds[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"round {turn + 1}: {name} {rounds[name][-1]}", file=sys.stderr, flush=True)
    section = report(rounds)
    print(section)
    if options.write:
        write(section)


if __name__ == "__main__":
    main()
