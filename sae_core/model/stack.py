"""The stack: autoencoders whose codes feed one another, and whose decoders chain back down."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor, nn

from sae_core.config import StackConfig
from sae_core.errors import LevelError
from sae_core.model.autoencoder import Autoencoder


class Stack(nn.Module):
    """Autoencoders of every level, from the prepared input upwards.

    Args:
        n_inputs: width of level 0.
        config: of the stack.
        generator: draws the initial weights; on the CPU.

    >>> stack = Stack(8, StackConfig(layers=[4, 2]), torch.Generator().manual_seed(0))
    >>> x = torch.zeros(3, 8)
    >>> stack.decode(stack.encode(x, level=2), level=2).shape == x.shape
    True
    """

    def __init__(self, n_inputs: int, config: StackConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        width = n_inputs
        for level in range(1, len(config.layers) + 1):
            layer = config.level(level)
            self.levels.append(Autoencoder(width, layer, generator))
            width = layer.units

    @property
    def n_levels(self) -> int:
        """Number of autoencoders; level 0 is the input."""
        return len(self.levels)

    def autoencoder(self, level: int) -> Autoencoder:
        """The autoencoder of a level, 1 .. number of levels."""
        check_level(level, self.n_levels, lowest=1)
        module = self.levels[level - 1]
        assert isinstance(module, Autoencoder)
        return module

    def encode(self, x: Tensor, level: int, *, start: int = 0) -> Tensor:
        """Codes of one level: (n, width of `start`) -> (n, units of `level`). Level 0 is the input itself."""
        for step in range(start + 1, check_level(level, self.n_levels) + 1):
            x = self.autoencoder(step).encoder(x)
        return x

    def decode(self, codes: Tensor, level: int) -> Tensor:
        """Decode codes of one level down to the prepared input.

        Chains the decoders `level, level - 1, ..., 1` (Hinton & Salakhutdinov 2006, "unrolling").

        Args:
            codes: (n, units of `level`) float32.
            level: 0 .. number of levels.

        Returns:
            (n, n_inputs) float32, in the prepared scale; `Preparation.inverse_transform` gives the user's units.

        Raises:
            LevelError: `level` is not one of the stack's levels.
        """
        for step in range(check_level(level, self.n_levels), 0, -1):
            codes = self.autoencoder(step).decoder(codes)
        return codes

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_inputs) -> (n, n_inputs), reconstructed from the deepest level."""
        return self.decode(self.encode(x, self.n_levels), self.n_levels)


def check_level(level: int | None, n_levels: int, *, lowest: int = 0) -> int:
    """The level asked for, where None is the deepest.

    Raises:
        LevelError: outside `lowest` .. `n_levels`.
    """
    if level is None:
        return n_levels
    if isinstance(level, bool) or not isinstance(level, Integral) or not lowest <= level <= n_levels:
        raise LevelError(f"This stack has levels {lowest} to {n_levels}, not {level!r}. Choose one of them.")
    return int(level)
