"""The few figures of a run that are worth keeping beside its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from sae_core.data.dataset import Dataset
from sae_core.model.trained import TrainedStack

SUMMARY_ROWS = 20_000  # held-out rows beyond that are sampled


def summarise(model: TrainedStack, data: Dataset) -> dict[str, Any]:
    """Held-out figures of a trained stack, as plain JSON.

    Returns:
        rows: held-out rows used (test rows, else validation, else training).
        reconstruction_error: for each level 1..L the mean squared error per prepared value, decoded down to the input.
        test_accuracy: of the fine-tuned stack (or the deepest softmax), 0..1; absent without labels.
        validation_error, validation_accuracy: of the deepest level and of the final classifier on the validation rows,
            which is what a choice among runs goes by (the others would not be held out any more); absent without.
        softmax_accuracy: by level ("0" is the input), of softmax on the frozen code; absent without labels.
    """
    rows = data.split.held_out()
    if len(rows) > SUMMARY_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, SUMMARY_ROWS, replace=False))
    x = model.prepare(data.take(rows))
    errors = [
        float(np.square(model.reconstruct_prepared(x, level) - x).mean()) for level in range(1, model.n_levels + 1)
    ]
    results: dict[str, Any] = {"rows": len(rows), "reconstruction_error": errors}
    labelled = data.class_codes[rows] >= 0
    if model.is_classifier and labelled.any():
        codes = data.class_codes[rows][labelled]

        def accuracy(level: int | None) -> float:
            return float((model.predict_proba_prepared(x[labelled], level=level).argmax(axis=1) == codes).mean())

        results["test_accuracy"] = accuracy(None)
        results["softmax_accuracy"] = {str(level): accuracy(level) for level in model.softmax_levels}
    return results | validation_figures(model, data)


def validation_figures(model: TrainedStack, data: Dataset) -> dict[str, float]:
    """What a choice among runs goes by, on the validation rows; {} without such rows.

    Returns:
        validation_error: mean squared error per prepared value, decoded from the deepest level down to the input, so
            that stacks of any shape are on one scale (pictures: in squared pixels of 0..1; scaled columns: in squared
            standard deviations).
        validation_accuracy: of the final classifier, 0..1; absent without labels.
    """
    rows = data.split.validation
    if not len(rows):
        return {}
    if len(rows) > SUMMARY_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, SUMMARY_ROWS, replace=False))
    x = model.prepare(data.take(rows))
    found = {"validation_error": float(np.square(model.reconstruct_prepared(x, model.n_levels) - x).mean())}
    labelled = data.class_codes[rows] >= 0
    if model.is_classifier and labelled.any():
        predicted = model.predict_proba_prepared(x[labelled]).argmax(axis=1)
        found["validation_accuracy"] = float((predicted == data.class_codes[rows][labelled]).mean())
    return found
