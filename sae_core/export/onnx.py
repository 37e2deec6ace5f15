"""ONNX: one file from the user's raw columns or pixels to codes, reconstructions or class probabilities.

The preparation is inside, so that nothing of ours is needed to run it. `sae_core.export.columns` documents the inputs.
The graph is written directly, operator by operator: tracing the network would patch torch while another job trains.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sae_core.data.dataset import Dataset, Features
from sae_core.data.prepared_columns import CategoryColumn, TableColumn
from sae_core.errors import ExportError, LabelError
from sae_core.export.check import TOLERANCE, check_rows, reconstruction_difference
from sae_core.export.columns import (
    add_inverse,
    add_preparation,
    features,
    feeds,
    input_names,
    missing_text,
    output_names,
)
from sae_core.export.files import Exported, Report, relative_difference, silent, written
from sae_core.export.graph import MAX_BYTES, Graph, add_module
from sae_core.model.stack import Stack, check_level
from sae_core.model.trained import TrainedStack

OnnxOutput = Literal["code", "reconstruction", "classes"]


def export_onnx(
    model: TrainedStack,
    path: str | Path,
    *,
    output: OnnxOutput = "code",
    level: int | None = None,
    fine_tuned: bool = False,
    data: Dataset | None = None,
    progress: Report = silent,
) -> Exported:
    """Write one ONNX file and compare it, run by onnxruntime, with the model.

    Args:
        path: of the new file, usually *.onnx.
        output: "code": output `code`, (rows, units). "reconstruction": in the user's units; of pictures and arrays the
            output `reconstruction`, of tables one for each column. "classes": outputs `label` and `probabilities`.
        level: of the code, or through which is reconstructed; "classes": the softmax on that level's frozen code, None
            for the fine-tuned stack (or the deepest softmax). Otherwise None is the deepest level.
        fine_tuned: "code" only: of the stack after supervised fine-tuning.
        data: whose held-out rows it is checked on; None: made-up rows.
        progress: told the fraction done, 0..1.

    Raises:
        ExportError: the file's results differ from the model's by more than 1e-4, or ONNX cannot hold the model.
        LevelError: no such level. LabelError: no classifier, or not fine-tuned.
        StorageError: the file cannot be written.
    """
    proto = build_onnx(model, output=output, level=level, fine_tuned=fine_tuned)
    progress(0.3)
    try:
        content: bytes = proto.SerializeToString()
    except ValueError as error:  # protobuf's own limit
        raise ExportError(
            "ONNX files hold at most 2 GB and this model needs more. Export the bundle instead."
        ) from error
    if len(content) > MAX_BYTES:
        raise ExportError("ONNX files hold at most 2 GB and this model needs more. Export the bundle instead.")
    rows = check_rows(model, data)
    path = Path(path)
    with written(path) as temporary:
        temporary.write_bytes(content)
        progress(0.5)
        results = run_onnx(temporary, feeds(model.preparation, rows))
        progress(0.8)
        worst = _difference(model, rows, results, output, level, fine_tuned)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"The ONNX file gave results that differ from the model's by {worst:.2g} on held-out rows, more than "
                f"{TOLERANCE:g}, so it is not handed out. Export the bundle instead."
            )
    progress(1.0)
    return Exported.of(path, checked_rows=len(rows), largest_difference=worst)


def build_onnx(
    model: TrainedStack, *, output: OnnxOutput = "code", level: int | None = None, fine_tuned: bool = False
) -> Any:
    """The unchecked graph as an `onnx.ModelProto`; arguments as of `export_onnx`."""
    graph = Graph()
    x = add_preparation(graph, model.preparation)  # (rows, n_inputs) float32
    match output:
        case "code":
            level = check_level(level, model.n_levels)
            network = _fine_tuned(model) if fine_tuned else model.network
            graph.output(_encoded(graph, x, network, level), "code", np.float32, model.width(level))
        case "reconstruction":
            level = check_level(level, model.n_levels)
            h = _encoded(graph, x, model.network, level)
            for step in range(level, 0, -1):
                h = add_module(model.network.autoencoder(step).decoder, graph, h)
            add_inverse(graph, model.preparation, h)
        case "classes":
            network, head, level = model.classifier(level)
            _add_classes(graph, _encoded(graph, x, network, level), head, model.classes)
        case _:
            raise ExportError(
                f"ONNX can give the code, the reconstruction or the classes, not {output!r}. Choose one of these."
            )
    return graph.model("stacked_autoencoder", onnx_metadata(model, output, level, fine_tuned))


def run_onnx(path: str | Path, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """All outputs of an ONNX file, in order.

    Raises:
        ExportError: onnxruntime cannot load or run it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # leaves the other cores to training
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        results: list[NDArray[Any]] = session.run(None, inputs)
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise ExportError(f"onnxruntime cannot run the exported file ({error}). Export the bundle instead.") from error
    return results


def onnx_metadata(model: TrainedStack, output: OnnxOutput, level: int, fine_tuned: bool) -> dict[str, str]:
    """What the file says about itself, as texts (lists and mappings are JSON)."""
    from sae_core import __version__

    preparation = model.preparation
    facts: dict[str, Any] = {
        "application": "Stacked Autoencoder Explorer",
        "version": __version__,
        "output": output,
        "level": level,
        "units": list(model.units),
        "fine_tuned": fine_tuned or (output == "classes" and model.is_fine_tuned),
        "data": model.name,
        "kind": preparation.kind,
        "image_shape": list(preparation.image_shape or ()),
        "classes": list(model.classes),
    }
    if preparation.array is None:
        facts["inputs"] = [
            {"input": name, "column": column.name, "kind": column.kind, "missing": _missing(column)}
            for name, column in zip(input_names(preparation), preparation.columns, strict=True)
        ]
        if output == "reconstruction":
            facts["outputs"] = dict(zip(output_names(preparation), preparation.feature_names_in, strict=True))
    elif not preparation.image_shape:
        facts["feature_names"] = list(preparation.feature_names_in)
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in facts.items()
    }


def _missing(column: TableColumn) -> str:
    return missing_text(column) if isinstance(column, CategoryColumn) else "NaN"


def _encoded(graph: Graph, x: str, network: Stack, level: int) -> str:
    for step in range(1, level + 1):
        x = add_module(network.autoencoder(step).encoder, graph, x)
    return x


def _add_classes(graph: Graph, code: str, head: nn.Linear, classes: Sequence[int | str]) -> None:
    probabilities = graph.add("Softmax", add_module(head, graph, code), axis=1)  # (rows, classes)
    best = graph.add("ArgMax", probabilities, axis=1, keepdims=0)  # (rows,)
    numbers = all(isinstance(name, int) for name in classes)
    names = np.array(classes, dtype=np.int64) if numbers else np.array([str(name) for name in classes], dtype=object)
    graph.output(graph.add("Gather", graph.constant(names), best), "label", np.int64 if numbers else np.str_)
    graph.output(probabilities, "probabilities", np.float32, len(classes))


def _difference(
    model: TrainedStack,
    rows: Features,
    results: list[NDArray[Any]],
    output: OnnxOutput,
    level: int | None,
    fine_tuned: bool,
) -> float:
    match output:
        case "code":
            return relative_difference(model.encode(rows, level, fine_tuned=fine_tuned), results[0])
        case "reconstruction":
            level = check_level(level, model.n_levels)
            return reconstruction_difference(model, rows, level, features(model.preparation, results))
        case _:
            ours = model.predict_proba(rows, level=level)
            classes = list(model.classes) if results[0].dtype == np.int64 else [str(name) for name in model.classes]
            picked = ours[np.arange(len(ours)), [classes.index(label) for label in results[0].tolist()]]
            # A label may differ only where two classes are as probable to within the tolerance.
            return max(relative_difference(ours, results[1]), float((ours.max(axis=1) - picked).max()))


def _fine_tuned(model: TrainedStack) -> Stack:
    if model.fine_tuned is None:
        raise LabelError("This stack was not fine-tuned with labels. Export the code of the stack before fine-tuning.")
    return model.fine_tuned
