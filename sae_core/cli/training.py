"""`sae-explorer train`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sae_core.cli.output import json_option, open_workspace, progress, say, show, workspace_option
from sae_core.errors import ConfigError

if TYPE_CHECKING:
    from sae_core.config import StackConfig
    from sae_core.data.dataset import Dataset
    from sae_core.jobs import Job
    from sae_core.model.trained import TrainedStack

REFRESH_SECONDS = 0.1
_OWN_OPTIONS = ("epochs", "batch_size", "learning_rate", "activation", "seed")  # settings with an option of their own


@click.command()
@click.argument("data")
@click.option("--label", help="Column with the classes; the other columns are the features.")
@click.option("--layers", help="Units of each level from the input upwards, e.g. 256,64,16.  [default: suits the data]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the trained model.")
@click.option("--config", "config_file", type=click.Path(dir_okay=False, path_type=Path), help="Settings, a JSON file.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting, e.g. --set tied=true.")
@click.option(
    "--preset",
    "preset_name",
    help="A known stack: best-known, hinton-2006, masci-2011, matlab, ufldl, vincent-2010-sae-3, vincent-2010-sdae-3.",
)
@click.option("--epochs", type=int, help="Epochs of each level.")
@click.option("--batch-size", type=int, help="Rows of a gradient step.")
@click.option("--learning-rate", type=float, help="Of every level.")
@click.option("--activation", help="Of every level: sigmoid, tanh, relu, leaky_relu, elu, selu, gelu or linear.")
@click.option(
    "--corruption", help="Of every level while it trains, e.g. masking:0.25, gaussian:0.1, salt_and_pepper:0.1."
)
@click.option("--seed", type=int, help="Of weights, order and corruption.")
@click.option("--validation", type=float, help="Share of validation rows, 0 to below 1.")
@click.option("--test", "test_share", type=float, help="Share of test rows, 0 to below 1.")
@click.option("--name", default="", help="Name of the run.")
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Tables of many files: folder for prepared rows and checkpoints.  [default: beside --out, or in the run]",
)
@workspace_option
@json_option
def train(
    data: str,
    label: str | None,
    out: Path | None,
    work: Path | None,
    workspace: Path | None,
    name: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a stack on a table, pictures, arrays or a sample.

    DATA is a table, pictures (ZIP or folder), arrays, or a sample such as mnist.

    The run appears in the application, too. Ctrl-C stops it and keeps what is trained so far.

    A folder or a "pattern-*.parquet" of many table files may be larger than memory: it is read in shards, and trained
    by all processes where torchrun starts this command. --layers is needed then. The same command again goes on with
    a training that was cut off.
    """
    from sae_core.cli.sharded import is_sharded, train_on_shards
    from sae_core.jobs import start_job

    if is_sharded(data):
        return train_on_shards(
            data,
            label,
            out,
            work,
            options,
            lambda base: _changed(base, options),
            workspace=workspace,
            name=name,
            as_json=as_json,
        )
    with progress(as_json) as report:
        dataset = _read_data(data, label, report)
    dataset = _with_split(dataset, options["validation"], options["test_share"])
    config = _config(dataset, options)
    follow_to_the_end(start_job(dataset, config, workspace=open_workspace(workspace), name=name), out, as_json)


def follow_to_the_end(job: Job, out: Path | None, as_json: bool) -> None:
    """Show a job's progress, then what came out. Ctrl-C stops it and keeps what is trained.

    Args:
        out: folder for the model; None: it stays in the workspace.
    """
    model = follow(job, as_json)
    if out is not None:
        model.save(out)
    _show_training(job, model, out, as_json)


def follow(job: Job, as_json: bool) -> TrainedStack:
    """Show a job's progress and give its model. Ctrl-C stops it and keeps what is trained.

    Raises:
        SaeError: what ended it.
    """
    try:
        _follow(job, as_json)
    except KeyboardInterrupt:
        job.stop()
        job.join(60)
        say(f"Stopped. What is trained so far is kept as the run {job.id}: `sae-explorer runs resume {job.id}`.")
        raise
    return job.result()


def _read_data(source: str, label: str | None, report: Callable[[float, str], None]) -> Dataset:
    from sae_core.data.samples import load_sample, sample_names

    path = Path(source)
    if not path.exists() and source in sample_names():
        return load_sample(source)
    from sae_core.errors import UnreadableFileError
    from sae_core.export.stream import kind_of

    if not path.exists():
        raise UnreadableFileError(
            f"There is no file, folder or sample {source!r}. Samples are {', '.join(sample_names())}; check the path."
        )
    kind = kind_of(path)
    if label is not None and kind != "table":
        raise ConfigError("--label names a column of a table. Labels of pictures are the names of their folders.")
    if kind == "table":
        from sae_core.data.tables import read_table

        return read_table(path, label=label, progress=report)
    if kind == "images":
        from sae_core.data.images import read_images

        return read_images(path, progress=report)
    from sae_core.data.arrays import read_arrays

    return read_arrays(path, progress=report)


def _with_split(data: Dataset, validation: float | None, test: float | None) -> Dataset:
    options = data.split_options
    if validation is not None:
        options = dataclasses.replace(options, validation=validation)
    if test is not None:
        options = dataclasses.replace(options, test=test)
    data = data.with_split(options)
    _ = data.split  # shares that make no sense are refused before anything starts
    return data


def _config(data: Dataset, options: dict[str, Any]) -> StackConfig:
    """Settings from the file or preset, or the data's own suggestion; then the options."""
    from sae_core.presets import preset
    from sae_core.training.plan import suggest_config

    if options["config_file"] is not None and options["preset_name"]:
        raise ConfigError("--config and --preset both give the whole stack. Choose one of them.")
    if options["preset_name"]:
        return _changed(preset(data, options["preset_name"]).config, options)
    return _changed(suggest_config(data), options)


def _changed(config: StackConfig, options: dict[str, Any]) -> StackConfig:
    """Settings from the file, or those given; then the options."""
    from sae_core.config import LayerConfig, StackConfig

    file: Path | None = options["config_file"]
    if file is not None:
        try:
            config = StackConfig.from_json(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"{file} cannot be read ({error}). Check the path.") from None
    layers = list(config.layers)
    if options["layers"]:
        layers = [LayerConfig(units=units) for units in _units(options["layers"])]
    changes = {name: options[name] for name in _OWN_OPTIONS if options[name] is not None}
    of_levels: dict[str, Any] = {}
    for setting in options["settings"]:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE, not {setting!r}. Write for example --set schedule=cosine.")
        name = name.strip().replace("-", "_")
        is_of_levels = name in LayerConfig.model_fields and name not in StackConfig.model_fields
        (of_levels if is_of_levels else changes)[name] = _value(value)
    if options["corruption"]:
        kind, _, amount = options["corruption"].partition(":")
        of_levels |= {"corruption": kind} | ({"corruption_level": _value(amount)} if amount else {})
    if of_levels:
        layers = [layer.replace(**of_levels) for layer in layers]
    return config.replace(layers=tuple(layers), **changes)


def _units(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace("-", ",").replace(" ", ",").split(",") if part]
    except ValueError:
        raise ConfigError(f"--layers takes numbers of units such as 256,64,16, not {text!r}.") from None


def _value(text: str) -> Any:
    """JSON (numbers, true, false, null), or text as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _follow(job: Job, as_json: bool) -> None:
    """Show a job's progress until it is over."""
    with progress(as_json) as report:
        while not job.join(REFRESH_SECONDS):
            now = job.snapshot()
            phase = now.phases[now.phase_index] if now.phase_index < len(now.phases) else None
            text = (
                f"{phase.title}, epoch {min(max(now.epoch, 1), phase.epochs)} of {phase.epochs}"
                if phase
                else now.message or str(now.state)
            )
            report(now.fraction, text)


def _show_training(job: Job, model: TrainedStack, out: Path | None, as_json: bool) -> None:
    now = job.snapshot()
    results = job.run.record.results if job.run is not None else {}
    facts = {
        "run": job.id,
        "state": str(now.state),
        "units": list(model.units),
        "seconds": now.seconds,
        "device": now.device,
        "out": str(out) if out else None,
        "results": results,
    }
    lines = [f"Run {job.id}: {now.state} in {now.seconds:.1f} s on {now.device}"]
    errors = results.get("reconstruction_error") or []
    lines += [f"  level {level}: reconstruction error {error:.4g}" for level, error in enumerate(errors, start=1)]
    if "test_accuracy" in results:
        lines.append(f"  accuracy on held-out rows: {results['test_accuracy']:.1%}")
    if out is not None:
        lines.append(f"  model -> {out}")
    show(facts, "\n".join(lines), as_json)
