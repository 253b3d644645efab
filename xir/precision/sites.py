"""Which operands of which operators are weights, and along which axes they are scaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xir.ir.constant import Constant
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.precision.integers import constant_behind


@dataclass(frozen=True, slots=True)
class Site:
    """One weight of a node.

    Attributes:
        place: which operand it is.
        value: the weight itself; the operand repeats it where it has more axes.
        constant: its elements.
        axis: the axis of the output channels, which have a scale each; None where one scale must do.
        inner: the axis along which products are summed, which is cut into blocks; None where blocks would not fit.
    """

    place: int
    value: Value
    constant: Constant
    axis: int | None
    inner: int | None


Lookup = Callable[[Value], Constant | None]
Axes = Callable[[Node], "tuple[int | None, int | None]"]


def _conv(node: Node) -> tuple[int | None, int | None]:
    return 0, 1


def _conv_transpose(node: Node) -> tuple[int | None, int | None]:
    """Weights [C, O / groups, window...]: several groups share a place of the second axis."""
    return (1 if node.attributes["groups"] == 1 else None), None


def _gemm(node: Node) -> tuple[int | None, int | None]:
    return (0, 1) if node.attributes["transpose_b"] else (1, 0)


_SITES: Mapping[str, tuple[tuple[int, Axes], ...]] = {
    "conv": ((1, _conv),),
    "conv_transpose": ((1, _conv_transpose),),
    "embedding": ((1, lambda node: (0, 1)),),
    "gather": ((0, lambda node: (0, 1)),),
    "gemm": ((1, _gemm),),
    "gru": ((1, lambda node: (1, 2)), (2, lambda node: (1, 2))),
    "lstm": ((1, lambda node: (1, 2)), (2, lambda node: (1, 2))),
    "matmul": ((1, lambda node: (1, 0)),),
    "rnn": ((1, lambda node: (1, 2)), (2, lambda node: (1, 2))),
}
"""{operator: its weights and their axes}."""

LAYERS = ("conv", "gemm", "matmul")
"""The operators that compute in integers."""

WEIGHTED = tuple(_SITES)
"""The operators that have weights."""


def sites(node: Node, constant_of: Lookup) -> tuple[Site, ...]:
    """The weights of a node in f32; others are no weights of ours."""
    found: list[Site] = []
    for place, axes in _SITES.get(node.op.name, ()):
        operand = node.inputs[place]
        value = constant_behind(operand)
        held = None if value is None else constant_of(value)
        if value is None or operand is None or held is None or held.dtype is not DType.FLOAT32 or not held.elements:
            continue
        if node.op.name == "matmul" and held.shape[:-2] == (1,) * (len(held.shape) - 2):
            held = held.reshaped(held.shape[-2:])
        plain = node.op.name in ("matmul", "gather", "embedding")
        if (plain and len(held.shape) != 2) or (not plain and value is not operand):
            continue
        axis, inner = axes(node)
        found.append(Site(place, value, held, axis, inner))
    return tuple(found)
