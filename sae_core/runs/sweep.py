"""A sweep in the workspace: its plan, and the runs that belong to it."""

from __future__ import annotations

import contextlib
import math
import re
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import ConfigError, InUseError, ModelFileError, RunNotFoundError
from sae_core.files import dump_json, parse_json, storage_errors, write_atomically
from sae_core.runs import draws, lock
from sae_core.runs.draws import Draw, Method, Space
from sae_core.runs.lock import Listener, Lock
from sae_core.runs.record import INTERRUPTED, RunRecord
from sae_core.runs.workspace import Workspace
from sae_core.temporary import discard

SWEEP_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
OVER = ("finished", "failed", "diverged")  # states of a run that a sweep does not go on with


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep tries, and where it stands.

    Attributes:
        id: name of its folder. created: ISO 8601, UTC.
        name: for people.
        method: how settings are drawn. runs: how many. seed: of the draws.
        space: the ranges. base: the design, which gives everything that does not vary.
        dataset_name, dataset_fingerprint: what is trained on.
        objective: "validation_accuracy" (higher is better) or "validation_error", of a run's results. Never by the
            held-out test rows: the winner of a choice by them would look better than it is.
        state: "running", "stopped", "finished" or "failed"; "interrupted" when the process that drove it is gone.
        message: why it failed, for people.
    """

    id: str
    created: str
    name: str
    method: Method
    runs: int
    seed: int
    space: Space
    base: StackConfig
    dataset_name: str
    dataset_fingerprint: str
    objective: str
    state: str = "running"
    message: str = ""

    @property
    def higher_is_better(self) -> bool:
        """Whether the objective is one to maximise."""
        return self.objective == "validation_accuracy"

    def draws(self) -> tuple[Draw, ...] | None:
        """All draws, where they do not depend on results."""
        if self.method == "grid":
            return draws.grid(self.space, self.runs)
        return draws.at_random(self.space, self.runs, self.seed) if self.method == "random" else None

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` gives an equal plan back."""
        return vars(self) | {"space": asdict(self.space), "base": self.base.model_dump()}

    @classmethod
    def from_json(cls, value: Any) -> SweepPlan:
        """The inverse of `to_json`.

        Raises:
            ModelFileError: not a plan of this version.
        """
        try:
            space = value["space"]
            units = tuple((int(low), int(high)) for low, high in space["units"])
            pairs = {name: tuple(space[name]) for name in ("learning_rate", "corruption_level")}
            return cls(
                **value | {"space": Space(**space | pairs | {"units": units}), "base": StackConfig(**value["base"])}
            )
        except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
            raise ModelFileError(f"The plan of this sweep cannot be read ({error}). Start another one.") from None


@dataclass(frozen=True)
class Trial:
    """One run of a sweep.

    Attributes:
        number: from 0.
        record: of the run.
        value: of the objective; None while there is none.
    """

    number: int
    record: RunRecord
    value: float | None


class Sweep:
    """A sweep in a workspace: a folder with sweep.json, and lock.json while it is driven.

    Attributes:
        lock: held while this process drives it, else None.
    """

    def __init__(self, workspace: Workspace, sweep_id: str) -> None:
        self.workspace = workspace
        self.id = sweep_id
        self.folder = workspace.root / "sweeps" / sweep_id
        self.lock: Lock | None = None

    @property
    def plan(self) -> SweepPlan:
        """As it stands on disk; one that seems to run though its process is gone is "interrupted".

        Raises:
            RunNotFoundError: deleted meanwhile. ModelFileError: damaged.
        """
        plan = self._stored()
        if plan.state == "running" and lock.holder(self.folder) is None:
            plan = self._stored()  # it may have ended between these two looks
            if plan.state == "running":
                return replace(plan, state=INTERRUPTED)
        return plan

    def update(self, **changes: Any) -> None:
        """Change fields of the plan."""
        with lock.guarded(self.folder.parent):
            self.write(replace(self._stored(), **changes))

    def write(self, plan: SweepPlan) -> None:
        """Write the plan as it is."""
        write_atomically(self.folder / "sweep.json", dump_json(plan.to_json()))

    def hold(self, listener: Listener | None = None) -> None:
        """Keep other processes from driving it. Raises InUseError."""
        self.lock = lock.acquire(self.folder, listener)

    def let_go(self) -> None:
        """Let others drive it."""
        if self.lock is not None:
            self.lock.release()

    def ask(self, request: str) -> None:
        """Ask the process that drives it to "stop"."""
        lock.ask(self.folder, request)

    def trials(self) -> list[Trial]:
        """Its runs, in the order of their numbers; those that were deleted are not among them."""
        plan, found = self._stored(), {}
        for record in self.workspace.runs():
            sweep_id, _, number = record.sweep.partition("/")
            if sweep_id == self.id and number.isdecimal():
                value = record.results.get(plan.objective)
                good = isinstance(value, int | float) and math.isfinite(value)
                found[int(number)] = Trial(int(number), record, float(value) if good and value is not None else None)
        return [found[number] for number in sorted(found)]

    def next_draw(self, number: int) -> Draw:
        """The settings of a run that does not exist yet."""
        plan = self._stored()
        if (fixed := plan.draws()) is not None:
            return fixed[number]
        done = [
            (plan.space.draw_of(trial.record.config), trial.value) for trial in self.trials() if trial.value is not None
        ]
        return draws.suggested(plan.space, done, higher_is_better=plan.higher_is_better, seed=plan.seed)

    def delete(self) -> None:
        """Forget the plan; its runs stay.

        Raises:
            InUseError: it is under way. StorageError: it could not be removed.
        """
        with lock.guarded(self.folder.parent), storage_errors(self.folder):
            if lock.holder(self.folder) is not None:
                raise InUseError("This sweep is under way. Stop it first, then delete it.")
            discard(self.folder)

    def _stored(self) -> SweepPlan:
        try:
            return SweepPlan.from_json(parse_json((self.folder / "sweep.json").read_bytes(), "sweep.json"))
        except OSError:
            raise RunNotFoundError("This sweep is not in the workspace. It may have been deleted.") from None


def ranked(trials: list[Trial], plan: SweepPlan) -> list[Trial]:
    """Best first; those without a value last, in their order."""
    sign = -1 if plan.higher_is_better else 1
    return sorted(trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0.0), trial.number))


def create_sweep(
    workspace: Workspace, data: Dataset, base: StackConfig, space: Space, *, method: Method, runs: int, seed: int = 0
) -> Sweep:
    """Write the plan of a sweep, with its data set beside it. It is held, for whoever is about to drive it.

    Raises:
        ConfigError: the ranges or the number make no sense, or there are no validation rows to choose by.
        StorageError: it could not be written.
    """
    draws.check_count(runs)
    for draw in draws.grid(space, 2 ** len(space.ranges) if len(space.ranges) < 5 else 16):
        space.configured(base, draw)  # refuses what makes no sense before anything is written
    if not len(data.split.validation):
        raise ConfigError(
            "A sweep chooses by the validation rows, and there are none. Set a share aside on the Data page."
        )
    supervised = data.has_labels and (base.softmax_epochs > 0 or base.fine_tune_epochs > 0)
    workspace.save_dataset(data)
    now = datetime.now(UTC)
    sweep = Sweep(workspace, f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")
    plan = SweepPlan(
        id=sweep.id,
        created=now.isoformat(timespec="microseconds"),
        name=f"Sweep on {data.name}",
        method=method,
        runs=runs,
        seed=seed,
        space=space,
        base=base,
        dataset_name=data.name,
        dataset_fingerprint=data.fingerprint,
        objective="validation_accuracy" if supervised else "validation_error",
    )
    if (fixed := plan.draws()) is not None:
        plan = replace(plan, runs=len(fixed))
    sweep.hold()
    try:
        sweep.write(plan)
    except BaseException:
        sweep.let_go()
        raise
    return sweep


def sweeps(workspace: Workspace) -> list[SweepPlan]:
    """Plans of all sweeps, newest first; damaged ones are left out."""
    folder, found = workspace.root / "sweeps", []
    for path in folder.iterdir() if folder.is_dir() else ():
        if SWEEP_ID.fullmatch(path.name):
            with contextlib.suppress(ModelFileError, RunNotFoundError):
                found.append(Sweep(workspace, path.name).plan)
    return sorted(found, key=lambda plan: plan.created, reverse=True)


def open_sweep(workspace: Workspace, sweep_id: str) -> Sweep:
    """One sweep.

    Raises:
        RunNotFoundError: there is none of that id.
    """
    sweep = Sweep(workspace, sweep_id) if SWEEP_ID.fullmatch(sweep_id) else None
    if sweep is None or not (sweep.folder / "sweep.json").exists():
        raise RunNotFoundError(f"There is no sweep {sweep_id[:40]!r} in this workspace. It may have been deleted.")
    return sweep
