"""A run as pages show it: the same whether its job is in memory or it is read from the workspace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from explorer import store
from explorer.charts.stack import StackDrawing
from explorer.runview import RunView, live_drawing, planned_run, view_run
from sae_core import jobs
from sae_core.config import StackConfig
from sae_core.data.dataset import Column, Dataset

WAIT = 60
CONFIG = StackConfig(layers=[3, 2], epochs=2, softmax_epochs=1, fine_tune_epochs=1, unrolled_epochs=1)
DRAWING = StackDrawing(widths=(4, 3, 2), encoders=(1, 1), decoders=(1, 1), n_classes=2)


@pytest.fixture
def data() -> Dataset:
    values = np.random.default_rng(0).normal(size=(60, 4))
    columns = tuple(Column(name, "numeric") for name in "abcd")
    features = pd.DataFrame(values, columns=list("abcd"))
    return Dataset(name="t", kind="table", features=features, columns=columns, labels=np.arange(60) % 2)


def at(run: RunView, index: int, state: str = "running") -> StackDrawing:
    return live_drawing(replace(run, phase_index=index, state=state), DRAWING)


def test_memory_and_disk_tell_the_same(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.start_job(data, CONFIG, workspace=store.workspace(), name="Both ways")
    assert job.join(WAIT)
    live = view_run(job.id)
    monkeypatch.setattr(jobs, "find_job", lambda _: None)
    stored = view_run(job.id)
    for name in ("id", "name", "state", "phases", "phase_index", "fraction", "history"):
        assert repr(getattr(stored, name)) == repr(getattr(live, name)), name  # NaN equals itself as text
    assert stored.state == "finished"
    assert stored.phase is None
    assert stored.samples_per_second > 0
    assert [row.epoch for row in stored.rows_of(stored.phases[0])] == [1, 2]


def test_before_it_starts_everything_waits(data: Dataset) -> None:
    run = planned_run(data, CONFIG)
    assert not run.is_active
    assert set(at(run, -1, "planned").encoder_states) == {"waiting"}


def test_states_of_the_drawing_follow_the_phases(data: Dataset) -> None:
    run = planned_run(data, CONFIG)
    kinds = [phase.kind for phase in run.phases]
    second = at(run, kinds.index("pretrain") + 1)
    assert second.encoder_states == ("trained", "training")
    assert second.decoder_states == ("trained", "training")
    assert second.softmax_state == "waiting"
    assert at(run, kinds.index("unrolled")).decoder_states == ("training", "training")
    softmax = at(run, kinds.index("softmax"))
    assert (softmax.encoder_states, softmax.softmax_state) == (("trained", "trained"), "training")
    tuned = at(run, kinds.index("fine_tune"))
    assert (tuned.encoder_states, tuned.decoder_states) == (("training", "training"), ("trained", "trained"))
    done = at(run, len(kinds), "finished")
    assert (done.encoder_states, done.softmax_state) == (("trained", "trained"), "trained")


def test_a_stopped_run_does_not_claim_what_it_never_trained(data: Dataset) -> None:
    stopped = at(planned_run(data, CONFIG), 1, "stopped")
    assert stopped.encoder_states == ("trained", "waiting")


def test_a_run_in_training_elsewhere_is_shown_within_its_epochs(data: Dataset) -> None:
    run = store.workspace().create_run(data, CONFIG, hold=True)
    run.update(state="running")
    run.write_phases(planned_run(data, CONFIG).phases)
    assert view_run(run.id).fraction == 0
    told = {"phase_index": 1, "epoch": 2, "fraction": 0.25, "seconds": 3.0, "seconds_left": 9.0}
    run.write_live(told | {"samples_per_second": 500.0, "curve": [[1, 0.5, 7.0], [1, 1.5, 6.0]]})
    view = view_run(run.id)
    assert (view.state, view.phase_index, view.epoch, view.fraction) == ("running", 1, 2, 0.25)
    assert view.curve_of(view.phases[1]) == ((0.5, 7.0), (1.5, 6.0))
    (run.folder / "live.json").write_text('{"phase_index": "x"}')
    assert view_run(run.id).fraction == 0
    run.let_go()
    assert view_run(run.id).state == "interrupted"


def test_without_its_data_set_a_run_keeps_its_curves(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.start_job(data, CONFIG, workspace=store.workspace())
    assert job.join(WAIT)
    store.workspace().delete_dataset(data.fingerprint)
    monkeypatch.setattr(jobs, "find_job", lambda _: None)  # as after a restart
    view = view_run(job.id)
    assert view.phases == job.snapshot().phases
    assert view.rows_of(view.phases[0])
