"""A few held-out rows as the stack gives them back while it learns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from sae_core.data.dataset import Dataset
from sae_core.training.events import Phase, PreviewReady

if TYPE_CHECKING:
    from sae_core.training.workbench import Workbench

PREVIEW_ROWS = 10
PREVIEW_EVERY = 0.25  # seconds
MEASURED_ROWS = 128  # whose error is taken with each preview: a percent or two of the time ...
MEASURED_VALUES = 128 * 1024  # ... and fewer of wide rows


def preview_rows(data: Dataset, count: int = PREVIEW_ROWS) -> NDArray[np.int64]:
    """Held-out rows to watch, one of each class first: (at most `count`,) row numbers, the same every time."""
    split = data.split
    rows = np.random.default_rng(0).permutation(split.validation if len(split.validation) else split.held_out())
    codes = data.class_codes[rows]
    first_of_class = np.sort(np.unique(codes, return_index=True)[1])
    others = np.setdiff1d(np.arange(len(rows)), first_of_class)
    chosen = np.concatenate([first_of_class, others])[:count]
    watched: NDArray[np.int64] = rows[chosen[np.argsort(codes[chosen], kind="stable")]]
    return watched


class Preview:
    """Decodes the watched rows from the level in training, at most twice a second. Draws no random number."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._rows = preview_rows(bench.data)
        measured = min(MEASURED_ROWS, MEASURED_VALUES // bench.n_inputs)
        rows = np.concatenate([self._rows, _further_rows(bench.data, self._rows, measured - len(self._rows))])
        self._x = torch.from_numpy(bench.preparation.transform(bench.data.take(rows))).to(bench.device)
        self._last = 0.0

    def if_due(self, phase: Phase, epoch: int) -> Iterator[PreviewReady]:
        """A preview, unless the last one is too recent."""
        if time.perf_counter() - self._last >= PREVIEW_EVERY:
            yield from self.now(phase, epoch)

    def now(self, phase: Phase, epoch: int) -> Iterator[PreviewReady]:
        """A preview. Supervised phases do not change reconstructions, so there is none for them."""
        if phase.kind in ("softmax", "fine_tune"):
            return
        network = self._bench.network
        was_training = network.training
        network.eval()
        with torch.inference_mode():
            back = network.decode(network.encode(self._x, phase.level), phase.level)
            error = float(torch.square(back - self._x).mean())
            x = back[: len(self._rows)].cpu().numpy()
        network.train(was_training)
        self._last = time.perf_counter()
        shown = self._bench.preparation.inverse_transform(x)
        yield PreviewReady(phase, self._rows, phase.level, shown, epoch, self._bench.position.step, error)


def _further_rows(data: Dataset, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    pool = data.split.validation if len(data.split.validation) else data.split.held_out()
    further: NDArray[np.int64] = np.random.default_rng(1).permutation(np.setdiff1d(pool, rows))[: max(count, 0)]
    return further
