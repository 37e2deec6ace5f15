"""The frame of every page: whatever fails is one clear message."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from explorer import store
from explorer.places import PAGES
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from sae_core.jobs import start_job
from tests.pages.conftest import OpenPage, seen
from tests.pages.waiting import settled

ADDRESSES = [place.address for place in PAGES]


def failing(kind: str) -> None:
    import streamlit as st

    from explorer.widgets.frame import guarded
    from sae_core.errors import DataError

    errors = {"ours": DataError("The file [x](y) is empty."), "bug": KeyError("secret"), "memory": MemoryError()}
    with guarded():
        raise errors[kind]
    st.markdown("the page goes on")


@pytest.mark.parametrize(("kind", "text"), [("ours", "is empty"), ("bug", "unexpected"), ("memory", "memory")])
def test_a_failure_is_one_message_and_the_page_goes_on(kind: str, text: str) -> None:
    app = AppTest.from_function(failing, kwargs={"kind": kind}).run()
    assert len(app.error) == 1
    assert text in app.error[0].value
    assert "secret" not in app.error[0].value
    assert "[x](y)" not in app.error[0].value
    assert not app.exception
    assert app.markdown[-1].value == "the page goes on"


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_has_its_word_as_heading(
    open_page: OpenPage, table: Dataset, config: StackConfig, address: str
) -> None:
    app = open_page(address, data=table, config=config)
    assert app.title[0].value.lower() == address
    assert not app.exception


@pytest.mark.parametrize("address", [address for address in ADDRESSES if address not in ("data", "compare")])
def test_without_data_every_page_says_what_to_do(open_page: OpenPage, address: str) -> None:
    app = open_page(address)
    assert "Choose a sample" in seen(app) or "no data set" in seen(app).lower()
    assert not app.error
    assert not app.exception


@pytest.mark.parametrize("address", ["reconstructions", "codes", "export"])
def test_levels_that_are_trained_can_be_looked_at_while_the_next_one_trains(
    open_page: OpenPage, table: Dataset, address: str
) -> None:
    config = StackConfig(layers=[5, LayerConfig(units=3, epochs=100_000)], epochs=2)
    job = start_job(table, config, workspace=store.workspace())
    while job.trained_so_far is None:
        assert not job.join(0.01)
    app = settled(open_page(address, data=table, config=config, run_id=job.id))
    assert "1 of 2 levels are trained so far" in seen(app)
    assert not app.error
    assert store.model(job.id).units == (5,)
    job.stop()
    assert job.join(30)


def test_classifiers_are_waited_for_while_the_levels_train(open_page: OpenPage, table: Dataset) -> None:
    config = StackConfig(layers=[5, LayerConfig(units=3, epochs=100_000)], epochs=2)
    job = start_job(table, config, workspace=store.workspace())
    while job.trained_so_far is None:
        assert not job.join(0.01)
    assert "The classifiers are trained when all levels are" in seen(
        open_page("classification", data=table, config=config, run_id=job.id)
    )
    job.stop()
    assert job.join(30)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_address_names_the_data_set_on_every_page(open_page: OpenPage, table: Dataset, address: str) -> None:
    app = open_page(address, data=table)
    assert app.query_params["data"] == table.fingerprint
