"""Functions of TorchScript that are no operators of tensors: numbers, text, lists, dictionaries.

The list is that of torch/csrc/jit/runtime/register_prim_ops.cpp and register_special_ops.cpp. A rule that does not
take what it is given answers NotImplemented; the call is an operator of tensors then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from xir.errors import InvalidModelError
from xir.frontends.torch.promotion import code_of_dtype
from xir.frontends.torch.script.cells import CELLS
from xir.frontends.torch.script.containers import CONTAINERS, equal_values, truth
from xir.frontends.torch.script.literals import tensor_of
from xir.frontends.torch.script.mobile import PREPACKED
from xir.frontends.torch.script.objects import Device, Place
from xir.frontends.torch.script.packed import LAYERS
from xir.frontends.torch.script.quantized import FUNCTIONS, Quantized
from xir.frontends.torch.script.sizes import NumberTensor, number_tensor
from xir.frontends.torch.script.values import Raised, is_number, told
from xir.frontends.torch.symbolic import SYMBOLIC
from xir.frontends.torch.tensor import Computed, Number, Tensor
from xir.ir.dims import SymbolicDim
from xir.ir.types import DType

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

Items: TypeAlias = list[object]
Rule: TypeAlias = Callable[["Interpreter", Items, dict[str, object]], object]

_OF_NUMBERS: Mapping[str, str] = {
    "torch.sub": "_operator.sub", "torch.div": "_operator.truediv",
    "torch.floordiv": "_operator.floordiv", "torch.remainder": "_operator.mod",
    "torch.pow": "_operator.pow", "torch.neg": "_operator.neg", "torch.__and__": "_operator.and_",
    "torch.__or__": "_operator.or_", "torch.__lshift__": "_operator.lshift", "torch.__rshift__": "_operator.rshift",
    "torch.lt": "_operator.lt", "torch.le": "_operator.le", "torch.gt": "_operator.gt", "torch.ge": "_operator.ge",
    "torch.floor": "math.floor", "torch.ceil": "math.ceil", "torch.sqrt": "math.sqrt", "torch.exp": "math.exp",
    "torch.log": "math.log", "torch.trunc": "math.trunc", "torch.round": "builtins.round",
}  # fmt: skip
"""{function: the rule of numbers that it is}."""

_OF_FLOATS: Mapping[str, Callable[..., object]] = {
    name: getattr(math, name)
    for name in (
        *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        *("log2", "log10", "log1p", "expm1", "erf", "erfc", "gamma", "lgamma", "degrees", "radians", "fabs"),
        *("atan2", "fmod", "hypot", "copysign", "isnan", "isinf", "isfinite", "gcd", "ldexp", "modf", "frexp"),
    )
}
"""Functions of known numbers alone, which are those of Python's `math`."""


def _numbers(rule: str, interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    if named or not items or not all(is_number(item) for item in items):
        return NotImplemented
    try:
        return SYMBOLIC[rule](interpreter.call, *items)
    except TypeError as error:
        raise InvalidModelError(f"takes no {len(items)} numbers") from error


def _rule_of_numbers(rule: str) -> Rule:
    return lambda interpreter, items, named: _numbers(rule, interpreter, items, named)


def _rule_of_floats(function: Callable[..., object]) -> Rule:
    def rule(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
        if not all(isinstance(item, bool | int | float) for item in items):
            return NotImplemented
        try:
            return function(*items)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise InvalidModelError(f"{', '.join(map(told, items))}: {error}") from error

    return rule


def _not(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    condition = truth(interpreter, items[0])
    return SYMBOLIC["_operator.not_"](interpreter.call, condition)


def _is(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    a, b = items
    if a is None or b is None:
        return a is b
    return a is b or (not isinstance(a, Tensor) and equal_values(interpreter, a, b) is True)


def _is_not(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return not _is(interpreter, items, named)


def _eq(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    if any(isinstance(item, Tensor) for item in items):
        return NotImplemented
    return equal_values(interpreter, *items)


def _ne(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    if any(isinstance(item, Tensor) for item in items):
        return NotImplemented
    return SYMBOLIC["_operator.not_"](interpreter.call, equal_values(interpreter, *items))


def _bool(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return truth(interpreter, items[0])


def _element(interpreter: Interpreter, value: object) -> object:
    """A number, that of a tensor of one element included."""
    if isinstance(value, NumberTensor) and value.number is not None:
        return value.number
    return interpreter.operator("torch.item", [value], {}) if isinstance(value, Tensor) else value


def _int(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    value = _element(interpreter, items[0])
    if isinstance(value, str):
        return _parsed(int, value)
    if isinstance(value, Computed) and value.value.dtype is DType.BOOL:
        return Computed(interpreter.call.cast(value.value, DType.INT64))
    return _numbers("torch.sym_int", interpreter, [int(value) if isinstance(value, bool) else value], {})


def _float(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    value = _element(interpreter, items[0])
    return _parsed(float, value) if isinstance(value, str) else _numbers("torch.sym_float", interpreter, [value], {})


def _parsed(kind: Callable[[str], object], text: str) -> object:
    try:
        return kind(text[:100])
    except ValueError as error:
        raise InvalidModelError(f"{text[:40]!r} is no number") from error


def _scalar(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return _element(interpreter, items[0])


def _str(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return _written(items[0])


def _written(value: object) -> str:
    return value if isinstance(value, str) else told(value)


def _format(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """`"{} is {}".format(a, b)`, for messages: what only the run knows is described."""
    if not items or not isinstance(items[0], str):
        return NotImplemented
    pieces = items[0].split("{}")
    parts = [_written(item) for item in items[1:]]
    made = "".join(piece + part for piece, part in zip(pieces, [*parts, *[""] * len(pieces)], strict=False))
    interpreter.charge(len(made) // 100)
    return made


def _raise(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    raise Raised(str(items[0]) if items else "")


def _range_length(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """How many steps `range(start, stop, step)` has."""
    start, stop, step = items
    if not isinstance(step, int) or step == 0:
        if step != 0:
            interpreter.refuse("a range whose step only the run knows")
        raise InvalidModelError("a range with steps of 0")
    first, last = (start, stop) if step > 0 else (stop, start)
    length = _apply(interpreter, "sub", last, first)
    size = abs(step)
    if size != 1:
        length = _apply(interpreter, "floordiv", _apply(interpreter, "add", length, size - 1), size)
    return SYMBOLIC["torch.sym_max"](interpreter.call, length, 0)


def _derive_index(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """The number at a place of a range."""
    index, start, step = items
    return _apply(interpreter, "add", start, _apply(interpreter, "mul", index, step))


def _apply(interpreter: Interpreter, rule: str, a: object, b: object) -> Number:
    if not is_number(a) or not is_number(b):
        raise InvalidModelError(f"numbers are needed, got {told(a)} and {told(b)}")
    return SYMBOLIC[f"_operator.{rule}"](interpreter.call, a, b)


def _dtype(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    tensor = _tensor(items[0])
    if isinstance(tensor, Quantized):
        return tensor.form.code
    return code_of_dtype(tensor.value.dtype)


def _tensor(item: object) -> Tensor:
    if not isinstance(item, Tensor):
        raise InvalidModelError(f"a tensor is needed, got {told(item)}")
    return item


def _shape(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return list(_tensor(items[0]).value.shape)


def _abs(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    value = items[0]
    if isinstance(value, bool | int | float):
        return abs(value)
    if isinstance(value, SymbolicDim | Computed):
        opposite = _numbers("_operator.neg", interpreter, [value], {})
        return _numbers("torch.sym_max", interpreter, [value, opposite], {})
    return NotImplemented


def _extreme(rule: str) -> Rule:
    """The largest or smallest of two numbers, or of a list of them."""

    def made(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
        numbers = cast("list[object]", items[0]) if len(items) == 1 and isinstance(items[0], list) else items
        if not numbers or not all(is_number(item) for item in numbers):
            return NotImplemented
        result = numbers[0]
        for each in numbers[1:]:
            result = _numbers(rule, interpreter, [result, each], {})
        return result

    return made


def _answers(value: object) -> Rule:
    return lambda interpreter, items, named: value


def _first(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return items[0]


def _tensor_literal(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """`torch.tensor(numbers)`: nested lists of numbers."""
    return tensor_of(interpreter, items[0], named.get("dtype"))


def _fork(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """`fork(function, ...)` runs at once; `wait` answers what it returned."""
    return interpreter.invoke(items[0], items[1:], named)


def _device_type(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """`cuda` of the device `cuda:0`."""
    return str(items[0]).partition(":")[0] if isinstance(items[0], Device) else NotImplemented


def _is_nested(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    return isinstance(items[0], Tensor) and items[0].value in interpreter.scope.ragged


def _same_place(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """A tensor that has no gradient, or lies elsewhere: itself."""
    return items[0] if isinstance(items[0], Tensor) else NotImplemented


def _number_tensor(interpreter: Interpreter, items: Items, named: dict[str, object]) -> object:
    """A number as a tensor without axes."""
    return number_tensor(interpreter, items[0])


_TRANSFORMER = "code/__torch__/torch/nn/modules/transformer.py"


def is_causal_hint(place: Place) -> bool:
    """Whether a function looks at the elements of a mask to tell attention that it is the causal one."""
    return place.file == _TRANSFORMER and place.function.name == "_detect_is_causal_mask"


def causal_hint(items: Sequence[object]) -> object:
    """What the person says (mask, is_causal, size); else no, for attention is given the mask as well.

    'is_causal=False when the mask is in fact a causal attention mask may lead to reduced performance', and to nothing
    else (torch/nn/modules/transformer.py).
    """
    return len(items) > 1 and items[1] is True


BUILTINS: Mapping[str, Rule] = {
    **{name: _rule_of_numbers(rule) for name, rule in _OF_NUMBERS.items()},
    **{f"torch.{name}": _rule_of_floats(function) for name, function in _OF_FLOATS.items()},
    **CONTAINERS,
    **FUNCTIONS,
    **LAYERS,
    **PREPACKED,
    **CELLS,
    "torch.__not__": _not,
    "torch.__is__": _is,
    "torch.__isnot__": _is_not,
    "torch.eq": _eq,
    "torch.ne": _ne,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "torch.str": _str,
    "torch.Bool": _bool,
    "torch.Int": _int,
    "torch.Float": _float,
    "torch.IntImplicit": _int,
    "torch.FloatImplicit": _float,
    "torch.ScalarImplicit": _scalar,
    "torch.item": _scalar,
    "torch.format": _format,
    "torch.warn": _answers(None),
    "ops.prim.RaiseException": _raise,
    "print": _answers(None),
    "torch.__range_length": _range_length,
    "torch.__derive_index": _derive_index,
    "torch.abs": _abs,
    "ops.prim.abs": _abs,
    "ops.prim.max": _extreme("torch.sym_max"),
    "ops.prim.min": _extreme("torch.sym_min"),
    "ops.prim.dtype": _dtype,
    "ops.prim.shape": _shape,
    "ops.prim.device": _answers(Device("cpu")),
    "torch.device": _answers(Device("cpu")),
    "ops.prim.layout": _answers(0),
    "ops.prim.requires_grad": _answers(False),
    "ops.prim.is_cuda": _answers(False),
    "ops.prim.is_xpu": _answers(False),
    "ops.prim.is_mps": _answers(False),
    "ops.prim.is_sparse": _answers(False),
    "ops.prim.is_quantized": lambda interpreter, items, named: isinstance(items[0], Quantized),
    "ops.prim.is_mkldnn": _answers(False),
    "ops.prim.is_nested": _is_nested,
    "ops.prim.is_meta": _answers(False),
    "ops.prim.data": _same_place,
    "ops.prim.grad": _answers(None),
    "ops.prim.unchecked_unwrap_optional": _first,
    "unchecked_unwrap_optional": _first,
    "torch._unwrap_optional": _first,
    "ops.prim.NumToTensor": _number_tensor,
    "ops.prim.is_scripting": _answers(True),
    "torch.is_scripting": _answers(True),
    "ops.prim.type": _device_type,
    "torch.is_grad_enabled": _answers(False),
    "torch.set_grad_enabled": _answers(None),
    "torch.is_autocast_enabled": _answers(False),
    "torch.is_autocast_cpu_enabled": _answers(False),
    "torch.requires_grad_": _same_place,
    "torch.cpu": _same_place,
    "torch.cuda": _same_place,
    "torch.manual_seed": _answers(None),
    "torch.tensor": _tensor_literal,
    "torch.as_tensor": _tensor_literal,
    "torch.wait": _first,
    "wait": _first,
    "fork": _fork,
}
"""{name: (who follows, items by place, items by name) -> what it makes}."""
