"""Products along channels: what stands between convolutions and works along the last axis works along the second, too.

A dense layer or a layer norm along the channels of `[N, H, W, C]` needs no transposes around it where `[N, C, H, W]`
comes and goes: the product is a 1x1 convolution there, the norm one over axis 1. (ConvNeXt: Liu et al., A ConvNet for
the 2020s, 2022, section 2.6.) The graph is written with operators that work in both layouts, laid out as every other
graph, and the result is taken where it has fewer transposes. What stays along the last axis is written back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from xir.ir.constant import Constant, constant_of
from xir.ir.dims import product
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, changing_weights
from xir.ops.conv import conv
from xir.ops.einsum import einsum
from xir.ops.elementwise import add, mul
from xir.ops.matmul import matmul
from xir.ops.norm import mean_variance_normalize
from xir.ops.shape import broadcast, reshape
from xir.passes._chains import bare, made_by
from xir.passes._pattern import Match, node_rule
from xir.passes._pipeline import Trace, apply_rules, count_transposes
from xir.passes._weights import SHARED_BYTES
from xir.passes.layout._assignment import assign
from xir.passes.layout._perms import Perm, identity, inverse
from xir.passes.layout._rebuild import rebuild
from xir.passes.layout._rules import RULES, Ask, Laid
from xir.passes.layout._web import Web

RANKS = (4, 5)
"""Axes of what is multiplied. Runtimes have convolutions over two axes that are as fast as a product, hardly over one
(gMLP, of three axes: a tenth slower in onnxruntime 1.31)."""


def along_channels(graph: Graph) -> Graph:
    """The graph with products and norms along the second axis where that leaves fewer transposes; else the graph."""
    perms = {node.attributes["perm"] for node in graph.nodes if node.op.name == "transpose"}
    if not any({_first(rank), inverse(_first(rank))} <= perms for rank in RANKS):
        return graph
    opened = apply_rules(graph, (rows_as_sum, norm_as_moments), Trace())
    web = Web.of(opened, {**RULES, "einsum": _product_in(opened)})
    assign(web)
    if not any(node.op is einsum for node in web.states):
        return graph
    laid = rebuild(web)
    if count_transposes(laid) >= count_transposes(graph):
        return graph
    return apply_rules(laid, (sum_as_convolution, sum_as_rows), Trace())


_PLAIN = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False}
"""Of a gemm that multiplies and adds, and nothing else."""


def _equation(rank: int, axis: int) -> str:
    """The product with a matrix along `axis` of a tensor of `rank` axes."""
    before, after = ([*"abcd"[: rank - 1]] for _ in range(2))
    before.insert(axis, "y")
    after.insert(axis, "z")
    return f"{''.join(before)},yz->{''.join(after)}"


def _first(rank: int) -> Perm:
    return 0, rank - 1, *range(1, rank - 1)


def _is_rows(node: Node) -> bool:
    rank = node.outputs[0].rank
    return rank in RANKS and node.attributes["equation"] == _equation(rank, rank - 1)


def _product_in(graph: Graph) -> Ask:
    """The rule of products with constant matrices: one along the last axis is one along the second."""
    changing = changing_weights(graph)

    def ask(node: Node, place: int, perm: Perm) -> Laid | None:
        rank = len(perm)
        if place == 1 or not _is_rows(node) or perm not in (identity(rank), _first(rank)):
            return None
        w = cast("Value", node.inputs[1])
        if w in changing or graph.constant_of(w) is None:
            return None
        return Laid((perm, None), (perm,), {"equation": _equation(rank, perm.index(rank - 1))})

    return ask


def _rows(node: Node) -> tuple[Node, Node] | None:
    """The product and the flattening before it, where `node` brings back the axes of what is multiplied."""
    made = made_by(node.inputs[0], "matmul", "gemm")
    flat = None if made is None else made_by(made.inputs[0], "reshape")
    if made is None or flat is None or node.inputs[1] is not None or flat.inputs[1] is not None:
        return None
    x, y, inner = cast("Value", flat.inputs[0]), node.outputs[0], cast("Value", made.inputs[0])
    plain = made.op.name == "matmul" or all(made.attributes[name] == value for name, value in _PLAIN.items())
    fits = x.rank in RANKS and x.shape[:-1] == y.shape[:-1] and inner.shape[1:] == x.shape[-1:]
    return (made, flat) if plain and fits and inner.rank == 2 and x.dtype.is_floating else None


@node_rule("reshape", exact=False)
def rows_as_sum(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """reshape(gemm(reshape(x), w, c)) == einsum(x, w) + c, the product along the last axis with constant weights"""
    found = _rows(node)
    if found is None:
        return None
    made, flat = found
    w = cast("Value", made.inputs[1])
    held = rewriter.constant_of(w)
    if held is None or (held.nbytes > SHARED_BYTES and rewriter.uses(w) > 1):
        return "the weights are not constant, or have several readers"
    addend = _addend(made)
    if rewriter.uses(made.outputs[0]) > 1 or (addend is not None and addend.rank > 1):
        return "the product has several readers, or adds more than one number a column"
    return node, made, flat


def _addend(made: Node) -> Value | None:
    """What a gemm adds, before it is repeated."""
    held = made.inputs[2] if made.op.name == "gemm" else None
    return None if held is None else bare(held)


@rows_as_sum.build
def _(match: Match) -> Value:
    node, made, flat = match.nodes
    x = cast("Value", flat.inputs[0])
    result = einsum(x, cast("Value", made.inputs[1]), equation=_equation(x.rank, x.rank - 1))
    addend = _addend(made)
    return result if addend is None else add(result, broadcast(addend, shape=node.outputs[0].shape))


@node_rule("layer_norm", exact=False)
def norm_as_moments(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """layer_norm(x, s, b) == mean_variance_normalize(x) * s + b along the last of four axes or more"""
    rank = node.outputs[0].rank
    return (node,) if rank in RANKS and node.attributes["axis"] == rank - 1 else None


@norm_as_moments.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    x, scale, shift = node.inputs
    axes, epsilon = (node.outputs[0].rank - 1,), cast("float", node.attributes["epsilon"])
    made = mean_variance_normalize(cast("Value", x), axes=axes, normalize_variance=True, epsilon=epsilon, outside=False)
    if scale is not None:
        made = mul(made, broadcast(scale, shape=made.shape))
    return made if shift is None else add(made, broadcast(shift, shape=made.shape))


@node_rule("einsum", exact=False)
def sum_as_convolution(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """einsum(x, w) == conv(x, transpose(w)) with a window of 1, the product along the second axis"""
    rank = node.outputs[0].rank
    return (node,) if rank in RANKS and node.attributes["equation"] == _equation(rank, 1) else None


@sum_as_convolution.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    x, w = (cast("Value", value) for value in node.inputs)
    rewriter, spatial = match.rewriter, x.rank - 2
    array = cast("Constant", rewriter.constant_of(w)).array().T
    window = constant_of(np.ascontiguousarray(array).reshape(*array.shape, *(1,) * spatial))
    name = rewriter.name_of(w) or "conv.weight"
    one, none = (1,) * spatial, ((0, 0),) * spatial
    return conv(
        x, rewriter.parameter(window, name, trainable=rewriter.is_trainable(w)),
        strides=one, padding=none, dilation=one, input_dilation=one, groups=1,
    )  # fmt: skip


@node_rule("einsum", exact=False)
def sum_as_rows(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """einsum(x, w) == reshape(matmul(reshape(x), w)), the product along the last axis"""
    return (node,) if _is_rows(node) else None


@sum_as_rows.build
def _(match: Match) -> Value:
    (node,) = match.nodes
    x, w = (cast("Value", value) for value in node.inputs)
    rows = matmul(reshape(x, shape=(product(x.shape[:-1]), x.shape[-1])), w)
    return reshape(rows, shape=node.outputs[0].shape)
