"""Tensors that code makes of numbers: `torch.tensor([[1, 2], [3, 4]])`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.frontends.torch.promotion import DEFAULT, dtype_of_code
from xir.frontends.torch.script.values import is_number, told
from xir.frontends.torch.tensor import Computed, Number, Tensor
from xir.ir.dims import SymbolicDim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import check_rank
from xir.ops.shape import concat, reshape

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter


def tensor_of(interpreter: Interpreter, item: object, dtype: object) -> object:
    """A number, or nested lists of numbers of one length on each axis, as a tensor.

    Raises:
        InvalidModelError: the lists are of different lengths, or hold something else.
    """
    if isinstance(item, Tensor):
        return item if not isinstance(dtype, int) else interpreter.operator("torch.to", [item, dtype], {})
    shape, numbers = _flat(item)
    interpreter.charge(len(numbers))
    wanted = dtype_of_code(dtype) if isinstance(dtype, int) else _type_of(numbers)
    call = interpreter.call
    if all(isinstance(number, bool | int | float) for number in numbers):
        return Tensor(call.literal(np.asarray(numbers).reshape(shape), wanted))
    lines: list[Value] = [reshape(call.scalar(cast("Number", number), wanted), shape=(1,)) for number in numbers]
    return Tensor(reshape(concat(*lines, axis=0), shape=shape))


def _flat(item: object) -> tuple[tuple[int, ...], list[object]]:
    """The lengths of nested lists, and all numbers in them."""
    shape: list[int] = []
    level: list[object] = [item]
    while level and isinstance(level[0], list | tuple):
        check_rank(len(shape) + 1)
        lists = [cast("Sequence[object]", each) if isinstance(each, list | tuple) else None for each in level]
        lengths = {None if each is None else len(each) for each in lists}
        if len(lengths) != 1 or None in lengths:
            raise InvalidModelError("a tensor is made of lists of different lengths")
        shape.append(len(cast("Sequence[object]", level[0])))
        level = [part for each in lists if each is not None for part in each]
    wrong = [each for each in level if not is_number(each)]
    if wrong:
        raise InvalidModelError(f"a tensor is made of {told(wrong[0])}")
    return tuple(shape), level


def _type_of(numbers: Sequence[object]) -> DType:
    """bool, i64 or the default real type, as torch infers it (torch/csrc/jit/runtime/register_special_ops.cpp)."""
    kinds = {_kind(number) for number in numbers}
    if not kinds or DType.FLOAT64 in kinds:
        return DEFAULT
    return DType.INT64 if DType.INT64 in kinds else DType.BOOL


def _kind(number: object) -> DType:
    if isinstance(number, Computed):
        return number.value.dtype
    if isinstance(number, bool):
        return DType.BOOL
    return DType.INT64 if isinstance(number, int | SymbolicDim) else DType.FLOAT64
