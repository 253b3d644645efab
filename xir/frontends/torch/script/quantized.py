"""Quantised tensors of TorchScript: real numbers that are whole multiples of a scale, and layers of them.

A quantised tensor is followed as the real numbers that it stands for, each written as ONNX writes them: quantised to
whole numbers and back. What a layer makes is computed in f32 and quantised once, as the definition of the layer says
(torch/ao/nn/quantized/reference); PyTorch's kernels, which sum whole numbers, differ by one step at most where a sum
falls next to the middle of two (aten/src/ATen/native/quantized/cpu).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from xir.errors import InvalidModelError
from xir.frontends.torch.script.values import is_sequence, told
from xir.frontends.torch.tensor import Tensor
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.quantize import dequantize, quantize
from xir.ops.reduce import reduce_max, reduce_min

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

Items: TypeAlias = list[object]
Named: TypeAlias = dict[str, object]
Rule: TypeAlias = Callable[["Interpreter", Items, Named], object]

_DTYPES: Mapping[object, DType] = {12: DType.INT8, 13: DType.UINT8}
"""{number of the element type (torch/headeronly/core/ScalarType.h): that of its whole numbers}."""

LINEAR = "__torch__.torch.classes.quantized.LinearPackedParamsBase"
"""What an archive holds of a linear layer: its weights and its bias (fbgemm_utils.cpp, `register_linear_params`)."""

_KEEPS = frozenset(
    (
        *(
            "slice",
            "select",
            "view",
            "reshape",
            "flatten",
            "permute",
            "transpose",
            "t",
            "contiguous",
            "clone",
            "detach",
        ),
        *("unsqueeze", "squeeze", "expand", "narrow", "movedim", "index_select", "split", "chunk", "unbind", "dropout"),
        *("relu", "relu_", "max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool2d", "dropout_", "alias"),
    )
)
"""Operators whose results hold elements of the operand, or its zero."""

_ROUNDS = frozenset(
    (
        *("mean", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
        *(
            "upsample_nearest2d",
            "upsample_bilinear2d",
            "hardtanh",
            "hardtanh_",
            "clamp",
            "clamp_",
            "relu6",
            "leaky_relu",
        ),
    )
)
"""Operators whose results are quantised as the operand is."""

_ASKS = frozenset(("size", "dim", "numel", "len", "is_floating_point", "stride"))
"""Operators that look at no element."""


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
        call = interpreter.call
        with interpreter.sourced("dequantize"):
            scale = call.literal(self.scale, DType.FLOAT32)
            zero = call.literal(self.zero_point, self.numbers.dtype)
            return Tensor(dequantize(self.numbers, scale, zero, dtype=DType.FLOAT32, axis=self.axis or 0))


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Weights and settings of a layer.

    Attributes:
        weight: as the archive holds it.
        bias: f32, or None.
        settings: of a convolution: strides, padding, dilation, groups.
    """

    weight: Weight
    bias: Tensor | None
    settings: tuple[object, ...] = ()


def packed_linear(state: object) -> Packed:
    """The weights of a linear layer from what the archive holds of it.

    Raises:
        InvalidModelError: it holds something else.
    """
    match state:
        case (Weight() as weight, None | Tensor() as bias):
            return Packed(weight, bias)
        case _:
            raise InvalidModelError(f"a packed linear layer holds {told(state)}")


def rounded(interpreter: Interpreter, value: Value, form: Form) -> Quantized:
    """The value in quantised numbers."""
    dtype = _DTYPES.get(form.code)
    if dtype is None:
        interpreter.refuse(f"quantised elements of type number {form.code}")
    call = interpreter.call
    scale, zero = call.literal(form.scale, DType.FLOAT32), call.literal(form.zero_point, dtype)
    numbers = quantize(value, scale, zero, dtype=dtype)
    return Quantized(dequantize(numbers, scale, zero, dtype=DType.FLOAT32), form)


def _forms(items: Sequence[object]) -> list[Form]:
    parts = [part for item in items for part in (item if is_sequence(item) else (item,))]
    return [part.form for part in parts if isinstance(part, Quantized)]


def check(interpreter: Interpreter, name: str, items: Sequence[object]) -> None:
    """Refuses operators of quantised tensors whose results are not known."""
    short = name.rpartition(".")[2]
    if _forms(items) and (name.startswith("ops.") or short not in _KEEPS | _ROUNDS | _ASKS):
        interpreter.refuse(f"{short} of quantised tensors", hint="dequantize() them before it")


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
        held = rounded(interpreter, made.value, form)
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


def _number(interpreter: Interpreter, item: object, what: str) -> float:
    if isinstance(item, Tensor):
        item = interpreter.operator("torch.item", [item], {})
    if isinstance(item, bool) or not isinstance(item, int | float):
        interpreter.refuse(f"{what} that only the run knows")
    return item


def _form(interpreter: Interpreter, scale: object, zero: object, code: object = 13) -> Form:
    if not isinstance(code, int):
        raise InvalidModelError(f"{told(code)} in place of an element type")
    return Form(_number(interpreter, scale, "a scale"), int(_number(interpreter, zero, "a zero point")), code)


def _held(item: object) -> Quantized:
    if not isinstance(item, Quantized):
        raise InvalidModelError(f"a quantised tensor is needed, got {told(item)}")
    return item


def _real(item: object) -> Value:
    return _held(item).value


def _form_of(item: object) -> Form:
    return _held(item).form


def _arguments(items: Items, named: Named, *names: str) -> Items:
    """The arguments after those by place, which are these, by name."""
    return [*items, *(named[name] for name in names[len(items) :] if name in named)]


def _quantize(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`torch.quantize_per_tensor(x, scale, zero_point, type)`."""
    x, scale, zero, code = _arguments(items, named, "input", "scale", "zero_point", "dtype")
    if not isinstance(x, Tensor):
        return NotImplemented
    with interpreter.sourced("aten.quantize_per_tensor"):
        return rounded(interpreter, x.value, _form(interpreter, scale, zero, code))


def _dequantize(interpreter: Interpreter, items: Items, named: Named) -> object:
    """The real numbers; of a list of tensors those of each."""
    if is_sequence(items[0]):
        return [_dequantize(interpreter, [each], named) for each in items[0]]
    return Tensor(items[0].value) if isinstance(items[0], Quantized) else items[0]


def _whole(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`torch.int_repr(x)`: the whole numbers."""
    value, form = _real(items[0]), _form_of(items[0])
    call, dtype = interpreter.call, _DTYPES[form.code]
    with interpreter.sourced("aten.int_repr"):
        scale, zero = call.literal(form.scale, DType.FLOAT32), call.literal(form.zero_point, dtype)
        return Tensor(quantize(value, scale, zero, dtype=dtype))


def _asked(name: str) -> Rule:
    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        form = _form_of(items[0])
        return form.scale if name == "q_scale" else form.zero_point

    return rule


def _prepared(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`conv2d_prepack(weight, bias, strides, padding, dilation, groups)`, `linear_prepack(weight, bias)`."""
    weight, bias, *settings = items
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Tensor)):
        raise InvalidModelError(f"a layer is packed of {told(weight)} and {told(bias)}")
    return Packed(weight, bias, tuple(settings))


def _packed(item: object) -> Packed:
    if not isinstance(item, Packed):
        raise InvalidModelError(f"packed weights are needed, got {told(item)}")
    return item


def _layer(operator: str, relu: bool) -> Rule:
    """A layer of packed weights, whose result is quantised."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, layer, scale, zero = items[:4]
        held = _packed(layer)
        real: object = interpreter.operator(operator, [Tensor(_real(x)), *_operands(interpreter, held)], {})
        return _made(interpreter, real, relu, scale, zero)

    return rule


def _operands(interpreter: Interpreter, held: Packed) -> list[object]:
    return [held.weight.real(interpreter), held.bias, *held.settings]


def _made(interpreter: Interpreter, real: object, relu: bool, scale: object, zero: object) -> object:
    if relu:
        real = interpreter.operator("torch.relu", [real], {})
    if not isinstance(real, Tensor):
        raise InvalidModelError(f"{told(real)} in place of a tensor")
    with interpreter.sourced("quantized"):
        return rounded(interpreter, real.value, _form(interpreter, scale, zero))


def _pair(operator: str, relu: bool) -> Rule:
    """`add(a, b, scale, zero_point)` and `mul`."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        a, b, scale, zero = _arguments(items, named, "qa", "qb", "scale", "zero_point")
        real = interpreter.operator(operator, [Tensor(_real(a)), Tensor(_real(b))], {})
        return _made(interpreter, real, relu, scale, zero)

    return rule


def _joined(relu: bool) -> Rule:
    """`cat(tensors, axis, scale, zero_point)`; without these two as the first tensor is held."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        parts, axis, scale, zero = [*_arguments(items, named, "qx", "dim", "scale", "zero_point"), None, None][:4]
        if not is_sequence(parts) or not parts:
            raise InvalidModelError("no tensors are joined")
        if scale is None:
            scale, zero = _form_of(parts[0]).scale, _form_of(parts[0]).zero_point
        real = interpreter.operator("torch.cat", [[Tensor(_real(part)) for part in parts], axis], {})
        return _made(interpreter, real, relu, scale, zero)

    return rule


def _activation(operator: str, *places: int) -> Rule:
    """An activation whose last two arguments say its form; `places`: of what the operator takes besides."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        given = [*items, *named.values()]
        real = interpreter.operator(operator, [Tensor(_real(given[0])), *(given[place] for place in places)], {})
        return _made(interpreter, real, False, given[-2], given[-1])

    return rule


def _fixed(operator: str, scale: float, zero: int) -> Rule:
    """An activation whose range is known (aten/src/ATen/native/quantized/cpu/kernels/QuantizedOpKernels.cpp)."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        if not items or not isinstance(items[0], Quantized):
            return NotImplemented
        form = items[0].form
        if form.code != 13:
            interpreter.refuse(f"{operator} of quantised elements that are not quint8")
        return _made(interpreter, interpreter.operator(operator, [Tensor(items[0].value)], {}), False, scale, zero)

    return rule


def _dynamic(relu: bool) -> Rule:
    """`linear_dynamic(x, packed, reduce_range)`: x is quantised by its own range (quant_utils.h)."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, layer, reduced = [*_arguments(items, named, "X", "W_prepack", "reduce_range"), False][:3]
        held = _packed(layer)
        if not isinstance(x, Tensor):
            raise InvalidModelError(f"{told(x)} in place of a tensor")
        with interpreter.sourced("quantized.linear_dynamic"):
            real = _by_range(interpreter, x.value, 127 if reduced else 255)
        made = interpreter.operator("torch.linear", [Tensor(real), *_operands(interpreter, held)], {})
        return interpreter.operator("torch.relu", [made], {}) if relu else made

    return rule


def _by_range(interpreter: Interpreter, x: Value, most: int) -> Value:
    """Whole numbers from 0 to `most` that span the range and 0, and back (`ChooseQuantizationParams`)."""
    call = interpreter.call
    none, axes = call.scalar(0, x.dtype), tuple(range(x.rank))
    low = elementwise.minimum(reduce_min(x, axes=axes, keep_dims=False), none)
    high = elementwise.maximum(reduce_max(x, axes=axes, keep_dims=False), none)
    scale = elementwise.div(elementwise.sub(high, low), call.scalar(most, x.dtype))
    scale = elementwise.select(compare.greater(scale, none), scale, call.scalar(0.1, x.dtype))
    zero = elementwise.round_(elementwise.div(elementwise.neg(low), scale))
    step, offset, bottom, top = (
        call.repeated(each, x.shape) for each in (scale, zero, none, call.scalar(most, x.dtype))
    )
    numbers = elementwise.add(elementwise.round_(elementwise.div(x, step)), offset)
    kept = elementwise.minimum(elementwise.maximum(numbers, bottom), top)
    return elementwise.mul(elementwise.sub(kept, offset), step)


def _same(interpreter: Interpreter, items: Items, named: Named) -> object:
    return items[0]


QUANTIZED: Mapping[str, Rule] = {
    "torch.quantize_per_tensor": _quantize,
    "torch.dequantize": _dequantize,
    "torch.int_repr": _whole,
    "torch.q_scale": _asked("q_scale"),
    "torch.q_zero_point": _asked("q_zero_point"),
    "torch.sigmoid": _fixed("torch.sigmoid", 1 / 256, 0),
    "torch.hardsigmoid": _fixed("torch.hardsigmoid", 1 / 256, 0),
    "torch.tanh": _fixed("torch.tanh", 2 / 256, 128),
    **{f"ops.quantized.{kind}_prepack": _prepared for kind in ("linear", "conv1d", "conv2d", "conv3d")},
    **{f"ops.quantized.conv{n}d": _layer(f"torch.conv{n}d", False) for n in (1, 2, 3)},
    **{f"ops.quantized.conv{n}d_relu": _layer(f"torch.conv{n}d", True) for n in (1, 2, 3)},
    "ops.quantized.linear": _layer("torch.linear", False),
    "ops.quantized.linear_relu": _layer("torch.linear", True),
    "ops.quantized.linear_dynamic": _dynamic(False),
    "ops.quantized.linear_relu_dynamic": _dynamic(True),
    "ops.quantized.add": _pair("torch.add", False),
    "ops.quantized.add_relu": _pair("torch.add", True),
    "ops.quantized.mul": _pair("torch.mul", False),
    "ops.quantized.mul_relu": _pair("torch.mul", True),
    "ops.quantized.cat": _joined(False),
    "ops.quantized.cat_relu": _joined(True),
    "ops.quantized.hardswish": _activation("torch.hardswish"),
    "ops.quantized.sigmoid": _activation("torch.sigmoid"),
    "ops.quantized.leaky_relu": _activation("torch.leaky_relu", 1),
    "ops.quantized.elu": _activation("torch.elu", 3),
    "ops.quantized.dropout": _same,
}
"""{name: (who follows, items by place, items by name) -> what it makes}."""
