"""Small models for the tests of narrower numbers."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import table
from xir.ops.conv import conv
from xir.ops.elementwise import add
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, reshape

OPS = table()


class Model:
    """Builds a graph: inputs and weights first, then outputs."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.parameters: list[Parameter] = []
        self.names: dict[Value, str] = {}

    def input(self, name: str, *shape: Dim, dtype: DType = DType.FLOAT32) -> Value:
        value = Value(TensorType(dtype, shape))
        self.inputs.append(value)
        self.names[value] = name
        return value

    def weight(self, name: str, array: np.ndarray) -> Value:
        held: Constant = constant_of(array)
        value = Value(held.type)
        self.parameters.append(Parameter(value, held))
        self.names[value] = name
        return value

    def graph(self, **outputs: Value) -> Graph:
        return Graph(
            "m", tuple(self.inputs), tuple(outputs.values()), tuple(outputs), tuple(self.parameters), self.names
        )


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def convolution(model: Model, x: Value, name: str, outputs: int, seed: int = 0, groups: int = 1) -> Value:
    """A 3 x 3 convolution with padding and a bias."""
    channels = x.shape[1]
    assert isinstance(channels, int)
    w = model.weight(f"{name}.w", random(outputs, channels // groups, 3, 3, seed=seed, scale=0.3))
    b = model.weight(f"{name}.b", random(outputs, seed=seed + 1))
    y = conv(x, w, b, strides=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), input_dilation=(1, 1), groups=groups)
    model.names[y] = name
    return y


def net(batch: Dim = 2) -> Graph:
    """Convolution, relu, max pool, residual sum, product with bias, softmax."""
    model = Model()
    x = model.input("x", batch, 3, 8, 8)
    first = OPS["relu"](convolution(model, x, "conv1", 8))
    second = convolution(model, first, "conv2", 8, seed=2)
    joined = OPS["relu"](add(first, second))
    pooled = OPS["max_pool"](joined, window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1))
    flat = reshape(pooled, shape=(batch, 8 * 4 * 4))
    w = model.weight("fc.w", random(128, 10, seed=5, scale=0.1))
    b = model.weight("fc.b", random(10, seed=6))
    product = matmul(flat, w)
    scores = add(product, broadcast(b, shape=product.shape))
    model.names[scores] = "fc"
    return model.graph(scores=scores, prob=OPS["softmax"](scores, axis=1))


def nodes(graph: Graph, name: str) -> list[Node]:
    return [node for node in graph.nodes if node.op.name == name]


def samples(count: int = 3, batch: int = 2) -> list[dict[str, np.ndarray]]:
    return [{"x": random(batch, 3, 8, 8, seed=100 + number)} for number in range(count)]
