"""What is imported ahead, and when."""

from __future__ import annotations

import threading
import time

import pytest

from explorer import warming

STEPS = warming.STEPS  # as they are, before the tests' session empties them


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A fresh process in which two steps note that they were done; the first one fails."""
    done: list[str] = []

    def fail() -> None:
        done.append("first")
        raise RuntimeError

    monkeypatch.setattr(warming, "STEPS", (fail, lambda: done.append("second")))
    monkeypatch.setattr(warming, "_thread", None)
    monkeypatch.setattr(warming, "PAUSE", 0.01)
    return done


def test_it_waits_while_pages_are_run_and_goes_on_after_a_failure(
    begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_rest = threading.Event()
    monkeypatch.setattr(warming, "_at_rest", at_rest.is_set)
    warming.page_served()
    warming.page_served()
    time.sleep(0.05)
    assert begun == []
    at_rest.set()
    assert warming._thread is not None
    warming._thread.join(10)
    assert begun == ["first", "second"]


def test_a_page_that_was_just_run_is_no_rest() -> None:
    warming.page_served()
    assert not warming._at_rest()


def test_every_step_works() -> None:
    for step in STEPS:
        step()
