"""The parts of the Export page: a card for each form, with its choices, its file and a sentence on how to use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import streamlit as st

from explorer import exports
from explorer.charts.style import joined
from explorer.exports import ReadyFile, Request
from explorer.session import Session
from explorer.tasks import TaskState
from explorer.widgets.text import count, literal, sentence
from explorer.widgets.waiting import result_of
from sae_core.data.dataset import Dataset
from sae_core.export.onnx import OnnxOutput
from sae_core.limits import MEGABYTE
from sae_core.model.trained import TrainedStack

GIVES = {"code": "Code", "reconstruction": "Reconstruction", "classes": "Classes"}
MOST_IN_MEMORY = 64 * MEGABYTE  # of one file that is offered
FINE_TUNED_HELP = "As pretraining left the stack, without labels; or after fine-tuning with labels."


def way(session: Session) -> str:
    """Whether something is taken away or brought: "Export" or "Import"."""
    page = session.page("export")
    st.session_state["export-way"] = page.get("view", "Export")
    st.segmented_control(
        "Take away or bring",
        ["Export", "Import"],
        key="export-way",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: page.update(view=st.session_state["export-way"]),
        help="Import brings a bundle that was exported here or elsewhere.",
    )
    return str(page.get("view", "Export"))


def onnx_card(run_id: str, model: TrainedStack) -> None:
    """One ONNX file: what it gives, of which level."""
    heading("ONNX", "One file that runs in any language, in browsers and on phones: no Python, no torch.")
    options = [name for name in GIVES if name != "classes" or model.is_classifier]
    output = st.segmented_control(
        "Gives",
        options,
        default="code",
        required=True,
        key="export-onnx-gives",
        format_func=lambda name: GIVES[str(name)],
        help="Reconstructions are in your own columns and units; classes come with their probabilities.",
    )
    level: int | None = None
    tuned = False
    if output != "classes":
        with st.container(horizontal=True, vertical_alignment="bottom"):
            level = _level("export-onnx-level", model, lowest=1)
            tuned = _tuned("export-onnx-tuned", model) if output == "code" else False
    request = exports.onnx(run_id, cast(OnnxOutput, output), level, fine_tuned=tuned)
    ready = offer(request, "Download ONNX", key="onnx", mime="application/octet-stream")
    with st.expander("How to use it", icon=":material/help:"):
        st.markdown(_onnx_inputs(model))
        st.code(
            _onnx_example(model, cast(OnnxOutput, output), ready.name if ready else request.name),
            language="python",
            wrap_lines=True,
        )


def bundle_card(run_id: str, model: TrainedStack) -> None:
    """The whole model as a ZIP file."""
    heading(
        "Bundle",
        "The whole stack in one ZIP file: weights, settings, preparation, and a program that needs only numpy.",
    )
    request = exports.bundle(run_id)
    offer(request, "Download bundle", key="bundle", mime="application/zip")
    with st.expander("How to use it", icon=":material/help:"):
        folder = request.name.removesuffix(".zip")
        st.markdown("Unpack it. `predict.py` inside needs only numpy and safetensors:")
        st.code(
            f"pip install numpy safetensors\npython {folder}/predict.py rows.csv --level 1 -o codes.csv",
            language="bash",
            wrap_lines=True,
        )
        st.markdown("With this library, and with exactly the same results as here:")
        st.code(
            f'import sae_core as sae\n\nmodel = sae.load_model("{folder}")\ncodes = model.encode(rows, level=1)',
            language="python",
            wrap_lines=True,
        )


def codes_card(run_id: str, model: TrainedStack, data: Dataset | None) -> None:
    """Codes of all rows as CSV, Parquet and .npz."""
    if data is None:
        heading("Codes", "The code of each row of the data set.")
        st.info("Codes belong to rows, and the data set of this imported run is not in the workspace.")
        return
    heading(
        "Codes", f"The code of each of the {count(len(data), 'row')}, with row number, identifiers, label and split."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = _level("export-codes-level", model, lowest=0)
        tuned = _tuned("export-codes-tuned", model) if level else False
    at_once = exports.codes_are_small(run_id, level)
    forms = (
        ("csv", "CSV", "text/csv"),
        ("parquet", "Parquet", "application/vnd.apache.parquet"),
        ("npz", "npz", "application/octet-stream"),
    )
    with st.container(horizontal=True):  # below each other where there is no room
        for form, label, mime in forms:
            request = exports.codes(run_id, cast(exports.Codes, form), level, fine_tuned=tuned)
            with st.container(width=190):
                offer(request, f"Download {label}", key=form, mime=mime, at_once=at_once)
    with st.expander("How to use it", icon=":material/help:"):
        name = exports.codes(run_id, "parquet", level, fine_tuned=tuned).name
        st.code(
            f'import pandas as pd\n\ntable = pd.read_parquet("{name}")\n'
            'codes = table.filter(like="code_").to_numpy()  # one row for each row of the data set',
            language="python",
            wrap_lines=True,
        )
        st.markdown(
            "In the npz file, `code`, `row`, `split` and `label` (positions in `classes`) are arrays for `numpy.load`. "
            "In the CSV file, text that a spreadsheet would run as a formula has an apostrophe in front. Parquet keeps "
            "everything as it is."
        )


def script_card(model: TrainedStack) -> None:
    """A short Python script that uses the bundle."""
    heading("Python script", "Encodes, reconstructs and classifies rows with the bundle. Keep both in one folder.")
    name, text = exports.script(model)
    st.download_button(
        "Download script",
        text,
        file_name=name,
        mime="text/x-python",
        key="download-script",
        on_click="ignore",
        icon=":material/download:",
    )
    st.caption(f"{len(text.encode()):,} bytes")
    with st.expander("Read it", icon=":material/code:"):
        st.code(text, language="python", wrap_lines=True)


def offer(
    request: Request, label: str, *, key: str, mime: str, at_once: bool = True, note: str = ""
) -> ReadyFile | None:
    """The download once the file is made and verified; until then how far it is, or the button that starts it.

    Args:
        note: what its check means, where no rows were compared.
        at_once: start it without being asked to. What failed or was cancelled waits for its button either way.
    """
    task = request.find()
    state = task.snapshot().state if task is not None else None
    if task is None and at_once:
        task = request.start()
    if task is None or state in (TaskState.FAILED, TaskState.CANCELLED):
        if task is not None and state is TaskState.FAILED:
            st.error(sentence(task.snapshot().error), icon=":material/error:")
        st.button(
            label.replace("Download", "Prepare"),
            key=f"prepare-{key}",
            icon=":material/build:",
            on_click=_start,
            args=(request.start,),
        )
        return None
    ready = result_of(task, key=f"export-{key}")
    if not isinstance(ready, ReadyFile):
        return None
    st.download_button(
        label,
        # A large file is read when it is clicked, so that it does not stay in memory; Streamlit forgets such a promise
        # with each rerun, and a click at that moment is lost.
        ready.read() if ready.exported.size <= MOST_IN_MEMORY else ready.read,
        file_name=ready.name,
        mime=mime,
        key=f"download-{key}",
        on_click="ignore",
        type="primary" if key in ("onnx", "bundle") else "secondary",
        icon=":material/download:",
    )
    st.caption(_verified(ready, note))
    return ready


def _start(start: Callable[[], object]) -> None:
    start()


def _verified(ready: ReadyFile, note: str) -> str:
    made = ready.exported
    if note:
        return joined([f":material/verified: {size(made.size)}", note])
    rows = count(made.checked_rows, "row")
    same = "are identical" if made.largest_difference == 0 else f"agree to {_digits(made.largest_difference)} digits"
    return joined([f":material/verified: {size(made.size)}", f"loaded again: {rows} {same}"])


def _digits(difference: float) -> int:
    """Digits that agree where two values differ by so much.

    >>> _digits(2.3e-7)
    6
    """
    return max(0, -int(f"{difference:e}".split("e")[1]) - 1)


def size(n: int) -> str:
    """Bytes for people.

    >>> size(900), size(2_900), size(3_400_000)
    ('900 bytes', '2.9 kB', '3.4 MB')
    """
    if n < 1000:
        return f"{n} bytes"
    return f"{n / 1000:.1f} kB" if n < 1_000_000 else f"{n / 1_000_000:,.1f} MB"


def heading(title: str, about: str) -> None:
    st.subheader(title, anchor=False)
    st.caption(about)


def _level(key: str, model: TrainedStack, *, lowest: int) -> int:
    levels = list(range(lowest, model.n_levels + 1))

    def words(level: int) -> str:
        return f"Input ({model.width(0)})" if level == 0 else f"Level {level} ({model.width(level)})"

    chosen = st.selectbox(
        "Level", levels, index=len(levels) - 1, key=f"{key}-{model.n_levels}", format_func=words, width=170
    )
    return int(chosen)


def _tuned(key: str, model: TrainedStack) -> bool:
    if not model.is_fine_tuned:
        return False
    options = ["Pretrained", "Fine-tuned"]
    return (
        st.segmented_control("Encoder", options, default=options[0], required=True, key=key, help=FINE_TUNED_HELP)
        == "Fine-tuned"
    )


def _onnx_inputs(model: TrainedStack) -> str:
    shape = model.preparation.image_shape
    if shape is not None:
        return (
            f"Takes `input`, {model.preparation.n_inputs:,} pixels a row (0 to 1) in the order height, width, channel."
        )
    if model.preparation.array is not None:
        return f"Takes `input`, {model.preparation.n_inputs:,} numbers a row."
    return (
        "Takes one input for each column, as it stands in your file: numbers as they are, text as text, dates as days "
        "since 1970-01-01, yes and no as 1 and 0. A missing number is NaN, a missing text is empty. The metadata tells "
        "which input is which column."
    )


def _onnx_example(model: TrainedStack, output: OnnxOutput, name: str) -> str:
    first = [f'session = onnxruntime.InferenceSession("{name}")']
    if model.preparation.array is not None:
        rows = [
            f"rows = np.zeros((5, {model.preparation.n_inputs}), dtype=np.float32)  # yours",
            'feeds = {"input": rows}',
        ]
    else:
        rows = [
            'table = pd.read_csv("rows.csv")',
            "columns = json.loads(session.get_modelmeta().custom_metadata_map['inputs'])",
            "feeds = {",
            "    c['input']: table[[c['column']]].fillna('').astype(str).to_numpy(dtype=object)",
            "    if c['kind'] == 'category' else table[[c['column']]].to_numpy(dtype=np.float64)",
            "    for c in columns",
            "}",
        ]
    imports = ["import json", ""] if model.preparation.array is None else []
    imports += ["import numpy as np", "import onnxruntime"]
    imports += ["import pandas as pd"] if model.preparation.array is None else []
    results = {
        "code": "(code,) = session.run(None, feeds)",
        "reconstruction": "outputs = session.run(None, feeds)",
        "classes": "label, probabilities = session.run(None, feeds)",
    }
    return "\n".join([*imports, "", *first, *rows, results[output]])


def not_yet_trained_note(model: TrainedStack, planned: int) -> None:
    """Says when an unfinished run has fewer levels than were planned."""
    if model.n_levels < planned:
        st.info(
            literal(f"This run is not finished: {model.n_levels} of {planned} levels are trained and can be exported.")
        )
