"""How far off the input was, as lines in a file."""

from __future__ import annotations

import math

from sae_core.training.events import TracePoint
from sae_core.training.history import trace_from_lines, trace_line


def point(step: int, error: float = 0.5, level: int = 1) -> TracePoint:
    return TracePoint("pretrain", level, step, step / 10, error)


def test_there_and_back() -> None:
    points = (point(0), point(10, math.inf), point(10, 0.25, level=2))
    back = trace_from_lines("".join(map(trace_line, points)))
    assert [each.step for each in back] == [0, 10, 10]
    assert math.isnan(back[1].error)
    assert back[2] == points[2]


def test_what_a_resumed_training_repeats_replaces_what_was_noted_before() -> None:
    lines = [point(0), point(10), point(20), point(30), point(15, 0.1), point(30, 0.2)]
    assert [(each.step, each.error) for each in trace_from_lines("".join(map(trace_line, lines)))] == [
        (0, 0.5), (10, 0.5), (15, 0.1), (30, 0.2),
    ]  # fmt: skip


def test_damaged_lines_are_left_out() -> None:
    assert trace_from_lines('{"a": 1}\nnot json\n[]\n' + trace_line(point(1)) + '{"phase": "pre') == (point(1),)
