"""The Compare page: runs in a table, laid over each other, renamed, repeated and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import store
from explorer.session import KEY, Session
from explorer.widgets.compare_table import SCRIPT, _next
from sae_core import jobs
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import StorageError
from sae_core.runs.run import Run
from tests.pages.conftest import OpenPage, maps_of, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control

Trained = Callable[..., str]


def session_of(app: AppTest) -> Session:
    session: Session = app.session_state[KEY]
    return session


def tick(app: AppTest, *rows: int) -> AppTest:
    """Tick runs by their place in the table, newest first."""
    ids = tuple(record.id for record in store.workspace().runs())
    app.session_state[f"compare-runs-{hash(ids)}"] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return app.run()


def charts(app: AppTest) -> list[Any]:
    return [chart for chart in app.get("plotly_chart") if "parallel" not in chart.proto.id]


def parallel(app: AppTest) -> list[str]:
    """Axes of the parallel coordinates."""
    specs = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart") if "parallel" in chart.proto.id]
    return [title.replace("<br>", " ") for title in specs[0]["layout"]["xaxis"]["ticktext"]] if specs else []


def enabled(app: AppTest) -> set[str]:
    return {button.label for button in app.button if not button.disabled}


@pytest.fixture
def two_runs(trained: Trained, table: Dataset, config: StackConfig) -> tuple[str, str]:
    """Ids of two finished runs of one data set, older first."""
    first = trained(table)
    store.run(first).update(created="2026-01-01T00:00:00+00:00")
    return first, trained(table, config.replace(epochs=3, activation="tanh"))


def test_without_runs_it_says_what_to_do(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("compare", data=table)
    assert "no runs yet" in seen(app)
    assert not app.dataframe
    assert app.title[0].value == "Compare"


def test_runs_with_settings_and_results(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = open_page("compare", data=table, run_id=two_runs[0])
    shown = app.dataframe[0].value
    assert shown["Activation"].tolist() == ["tanh", "relu"]
    assert shown["Levels"].tolist() == ["5-3", "5-3"]
    assert shown["State"].tolist() == ["Finished", "Finished"]
    assert shown[""].tolist() == ["", "●"]
    assert shown["Accuracy"].between(0, 1).all()
    assert (shown["Reconstruction error"] > 0).all()
    assert not app.exception


def test_before_anything_is_ticked_the_newest_are_shown(
    open_page: OpenPage, two_runs: tuple[str, str], table: Dataset
) -> None:
    app = open_page("compare", data=table)
    assert "Nothing is ticked" in seen(app)
    assert len(charts(app)) == 3
    assert enabled(app).isdisjoint({"Open", "Train again with these settings"})


def test_settings_that_differ_are_marked(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0, 1)
    shown = app.dataframe[1].value
    assert shown["Setting"].tolist() == ["≠ activation", "≠ epochs"]
    control(app.toggle, "All settings").set_value(True).run()
    everything = app.dataframe[1].value["Setting"].tolist()
    assert "seed" in everything
    assert "≠ activation" in everything


def test_one_run_shows_all_its_settings(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 1)
    assert "units" in app.dataframe[1].value["Setting"].tolist()
    assert "1 run ticked" in seen(app)


def test_equal_settings_are_said_to_be_equal(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    trained(table), trained(table)
    app = open_page("compare", data=table)
    assert "All settings of these runs are the same" in seen(app)


def test_axes_and_views(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = open_page("compare", data=table)
    view = control(app.segmented_control, "Show")
    assert view.options == ["Reconstruction loss", "Classifier loss", "Classifier accuracy"]
    for axis in ("epoch", "step", "seconds"):
        control(app.segmented_control, "Along").set_value(axis).run()
        assert not app.exception
    for name in view.options:
        control(app.segmented_control, "Show").set_value(name).run()
        assert not app.exception
        assert len(charts(app)) == 3
    assert "Logarithmic" not in [toggle.label for toggle in app.toggle]


def test_without_labels_there_is_no_classifier(open_page: OpenPage, trained: Trained, unlabelled: Dataset) -> None:
    trained(unlabelled)
    app = open_page("compare", data=unlabelled)
    assert control(app.segmented_control, "Show").options == ["Reconstruction loss"]
    assert len(charts(app)) == 2


def test_open_shows_the_run_everywhere(open_page: OpenPage, two_runs: tuple[str, str], pictures: Dataset) -> None:
    app = tick(open_page("compare", data=pictures), 1)
    press(app, "Open")
    assert session_of(app).run_id == two_runs[0]
    data = session_of(app).data
    assert data is not None
    assert data.name == "flowers.csv"
    assert app.title[0].value == "Train"
    assert app.query_params["run"] == two_runs[0]


def test_train_again(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0)
    press(app, "Train again with these settings")
    new = session_of(app).run_id
    assert new is not None
    assert new not in two_runs
    job = jobs.find_job(new)
    assert job is not None
    job.result()
    assert job.config == store.run(two_runs[1]).record.config
    assert job.name == "Run on flowers.csv (2)"
    original, again = store.model(two_runs[1]), store.model(new)
    assert (original.encode(table) == again.encode(table)).all()


def test_rename(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0)
    control(app.text_input, "Name").set_value("the better one").run()
    press(app, "Save")
    assert app.dataframe[0].value["Run"].tolist()[0] == "the better one"
    assert store.run(two_runs[1]).record.name == "the better one"


def test_tags_and_notes_are_kept_and_filter_the_table(
    open_page: OpenPage, two_runs: tuple[str, str], table: Dataset
) -> None:
    app = tick(open_page("compare", data=table), 0)
    control(app.multiselect, "Tags").set_value(["best", "of May"])
    control(app.text_area, "Note").set_value("Keeps more of the petals.")
    press(app, "Save")
    record = store.run(two_runs[1]).record
    assert (record.tags, record.note) == (("best", "of May"), "Keeps more of the petals.")
    for text, found in (("petals best", 1), ("5-3 FLOWERS", 2), ("finished may", 1), ("nothing", 0), ("", 2)):
        control(app.text_input, "Filter").set_value(text).run()
        shown = app.dataframe[0].value
        assert (len(shown) if "Run" in shown else 0) == found, text
        assert not app.exception
        assert ("No run passes" in seen(app)) == (not found)


def test_all_that_pass_the_filter_can_be_ticked(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = open_page("compare", data=table)
    press(app, "Tick all shown")
    assert session_of(app).page("compare")["chosen"] == [two_runs[1], two_runs[0]]
    assert "2 runs ticked" in seen(app)
    press(app, "Untick")
    assert "Nothing is ticked" in seen(app)


def test_a_run_is_copied_as_python(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0)
    app.session_state[SCRIPT] = True
    app.run()
    assert not app.exception
    (code,) = (block.value for block in app.code)
    compile(code, "run.py", "exec")
    assert table.fingerprint in code
    assert "activation='tanh'" in code


def test_settings_against_results(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = open_page("compare", data=table)
    assert parallel(app) == ["activation", "epochs", "accuracy on validation rows"]
    control(app.segmented_control, "Result").set_value("seconds").run()
    assert parallel(app)[-1] == "training time (s)"


def test_maps_side_by_side(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0, 1)
    control(app.toggle, "Draw the maps").set_value(True).run()
    control(app.segmented_control, "Map").set_value("pca").run()
    assert not app.exception
    assert ["Level 2, 3 numbers" in drawn["figure"] for drawn in maps_of(app)] == [True, True]
    control(app.selectbox, "Level").set_value(1).run()
    assert "Level 1, 5 numbers" in maps_of(app)[1]["figure"]
    assert "No rows chosen" in seen(app)
    session_of(app).select([3, 4])
    app.run()
    assert not app.exception
    assert "**2 rows**" in seen(app)
    assert [each["chosen"] for each in maps_of(app)] == [[3, 4]] * 2


def test_rows_are_not_chosen_on_maps_of_other_data(
    open_page: OpenPage, two_runs: tuple[str, str], unlabelled: Dataset
) -> None:
    app = tick(open_page("compare", data=unlabelled), 0, 1)
    before = len(charts(app))
    control(app.toggle, "Draw the maps").set_value(True).run()
    control(app.segmented_control, "Map").set_value("pca").run()
    assert not app.exception
    assert maps_of(app) == []
    assert len(charts(app)) == before + 2
    assert '"dragmode":"pan"' in charts(app)[-1].proto.spec
    assert "No rows chosen" not in seen(app)


def test_delete(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table, run_id=two_runs[1]), 0)
    assert "the data set stays" in seen(app)
    press(app, "Delete 1 run")
    assert [record.id for record in store.workspace().runs()] == [two_runs[0]]
    assert session_of(app).run_id is None
    assert session_of(app).data is not None
    assert len(app.dataframe[0].value) == 1
    assert store.workspace().has_dataset(table.fingerprint)
    assert not app.exception


def test_delete_all(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0, 1)
    press(app, "Delete 2 runs")
    assert store.workspace().runs() == []
    assert "no runs yet" in seen(app)


def test_a_deletion_that_fails_is_told(
    open_page: OpenPage, two_runs: tuple[str, str], table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: Run) -> None:
        raise StorageError("Could not write run.json: Read-only file system. Free some space, then try again.")

    app = tick(open_page("compare", data=table), 0)
    monkeypatch.setattr(Run, "delete", refuse)
    press(app, "Delete 1 run")
    assert "Could not write" in seen(app)
    assert len(store.workspace().runs()) == 2


def test_a_run_in_training_is_not_deleted(open_page: OpenPage, table: Dataset) -> None:
    endless = StackConfig(layers=[5, 3], epochs=100_000, batch_size=8)
    job = jobs.start_job(table, endless, workspace=store.workspace(), name="endless")
    while not job.snapshot().history:
        job.join(0.01)
    app = tick(open_page("compare", data=table), 0)
    assert "still in training" in seen(app)
    assert "Delete 1 run" not in enabled(app)
    assert app.dataframe[0].value["State"].tolist() == ["Running"]
    assert len(charts(app)) == 1
    assert "None of these runs is finished" in seen(app)
    job.stop()


def test_a_run_without_an_epoch(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    store.workspace().create_run(table, config, "never began")
    app = open_page("compare", data=table)
    assert app.dataframe[0].value["State"].tolist() == ["Interrupted"]
    assert "No epoch of these runs is complete yet" in seen(app)
    assert not app.exception


def test_hostile_names_are_shown_literally(open_page: OpenPage, trained: Trained, two_runs: tuple[str, str]) -> None:
    data = hostile_table()
    run_id = trained(data)
    store.run(run_id).update(created="2100-01-01T00:00:00+00:00")
    store.run(run_id).rename("<img src=x onerror=alert(1)> **b** %{x} $\\href{javascript:alert(1)}{x}$")
    app = tick(open_page("compare", data=data), 0)
    assert not app.exception
    assert "**b**" not in seen(app)
    assert "\\*\\*b\\*\\*" in seen(app)
    assert "onerror" not in "".join(str(chart.proto.spec).replace("&lt;img src=x onerror", "") for chart in charts(app))


def test_runs_on_different_data_are_said_to_be(
    open_page: OpenPage, trained: Trained, table: Dataset, pictures: Dataset
) -> None:
    trained(table), trained(pictures)
    app = tick(open_page("compare", data=table), 0, 1)
    assert "different data sets" in seen(app)


def test_a_damaged_history_is_one_clear_message(
    open_page: OpenPage, two_runs: tuple[str, str], table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "find_job", lambda _: None)  # as after a restart
    (store.run(two_runs[0]).folder / "history.jsonl").write_text("not json\nat all\n")
    app = tick(open_page("compare", data=table), 1)
    assert not app.exception
    assert "damaged" in seen(app)
    assert len(app.dataframe[0].value) == 2


def test_colours_stay_with_their_run(open_page: OpenPage, two_runs: tuple[str, str], table: Dataset) -> None:
    app = tick(open_page("compare", data=table), 0, 1)
    before = dict(session_of(app).page("compare")["colours"])
    tick(app, 0)
    assert session_of(app).page("compare")["colours"] == {two_runs[1]: before[two_runs[1]]}
    tick(app, 0, 1)
    after = session_of(app).page("compare")["colours"]
    assert after[two_runs[1]] == before[two_runs[1]]
    assert len(set(after.values())) == 2


def test_names_of_repetitions() -> None:
    assert _next("a", ["a"]) == "a (2)"
    assert _next("a (2)", ["a", "a (2)", "a (3)"]) == "a (4)"
