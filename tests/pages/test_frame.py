"""The frame of every page: whatever fails is one clear message."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from explorer.places import PAGES
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, seen

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


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_address_names_the_data_set_on_every_page(open_page: OpenPage, table: Dataset, address: str) -> None:
    app = open_page(address, data=table)
    assert app.query_params["data"] == table.fingerprint
