"""Builders of kernels: one nest for what is computed element by element, reduced, windowed, or contracted.

Every builder takes the node and makes the kernel's buffers from its operands (`in0`, `in1`, ...; absent operands have
none) and results (`out0`, ...). Loops over results are parallel, loops of reductions serial; a schedule changes kinds
later. Sums of floats narrower than 32 bits are kept in f32, as the references keep them.

A builder raises UnsupportedError for element types that no machine code computes with (MACHINE_TYPES), and so does a
lowering for operands that decide at run time what its loops are: the reference computes such a node.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Dim, Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.kernel._functions import convert
from xir.kernel.grammar import (
    Allocate,
    Apply,
    Axis,
    Buffer,
    Cast,
    Const,
    For,
    Kernel,
    Load,
    LoopKind,
    Scalar,
    Select,
    Statement,
    Store,
)

Indices = tuple[Scalar, ...]

MACHINE_TYPES = frozenset(
    dtype
    for dtype in DType
    if dtype in (DType.BOOL, DType.FLOAT64, DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)
    or (dtype.is_integer and dtype.bits >= 8)
)
"""The element types that kernels compute with; the others are text, complex, or packed in 8 bits and less."""


def apply(function: str, *arguments: Scalar) -> Scalar:
    """A function of the grammar's FUNCTIONS."""
    return Apply(function, arguments)


def index(value: Dim) -> Const:
    """A size or position as an i64 scalar."""
    return Const(value, DType.INT64)


def number(value: float, dtype: DType) -> Const:
    """A number of a type, cast as the kernel casts: an integer type takes its whole part, bool whether it is not 0."""
    if dtype.is_floating:
        return Const(float(value), dtype)
    if isinstance(value, int) and dtype.is_integer:
        return Const(value, dtype)
    return Const(convert(np.asarray(value, np.float64), dtype).item(), dtype)


def cast(value: Scalar, dtype: DType) -> Scalar:
    """`value` as another type, or itself when it has it already."""
    return value if value.dtype is dtype else Cast(value, dtype)


def every(*conditions: Scalar | None) -> Scalar | None:
    """All the conditions at once; None when there is none."""
    result: Scalar | None = None
    for condition in conditions:
        if condition is not None:
            result = condition if result is None else apply("and", result, condition)
    return result


def offset(position: Scalar, scale: int, shift: Dim) -> Scalar:
    """`position * scale + shift`, without what changes nothing."""
    scaled = position if scale == 1 else apply("mul", position, index(scale))
    return scaled if shift == 0 else apply("add", scaled, index(shift))


def within(position: Scalar, size: Dim) -> Scalar:
    """Whether `0 <= position < size`."""
    return apply("and", apply("ge", position, index(0)), apply("lt", position, index(size)))


def sum_type(dtype: DType) -> DType:
    """The type in which sums of `dtype` are kept."""
    return DType.FLOAT32 if dtype.is_floating and dtype.bits < 32 else dtype


def operand_buffers(node: Node) -> tuple[Buffer | None, ...]:
    """A buffer for each operand, None for the absent ones.

    Raises:
        UnsupportedError: if an element type is none of MACHINE_TYPES.
    """
    return tuple(
        None if value is None else _buffer(node, f"in{number}", value) for number, value in enumerate(node.inputs)
    )


def _buffer(node: Node, name: str, value: Value) -> Buffer:
    if value.dtype not in MACHINE_TYPES:
        raise UnsupportedError(f"{node.op.name}: no machine code computes with {value.dtype}", hint=_REFERENCE)
    return Buffer(name, value.dtype, value.shape)


_REFERENCE = "the reference computes it"


def require_absent(node: Node, *operands: int) -> None:
    """Checks that operands which would decide at run time what the loops are do not stand.

    Raises:
        UnsupportedError: if one does.
    """
    if any(place < len(node.inputs) and node.inputs[place] is not None for place in operands):
        raise UnsupportedError(f"{node.op.name}: an operand decides at run time what is computed", hint=_REFERENCE)


def present(buffer: Buffer | None) -> Buffer:
    """The buffer of an operand that cannot be absent.

    Raises:
        InvalidModelError: if it is.
    """
    if buffer is None:
        raise InvalidModelError("a kernel needs an operand that is absent")
    return buffer


def result_buffers(node: Node) -> tuple[Buffer, ...]:
    """A buffer for each result.

    Raises:
        UnsupportedError: if an element type is none of MACHINE_TYPES.
    """
    return tuple(_buffer(node, f"out{number}", value) for number, value in enumerate(node.outputs))


def axes_of(letter: str, rank: int) -> tuple[Axis, ...]:
    """Axes `i0`, `i1`, ... of a nest."""
    return tuple(Axis(f"{letter}{number}") for number in range(rank))


def nest(
    axes: Sequence[Axis], extents: Sequence[Dim], kind: LoopKind, body: Sequence[Statement]
) -> tuple[Statement, ...]:
    """The statements inside loops, the first axis outermost; the statements themselves without axes."""
    inner = tuple(body)
    for axis, extent in zip(reversed(axes), reversed(extents), strict=True):
        inner = (For(axis, extent, kind, inner),)
    return inner


def kernel(node: Node, body: Sequence[Statement]) -> Kernel:
    """The kernel of a node: its present operands in, its results out."""
    inputs = tuple(buffer for buffer in operand_buffers(node) if buffer is not None)
    return Kernel(node.op.name, inputs, result_buffers(node), tuple(body))


def pointwise(node: Node, value: Callable[..., Scalar]) -> Kernel:
    """Each element of the one result from the elements of the operands at the same place.

    Args:
        node: operands and result have one shape.
        value: gets a scalar for each operand (None for an absent one), answers the result's element.
    """
    return gather(node, lambda axes: value(*(None if b is None else Load(b, axes) for b in operand_buffers(node))))


def elementwise(node: Node, function: str) -> Kernel:
    """A function of the grammar's FUNCTIONS of the operands' elements."""

    def value(*elements: Scalar) -> Scalar:
        return Apply(function, elements)

    return pointwise(node, value)


def each(function: str) -> Callable[[Node], Kernel]:
    """The lowering of an operator that is one of the grammar's FUNCTIONS on each element."""
    return lambda node: elementwise(node, function)


def gather(node: Node, value: Callable[[Indices], Scalar]) -> Kernel:
    """Each element of the one result as `value` says for its indices."""
    (result,) = result_buffers(node)
    axes = axes_of("i", len(result.shape))
    return kernel(node, nest(axes, result.shape, "parallel", [Store(result, axes, value(axes))]))


@dataclass(frozen=True, slots=True)
class Reduction:
    """A reduction that carries one value or several.

    Attributes:
        extents: sizes of the reduced axes, outermost first.
        start: the carried values before the first element.
        step: (result's indices, reduced axes, carried values) -> the new carried values.
        finish: (result's indices, carried values) -> an element for each result of the node.
        valid: (result's indices, reduced axes) -> whether an element counts, or None when each does.
    """

    extents: Shape
    start: tuple[Const, ...]
    step: Callable[[Indices, Indices, Indices], Sequence[Scalar]]
    finish: Callable[[Indices, Indices], Sequence[Scalar]]
    valid: Callable[[Indices, Indices], Scalar | None] = lambda axes, reduced: None


def reduction(node: Node, rule: Reduction) -> Kernel:
    """Each element of the results (all of one shape) by a serial reduction, its values carried in registers."""
    results = result_buffers(node)
    axes = axes_of("i", len(results[0].shape))
    reduced = axes_of("r", len(rule.extents))
    carried = tuple(Buffer(f"carry{n}", start.dtype, (), "register") for n, start in enumerate(rule.start))
    fresh = tuple(Buffer(f"next{n}", start.dtype, (), "register") for n, start in enumerate(rule.start))
    values: Indices = tuple(Load(buffer, ()) for buffer in carried)
    mask = rule.valid(axes, reduced)
    step = rule.step(axes, reduced, values)
    update: list[Statement]
    if len(carried) == 1:
        update = [Store(carried[0], (), step[0], mask)]
    else:  # all new values are computed from the old ones
        update = [Store(buffer, (), value, mask) for buffer, value in zip(fresh, step, strict=True)]
        update += [Store(old, (), Load(new, ()), mask) for old, new in zip(carried, fresh, strict=True)]
    body: list[Statement] = [Allocate(buffer) for buffer in (carried if len(carried) == 1 else carried + fresh)]
    body += [Store(buffer, (), start) for buffer, start in zip(carried, rule.start, strict=True)]
    body += nest(reduced, rule.extents, "serial", update)
    finished = rule.finish(axes, values)
    body += [Store(buffer, axes, value) for buffer, value in zip(results, finished, strict=True)]
    return kernel(node, nest(axes, results[0].shape, "parallel", body))


def reduce(
    node: Node,
    axes: tuple[int, ...],
    *,
    start: Const,
    step: Callable[[Scalar, Scalar], Scalar],
    finish: Callable[[Scalar], Scalar] = lambda total: total,
) -> Kernel:
    """A reduction of the first operand over `axes`; sizes of 1 may stand for them in the result, or nothing.

    Args:
        node: its result has the operand's shape with `axes` of size 1, or without them.
        axes: the reduced axes of the operand.
        start: the value before the first element, in the type that is carried.
        step: (carried, element) -> carried.
        finish: carried -> the result's element, which is cast to the result's type.
    """
    source = present(operand_buffers(node)[0])
    (result,) = result_buffers(node)
    kept = [axis for axis in range(len(source.shape)) if axis not in axes]
    keep_dims = len(result.shape) == len(source.shape)

    def element(places: Indices, reduced: Indices) -> Scalar:
        found = dict(zip(kept, [places[axis] for axis in kept] if keep_dims else places, strict=True))
        found.update(zip(sorted(axes), reduced, strict=True))
        return Load(source, tuple(found[axis] for axis in range(len(source.shape))))

    return reduction(
        node,
        Reduction(
            extents=tuple(source.shape[axis] for axis in sorted(axes)),
            start=(start,),
            step=lambda places, reduced, carried: (step(carried[0], element(places, reduced)),),
            finish=lambda places, carried: (cast(finish(carried[0]), result.dtype),),
        ),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides over spatial axes: where its cells fall.

    Attributes:
        sizes: cells along each spatial axis.
        strides: steps between neighbouring windows.
        padding: (before, after) of each axis; only `before` moves cells.
        dilation: steps between neighbouring cells.
        input_dilation: steps between neighbouring elements of the input, zeros in between.
    """

    sizes: Shape
    strides: tuple[int, ...]
    padding: tuple[tuple[Dim, Dim], ...]
    dilation: tuple[int, ...]
    input_dilation: tuple[int, ...] = ()

    def cell(self, axis: int, place: Scalar, cell: Scalar, size: Dim) -> tuple[Scalar, Scalar]:
        """Where a cell of the window at `place` falls along a spatial axis of `size`, and whether inside."""
        position = apply(
            "add",
            offset(place, self.strides[axis], 0 - self.padding[axis][0]),
            offset(cell, self.dilation[axis], 0),
        )
        gap = self.input_dilation[axis] if self.input_dilation else 1
        if gap == 1:
            return position, within(position, size)
        between = apply("ne", apply("mod", position, index(gap)), index(0))
        element = apply("floor_div", position, index(gap))
        return element, apply("and", apply("not", between), within(element, size))

    def cells(self, places: Indices, cells: Indices, sizes: Shape) -> tuple[Indices, Scalar | None]:
        """Where cells fall along all spatial axes, and whether inside of all."""
        found = [self.cell(axis, *part) for axis, part in enumerate(zip(places, cells, sizes, strict=True))]
        return tuple(position for position, _ in found), every(*(inside for _, inside in found))


def window(
    node: Node,
    shape: Window,
    *,
    start: Const,
    step: Callable[[Scalar, Scalar], Scalar],
    finish: Callable[[Scalar], Scalar] = lambda total: total,
) -> Kernel:
    """A reduction of the first operand, [N, C, spatial...], over the cells of a window that lie inside it."""
    source = present(operand_buffers(node)[0])
    (result,) = result_buffers(node)

    def position(places: Indices, cells: Indices) -> tuple[Indices, Scalar | None]:
        return shape.cells(places[2:], cells, source.shape[2:])

    def advance(places: Indices, cells: Indices, carried: Indices) -> Sequence[Scalar]:
        spatial, inside = position(places, cells)
        return (step(carried[0], Load(source, (*places[:2], *spatial), inside)),)

    return reduction(
        node,
        Reduction(
            extents=shape.sizes,
            start=(start,),
            step=advance,
            finish=lambda places, carried: (cast(finish(carried[0]), result.dtype),),
            valid=lambda places, cells: position(places, cells)[1],
        ),
    )


def contraction(
    node: Node,
    extents: Shape,
    left: Callable[[Indices, Indices], Scalar],
    right: Callable[[Indices, Indices], Scalar],
    *,
    valid: Callable[[Indices, Indices], Scalar | None] = lambda axes, reduced: None,
    finish: Callable[[Indices, Scalar], Scalar] = lambda axes, total: total,
) -> Kernel:
    """A sum of products: `result[i...] = finish(i..., sum over r... of left[i..., r...] * right[i..., r...])`.

    Args:
        node: its one result has the indices `i...`.
        extents: sizes of the summed axes `r...`.
        left: the first factor's element; `right` the second's.
        right: see `left`.
        valid: whether a product counts.
        finish: the epilogue (bias, scale), on the sum in its own type; its answer is cast to the result's type.
    """
    (result,) = result_buffers(node)
    dtype = sum_type(result.dtype)

    def step(places: Indices, reduced: Indices, carried: Indices) -> Sequence[Scalar]:
        factors = cast(left(places, reduced), dtype), cast(right(places, reduced), dtype)
        return (apply("add", carried[0], apply("mul", *factors)),)

    return reduction(
        node,
        Reduction(
            extents=extents,
            start=(number(0, dtype),),
            step=step,
            finish=lambda places, carried: (cast(finish(places, carried[0]), result.dtype),),
            valid=valid,
        ),
    )


def select(condition: Scalar, then: Scalar, otherwise: Scalar) -> Scalar:
    """`then` where `condition` holds, else `otherwise`."""
    return Select(condition, then, otherwise)


def unflatten(flat: Scalar, shape: Shape) -> Indices:
    """The indices of an element from its place in row-major order."""
    found: list[Scalar] = []
    for position, size in enumerate(reversed(shape)):
        last = position == len(shape) - 1
        found.append(flat if last else apply("mod", flat, index(size)))
        flat = flat if last else apply("floor_div", flat, index(size))
    return tuple(reversed(found))


def from_front(place: Scalar, size: Dim) -> Scalar:
    """An index that counts from the end where it is negative, counted from the front."""
    whole = cast(place, DType.INT64)
    return select(apply("lt", whole, index(0)), apply("add", whole, index(size)), whole)


def flatten(indices: Indices, shape: Shape) -> Scalar:
    """The place in row-major order of the element at `indices`."""
    flat: Scalar | None = None
    for position, size in zip(indices, shape, strict=True):
        flat = position if flat is None else apply("add", apply("mul", flat, index(size)), position)
    return index(0) if flat is None else flat


def extreme(dtype: DType, *, highest: bool) -> Const:
    """The value that no element exceeds: infinity, or the end of an integer type's range."""
    if dtype.is_floating:
        return Const(math.inf if highest else -math.inf, dtype)
    unsigned = not dtype.is_signed
    if highest:
        return Const((1 << (dtype.bits - (0 if unsigned else 1))) - 1, dtype)
    return Const(0 if unsigned else -(1 << (dtype.bits - 1)), dtype)
