"""Several processes on one workspace: who holds a run, what a dead one leaves, and that nobody's work is damaged."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.data.samples import load_sample
from sae_core.errors import InUseError, SaeError, TrainingError
from sae_core.files import dump_json, write_atomically
from sae_core.jobs import JobState, find_job, resume_run, start_job
from sae_core.runs import lock
from sae_core.runs.workspace import Workspace

ROOT = Path(__file__).parents[2]
CONFIG = StackConfig(layers=[3, 2], epochs=150, batch_size=16, softmax_epochs=2, fine_tune_epochs=2)

TRAINER = """
    import sys
    import sae_core as sae
    import sae_core.jobs.job
    sae_core.jobs.job.CHECKPOINT_EVERY = sae_core.jobs.job.LIVE_EVERY = 0.05
    workspace, data = sae.Workspace(sys.argv[1]), sae.load_sample("iris")
    config = sae.StackConfig(layers=[3, 2], epochs=int(sys.argv[2]), batch_size=16)
    job = sae.start_job(data, config, workspace=workspace)
    print(job.id, flush=True)
    job.join()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def iris() -> Dataset:
    return load_sample("iris")


@contextmanager
def program(text: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(text), *(str(argument) for argument in arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    held = lock.acquire(tmp_path / "run")
    assert lock.holder(tmp_path / "run") == held.owner
    assert held.owner.is_here
    with pytest.raises(InUseError, match=f"process {os.getpid()}"):
        lock.acquire(tmp_path / "run")
    held.release()
    held.release()
    assert lock.holder(tmp_path / "run") is None
    lock.acquire(tmp_path / "run").release()


def test_of_many_who_want_a_dead_ones_lock_one_gets_it(tmp_path: Path) -> None:
    gone = lock.acquire(tmp_path / "run")
    lock._held.pop(gone.owner.token)  # as if the process that held it had ended
    got: list[lock.Lock] = []
    refused: list[InUseError] = []

    def want() -> None:
        try:
            got.append(lock.acquire(tmp_path / "run"))
        except InUseError as error:
            refused.append(error)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    with pytest.raises(InUseError, match="took over"):
        gone.check()
    gone.release()
    assert lock.holder(tmp_path / "run") == got[0].owner  # what is another's is not removed
    got[0].release()


@pytest.mark.parametrize(
    ("changes", "age", "held"),
    [
        ({"pid": os.getppid(), "started": "1"}, 0, False),  # the number was given to another process since
        ({"pid": 2**22 + 1}, 0, False),  # no such process
        ({"machine": "elsewhere", "host": "elsewhere"}, 0, True),  # cannot be looked up, and its heart beats
        ({"machine": "elsewhere", "host": "elsewhere"}, lock.STALE_SECONDS + 1, False),
    ],
)
def test_whether_an_owner_is_alive(tmp_path: Path, changes: dict[str, object], age: float, held: bool) -> None:
    own = lock.acquire(tmp_path / "run")
    own.release()
    owner = dataclasses.replace(own.owner, **changes)  # type: ignore[arg-type]
    (tmp_path / "run" / lock.LOCK).write_bytes(dump_json(vars(owner)))
    os.utime(tmp_path / "run" / lock.LOCK, (time.time() - age,) * 2)
    assert (lock.holder(tmp_path / "run") == owner) is held


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b'{"pid": "x"}', b"\xff"])
def test_a_damaged_lock_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / lock.LOCK).write_bytes(content)
    assert lock.holder(tmp_path) is None


def test_the_heart_beats_and_requests_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    heard: list[str] = []
    held = lock.acquire(tmp_path, heard.append)
    os.utime(tmp_path / lock.LOCK, (0, 0))
    until(lambda: (tmp_path / lock.LOCK).stat().st_mtime > 1)
    lock.ask(tmp_path, "stop")
    until(lambda: heard == ["stop"])
    held.release()


def test_a_run_of_another_process_is_seen_live_and_left_alone(workspace: Workspace, iris: Dataset) -> None:
    with program(TRAINER, workspace.root, 100_000) as process:
        run = workspace.run(line_of(process))
        until(lambda: len(run.history()) > 3 and run.live().get("fraction"))
        assert run.record.state == "running"
        assert run.phases()[0].title == "Level 1: 4 -> 3"
        first = run.live()
        until(lambda: run.live()["fraction"] > first["fraction"])
        assert run.live()["curve"]
        with pytest.raises(InUseError, match=rf"in training in another program \(process {process.pid}\)"):
            run.delete()
        with pytest.raises(InUseError, match="Stop it"):
            workspace.delete_dataset(iris.fingerprint)
        with pytest.raises(TrainingError, match="under way"):
            resume_run(run)
        run.rename("renamed meanwhile")  # both write the record
        run.annotate(tags=["far"])
        run.ask("pause")
        until(lambda: run.record.state == "paused")
        run.ask("resume")
        until(lambda: run.record.state == "running")
        run.ask("stop")
        assert process.wait(30) == 0
    assert (run.record.state, run.record.name, run.record.tags) == ("stopped", "renamed meanwhile", ("far",))
    run.delete()
    assert workspace.runs() == []


RESUMER = """
    import sys
    import sae_core as sae
    from sae_core.jobs import resume_run
    try:
        job = resume_run(sae.Workspace(sys.argv[1]).run(sys.argv[2]))
    except sae.SaeError as error:
        print("refused", flush=True)
    else:
        print("resumed", flush=True)
        job.join()
"""


def test_of_two_programs_that_resume_one_run_one_does(workspace: Workspace, iris: Dataset) -> None:
    job = start_job(iris, CONFIG.replace(epochs=3_000), workspace=workspace)
    until(lambda: len(job.snapshot().history) > 3)
    job.stop()
    assert job.join(30)
    assert find_job(job.id) is job
    with program(RESUMER, workspace.root, job.id) as one, program(RESUMER, workspace.root, job.id) as other:
        assert sorted((line_of(one), line_of(other))) == ["refused", "resumed"]
        assert find_job(job.id) is None  # it is not this process's any more
        run = workspace.run(job.id)
        assert run.record.state in ("queued", "running")
        run.ask("stop")
        until(lambda: run.record.state == "stopped")
    steps = [row.step for row in run.history()]
    assert steps == sorted(set(steps))  # one history, not two mixed


def test_who_was_taken_over_writes_nothing_more(workspace: Workspace, iris: Dataset) -> None:
    """As when a machine slept so long that another one took its run over."""
    job = start_job(iris, CONFIG.replace(epochs=100_000), workspace=workspace)
    until(lambda: len(job.snapshot().history) > 3)
    assert job.run is not None
    assert job.run.lock is not None
    other = dataclasses.replace(job.run.lock.owner, token="other", machine="elsewhere", host="elsewhere")
    write_atomically(job.run.folder / lock.LOCK, dump_json(vars(other)))
    assert job.join(30)
    assert job.snapshot().state is JobState.FAILED
    assert "process" in job.snapshot().message
    assert "took over" in job.snapshot().message
    assert job.run.record.state == "running"  # the other's word
    assert lock.holder(job.run.folder) == other


def test_a_run_that_cannot_be_resumed_is_not_held(workspace: Workspace, iris: Dataset) -> None:
    run = workspace.create_run(iris, CONFIG)
    workspace.delete_dataset(iris.fingerprint)
    with pytest.raises(SaeError, match="was deleted"):
        resume_run(run)
    assert run.holder() is None
    run.delete()


WRITER = """
    import sys
    import sae_core as sae
    run = sae.Workspace(sys.argv[1]).run(sys.argv[2])
    for i in range(60):
        run.write_result(f"{sys.argv[3]}{i}", i)
"""


def test_records_changed_by_two_programs_lose_nothing(workspace: Workspace, iris: Dataset) -> None:
    run = workspace.create_run(iris, CONFIG)
    with program(WRITER, workspace.root, run.id, "a") as one, program(WRITER, workspace.root, run.id, "b") as other:
        assert (one.wait(60), other.wait(60)) == (0, 0)
    assert len(run.record.results) == 120
