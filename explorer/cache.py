"""A small cache bounded in entries and bytes, shared by all sessions; each value is made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Values by key, the least recently used forgotten first.

    Args:
        max_entries: entries kept.
        max_bytes: of all entries together, by `size`; the newest one is kept even when it alone is larger.
        size: bytes of a value.
    """

    def __init__(
        self, max_entries: int, *, max_bytes: int | None = None, size: Callable[[V], int] = lambda _: 0
    ) -> None:
        self._max_entries, self._max_bytes, self._size = max_entries, max_bytes, size
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._makers: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of this key; `make` is called without one, by one thread at a time. What it raises is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            maker = self._makers.setdefault(key, threading.Lock())
        with maker:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._lock:
                self._values[key] = value
                self._makers.pop(key, None)
                self._shrink()
            return value

    def forget(self, matches: Callable[[Hashable], bool] = lambda _: True) -> None:
        """Drop the entries whose key matches."""
        with self._lock:
            for key in [key for key in self._values if matches(key)]:
                del self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def _shrink(self) -> None:
        while len(self._values) > 1 and (len(self._values) > self._max_entries or self._too_large()):
            self._values.popitem(last=False)

    def _too_large(self) -> bool:
        return self._max_bytes is not None and sum(map(self._size, self._values.values())) > self._max_bytes
