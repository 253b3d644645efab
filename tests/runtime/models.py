"""Models for tests of the runtime: many phases, enough work for a team."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.matmul import matmul
from xir.ops.norm import softmax

WIDTH = 96


def layered(rows: Dim = 61, layers: int = 6) -> Graph:
    """Products, softmaxes and ReLUs one after another: [rows, WIDTH] to the same."""
    random = np.random.default_rng(7)
    x = Value(TensorType(DType.FLOAT32, (rows, WIDTH)))
    parameters: list[Parameter] = []
    result = x
    for _ in range(layers):
        weight = Value(TensorType(DType.FLOAT32, (WIDTH, WIDTH)))
        parameters.append(Parameter(weight, constant_of(random.standard_normal((WIDTH, WIDTH), np.float32))))
        result = relu(softmax(matmul(result, weight), axis=1))
    names = {x: "x"} | {parameter.value: f"w{number}" for number, parameter in enumerate(parameters)}
    return Graph("layered", (x,), (result,), ("y",), tuple(parameters), names)


def feed(rows: int = 61, seed: int = 0) -> NDArray[np.float32]:
    """An input of the model."""
    return np.random.default_rng(seed).standard_normal((rows, WIDTH), np.float32)
