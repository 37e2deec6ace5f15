"""One autoencoder: h = f(W x + b), x' = g(V h + c); W and V are matrices, or convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sae_core.config import Activation, Initialisation, LayerConfig
from sae_core.model.activations import FUNCTIONS, fitting_decoder_activation, gain_family
from sae_core.model.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from sae_core.model.corruption import corrupt, drop


class Encoder(nn.Module):
    """(n, d) -> (n, units)."""

    def __init__(self, n_inputs: int, layer: LayerConfig) -> None:
        super().__init__()
        assert layer.activation is not None, "StackConfig.level fills the activation in"
        self.activation: Activation = layer.activation
        self.weight = nn.Parameter(torch.empty(layer.units, n_inputs))
        self.bias = nn.Parameter(torch.zeros(layer.units))
        norms: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        norm = norms.get(layer.normalisation)
        self.normalisation = norm(layer.units) if norm else None

    def linear(self, x: Tensor) -> Tensor:
        """The code before its activation."""
        a = nn.functional.linear(x, self.weight, self.bias)  # (n, d) -> (n, units)
        return a if self.normalisation is None else self.normalisation(a)

    @property
    def fans(self) -> tuple[int, int]:
        """How many values each input reaches, and how many each output is the sum of."""
        outputs, inputs = self.weight.shape
        return outputs, inputs

    def forward(self, x: Tensor) -> Tensor:
        return FUNCTIONS[self.activation](self.linear(x))


class Decoder(nn.Module):
    """(n, units) -> (n, d). A tied decoder reads the encoder's weights, transposed, and owns only its bias."""

    def __init__(self, n_inputs: int, layer: LayerConfig, activation: Activation, encoder: Encoder) -> None:
        super().__init__()
        self.activation = activation
        self.tied = layer.tied
        self.bias = nn.Parameter(torch.zeros(n_inputs))
        if not layer.tied:
            self.own_weight = nn.Parameter(torch.empty(n_inputs, layer.units))
        self._encoder = (encoder,)  # in a tuple, so that its parameters are not listed a second time

    @property
    def weight(self) -> Tensor:
        """(d, units)."""
        return self._encoder[0].weight.T if self.tied else self.own_weight

    def linear(self, h: Tensor) -> Tensor:
        """The reconstruction before its activation."""
        return nn.functional.linear(h, self.weight, self.bias)  # (n, units) -> (n, d)

    @property
    def fans(self) -> tuple[int, int]:
        """As of the encoder."""
        outputs, inputs = self.own_weight.shape
        return outputs, inputs

    def forward(self, h: Tensor) -> Tensor:
        return FUNCTIONS[self.activation](self.linear(h))


@dataclass(frozen=True)
class TrainingPass:
    """What one pass in training computes, as the objective needs it.

    Attributes:
        before_activation, code: (n, units).
        dropped_code: the code after dropout, as the decoder (or the next level) sees it.
    """

    before_activation: Tensor
    code: Tensor
    dropped_code: Tensor


class Autoencoder(nn.Module):
    """One level of the stack.

    Args:
        n_inputs: width of the level below.
        layer: resolved settings (`StackConfig.level`).
        generator: draws the initial weights.
    """

    def __init__(self, n_inputs: int, layer: LayerConfig, generator: torch.Generator) -> None:
        super().__init__()
        assert layer.loss is not None, "StackConfig.level fills the loss in"
        self.layer = layer
        self.n_inputs = n_inputs
        convolutional = layer.kind == "convolution"
        self.encoder = ConvolutionalEncoder(layer) if convolutional else Encoder(n_inputs, layer)
        decoder_activation = layer.decoder_activation
        if decoder_activation == "auto":
            decoder_activation = fitting_decoder_activation(layer.loss)
        self.decoder = (
            ConvolutionalDecoder(layer, decoder_activation, self.encoder)
            if isinstance(self.encoder, ConvolutionalEncoder)
            else Decoder(n_inputs, layer, decoder_activation, self.encoder)
        )
        how, encoder, decoder = layer.initialisation, self.encoder, self.decoder
        initialise(encoder.weight, how, encoder.activation, generator, encoder.fans)
        if not layer.tied:
            initialise(decoder.own_weight, how, decoder_activation, generator, decoder.fans)

    def training_pass(self, x: Tensor, generator: torch.Generator, *, corrupted: bool, dropout: float) -> TrainingPass:
        """Encode a batch as it is seen while training: (n, d) -> codes of (n, units)."""
        seen = corrupt(x, self.layer.corruption, self.layer.corruption_level, generator) if corrupted else x
        before = self.encoder.linear(seen)
        code = FUNCTIONS[self.encoder.activation](before)
        return TrainingPass(before, code, drop(code, dropout, generator))

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) -> (n, d), the reconstruction."""
        reconstruction: Tensor = self.decoder(self.encoder(x))
        return reconstruction


def weight_shape(layer: LayerConfig, n_inputs: int) -> tuple[int, ...]:
    """Shape of an encoder's weights: (units, d), or (channels, channels below, side, side) of a convolution."""
    if layer.input_shape is not None and layer.kind == "convolution":
        return layer.channels, layer.input_shape[2], layer.kernel, layer.kernel
    return layer.units, n_inputs


def initialise(
    weight: Tensor, how: Initialisation, activation: Activation, generator: torch.Generator, fans: tuple[int, int]
) -> None:
    """Fill a weight in place: Glorot & Bengio 2010, He et al. 2015, LeCun 1998, or orthogonal.

    Args:
        weight: (outputs, inputs), or (channels, channels below, side, side) of a convolution.
        how: "auto" is what suits the activation.
        activation: that follows.
        generator: draws the values.
        fans: how many values each input reaches, and how many each output is the sum of.
    """
    outputs, inputs = fans
    family = gain_family(activation) if how == "auto" else how
    with torch.no_grad():
        if family == "orthogonal":
            rows, columns = len(weight), weight[0].numel()
            tall = torch.empty(max(rows, columns), min(rows, columns)).normal_(generator=generator)
            q, r = torch.linalg.qr(tall)
            q = q * torch.sign(torch.diagonal(r))
            weight.copy_((q if rows >= columns else q.T).reshape(weight.shape))
            return
        variance = {"he": 2 / inputs, "lecun": 1 / inputs, "xavier": 2 / (inputs + outputs)}[family]
        limit = math.sqrt(3 * variance)
        weight.uniform_(-limit, limit, generator=generator)
