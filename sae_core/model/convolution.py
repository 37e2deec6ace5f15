"""The convolutional kind of level (stacked convolutional autoencoders, Masci et al. 2011).

Outside these modules a code is (n, units) like any other: a picture (height, width, channels), flattened.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sae_core.config import Activation, LayerConfig, Shape
from sae_core.model.activations import FUNCTIONS

ROWS_AT_ONCE = 512  # without gradients: what lies between the parts of a convolution is much wider than its code


def _known(shape: Shape | None) -> Shape:
    assert shape is not None, "StackConfig.fitted fills the shapes in"
    return shape


def _picture(x: Tensor, shape: Shape) -> Tensor:
    height, width, channels = shape
    return x.reshape(-1, height, width, channels).permute(0, 3, 1, 2)  # (n, h * w * c) -> (n, c, h, w), no copy


def _in_parts(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if torch.is_grad_enabled() or torch.compiler.is_exporting() or len(x) <= ROWS_AT_ONCE:  # traced for any length
        return function(x)
    return torch.cat([function(x[start : start + ROWS_AT_ONCE]) for start in range(0, len(x), ROWS_AT_ONCE)])


def _flat(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 2, 3, 1).flatten(1)  # (n, c, h, w) -> (n, h * w * c)


class ConvolutionalEncoder(nn.Module):
    """(n, d) -> (n, units): convolution with zero padding, largest value of each square, normalisation, activation.

    Pooling before the activation gives what pooling after it would, for every activation that never falls.

    Attributes:
        weight: (channels, channels below, kernel, kernel).
        bias: (channels,).
    """

    def __init__(self, layer: LayerConfig) -> None:
        super().__init__()
        assert layer.activation is not None, "StackConfig.level fills the activation in"
        self.activation: Activation = layer.activation
        self.input_shape, self.code_shape = _known(layer.input_shape), _known(layer.code_shape)
        self.stride, self.pooling, self.padding = layer.stride, layer.pooling, layer.kernel // 2
        self.weight = nn.Parameter(torch.empty(layer.channels, self.input_shape[2], layer.kernel, layer.kernel))
        self.bias = nn.Parameter(torch.zeros(layer.channels))
        norms: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        norm = norms.get(layer.normalisation)
        self.normalisation = norm(layer.channels) if norm else None

    @property
    def fans(self) -> tuple[int, int]:
        """How many values each input reaches, and how many each output is the sum of."""
        return self.weight[:, 0].numel(), self.weight[0].numel()

    def linear(self, x: Tensor) -> Tensor:
        """The code before its activation."""
        return _in_parts(self._linear, x)

    def forward(self, x: Tensor) -> Tensor:
        return FUNCTIONS[self.activation](self.linear(x))

    def _linear(self, x: Tensor) -> Tensor:
        pictures = _picture(x, self.input_shape)
        a = functional.conv2d(pictures, self.weight, self.bias, stride=self.stride, padding=self.padding)
        if self.pooling > 1:
            a = functional.max_pool2d(a, self.pooling, ceil_mode=True)
        flat = _flat(a)  # (n, units)
        if self.normalisation is None:
            return flat
        normal: Tensor = self.normalisation(flat.reshape(-1, len(self.bias)))  # (n * places, channels)
        return normal.reshape(flat.shape)


class ConvolutionalDecoder(nn.Module):
    """(n, units) -> (n, d): each value repeated over its square, transposed convolution, activation.

    Attributes:
        own_weight: (channels, channels below, kernel, kernel), unless it is tied to the encoder's.
        bias: (channels below,).
    """

    def __init__(self, layer: LayerConfig, activation: Activation, encoder: ConvolutionalEncoder) -> None:
        super().__init__()
        self.activation = activation
        self.tied = layer.tied
        self.output_shape, self.code_shape = encoder.input_shape, encoder.code_shape
        self.convolved_shape = _known(layer.convolved_shape)
        self.stride, self.pooling, self.padding = layer.stride, layer.pooling, layer.kernel // 2
        self.bias = nn.Parameter(torch.zeros(self.output_shape[2]))
        if not layer.tied:
            self.own_weight = nn.Parameter(torch.empty_like(encoder.weight))
        self._encoder = (encoder,)  # in a tuple, so that its parameters are not listed a second time

    @property
    def weight(self) -> Tensor:
        """(channels, channels below, kernel, kernel)."""
        return self._encoder[0].weight if self.tied else self.own_weight

    @property
    def fans(self) -> tuple[int, int]:
        """As of the encoder; a stride thins out what each pixel is the sum of."""
        return self.own_weight[0].numel(), max(1, self.own_weight[:, 0].numel() // self.stride**2)

    @property
    def rest(self) -> tuple[int, int]:
        """Rows and columns of pixels that the strides do not reach by themselves."""
        height, width, _ = self.output_shape
        return (height - 1) % self.stride, (width - 1) % self.stride

    def linear(self, h: Tensor) -> Tensor:
        """The reconstruction before its activation."""
        return _in_parts(self._linear, h)

    def forward(self, h: Tensor) -> Tensor:
        return FUNCTIONS[self.activation](self.linear(h))

    def _linear(self, h: Tensor) -> Tensor:
        pictures = _picture(h, self.code_shape)
        if self.pooling > 1:
            height, width, _ = self.convolved_shape
            pictures = functional.interpolate(pictures, scale_factor=self.pooling)[:, :, :height, :width]
        return _flat(
            functional.conv_transpose2d(
                pictures,
                self.weight,
                self.bias,
                stride=self.stride,
                padding=self.padding,
                output_padding=self.rest,
            )
        )
