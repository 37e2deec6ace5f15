"""Frozen against fine-tuned: flips add up, distances agree with SciPy and with what is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.stats import binomtest

from sae_core.analysis.classification import Classification, Predictions
from sae_core.analysis.fine_tuning import (
    Flips,
    flips,
    linear_cka,
    moves,
    procrustes_distance,
    relative_change,
)
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import LabelError
from sae_core.training.trainer import fit


def classification(before: list[int], after: list[int], truth: list[int]) -> Classification:
    n = len(truth)
    sure = np.linspace(0.5, 1.0, n, dtype=np.float32)

    def by(level: int | None, predicted: list[int]) -> Predictions:
        return Predictions(level, np.array(predicted, dtype=np.int32), sure, sure)

    parts = np.array(["test"] * (n - 1) + ["train"])
    return Classification(("a", "b"), np.arange(n) + 100, np.array(truth), parts, (by(2, before), by(None, after)))


def test_flips_part_the_rows_and_the_surest_come_first() -> None:
    found = flips(classification([0, 1, 0, 1, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]), "test")
    assert found.gained.tolist() == [3, 1]
    assert found.lost.tolist() == [2]
    assert found.kept_right.tolist() == [0]
    assert found.kept_wrong.tolist() == []
    assert found.net == 1


def test_flips_need_two_classifiers() -> None:
    found = classification([0], [0], [0])
    with pytest.raises(LabelError, match="nothing to compare"):
        flips(Classification(found.classes, found.rows, found.truth, found.parts, found.classifiers[:1]), "test")


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (3, 3), (9, 2), (40, 25), (700, 600), (1500, 1400)])
def test_the_chance_is_mcnemars(gained: int, lost: int) -> None:
    none = np.zeros(0, dtype=np.int64)
    found = Flips(np.arange(gained), np.arange(lost), none, none)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert found.chance == pytest.approx(expected, abs=5e-3)


def test_procrustes_is_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    assert procrustes_distance(x, y) == pytest.approx(procrustes(x, y)[2])


def test_codes_wider_than_their_rows_are_compared_alike() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 90))
    y = x[:, :70] + 0.3 * rng.normal(size=(20, 70))
    centre = np.eye(20) - 1 / 20
    a, b = (each / np.linalg.norm(each) for each in (centre @ x, centre @ y))
    assert procrustes_distance(x, y) == pytest.approx(1 - np.linalg.svd(a.T @ b, compute_uv=False).sum() ** 2)
    assert linear_cka(x, y) == pytest.approx(
        np.square(a.T @ b).sum() / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    )


def test_shift_turn_and_scale_do_not_count() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    y = 3.0 * x @ turn + 7.0
    assert procrustes_distance(x, y) == pytest.approx(0.0, abs=1e-9)
    assert linear_cka(x, y) == pytest.approx(1.0)


def test_cka_is_its_definition_by_kernels() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 6))
    centre = np.eye(30) - 1 / 30
    k, m = (centre @ z @ z.T @ centre for z in (x, y))
    assert linear_cka(x, y) == pytest.approx((k * m).sum() / (np.linalg.norm(k) * np.linalg.norm(m)))


def test_codes_that_are_all_alike_have_no_distance() -> None:
    x = np.ones((10, 3))
    assert np.isnan(procrustes_distance(x, np.eye(10, 3)))
    assert np.isnan(linear_cka(x, x))
    assert np.isnan(relative_change((np.zeros(3),), (np.ones(3),)))


def test_a_fine_tuned_stack_has_moved_at_every_level(labelled: Dataset) -> None:
    model = fit(labelled, StackConfig(layers=[4, 3], epochs=1, softmax_epochs=1, fine_tune_epochs=3, batch_size=16))
    found = moves(model, labelled)
    assert [each.level for each in found] == [1, 2]
    assert all(each.weights > 0 and 0 <= each.codes <= 1 and 0 < each.similarity <= 1 for each in found)
    frozen = fit(labelled, StackConfig(layers=[3], epochs=1, softmax_epochs=1, fine_tune_epochs=0))
    with pytest.raises(LabelError, match="not fine-tuned"):
        moves(frozen, labelled)


@pytest.fixture
def labelled() -> Dataset:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 30)
    values = (rng.normal(size=(60, 6)) + codes[:, None]).astype(np.float32)
    return Dataset(name="d", kind="arrays", features=values, labels=codes.astype(np.int64))
