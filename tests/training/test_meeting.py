"""Processes of one attempt meet, whatever dead ones left behind."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import DistError, HashStore, Store

from sae_core.training.meeting import meet

SOON = timedelta(seconds=20)


def met(store: Store, size: int) -> list[Store]:
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: meet(store, rank, size, SOON), range(size)))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_all_of_an_attempt_share_keys(size: int) -> None:
    stores = met(HashStore(), size)
    for rank, store in enumerate(stores):
        store.set(f"from {rank}", str(rank))
    for store in stores:
        assert store.multi_get([f"from {rank}" for rank in range(size)]) == [str(r).encode() for r in range(size)]


def test_nothing_of_an_earlier_attempt_is_seen() -> None:
    store = HashStore()
    earlier = met(store, 3)
    earlier[2].set("address of 2", "a dead process")
    for later in (met(store, 3), met(store, 2)):  # also with fewer processes
        assert not any(mine.check(["address of 2"]) for mine in later)


def test_an_attempt_that_died_half_way_leads_nobody_astray() -> None:
    store = HashStore()
    store.set("meeting/word/1", "of a process that died")
    store.set("meeting/answer", json.dumps(["a meeting of the dead", "of a process that died"]))
    first, second = met(store, 2)
    first.set("key", "value")
    assert second.get("key") == b"value"


@pytest.mark.parametrize("rank", [0, 1])
def test_nobody_waits_for_ever(rank: int) -> None:
    with pytest.raises(DistError, match="did not come in time"):
        meet(HashStore(), rank, 2, timedelta(seconds=0.1))
