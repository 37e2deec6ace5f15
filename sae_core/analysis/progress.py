"""How long computations say where they are."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[float, str], None]  # (fraction 0..1, what is being done); raise CancelledError from it to stop


def silent(fraction: float, text: str) -> None:
    """Report nothing."""


def part(report: Report, start: float, stop: float) -> Report:
    """A report for one part of a longer computation: its 0..1 becomes `start`..`stop` of the whole.

    >>> part(lambda fraction, text: print(fraction, text), 0.5, 1.0)(0.5, "codes")
    0.75 codes
    """

    def reported(fraction: float, text: str) -> None:
        report(start + (stop - start) * min(max(fraction, 0.0), 1.0), text)

    return reported
