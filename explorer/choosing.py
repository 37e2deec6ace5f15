"""What chosen rows need beside the session: numbers to search by, and the rows as a CSV file. Never calls Streamlit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer import insights
from explorer.tasks import Task, TaskState
from sae_core.analysis.classification import Classification
from sae_core.analysis.reconstruction import RowErrors
from sae_core.analysis.search import search_rows
from sae_core.analysis.selection import selection_frame
from sae_core.data.dataset import Dataset
from sae_core.errors import DataError
from sae_core.export.cells import escape_frame

PATIENCE = 5.0  # seconds that a search waits for the errors it asks for
_ERROR = re.compile(r"\berror\b", re.I)
_PREDICTED = re.compile(r"\b(predicted|confidence)\b", re.I)


def find_rows(data: Dataset, run_id: str | None, text: str) -> NDArray[np.int64]:
    """Row numbers that a search finds, among columns, labels, reconstruction errors and predictions.

    Raises:
        DataError: it cannot be understood, or asks for errors that are still being computed.
    """
    quantities: dict[str, NDArray[Any]] = {}
    if run_id is not None and _ERROR.search(text):
        quantities |= _errors(_result(insights.row_errors(run_id), "errors"))
    if run_id is not None and _PREDICTED.search(text) and data.has_labels:
        quantities |= _predictions(_result(insights.classified(run_id), "predictions"), len(data))
    return search_rows(data, text, quantities=quantities)


def _result(task: Task, what: str) -> Any:
    task.join(PATIENCE)
    now = task.snapshot()
    if now.state is TaskState.FAILED:
        raise DataError(f"The {what} that this search asks for are not to be had. {now.error}")
    if now.state is not TaskState.DONE:
        raise DataError(f"The {what} that this search asks for are still being computed. Search again in a moment.")
    return now.result


def _errors(found: RowErrors) -> dict[str, NDArray[Any]]:
    named = {f"error at level {level}": found.at(level) for level in found.levels}
    return named | {"error": found.at(found.levels[-1])}


def _predictions(found: Classification, n: int) -> dict[str, NDArray[Any]]:
    """Of the fine-tuned stack, else of the deepest softmax."""
    by = found.classifiers[-1]
    predicted = np.full(n, None, dtype=object)
    predicted[found.rows] = np.array([str(name) for name in found.classes], dtype=object)[by.predicted]
    confidence = np.full(n, np.nan)
    confidence[found.rows] = by.confidence
    return {"predicted": predicted, "confidence": confidence}


def selection_csv(data: Dataset, rows: NDArray[np.int64]) -> bytes:
    """Chosen rows as CSV (UTF-8), cells that a spreadsheet would run made text."""
    text: str = escape_frame(selection_frame(data, rows)).to_csv(index=False)
    return text.encode("utf-8")
