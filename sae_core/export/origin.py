"""Where an exported model comes from: what a workspace needs beside it to show it as the run that it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sae_core.errors import ModelFileError
from sae_core.files import dump_json, parse_json
from sae_core.runs.record import RunRecord

ORIGIN = "origin.json"

_Text = Annotated[str, Field(max_length=500)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Results:
    """Held-out figures as `sae_core.analysis.summary.summarise` gives them; None or empty where there are none."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    rows: Annotated[int, Field(ge=0)] = 0
    reconstruction_error: list[_Size] = field(default_factory=list)
    test_accuracy: _Share | None = None
    validation_error: _Size | None = None
    validation_accuracy: _Share | None = None
    softmax_accuracy: dict[Annotated[str, Field(pattern=r"^\d{1,2}$")], _Share] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a record of a run holds them."""
        return {name: value for name, value in asdict(self).items() if value not in (None, [], {}, 0)}


@dataclass(frozen=True)
class Origin:
    """A run, without its rows.

    Attributes:
        run_name, created, seconds, device, engines, precision, threads, split, versions: as in its record.
        dataset_name, dataset_fingerprint: what it was trained on; a workspace that has the same data set, with the
            same roles and split, shows the imported run with it.
        results: held-out figures.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    run_name: _Text
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT[\d:.]{5,15}(Z|\+\d\d:\d\d)$")]
    dataset_name: _Text
    dataset_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    seconds: _Size = 0.0
    device: _Text = ""
    engines: dict[_Text, _Text] = field(default_factory=dict)
    precision: _Text = "float32"
    threads: Annotated[int, Field(ge=0, le=10_000)] = 0
    split: dict[_Text, bool | int | _Number] = field(default_factory=dict)
    results: Results = field(default_factory=Results)
    versions: dict[_Text, _Text] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RunRecord) -> Origin:
        """The origin that a run's bundle carries."""
        known = {name: record.results[name] for name in Results.__dataclass_fields__ if name in record.results}
        try:
            results = _RESULTS.validate_json(dump_json(known))
        except ValidationError:  # figures of a version to come
            results = Results()
        return cls(
            run_name=record.name[:500],
            created=record.created,
            dataset_name=record.dataset_name[:500],
            dataset_fingerprint=record.dataset_fingerprint,
            seconds=record.seconds,
            device=record.device,
            engines=record.engines,
            precision=record.precision,
            threads=record.threads,
            split=record.split,
            results=results,
            versions=record.versions,
        )

    def to_bytes(self) -> bytes:
        """The file `origin.json`."""
        return dump_json(asdict(self))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Origin | None:
        """What the files of a bundle tell; None where they tell nothing.

        Raises:
            ModelFileError: the file is there but not as `to_bytes` writes it.
        """
        if ORIGIN not in files:
            return None
        parse_json(files[ORIGIN], ORIGIN)  # refuses what pydantic lets pass: names twice, NaN
        try:
            return _ORIGIN.validate_json(files[ORIGIN])
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))[:60]
            raise ModelFileError(
                f"{ORIGIN} in this bundle is not as it was exported ({place}: {first['msg']}). Export the bundle again."
            ) from None


_RESULTS = TypeAdapter(Results)
_ORIGIN = TypeAdapter(Origin)
