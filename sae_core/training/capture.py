"""A step's calls as one CUDA graph: on a GPU, launching the calls of a narrow level takes longer than computing them.

The calls of a `Program` work in fixed memory and draw nothing from Python's state, which is what a graph asks for: it
repeats the recorded kernels on the same addresses (PyTorch documentation, "CUDA semantics", section "CUDA Graphs").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Run = Callable[[], object]
Recorder = Callable[[Run], Run]  # makes calls once and returns what repeats them

WARM_UPS = 3  # calls before recording: libraries choose their kernels and take their memory in these
TOLERANCE = 1e-2  # of the largest result: bfloat16 has 8 bits, and kernels may add in another order

log = logging.getLogger(__name__)


def record_graph(run: Run) -> Run:
    """Record calls on the current CUDA device.

    Raises:
        RuntimeError: they cannot be recorded.
    """
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other jobs' threads may use the device, too
        run()
    return graph.replay


def captured(run: Run, results: Sequence[Tensor], record: Recorder = record_graph) -> Run:
    """What leaves the same results as `run`, in fewer launches; `run` itself where that fails.

    A recording is used only once a repetition has left what the calls leave.

    Args:
        run: calls on fixed memory, with the same results however often they are made.
        results: where those stand. They are there when this returns.
    """
    run()
    wanted = [result.clone() for result in results]
    try:
        repeat = record(run)
        for result in results:
            result.zero_()
        repeat()
        if all(_agree(result, expected) for result, expected in zip(results, wanted, strict=True)):
            return repeat
        log.warning("A recorded step gave other results than its calls; the calls are made one by one")
    except RuntimeError:
        log.warning("A step could not be recorded; its calls are made one by one", exc_info=True)
    run()
    return run


def _agree(result: Tensor, expected: Tensor) -> bool:
    far = (result - expected).abs().max()
    return bool(far <= TOLERANCE * expected.abs().max())  # also False for NaN: a loss that diverged is not recorded
