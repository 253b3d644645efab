"""ONNX forms of random numbers; ONNX leaves their generator open, so that other runtimes draw other numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Fixed,
    Form,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    again,
    ints,
    onnx_value,
    operand,
    real,
    whole,
)
from xir.ir.constant import constant_of
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.random import bernoulli, dropout, multinomial, random_normal, random_uniform
from xir.ops.shape import broadcast

forms = Forms()

_FRACTIONAL = 1 << 32
"""Seeds from here on stand for the bits of a float (see the handlers of the same family)."""


def _seed(node: Node) -> float | None:
    """The seed as ONNX holds it, a float, or None where no float stands for it."""
    seed = whole(node, "seed")
    if _FRACTIONAL <= seed < 2 * _FRACTIONAL:
        return float(np.asarray(seed - _FRACTIONAL, np.uint32).view(np.float32))
    exact = float(np.float32(seed))
    return exact if exact == seed and seed < _FRACTIONAL else None


_NO_SEED = "ONNX's seeds are floats of 32 bits, none of which is this seed"


def _drawn(kind: str, names: Mapping[str, str]) -> Form:
    def form(node: Node, opset: int) -> Answer:
        """Random numbers of a shape, or of the shape of an operand."""
        seed, like = _seed(node), node.inputs[0]
        if seed is None:
            return Refusal(_NO_SEED)
        if node.attributes["dtype"] is DType.BFLOAT16 and opset < 22:
            return Refusal(f"{kind} of bf16", 22)
        attributes: dict[str, OnnxAttribute] = {theirs: real(node, ours) for theirs, ours in names.items()}
        attributes |= {"seed": seed, "dtype": onnx_value(node, "dtype")}
        if like is not None:
            return Call(f"{kind}Like", (like,), attributes)
        if node.outputs[0].tensor.static_shape is None:
            zero = constant(value=constant_of(np.zeros((), np.float32)))
            return again(node, (broadcast(zero, shape=node.outputs[0].shape),))
        return Call(kind, (), {**attributes, "shape": ints(node, "shape")})

    return form


forms.of(random_uniform)(_drawn("RandomUniform", {"low": "low", "high": "high"}))
forms.of(random_normal)(_drawn("RandomNormal", {"mean": "mean", "scale": "deviation"}))


@forms.of(bernoulli)
def _bernoulli(node: Node, opset: int) -> Answer:
    """Bernoulli."""
    seed = _seed(node)
    if seed is None:
        return Refusal(_NO_SEED)
    return Call("Bernoulli", (operand(node),), {"seed": seed, "dtype": onnx_value(node, "dtype")})


@forms.of(multinomial)
def _multinomial(node: Node, opset: int) -> Answer:
    """Multinomial."""
    seed = _seed(node)
    if seed is None:
        return Refusal(_NO_SEED)
    attributes = {"seed": seed, "dtype": onnx_value(node, "dtype"), "sample_size": whole(node, "count")}
    return Call("Multinomial", (operand(node),), attributes)


@forms.of(dropout)
def _dropout(node: Node, opset: int) -> Answer:
    """Dropout in training mode, which came with opset 12."""
    if opset < 12:
        return Refusal("Dropout in training mode", 12)
    x, ratio, training = operand(node), node.inputs[1], node.inputs[2]
    # A narrower rate would be rounded again when the file is read: f64 where the element type is f64, else f32.
    kind = DType.FLOAT64 if x.dtype is DType.FLOAT64 else DType.FLOAT32
    rate: Operand = ratio if ratio is not None else Fixed(np.asarray(real(node, "rate")).astype(kind.dtype))
    mode: Operand = training if training is not None else Fixed(np.asarray(True))
    return Call("Dropout", (x, rate, mode), {"seed": whole(node, "seed")}, precision=kind)
