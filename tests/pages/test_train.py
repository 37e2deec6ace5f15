"""The Train page: start, pause, resume, stop, and every way back to a run."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from explorer import store
from explorer.session import KEY, Session
from sae_core import jobs
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import APP, TIMEOUT, OpenPage, press, seen

Trained = Callable[..., str]


def session_of(app: AppTest) -> Session:
    session: Session = app.session_state[KEY]
    return session


def labels(app: AppTest) -> set[str]:
    return {button.label for button in app.button if not button.disabled}


@pytest.fixture
def endless() -> StackConfig:
    """A stack that trains until it is stopped."""
    return StackConfig(layers=[5, 3], epochs=100_000, batch_size=8)


def test_without_data_the_page_says_what_to_do(open_page: OpenPage) -> None:
    assert "no data set yet" in seen(open_page("train"))


def test_before_the_first_run_the_plan_is_shown(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("train", data=table, config=config)
    assert labels(app) >= {"Start training"}
    assert "Level 1: 6 → 5 · 2 epochs" in seen(app)
    assert "Pause" not in labels(app)


def test_start_pause_resume_stop(open_page: OpenPage, table: Dataset, endless: StackConfig) -> None:
    app = open_page("train", data=table, config=endless)
    press(app, "Start training")
    run_id = session_of(app).run_id
    assert run_id is not None
    job = jobs.find_job(run_id)
    assert job is not None
    assert app.query_params["run"] == run_id
    assert {"Pause", "Stop"} <= labels(app)
    assert "Start training" not in labels(app)

    press(app, "Pause")
    _until(app, "Resume")
    assert "Pause" not in labels(app)
    press(app, "Resume")
    _until(app, "Pause")

    press(app, "Stop")
    assert job.join(TIMEOUT)
    app.run()
    assert {"Start training", "Resume"} <= labels(app)
    assert "What is trained so far is kept" in seen(app)


def _until(app: AppTest, label: str) -> None:
    for _ in range(200):
        if label in labels(app):
            return
        app.run()
    raise AssertionError(f"{label} did not appear")


@pytest.mark.parametrize("kind", ["table", "unlabelled", "pictures"])
def test_a_finished_run(
    open_page: OpenPage, trained: Trained, config: StackConfig, kind: str, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    app = open_page("train", data=data, config=config, run_id=trained(data))
    assert "Finished" in [bar.text for bar in app.get("progress")] or "Finished" in str(app.get("progress"))
    assert {"Start training", "Look at the reconstructions"} <= labels(app)
    shown = {metric.label for metric in app.metric}
    assert {"Error of level 1", "Error of level 2"} <= shown
    assert ("Accuracy" in shown) == data.has_labels
    assert "design has changed" not in seen(app)
    assert not app.error
    assert not app.exception


def test_a_design_that_changed_since_is_said_so(
    open_page: OpenPage, table: Dataset, trained: Trained, config: StackConfig
) -> None:
    app = open_page("train", data=table, config=config.replace(epochs=3), run_id=trained(table))
    assert "design has changed" in seen(app)


def test_another_page_and_back_finds_the_run(open_page: OpenPage, table: Dataset, endless: StackConfig) -> None:
    app = open_page("train", data=table, config=endless)
    press(app, "Start training")
    run_id = session_of(app).run_id
    for page in ("1_data", "2_design", "3_train"):
        app.switch_page(f"../pages/{page}.py").run()
        assert session_of(app).run_id == run_id
        assert app.query_params["run"] == run_id
    assert "Pause" in labels(app)


def test_a_second_tab_finds_the_run_by_its_address(open_page: OpenPage, table: Dataset, endless: StackConfig) -> None:
    first = open_page("train", data=table, config=endless)
    press(first, "Start training")
    run_id = session_of(first).run_id
    assert run_id is not None
    second = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
    second.query_params["run"] = run_id
    second.run().switch_page("../pages/3_train.py").run()
    assert session_of(second).run_id == run_id
    assert session_of(second).data is table
    assert session_of(second).config == endless
    assert "Pause" in labels(second)
    press(second, "Stop")
    job = jobs.find_job(run_id)
    assert job is not None
    assert job.join(TIMEOUT)


def test_a_run_of_an_earlier_process_is_shown_from_the_workspace(
    open_page: OpenPage, table: Dataset, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = trained(table)
    monkeypatch.setattr(jobs, "find_job", lambda _: None)
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
    app.query_params["run"] = run_id
    app.run().switch_page("../pages/3_train.py").run()
    assert session_of(app).data is not None
    assert session_of(app).data.fingerprint == table.fingerprint  # type: ignore[union-attr]
    assert "Run on flowers" in seen(app)
    assert not app.error


def test_an_interrupted_run_says_so_and_goes_on(
    open_page: OpenPage, table: Dataset, config: StackConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.workspace().create_run(table, config, "Cut off")
    run.update(state="running", owner={"host": socket.gethostname(), "pid": 2**22 + 1})
    app = open_page("train", data=table, config=config, run_id=run.id)
    assert "program ended" in seen(app)
    press(app, "Resume")
    job = jobs.find_job(run.id)
    assert job is not None
    assert job.join(TIMEOUT)
    app.run()
    assert store.run(run.id).record.state == "finished"


def test_a_large_table_that_is_being_read_elsewhere_says_how_far(
    open_page: OpenPage, table: Dataset, config: StackConfig
) -> None:
    run = store.workspace().create_shard_run("big", "<b>parts</b>", config, {}, None, shards={"files": 9})
    run.update(state="running", message="The files are being read, 40%. Counting <i>part-3</i>.csv.")
    app = open_page("train", data=table, config=config, run_id=run.id)
    assert "are being read, 40%" in seen(app)
    assert "<i>" not in seen(app)
    assert "Bring the data set" not in labels(app)
    assert labels(app) >= {"Pause", "Stop"}
    run.let_go()
    assert labels(app.run()) >= {"Resume"}
    assert "program ended" in seen(app)


def test_a_run_in_training_elsewhere_is_live_and_can_be_stopped(
    open_page: OpenPage, table: Dataset, config: StackConfig
) -> None:
    run = store.workspace().create_run(table, config, "far away", hold=True)  # as another program does
    run.update(state="running")
    heard: list[str] = []
    assert run.lock is not None
    run.lock.listener = heard.append
    app = open_page("train", data=table, config=config, run_id=run.id)
    assert "Another program trains this run" in seen(app)
    press(app, "Stop")
    for _ in range(TIMEOUT * 10):
        if heard:
            break
        time.sleep(0.1)
    assert heard == ["stop"]
    run.let_go()


def test_a_run_whose_data_set_was_deleted_is_opened_as_far_as_possible(
    open_page: OpenPage, table: Dataset, trained: Trained, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = trained(table)
    store.workspace().delete_dataset(table.fingerprint)
    monkeypatch.setattr(jobs, "find_job", lambda _: None)  # as after a restart
    app = open_page("train", data=pictures, run_id=run_id)
    assert not app.exception
    assert not app.error
    assert "is not in this workspace, so its rows cannot be shown" in seen(app).replace("\\", "")
    assert "Error of level 1" in [metric.label for metric in app.metric]
    assert len(app.get("bidi_component")) or len(app.get("plotly_chart"))


def test_a_run_that_waits_for_another_says_so(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    long = jobs.start_job(table, config.replace(epochs=100_000), workspace=store.workspace(), name="the *long* one")
    short = jobs.start_job(table, config, workspace=store.workspace())
    app = open_page("train", data=table, config=config, run_id=short.id)
    assert "number 1 in the queue, behind the \\*long\\* one" in "".join(bar.proto.text for bar in app.get("progress"))
    assert "number 1" in "\n".join(caption.value for caption in app.sidebar.caption)
    assert "Stop" in labels(app)
    long.stop()
    assert short.join(TIMEOUT)
    app.run()
    assert short.snapshot().state == "finished"


def test_a_diverged_run_says_where_and_what_to_do(open_page: OpenPage, table: Dataset) -> None:
    wild = StackConfig(
        layers=[LayerConfig(units=3, activation="linear")], learning_rate=100, optimiser="sgd", epochs=500
    )
    app = open_page("train", data=table, config=wild)
    press(app, "Start training")
    job = jobs.find_job(session_of(app).run_id or "")
    assert job is not None
    assert job.join(TIMEOUT)
    assert job.snapshot().state == "diverged"
    app.run()
    assert len(app.error) == 1
    assert "learning rate" in app.error[0].value
    assert "Start training" in labels(app)
    assert session_of(app).data is table


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            "out of memory",
            "It ran out in Level 1: 6 -> 5, epoch 2, batch 3.",
        ),
        (
            "disk full",
            "No space left on device. (It happened in Level 1: 6 -> 5, epoch 2, batch 3.)",
        ),
    ],
)
def test_a_run_that_the_machine_ended_can_go_on(
    open_page: OpenPage, table: Dataset, config: StackConfig, state: str, message: str
) -> None:
    run = store.workspace().create_run(table, config)
    run.update(state=state, message=message)
    app = open_page("train", data=table, config=config, run_id=run.id)
    assert "epoch 2, batch 3" in app.error[0].value
    assert "goes on from" in app.error[0].value
    assert {"Resume", "Start training"} <= set(labels(app))


def test_an_unknown_run_in_the_address_is_one_sentence() -> None:
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
    app.query_params["run"] = "../../etc/passwd"
    app.run()
    assert "cannot be shown" in seen(app)
    assert session_of(app).data is not None
    assert "run" not in app.query_params


def test_a_design_that_cannot_be_trained_is_refused_before_it_starts(open_page: OpenPage, table: Dataset) -> None:
    impossible = StackConfig(layers=[LayerConfig(units=3, sparsity="kl")])
    app = open_page("train", data=table, config=impossible)
    assert "KL sparsity" in seen(app)
    press(app, "Start training")
    assert session_of(app).data is table
    assert not app.exception
