"""How a training in the background shares the processor with those who look on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL = (
    1e-4  # seconds; each torch call gives Python's lock away and waits this long to get it back from a page
)


@contextmanager
def training_threads() -> Iterator[int]:
    """Leave one core to whoever looks on.

    With as many threads as cores, every busy moment of a page makes torch's threads wait for one another: measured,
    training beside one busy process is three times slower on two threads than on one.
    """
    import torch

    before, interval = torch.get_num_threads(), sys.getswitchinterval()
    threads = max(1, min(before, (os.cpu_count() or 2) - 1))
    torch.set_num_threads(threads)
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)
        sys.setswitchinterval(interval)
