"""The Data page: samples, files of one's own, stored data sets, split."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import store
from explorer.session import KEY, Session
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from tests.data.making import gz
from tests.pages.conftest import APP, TIMEOUT, OpenPage, press, seen

CSV = b"size,shape,note\n" + b"".join(f"{i % 7}.5,{'round' if i % 2 else 'square'},n{i}\n".encode() for i in range(60))


def session_of(app: AppTest) -> Session:
    session: Session = app.session_state[KEY]
    return session


def bring(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Upload files on the page's second tab."""
    app.session_state["data-source"] = "Your own file"
    app.run()
    app.file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in files])
    return settled(app.run())


def settled(app: AppTest) -> AppTest:
    """Run again until no background task is shown to be under way."""
    for _ in range(40):
        if not any(button.label == "Cancel" for button in app.button):
            return app
        app.run()
    raise AssertionError("the background task did not end")


def picture_zip() -> bytes:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("dark", "light"):
            for i in range(12):
                content = io.BytesIO()
                pixels = rng.integers(0, 120, (10, 12)) + (120 if name == "light" else 0)
                Image.fromarray(pixels.astype(np.uint8)).save(content, "PNG")
                archive.writestr(f"set/{name}/{i}.png", content.getvalue())
    return buffer.getvalue()


def test_the_first_opening_has_mnist_and_a_stack() -> None:
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT).run()
    session = session_of(app)
    assert app.title[0].value == "Data"
    assert session.data is not None
    assert (session.data.image_shape, len(session.data)) == ((28, 28, 1), 20_000)
    assert session.config.units[0] < 784
    assert app.query_params["data"] == "mnist"
    assert not app.error


def test_a_sample_is_used_with_a_stack_that_fits(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("data", data=table)
    press(app, "use-iris")
    session = session_of(app)
    assert session.data is not None
    assert session.data.classes == ("setosa", "versicolor", "virginica")
    assert max(session.config.units) <= 4
    assert app.query_params["data"] == "iris"
    assert "In use: Iris" in seen(app)


def test_a_table_shows_its_columns_and_rows(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("data", data=table)
    assert {metric.label: metric.value for metric in app.metric}["Rows"] == "120"
    described = app.dataframe[0].value
    assert described["Column"].tolist() == list(table.feature_names)
    assert described["Missing"].sum() == 0
    assert "species (label)" in app.dataframe[1].value.columns


@pytest.mark.parametrize("kind", ["pictures", "unlabelled"])
def test_other_kinds_are_shown_too(open_page: OpenPage, kind: str, request: pytest.FixtureRequest) -> None:
    app = open_page("data", data=request.getfixturevalue(kind))
    assert not app.error
    assert not app.exception


def test_without_any_data_set_the_page_still_opens(open_page: OpenPage) -> None:
    app = open_page("data")
    assert app.title[0].value == "Data"
    assert not app.error


def test_the_split_follows_its_sliders_and_lets_the_run_go(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("data", data=table)
    app.slider(key="data-validation").set_value(25).run()
    app.slider(key="data-test").set_value(0).run()
    data = session_of(app).data
    assert data is not None
    assert (len(data.split.train), len(data.split.validation), len(data.split.test)) == (90, 30, 0)
    assert session_of(app).run_id is None
    assert app.query_params["split"] == "0.25,0,0"


def test_an_official_test_set_cannot_be_changed() -> None:
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT).run()
    assert all(slider.key != "data-test" for slider in app.slider)
    app.slider(key="data-validation").set_value(10).run()
    data = session_of(app).data
    assert data is not None
    assert (len(data.split.train), len(data.split.validation), len(data.split.test)) == (9_000, 1_000, 10_000)


def test_the_address_gives_data_set_and_split_back(open_page: OpenPage, table: Dataset) -> None:
    first = open_page("data", data=table)
    press(first, "use-wine")
    first.slider(key="data-test").set_value(40).run()
    again = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
    for name in ("data", "split"):
        value = first.query_params[name]
        again.query_params[name] = value[0] if isinstance(value, list) else value
    again.run()
    data = session_of(again).data
    assert data is not None
    assert data.split_options == session_of(first).data.split_options  # type: ignore[union-attr]
    assert data.fingerprint == session_of(first).data.fingerprint  # type: ignore[union-attr]


def test_an_address_that_leads_nowhere_is_said_so() -> None:
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT)
    app.query_params["data"] = "0" * 64
    app.run()
    assert "not in the workspace" in seen(app)
    assert session_of(app).data is not None


def test_a_table_is_previewed_then_used(open_page: OpenPage, table: Dataset) -> None:
    app = bring(open_page("data", data=table), ("things.csv", CSV))
    assert session_of(app).data is table, "nothing is used before it is asked for"
    label = app.selectbox(key="data-label")
    assert label.value == "shape"
    assert "(guessed)" in label.label
    press(app, "data-use")
    data = session_of(settled(app)).data
    assert data is not None
    assert (data.name, len(data), data.classes) == ("things.csv", 60, ("round", "square"))
    assert app.query_params["data"] == data.fingerprint
    assert store.workspace().has_dataset(data.fingerprint)
    assert "In use: things\\.csv" in seen(app)


def test_the_label_can_be_refused(open_page: OpenPage, table: Dataset) -> None:
    app = bring(open_page("data", data=table), ("things.csv", CSV))
    app.selectbox(key="data-label").set_value(None).run()
    press(app, "data-use")
    data = session_of(settled(app)).data
    assert data is not None
    assert data.labels is None
    assert "shape" in data.feature_names


def test_a_wrong_guess_of_the_delimiter_can_be_corrected(open_page: OpenPage, table: Dataset) -> None:
    text = b"a|b\n" + b"".join(f"{i},5|{i % 3}\n".encode() for i in range(40))
    app = bring(open_page("data", data=table), ("odd.csv", text))
    app.selectbox(key="data-dialect-delimiter").set_value(",").run()
    settled(app)
    assert not app.error
    app.selectbox(key="data-dialect-delimiter").set_value("|").run()
    app.selectbox(key="data-dialect-decimal").set_value(",").run()
    app.selectbox(key="data-label").set_value(None).run()
    press(settled(app), "data-use")
    data = session_of(settled(app)).data
    assert data is not None
    assert data.features["a"].max() == 39.5  # type: ignore[index]


def test_pictures_are_previewed_resized_and_used(open_page: OpenPage, table: Dataset) -> None:
    app = bring(open_page("data", data=table), ("set.zip", picture_zip()))
    app.number_input(key="data-pictures-height").set_value(6).run()
    settled(app).number_input(key="data-pictures-width").set_value(6).run()
    press(settled(app), "data-use")
    data = session_of(settled(app)).data
    assert data is not None
    assert (data.image_shape, data.classes, len(data)) == ((6, 6, 1), ("dark", "light"), 24)


def test_arrays_are_looked_at_then_used(open_page: OpenPage, table: Dataset) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, X=np.random.default_rng(0).normal(size=(30, 5)), y=np.arange(30) % 2)
    app = bring(open_page("data", data=table), ("numbers.npz", buffer.getvalue()))
    press(app, "data-use")
    data = session_of(settled(app)).data
    assert data is not None
    assert (data.kind, data.n_features, data.classes) == ("arrays", 5, (0, 1))


def test_arrays_of_pictures_are_looked_at_while_other_pictures_are_in_use(
    open_page: OpenPage, pictures: Dataset
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    head = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in pixels.shape)
    app = bring(open_page("data", data=pictures), ("images-idx3-ubyte", head + pixels.tobytes()))
    assert not app.error
    press(app, "data-use")
    data = session_of(settled(app)).data
    assert data is not None
    assert data.image_shape == (6, 6, 1)


def test_the_same_file_is_not_prepared_twice(
    open_page: OpenPage, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bring(open_page("data", data=table), ("things.csv", CSV))
    press(app, "data-use")
    first = session_of(settled(app)).data
    monkeypatch.setattr("explorer.uploads.read_table", _must_not_be_called)
    app = bring(open_page("data", data=table), ("things.csv", CSV))
    press(app, "data-use")
    again = session_of(settled(app)).data
    assert again is not None
    assert first is not None
    assert again.fingerprint == first.fingerprint


def _must_not_be_called(*_: object, **__: object) -> Dataset:
    raise AssertionError("read again")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("page.csv", b"<!doctype html><html><body>no table</body></html>"),
        ("broken.zip", picture_zip()[:300]),
        ("header.csv", b"a,b,c\n"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40),
        ("model.pkl", b"\x80\x04\x95\x10\x00"),
        ("bad.csv.gz", gz(CSV)[:50]),
        ("<img src=x onerror=alert(1)>.csv", b"\0\1\2\3" * 50),
    ],
)
def test_a_broken_file_is_one_sentence_and_changes_nothing(
    open_page: OpenPage, table: Dataset, name: str, content: bytes
) -> None:
    app = bring(open_page("data", data=table, config=StackConfig(layers=[3, 2])), (name, content))
    if not app.error:  # recognised by its beginning: it is refused when it is looked through, or read
        press(app, "data-use")
        settled(app)
    assert len(app.error) + len(app.warning) == 1
    assert "Traceback" not in seen(app)
    assert session_of(app).data is table
    assert session_of(app).config.units == (3, 2)
    app.run()
    assert app.title[0].value == "Data"


def test_bytes_survive_a_look_at_another_page(open_page: OpenPage, table: Dataset) -> None:
    app = bring(open_page("data", data=table), ("things.csv", CSV))
    app.switch_page("../pages/2_design.py").run()
    app.switch_page("../pages/1_data.py").run()
    app.session_state["data-source"] = "Your own file"
    settled(app.run())
    assert app.selectbox(key="data-label").value == "shape"


def test_stored_data_sets_are_listed_used_and_deleted(open_page: OpenPage, table: Dataset, pictures: Dataset) -> None:
    fingerprint = store.workspace().save_dataset(pictures)
    app = open_page("data", data=table)
    app.session_state["data-source"] = "Stored"
    app.run()
    assert "stripes\\.zip" in seen(app)
    press(app, f"use-{fingerprint}")
    assert session_of(app).data is not None
    assert session_of(app).data.fingerprint == fingerprint  # type: ignore[union-attr]
    press(app, f"delete-{fingerprint}")
    assert not store.workspace().has_dataset(fingerprint)
    assert session_of(app).data is not None, "what is in use stays in use"


def test_runs_that_need_a_stored_data_set_are_named(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    store.workspace().create_run(table, config, "Important run")
    app = open_page("data", data=table)
    app.session_state["data-source"] = "Stored"
    app.run()
    assert "Important run" in seen(app)


def test_hostile_names_are_shown_literally(open_page: OpenPage, table: Dataset) -> None:
    hostile = Dataset(
        name="![x](http://evil/x.png) <b>",
        kind="table",
        features=table.features,
        columns=table.columns,
        labels=np.array(["$\\href{javascript:x}$", ":red[a]", "<img onerror=x>"], dtype=object)[table.class_codes],
        notes=("the column '[a](b)' was **dropped**",),
    )
    app = open_page("data", data=hostile)
    text = seen(app)
    assert "\\!\\[x\\]" in text
    assert "![x](" not in text
    assert "[a](b)" not in text
    assert not app.exception
