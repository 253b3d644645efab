"""Small graphs to cut, join, compare and shrink."""

from __future__ import annotations

import numpy as np

from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.constraints import collecting
from xir.ir.dims import Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu, tanh
from xir.ops.arithmetic import add, mul, neg
from xir.ops.constant import constant
from xir.ops.finding import nonzero
from xir.ops.shape import broadcast, reshape


def tensor(*shape):
    return TensorType(DType.FLOAT32, shape)


def layer(number, kind="Tanh", framework="onnx"):
    return sourced(Source(framework, "model", f"layer{number}", kind, order=number))


def weight(shape, seed=0):
    array = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    constant = constant_of(array)
    return Parameter(Value(constant.type), constant)


def chain(length, *, special=(), sources=True, named=True, steps=(tanh, neg)):
    """From x by v0, v1 ...: tanh and neg in turn; at the places in `special` a relu."""
    x = Value(tensor(2, 3))
    value, names = x, {x: "x"}
    for number in range(length):
        op = relu if number in special else steps[number % len(steps)]
        if sources:
            with layer(number, op.name):
                value = op(value)
        else:
            value = op(value)
        if named:
            names[value] = f"v{number}"
    return Graph("chain", (x,), (value,), ("y",), (), names)


def diamond(scale=1.0, left=tanh):
    """The sum of two branches: left = left(x * w), right = neg(x), y = left + right."""
    x, w = Value(tensor(2, 3)), weight((2, 3))
    w = Parameter(w.value, constant_of(w.constant.array() * np.float32(scale)))
    a, b = left(mul(x, w.value)), neg(x)
    y = add(a, b)
    return Graph("diamond", (x,), (y,), ("y",), (w,), {x: "x", w.value: "w", a: "left", b: "right"})


def nonzero_net():
    """Ones of as many elements as x has that are not zero: the size is found at run time."""
    x = Value(tensor(4))
    places = nonzero(x)
    size = places.shape[1]
    flat = reshape(places, shape=(size,))
    ones = constant(value=constant_of(np.float32(1)))
    filled = broadcast(ones, shape=(size,))
    names = {x: "x", places: "places", flat: "flat", filled: "filled"}
    return Graph("found", (x,), (flat, filled), ("flat", "filled"), (), names)


def named(*symbols):
    """The sum of inputs with one symbolic size each, which must be equal, and its negation."""
    inputs = [Value(tensor(Symbol(name), 3)) for name in symbols]
    with collecting() as assumed:
        total = inputs[0]
        for value in inputs[1:]:
            total = add(total, value)
        y = neg(total)
    names = {value: f"x{index}" for index, value in enumerate(inputs)} | {total: "sum"}
    return Graph("named", tuple(inputs), (y,), ("y",), (), names, tuple(assumed))
