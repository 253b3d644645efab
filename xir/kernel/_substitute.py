"""Replacing parts of scalars and statements: axes and variables by scalars, loads by what they would read, sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.dims import Dim, Symbol, evaluate
from xir.ir.types import DType
from xir.kernel._functions import convert
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
    Let,
    Load,
    Prefetch,
    Region,
    Scalar,
    Select,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)


def _never(load: Load) -> Scalar | None:
    return None


@overload
def substitute(
    part: Scalar,
    axes: Mapping[str, Scalar],
    loads: Callable[[Load], Scalar | None] = ...,
    *,
    variables: Mapping[str, Scalar] = ...,
    buffers: Mapping[str, Buffer] = ...,
    sizes: Mapping[Symbol, Dim] = ...,
) -> Scalar: ...
@overload
def substitute(
    part: Statement,
    axes: Mapping[str, Scalar],
    loads: Callable[[Load], Scalar | None] = ...,
    *,
    variables: Mapping[str, Scalar] = ...,
    buffers: Mapping[str, Buffer] = ...,
    sizes: Mapping[Symbol, Dim] = ...,
) -> Statement: ...
def substitute(
    part: Scalar | Statement,
    axes: Mapping[str, Scalar],
    loads: Callable[[Load], Scalar | None] = _never,
    *,
    variables: Mapping[str, Scalar] | None = None,
    buffers: Mapping[str, Buffer] | None = None,
    sizes: Mapping[Symbol, Dim] | None = None,
) -> Scalar | Statement:
    """`part` with its pieces replaced; what holds none of them is the same object as before.

    Args:
        part: a scalar or a statement.
        axes: {name of an axis: what stands for it}; a loop of such an axis is renamed, so it must be an axis too.
        loads: asked about every load, its indices and mask already replaced; None leaves the load as it is.
        variables: {name of a variable: what stands for it}; a Let of it is renamed, as loops are.
        buffers: {name of a buffer: the buffer in its place}, wherever it is read, written or allocated; `loads` sees
            the new one.
        sizes: {symbol: what stands for it} in numbers and extents; the shapes of buffers are those of `buffers`.

    Raises:
        InvalidModelError: if something that `part` itself binds would become no name.
    """
    walk = _Substitution(axes, loads, variables or {}, buffers or {}, sizes or {})
    if isinstance(part, Const | Load | Axis | Variable | Apply | Cast | Bits | Select):
        return walk.scalar(part)
    return walk.statement(part)


@dataclass(slots=True)
class _Substitution:
    """One substitution; a scalar that stands in several places is replaced once and stays shared."""

    axes: Mapping[str, Scalar]
    loads: Callable[[Load], Scalar | None]
    variables: Mapping[str, Scalar]
    buffers: Mapping[str, Buffer]
    sizes: Mapping[Symbol, Dim]
    # By the identity of scalars, which are kept here too so that no other takes a number of theirs.
    done: dict[int, tuple[Scalar, Scalar]] = field(default_factory=dict[int, "tuple[Scalar, Scalar]"])

    def scalar(self, scalar: Scalar) -> Scalar:
        held = self.done.get(id(scalar))
        if held is None:
            held = self.done[id(scalar)] = (scalar, self.rebuilt(scalar))
        return held[1]

    def rebuilt(self, scalar: Scalar) -> Scalar:
        match scalar:
            case Const():
                return self.number(scalar)
            case Axis(name):
                return self.axes.get(name, scalar)
            case Variable(name):
                return self.variables.get(name, scalar)
            case Apply(function, arguments):
                made = self.scalars(arguments)
                return scalar if made is arguments else Apply(function, made)
            case Cast(value, dtype) | Bits(value, dtype):
                inner = self.scalar(value)
                return scalar if inner is value else type(scalar)(inner, dtype)
            case Select(condition, then, otherwise):
                parts = (condition, then, otherwise)
                made = self.scalars(parts)
                return scalar if made is parts else Select(*made)
            case Load():
                return self.load(scalar)

    def scalars(self, scalars: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        made = tuple(map(self.scalar, scalars))
        same = all(new is old for new, old in zip(made, scalars, strict=True))
        return scalars if same else made

    def load(self, load: Load) -> Scalar:
        indices, mask, buffer = self.scalars(load.indices), self.mask(load.mask), self.buffer(load.buffer)
        same = indices is load.indices and mask is load.mask and buffer is load.buffer
        made = load if same else Load(buffer, indices, mask)
        found = self.loads(made)
        return made if found is None else found

    def mask(self, mask: Scalar | None) -> Scalar | None:
        return None if mask is None else self.scalar(mask)

    def number(self, number: Const) -> Const:
        if isinstance(number.value, bool | int | float):
            return number
        made = self.size(number.value)
        return number if made is number.value else _number(made, number.dtype)

    def size(self, size: Dim) -> Dim:
        if isinstance(size, int) or not self.sizes:
            return size
        made = evaluate(size, self.sizes)
        return size if made == size else made

    def buffer(self, buffer: Buffer) -> Buffer:
        return self.buffers.get(buffer.name, buffer)

    def statement(self, statement: Statement) -> Statement:
        match statement:
            case For(axis, extent, kind, body):
                renamed, size, made = self.axis(axis), self.size(extent), self.block(body)
                same = renamed is axis and size is extent and made is body
                return statement if same else For(renamed, size, kind, made)
            case If(condition, then, otherwise):
                parts = (self.scalar(condition), self.block(then), self.block(otherwise))
                same = parts[0] is condition and parts[1] is then and parts[2] is otherwise
                return statement if same else If(*parts)
            case Let(variable, value):
                named, inner = self.variable(variable), self.scalar(value)
                return statement if named is variable and inner is value else Let(named, inner)
            case Store() | Accumulate():
                return self.write(statement)
            case Allocate(buffer):
                found = self.buffer(buffer)
                return statement if found is buffer else Allocate(found)
            case Prefetch(buffer, indices):
                places = self.scalars(indices)
                same = places is indices and self.buffer(buffer) is buffer
                return statement if same else Prefetch(self.buffer(buffer), places)
            case AsyncCopy() | TileMultiply() | Barrier() | Wait():
                return self.move(statement)

    def block(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        made = tuple(map(self.statement, body))
        return body if all(new is old for new, old in zip(made, body, strict=True)) else made

    def axis(self, axis: Axis) -> Axis:
        found = self.axes.get(axis.name, axis)
        if not isinstance(found, Axis):
            raise InvalidModelError(f"the loop of {axis.name} stands inside of what replaces its axis by no axis")
        return axis if found == axis else found

    def variable(self, variable: Variable) -> Variable:
        found = self.variables.get(variable.name, variable)
        if not isinstance(found, Variable):
            raise InvalidModelError(f"{variable.name} is bound inside of what replaces it by no variable")
        return variable if found == variable else found

    def write(self, statement: Store | Accumulate) -> Statement:
        indices, value, mask = self.scalars(statement.indices), self.scalar(statement.value), self.mask(statement.mask)
        buffer = self.buffer(statement.buffer)
        same = indices is statement.indices and value is statement.value and mask is statement.mask
        if same and buffer is statement.buffer:
            return statement
        return replace(statement, buffer=buffer, indices=indices, value=value, mask=mask)

    def region(self, region: Region) -> Region:
        starts, buffer = self.scalars(region.starts), self.buffer(region.buffer)
        same = starts is region.starts and buffer is region.buffer
        return region if same else Region(buffer, starts, region.sizes)

    def move(self, statement: AsyncCopy | TileMultiply | Barrier | Wait) -> Statement:
        match statement:
            case AsyncCopy(target, source):
                pair = (self.region(target), self.region(source))
                same = pair[0] is target and pair[1] is source
                return statement if same else replace(statement, target=pair[0], source=pair[1])
            case TileMultiply(target, left, right):
                three = (self.region(target), self.region(left), self.region(right))
                same = three[0] is target and three[1] is left and three[2] is right
                return statement if same else replace(statement, target=three[0], left=three[1], right=three[2])
            case Barrier() | Wait():
                return statement


def _number(value: Dim, dtype: DType) -> Const:
    """A size as a number of a type: what its conversion at run time makes of it."""
    if not isinstance(value, int) or dtype is DType.INT64:
        return Const(value, dtype)
    middle = DType.FLOAT32 if dtype in (DType.FLOAT16, DType.BFLOAT16) else DType.INT64
    made = convert(convert(np.asarray(value, np.int64), middle), dtype)
    return Const(float(made) if dtype.is_floating else made.item(), dtype)
