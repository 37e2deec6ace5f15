from __future__ import annotations

import itertools
import threading

import pytest

from explorer import tasks
from explorer.tasks import Progress, TaskState
from sae_core.errors import DataError

WAIT = 30  # seconds until a test counts as hanging

_numbers = itertools.count()


@pytest.fixture
def key() -> tuple[str, int]:
    return ("test", next(_numbers))


def test_the_result_arrives(key: tuple[str, int]) -> None:
    task = tasks.submit(key, lambda progress: 6 * 7)
    assert task.join(WAIT)
    now = task.snapshot()
    assert (now.state, now.result, now.fraction) == (TaskState.DONE, 42, 1.0)


def test_one_key_is_one_task(key: tuple[str, int]) -> None:
    calls: list[int] = []
    first = tasks.submit(key, lambda progress: calls.append(1))
    assert first.join(WAIT)
    second = tasks.submit(key, lambda progress: calls.append(2))
    assert second is first
    assert calls == [1]


def test_progress_is_seen_while_it_runs(key: tuple[str, int]) -> None:
    reported, may_end = threading.Event(), threading.Event()

    def work(progress: Progress) -> None:
        progress(0.25, "a quarter")
        reported.set()
        may_end.wait(WAIT)

    task = tasks.submit(key, work)
    assert reported.wait(WAIT)
    now = task.snapshot()
    assert (now.state, now.fraction, now.text) == (TaskState.RUNNING, 0.25, "a quarter")
    may_end.set()
    assert task.join(WAIT)


def test_an_expected_error_is_its_own_message(key: tuple[str, int]) -> None:
    def fail(progress: Progress) -> None:
        raise DataError("The file is empty. Choose another one.")

    task = tasks.submit(key, fail)
    assert task.join(WAIT)
    assert task.snapshot().state is TaskState.FAILED
    assert task.snapshot().error == "The file is empty. Choose another one."


def test_a_bug_becomes_one_sentence_without_its_text(key: tuple[str, int]) -> None:
    def fail(progress: Progress) -> None:
        raise KeyError("secret internals")

    task = tasks.submit(key, fail)
    assert task.join(WAIT)
    assert task.snapshot().state is TaskState.FAILED
    assert "secret" not in task.snapshot().error


def test_a_failed_task_starts_again_only_when_asked(key: tuple[str, int]) -> None:
    def fail(progress: Progress) -> None:
        raise DataError("no")

    first = tasks.submit(key, fail)
    assert first.join(WAIT)
    assert tasks.submit(key, lambda progress: 1) is first
    again = tasks.submit(key, lambda progress: 1, retry=True)
    assert again.join(WAIT)
    assert again.snapshot().result == 1


def test_cancel_reaches_the_function_at_its_next_report(key: tuple[str, int]) -> None:
    begun = threading.Event()

    def work(progress: Progress) -> None:
        begun.set()
        while True:
            progress()

    task = tasks.submit(key, work)
    assert begun.wait(WAIT)
    tasks.cancel(key)
    assert task.join(WAIT)
    assert task.snapshot().state is TaskState.CANCELLED
    again = tasks.submit(key, lambda progress: "new")
    assert again.join(WAIT)
    assert again.snapshot().result == "new"


def test_forgotten_results_are_made_anew(key: tuple[str, int]) -> None:
    first = tasks.submit(key, lambda progress: 1)
    assert first.join(WAIT)
    tasks.forget(key)
    assert tasks.find(key) is None
    assert tasks.submit(key, lambda progress: 2) is not first


def test_results_are_bounded() -> None:
    for _ in range(tasks.MAX_KEPT + 20):
        assert tasks.submit(("bounded", next(_numbers)), lambda progress: None).join(WAIT)
    assert len(tasks._tasks) <= tasks.MAX_KEPT + tasks.MAX_WORKERS


def test_workers_end_when_there_is_nothing_to_do(key: tuple[str, int]) -> None:
    task = tasks.submit(key, lambda progress: None)
    assert task.join(WAIT)
    for thread in [thread for thread in threading.enumerate() if thread.name == tasks.THREAD_NAME]:
        thread.join(WAIT)
        assert not thread.is_alive()


def test_the_end_of_the_program_cancels_what_runs_and_what_waits() -> None:
    begun = threading.Event()

    def work(progress: Progress) -> None:
        begun.set()
        while True:
            progress()

    running = [tasks.submit(("end", next(_numbers)), work) for _ in range(tasks.MAX_WORKERS + 1)]
    assert begun.wait(WAIT)
    tasks.stop_all(patience=WAIT)
    assert {task.snapshot().state for task in running} == {TaskState.CANCELLED}
