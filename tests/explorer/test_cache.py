from __future__ import annotations

import threading

import pytest

from explorer.cache import Cache


def test_a_value_is_made_once() -> None:
    cache: Cache[int] = Cache(4)
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return 7

    assert [cache.get("key", make), cache.get("key", make)] == [7, 7]
    assert len(made) == 1


def test_the_least_recently_used_entry_is_forgotten() -> None:
    cache: Cache[str] = Cache(2)
    for key in "ab":
        cache.get(key, lambda key=key: key)  # type: ignore[misc]
    cache.get("a", lambda: "again")
    cache.get("c", lambda: "c")
    assert cache.get("a", lambda: "made anew") == "a"
    assert cache.get("b", lambda: "made anew") == "made anew"


def test_bytes_are_bounded_and_the_newest_stays() -> None:
    cache: Cache[bytes] = Cache(10, max_bytes=10, size=len)
    cache.get("small", lambda: b"1234")
    cache.get("huge", lambda: b"x" * 100)
    assert len(cache) == 1
    assert cache.get("huge", lambda: b"") == b"x" * 100


def test_what_fails_is_not_kept() -> None:
    cache: Cache[int] = Cache(2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("key", fail)
    assert cache.get("key", lambda: 3) == 3


def test_threads_wait_for_the_one_that_makes() -> None:
    cache: Cache[int] = Cache(2)
    begun, may_end, made = threading.Event(), threading.Event(), []

    def slow() -> int:
        begun.set()
        assert may_end.wait(30)
        made.append(1)
        return 1

    threads = [threading.Thread(target=cache.get, args=("key", slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert len(made) == 1


def test_forget_drops_what_matches() -> None:
    cache: Cache[int] = Cache(4)
    cache.get(("run", 1), lambda: 1)
    cache.get(("other", 1), lambda: 2)
    cache.forget(lambda key: isinstance(key, tuple) and key[0] == "run")
    assert len(cache) == 1
