"""Corruptions do what they say, with the job's own generator."""

from __future__ import annotations

import pytest
import torch

from sae_core.model.corruption import corrupt, drop

X = torch.linspace(0.1, 0.9, 40_000).reshape(200, 200)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_masking_zeroes_the_share_and_leaves_the_rest() -> None:
    noisy = corrupt(X, "masking", 0.3, generator())
    masked = noisy == 0
    assert masked.float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(noisy[~masked], X[~masked])


def test_gaussian_adds_noise_of_that_deviation() -> None:
    noise = corrupt(X, "gaussian", 0.5, generator()) - X
    assert noise.std().item() == pytest.approx(0.5, rel=0.02)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.01)


def test_salt_and_pepper_are_the_extremes_in_equal_parts() -> None:
    noisy = corrupt(X, "salt_and_pepper", 0.4, generator())
    changed = noisy != X
    assert changed.float().mean().item() == pytest.approx(0.4, abs=0.01)
    salt = (noisy[changed] == X.max()).float().mean().item()
    assert salt == pytest.approx(0.5, abs=0.01)
    assert set(noisy[changed].unique().tolist()) == {X.min().item(), X.max().item()}


@pytest.mark.parametrize("kind", ["masking", "gaussian", "salt_and_pepper"])
def test_same_seed_same_noise_and_the_batch_is_untouched(kind: str) -> None:
    before = X.clone()
    assert torch.equal(corrupt(X, kind, 0.2, generator(1)), corrupt(X, kind, 0.2, generator(1)))  # type: ignore[arg-type]
    assert not torch.equal(corrupt(X, kind, 0.2, generator(1)), corrupt(X, kind, 0.2, generator(2)))  # type: ignore[arg-type]
    assert torch.equal(X, before)


def test_nothing_to_corrupt_is_no_copy() -> None:
    assert corrupt(X, "none", 0.5, generator()) is X
    assert corrupt(X, "masking", 0.0, generator()) is X
    assert drop(X, 0.0, generator()) is X


def test_dropout_keeps_the_expectation() -> None:
    dropped = drop(torch.ones(500, 500), 0.25, generator())
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
