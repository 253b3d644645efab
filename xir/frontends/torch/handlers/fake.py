"""Numbers rounded as if they were quantised (aten/src/ATen/native/quantized/FakeQuantPer*Affine.cpp)."""

from __future__ import annotations

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, maximum, minimum, mul, reciprocal, round_, select, sub
from xir.ops.shape import broadcast, reshape

operators = Operators("aten")
Pair = tuple[Value, Value]


def _rounded(call: Call, x: Value, scale: Value, zero: Value, ends: tuple[int, int]) -> Pair:
    """Each number as the nearest multiple of its scale within the range, and whether it is inside of it."""
    step, offset = (call.repeated(call.cast(each, DType.FLOAT32), x.shape) for each in (scale, zero))
    whole = add(offset, round_(mul(call.cast(x, DType.FLOAT32), reciprocal(step))))
    low, high = (scalar_like(whole, end) for end in ends)
    kept = minimum(maximum(whole, low), high)
    made = call.cast(mul(sub(kept, offset), step), x.dtype)
    return made, compare.logical_and(compare.greater_equal(whole, low), compare.less_equal(whole, high))


def _single(call: Call, number: Value | float) -> Value:
    """A scale or zero point for the whole tensor."""
    return call.flat_to(number, ()) if isinstance(number, Value) else call.literal(number, DType.FLOAT32)


@operators.op(
    "fake_quantize_per_tensor_affine_cachemask(Tensor self, float scale, int zero_point, int quant_min, int quant_max)"
    " -> (Tensor output, Tensor mask)"
)
def with_mask(call: Call, x: Value, scale: Value | float, zero: Value | float, low: int, high: int) -> Pair:
    """Rounded numbers, and where they lie inside of the range."""
    return _rounded(call, x, _single(call, scale), _single(call, zero), (low, high))


@operators.op(
    "fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max) -> Tensor",
    "fake_quantize_per_tensor_affine.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, int quant_min,"
    " int quant_max) -> Tensor",
)
def whole_tensor(call: Call, x: Value, scale: Value | float, zero: Value | float, low: int, high: int) -> Value:
    """Rounded numbers of one scale."""
    return with_mask(call, x, scale, zero, low, high)[0]


@operators.op(
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams(Tensor self, Tensor scale, Tensor zero_point,"
    " Tensor fake_quant_enabled, int quant_min, int quant_max) -> (Tensor output, Tensor mask)"
)
def if_enabled(call: Call, x: Value, scale: Value, zero: Value, enabled: Value, low: int, high: int) -> Pair:
    """The same where it is switched on."""
    made, mask = with_mask(call, x, scale, zero, low, high)
    is_on = broadcast(call.flat_to(call.cast(enabled, DType.BOOL), ()), shape=x.shape)
    return select(is_on, made, x), compare.logical_or(mask, compare.logical_not(is_on))


@operators.op(
    "fake_quantize_per_channel_affine_cachemask(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min,"
    " int quant_max) -> (Tensor output, Tensor mask)"
)
def channels_with_mask(call: Call, x: Value, scale: Value, zero: Value, axis: int, low: int, high: int) -> Pair:
    """The same with a scale for each place of an axis."""
    if zero.dtype.is_floating:
        call.refuse("zero points that are real numbers")
    at = call.axis(axis, x.rank)
    shape = tuple(size if place == at else 1 for place, size in enumerate(x.shape))
    return _rounded(call, x, reshape(scale, shape=shape), reshape(zero, shape=shape), (low, high))


@operators.op(
    "fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min,"
    " int quant_max) -> Tensor"
)
def channels(call: Call, x: Value, scale: Value, zero: Value, axis: int, low: int, high: int) -> Value:
    """Rounded numbers of a scale for each place of an axis."""
    return channels_with_mask(call, x, scale, zero, axis, low, high)[0]
