"""Products of queries and keys, a softmax, and the product with values become one attention.

The law holds over the reals: with D numbers a head and T keys both sides are off by at most (D + T + 16) u times the
largest value (u half a unit in the last place). A query that a mask of -infinity hides from all keys gets 0, where the
formula gives no number.

Only targets that have the operator gain (ONNX from opset 23 on): it comes apart into more operators than the formula
has. So the pass runs where it is named, and in conversions to such opsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xir.ir.dims import equal
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.ops.attention import attention
from xir.ops.shape import transpose
from xir.passes._chains import bare, made_by, private, product_of
from xir.passes._pattern import Match, node_rule

ATTENTION_OPSET = 23
"""The first ONNX operator set with Attention (onnx.defs)."""

SWAPPED = (0, 1, 3, 2)
"""The permutation of [B, H, T, D] to [B, H, D, T]."""


@dataclass(slots=True)
class _Heads:
    """What was found: queries, transposed keys, values, the mask, the scale, and the nodes."""

    q: Value
    turned: Value
    v: Value
    mask: Value | None
    scale: float
    nodes: list[Node]


def _heads(node: Node, rewriter: Rewriter) -> _Heads | None:
    weights, v = (cast("Value", value) for value in node.inputs)
    normal = made_by(weights, "softmax")
    if normal is None or v.rank != 4 or normal.attributes["axis"] != 3:
        return None
    scores = cast("Value", normal.inputs[0])
    nodes, mask = [node, normal], None
    masked = made_by(scores, "add")
    if masked is not None:
        scores, mask = (cast("Value", value) for value in masked.inputs)
        if not _is_product(scores, rewriter):
            scores, mask = mask, scores
        nodes.append(masked)
    scaled = product_of(scores, rewriter)
    product = made_by(scaled.values[0], "matmul") if len(scaled.values) == 1 else None
    if product is None:
        return None
    left, right = (product_of(cast("Value", value), rewriter) for value in product.inputs)
    if len(left.values) != 1 or len(right.values) != 1:
        return None
    nodes += [*scaled.nodes, product, *left.nodes, *right.nodes]
    scale = scaled.factor * left.factor * right.factor
    return _Heads(left.values[0], right.values[0], v, mask, scale, nodes)


def _is_product(value: Value, rewriter: Rewriter) -> bool:
    held = product_of(value, rewriter).values
    return len(held) == 1 and made_by(held[0], "matmul") is not None


def _unfit(found: _Heads) -> str | None:
    """Why the operator does not say the same, or None."""
    if found.v.dtype not in (DType.FLOAT32, DType.FLOAT64):
        return "narrow floats are widened by the operator alone"
    if not found.scale > 0:
        return "the scale is not positive"
    pairs = [(found.q.shape[axis], other.shape[axis]) for other in (found.turned, found.v) for axis in (0, 1)]
    if not all(equal(a, b) is True for a, b in (*pairs, (found.turned.shape[3], found.v.shape[2]))):
        return "queries, keys and values have different heads"
    return None if found.mask is None or _mask(found) is not None else "the mask fits no head"


def _mask(found: _Heads) -> Value | None:
    """The mask as the operator takes it: not repeated more than needed."""
    mask = cast("Value", found.mask)
    source = bare(mask)
    same_keys = source.rank == 4 and equal(source.shape[3], found.turned.shape[3]) is True
    chosen = source if same_keys else mask
    wanted = (*found.q.shape[:3], found.turned.shape[3])
    fits = chosen.rank == 4 and all(a == 1 or equal(a, b) is True for a, b in zip(chosen.shape, wanted, strict=True))
    return chosen if fits and equal(chosen.shape[3], wanted[3]) is True else None


@node_rule("matmul", exact=False)
def attention_of_softmax(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """matmul(softmax(matmul(q, transpose(k)) * s + m), v) == attention(q, k, v, m) {scale=s}"""
    found = _heads(node, rewriter)
    if found is None:
        return None
    reason = _unfit(found)
    if reason is not None:
        return reason
    return found.nodes if private(found.nodes, rewriter) else "other operators read a part of the formula"


@attention_of_softmax.build
def _(match: Match) -> Value:
    found = cast("_Heads", _heads(match.nodes[0], match.rewriter))
    made = attention(
        found.q,
        transpose(found.turned, perm=SWAPPED),
        found.v,
        None if found.mask is None else _mask(found),
        scale=found.scale,
        softcap=0.0,
        causal=False,
        left=None,
        right=None,
        precision=None,
        shown="products",
    )
    return made[0]


RULES = (attention_of_softmax,)
