"""The same work in this engine, and what the machine could do at best."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise

import numpy as np
import torch

from benchmarks.throughput.task import BATCH, EPOCHS, LARGE_UNITS, RATE, Array, Level, Outcome
from sae_core.config import LayerConfig, Precision, StackConfig
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.training.events import EpochEnded, PhaseEnded
from sae_core.training.trainer import fit, train

PRODUCT = 2048  # rows and columns of the matrices whose product gives the machine's rate
PRODUCT_SECONDS = 1.0


def float32(x: Array, units: tuple[int, ...]) -> Outcome:
    """With products in float32."""
    return _ours(x, units, "float32")


def auto(x: Array, units: tuple[int, ...]) -> Outcome:
    """As it comes: bfloat16 where the processor is faster with it and the step is large."""
    return _ours(x, units, "auto")


def large_float32(x: Array, units: tuple[int, ...]) -> Outcome:
    """784-1000-500-250-30 (Hinton & Salakhutdinov 2006), one epoch a level."""
    return _large(x, "float32", torch.float32)


def large_auto(x: Array, units: tuple[int, ...]) -> Outcome:
    """The same with products in bfloat16 where the processor is faster with it."""
    return _large(x, "auto", torch.bfloat16)


def small(x: Array, units: tuple[int, ...]) -> Outcome:
    """A level 64 -> 16: microseconds of a step, everything between two steps included."""
    rows = np.ascontiguousarray(x[:, :64])
    config = StackConfig(
        layers=(LayerConfig(units=16),),
        epochs=6,
        batch_size=BATCH,
        scaling="none",
        softmax_epochs=0,
        fine_tune_epochs=0,
    )
    started, steps, epochs = time.perf_counter(), 0, []
    for event in train(_data(rows), config):
        if isinstance(event, EpochEnded):
            now = time.perf_counter()
            epochs.append((now - started) / (event.row.step - steps))
            started, steps = now, event.row.step
    return Outcome(0.0, facts={"step": 1e6 * statistics.median(epochs[1:])})  # the first one holds the preparation


def _ours(x: Array, units: tuple[int, ...], precision: Precision) -> Outcome:
    rate = product_rate(torch.float32)
    started = time.perf_counter()
    config = _config(units, EPOCHS, precision)
    model = fit(_data(x), config)
    seconds = time.perf_counter() - started
    levels = []
    for level in range(1, len(units) + 1):
        (w, b), (v, c) = model.encoder_weights(level), model.decoder_weights(level)  # (inputs, outputs)
        levels.append(Level(w.T, b, v.T, c))
    rate = (rate + product_rate(torch.float32)) / 2
    work = _work(x, units, EPOCHS)
    return Outcome(seconds, tuple(levels), facts={"rate": rate / 1e9, "share": work / seconds / rate})


def _large(x: Array, precision: Precision, dtype: torch.dtype) -> Outcome:
    """Share of the rate of matrix products, whose rate is measured before, between and after the levels."""
    rates, spent = [product_rate(dtype)], 0.0
    stream = train(_data(x), _config(LARGE_UNITS, 1, precision))
    started = time.perf_counter()
    for event in stream:
        if isinstance(event, PhaseEnded):
            spent += time.perf_counter() - started
            rates.append(product_rate(dtype))
            started = time.perf_counter()
    work = _work(x, LARGE_UNITS, 1)
    rate = statistics.mean(rates)
    return Outcome(spent, facts={"rate": rate / 1e9, "share": work / spent / rate})


def _work(x: Array, units: tuple[int, ...], epochs: int) -> float:
    """Floating-point operations of the products: five a step, and one for the codes that the next level learns from."""
    products = [len(x) * below * width for below, width in pairwise((x.shape[1], *units))]
    return 10.0 * epochs * sum(products) + 2.0 * sum(products[:-1])


def _config(units: tuple[int, ...], epochs: int, precision: Precision) -> StackConfig:
    return StackConfig(
        layers=tuple(LayerConfig(units=width) for width in units),
        activation="relu",
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        precision=precision,
        scaling="none",
        softmax_epochs=0,
        fine_tune_epochs=0,
    )


def _data(x: Array) -> Dataset:
    """All rows are training rows, as for everyone else."""
    return Dataset("fashion", "arrays", x, split_options=SplitOptions(validation=0, test=0))


def product_rate(dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    a, b = (torch.rand(PRODUCT, PRODUCT).to(dtype) for _ in range(2))
    out = torch.empty(PRODUCT, PRODUCT, dtype=dtype)
    torch.mm(a, b, out=out)
    started, products = time.perf_counter(), 0
    while time.perf_counter() - started < PRODUCT_SECONDS:
        torch.mm(a, b, out=out)
        products += 1
    return float(2 * PRODUCT**3 * products) / (time.perf_counter() - started)
