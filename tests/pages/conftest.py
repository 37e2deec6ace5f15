"""A seeded browser session, so that each page is tested without the pages before it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer import store
from explorer.places import PAGES
from explorer.session import KEY, Session
from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset

APP = Path(__file__).resolve().parents[2] / "explorer" / "app.py"
TIMEOUT = 60  # seconds for one script run on a loaded machine: a guard against hanging, not a measure of speed

OpenPage = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _fresh_store(workspace_folder: Path) -> None:
    """Nothing is remembered from the workspace of the test before."""
    store.forget()


@pytest.fixture
def table() -> Dataset:
    """120 rows, 6 numeric columns, 3 classes that can be told apart."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 40)
    values = rng.normal(size=(120, 6)) + 2.0 * np.eye(3, 6)[codes]
    names = [f"length {i}" for i in range(6)]
    return Dataset(
        name="flowers.csv",
        kind="table",
        features=pd.DataFrame(values, columns=names),
        labels=np.array(["setosa", "versicolor", "virginica"], dtype=object)[codes],
        columns=tuple(Column(name, "numeric") for name in names),
        label_name="species",
    )


@pytest.fixture
def unlabelled(table: Dataset) -> Dataset:
    """The same rows without labels."""
    return Dataset(name="unlabelled.csv", kind="table", features=table.features, columns=table.columns)


@pytest.fixture
def pictures() -> Dataset:
    """90 grey pictures of 8 x 8 with 3 classes: a bright stripe in one of three places."""
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], 30)
    pixels = rng.uniform(0, 0.3, size=(90, 8, 8)).astype(np.float32)
    for row, code in enumerate(codes):
        pixels[row, 1 + 2 * code] += 0.6
    return Dataset(
        name="stripes.zip",
        kind="images",
        features=pixels.reshape(90, 64),
        labels=codes.astype(np.int64),
        image_shape=(8, 8, 1),
    )


@pytest.fixture
def config() -> StackConfig:
    """A stack of two levels that trains in a moment."""
    return StackConfig(layers=[5, 3], epochs=2, softmax_epochs=2, fine_tune_epochs=2, batch_size=32)


@pytest.fixture
def open_page() -> OpenPage:
    """`open_page("codes", data=..., config=..., run_id=...)`: the page in a session seeded with these.

    Without `data` the session has no data set at all; `query` sets the address's parameters.
    """

    def open_it(
        address: str,
        *,
        data: Dataset | None = None,
        config: StackConfig | None = None,
        run_id: str | None = None,
        query: dict[str, str] | None = None,
    ) -> AppTest:
        session = Session(data=data, run_id=run_id)
        if data is not None:
            session.data_address = data.fingerprint
        if config is not None:
            session.config = config
        app = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
        app.session_state[KEY] = session
        for name, value in (query or {}).items():
            app.query_params[name] = value
        app.run()
        file = next(place.file for place in PAGES if place.address == address)
        return app.switch_page(f"../pages/{file}").run()

    return open_it


@pytest.fixture
def trained(config: StackConfig) -> Callable[..., str]:
    """`trained(data)` or `trained(data, other_config)`: the id of a finished run of that data set."""

    def train(data: Dataset, other: StackConfig | None = None) -> str:
        from sae_core.jobs import start_job

        job = start_job(data, other or config, workspace=store.workspace(), name=f"Run on {data.name}")
        assert job.join(TIMEOUT), "the run did not end"
        job.result()
        return job.id

    return train


def press(app: AppTest, name: str) -> AppTest:
    """Press the button of this key or label, and run."""
    found = [button for button in app.button if name in (button.key, button.label) and not button.disabled]
    assert found, f"no button {name!r} among {[button.label for button in app.button]}: {seen(app)}"
    return found[0].click().run()


def seen(app: AppTest) -> str:
    """All text of the page: headings, markdown, captions, messages."""
    blocks = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.error,
        app.warning,
        app.info,
        app.success,
    )
    return "\n".join(str(element.value) for block in blocks for element in block)


def maps_of(app: AppTest) -> list[dict[str, Any]]:
    """What the browser is given for every map."""
    given = [json.loads(part.proto.json) for part in app.get("bidi_component") if part.proto.json]
    return [each for each in given if "outline" in each]
