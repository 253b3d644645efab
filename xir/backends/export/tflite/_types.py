"""Which element types the kernels of LiteRT compute in, and the wider ones that stand in for others.

The types are those that the kernels' Prepare and Eval take without scales (tensorflow/lite/kernels/*.cc).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xir.backends.export.tflite._form import Refusal
from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import cast

_F32 = frozenset({DType.FLOAT32})
_SMALL = _F32 | {DType.INT32}
_NUMBERS = _SMALL | {DType.INT64}
_MOVED = _NUMBERS | {DType.INT8, DType.UINT8, DType.INT16, DType.BOOL}
_CAST = _MOVED | {DType.FLOAT16, DType.UINT16, DType.UINT32, DType.FLOAT64}
BITS = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.UINT32})
"""Whole numbers whose bits are computed with."""


TYPES: Mapping[str, frozenset[DType]] = MappingProxyType(
    {
        **dict.fromkeys(("add", "sub", "mul", "mod", "neg", "abs", "minimum", "maximum", "clip", "sign"), _NUMBERS),
        **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "cumsum", "range"), _NUMBERS),
        **dict.fromkeys(("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "top_k"), _NUMBERS),
        **dict.fromkeys(("scatter_nd", "scatter_elements"), _NUMBERS),
        **dict.fromkeys(("equal", "not_equal"), _NUMBERS | {DType.BOOL}),
        **dict.fromkeys(("div", "pow", "arg_max", "arg_min"), _SMALL),
        **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "logical_not"), frozenset({DType.BOOL})),
        **dict.fromkeys(("bitwise_xor", "bitwise_not", "shift_right"), BITS),
        **dict.fromkeys(
            (
                *("select", "concat", "slice", "pad", "split", "tile", "gather", "gather_elements", "reverse"),
                *("reshape", "broadcast"),
                *("transpose", "nonzero", "shape_of", "assume_shape"),
            ),
            _MOVED,
        ),
        "cast": _CAST,
    }
)
"""{operator: the element types of its kernel}; operators that are not here compute in f32 alone."""

_WIDER = {
    DType.FLOAT16: DType.FLOAT32,
    DType.INT8: DType.INT32,
    DType.UINT8: DType.INT32,
    DType.INT16: DType.INT32,
    DType.UINT16: DType.INT32,
    DType.UINT32: DType.INT64,
    DType.BOOL: DType.INT32,
}

_ANY = frozenset({"constant", "if", "loop", "scan", "quantize", "dequantize", "identity", "iota"})
"""Operators whose forms look at types themselves."""


_FIRST = frozenset(
    (
        *("gather", "gather_elements", "reshape", "broadcast", "slice", "pad", "tile", "split", "cumsum"),
        "top_k",
    )
)
"""Operators whose first operand alone is computed with; the others are places and sizes."""


_LENGTHS = 4
"""Which operand of a recurrent layer the lengths of the sequences are."""


def checked(node: Node) -> Refusal | tuple[Value, ...] | None:
    """The node in wider types where the kernel does not take its own, a refusal where it takes none, or None."""
    if node.op.name in _ANY:
        return None
    kinds = TYPES.get(node.op.name, _F32)
    odd: set[DType] = set()
    for value in (*node.inputs, *node.outputs):
        if value is None:
            continue
        if not isinstance(value.type, TensorType):
            return Refusal("a value that is no tensor of known rank")
        if value.dtype not in kinds | _CAST:
            return Refusal(f"TFLite computes with no {value.dtype}")
    judged = _judged(node)
    odd = {value.dtype for value in judged if value.dtype not in kinds}
    if not odd:
        return None
    wide = {_WIDER.get(dtype) for dtype in odd}
    if not wide <= kinds:
        return Refusal(f"TFLite has no {node.op.name} of {min(map(str, odd))}")
    return _widened(node, odd)


def _judged(node: Node) -> list[Value]:
    """The operands whose element type is that of the computation."""
    values = [value for value in node.inputs if value is not None]
    match node.op.name:
        case "select":
            return values[1:]
        case "scatter_nd" | "scatter_elements":
            return [values[0], values[2]]
        case "non_max_suppression":
            return values[:2]
        case "lstm" | "gru" | "rnn":
            return [value for value in values if value is not node.inputs[_LENGTHS]]
        case _ if node.op.name in _FIRST:
            return values[:1]
        case _:
            return values


def _widened(node: Node, odd: set[DType]) -> tuple[Value, ...]:
    judged = _judged(node)
    inputs = [
        cast(value, dtype=_WIDER[value.dtype])
        if value is not None and value in judged and value.dtype in odd
        else value
        for value in node.inputs
    ]
    made = apply(node.op, tuple(inputs), node.attributes)
    return tuple(
        one if one.dtype is other.dtype else cast(one, dtype=other.dtype)
        for one, other in zip(made.outputs, node.outputs, strict=True)
    )
