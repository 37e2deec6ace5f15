"""What is known of a run without opening its model."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sae_core import __version__
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ConfigError, ModelFileError

ACTIVE_STATES = ("queued", "running", "paused")
INTERRUPTED = "interrupted"
RECORD_VERSION = 1
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "safetensors")  # results depend on these


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run without opening its model.

    Attributes:
        id: name of its folder, and what stands in a page's address.
        name: for people.
        created: ISO 8601, UTC.
        state: a `JobState` value, or "interrupted" when the process that drove it is gone.
        message: one sentence for people, e.g. why it failed.
        dataset_name, dataset_fingerprint: what it was trained on.
        config: of the stack.
        seconds: spent training.
        device: where and how it trains, e.g. "cpu, 1 thread, float32, closed form".
        engines: the same of each phase, by its title.
        results: held-out figures: see `sae_core.analysis.summary.summarise`.
        versions: of Python, this program and the packages that results depend on.
        owner: process that drives it, or did last: see `sae_core.runs.lock.Owner`.
        split: how the rows were divided: shares, seed, and the rows of each part.
        threads: of the processor; 0 while unknown. precision: of the arithmetic.
        tags, note: the user's own.
        sweep: id of the sweep that it belongs to, or "".
        shards: of a run on a table of many files: its source, label, files, rows, training_rows and processes. The
            data set of such a run is a sample of the table. {} of other runs.
    """

    id: str
    name: str
    created: str
    state: str
    dataset_name: str
    dataset_fingerprint: str
    config: StackConfig
    message: str = ""
    seconds: float = 0.0
    device: str = ""
    engines: dict[str, str] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    owner: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    threads: int = 0
    precision: str = "float32"
    tags: tuple[str, ...] = ()
    note: str = ""
    sweep: str = ""
    shards: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` gives an equal record back."""
        return vars(self) | {"config": self.config.model_dump(), "version": RECORD_VERSION}

    @classmethod
    def from_json(cls, value: Any) -> RunRecord:
        """The inverse of `to_json`.

        Raises:
            ModelFileError: not a record of this version.
        """
        try:
            fields = {name: entry for name, entry in value.items() if name != "version"}
            tags = tuple(str(tag) for tag in fields.get("tags", ()))
            return cls(**fields | {"config": StackConfig(**fields["config"]), "tags": tags})
        except (AttributeError, KeyError, TypeError, ConfigError) as error:
            raise ModelFileError(f"The record of this run cannot be read ({error}). Delete the run.") from None


def new_record(run_id: str, name: str, data: Dataset, config: StackConfig, **fields: Any) -> RunRecord:
    """The record of a run that is about to start. fields: further ones of `RunRecord`."""
    split = asdict(data.split_options) | {f"{part}_rows": len(rows) for part, rows in vars(data.split).items()}
    return begun_record(run_id, name, data.name, config, dataset_fingerprint=data.fingerprint, split=split, **fields)


def begun_record(
    run_id: str, name: str, dataset_name: str, config: StackConfig, *, dataset_fingerprint: str = "", **fields: Any
) -> RunRecord:
    """The record of a run whose data set is not known yet. fields: further ones of `RunRecord`."""
    return RunRecord(
        id=run_id,
        name=name or f"{dataset_name} {'-'.join(str(units) for units in config.units)}",
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        state="queued",
        dataset_name=dataset_name,
        dataset_fingerprint=dataset_fingerprint,
        config=config,
        versions={"python": platform.python_version(), "explorer": __version__}
        | {name: version(name) for name in PACKAGES},
        **fields,
    )
