"""The Export page: every file is made in the background, verified, and says so."""

from __future__ import annotations

import gc
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer import exports, store, tasks
from explorer.exports import ReadyFile, Request
from explorer.tasks import TaskState
from explorer.widgets.export import _digits, size
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ExportError
from sae_core.export import onnx as onnx_export
from sae_core.export.bundle import read_bundle
from tests.pages.conftest import OpenPage, press, seen
from tests.pages.hostile import hostile_table
from tests.pages.waiting import control, settled

Trained = Callable[..., str]


@pytest.fixture(autouse=True)
def _forget_tasks() -> None:
    tasks._tasks.clear()


def downloads(app: AppTest) -> dict[str, Any]:
    return {button.proto.label: button.proto for button in app.get("download_button")}


def ready(request: Request) -> ReadyFile:
    task = request.find()
    assert task is not None
    assert task.join(60)
    result = task.snapshot().result
    assert isinstance(result, ReadyFile), task.snapshot().error
    return result


def test_without_a_run_it_says_what_to_do(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("export", data=table)
    assert "Nothing has been trained" in seen(app)
    assert not downloads(app)
    assert "no data set yet" in seen(open_page("export"))


def test_everything_is_made_and_verified(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    app = settled(open_page("export", data=table, run_id=run_id))
    assert set(downloads(app)) == {
        "Download ONNX", "Download bundle", "Download CSV", "Download Parquet", "Download npz", "Download script",
    }  # fmt: skip
    text = seen(app)
    assert text.count("loaded again:") == 5
    assert "120 rows are identical" in text
    assert not app.exception
    assert not app.error


def test_the_files_are_the_models(open_page: OpenPage, trained: Trained, table: Dataset, tmp_path: Path) -> None:
    run_id = trained(table)
    settled(open_page("export", data=table, run_id=run_id))
    model = store.model(run_id)
    codes = model.encode(table)
    csv = pd.read_csv(io.BytesIO(ready(exports.codes(run_id, "csv", 2)).read()))
    parquet = pd.read_parquet(io.BytesIO(ready(exports.codes(run_id, "parquet", 2)).read()))
    np.testing.assert_allclose(csv.filter(like="code_"), codes, rtol=1e-6)
    np.testing.assert_array_equal(parquet.filter(like="code_"), codes)
    assert csv["species"].tolist() == table.y.tolist()  # type: ignore[union-attr]
    np.testing.assert_array_equal(read_bundle(ready(exports.bundle(run_id)).read()).encode(table), codes)
    path = tmp_path / "code.onnx"
    path.write_bytes(ready(exports.onnx(run_id, "code", 2)).read())
    assert isinstance(table.features, pd.DataFrame)
    feeds = {f"length_{i}": table.features[[f"length {i}"]].to_numpy() for i in range(6)}
    np.testing.assert_allclose(onnx_export.run_onnx(path, feeds)[0], codes, atol=1e-4)


def test_what_is_made_when_it_is_asked_for(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    app = settled(open_page("export", data=table, run_id=run_id))
    assert exports.report(run_id).find() is None
    for name in ("Prepare report", "Prepare projector files"):
        press(app, name)
        settled(app)
    page = ready(exports.report(run_id)).read().decode()
    assert "Run on flowers.csv" in page
    assert "Drawn by PCA" in page
    with zipfile.ZipFile(io.BytesIO(ready(exports.projector(run_id)).read())) as archive:
        back = np.loadtxt(io.BytesIO(archive.read("vectors_level_2.tsv")), delimiter="\t")
    np.testing.assert_allclose(back, store.model(run_id).encode(table), rtol=1e-6)
    with np.load(io.BytesIO(ready(exports.codes(run_id, "npz", 2)).read())) as arrays:
        np.testing.assert_array_equal(arrays["code"], store.model(run_id).encode(table))
    assert {"Download report", "Download projector files"} <= set(downloads(app))
    assert "nothing in it reaches outside" in seen(app)
    assert not app.exception


def test_the_torch_program(
    open_page: OpenPage, trained: Trained, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sae_core.export import program
    from sae_core.export.files import Exported

    def quick(model: Any, path: Path, *, data: Dataset, progress: Any) -> Exported:
        path.write_bytes(b"program")  # tests/export/test_program.py makes real ones, which takes its time
        return Exported.of(path, checked_rows=18, largest_difference=2e-7)

    monkeypatch.setattr(program, "export_program", quick)
    run_id = trained(table)
    app = settled(open_page("export", data=table, run_id=run_id))
    press(app, "Prepare program")
    settled(app)
    assert ready(exports.program(run_id)).read() == b"program"
    assert "Download program" in downloads(app)
    assert "18 rows agree to 6 digits" in seen(app)


def test_names_of_files(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    assert exports.bundle(run_id).name == "flowers-5-3.zip"
    assert exports.onnx(run_id, "code", 1, fine_tuned=True).name == "flowers-5-3-code-level-1-fine-tuned.onnx"
    assert exports.onnx(run_id, "classes", None).name == "flowers-5-3-classes.onnx"
    assert exports.codes(run_id, "csv", 0).name == "flowers-5-3-codes-level-0.csv"
    assert "flowers-5-3.zip" in exports.script(store.model(run_id))[1]


def test_choices_give_other_files(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    app = settled(open_page("export", data=table, run_id=run_id))
    gives = control(app.segmented_control, "Gives")
    assert len(gives.options) == 3
    gives.set_value("classes").run()
    settled(app)
    assert ready(exports.onnx(run_id, "classes", None)).exported.largest_difference < 1e-4
    control(app.segmented_control, "Gives").set_value("reconstruction").run()
    app.selectbox(key="export-onnx-level-2").set_value(1).run()
    settled(app)
    assert ready(exports.onnx(run_id, "reconstruction", 1)).exported.checked_rows > 0
    app.selectbox(key="export-codes-level-2").set_value(0).run()
    settled(app)
    assert ready(exports.codes(run_id, "csv", 0)).exported.checked_rows == 120
    assert not app.exception


def test_fine_tuned_codes(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    app = settled(open_page("export", data=table, run_id=run_id))
    app.segmented_control(key="export-codes-tuned").set_value("Fine-tuned").run()
    settled(app)
    frame = pd.read_parquet(io.BytesIO(ready(exports.codes(run_id, "parquet", 2, fine_tuned=True)).read()))
    np.testing.assert_array_equal(frame.filter(like="code_"), store.model(run_id).encode(table, fine_tuned=True))


def test_without_labels_there_are_no_classes(open_page: OpenPage, trained: Trained, unlabelled: Dataset) -> None:
    run_id = trained(unlabelled)
    app = settled(open_page("export", data=unlabelled, run_id=run_id))
    assert len(control(app.segmented_control, "Gives").options) == 2
    assert [widget.label for widget in app.segmented_control] == ["Take away or bring", "Gives"]
    assert "model.predict" not in exports.script(store.model(run_id))[1]


def test_pictures(open_page: OpenPage, trained: Trained, pictures: Dataset) -> None:
    run_id = trained(pictures)
    app = settled(open_page("export", data=pictures, run_id=run_id))
    assert len(downloads(app)) == 6
    assert "64 pixels a row" in seen(app)


def test_an_export_that_fails_is_one_sentence_and_can_be_tried_again(
    open_page: OpenPage, trained: Trained, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = trained(table)
    original = onnx_export.export_onnx

    def fail(*arguments: Any, **options: Any) -> Any:
        raise ExportError("The ONNX file gave other results, so it is not handed out. Export the bundle instead.")

    monkeypatch.setattr(onnx_export, "export_onnx", fail)
    app = settled(open_page("export", data=table, run_id=run_id))
    assert "not handed out" in seen(app)
    assert "Download ONNX" not in downloads(app)
    assert len(downloads(app)) == 5
    monkeypatch.setattr(onnx_export, "export_onnx", original)
    press(app.run(), "Prepare ONNX")
    settled(app)
    assert "Download ONNX" in downloads(app)
    assert not app.exception


def test_large_codes_wait_until_they_are_asked_for(
    open_page: OpenPage, trained: Trained, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = trained(table)
    monkeypatch.setattr(exports, "AT_ONCE_CELLS", 100)
    app = settled(open_page("export", data=table, run_id=run_id))
    assert "Download CSV" not in downloads(app)
    assert exports.codes(run_id, "csv", 2).find() is None
    press(app, "Prepare CSV")
    settled(app)
    assert "Download CSV" in downloads(app)
    assert "Download Parquet" not in downloads(app)


def test_a_cancelled_export_does_not_begin_again_by_itself(
    open_page: OpenPage, trained: Trained, table: Dataset
) -> None:
    run_id = trained(table)
    request = exports.codes(run_id, "csv", 2)
    task = tasks.submit(request.key, lambda progress: [progress(0.1, "Writing") for _ in iter(int, 1)])
    task.cancel()
    assert task.join(30)
    assert task.snapshot().state is TaskState.CANCELLED
    app = settled(open_page("export", data=table, run_id=run_id))
    assert "Download CSV" not in downloads(app)
    press(app, "Prepare CSV")
    settled(app)
    assert "Download CSV" in downloads(app)


def test_files_go_when_their_task_is_forgotten(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    settled(open_page("export", data=table, run_id=run_id))
    path = ready(exports.bundle(run_id)).exported.path
    assert path.is_file()
    tasks._tasks.clear()
    gc.collect()
    assert not path.exists()
    assert not path.parent.exists()


def test_a_run_in_training_is_waited_for(open_page: OpenPage, table: Dataset) -> None:
    from sae_core import jobs

    endless = StackConfig(layers=[5, 3], epochs=100_000, batch_size=8)
    job = jobs.start_job(table, endless, workspace=store.workspace())
    app = open_page("export", data=table, run_id=job.id)
    assert "first level is still in training" in seen(app)
    assert not downloads(app)
    job.stop()


def test_damaged_weights_are_one_clear_message(open_page: OpenPage, trained: Trained, table: Dataset) -> None:
    run_id = trained(table)
    store.forget()
    weights = next((store.run(run_id).folder / "model").glob("*weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4])
    app = open_page("export", data=table, run_id=run_id)
    assert "not as it was saved" in seen(app)
    assert not app.exception


def test_hostile_names(open_page: OpenPage, trained: Trained) -> None:
    data = hostile_table()
    run_id = trained(data)
    app = settled(open_page("export", data=data, run_id=run_id))
    assert len(downloads(app)) == 6
    assert not app.error
    assert not app.exception
    assert exports.bundle(run_id).name == "h1-data-h1-5-3.zip"


def test_the_example_for_tables_runs(trained: Trained, table: Dataset, tmp_path: Path) -> None:
    from explorer.widgets.export import _onnx_example

    run_id = trained(table)
    model = store.model(run_id)
    onnx_export.export_onnx(model, tmp_path / "code.onnx", data=table)
    assert isinstance(table.features, pd.DataFrame)
    table.features.to_csv(tmp_path / "rows.csv", index=False)
    code = _onnx_example(model, "code", "code.onnx")
    code = code.replace('"rows.csv"', repr(str(tmp_path / "rows.csv")))
    code = code.replace('"code.onnx"', repr(str(tmp_path / "code.onnx")))
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    np.testing.assert_allclose(names["code"], model.encode(table), atol=1e-4)
    assert json.loads(names["session"].get_modelmeta().custom_metadata_map["units"]) == [5, 3]


def test_words_for_sizes_and_digits() -> None:
    assert [size(n) for n in (0, 999, 1000, 999_999, 2_500_000_000)] == [
        "0 bytes", "999 bytes", "1.0 kB", "1000.0 kB", "2,500.0 MB",
    ]  # fmt: skip
    assert [_digits(value) for value in (1e-4, 5e-5, 2.3e-7, 0.5)] == [3, 4, 6, 0]
