"""A small builder of ONNX graphs, and the network's parts as nodes.

Operator set 17 (and 3 of ai.onnx.ml) is the oldest that has layer normalisation: every onnxruntime since 1.12 runs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sae_core.config import Activation, Shape
from sae_core.errors import ExportError
from sae_core.model.autoencoder import Decoder, Encoder
from sae_core.model.convolution import ConvolutionalDecoder, ConvolutionalEncoder

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
ML = "ai.onnx.ml"
MAX_BYTES = 2_000_000_000  # protobuf cannot hold more in one file


class Graph:
    """Nodes and constants as they are added; values are referred to by name."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._bytes = 0
        self._count = 0
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, dtype: type[np.generic], width: int, *, about: str = "") -> str:
        """Declare an input (rows, width)."""
        self._inputs.append(self._described(name, dtype, ["rows", width], about))
        return name

    def output(
        self, value: str, name: str, dtype: type[np.generic], width: int | None = None, *, about: str = ""
    ) -> None:
        """Declare a value as an output: (rows, width), or (rows,) without a width."""
        self._nodes.append(_node("Identity", [value], [name], ""))
        self._outputs.append(self._described(name, dtype, ["rows"] if width is None else ["rows", width], about))

    @staticmethod
    def type_of(dtype: type[np.generic]) -> int:
        """ONNX's number for an element type."""
        from onnx import TensorProto

        kinds = {
            np.float32: TensorProto.FLOAT,
            np.float64: TensorProto.DOUBLE,
            np.int64: TensorProto.INT64,
            np.str_: TensorProto.STRING,
        }
        return int(kinds[dtype])

    def pick(self, x: str, columns: Iterable[int]) -> str:
        """Some columns of (rows, width), in the order asked for."""
        return self.add("Gather", x, self.constant(np.array(list(columns), dtype=np.int64)), axis=1)

    def join(self, parts: Sequence[str]) -> str:
        """Parts of the same number of rows, side by side."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def encode_strings(self, x: str, codes: Mapping[str, int], default: int) -> str:
        """Strings to int64 by a table."""
        return self.add(
            "LabelEncoder",
            x,
            domain=ML,
            keys_strings=list(codes),
            values_int64s=list(codes.values()),
            default_int64=default,
        )

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """A constant tensor with the dtype of the array."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(value)
        self._bytes += array.nbytes
        if self._bytes > MAX_BYTES:
            raise ExportError(
                "ONNX files hold at most 2 GB of weights and this model has more. Export the bundle instead."
            )
        name = self._name("c")
        self._constants.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one result; returns the result's name."""
        name = self._name(operator.lower())
        self._nodes.append(_node(operator, list(inputs), [name], domain, **attributes))
        return name

    def model(self, name: str, metadata: Mapping[str, str]) -> Any:
        """The finished `onnx.ModelProto`, checked for form and inferred shapes."""
        import onnx
        from onnx import helper

        from sae_core import __version__

        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name, model.producer_version = "stacked-autoencoder-explorer", __version__
        helper.set_model_props(model, dict(metadata))
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ExportError(
                f"The ONNX graph did not pass its own check ({error}). Export the bundle instead."
            ) from error
        return model

    def _described(self, name: str, dtype: type[np.generic], shape: list[int | str], about: str) -> Any:
        from onnx import helper

        return helper.make_tensor_value_info(name, self.type_of(dtype), shape, doc_string=about)

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"_{stem}_{self._count}"  # names of inputs and outputs never begin with an underscore


def _node(operator: str, inputs: Iterable[str], outputs: Iterable[str], domain: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(operator, list(inputs), list(outputs), domain=domain, **attributes)


@singledispatch
def add_module(module: nn.Module, graph: Graph, x: str) -> str:
    """Add one part of the network, as it is in evaluation; returns the name of its result.

    Kinds of levels are taught here: `add_module.register`.

    Raises:
        ExportError: a kind of part that ONNX export was not taught.
    """
    raise ExportError(
        f"ONNX export does not know levels of the kind {type(module).__name__}. Export the bundle instead."
    )


@add_module.register
def _encoder(module: Encoder, graph: Graph, x: str) -> str:
    a = graph.add("Gemm", x, graph.constant(_array(module.weight)), graph.constant(_array(module.bias)), transB=1)
    if module.normalisation is not None:
        a = add_module(module.normalisation, graph, a)
    return add_activation(graph, a, module.activation)


@add_module.register
def _decoder(module: Decoder, graph: Graph, x: str) -> str:
    a = graph.add("Gemm", x, graph.constant(_array(module.weight)), graph.constant(_array(module.bias)), transB=1)
    return add_activation(graph, a, module.activation)


@add_module.register
def _convolutional_encoder(module: ConvolutionalEncoder, graph: Graph, x: str) -> str:
    a = graph.add(
        "Conv",
        _to_pictures(graph, x, module.input_shape),
        graph.constant(_array(module.weight)),
        graph.constant(_array(module.bias)),
        strides=[module.stride] * 2,
        pads=[module.padding] * 4,
    )
    if module.pooling > 1:
        square = [module.pooling] * 2
        a = graph.add("MaxPool", a, kernel_shape=square, strides=square, ceil_mode=1)
    a = graph.add("Transpose", a, perm=[0, 2, 3, 1])  # (rows, height, width, channels)
    if module.normalisation is not None:
        a = graph.add("Reshape", a, _sizes(graph, -1, module.code_shape[2]))  # (rows * places, channels)
        a = add_module(module.normalisation, graph, a)
    return add_activation(
        graph, graph.add("Reshape", a, _sizes(graph, -1, math.prod(module.code_shape))), module.activation
    )


@add_module.register
def _convolutional_decoder(module: ConvolutionalDecoder, graph: Graph, x: str) -> str:
    pictures = _to_pictures(graph, x, module.code_shape)
    if module.pooling > 1:  # each value repeated over its square, of which the last may be cut off
        for axis, side in ((2, module.convolved_shape[0]), (3, module.convolved_shape[1])):
            places = graph.constant(np.arange(side, dtype=np.int64) // module.pooling)
            pictures = graph.add("Gather", pictures, places, axis=axis)
    a = graph.add(
        "ConvTranspose",
        pictures,
        graph.constant(_array(module.weight)),
        graph.constant(_array(module.bias)),
        strides=[module.stride] * 2,
        pads=[module.padding] * 4,
        output_padding=list(module.rest),
    )
    a = graph.add("Transpose", a, perm=[0, 2, 3, 1])
    return add_activation(
        graph, graph.add("Reshape", a, _sizes(graph, -1, math.prod(module.output_shape))), module.activation
    )


def _to_pictures(graph: Graph, x: str, shape: Shape) -> str:
    """(rows, height * width * channels) -> (rows, channels, height, width)."""
    return graph.add("Transpose", graph.add("Reshape", x, _sizes(graph, -1, *shape)), perm=[0, 3, 1, 2])


def _sizes(graph: Graph, *sizes: int) -> str:
    return graph.constant(np.array(sizes, dtype=np.int64))


@add_module.register
def _linear(module: nn.Linear, graph: Graph, x: str) -> str:
    return graph.add("Gemm", x, graph.constant(_array(module.weight)), graph.constant(_array(module.bias)), transB=1)


@add_module.register
def _batch_norm(module: nn.BatchNorm1d, graph: Graph, x: str) -> str:
    parts = (module.weight, module.bias, module.running_mean, module.running_var)
    constants = [graph.constant(_array(part)) for part in parts if part is not None]
    return graph.add("BatchNormalization", x, *constants, epsilon=module.eps)


@add_module.register
def _layer_norm(module: nn.LayerNorm, graph: Graph, x: str) -> str:
    constants = (graph.constant(_array(module.weight)), graph.constant(_array(module.bias)))
    return graph.add("LayerNormalization", x, *constants, axis=-1, epsilon=module.eps)


def add_activation(graph: Graph, a: str, activation: Activation) -> str:
    """f(a), with the constants that torch uses."""
    match activation:
        case "linear":
            return a
        case "leaky_relu":
            return graph.add("LeakyRelu", a, alpha=0.01)
        case "gelu":  # a/2 (1 + erf(a / sqrt 2)); an operator of its own only since set 20
            erf = graph.add("Erf", graph.add("Mul", a, graph.constant(np.float32(1 / math.sqrt(2)))))
            halved = graph.add("Mul", a, graph.constant(np.float32(0.5)))
            return graph.add("Mul", halved, graph.add("Add", erf, graph.constant(np.float32(1))))
        case "sigmoid" | "tanh" | "relu" | "elu" | "selu":
            return graph.add(activation.capitalize(), a)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy()
