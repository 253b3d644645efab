"""Quantised tensors of TorchScript: real numbers that are whole multiples of a scale.

A quantised tensor is followed as the real numbers that it stands for, each written as ONNX writes them: quantised to
whole numbers and back. What a layer makes is computed in f32 and quantised once, as the definition of the layer says
(torch/ao/nn/quantized/reference); PyTorch's kernels, which sum whole numbers, differ by one step at most where a sum
falls next to the middle of two (aten/src/ATen/native/quantized/cpu). Pools take averages of the whole numbers, as those
kernels do: every other average of two numbers lies in the middle of two steps. `mean` takes them of the real ones
(ReduceOps.cpp there).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.frontends.torch.script.values import is_sequence, told
from xir.frontends.torch.tensor import Tensor
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops.quantize import dequantize, quantize
from xir.ops.shape import reshape

if TYPE_CHECKING:
    from xir.frontends.torch.call import Call
    from xir.frontends.torch.script.interpreter import Interpreter

Items: TypeAlias = list[object]
Named: TypeAlias = dict[str, object]
Rule: TypeAlias = Callable[["Interpreter", Items, Named], object]

DTYPES: Mapping[object, DType] = {12: DType.INT8, 13: DType.UINT8}
"""{number of the element type (torch/headeronly/core/ScalarType.h): that of its whole numbers}."""

_KEEPS = frozenset(
    (
        *("slice", "select", "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "contiguous"),
        *("clone", "detach", "unsqueeze", "squeeze", "expand", "expand_as", "narrow", "movedim", "index_select"),
        *("split", "chunk", "unbind", "dropout", "dropout_", "alias", "relu", "relu_", "max_pool1d", "max_pool2d"),
        *("max_pool3d", "quantized_max_pool2d", "adaptive_max_pool2d", "pixel_shuffle", "pixel_unshuffle", "flip"),
        *("channel_shuffle", "roll", "repeat", "repeat_interleave", "gather", "index", "swapaxes", "swapdims"),
    )
)
"""Operators whose results hold elements of the operand, or its zero."""

_AVERAGES = frozenset(
    (
        *("avg_pool1d", "avg_pool2d", "avg_pool3d"),
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    )
)
"""Pools whose results are averages of the operand, quantised as it is (kernels/QuantizedOpKernels.cpp)."""

_ROUNDS = _AVERAGES | frozenset(
    (
        *("mean", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
        *("upsample_bilinear2d", "hardtanh", "hardtanh_", "clamp", "clamp_", "relu6", "relu6_", "leaky_relu"),
        *("leaky_relu_", "elu", "elu_", "celu", "threshold", "cat", "stack", "constant_pad_nd", "pad"),
        *("reflection_pad1d", "reflection_pad2d", "masked_fill", "roi_align"),
    )
)
"""Operators whose results are quantised as the (first) operand is."""

_ASKS = frozenset(
    (
        *("size", "dim", "numel", "len", "is_floating_point", "stride", "eq", "ne", "lt", "le", "gt", "ge"),
        *("argmax", "argmin", "argsort", "nms"),
    )
)
"""Operators whose results are no elements of such a tensor."""


@dataclass(frozen=True, slots=True)
class Form:
    """What whole numbers mean: (number - zero point) * scale.

    Attributes:
        scale: of all elements.
        zero_point: the number that means 0.
        code: of the element type.
    """

    scale: float
    zero_point: int
    code: int


class Quantized(Tensor):
    """A place of quantised elements, whose value is what they stand for.

    Attributes:
        form: how they are held.
    """

    __slots__ = ("form",)

    def __init__(self, value: Value, form: Form) -> None:
        """A place of this value."""
        super().__init__(value)
        self.form = form


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A quantised weight of the archive.

    Attributes:
        numbers: its whole numbers.
        scale: of all of them, or of each place of an axis.
        zero_point: the same.
        axis: which axis.
    """

    numbers: Value
    scale: Array
    zero_point: Array
    axis: int | None

    def real(self, interpreter: Interpreter) -> Tensor:
        """What the numbers stand for."""
        call, fine = interpreter.call, self.zero_point.dtype.kind == "f"
        with interpreter.sourced("dequantize"):
            if fine:  # torch.per_channel_affine_float_qparams
                return Tensor(self._moved(call))
            scale = call.literal(self.scale, DType.FLOAT32)
            zero = call.literal(self.zero_point, self.numbers.dtype)
            return Tensor(dequantize(self.numbers, scale, zero, dtype=DType.FLOAT32, axis=self.axis or 0))

    def halved(self, interpreter: Interpreter) -> Tensor:
        """`number * scale + offset` with both rounded to f16; the offset is `-zero_point * scale`."""
        offsets = -self.zero_point.astype(np.float32) * self.scale.astype(np.float32)
        with interpreter.sourced("dequantize"):
            scale, offset = (
                self._each(interpreter.call, held.astype(np.float16).astype(np.float32))
                for held in (self.scale, offsets)
            )
            numbers = interpreter.call.cast(self.numbers, DType.FLOAT32)
            return Tensor(elementwise.add(elementwise.mul(numbers, scale), offset))

    def _moved(self, call: Call) -> Value:
        """The same where zero points are real numbers."""
        scale, zero = (self._each(call, held) for held in (self.scale, self.zero_point))
        return elementwise.mul(elementwise.sub(call.cast(self.numbers, DType.FLOAT32), zero), scale)

    def _each(self, call: Call, held: Array) -> Value:
        """One number for all elements, or for each place of the axis, f32."""
        places = tuple(size if axis == self.axis else 1 for axis, size in enumerate(self.numbers.shape))
        return call.repeated(reshape(call.literal(held, DType.FLOAT32), shape=places), self.numbers.shape)


def rounded(interpreter: Interpreter, value: Value, form: Form, *, steps_from: int | None = None) -> Quantized:
    """The value in quantised numbers; with `steps_from` it is in steps of the scale, counted from that number."""
    dtype = DTYPES.get(form.code)
    if dtype is None:
        interpreter.refuse(f"quantised elements of type number {form.code}")
    call = interpreter.call
    scale, zero = call.literal(form.scale, DType.FLOAT32), call.literal(form.zero_point, dtype)
    if steps_from is None:
        numbers = quantize(value, scale, zero, dtype=dtype)
    else:
        one, first = call.literal(1.0, DType.FLOAT32), call.literal(steps_from, dtype)
        numbers = quantize(value, one, first, dtype=dtype)
    return _quantized(call, numbers, form)


def _quantized(call: Call, numbers: Value, form: Form) -> Quantized:
    """What whole numbers stand for."""
    scale, zero = call.literal(form.scale, DType.FLOAT32), call.literal(form.zero_point, numbers.dtype)
    return Quantized(dequantize(numbers, scale, zero, dtype=DType.FLOAT32), form)


def _forms(items: Sequence[object]) -> list[Form]:
    parts = [part for item in items for part in (item if is_sequence(item) else (item,))]
    return [part.form for part in parts if isinstance(part, Quantized)]


def check(interpreter: Interpreter, name: str, items: Sequence[object]) -> None:
    """Refuses operators of quantised tensors whose results are not known."""
    short = name.rpartition(".")[2]
    others = name.startswith("ops.") and not name.startswith("ops.torchvision.")
    if _forms(items) and (others or short not in _KEEPS | _ROUNDS | _ASKS):
        interpreter.refuse(f"{short} of quantised tensors", hint="dequantize() them before it")


def _counted_from(short: str, form: Form) -> int | None:
    """The whole number from which an average counts steps; None where the operator takes none.

    It says what is rounded: adaptive pools round the average of the numbers themselves, others how far that is from
    the zero point, which is what padding holds.
    """
    return None if short not in _AVERAGES else 0 if short.startswith("adaptive") else form.zero_point


def entered(interpreter: Interpreter, name: str, items: Sequence[object]) -> Items:
    """What an operator is called with: pools average steps of the scale, whose sums are exact."""
    if not items or not isinstance(items[0], Quantized):
        return list(items)
    call, form = interpreter.call, items[0].form
    first = _counted_from(name.rpartition(".")[2], form)
    if first is None:
        return list(items)
    one, zero = call.literal(1.0, DType.FLOAT32), call.literal(first, DTYPES[form.code])
    steps = dequantize(_numbers(interpreter, items[0]), one, zero, dtype=DType.FLOAT32)
    return [Tensor(steps), *items[1:]]


def wrapped(interpreter: Interpreter, name: str, items: Sequence[object], made: object) -> object:
    """The result of an operator of quantised tensors."""
    forms, short = _forms(items), name.rpartition(".")[2]
    if not forms or short in _ASKS:
        return made
    form = forms[0]
    if is_sequence(made):
        return tuple(_as(interpreter, short, each, form) for each in made)
    return _as(interpreter, short, made, form)


def _as(interpreter: Interpreter, short: str, made: object, form: Form) -> object:
    if not isinstance(made, Tensor):
        return made
    if short in _ROUNDS:
        held = rounded(interpreter, made.value, form, steps_from=_counted_from(short, form))
        if not short.endswith("_"):
            return held
        made.write(held.value)
        return made
    if isinstance(made, Quantized):
        return made
    kept = Quantized(made.value, form)
    kept.reset(made.mark())
    return kept


# Functions


def number_of(interpreter: Interpreter, item: object, what: str) -> float:
    """A number, of a tensor of one element, too."""
    if isinstance(item, Tensor):
        item = interpreter.operator("torch.item", [item], {})
    if isinstance(item, bool) or not isinstance(item, int | float):
        interpreter.refuse(f"{what} that only the run knows")
    return item


def form_from(interpreter: Interpreter, scale: object, zero: object, code: object = 13) -> Form:
    """What whole numbers mean, from the arguments that say it."""
    if not isinstance(code, int):
        raise InvalidModelError(f"{told(code)} in place of an element type")
    return Form(number_of(interpreter, scale, "a scale"), int(number_of(interpreter, zero, "a zero point")), code)


def held(item: object) -> Quantized:
    """The quantised tensor that an argument is."""
    if not isinstance(item, Quantized):
        raise InvalidModelError(f"a quantised tensor is needed, got {told(item)}")
    return item


def real_of(item: object) -> Value:
    """What the elements of a quantised tensor stand for."""
    return held(item).value


def form_of(item: object) -> Form:
    """How a quantised tensor is held."""
    return held(item).form


def bound(items: Items, named: Named, *names: str) -> Items:
    """The arguments after those by place, which are these, by name."""
    return [*items, *(named[name] for name in names[len(items) :] if name in named)]


def _quantize(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`torch.quantize_per_tensor(x, scale, zero_point, type)`."""
    x, scale, zero, code = bound(items, named, "input", "scale", "zero_point", "dtype")
    if not isinstance(x, Tensor):
        return NotImplemented
    with interpreter.sourced("aten.quantize_per_tensor"):
        return rounded(interpreter, x.value, form_from(interpreter, scale, zero, code))


def _quantize_places(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`torch.quantize_per_channel(x, scales, zero_points, axis, type)`: for the weight of a layer."""
    x, scales, zeros, axis, code = bound(items, named, "self", "scales", "zero_points", "axis", "dtype")
    if not all(isinstance(item, Tensor) for item in (x, scales, zeros)) or not isinstance(axis, int):
        return NotImplemented
    values, call, dtype = (
        (cast("Tensor", item).value for item in (x, scales, zeros)),
        interpreter.call,
        DTYPES.get(code),
    )
    if dtype is None:
        interpreter.refuse(f"quantised elements of type number {told(code)}")
    with interpreter.sourced("aten.quantize_per_channel"):
        value, *told_of = values
        scale, zero = (call.array(each, "a scale or zero point") for each in told_of)
        place = call.axis(axis, value.rank)
        parts = call.literal(scale, DType.FLOAT32), call.literal(zero, dtype)
        return Weight(quantize(value, *parts, dtype=dtype, axis=place), scale, zero, place)


_CODES = {dtype: code for code, dtype in DTYPES.items()}


def _made_of(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`torch._make_per_tensor_quantized_tensor(x, scale, zero_point)`: whole numbers, with what they mean."""
    x, scale, zero = bound(items, named, "input", "scale", "zero_point")
    code = _CODES.get(x.value.dtype) if isinstance(x, Tensor) else None
    if not isinstance(x, Tensor) or code is None:
        interpreter.refuse(f"quantised elements of {told(x)}")
    form = form_from(interpreter, scale, zero, code)
    with interpreter.sourced("aten._make_per_tensor_quantized_tensor"):
        return _quantized(interpreter.call, x.value, form)


def _dequantize(interpreter: Interpreter, items: Items, named: Named) -> object:
    """The real numbers; of a list of tensors those of each."""
    if is_sequence(items[0]):
        return [_dequantize(interpreter, [each], named) for each in items[0]]
    if isinstance(items[0], Weight):
        return items[0].real(interpreter)
    return Tensor(items[0].value) if isinstance(items[0], Quantized) else items[0]


def _whole(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`torch.int_repr(x)`: the whole numbers."""
    if isinstance(items[0], Weight):
        return Tensor(items[0].numbers)
    with interpreter.sourced("aten.int_repr"):
        return Tensor(_numbers(interpreter, held(items[0])))


def _numbers(interpreter: Interpreter, item: Quantized) -> Value:
    """The whole numbers of a quantised tensor."""
    call, dtype = interpreter.call, DTYPES[item.form.code]
    scale, zero = call.literal(item.form.scale, DType.FLOAT32), call.literal(item.form.zero_point, dtype)
    return quantize(item.value, scale, zero, dtype=dtype)


def _asked(name: str) -> Rule:
    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        form = form_of(items[0])
        return form.scale if name == "q_scale" else form.zero_point

    return rule


def requantized(interpreter: Interpreter, real: object, relu: bool, scale: object, zero: object) -> object:
    """Real numbers, quantised as u8 to a scale and a zero point."""
    if relu:
        real = interpreter.operator("torch.relu", [real], {})
    if not isinstance(real, Tensor):
        raise InvalidModelError(f"{told(real)} in place of a tensor")
    with interpreter.sourced("quantized"):
        return rounded(interpreter, real.value, form_from(interpreter, scale, zero))


def _fixed(operator: str, scale: float, zero: int) -> Rule:
    """An activation whose range is known (aten/src/ATen/native/quantized/cpu/kernels/QuantizedOpKernels.cpp)."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        if not items or not isinstance(items[0], Quantized):
            return NotImplemented
        form = items[0].form
        if form.code != 13:
            interpreter.refuse(f"{operator} of quantised elements that are not quint8")
        return requantized(
            interpreter, interpreter.operator(operator, [Tensor(items[0].value)], {}), False, scale, zero
        )

    return rule


FUNCTIONS: Mapping[str, Rule] = {
    "torch.quantize_per_tensor": _quantize,
    "torch.quantize_per_channel": _quantize_places,
    "torch._make_per_tensor_quantized_tensor": _made_of,
    "torch.dequantize": _dequantize,
    "torch.int_repr": _whole,
    "torch.q_scale": _asked("q_scale"),
    "torch.q_zero_point": _asked("q_zero_point"),
    "torch.sigmoid": _fixed("torch.sigmoid", 1 / 256, 0),
    "torch.hardsigmoid": _fixed("torch.hardsigmoid", 1 / 256, 0),
    "torch.tanh": _fixed("torch.tanh", 2 / 256, 128),
}
"""{name: (who follows, items by place, items by name) -> what it makes}."""
