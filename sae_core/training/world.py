"""The processes that train together: one alone, or those that torchrun starts on one or many hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import nn

from sae_core import errors
from sae_core.errors import PeerLostError, SaeError

# Words of errors whose reason is another process.
_LOST = ("gloo", "nccl", "connect", "socket", "broken pipe", "timed out", "in time")
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
            with self.together():
                torch.distributed.barrier()

    def total(self, values: list[float]) -> list[float]:
        """Each value summed over all processes."""
        if self.size == 1:
            return values
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        with self.together():
            torch.distributed.all_reduce(summed)
        return [float(value) for value in summed.tolist()]

    def shared(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are the mean over all processes (DistributedDataParallel), or the module itself."""
        if self.size == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        with self.together():
            return nn.parallel.DistributedDataParallel(module, device_ids=ids)

    def told(self, text: str, *, by: int = 0) -> str:
        """The text of one process, in all of them."""
        if self.size == 1:
            return text
        content = torch.from_numpy(np.frombuffer(text.encode(), np.uint8).copy()).to(self.device)
        length = torch.tensor([len(content)], device=self.device)
        with self.together():
            torch.distributed.broadcast(length, src=by)
            if self.rank != by:
                content = torch.empty(int(length), dtype=torch.uint8, device=self.device)
            torch.distributed.broadcast(content, src=by)
        return bytes(content.cpu().numpy()).decode()

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """What goes wrong inside in one process goes wrong in all of them, once they all have come out."""
        found: SaeError | None = None
        try:
            yield
        except PeerLostError:
            raise
        except SaeError as error:
            found = error
        if self.size == 1:
            if found is not None:
                raise found
            return
        failed = self.total([float(found is not None and rank == self.rank) for rank in range(self.size)])
        if any(failed):
            first = next(rank for rank, flag in enumerate(failed) if flag)
            name, _, message = self.told(f"{type(found).__name__}\n{found}", by=first).partition("\n")
            kind = getattr(errors, name, SaeError)
            raise found if found is not None and first == self.rank else _error(kind, message)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around what all processes do at the same time: the end of another one is no bug of this one.

        Raises:
            PeerLostError: another process has ended, or cannot be reached.
        """
        try:
            yield
        except RuntimeError as error:
            lost = any(word in str(error).lower() for word in _LOST)
            if self.size == 1 or isinstance(error, SaeError) or not lost:
                raise
            raise PeerLostError(
                "Another process of this training ended or cannot be reached, so this one ends, too. What is trained "
                "is kept: torchrun starts them again with --max-restarts, or give the same command again to go on."
            ) from error


def _error(kind: type[SaeError], message: str) -> SaeError:
    with suppress(TypeError):  # some take more than a message
        return kind(message)
    return SaeError(message)


def alone(device: str = "auto") -> World:
    """This process by itself."""
    from sae_core.training.workbench import choose_device

    return World(0, 1, choose_device(device))


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

    world = World(rank, size, chosen)
    with world.together():
        store, *_ = next(iter(rendezvous("env://", timeout=PATIENCE)))
        torch.distributed.init_process_group(
            "nccl" if chosen.type == "cuda" else "gloo",
            store=meet(store, rank, size, PATIENCE),
            rank=rank,
            world_size=size,
            timeout=PATIENCE,
        )
    try:
        yield world
    finally:
        torch.distributed.destroy_process_group()
