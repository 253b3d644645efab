"""Floating-point operations of a node, counted from shapes: a multiplication and an addition are two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod

from xir.errors import XirError
from xir.ir.dims import Dim, Symbol, evaluate, symbols_of
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import TensorType
from xir.ops import definition

FREE = frozenset({
    "constant", "identity", "pad", "reshape", "broadcast", "transpose", "concat", "slice", "reverse", "tile", "split",
    "depth_to_space", "space_to_depth", "channel_shuffle", "shape_of", "iota", "cast", "im2col", "gather",
    "gather_elements", "gather_nd", "one_hot", "compress", "embedding", "max_unpool", "reorg", "prior_box",
    "slice_late", "squeeze_late", "unsqueeze_late", "reshape_late", "broadcast_late", "range", "trilu", "eye_like",
    "reverse_sequence", "nonzero",
})  # fmt: skip
"""Operators that only move or make elements."""

REDUCTIONS = frozenset({
    "reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "cumsum", "arg_max", "arg_min", "top_k",
    "non_max_suppression", "reduce_late", "cumprod",
})  # fmt: skip
"""Operators that look at each element of their operand once."""

MAX_PIECES = 10_000
"""Nodes of one operator's decomposition that are counted."""


class Flops:
    """Counts operations; sizes that are not known count as the smallest that they may be, at least 1."""

    def __init__(self, sizes: Mapping[Symbol, Dim] | None = None) -> None:
        """Starts with these sizes known, or none."""
        self._sizes: dict[Symbol, Dim] = dict(sizes or {})

    @property
    def assumed(self) -> tuple[str, ...]:
        """The sizes that were not known, by name, with what they counted as: `N=1`."""
        return tuple(f"{symbol.name}={size}" for symbol, size in self._sizes.items() if symbol.name is not None)

    def of(self, node: Node) -> int:
        """The operations of one node."""
        total = 0
        pending, seen = [node], {node}
        while pending and len(seen) <= MAX_PIECES:
            current = pending.pop()
            counted = self._known(current)
            if counted is None:
                pieces = [piece for piece in _pieces(current) if piece not in seen]
                seen.update(pieces)
                pending += pieces
                counted = 0 if pieces else self._elements(current.outputs)
            total += counted
        return total

    def _known(self, node: Node) -> int | None:
        """The operations of a node with a rule of its own, or that is core; None where its pieces are to be counted."""
        name = node.op.name
        if name in FREE:
            return 0
        if name in _RULES:
            return _RULES[name](self, node)
        if name in REDUCTIONS:
            return self._elements(node.inputs[:1])
        return self._elements(node.outputs) if definition(node).decompose_rule is None else None

    def shape(self, value: Value | None) -> tuple[int, ...]:
        """The sizes of a value; () where there is none."""
        if value is None or not isinstance(value.type, TensorType):
            return ()
        return tuple(self.size(dim) for dim in value.type.shape)

    def size(self, dim: Dim) -> int:
        """One size as a number."""
        for symbol in symbols_of(dim):
            self._sizes.setdefault(symbol, max(symbol.minimum, symbol.divisor, 1))
        found = evaluate(dim, self._sizes)
        return max(found, 0) if isinstance(found, int) else 1

    def _elements(self, values: Iterable[Value | None]) -> int:
        return sum(prod(self.shape(value)) for value in values if value is not None)

    def convolution(self, node: Node) -> int:
        """Every result is a sum over a window and its channels; w: [O, C / groups, window...]."""
        results = prod(self.shape(node.outputs[0]))
        bias = results if _operand(node, 2) is not None else 0
        return 2 * results * prod(self.shape(_operand(node, 1))[1:]) + bias

    def transposed(self, node: Node) -> int:
        """Every element is added to a window of every channel; w: [C, O / groups, window...]."""
        bias = prod(self.shape(node.outputs[0])) if _operand(node, 2) is not None else 0
        return 2 * prod(self.shape(_operand(node, 0))) * prod(self.shape(_operand(node, 1))[1:]) + bias

    def product(self, node: Node) -> int:
        """Every result is a sum over the shared axis, whose size is what the first operand's elements leave."""
        results = self.shape(node.outputs[0])
        rows = prod(results[:-1])
        shared = prod(self.shape(_operand(node, 0))) // rows if rows else 0
        bias = prod(results) if _operand(node, 2) is not None else 0
        return 2 * prod(results) * shared + bias

    def window(self, node: Node) -> int:
        """Every result looks at a window once."""
        return prod(self.shape(node.outputs[0])) * prod(self._sizes_in(node.attributes.get("window")))

    def _sizes_in(self, attribute: Attribute) -> tuple[int, ...]:
        return tuple(item for item in attribute if isinstance(item, int)) if isinstance(attribute, tuple) else ()


_RULES: Mapping[str, Callable[[Flops, Node], int]] = {
    "conv": Flops.convolution,
    "conv_transpose": Flops.transposed,
    "matmul": Flops.product,
    "gemm": Flops.product,
    "max_pool": Flops.window,
    "max_pool_with_indices": Flops.window,
    "average_pool": Flops.window,
    "lp_pool": Flops.window,
}
"""Operators whose work is not one operation an element."""


def _operand(node: Node, index: int) -> Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _pieces(node: Node) -> list[Node]:
    """The simpler nodes that the operator's own decomposition makes of `node`; none where it refuses."""
    rule = definition(node).decompose_rule
    if rule is None:
        return []
    try:
        made = rule(*node.inputs, **node.attributes)
    except XirError:
        return []
    ends = (made,) if isinstance(made, Value) else tuple(made)
    given = {value.node for value in node.inputs if value is not None}
    found: dict[Node, None] = {}
    pending = [value.node for value in ends]
    while pending and len(found) <= MAX_PIECES:
        current = pending.pop()
        if current is None or current in found or current in given:
            continue
        found[current] = None
        pending += [value.node for value in current.inputs if value is not None]
    return list(found)
