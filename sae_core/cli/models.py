"""`sae-explorer export`, and how commands find a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sae_core.cli.output import json_option, open_workspace, progress, show, workspace_option
from sae_core.errors import ExportError, ModelFileError, RunNotFoundError

if TYPE_CHECKING:
    from sae_core.data.dataset import Dataset
    from sae_core.export.origin import Origin
    from sae_core.model.trained import TrainedStack


@click.command()
@click.argument("model")
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "bundle", "script", "codes", "program", "projector", "report"]),
    default="onnx",
    show_default=True,
    help="program: torch.export; projector: for TensorBoard; report: HTML.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option(
    "--gives",
    type=click.Choice(["code", "reconstruction", "classes"]),
    default="code",
    show_default=True,
    help="ONNX: what it gives.",
)
@click.option("--level", type=int, help="ONNX and codes: of which level.  [default: the deepest]")
@click.option("--fine-tuned", is_flag=True, help="ONNX and codes: of the stack after supervised fine-tuning.")
@workspace_option
@json_option
def export(
    model: str,
    form: str,
    output: Path,
    gives: Any,
    level: int | None,
    fine_tuned: bool,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Export a model in a form that runs elsewhere.

    MODEL is a folder, a bundle (.zip) or the id of a run. The file is checked before it is put in its place.
    """
    from sae_core.export import bundle, codes, npz, onnx, program, projector, report, script
    from sae_core.export.files import Exported
    from sae_core.files import write_atomically

    stack, dataset, origin = read_model(model, workspace)
    with progress(as_json) as told:

        def tell(fraction: float) -> None:
            told(fraction, f"Exporting {form}")

        if form == "onnx":
            made = onnx.export_onnx(
                stack, output, output=gives, level=level, fine_tuned=fine_tuned, data=dataset, progress=tell
            )
        elif form == "bundle":
            made = bundle.export_bundle(stack, output, data=dataset, origin=origin, progress=tell)
        elif form == "script":
            write_atomically(output, script.script_text(stack, output.with_suffix(".zip").name).encode())
            made = Exported.of(output, checked_rows=0, largest_difference=0.0)
        elif form == "program":
            made = program.export_program(stack, output, data=dataset, progress=tell)
        elif form == "report":
            made = report.export_report(stack, output, data=dataset, origin=origin, progress=tell)
        elif dataset is None:
            raise ExportError("Codes belong to the rows of a run. Give the id of a run, or use `sae-explorer encode`.")
        elif form == "projector":
            made = projector.export_projector(stack, dataset, output, progress=tell)
        else:
            export_rows = npz.export_npz if output.suffix.lower() == ".npz" else codes.export_codes
            made = export_rows(stack, dataset, output, level=level, fine_tuned=fine_tuned, progress=tell)
    checked = (
        f", checked on {made.checked_rows:,} rows (largest difference {made.largest_difference:.1g})"
        if made.checked_rows
        else ""
    )
    facts = {
        "output": str(output),
        "format": form,
        "bytes": made.size,
        "checked_rows": made.checked_rows,
        "largest_difference": made.largest_difference,
    }
    show(facts, f"{output}: {made.size:,} bytes{checked}", as_json)


def read_model(name: str, workspace: Path | None) -> tuple[TrainedStack, Dataset | None, Origin | None]:
    """A model by folder, bundle or run id, with the data set where it is a run's, and which run it was."""
    from sae_core.export.bundle import open_bundle
    from sae_core.export.origin import Origin
    from sae_core.model.trained import load_model

    path = Path(name)
    if path.is_file():
        stack, origin = open_bundle(path)
        return stack, None, origin
    if path.is_dir():
        inner = path / "model" if (path / "run.json").is_file() else path  # a run's own folder
        return load_model(inner), None, None
    try:
        run = open_workspace(workspace).run(name)
    except RunNotFoundError:
        raise ModelFileError(
            f"There is no model folder, bundle or run {name!r}. Check the name, or see `sae-explorer runs`."
        ) from None
    origin = Origin.of(run.record)
    try:
        return run.model(), run.dataset(), origin
    except RunNotFoundError:  # its data set was deleted; the model is still good
        return run.model(), None, origin
