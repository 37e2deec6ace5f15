"""The Sweep page: ranges around the design, runs in the background, a leaderboard, stop and go on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from explorer import store
from explorer.session import KEY, Session
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.jobs.sweep import find_sweep, start_sweep
from sae_core.runs.draws import Space
from sae_core.runs.sweep import open_sweep, sweeps
from tests.pages.conftest import TIMEOUT, OpenPage, press, seen
from tests.pages.waiting import control

SPACE = Space(units=((3, 6), (2, 3)), learning_rate=(1e-3, 1e-1))


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def session_of(app: AppTest) -> Session:
    session: Session = app.session_state[KEY]
    return session


def finished_sweep(data: Dataset, config: StackConfig, runs: int = 3) -> str:
    job = start_sweep(store.workspace(), data, config, SPACE, runs=runs)
    assert job.join(TIMEOUT)
    return job.sweep.id


def test_before_the_first_sweep_the_ranges_lie_around_the_design(
    open_page: OpenPage, table: Dataset, config: StackConfig
) -> None:
    app = open_page("sweep", data=table, config=config)
    assert not app.exception
    assert "Choose ranges above" in seen(app)
    assert control(app.select_slider, "Units of level 1").value == (3, 8)
    assert control(app.select_slider, "Learning rate").value == (1e-4, 1e-2)


def test_a_sweep_is_started_and_its_leaderboard_fills(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("sweep", data=table, config=config)
    control(app.selectbox, "Corruption").set_value("masking").run()
    control(app.segmented_control, "Draw").set_value("grid").run()
    assert "combinations, every range divided alike" in seen(app)
    control(app.number_input, "Runs at most").set_value(2).run()
    press(app, "Start sweep")
    (plan,) = sweeps(store.workspace())
    assert (plan.method, plan.runs, plan.space.corruption) == ("grid", 2, "masking")
    until(lambda: find_sweep(plan.id) is None)
    app.run()
    assert not app.exception
    shown = app.dataframe[0].value
    assert shown["Place"].tolist() == [1, 2]
    assert shown["Validation accuracy"].is_monotonic_decreasing
    assert shown["State"].tolist() == ["Finished", "Finished"]
    assert "Corruption" in shown
    assert len(app.get("plotly_chart")) == 1


def test_the_best_run_is_opened_compared_and_taken_as_design(
    open_page: OpenPage, table: Dataset, config: StackConfig
) -> None:
    sweep_id = finished_sweep(table, config)
    best = max(open_sweep(store.workspace(), sweep_id).trials(), key=lambda trial: trial.value or 0).value
    app = open_page("sweep", data=table, config=config)
    press(app, "Design as the best")
    assert session_of(app).config != config
    press(app, "Open the best run")
    run_id = session_of(app).run_id
    assert run_id is not None
    assert store.run(run_id).record.results["validation_accuracy"] == best
    app = open_page("sweep", data=table, config=config)
    press(app, "Compare the best three")
    assert app.title[0].value == "Compare"
    assert "3 runs ticked" in seen(app)
    assert not app.exception


def test_stop_and_go_on(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    job = start_sweep(store.workspace(), table, config.replace(epochs=400), SPACE, runs=3)
    until(lambda: job.sweep.trials())
    app = open_page("sweep", data=table, config=config)
    assert "0 of 3 runs done" in app.get("progress")[0].proto.text
    press(app, "Stop")
    assert job.join(TIMEOUT)
    app.run()
    assert "stopped" in app.get("progress")[0].proto.text
    press(app, "Go on")
    again = find_sweep(job.sweep.id)
    assert again is not None
    again.stop()
    assert again.join(TIMEOUT)


def test_an_interrupted_sweep_says_so(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    sweep_id = finished_sweep(table, config, runs=1)
    open_sweep(store.workspace(), sweep_id).update(state="running")  # as a killed server leaves it
    app = open_page("sweep", data=table, config=config)
    assert "Nothing that was finished is lost" in seen(app)
    press(app, "Go on")
    until(lambda: find_sweep(sweep_id) is None)
    assert open_sweep(store.workspace(), sweep_id).plan.state == "finished"
    app.run()
    press(app, "Delete this sweep")
    assert "Choose ranges above" in seen(app)
    assert len(store.workspace().runs()) == 1


@pytest.mark.parametrize("labelled", [True, False])
def test_without_validation_rows_it_says_what_to_do(
    open_page: OpenPage, table: Dataset, unlabelled: Dataset, config: StackConfig, labelled: bool
) -> None:
    data = (table if labelled else unlabelled).with_split(SplitOptions(validation=0))
    app = open_page("sweep", data=data, config=config)
    assert "no validation rows" in seen(app)
    assert not app.exception
