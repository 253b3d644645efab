"""Normalizations of planes and of groups of channels: formulas become them, and channels' numbers go into them.

`layer_norm` from axis 2 on is `instance_norm` without scale and shift, which the channels' numbers that follow bring;
between two reshapes that put channels together it is `group_norm`, as PyTorch's exporter writes that (torch/onnx,
symbolic_opset9.py: Reshape, InstanceNormalization, Reshape, Mul, Add). Each law holds over the reals; with D elements
a plane (or group) both sides are off by at most (D + 16) u times the largest magnitude among the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ops.elementwise import add, mul
from xir.ops.norm import group_norm, instance_norm, layer_norm
from xir.ops.shape import broadcast, reshape
from xir.passes._pattern import NOT_NEAR, Match, Rule, either, rule_with
from xir.passes._weights import Wide, out_of_range, wide

NOT_CONSTANT = "scale and shift of the normalization are not constant"


def _vector(c: Value, y: Value) -> Value | None:
    """`c` as one number for each of several channels of `y`, [C], or None where it is something else."""
    channels = y.shape[1]
    if c.rank > y.rank or not isinstance(channels, int) or channels < 2:
        return None
    aligned = (*(1 for _ in range(y.rank - c.rank)), *c.shape)
    if aligned != tuple(channels if axis == 1 else 1 for axis in range(y.rank)):
        return None
    return c if c.rank == 1 else reshape(c, shape=(channels,))


def _filled(match: Match, ending: str, number: float, like: Value) -> Value:
    """A weight [C] that is `number` everywhere, of the type of `like`: [N, C, ...]."""
    node = match.nodes[1]
    layer = node.source[0].layer if node.source else node.op.name
    held = constant_of(np.full(cast("int", like.shape[1]), number, like.dtype.dtype))
    return match.rewriter.parameter(held, f"{layer}.{ending}", trainable=False)


def _alike(match: Match, name: str, number: float) -> bool:
    """Whether a matched vector is a constant of `number` everywhere."""
    held = match.constant(name)
    return held is not None and bool((wide(held.array()) == number).all())


@rule_with(exact=False)
def planes_of_layer_norm(x: Value, c: Value, epsilon: float) -> Value:
    """layer_norm(x, axis 2) * c == instance_norm(x, c, 0), and + c == instance_norm(x, 1, c), one c a channel"""
    norm = layer_norm(x, axis=2, epsilon=epsilon)
    numbers = either(broadcast.pattern(c), c)
    return either(mul(norm, numbers), add(norm, numbers))


@planes_of_layer_norm.condition
def _(match: Match) -> str | None:
    return NOT_NEAR if _vector(match.values["c"], match.values["x"]) is None else None


@planes_of_layer_norm.build
def _(x: Value, c: Value, epsilon: float, match: Match) -> Value:
    numbers = cast("Value", _vector(c, x))
    if match.nodes[0].op is mul:
        return instance_norm(x, numbers, _filled(match, "shift", 0.0, x), epsilon=epsilon)
    return instance_norm(x, _filled(match, "scale", 1.0, x), numbers, epsilon=epsilon)


def _norm(x: Value, s: Value, t: Value) -> Value:
    return either(instance_norm.pattern(x, s, t), group_norm.pattern(x, s, t))


def _with(match: Match, s: Value, t: Value) -> Value:
    node = match.nodes[1]
    return apply(node.op, (node.inputs[0], s, t), node.attributes).outputs[0]


def _replaced(match: Match, name: str, numbers: Wide) -> Value:
    """A matched vector with other numbers; it keeps its name."""
    value, rewriter = match.values[name], match.rewriter
    held = constant_of(numbers.astype(value.dtype.dtype))
    return rewriter.parameter(held, rewriter.name_of(value) or f"norm.{name}", trainable=rewriter.is_trainable(value))


def _numbers(match: Match, name: str) -> Wide | None:
    held = match.constant(name)
    return None if held is None else wide(held.array()).reshape(-1)


def _factors(match: Match) -> tuple[Wide, Wide] | None:
    """Scale and shift times the matched factor, or None where they are not known."""
    s, t, c = (_numbers(match, name) for name in "stc")
    return None if s is None or t is None or c is None else (s * c, t * c)


def _total(match: Match) -> Wide | None:
    t, c = _numbers(match, "t"), _numbers(match, "c")
    return None if t is None or c is None else t + c


def _fits(match: Match, known: Callable[[], Sequence[Wide] | None]) -> str | None:
    if _vector(match.values["c"], match.values["x"]) is None:
        return NOT_NEAR
    numbers = known()
    return NOT_CONSTANT if numbers is None else out_of_range(numbers, match.values["s"].dtype)


@rule_with(exact=False)
def factor_into_planes(x: Value, s: Value, t: Value, c: Value) -> Value:
    """instance_norm(x, s, t) * c == instance_norm(x, s * c, t * c) with one c a channel, and so for group_norm"""
    return mul(_norm(x, s, t), either(broadcast.pattern(c), c))


@factor_into_planes.condition
def _(match: Match) -> str | None:
    plain = _alike(match, "s", 1.0) and _alike(match, "t", 0.0)
    return _fits(match, lambda: () if plain else _factors(match))


@factor_into_planes.build
def _(x: Value, s: Value, t: Value, c: Value, match: Match) -> Value:
    numbers = _factors(match)
    if numbers is None or (_alike(match, "s", 1.0) and _alike(match, "t", 0.0)):
        return _with(match, cast("Value", _vector(c, x)), t)
    return _with(match, _replaced(match, "s", numbers[0]), _replaced(match, "t", numbers[1]))


@rule_with(exact=False)
def addend_into_planes(x: Value, s: Value, t: Value, c: Value) -> Value:
    """instance_norm(x, s, t) + c == instance_norm(x, s, t + c) with one c a channel, and so for group_norm"""
    return add(_norm(x, s, t), either(broadcast.pattern(c), c))


@addend_into_planes.condition
def _(match: Match) -> str | None:
    def known() -> Sequence[Wide] | None:
        total = _total(match)
        return () if _alike(match, "t", 0.0) else None if total is None else (total,)

    return _fits(match, known)


@addend_into_planes.build
def _(x: Value, s: Value, t: Value, c: Value, match: Match) -> Value:
    total = _total(match)
    if total is None or _alike(match, "t", 0.0):
        return _with(match, s, cast("Value", _vector(c, x)))
    return _with(match, s, _replaced(match, "t", total))


@rule_with(exact=False)
def group_norm_of_planes(x: Value, s: Value, t: Value, e: float) -> Value:
    """reshape(instance_norm(reshape(x), s, t)) == group_norm(x, s, t, each repeated for the channels of its group)

    The inner reshape makes [N, groups, ...] of [N, C, ...], the outer one undoes it; layer_norm from axis 2 on is
    instance_norm with s = 1 and t = 0.
    """
    grouped = reshape.pattern(x)
    return reshape.pattern(either(instance_norm.pattern(grouped, s, t), layer_norm(grouped, axis=2, epsilon=e)))


@group_norm_of_planes.condition
def _(match: Match) -> str | None:
    outer, norm, inner = match.nodes
    x, grouped = match.values["x"], inner.outputs[0]
    if x.rank < 3 or grouped.rank < 3 or outer.outputs[0].shape != x.shape or grouped.shape[0] != x.shape[0]:
        return NOT_NEAR
    channels, groups = x.shape[1], grouped.shape[1]
    if not isinstance(channels, int) or not isinstance(groups, int) or groups == channels or channels % groups:
        return NOT_NEAR
    known = norm.op is layer_norm or (match.constant("s") is not None and match.constant("t") is not None)
    return None if known else NOT_CONSTANT


@group_norm_of_planes.build
def _(match: Match, x: Value, **_variables: object) -> Value:
    norm, inner = match.nodes[1:]
    groups = cast("int", inner.outputs[0].shape[1])
    epsilon = cast("float", norm.attributes["epsilon"])
    if norm.op is layer_norm:
        s, t = _filled(match, "scale", 1.0, x), _filled(match, "shift", 0.0, x)
    else:
        s, t = (_repeated(match, name, cast("int", x.shape[1]) // groups) for name in "st")
    return group_norm(x, s, t, groups=groups, epsilon=epsilon)


def _repeated(match: Match, name: str, times: int) -> Value:
    value, rewriter = match.values[name], match.rewriter
    held: Array = np.repeat(cast("Array", _held(match, name)), times)
    called = rewriter.name_of(value) or f"group_norm.{name}"
    return rewriter.parameter(constant_of(held), called, trainable=rewriter.is_trainable(value))


def _held(match: Match, name: str) -> Array | None:
    held = match.constant(name)
    return None if held is None else held.array()


RULES: tuple[Rule, ...] = (planes_of_layer_norm, factor_into_planes, addend_into_planes, group_norm_of_planes)
