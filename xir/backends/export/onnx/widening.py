"""An operator in an element type that holds more, cast there and back, where the results are those of its own type.

Three reasons make that exact: elements that are only moved come back as they were; integers of n bits that are computed
in more bits and cut off again are what they are in n bits (arithmetic modulo 2^n), and compare alike; floats of 16 bits
and fewer are computed in f32 and rounded once, as the operators' references do (`xir.ops._numeric.in_float32`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from xir.backends.export.onnx._form import again
from xir.errors import XirError
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops.bitwise import bitwise_xor
from xir.ops.elementwise import cast


def _named(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MOVING: Final = _named(
    "assume_shape broadcast broadcast_late center_crop_pad compress concat depth_to_space equal gather "
    "gather_elements gather_nd identity not_equal pad reshape reshape_late reverse reverse_sequence select slice "
    "slice_late space_to_depth split squeeze_late tile transpose trilu unsqueeze_late nonzero eye_like"
)
"""Operators that move elements about, choose among them, or ask whether they are alike."""

_SCATTERING: Final = frozenset(("scatter_elements", "scatter_nd"))
"""Operators that move elements about unless they reduce them."""

_COUNTING: Final = _named(
    "abs add arg_max arg_min bitwise_and bitwise_not bitwise_or bitwise_xor clip cumprod cumsum div einsum "
    "greater greater_equal less less_equal matmul maximum minimum mod mul neg one_hot range reduce_max "
    "reduce_min reduce_prod reduce_sum reduce_sum_square relu sign sub top_k unique lookup"
)
"""Operators on integers whose results in n bits are those in more bits, cut off."""

_MODULAR: Final = _named("add bitwise_and bitwise_not bitwise_or bitwise_xor mul neg sub")
"""Those of them that do not even ask for the sign: u64 may be i64."""

_ORDERING: Final = _named(
    "arg_max arg_min greater greater_equal less less_equal maximum minimum reduce_max reduce_min top_k"
)
"""Those that ask which number is larger: u64 may be i64 whose highest bit is turned over."""

_CONVERTING: Final = _named(
    "bit_cast cast cast_map dynamic_quantize number_to_text quantize quantized_conv quantized_matmul "
    "saturating_cast scale_cast text_to_number random_normal random_uniform bernoulli multinomial dropout "
    "shape_of optional optional_get optional_has optional_none"
)
"""Operators in which an element type is what they are about, or whose results are drawn."""

_HIGHEST_BIT: Final = -(1 << 63)

_ASIDE: Final[Mapping[str, int]] = {"select": 0, "compress": 1}
"""{operator: its operand that says which elements are meant}: it stays what it is."""

_PRECISE: Final = frozenset(("dft", "stft"))
"""Operators that a runtime may compute in f64 and round once, where its own f32 loses digits."""

_WIDER: Final[Mapping[DType, tuple[DType, ...]]] = {
    DType.BOOL: (DType.UINT8, DType.INT32),
    DType.INT2: (DType.INT8, DType.INT32),
    DType.UINT2: (DType.UINT8, DType.INT32),
    DType.INT4: (DType.INT8, DType.INT32),
    DType.UINT4: (DType.UINT8, DType.INT32),
    DType.INT8: (DType.INT32, DType.INT64, DType.FLOAT32),
    DType.UINT8: (DType.INT32, DType.INT64, DType.FLOAT32),
    DType.INT16: (DType.INT32, DType.INT64, DType.FLOAT32),
    DType.UINT16: (DType.INT32, DType.INT64, DType.FLOAT32),
    DType.INT32: (DType.INT64, DType.FLOAT64),
    DType.UINT32: (DType.INT64, DType.FLOAT64),
    DType.UINT64: (DType.INT64,),
    DType.FLOAT32: (DType.FLOAT64,),
    **dict.fromkeys(
        (dtype for dtype in DType if dtype.is_floating and dtype.bits <= 16), (DType.FLOAT32, DType.FLOAT64)
    ),
}
"""Element types that hold every number of another (i64 every bit of a u64), the narrow ones first."""


def widenings(node: Node) -> Iterator[tuple[tuple[Value, ...], Node]]:
    """The ways to compute a node exactly in another element type: its results, and the node that computes them."""
    if any(isinstance(value, Graph) for value in node.attributes.values()):
        return
    for dtype in _dtypes(node):
        for wide in _WIDER.get(dtype, ()):
            if _is_exact(node, dtype, wide):
                made = _widened(node, dtype, wide)
                if made is not None:
                    yield made


def _dtypes(node: Node) -> tuple[DType, ...]:
    """The element types of operands and results, each once."""
    values = [value for value in (*node.inputs, *node.outputs) if value is not None]
    return tuple(dict.fromkeys(value.type.dtype for value in values if isinstance(value.type, TensorType)))


def _is_exact(node: Node, dtype: DType, wide: DType) -> bool:
    name = node.op.name
    if name in _MOVING or (name in _SCATTERING and node.attributes["reduction"] == "none"):
        return dtype is not DType.FLOAT32
    if dtype.is_floating:
        return name in _PRECISE if dtype is DType.FLOAT32 else dtype.bits == 16 and name not in _CONVERTING
    if not dtype.is_integer or wide.is_floating or _of_nothing(node):
        return False
    return name in (_MODULAR | _ORDERING if dtype is DType.UINT64 else _COUNTING)


def _of_nothing(node: Node) -> bool:
    """Whether the largest or smallest of no elements may be asked for: the limit of the type."""
    x = node.inputs[0]
    return "reduce_m" in node.op.name and x is not None and 0 in x.shape


def _widened(node: Node, dtype: DType, wide: DType) -> tuple[tuple[Value, ...], Node] | None:
    """The results by way of `wide`, or None where the operator does not take it."""

    def there(place: int, value: Value | None) -> Value | None:
        if value is None or not isinstance(value.type, TensorType) or value.dtype is not dtype:
            return value
        return value if _ASIDE.get(node.op.name) == place else turned(cast(value, dtype=wide))

    def turned(value: Value) -> Value:
        flips = dtype is DType.UINT64 and node.op.name in _ORDERING
        return bitwise_xor(value, scalar_like(value, _HIGHEST_BIT)) if flips else value

    def back(made: Value, wanted: Value) -> Value | None:
        if made.type == wanted.type:
            return made
        if not isinstance(made.type, TensorType) or not isinstance(wanted.type, TensorType):
            return None
        return made if made.dtype is wanted.dtype else cast(turned(made), dtype=wanted.dtype)

    changes = {name: _attribute(value, dtype, wide) for name, value in node.attributes.items()}
    inputs = tuple(there(place, value) for place, value in enumerate(node.inputs))
    if all(new is old for new, old in zip(inputs, node.inputs, strict=True)) and changes == dict(node.attributes):
        return None
    try:
        made = again(node, inputs, **changes)
        results = tuple(map(back, made, node.outputs))
    except XirError:
        return None
    inner = made[0].node
    return None if inner is None or any(result is None for result in results) else (_present(results), inner)


def _attribute(value: Attribute, dtype: DType, wide: DType) -> Attribute:
    """The attribute, an element type or elements in it widened."""
    if isinstance(value, Constant) and value.dtype is dtype:
        return constant_of(value.array().astype(wide.dtype))
    return wide if value is dtype else value


def _present(results: tuple[Value | None, ...]) -> tuple[Value, ...]:
    return tuple(result for result in results if result is not None)


Accepts = Callable[[Node], bool]


def widened(node: Node, accepts: Accepts) -> tuple[Value, ...] | None:
    """The node's results by way of the first element type in which `accepts` takes its operator, or None."""
    for results, inner in widenings(node):
        if accepts(inner):
            return results
    return None
