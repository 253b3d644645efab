"""Formulas that are a normalisation become it: layer norm and RMS norm, their scales and shifts.

Each law holds over the reals. The formula and the operator sum in different orders: over D elements both are off by at
most (D + 16) u times the largest magnitude among the results (u half a unit in the last place), as far as the variance
is not small against epsilon. A normalisation that a target does not have comes apart into the same operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.ops.elementwise import add, mul
from xir.ops.norm import layer_norm
from xir.ops.norm_length import rms_norm
from xir.ops.shape import broadcast, reshape
from xir.passes._chains import bare, made_by, private, with_number
from xir.passes._pattern import NOT_NEAR, Match, either, node_rule, rule_with

WIDE = (DType.FLOAT32, DType.FLOAT64)
"""Types in which formula and operator compute alike: narrower ones are widened by the operator alone."""

READ = "other operators read a part of the formula"
"""Why a formula is kept."""


@dataclass(slots=True)
class _Root:
    """x / sqrt(mean(x^2) + epsilon): x, the first of the axes from which on it is, epsilon, and the nodes."""

    x: Value
    axis: int
    epsilon: float
    nodes: list[Node]


def _normalized(node: Node, rewriter: Rewriter) -> _Root | None:
    """What `node` divides by its own root mean square."""
    for x, other in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
        found = _divided(node, cast("Value", x), cast("Value", other), rewriter)
        if found is not None:
            return found
        if node.op.name == "div":
            return None
    return None


def _divided(node: Node, x: Value, other: Value, rewriter: Rewriter) -> _Root | None:
    nodes = [node]
    if made_by(other, "broadcast") is not None:
        nodes.append(cast("Node", other.node))
        other = bare(other)
    if node.op.name == "mul":
        turned = made_by(other, "reciprocal")
        if turned is None:
            return None
        nodes.append(turned)
        other = cast("Value", turned.inputs[0])
    root = made_by(other, "sqrt")
    held = None if root is None else with_number(root.inputs[0], "add", rewriter)
    mean = None if held is None else made_by(held[1], "reduce_mean")
    if root is None or held is None or mean is None:
        return None
    square = _square_of(cast("Value", mean.inputs[0]), x, rewriter)
    axis = _last_axes(mean, x)
    if square is None or axis is None:
        return None
    return _Root(x, axis, held[2], [*nodes, root, held[0], mean, square])


def _square_of(value: Value, x: Value, rewriter: Rewriter) -> Node | None:
    product = made_by(value, "mul")
    if product is not None and product.inputs == (x, x):
        return product
    held = with_number(value, "pow", rewriter)
    return held[0] if held is not None and held[0].inputs[0] is x and held[2] == 2 else None


def _last_axes(mean: Node, x: Value) -> int | None:
    """The first of the axes that a mean is taken over, where these are all from there on."""
    axes = cast("tuple[int, ...]", mean.attributes["axes"])
    if not axes or not mean.attributes["keep_dims"] or sorted(axes) != list(range(x.rank - len(axes), x.rank)):
        return None
    return min(axes)


def _centred(x: Value) -> tuple[Value, list[Node]] | None:
    """Y and the nodes where `x` is y - mean(y)."""
    difference = made_by(x, "sub")
    if difference is None:
        return None
    y, other = (cast("Value", value) for value in difference.inputs)
    repeated = [] if made_by(other, "broadcast") is None else [cast("Node", other.node)]
    mean = made_by(bare(other), "reduce_mean")
    if mean is None or mean.inputs[0] is not y:
        return None
    return y, [difference, *repeated, mean]


def _layer(node: Node, rewriter: Rewriter) -> _Root | None:
    root = _normalized(node, rewriter)
    centred = None if root is None else _centred(root.x)
    if root is None or centred is None or _last_axes(centred[1][-1], root.x) != root.axis:
        return None
    return _Root(centred[0], root.axis, root.epsilon, [*root.nodes, *centred[1]])


def _accepted(found: _Root | None, rewriter: Rewriter) -> Sequence[Node] | str | None:
    if found is None or found.x.dtype not in WIDE:
        return None
    return found.nodes if private(found.nodes, rewriter) else READ


@node_rule("div", "mul", exact=False)
def layer_norm_of_means(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """D / sqrt(mean(d^2) + epsilon) == layer_norm(x) where d = x - mean(x), over the last axes"""
    return _accepted(_layer(node, rewriter), rewriter)


@layer_norm_of_means.build
def _(match: Match) -> Value:
    found = cast("_Root", _layer(match.nodes[0], match.rewriter))
    return layer_norm(found.x, axis=found.axis, epsilon=found.epsilon)


@node_rule("div", "mul", exact=False)
def rms_norm_of_mean(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """X / sqrt(mean(x^2) + epsilon) == rms_norm(x) over the last axes"""
    found = _normalized(node, rewriter)
    return None if found is not None and _centred(found.x) is not None else _accepted(found, rewriter)


@rms_norm_of_mean.build
def _(match: Match) -> Value:
    found = cast("_Root", _normalized(match.nodes[0], match.rewriter))
    return rms_norm(found.x, axis=found.axis, epsilon=found.epsilon)


@dataclass(slots=True)
class _Moments:
    """(x - mean) / sqrt(variance + epsilon) * scale + shift, taken apart; the nodes as they were met."""

    nodes: list[Node]
    x: Value
    axis: int = 0
    epsilon: float = 0.0
    scale: Value | None = None
    shift: Value | None = None

    def bare(self, value: Value | None) -> Value:
        """What a broadcast repeats, which is then a part of the formula."""
        made = made_by(value, "broadcast")
        if made is not None and made.inputs[1] is None:
            self.nodes.append(made)
            value = made.inputs[0]
        return cast("Value", value)

    def made(self, value: Value | None, kind: str) -> Node | None:
        """The node of an operator that makes the value, which may be repeated."""
        found = made_by(self.bare(value), kind)
        if found is not None:
            self.nodes.append(found)
        return found


def _moments(node: Node, rewriter: Rewriter) -> _Moments | None:
    """What `node` adds up, where it is x * r + (shift - mean * r) with r = scale / sqrt(variance + epsilon)."""
    for first, second in ((0, 1), (1, 0)):
        product = made_by(node.inputs[first], "mul")
        if product is None or made_by(bare(cast("Value", node.inputs[second])), "sub", "add", "mul") is None:
            continue
        for place in (0, 1):
            found = _Moments([node, product], cast("Value", product.inputs[place]))
            if _taken_apart(found, product.inputs[1 - place], node.inputs[second], rewriter):
                return found
    return None


def _taken_apart(found: _Moments, factor: Value | None, rest: Value | None, rewriter: Rewriter) -> bool:
    """Notes the parts of the formula, whether or not it is one."""
    factor = found.bare(factor)
    mean = _subtracted(found, found.bare(rest), factor)
    turned = _turned(found, factor)
    if mean is None or turned is None or mean.inputs[0] is not found.x:
        return False
    found.nodes.append(mean)
    return _is_variance(found, turned.inputs[0], mean, rewriter)


def _subtracted(found: _Moments, rest: Value, factor: Value) -> Node | None:
    """The mean where `rest` is shift - mean * factor, or -mean * factor + shift, or -mean * factor alone."""
    total = made_by(rest, "sub", "add")
    parts = [rest]
    if total is not None:
        found.nodes.append(total)
        parts = [found.bare(value) for value in total.inputs]
    taken = parts[1:] if total is not None and total.op.name == "sub" else parts
    moved = next((value for value in taken if _is_times(value, factor)), None)
    product = None if moved is None else found.made(moved, "mul")
    if product is None:
        return None
    found.shift = next((value for value in parts if value is not moved), None)
    operands = [found.bare(value) for value in product.inputs]
    mean = operands[1 - operands.index(factor)]
    if total is None or total.op.name == "add":
        negated = found.made(mean, "neg")
        if negated is None:
            return None
        mean = found.bare(negated.inputs[0])
    return made_by(mean, "reduce_mean")


def _is_times(value: Value, factor: Value) -> bool:
    made = made_by(value, "mul")
    return made is not None and any(bare(cast("Value", each)) is factor for each in made.inputs)


def _turned(found: _Moments, factor: Value) -> Node | None:
    """1 / sqrt(variance + epsilon), which may be scaled."""
    scaled = found.made(factor, "mul")
    if scaled is None:
        return found.made(factor, "reciprocal")
    for place in (0, 1):
        turned = found.made(scaled.inputs[place], "reciprocal")
        if turned is not None:
            found.scale = found.bare(scaled.inputs[1 - place])
            return turned
    return None


def _is_variance(found: _Moments, value: Value | None, mean: Node, rewriter: Rewriter) -> bool:
    """Whether `value` is sqrt(mean((x - mean)^2) + epsilon) over the last axes."""
    root = found.made(value, "sqrt")
    held = None if root is None else with_number(root.inputs[0], "add", rewriter)
    spread = None if held is None else made_by(held[1], "reduce_mean")
    axis = _last_axes(mean, found.x)
    if held is None or spread is None or axis is None or spread.attributes != mean.attributes:
        return False
    squared = cast("Value", spread.inputs[0])
    node = made_by(squared, "mul", "pow")
    difference = None if node is None else made_by(node.inputs[0], "sub")
    square = None if difference is None else _square_of(squared, difference.outputs[0], rewriter)
    if square is None or difference is None or difference.inputs[0] is not found.x:
        return False
    found.axis, found.epsilon = axis, held[2]
    found.nodes += [held[0], spread, square, difference]
    return found.bare(difference.inputs[1]) is mean.outputs[0]


@node_rule("add", exact=False)
def layer_norm_of_moments(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """X * r + (b - mean * r) == layer_norm(x) * s + b where r = s / sqrt(variance + epsilon), over the last axes

    As TensorFlow writes it (nn_impl.py, batch_normalization after moments): Keras's layer and group normalizations.
    Keras 3 writes x * r + (-mean * r + b), without b where a layer has none (keras/src/ops/nn.py, layer_normalization).
    """
    found = _moments(node, rewriter)
    if found is None or found.x.dtype not in WIDE:
        return None
    nodes = list(dict.fromkeys(found.nodes))
    return nodes if private(nodes, rewriter) else READ


@layer_norm_of_moments.build
def _(match: Match) -> Value:
    found = cast("_Moments", _moments(match.nodes[0], match.rewriter))
    made = layer_norm(found.x, axis=found.axis, epsilon=found.epsilon)
    if found.scale is not None:
        made = mul(made, broadcast(found.scale, shape=made.shape))
    return made if found.shift is None else add(made, broadcast(found.shift, shape=made.shape))


@node_rule("mean_variance_normalize", exact=False)
def layer_norm_of_standardized(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """mean_variance_normalize(x) == layer_norm(x) over the last axes, epsilon under the root"""
    x, axes = cast("Value", node.inputs[0]), sorted(cast("tuple[int, ...]", node.attributes["axes"]))
    plain = node.attributes["normalize_variance"] and not node.attributes["outside"]
    return (node,) if plain and axes and axes == list(range(x.rank - len(axes), x.rank)) else None


@layer_norm_of_standardized.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    axes, epsilon = cast("tuple[int, ...]", node.attributes["axes"]), cast("float", node.attributes["epsilon"])
    return layer_norm(cast("Value", node.inputs[0]), axis=min(axes), epsilon=epsilon)


def _parameter(match: Match) -> Value | None:
    """The matched `c` in the shape of the normalised axes of the second node, or None where it has another."""
    node, c = match.nodes[1], match.values["c"]
    x = cast("Value", node.inputs[0])
    wanted = x.shape[cast("int", node.attributes["axis"]) :]
    own = c.shape[max(0, c.rank - len(wanted)) :]
    if own != wanted or any(size != 1 for size in c.shape[: max(0, c.rank - len(wanted))]):
        return None
    if c.rank == len(wanted):
        return c
    return reshape(c, shape=wanted) if match.constant("c") is not None else None


def _fits(match: Match) -> str | None:
    return None if _parameter(match) is not None else NOT_NEAR


@rule_with(exact=False)
def scale_into_norm(x: Value, c: Value, axis: int, epsilon: float) -> Value:
    """layer_norm(x) * c == layer_norm(x, c), and so for rms_norm"""
    norm = either(layer_norm(x, axis=axis, epsilon=epsilon), rms_norm(x, axis=axis, epsilon=epsilon))
    return mul(norm, either(broadcast.pattern(c), c))


scale_into_norm.condition(_fits)


@scale_into_norm.build
def _(x: Value, axis: int, epsilon: float, match: Match, **_: object) -> Value:
    op = layer_norm if match.nodes[1].op is layer_norm else rms_norm
    return op(x, _parameter(match), axis=axis, epsilon=epsilon)


@rule_with(exact=False)
def shift_into_layer_norm(x: Value, s: Value, c: Value, axis: int, epsilon: float) -> Value:
    """layer_norm(x, s) + c == layer_norm(x, s, c)"""
    return add(layer_norm(x, s, axis=axis, epsilon=epsilon), either(broadcast.pattern(c), c))


shift_into_layer_norm.condition(_fits)


@shift_into_layer_norm.build
def _(x: Value, s: Value, axis: int, epsilon: float, match: Match, **_: object) -> Value:
    return layer_norm(x, s, _parameter(match), axis=axis, epsilon=epsilon)


RULES = (
    layer_norm_of_means,
    layer_norm_of_moments,
    layer_norm_of_standardized,
    rms_norm_of_mean,
    scale_into_norm,
    shift_into_layer_norm,
)
