"""What two kernels have in common that differ in names alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, cast

from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
    AsyncCopy,
    Axis,
    Barrier,
    Bits,
    Buffer,
    Cast,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Region,
    Select,
    Store,
    TileMultiply,
    Variable,
    Wait,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Signature: TypeAlias = tuple[object, ...]
"""What a kernel is made of, in order; equal for kernels that are called otherwise."""


def _parts(kind: type[DataclassInstance]) -> Callable[[object], tuple[object, ...]]:
    """The values of all fields of a dataclass, its name left out."""
    names = [field.name for field in fields(kind)]
    if kind in _NAMED:
        names.remove("name")
    if len(names) > 1:
        return attrgetter(*names)
    single = attrgetter(*names) if names else None
    return lambda item: () if single is None else (single(item),)


_NAMED: tuple[type[DataclassInstance], ...] = (Axis, Buffer, Variable)
_FORMS: tuple[type[DataclassInstance], ...] = (
    *_NAMED,
    *(Accumulate, Allocate, Apply, AsyncCopy, Barrier, Bits, Cast, Const, For, If, Kernel, Let, Load),
    *(Prefetch, Region, Select, Store, TileMultiply, Wait),
)
_PARTS: Mapping[type, Callable[[object], tuple[object, ...]]] = {kind: _parts(kind) for kind in _FORMS}


def signature(kernel: Kernel) -> Signature:
    """What a kernel is but for the names of its buffers, axes and variables, which are numbered as they appear.

    A form is told with its kind, a tuple with its length, a number with its type and all its bits: kernels of one
    signature are the same but for names.
    """
    told: list[object] = []
    numbers: dict[tuple[type, str], int] = {}
    pending: list[object] = [kernel]
    while pending:
        item = pending.pop()
        kind = type(item)
        told.append(kind)
        if isinstance(item, tuple):
            items = cast("tuple[object, ...]", item)
            told.append(len(items))
            pending += items
        elif kind in _PARTS:
            if isinstance(item, Axis | Buffer | Variable):
                told.append(numbers.setdefault((kind, item.name), len(numbers)))
            pending += _PARTS[kind](item)
        else:
            told.append(item.hex() if isinstance(item, float) else item)
    return tuple(told)
