"""Forms of what is computed element by element; PyTorch repeats operands along axes of size 1 by itself."""

from __future__ import annotations

import numpy as np

from xir.backends.export.torch._form import Answer, Argument, Form, Forms, Refusal, Say, operand
from xir.ir.constant import Constant
from xir.ir.dims import equal
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import bitwise, compare
from xir.ops import cast as casts
from xir.ops import elementwise as ops

forms = Forms()

NARROW = {DType.UINT16: DType.INT32, DType.UINT32: DType.INT64, DType.UINT64: DType.INT64}
"""Element types that PyTorch 2.13 stores but hardly computes with (torch.dtype, "limited support"), and those whose
low bits are the same."""


def loose(node: Node, wide: bool = False) -> list[Argument]:
    """The operands without the broadcasts that PyTorch makes by itself, literals of one element as Python numbers.

    At least one operand stays a tensor of the result's shape or what broadcasts to it.
    """
    values = [operand(node, index) for index in range(len(node.inputs))]
    bare = [_unbroadcast(value) for value in values]
    shape = node.outputs[0].shape
    for axis, size in enumerate(shape):
        reached = any(
            value.rank >= len(shape) - axis and equal(value.shape[axis - len(shape)], size) is True for value in bare
        )
        if not reached:
            return [_tensor(value, wide) for value in values]
    numbers = [None if wide else _number(value) for value in bare]
    if all(number is not None or value.rank == 0 for number, value in zip(numbers, bare, strict=True)):
        return [_tensor(value, wide) for value in bare]
    return [_tensor(value, wide) if n is None else n for value, n in zip(bare, numbers, strict=True)]


def _tensor(value: Value, wide: bool) -> Argument:
    target = NARROW.get(value.dtype)
    return Say("{}.to({})", value, target) if wide and target is not None else value


def _unbroadcast(value: Value) -> Value:
    node = value.node
    if node is not None and node.op.name == "broadcast" and node.inputs[1] is None:
        return operand(node)
    return value


def _number(value: Value) -> Argument:
    """The one element of a literal, as PyTorch takes a number without changing the other operand's type, or None."""
    node = value.node
    if node is None or node.op.name != "constant":
        return None
    held = node.attributes["value"]
    if not isinstance(held, Constant) or held.elements != 1 or value.rank > 0:
        return None
    item = held.array().reshape(()).astype(np.float64 if held.dtype.is_floating else held.array().dtype).item()
    if held.dtype is DType.FLOAT32:
        return _single(float(item))
    if held.dtype in (DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16):
        return float(item)
    return int(item) if held.dtype.is_integer and held.dtype is not DType.UINT64 else None


def _single(item: float) -> float:
    """The number with the fewest digits that is rounded to the f32 `item`."""
    short = float(str(np.float32(item)))
    return short if np.float32(short) == np.float32(item) else item


def _each(template: str, wide: bool = True, back: bool = True) -> Form:
    """An expression; types that PyTorch does not compute with are widened, and narrowed again if `back`."""

    def form(node: Node) -> Answer:
        first = operand(node, len(node.inputs) - 1).dtype
        widened = wide and first in NARROW
        said = Say(template, *loose(node, widened))
        return Say("({}).to({})", said, first) if widened and back else said

    return form


def _comparison(symbol: str) -> Form:
    return _each(f"{{}} {symbol} {{}}", back=False)


for _operator, _template in (
    (ops.add, "{} + {}"),
    (ops.sub, "{} - {}"),
    (ops.mul, "{} * {}"),
    (bitwise.bitwise_and, "{} & {}"),
    (bitwise.bitwise_or, "{} | {}"),
    (bitwise.bitwise_xor, "{} ^ {}"),
):
    forms.of(_operator)(_each(_template))
for _comparing, _template in (
    (compare.equal, "=="),
    (compare.not_equal, "!="),
    (compare.less, "<"),
    (compare.less_equal, "<="),
    (compare.greater, ">"),
    (compare.greater_equal, ">="),
):
    forms.of(_comparing)(_comparison(_template))
for _logical, _template in (
    (compare.logical_and, "torch.logical_and({}, {})"),
    (compare.logical_or, "torch.logical_or({}, {})"),
    (compare.logical_xor, "torch.logical_xor({}, {})"),
):
    forms.of(_logical)(_each(_template, wide=False))
for _unary, _template in (
    (compare.logical_not, "torch.logical_not({})"),
    (ops.neg, "-{}"),
    (ops.abs_, "torch.abs({})"),
    (ops.exp, "torch.exp({})"),
    (ops.log, "torch.log({})"),
    (ops.sqrt, "torch.sqrt({})"),
    (ops.reciprocal, "torch.reciprocal({})"),
    (ops.erf, "torch.erf({})"),
    (ops.sin, "torch.sin({})"),
    (ops.cos, "torch.cos({})"),
    (ops.tan, "torch.tan({})"),
    (ops.asin, "torch.asin({})"),
    (ops.acos, "torch.acos({})"),
    (ops.atan, "torch.atan({})"),
    (ops.sinh, "torch.sinh({})"),
    (ops.cosh, "torch.cosh({})"),
    (ops.asinh, "torch.asinh({})"),
    (ops.acosh, "torch.acosh({})"),
    (ops.atanh, "torch.atanh({})"),
    (ops.floor, "torch.floor({})"),
    (ops.ceil, "torch.ceil({})"),
    (ops.round_, "torch.round({})"),
    (bitwise.bitwise_not, "~{}"),
):
    forms.of(_unary)(_each(_template))


def _tensors(node: Node) -> list[Argument]:
    """The operands, none of them a number, in element types that PyTorch computes with."""
    return [_tensor(operand(node, index), True) for index in range(len(node.inputs))]


def _narrowed(node: Node, said: Say) -> Say:
    dtype = node.outputs[0].dtype
    return Say("{}.to({})", said, dtype) if dtype in NARROW else said


@forms.of(ops.minimum)
def _minimum(node: Node) -> Answer:
    return _narrowed(node, Say("torch.minimum({}, {})", *_tensors(node)))


@forms.of(ops.maximum)
def _maximum(node: Node) -> Answer:
    return _narrowed(node, Say("torch.maximum({}, {})", *_tensors(node)))


@forms.of(ops.div)
def _div(node: Node) -> Answer:
    """Integers round toward zero."""
    dtype = node.outputs[0].dtype
    if dtype is DType.UINT64:
        return Refusal("PyTorch divides no u64")
    if dtype.is_integer:
        return _narrowed(node, Say('torch.div({}, {}, rounding_mode="trunc")', *_tensors(node)))
    return Say("{} / {}", *loose(node))


@forms.of(ops.mod)
def _mod(node: Node) -> Answer:
    """The sign of the divisor, or of the dividend."""
    if node.outputs[0].dtype is DType.UINT64:
        return Refusal("PyTorch divides no u64")
    function = "remainder" if node.attributes["floored"] else "fmod"
    return _narrowed(node, Say(f"torch.{function}({{}}, {{}})", *_tensors(node)))


@forms.of(ops.pow_)
def _pow(node: Node) -> Answer:
    """The exponent may be of another type; the result is of that of the base."""
    x, y = operand(node), operand(node, 1)
    if x.dtype is y.dtype and x.dtype.is_floating:
        said = loose(node)
        if isinstance(said[0], float):
            said[0] = x
        return Say("torch.pow({}, {})", *said)
    if x.dtype.is_integer and y.dtype.is_integer:
        return Say("torch.pow({}.to(torch.int64), {}.to(torch.int64)).to({})", x, y, x.dtype)
    return Say("torch.pow({}.to(torch.float64), {}.to(torch.float64)).to({})", x, y, x.dtype)


@forms.of(ops.select)
def _select(node: Node) -> Answer:
    """torch.where, which repeats its operands by itself."""
    return Say("torch.where({}, {}, {})", *loose(node, wide=False))


@forms.of(ops.cast)
def _cast(node: Node) -> Answer:
    """Tensor.to; PyTorch's e4m3fn stays at its largest number, where ours is NaN from half a step above 448 on."""
    x, dtype = operand(node), node.outputs[0].dtype
    if dtype is DType.FLOAT8E4M3FN and x.dtype.bits > 8 and x.dtype.is_floating:
        return Say("torch.where({0}.abs() > 464, torch.nan, {0}).to({1})", x, dtype)
    return Say("{}.to({})", x, dtype)


@forms.of(casts.bit_cast)
def _bit_cast(node: Node) -> Answer:
    return Say("{}.contiguous().view({})", operand(node), node.outputs[0].dtype)


@forms.of(ops.clip)
def _clip(node: Node) -> Answer:
    """torch.clamp; a bound that is absent is None."""
    x, low, high = operand(node), node.attributes["minimum"], node.attributes["maximum"]
    bounds = [_bound(item, x.dtype) for item in (low, high)]
    if bounds == [None, None]:
        return Say("{}", x)
    return _narrowed(node, Say("torch.clamp({}, {}, {})", *_tensors(node), *bounds))


@forms.of(ops.sign)
def _sign(node: Node) -> Answer:
    """torch.sign, which makes 0 of NaN."""
    x = operand(node)
    if x.dtype.is_floating:
        return Say("torch.where(torch.isnan({0}), {0}, torch.sign({0}))", x)
    return _narrowed(node, Say("torch.sign({})", *_tensors(node)))


def integer_limits(dtype: DType) -> tuple[int, int]:
    """The lowest and highest number of an integer type."""
    return (-(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1) if dtype.is_signed else (0, (1 << dtype.bits) - 1)


def _bound(item: object, dtype: DType) -> Argument:
    if not isinstance(item, float):
        return None
    if dtype.is_integer:
        least, most = integer_limits(dtype)
        return most if item >= most else least if item <= least else int(item)
    return float(np.asarray(item).astype(dtype.dtype).astype(np.float64))


@forms.of(ops.is_nan)
def _is_nan(node: Node) -> Answer:
    return Say("torch.isnan({})", operand(node))


@forms.of(ops.is_inf)
def _is_inf(node: Node) -> Answer:
    """Of both signs, or of one."""
    negative, positive = node.attributes["negative"], node.attributes["positive"]
    if negative and positive:
        return Say("torch.isinf({})", operand(node))
    if not negative and not positive:
        return Say("torch.zeros_like({}, dtype=torch.bool)", operand(node))
    return Say(f"torch.is{'neg' if negative else 'pos'}inf({{}})", operand(node))


def _unsigned(y: Value) -> Argument:
    return Say("{}.to(torch.int64)", y)


@forms.of(bitwise.shift_left)
def _shift_left(node: Node) -> Answer:
    """Places from the width on leave nothing."""
    x, y = operand(node), operand(node, 1)
    wide = Say("{}.to(torch.int64)", x)
    places = _unsigned(y)
    shifted = Say("({} << {}.clamp(0, 63))", wide, places)
    inside = Say("({0} >= 0) & ({0} < {1})", places, x.dtype.bits)
    return Say("torch.where({}, {}, 0).to({})", inside, shifted, x.dtype)


@forms.of(bitwise.shift_right)
def _shift_right(node: Node) -> Answer:
    """The sign comes in; of a u64, whose bits are those of an i64 here, zeros."""
    x, y = operand(node), operand(node, 1)
    if x.dtype is DType.UINT64:
        return Refusal("PyTorch moves no bits of u64")
    last = x.dtype.bits - 1
    far = last if x.dtype.is_signed else 63
    places = Say("torch.where({0} < 0, {1}, {0}).clamp(0, {1})", _unsigned(y), far)
    return Say("({}.to(torch.int64) >> {}).to({})", x, places, x.dtype)
