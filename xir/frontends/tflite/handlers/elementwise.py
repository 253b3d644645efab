"""Arithmetic, comparisons and logic, element by element; operands broadcast."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.site import Handler, Site, as_dtype, literal
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import bitwise, compare, elementwise, trigonometry
from xir.ops._angle import atan2
from xir.ops._build import scalar_like
from xir.ops.cast import bit_cast
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("tflite")
raw: Handlers[Handler] = Handlers("tflite")

Binary = Callable[[Value, Value], Value]
Unary = Callable[[Value], Value]


def _fused(combine: Binary, *ignored: str) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        site.ignore(*ignored)
        return site.activated(combine(*site.aligned(x, y)))

    return handler


def _plain(combine: Binary) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        return combine(*site.aligned(x, y))

    return handler


def _alone(change: Unary) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        return change(x)

    return handler


def _squared_difference(x: Value, y: Value) -> Value:
    difference = elementwise.sub(x, y)
    return elementwise.mul(difference, difference)


def _floor_div(x: Value, y: Value) -> Value:
    if x.dtype.is_floating:
        return elementwise.floor(elementwise.div(x, y))
    return elementwise.div(elementwise.sub(x, elementwise.mod(x, y, floored=True)), y)


def _floor_mod(x: Value, y: Value) -> Value:
    return elementwise.mod(x, y, floored=True)


def _reciprocal_root(x: Value) -> Value:
    return elementwise.reciprocal(elementwise.sqrt(x))


def _square(x: Value) -> Value:
    return elementwise.mul(x, x)


def _zeros(x: Value) -> Value:
    return scalar_like(x, 0)


for _kind, _combine in {"ADD": elementwise.add, "SUB": elementwise.sub}.items():
    handlers.add(_kind, _fused(_combine, "pot_scale_int16"))
for _kind, _combine in {"MUL": elementwise.mul, "DIV": elementwise.div}.items():
    handlers.add(_kind, _fused(_combine))
_BINARY: dict[str, Binary] = {
    "MAXIMUM": elementwise.maximum,
    "MINIMUM": elementwise.minimum,
    "POW": elementwise.pow_,
    "SQUARED_DIFFERENCE": _squared_difference,
    "FLOOR_DIV": _floor_div,
    "FLOOR_MOD": _floor_mod,
    "ATAN2": atan2,
    "EQUAL": compare.equal,
    "NOT_EQUAL": compare.not_equal,
    "LESS": compare.less,
    "LESS_EQUAL": compare.less_equal,
    "GREATER": compare.greater,
    "GREATER_EQUAL": compare.greater_equal,
    "LOGICAL_AND": compare.logical_and,
    "LOGICAL_OR": compare.logical_or,
}
for _kind, _binary in _BINARY.items():
    handlers.add(_kind, _plain(_binary))
_UNARY: dict[str, Unary] = {
    "ABS": elementwise.abs_,
    "NEG": elementwise.neg,
    "EXP": elementwise.exp,
    "LOG": elementwise.log,
    "SQRT": elementwise.sqrt,
    "RSQRT": _reciprocal_root,
    "SQUARE": _square,
    "SIN": trigonometry.sin,
    "COS": trigonometry.cos,
    "CEIL": elementwise.ceil,
    "FLOOR": elementwise.floor,
    "ROUND": elementwise.round_,
    "SIGN": elementwise.sign,
    "LOGICAL_NOT": compare.logical_not,
    "ZEROS_LIKE": _zeros,
}
for _kind, _unary in _UNARY.items():
    handlers.add(_kind, _alone(_unary))


@raw.layer("BITWISE_XOR")
def either_bit(site: Site, x: Value, y: Value) -> Value:
    """BITWISE_XOR, of truths too."""
    left, right = site.aligned(x, y)
    return compare.logical_xor(left, right) if left.dtype is DType.BOOL else bitwise.bitwise_xor(left, right)


@raw.layer("RIGHT_SHIFT")
def shifted(site: Site, x: Value, y: Value) -> Value:
    """RIGHT_SHIFT: by at least 0 and less than all bits (right_shift.cc, RightShift)."""
    left, right = site.aligned(x, y)
    most = scalar_like(right, x.dtype.bits - 1)
    if right.dtype.is_signed:
        right = elementwise.maximum(right, scalar_like(right, 0))
    return bitwise.shift_right(left, elementwise.minimum(right, most))


@handlers.layer("ADD_N")
def summed(site: Site, first: Value, *rest: Value) -> Value:
    """ADD_N: operands of one shape."""
    total = first
    for each in rest:
        total = elementwise.add(*site.aligned(total, each))
    return total


@raw.layer("CAST")
def converted(site: Site, x: Value) -> Value:
    """CAST to the type that the result has; the options repeat it."""
    site.ignore("in_data_type", "out_data_type")
    tensor = site.results[0]
    return x if tensor is None else as_dtype(x, dtype_of(tensor))


@raw.layer("BITCAST")
def reread(site: Site, x: Value) -> Value:
    """BITCAST; to a type of another width the last axis goes or comes (kernels/bitcast.cc)."""
    tensor = site.results[0]
    dtype = x.dtype if tensor is None else dtype_of(tensor)
    if dtype.bits != x.dtype.bits:
        site.refuse(f"the bits of {x.dtype} read as {dtype}, of another width")
    return x if dtype is x.dtype else bit_cast(x, dtype=dtype)


@raw.layer("SELECT", "SELECT_V2")
def chosen(site: Site, condition: Value, x: Value, y: Value) -> Value:
    """SELECT and SELECT_V2; the condition of the first may be a vector that chooses whole rows (select.cc)."""
    quantizations = {site.operand_quantization(1), site.operand_quantization(2), site.result_quantization()}
    if len(quantizations) > 1:
        site.refuse("operands and a result that are quantised in different ways")
    if site.operator.kind == "SELECT" and condition.rank == 1 and x.rank > 1:
        condition = reshape(condition, shape=(*condition.shape, *(1,) * (x.rank - 1)))
    return elementwise.select(*site.aligned(condition, x, y))


@raw.layer("FILL")
def filled(site: Site, sizes: Value, value: Value) -> Value:
    """FILL: one element, everywhere."""
    from xir.frontends.tflite.handlers.shape import repeated_to

    return repeated_to(site, value, sizes)


@handlers.layer("BUCKETIZE")
def bucket(site: Site, x: Value) -> Value:
    """BUCKETIZE: how many boundaries are at most the element (bucketize.cc, upper_bound)."""
    boundaries = site.numbers_of("boundaries")
    wide = reshape(x, shape=(*x.shape, 1))
    against = broadcast(literal(boundaries, x.dtype), shape=(*x.shape, len(boundaries)))
    from xir.ops.reduce import reduce_sum

    reached = compare.greater_equal(broadcast(wide, shape=against.shape), against)
    return reduce_sum(as_dtype(reached, DType.INT32), axes=(x.rank,), keep_dims=False)
