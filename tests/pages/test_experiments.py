"""The Experiments page: three ways of training and PCA beside each other, found again, with and without labels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from explorer import store
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.jobs import active_jobs
from sae_core.runs.experiments import add_result, create_experiment, experiments
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.waiting import control, settled

CONFIG = StackConfig(layers=[4, 2], epochs=2, softmax_epochs=1, fine_tune_epochs=1, batch_size=32)
Contest = Callable[[Dataset], AppTest]


@pytest.fixture
def contest(open_page: OpenPage) -> Contest:
    """The page after all three ways were trained on a data set."""

    def run(data: Dataset) -> AppTest:
        app = open_page("experiments", data=data, config=CONFIG)
        assert "Is it worth training **4-2** level by level?" in seen(app)
        press(app, "Train all three")
        for job in active_jobs():
            assert job.join(60)
        return settled(app)

    return run


def metrics(app: AppTest, label: str) -> list[str]:
    return [str(metric.value) for metric in app.metric if metric.label == label]


def test_without_data(open_page: OpenPage) -> None:
    app = open_page("experiments")
    assert app.title[0].value == "Experiments"
    assert not app.exception


def test_three_ways_and_pca_beside_each_other(contest: Contest, table: Dataset, open_page: OpenPage) -> None:
    app = contest(table)
    assert not app.exception
    assert not app.error
    assert len(metrics(app, "Variance given back")) == 4
    assert len(metrics(app, "Linear classifier")) == 4
    assert len(metrics(app, "Fine-tuned")) == 3
    text = seen(app)
    assert "give the input back equally well" in text or "gives the input back best" in text
    assert "12 steps" in text
    found = experiments(store.workspace(), "ways", table.fingerprint)
    assert sorted(found[0].runs) == ["greedy", "greedy then joint", "joint"]
    steps = {run_id: store.run(run_id).trace()[-1].step for run_id in found[0].runs.values()}
    assert set(steps.values()) == {12}
    assert {store.run(run_id).record.state for run_id in found[0].runs.values()} == {"finished"}

    again = settled(open_page("experiments", data=table, config=CONFIG))  # another session, e.g. after a reload
    assert metrics(again, "Variance given back") == metrics(app, "Variance given back")
    press(again, "contest-open-joint")
    press(again, "contest-delete")
    assert "Is it worth training" in seen(again)
    assert store.run(found[0].runs["joint"]).record.state == "finished"


def test_pictures(contest: Contest, pictures: Dataset) -> None:
    app = contest(pictures)
    assert not app.exception
    assert not app.error
    charts = " ".join(str(chart.proto) for chart in app.get("plotly_chart"))
    assert "greedy, then joint" in charts  # a line of pictures


def test_without_labels_and_with_a_run_that_was_deleted(contest: Contest, unlabelled: Dataset) -> None:
    app = contest(unlabelled)
    assert not app.exception
    assert metrics(app, "Linear classifier") == []
    assert len(metrics(app, "Variance given back")) == 4
    runs = experiments(store.workspace(), "ways")[0].runs
    store.run(runs["joint"]).delete()
    from sae_core.jobs.registry import known_jobs

    known_jobs._jobs.pop(runs["joint"])
    app = settled(app.run())
    assert "This run was deleted" in seen(app)
    assert len(metrics(app, "Variance given back")) == 3


def test_stopped_and_gone_on(open_page: OpenPage, table: Dataset) -> None:
    long = StackConfig(layers=[4, 2], epochs=3_000, softmax_epochs=0, fine_tune_epochs=0, batch_size=32)
    app = press(open_page("experiments", data=table, config=long), "Train all three")
    assert any(button.label == "Stop" for button in app.button)
    jobs = active_jobs()
    press(app, "contest-stop")
    for job in jobs:
        assert job.join(60)
    app = settled(app.run())
    assert not app.exception
    assert any(button.label == "Resume" for button in app.button)
    press(app, "contest-resume")
    assert len(active_jobs()) == 3


def shares_tab(app: AppTest) -> AppTest:
    control(app.segmented_control, "Experiment").set_value("With and without pretraining")
    return app.run()


def test_with_and_without_pretraining(open_page: OpenPage, table: Dataset) -> None:
    app = shares_tab(open_page("experiments", data=table, config=CONFIG))
    assert "How many labels does **4-2** need" in seen(app)
    control(app.slider, "Repeated over seeds").set_value(2)
    app.run()
    press(app, "shares-start")
    app = settled(app)
    assert not app.exception
    assert not app.error
    found = app.dataframe[0].value
    assert found["Labels"].tolist() == ["1 %", "5 %", "10 %", "100 %"]
    assert found["Rows"].tolist()[-1] == len(table.split.train)
    assert all("(2 seeds)" in cell for cell in found["Without pretraining"])
    assert "of the labels" in seen(app)
    (kept,) = experiments(store.workspace(), "shares", table.fingerprint)
    assert len(kept.results) == 4 * 4 * 2

    again = shares_tab(open_page("experiments", data=table, config=CONFIG))
    assert again.dataframe[0].value.equals(found)
    press(again, "shares-delete")
    assert experiments(store.workspace(), "shares") == []


def test_stop_keeps_what_is_measured_and_go_on_adds_the_rest(open_page: OpenPage, table: Dataset) -> None:
    from explorer import label_shares

    app = shares_tab(open_page("experiments", data=table, config=CONFIG.replace(epochs=20)))
    begun = label_shares.start(table, CONFIG, [0.1, 1.0], 1)
    label_shares.stop(begun)
    app = settled(app)
    assert any(button.label == "Go on" for button in app.button)
    press(app, "Go on")
    settled(app)
    assert len(label_shares.results_of(begun)) == label_shares.wanted(begun) == 8


def test_nothing_to_tell_apart(open_page: OpenPage, unlabelled: Dataset) -> None:
    app = shares_tab(open_page("experiments", data=unlabelled, config=CONFIG))
    assert "no classes to tell apart" in seen(app)
    assert not app.exception


def test_an_earlier_experiment_can_be_looked_at(open_page: OpenPage, table: Dataset) -> None:
    for units in ([4, 2], [5]):
        begun = create_experiment(
            store.workspace(), "shares", table, CONFIG.replace(layers=units), {"shares": [1.0], "seeds": [0]}
        )
        result = {"method": "pretrained", "share": 1.0, "seed": 0, "rows": 84, "accuracy": 0.5 + 0.1 * len(units)}
        add_result(store.workspace(), begun.id, result)
    app = shares_tab(open_page("experiments", data=table, config=CONFIG))
    assert "60.0 %" in app.dataframe[0].value["Pretrained, then fine-tuned"][0]  # the newest
    earlier = control(app.selectbox, "Earlier experiments")
    assert earlier.options[1].endswith("4-2")
    earlier.select_index(1)
    assert "70.0 %" in app.run().dataframe[0].value["Pretrained, then fine-tuned"][0]
