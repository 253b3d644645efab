"""The arguments of one call, brought into the form that the schema of the operator gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.errors import InvalidModelError
from xir.frontends.torch.operators import Operator
from xir.frontends.torch.promotion import dtype_of_code
from xir.frontends.torch.schema import REQUIRED, Argument, Required, Schema
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.dims import SymbolicDim
from xir.ir.types import DType

_REAL = (bool, int, float, SymbolicDim, Computed)
_WHOLE = (bool, int, SymbolicDim, Computed)
_NUMBERS = (*_REAL, complex)
_KINDS: Mapping[str, tuple[type, ...]] = {
    "Tensor": (Tensor,),
    "int": _WHOLE,
    "SymInt": _WHOLE,
    "float": _REAL,
    "SymFloat": _REAL,
    "bool": (bool, Computed),
    "SymBool": (bool, Computed),
    "Scalar": _NUMBERS,
    "number": _NUMBERS,
    "str": (str,),
    "ScalarType": (DType, int),
    "Layout": (object,),
    "Device": (str,),
    "MemoryFormat": (object,),
    "Generator": (object,),
    "Dimname": (str,),
}
"""What may stand for an argument of each type of a schema."""

_TAKING_NUMBERS = frozenset(
    ("add", "copy", "div", "divide", "floor_divide", "fma", "mul", "multiply", "sub", "subtract", "true_divide")
)
"""Operators that take a number in place of any tensor, `copy` not of its target (`should_allow_numbers_as_tensors` of
torch/csrc/utils/python_arg_parser.cpp; `fma` of `prims` as torch's own rules call it): the number is of no tensor's
type, so it promotes like one."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The arguments of a call by their names in the schema, defaults filled in.

    Attributes:
        operator: what is called.
        held: {name: item}; tensors as places.
    """

    operator: Operator
    held: Mapping[str, object]


def bind(operator: Operator, items: Sequence[object], named: Mapping[str, object]) -> Bound:
    """The arguments of a call of one overload.

    Raises:
        InvalidModelError: they do not fit the schema.
    """
    schema = operator.schema
    held: dict[str, object] = {}
    by_place = [argument for argument in schema.arguments if not argument.by_name]
    if len(items) > len(by_place):
        raise InvalidModelError(f"takes {len(by_place)} arguments by place, got {len(items)}")
    for argument, item in zip(by_place, items, strict=False):
        held[argument.name] = _fitted(schema, argument, item)
    known = {argument.name: argument for argument in schema.arguments}
    for name, item in named.items():
        if name not in known or name in held:
            raise InvalidModelError(f"argument {name!r} is {'given twice' if name in held else 'not known'}")
        held[name] = _fitted(schema, known[name], item)
    for argument in schema.arguments:
        if argument.name not in held:
            if isinstance(argument.default, Required):
                raise InvalidModelError(f"argument {argument.name!r} is missing")
            held[argument.name] = _repeated(argument, argument.default)
    _check_layout(held)
    return Bound(operator, held)


def fits(schema: Schema, items: Sequence[object], named: Mapping[str, object]) -> bool:
    """Whether a call may mean this overload: the choice that PyTorch makes by the types of the arguments."""
    by_place = [argument for argument in schema.arguments if not argument.by_name]
    known = {argument.name: argument for argument in schema.arguments}
    if len(items) > len(by_place) or any(name not in known for name in named):
        return False
    given = [*zip(by_place, items, strict=False), *((known[name], item) for name, item in named.items())]
    names = {argument.name for argument, _ in given}
    absent = [argument for argument in schema.arguments if argument.name not in names]
    return all(_is_fit(argument, item) for argument, item in given) and not any(
        argument.default is REQUIRED for argument in absent
    )


def several(item: object) -> tuple[object, ...] | None:
    """The items of a list or tuple; None for anything else."""
    return tuple(cast("list[object]", item)) if isinstance(item, list | tuple) else None


def _is_fit(argument: Argument, item: object) -> bool:
    if item is None:
        return argument.is_optional
    if not argument.is_list:
        return _is_of(argument, item)
    items = several(item)
    if items is not None:
        return all(_is_of(argument, each) or (each is None and argument.holds_none) for each in items)
    return argument.length is not None and _is_of(argument, item)


def _is_of(argument: Argument, item: object) -> bool:
    kinds = _KINDS.get(argument.kind)
    if kinds is None or isinstance(item, kinds):
        return kinds is not None and not (isinstance(item, bool) and argument.kind in ("int", "SymInt"))
    return False


def _fitted(schema: Schema, argument: Argument, item: object) -> object:
    takes_numbers = schema.name in _TAKING_NUMBERS and argument.kind == "Tensor"
    is_target = schema.name == "copy" and argument is schema.arguments[0]
    if takes_numbers and isinstance(item, _NUMBERS) and not is_target:
        return item
    is_number = isinstance(item, bool) and argument.kind in ("int", "SymInt") and not argument.is_list
    if not _is_fit(argument, item) and not is_number:
        raise InvalidModelError(f"argument {argument.name!r} is {_told(item)}, expected {_wanted(argument)}")
    return _repeated(argument, item)


def _real(item: object) -> object:
    return float(item) if isinstance(item, int) else item


def _repeated(argument: Argument, item: object) -> object:
    """One number in place of a list of known length stands for all of them (`stride=2` of `int[2]`)."""
    items = several(item)
    if argument.is_list and items is not None:
        return tuple(_real(item) for item in items) if argument.kind == "float" else items
    if argument.is_list and argument.length is not None and item is not None:
        return (item,) * argument.length
    if argument.kind == "ScalarType" and isinstance(item, int):
        return dtype_of_code(item)
    return _real(item) if argument.kind == "float" and not argument.is_list else item


def _check_layout(held: Mapping[str, object]) -> None:
    if held.get("layout") not in (None, "strided", 0):
        raise InvalidModelError(f"layout {held['layout']!r}", hint="xir has dense tensors alone: call .to_dense()")


def _told(item: object) -> str:
    if isinstance(item, Tensor):
        return f"a tensor {item.value.type!r}"
    return f"{type(item).__name__} {item!r}"[:80]


def _wanted(argument: Argument) -> str:
    length = "" if argument.length is None else argument.length
    return argument.kind + (f"[{length}]" if argument.is_list else "") + ("?" if argument.is_optional else "")
