"""Further cards of the Export page, made when they are asked for: torch program, projector files, report."""

from __future__ import annotations

import streamlit as st

from explorer import exports
from explorer.widgets.export import heading, offer
from explorer.widgets.text import count
from sae_core.data.dataset import Dataset
from sae_core.export.projector import MAX_ROWS
from sae_core.model.trained import TrainedStack


def report_card(run_id: str, data: Dataset | None) -> None:
    """One HTML file for people."""
    heading("Report", "Settings, curves, reconstructions, maps and tables in one file that any browser opens.")
    offer(
        exports.report(run_id),
        "Download report",
        key="report",
        mime="text/html",
        at_once=False,
        note="no script, and nothing in it reaches outside",
    )
    if data is not None:
        st.caption("It shows a few rows of your data. Maps are UMAP once they are drawn on the Codes page, else PCA.")


def projector_card(run_id: str, data: Dataset | None) -> None:
    """Files for TensorBoard."""
    heading("Embedding Projector", "Codes of every level, labels and thumbnails for TensorBoard, as one ZIP file.")
    if data is None:
        st.info("Codes belong to rows, and the data set of this imported run is not in the workspace.")
        return
    request = exports.projector(run_id)
    offer(request, "Download projector files", key="projector", mime="application/zip", at_once=False)
    if len(data) > MAX_ROWS:
        st.caption(f"A stratified sample of {count(MAX_ROWS, 'row')}: more would stall its page.")
    with st.expander("How to use it", icon=":material/help:"):
        folder = request.name.removesuffix(".zip")
        st.markdown("Unpack it, then:")
        st.code(f"pip install tensorboard\ntensorboard --logdir {folder}", language="bash", wrap_lines=True)


def program_card(run_id: str, model: TrainedStack) -> None:
    """The whole model for torch alone."""
    heading("PyTorch program", "Codes of every level, reconstruction and classes in one `torch.export` file (.pt2).")
    request = exports.program(run_id)
    ready = offer(request, "Download program", key="program", mime="application/octet-stream", at_once=False)
    with st.expander("How to use it", icon=":material/help:"):
        st.markdown(_takes(model))
        st.code(_example(model, ready.name if ready else request.name), language="python", wrap_lines=True)
        st.markdown("Loading a .pt2 file can run code in it: open only files whose origin you trust.")


def _takes(model: TrainedStack) -> str:
    if model.preparation.array is not None:
        return f"Takes {model.preparation.n_inputs:,} numbers a row, float32, and needs torch only."
    return (
        "Takes one column for each of yours, float64, and needs torch only: numbers as they are, dates as days since "
        "1970-01-01, yes and no as 1 and 0, a text as its position in the list of values that the metadata hold. "
        "Missing is NaN."
    )


def _example(model: TrainedStack, name: str) -> str:
    dtype = "torch.float32" if model.preparation.array is not None else "torch.float64"
    width = len(model.preparation.feature_names_in)
    return "\n".join(
        [
            "import torch",
            "",
            'metadata = {"metadata.json": ""}  # filled with columns, values and classes',
            f'program = torch.export.load("{name}", extra_files=metadata).module()',
            f"rows = torch.zeros(5, {width}, dtype={dtype})  # yours",
            "found = program(rows)",
            f'codes = found["code_{model.n_levels}"]',
        ]
    )
