"""Encoding and decoding against plain numpy."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from sae_core.config import LayerConfig, StackConfig
from sae_core.errors import LevelError
from sae_core.model.stack import Stack


def build(config: StackConfig, n_inputs: int = 6, seed: int = 0) -> Stack:
    return Stack(n_inputs, config, torch.Generator().manual_seed(seed)).eval()


def test_encoders_chain_up_and_decoders_chain_down() -> None:
    stack = build(StackConfig(layers=[4, 3], activation="tanh"))
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    weights = {name: value.numpy() for name, value in stack.state_dict().items()}
    h1 = np.tanh(x @ weights["levels.0.encoder.weight"].T + weights["levels.0.encoder.bias"])
    h2 = np.tanh(h1 @ weights["levels.1.encoder.weight"].T + weights["levels.1.encoder.bias"])
    down1 = h2 @ weights["levels.1.decoder.own_weight"].T + weights["levels.1.decoder.bias"]
    down0 = down1 @ weights["levels.0.decoder.own_weight"].T + weights["levels.0.decoder.bias"]
    with torch.no_grad():
        np.testing.assert_allclose(stack.encode(torch.from_numpy(x), 2).numpy(), h2, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(stack.decode(torch.from_numpy(h2), 2).numpy(), down0, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(stack(torch.from_numpy(x)).numpy(), down0, rtol=1e-5, atol=1e-6)


def test_level_0_is_the_input_and_levels_compose() -> None:
    stack = build(StackConfig(layers=[4, 3]))
    x = torch.randn(2, 6, generator=torch.Generator().manual_seed(3))
    assert stack.encode(x, 0) is x
    assert stack.decode(x, 0) is x
    assert torch.equal(stack.encode(stack.encode(x, 1), 2, start=1), stack.encode(x, 2))


def test_a_tied_decoder_is_the_transposed_encoder() -> None:
    stack = build(StackConfig(layers=[LayerConfig(units=4, tied=True)]))
    level = stack.autoencoder(1)
    assert torch.equal(level.decoder.weight, level.encoder.weight.T)
    assert set(dict(level.named_parameters())) == {"encoder.weight", "encoder.bias", "decoder.bias"}
    twin = copy.deepcopy(stack).autoencoder(1)
    with torch.no_grad():
        twin.encoder.weight.zero_()
    assert not twin.decoder.weight.any()
    assert level.decoder.weight.any()


def test_the_seed_alone_decides_the_weights() -> None:
    config = StackConfig(layers=[4, 3])
    torch.manual_seed(1)
    first = build(config, seed=5).state_dict()
    torch.manual_seed(2)
    second, third = build(config, seed=5).state_dict(), build(config, seed=6).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["levels.0.encoder.weight"], third["levels.0.encoder.weight"])


@pytest.mark.parametrize("level", [-1, 3, 1.0, True, "1"])
def test_other_levels_are_refused(level: object) -> None:
    with pytest.raises(LevelError, match="levels 0 to 2"):
        build(StackConfig(layers=[4, 3])).encode(torch.zeros(1, 6), level)  # type: ignore[arg-type]
