"""The state of one browser session, without a browser."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from explorer import store
from explorer.session import MAX_UNDO, Selection, Session, _split_options, _split_text
from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset, SplitOptions
from sae_core.errors import DataError, RunNotFoundError, StorageError


@pytest.fixture
def data() -> Dataset:
    values = np.random.default_rng(0).normal(size=(40, 3))
    columns = tuple(Column(name, "numeric") for name in "abc")
    return Dataset(name="t.csv", kind="table", features=pd.DataFrame(values, columns=list("abc")), columns=columns)


def test_a_data_set_is_saved_and_a_fitting_stack_chosen(data: Dataset) -> None:
    session = Session(config=StackConfig(layers=[500]), run_id="old", selection=Selection((1, 2), "map"))
    session.use_data(data)
    assert session.data is data
    assert session.data_address == data.fingerprint
    assert store.workspace().has_dataset(data.fingerprint)
    assert max(session.config.units) <= 3
    assert (session.run_id, session.selection, session.undone) == (None, Selection(), [])


def test_a_full_disk_does_not_keep_a_data_set_from_being_used(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise StorageError("The disk is full. Free some space.")

    monkeypatch.setattr("sae_core.runs.workspace.Workspace.save_dataset", full)
    session = Session()
    session.use_data(data)
    assert session.data is data
    assert session.data_address == ""
    assert "disk is full" in session.notices[0]


def test_what_fails_leaves_the_old_data_set(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    session.use_data(data)
    before = (session.data, session.config, session.data_address)

    def refuse(_: Dataset) -> StackConfig:
        raise DataError("no")

    monkeypatch.setattr("explorer.session.suggested", refuse)
    with pytest.raises(DataError):
        session.use_data(data.with_split(SplitOptions(seed=5)))
    assert (session.data, session.config, session.data_address) == before


def test_another_split_keeps_the_design_and_lets_the_run_go(data: Dataset) -> None:
    session = Session()
    session.use_data(data)
    session.change_config(StackConfig(layers=[2]))
    session.run_id = "a run"
    session.use_split(SplitOptions(validation=0.5, test=0.0))
    assert session.data is not None
    assert len(session.data.split.validation) == 20
    assert session.run_id is None
    assert session.config.units == (2,)


def test_the_same_split_changes_nothing(data: Dataset) -> None:
    session = Session(data=data, run_id="a run")
    session.use_split(data.split_options)
    assert session.run_id == "a run"


def test_a_split_without_training_rows_is_refused(data: Dataset) -> None:
    session = Session(data=data)
    with pytest.raises(DataError):
        session.use_split(SplitOptions(validation=0.5, test=0.5))
    assert session.data is data


def test_undo_goes_back_step_by_step_and_is_bounded() -> None:
    session = Session(config=StackConfig(layers=[1]))
    for units in range(2, MAX_UNDO + 10):
        session.change_config(StackConfig(layers=[units]))
    session.change_config(session.config)  # no change is no step
    assert len(session.undone) == MAX_UNDO
    session.undo()
    assert session.config.units == (MAX_UNDO + 8,)
    for _ in range(MAX_UNDO + 5):
        session.undo()
    assert session.undone == []


def test_a_run_that_does_not_exist_changes_nothing(data: Dataset) -> None:
    session = Session(data=data)
    with pytest.raises(RunNotFoundError):
        session.show_run("20200101-000000-abcdef")
    assert session.data is data
    assert session.run_id is None


@pytest.mark.parametrize(
    "options", [SplitOptions(), SplitOptions(0.25, 0.0, 7), SplitOptions(0.1, 0.333, 2**31 - 1, stratified=False)]
)
def test_a_split_in_the_address_round_trips(options: SplitOptions) -> None:
    assert _split_options(_split_text(options)) == options


@pytest.mark.parametrize("text", ["", "a,b,c", "0.1", "0.1,0.2", "../..", "0.1,0.2,1e9"])
def test_a_split_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(DataError, match="split in the address"):
        _split_options(text)


def test_pages_keep_what_is_theirs() -> None:
    session = Session()
    session.page("codes")["level"] = 2
    assert session.page("codes") == {"level": 2}
    assert session.page("export") == {}
