"""How the processes of one attempt find each other, and nobody of an earlier attempt.

torchrun keeps one key-value store for all its restarts (since it shares the store of its rendezvous). After a restart
the addresses of dead processes still stand in it, and a process that reads one of them before its new owner has written
waits for ever. So the processes of an attempt agree on a name nobody used before, and keep to keys that begin with it.
"""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta

from torch.distributed import DistError
from torch.distributed.distributed_c10d import PrefixStore, Store

PAUSE = 0.02  # seconds between two looks into the store


def meet(store: Store, rank: int, size: int, patience: timedelta) -> Store:
    """The part of a store that belongs to this attempt alone.

    Each process leaves a word of its own; the first one repeats the words it finds, together with the name of the
    meeting, until all have found theirs among them. Words of dead processes are answered, too, but nobody listens.

    Args:
        store: that all processes see, with whatever earlier attempts left in it.
        rank: of this process, from 0.
        size: how many processes meet.
        patience: how long to wait for the others.

    Raises:
        DistError: they did not come in time.
    """
    word = uuid.uuid4().hex
    deadline = time.monotonic() + patience.total_seconds()
    meeting = _invite(store, size, word, deadline) if rank == 0 else _join(store, rank, word, deadline)
    return PrefixStore(meeting, store)


def _invite(store: Store, size: int, meeting: str, deadline: float) -> str:
    words = [f"meeting/word/{rank}" for rank in range(1, size)]
    arrivals = [f"{meeting}/arrived/{rank}" for rank in range(1, size)]
    answered: list[str] = []
    while not store.check(arrivals):
        if store.check(words):
            found = [word.decode() for word in store.multi_get(words)]
            if found != answered:
                store.set("meeting/answer", json.dumps([meeting, *found]))
                answered = found
        _wait(deadline)
    return meeting


def _join(store: Store, rank: int, word: str, deadline: float) -> str:
    store.set(f"meeting/word/{rank}", word)
    while True:
        if store.check(["meeting/answer"]):
            meeting, *answered = json.loads(store.get("meeting/answer"))
            if word in answered:
                store.set(f"{meeting}/arrived/{rank}", "")
                return str(meeting)
        _wait(deadline)


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise DistError("The other processes of this training did not come in time.")
    time.sleep(PAUSE)
