"""The processes that train together: one alone, or those that torchrun starts on one or many hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn

PATIENCE = timedelta(minutes=30)  # that one process waits for the others: a slow disk is not a dead worker


@dataclass(frozen=True)
class World:
    """This process among the others.

    Attributes:
        rank, size: its number from 0, and how many there are.
        device: that it trains on.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes and reports."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()

    def total(self, values: list[float]) -> list[float]:
        """Each value summed over all processes."""
        if self.size == 1:
            return values
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(summed)
        return [float(value) for value in summed.tolist()]

    def shared(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are the mean over all processes (DistributedDataParallel), or the module itself."""
        if self.size == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids)

    def spread(self, tensor: Tensor) -> Tensor:
        """The first process's tensor, on all of them."""
        if self.size > 1:
            torch.distributed.broadcast(tensor, src=0)
        return tensor


@contextmanager
def joined(device: str = "auto") -> Iterator[World]:
    """Join the processes that torchrun started (RANK, WORLD_SIZE .. in the environment); alone without it."""
    from sae_core.training.workbench import choose_device

    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        torch.cuda.set_device(chosen)
    if size == 1:
        yield World(0, 1, chosen)
        return
    from torch.distributed.rendezvous import rendezvous

    from sae_core.training.meeting import meet

    store, *_ = next(iter(rendezvous("env://", timeout=PATIENCE)))
    torch.distributed.init_process_group(
        "nccl" if chosen.type == "cuda" else "gloo",
        store=meet(store, rank, size, PATIENCE),
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    try:
        yield World(rank, size, chosen)
    finally:
        torch.distributed.destroy_process_group()
