"""Arithmetic of sizes in traced code, where they are tensors: what is known stays known.

Tracing makes a tensor of every size (`ops.prim.NumToTensor`), computes with operators of tensors, and makes a number of
the result again (torch/csrc/jit/frontend/tracer.cpp, `getSizeOf`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from xir.frontends.torch.promotion import dtype_of_code
from xir.frontends.torch.script.values import is_number
from xir.frontends.torch.symbolic import SYMBOLIC
from xir.frontends.torch.tensor import Computed, Number, Tensor
from xir.ir.dims import SymbolicDim
from xir.ir.node import Value
from xir.ir.types import DType

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter


class NumberTensor(Tensor):
    """A tensor without axes that a number has become.

    Attributes:
        number: what it holds; None once it was written.
    """

    __slots__ = ("number",)

    def __init__(self, value: Value, number: Number) -> None:
        """A place of this value, which is this number."""
        super().__init__(value)
        self.number: Number | None = number

    def write(self, value: Value) -> None:
        """Writes it: what it holds is not known any more."""
        self.number = None
        super().write(value)


_WHOLE: Mapping[str, str] = {
    "torch.add": "_operator.add", "torch.sub": "_operator.sub", "torch.mul": "_operator.mul",
    "torch.floor_divide": "_operator.floordiv", "torch.remainder": "_operator.mod", "torch.neg": "_operator.neg",
    "torch.maximum": "torch.sym_max", "torch.minimum": "torch.sym_min",
}  # fmt: skip
"""Operators of whole numbers that are exact."""

_SAME = frozenset(("torch.detach", "torch.clone", "torch.cpu", "torch.to"))


def number_tensor(interpreter: Interpreter, value: object) -> object:
    """A number as a tensor without axes; a tensor itself."""
    if isinstance(value, Tensor):
        return value
    made = interpreter.call.number(value)
    return Tensor(made) if isinstance(value, Computed) else NumberTensor(made, cast("Number", value))


def computed(interpreter: Interpreter, name: str, items: Sequence[object], named: Mapping[str, object]) -> object:
    """What an operator makes of tensors that are known numbers; None where it is no such call."""
    if not any(isinstance(item, NumberTensor) for item in items[:2]):
        return None
    numbers = [_known(interpreter, item) for item in items]
    if name == "torch.rsub" and len(numbers) == 2:
        name, numbers = "torch.sub", numbers[::-1]
    if name in _SAME:
        return _cast(interpreter, numbers[0], [*numbers[1:], *named.values()])
    if named.get("alpha", 1) != 1 or set(named) - {"alpha", "rounding_mode"}:
        return None
    if name == "torch.div" and len(numbers) == 2:
        return _divided(interpreter, numbers, named.get("rounding_mode"))
    if name in _WHOLE and all(_is_whole(number) for number in numbers):
        return number_tensor(interpreter, SYMBOLIC[_WHOLE[name]](interpreter.call, *numbers))
    if name in ("torch.floor", "torch.ceil") and isinstance(numbers[0], float):
        return _real(interpreter, float(np.floor(numbers[0]) if name == "torch.floor" else np.ceil(numbers[0])))
    return None


def _known(interpreter: Interpreter, item: object) -> object:
    """The number that a tensor is known to hold, else the item itself."""
    if isinstance(item, NumberTensor):
        return item.number
    if isinstance(item, Tensor) and not item.value.rank and item.value.dtype is DType.INT64:
        constant = interpreter.scope.constant_of(item.value)
        return item if constant is None else int(constant.array())
    return item


def _is_whole(number: object) -> bool:
    return isinstance(number, int | SymbolicDim) and not isinstance(number, bool)


def _cast(interpreter: Interpreter, number: object, settings: Sequence[object]) -> object:
    """The number in another element type, where that is the type that numbers have anyhow."""
    codes = [each for each in settings if isinstance(each, int) and not isinstance(each, bool)]
    dtype = dtype_of_code(codes[0]) if codes else None
    if not is_number(number) or isinstance(number, Computed) or len(codes) > 1:
        return None
    if dtype is None:
        return _real(interpreter, number) if isinstance(number, float) else number_tensor(interpreter, number)
    if dtype is DType.INT64 and isinstance(number, float):
        return number_tensor(interpreter, int(number))
    return number_tensor(interpreter, number) if dtype is DType.INT64 else None


def _divided(interpreter: Interpreter, numbers: Sequence[object], rounding: object) -> object:
    """A quotient of sizes, which are not negative: rounded, or as the real number of 32 bits that torch makes."""
    a, b = numbers
    if rounding in ("floor", "trunc") and _is_whole(a) and isinstance(b, int) and b > 0:
        if rounding == "floor" or not isinstance(a, int) or a >= 0:
            return number_tensor(interpreter, SYMBOLIC["_operator.floordiv"](interpreter.call, a, b))
    elif rounding is None and isinstance(a, int) and isinstance(b, int) and b:
        return _real(interpreter, float(np.float32(a) / np.float32(b)))
    return None


def _real(interpreter: Interpreter, number: float) -> object:
    return NumberTensor(interpreter.call.literal(number, DType.FLOAT32), number)
