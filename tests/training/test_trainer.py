"""Training as a whole: what it learns, that it is alone, and that it can be cut anywhere."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.errors import ConfigError, DivergedError, MemoryExhaustedError, ModelFileError
from sae_core.model.trained import TrainedStack
from sae_core.training import engine, events, objective
from sae_core.training.closed import ClosedStep
from sae_core.training.state import TrainingState
from sae_core.training.step import AutogradStep, Outcome, Step
from sae_core.training.trainer import fit, train


def weights(model: TrainedStack) -> dict[str, torch.Tensor]:
    return model._tensors()


def assert_same(first: TrainedStack, second: TrainedStack) -> None:
    ours, theirs = weights(first), weights(second)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    without_time = [model.history.drop(columns="seconds") for model in (first, second)]
    assert without_time[0].equals(without_time[1])


def model_of(stream: Iterator[events.Event]) -> TrainedStack:
    *_, last = stream
    assert isinstance(last, events.Finished)
    return last.model


def test_a_linear_autoencoder_finds_the_principal_subspace(blobs: Dataset) -> None:
    """Baldi & Hornik 1989: without an activation and under squared error the optimum is PCA."""
    config = StackConfig(
        layers=[2], activation="linear", optimiser="lbfgs", epochs=60, softmax_epochs=0, fine_tune_epochs=0
    )
    model = fit(blobs, config)
    x = model.prepare(blobs.take(blobs.split.train))
    pca = PCA(2).fit(x)
    optimum = np.square(pca.inverse_transform(pca.transform(x)) - x).sum(axis=1).mean()
    assert np.square(model.reconstruct_prepared(x) - x).sum(axis=1).mean() == pytest.approx(optimum, rel=1e-3)


def test_softmax_on_the_input_is_logistic_regression(blobs: Dataset) -> None:
    config = StackConfig(layers=[2], epochs=0, softmax_epochs=60, softmax_learning_rate=0.05, fine_tune_epochs=0)
    model = fit(blobs, config)
    x, codes = model.prepare(blobs), blobs.class_codes
    train_rows, test_rows = blobs.split.train, blobs.split.test
    oracle = LogisticRegression(C=100).fit(x[train_rows], codes[train_rows])
    ours = model.predict_proba_prepared(x[test_rows], level=0)
    assert (ours.argmax(1) == oracle.predict(x[test_rows])).mean() > 0.95


def test_each_level_learns_and_fine_tuning_classifies(blobs: Dataset) -> None:
    model = fit(blobs, StackConfig(layers=[4, 2], activation="tanh", epochs=30, batch_size=16, learning_rate=5e-3))
    history = model.history
    for level in (1, 2):
        own = history[(history.phase == "pretrain") & (history.level == level)]
        assert own.epoch.tolist() == list(range(1, 31))
        assert own.train_loss.iloc[-1] < 0.7 * own.train_loss.iloc[0]
    test = blobs.split.test
    assert (model.predict(blobs.take(test)) == blobs.y[test]).mean() > 0.9  # type: ignore[index]


def test_history_counts_steps_and_rows(blobs: Dataset) -> None:
    model = fit(blobs, StackConfig(layers=[4], epochs=2, batch_size=40, softmax_epochs=1, fine_tune_epochs=1))
    n = len(blobs.split.train)
    steps = -(-n // 40)
    assert model.history.step.tolist() == [steps * k for k in range(1, 6)]
    assert model.history.samples.tolist() == [n * k for k in range(1, 6)]
    assert (np.diff(model.history.seconds) >= 0).all()


def test_validation_loss_is_that_of_the_weights_at_the_end_of_the_epoch(blobs: Dataset) -> None:
    model = fit(blobs, StackConfig(layers=[3], epochs=3, softmax_epochs=0, fine_tune_epochs=0))
    x = model.prepare(blobs.take(blobs.split.validation))
    expected = np.square(model.reconstruct_prepared(x) - x).sum(axis=1).mean()
    assert model.history.validation_loss.iloc[-1] == pytest.approx(expected, rel=1e-5)


def test_same_seed_same_model_other_seed_another(blobs: Dataset, everything: StackConfig) -> None:
    first = fit(blobs, everything)
    assert_same(first, fit(blobs, everything))
    other = fit(blobs, everything.replace(seed=1))
    assert not np.array_equal(first.encode(blobs), other.encode(blobs))


def test_the_global_generator_is_neither_used_nor_moved(blobs: Dataset, everything: StackConfig) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = fit(blobs, everything)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert_same(first, fit(blobs, everything))


def test_two_trainings_at_once_do_not_change_each_other(blobs: Dataset, everything: StackConfig) -> None:
    configs = [everything, everything.replace(seed=9)]
    alone = [fit(blobs, config) for config in configs]
    together: dict[int, TrainedStack] = {}

    def work(i: int) -> None:
        torch.set_num_threads(1)
        together[i] = fit(blobs, configs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i in (0, 1):
        assert_same(alone[i], together[i])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": "lbfgs"},
        {"optimiser": "sgd", "learning_rate": 1e-4, "gradient_clip": 1.0},
        {"optimiser": "adamw", "schedule": "one_cycle", "fine_tune_weight_decay": 0.1},
        {"early_stopping": 1, "schedule": "cosine", "epochs": 6},
        {"pretraining": "joint", "label_share": 0.2},
        {"pretraining": "none", "unrolled_epochs": 2, "label_smoothing": 0.1},
        {"precision": "bfloat16"},
    ],
)
@pytest.mark.parametrize("settings", ["everything", "dense"])
def test_a_training_cut_anywhere_goes_on_bit_for_bit(
    blobs: Dataset, settings: str, changes: dict[str, object], request: pytest.FixtureRequest
) -> None:
    base: StackConfig = request.getfixturevalue(settings)
    config = base.replace(**changes)
    stream = list(train(blobs, config))
    steps = sum(isinstance(event, events.StepTaken) for event in stream)
    whole = model_of(iter(stream))
    for cut in sorted(random.Random(str(changes)).sample(range(1, steps + 1), 5)):
        assert_same(whole, model_of(train(blobs, config, resume=cut_after(blobs, config, cut))))


def cut_after(data: Dataset, config: StackConfig, steps: int) -> TrainingState:
    """The state after some steps, through its files as a run keeps them."""
    taken = 0

    def due() -> bool:
        nonlocal taken
        taken += 1
        return taken == steps

    for event in train(data, config, checkpoint_due=due):
        if isinstance(event, events.CheckpointReached) and taken == steps:
            return TrainingState.from_files(event.state.to_files())
    raise AssertionError("no such step")


def test_every_phase_ends_with_a_checkpoint_that_works(blobs: Dataset, everything: StackConfig) -> None:
    whole = fit(blobs, everything)
    states = [event.state for event in train(blobs, everything) if isinstance(event, events.CheckpointReached)]
    assert len(states) == 6
    for state in states:
        assert_same(whole, model_of(train(blobs, everything, resume=state)))


def test_a_checkpoint_of_another_training_is_refused(blobs: Dataset, everything: StackConfig) -> None:
    state = cut_after(blobs, everything, 3)
    with pytest.raises(ModelFileError, match="other settings"):
        next(train(blobs, everything.replace(seed=4), resume=state))
    with pytest.raises(ModelFileError, match="another data set"):
        next(train(blobs.with_split(SplitOptions(seed=3)), everything, resume=state))
    other: dict[str, list[object]] = {"dict": []}
    with pytest.raises(ModelFileError, match="checkpoint"):
        list(train(blobs, everything, resume=TrainingState(state.meta | {"optimiser": other}, state.tensors)))
    broken = TrainingState(state.meta, {k: v for k, v in state.tensors.items() if k != "generator"})
    with pytest.raises(ModelFileError, match="checkpoint"):
        next(train(blobs, everything, resume=broken))


def test_a_training_can_begin_with_the_weights_of_another(blobs: Dataset, everything: StackConfig) -> None:
    """Pretraining used again: the classifiers of another share of the labels, on the very same codes."""
    pretrained = fit(blobs, everything)
    config = everything.replace(pretraining="none", label_share=0.3)
    whole = fit(blobs, config, start=pretrained)
    ours, theirs = whole.network.state_dict(), pretrained.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not np.array_equal(whole.predict_proba(blobs), pretrained.predict_proba(blobs))
    cut = None
    for event in train(blobs, config, start=pretrained):
        if isinstance(event, events.CheckpointReached):
            cut = TrainingState.from_files(event.state.to_files())
            break
    assert_same(whole, model_of(train(blobs, config, resume=cut)))
    with pytest.raises(ConfigError, match="units"):
        fit(blobs, config.replace(layers=[3, 2]), start=pretrained)


def test_time_between_events_does_not_count(blobs: Dataset) -> None:
    config = StackConfig(layers=[2], epochs=1, softmax_epochs=0, fine_tune_epochs=0)
    stream = train(blobs, config)
    rows = []
    for event in stream:
        time.sleep(0.05)
        if isinstance(event, events.EpochEnded):
            rows.append(event.row)
    assert rows[0].seconds < 0.05 * 5


def test_early_stopping_keeps_the_best_weights(blobs: Dataset) -> None:
    config = StackConfig(
        layers=[5], epochs=60, learning_rate=0.3, batch_size=16, early_stopping=2, softmax_epochs=0, fine_tune_epochs=0
    )
    stream = list(train(blobs, config))
    ended = next(event for event in stream if isinstance(event, events.PhaseEnded))
    model = model_of(iter(stream))
    losses = model.history.validation_loss
    assert ended.stopped_early
    assert len(losses) == int(losses.argmin()) + 1 + 2
    x = model.prepare(blobs.take(blobs.split.validation))
    assert np.square(model.reconstruct_prepared(x) - x).sum(1).mean() == pytest.approx(losses.min(), rel=1e-5)


def test_the_one_cycle_rate_rises_and_falls(blobs: Dataset) -> None:
    config = StackConfig(
        layers=[3], epochs=20, schedule="one_cycle", learning_rate=0.01, softmax_epochs=0, fine_tune_epochs=0
    )
    rates = fit(blobs, config).history.learning_rate
    assert 3 <= int(rates.argmax()) <= 8
    assert rates.max() <= 0.01
    assert rates.iloc[-1] < 0.001


@pytest.mark.parametrize("way", [ClosedStep, AutogradStep])
@pytest.mark.parametrize("kind", [objective.PretrainObjective, objective.SoftmaxObjective, objective.FineTuneObjective])
def test_a_diverged_loss_names_phase_epoch_and_step(
    blobs: Dataset, monkeypatch: pytest.MonkeyPatch, kind: type[objective.Objective], way: type[Step]
) -> None:
    kept = way.take
    calls = 0

    def poisoned(self: ClosedStep | AutogradStep, batch: torch.Tensor) -> Outcome:
        nonlocal calls
        calls += isinstance(self.objective, kind)
        outcome = kept(self, batch)
        return outcome._replace(loss=float("nan")) if calls == 7 else outcome

    monkeypatch.setattr(way, "take", poisoned)
    if way is AutogradStep:
        monkeypatch.setattr(engine, "closed_step", lambda *_, **__: None)
    config = StackConfig(layers=[3], epochs=4, batch_size=32, softmax_epochs=4, fine_tune_epochs=4)
    with pytest.raises(DivergedError, match="epoch 2, batch 2") as caught:
        fit(blobs, config)
    assert (caught.value.epoch, caught.value.step) == (2, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": "sgd", "learning_rate": 1e-3, "gradient_clip": 1.0},
        {"optimiser": "adamw", "schedule": "one_cycle", "fine_tune_weight_decay": 0.1},
        {"pretraining": "joint", "unrolled_epochs": 2, "label_smoothing": 0.1},
    ],
)
def test_both_ways_of_a_step_train_the_same_stack(
    blobs: Dataset, dense: StackConfig, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    config = dense.replace(**changes)
    closed = fit(blobs, config)
    monkeypatch.setattr(engine, "closed_step", lambda *_, **__: None)
    general = fit(blobs, config)
    ours, theirs = weights(closed), weights(general)
    for name in ours:
        assert torch.allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-3), name
    for column in ("train_loss", "penalty", "validation_loss", "train_accuracy", "validation_accuracy"):
        assert np.allclose(closed.history[column], general.history[column], rtol=1e-3, equal_nan=True)


def test_a_learning_rate_that_explodes_is_told(blobs: Dataset) -> None:
    with pytest.raises(DivergedError, match="smaller learning rate"):
        fit(blobs, StackConfig(layers=[3], optimiser="sgd", learning_rate=100, activation="linear", epochs=30))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_no_memory_is_told(blobs: Dataset, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> Outcome:
        raise error

    monkeypatch.setattr(ClosedStep, "take", fail)
    with pytest.raises(MemoryExhaustedError, match="fewer units"):
        fit(blobs, StackConfig(layers=[3]))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_handful_of_rows_trains(n: int) -> None:
    data = Dataset("few", "arrays", np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32))
    model = fit(data, StackConfig(layers=[2, LayerConfig(units=1)], epochs=2, batch_size=1000))
    assert np.isfinite(model.encode(data)).all()
    assert model.encode(data).shape == (n, 1)


def test_constant_data_and_a_constant_class_train() -> None:
    data = Dataset("flat", "arrays", np.ones((20, 3), np.float32), labels=np.zeros(20, np.int64))
    model = fit(data, StackConfig(layers=[2], epochs=2))
    assert np.isfinite(model.reconstruct(data)).all()
    assert not model.is_classifier


def test_no_epochs_at_all_gives_the_initial_stack(blobs: Dataset) -> None:
    model = fit(blobs, StackConfig(layers=[3], epochs=0, softmax_epochs=0, fine_tune_epochs=0))
    assert model.encode(blobs).shape == (len(blobs), 3)
    assert len(model.history) == 0


def test_previews_show_held_out_rows_in_the_users_form(blobs: Dataset) -> None:
    previews = [event for event in train(blobs, StackConfig(layers=[3, 2])) if isinstance(event, events.PreviewReady)]
    assert {preview.level for preview in previews} == {1, 2}
    for preview in previews:
        assert np.isin(preview.rows, blobs.split.validation).all()
        assert preview.reconstruction.shape == (len(preview.rows), blobs.n_features)
    assert set(blobs.class_codes[previews[0].rows]) == {0, 1, 2}


def test_progress_grows_to_the_end(blobs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sae_core.training.pace.PROGRESS_EVERY", 0.0)
    seen = [event for event in train(blobs, StackConfig(layers=[3, 2], epochs=3)) if isinstance(event, events.Progress)]
    fractions = [event.fraction for event in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert all(event.seconds_left >= 0 for event in seen)
    assert seen[-1].seconds_left == pytest.approx(0.0, abs=1e-6)


def test_previews_tell_how_far_off_the_input_is(blobs: Dataset) -> None:
    seen = list(train(blobs, StackConfig(layers=[3, 2], epochs=3)))
    previews = [event for event in seen if isinstance(event, events.PreviewReady)]
    model = seen[-1].model  # type: ignore[union-attr]
    x = model.prepare(blobs.take(blobs.split.validation))
    assert len(x) <= 128  # so that all of them are measured
    expected = np.square(model.reconstruct_prepared(x, 2) - x).mean()
    assert previews[-1].error == pytest.approx(expected, rel=1e-4)
    assert previews[0].step == 0
    assert [preview.step for preview in previews] == sorted(preview.step for preview in previews)
