"""Import on the Export page: a bundle becomes a run, and what is missing is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import store, tasks
from explorer.session import KEY
from sae_core.data.dataset import Dataset
from sae_core.export.bundle import export_bundle
from sae_core.export.origin import Origin
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.test_export import downloads
from tests.pages.waiting import control, settled

Trained = Callable[..., str]


@pytest.fixture(autouse=True)
def _forget_tasks() -> None:
    tasks._tasks.clear()


@pytest.fixture
def elsewhere(trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Dataset], bytes]:
    """`elsewhere(data)`: the bundle of a run that was trained in another workspace."""

    def make(data: Dataset) -> bytes:
        here = store.workspace()
        monkeypatch.setenv("SAE_WORKSPACE", str(tmp_path / "elsewhere"))
        run = store.run(trained(data))
        content = export_bundle(run.model(), tmp_path / "b.zip", origin=Origin.of(run.record)).path.read_bytes()
        monkeypatch.setenv("SAE_WORKSPACE", str(here.root))
        store.forget()
        return content

    return make


def brought(app: AppTest, content: bytes, name: str = "flowers.zip") -> AppTest:
    control(app.segmented_control, "Take away or bring").set_value("Import").run()
    app.file_uploader[0].set_value((name, content, "application/zip")).run()
    return settled(app)


def shown(app: AppTest) -> str | None:
    run_id: str | None = app.session_state[KEY].run_id
    return run_id


def test_with_its_data_set_everything_works(
    open_page: OpenPage, table: Dataset, elsewhere: Callable[[Dataset], bytes]
) -> None:
    content = elsewhere(table)
    app = brought(open_page("export", data=table), content)
    assert "is in the workspace now" in seen(app)
    assert "is not in this workspace" not in seen(app)
    [record] = store.workspace().runs()
    press(app, "Show this run")
    assert shown(app) == record.id
    assert store.dataset(record.id).fingerprint == table.fingerprint
    for file in ("3_train", "4_reconstructions", "6_classification"):
        app = settled(app.switch_page(f"../pages/{file}.py").run())
        assert not app.exception
        assert not app.error, seen(app)
    assert "Imported from flowers" in seen(app.switch_page("../pages/3_train.py").run())


def test_without_its_data_set_it_says_what_is_needed(
    open_page: OpenPage, table: Dataset, pictures: Dataset, elsewhere: Callable[[Dataset], bytes]
) -> None:
    app = brought(open_page("export", data=pictures), elsewhere(table))
    assert "is not in this workspace" in seen(app)
    assert "cannot stand in for it: the model takes a table" in seen(app).replace("\\", "")
    press(app, "Show this run")
    app = settled(app)
    assert {"Download ONNX", "Download bundle", "Download script"} <= set(downloads(app))
    assert "Download CSV" not in downloads(app)
    assert not app.error
    for file in ("3_train", "4_reconstructions", "5_codes", "6_classification", "7_compare"):
        app.switch_page(f"../pages/{file}.py").run()
        assert not app.exception
        assert not app.error
        assert ("Bring the same file" in seen(app)) == (file != "7_compare"), file


def test_the_data_set_in_use_can_stand_in(
    open_page: OpenPage, table: Dataset, elsewhere: Callable[[Dataset], bytes]
) -> None:
    content = elsewhere(table)
    assert not isinstance(table.features, np.ndarray)
    fewer = Dataset(
        name="fewer.csv", kind="table", features=table.features.iloc[::2].reset_index(drop=True),
        columns=table.columns, labels=table.labels[::2], label_name="species",  # type: ignore[index]
    )  # fmt: skip
    app = brought(open_page("export", data=fewer), content)
    press(app, "import-use-with")
    run_id = shown(app)
    assert run_id is not None
    assert store.dataset(run_id).fingerprint == fewer.fingerprint
    np.testing.assert_array_equal(store.codes(run_id), store.model(run_id).encode(fewer))
    app = settled(app.switch_page("../pages/4_reconstructions.py").run())
    assert not app.error


def test_the_address_finds_it_after_a_reload(
    open_page: OpenPage, table: Dataset, elsewhere: Callable[[Dataset], bytes]
) -> None:
    brought(open_page("export", data=None), elsewhere(table))
    [record] = store.workspace().runs()
    app = AppTest.from_file(str(Path(__file__).resolve().parents[2] / "explorer" / "app.py"), default_timeout=60)
    app.query_params["run"], app.query_params["data"] = record.id, "iris"
    app.run()
    assert shown(app) == record.id
    assert app.session_state[KEY].data_address == "iris"
    assert not app.exception


def test_the_same_again_is_found(open_page: OpenPage, table: Dataset, trained: Trained, tmp_path: Path) -> None:
    run_id = trained(table)
    content = export_bundle(store.model(run_id), tmp_path / "b.zip").path.read_bytes()
    app = brought(open_page("export", data=table), content)
    assert "was in the workspace already" in seen(app)
    assert [record.id for record in store.workspace().runs()] == [run_id]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"x" * 1000])
def test_a_broken_one_is_one_sentence_and_another_can_be_brought(
    content: bytes, open_page: OpenPage, table: Dataset, trained: Trained, tmp_path: Path
) -> None:
    app = brought(open_page("export", data=table), content)
    assert len(app.error) == 1
    assert "not a ZIP file" in app.error[0].value
    assert not app.exception
    assert store.workspace().runs() == []
    press(app, "Import another bundle")
    run_id = trained(table)
    good = export_bundle(store.model(run_id), tmp_path / "b.zip").path.read_bytes()
    app.file_uploader[0].set_value(("b.zip", good, "application/zip")).run()
    assert "was in the workspace already" in seen(settled(app))
