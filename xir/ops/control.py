"""Control flow: bodies are closed graphs, so every value that one reads is an operand here.

A reference rule gets each body as a function from arrays to a tuple of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from xir.errors import InvalidModelError, UnsafeError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, equal, evaluate, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.ir.verify import compatible
from xir.limits import MAX_LOOP_STEPS
from xir.ops._checks import require_axis, require_dtype
from xir.ops._define import op

OTHER_BRANCH = 512
"""The number of the error where a run takes a branch whose result has another rank than the graph was built for."""


class RunBody(Protocol):
    """A body as a reference rule sees it: arrays in, a tuple of arrays out."""

    @property
    def count(self) -> int:
        """How many results it has."""
        ...

    def result_types(self, *arrays: Array) -> tuple[Type, ...]:
        """The types of its results for `arrays`, without running it: sizes as far as the arrays tell them."""
        ...

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """Runs it."""
        ...


def widest(a: Type, b: Type) -> Type:
    """The narrowest type that holds what is of either type: sizes that differ are unknown, so are ranks.

    Raises:
        InvalidModelError: there is none.
    """
    match a, b:
        case TensorType(), TensorType() if a.dtype is b.dtype and a.rank == b.rank:
            sizes = zip(a.shape, b.shape, strict=True)
            return a.with_shape(tuple(m if equal(m, n) is True else Symbol() for m, n in sizes))
        case ((TensorType(dtype) | UnrankedType(dtype)), (TensorType(other) | UnrankedType(other))) if dtype is other:
            return UnrankedType(dtype)
        case SequenceType(one), SequenceType(other):
            return SequenceType(widest(one, other))
        case OptionalType(one), OptionalType(other):
            return OptionalType(widest(one, other))
        case OptionalType(one), _:
            return OptionalType(widest(one, b))
        case _, OptionalType(other):
            return OptionalType(widest(a, other))
        case MapType(key, one), MapType(other_key, other) if key is other_key:
            return MapType(key, widest(one, other))
        case _:
            raise InvalidModelError(f"nothing can be both {a!r} and {b!r}")


def admits(wide: Type, narrow: Type) -> bool:
    """Whether what is of the type `narrow` can be given where `wide` is expected, as far as sizes are known."""
    match wide, narrow:
        case UnrankedType(dtype), TensorType(other) | UnrankedType(other):
            return dtype is other
        case TensorType(dtype), UnrankedType(other):
            return dtype is other
        case SequenceType(one), SequenceType(other):
            return admits(one, other)
        case OptionalType(one), OptionalType(other):
            return admits(one, other)
        case OptionalType(one), _:
            return admits(one, narrow)
        case _:
            return compatible(wide, narrow)


def admits_always(wide: Type, narrow: Type) -> bool:
    """Whether all that is of the type `narrow` can be given where `wide` is expected, whatever unknown sizes are.

    A size of `wide` that is a nameless symbol takes any.
    """
    match wide, narrow:
        case TensorType(), TensorType():
            return (
                wide.dtype is narrow.dtype
                and wide.rank == narrow.rank
                and all(
                    equal(m, n) is True or (isinstance(m, Symbol) and m.name is None)
                    for m, n in zip(wide.shape, narrow.shape, strict=True)
                )
            )
        case TensorType(), UnrankedType():
            return False
        case (SequenceType(one), SequenceType(other)) | (OptionalType(one), OptionalType(other)):
            return admits_always(one, other)
        case OptionalType(one), _:
            return admits_always(one, narrow)
        case _:
            return admits(wide, narrow)


def result_types(body: Graph, operands: Sequence[Type]) -> tuple[Type, ...]:
    """The types of a body's results when it gets `operands`; its own symbols become those of the operands, or fresh.

    Raises:
        InvalidModelError: the operands are no inputs of the body.
    """
    if len(operands) != len(body.inputs):
        raise InvalidModelError(f"body {body.name!r} takes {len(body.inputs)} values, got {len(operands)}")
    sizes: dict[Symbol, Dim] = {}
    for value, given in zip(body.inputs, operands, strict=True):
        if not admits(value.type, given):
            raise InvalidModelError(
                f"body {body.name!r} takes {value.type!r} for {body.name_of(value)!r}, got {given!r}"
            )
        _bind(value.type, given, sizes)
    return tuple(_outside(value.type, sizes) for value in body.outputs)


def _bind(inside: Type, given: Type, sizes: dict[Symbol, Dim]) -> None:
    while isinstance(inside, SequenceType | OptionalType) and isinstance(given, SequenceType | OptionalType):
        inside, given = inside.element, given.element
    if isinstance(inside, TensorType) and isinstance(given, TensorType):
        for size, known in zip(inside.shape, given.shape, strict=True):
            if isinstance(size, Symbol):
                sizes.setdefault(size, known)


def _outside(type: Type, sizes: dict[Symbol, Dim]) -> Type:
    match type:
        case TensorType(dtype, shape):
            return TensorType(dtype, tuple(_outside_size(size, sizes) for size in shape))
        case SequenceType(element):
            return SequenceType(_outside(element, sizes))
        case OptionalType(element):
            return OptionalType(_outside(element, sizes))
        case MapType(key, element):
            return MapType(key, _outside(element, sizes))
        case UnrankedType():
            return type


def _outside_size(size: Dim, sizes: dict[Symbol, Dim]) -> Dim:
    return evaluate(size, sizes) if all(symbol in sizes for symbol in symbols_of(size)) else Symbol()


@op
def if_(condition: Value, *captured: Value, then_body: Graph, else_body: Graph) -> tuple[Type, ...]:
    """The results of `then_body` where `condition` holds, else those of `else_body`. (ONNX If)

    condition: bool, one element. Both bodies take all of `captured` and make as many results; where their sizes
    differ, the sizes of the result are unknown.
    """
    _require_condition(condition)
    operands = [value.type for value in captured]
    then, other = result_types(then_body, operands), result_types(else_body, operands)
    if len(then) != len(other):
        raise InvalidModelError(f"one branch makes {len(then)} values, the other {len(other)}")
    return tuple(widest(a, b) for a, b in zip(then, other, strict=True))


@if_.reference
def _if_reference(condition: Array, *captured: Array, then_body: RunBody, else_body: RunBody) -> tuple[Array, ...]:
    return then_body(*captured) if _holds(condition) else else_body(*captured)


if_.host("branches are compiled with the program that calls kernels, not as a kernel")
if_.no_gradient("gradients of control flow come with training")


@op
def loop(
    count: Value | None = None,
    condition: Value | None = None,
    *values: Value,
    body: Graph,
    carried: int,
) -> tuple[Type, ...]:
    """`body` again and again: `count` times at most, as long as its condition holds. (ONNX Loop)

    count: i64, one element; absent: no bound. condition: bool, one element, of the first step; absent: true.
    values: `carried` values that each step hands to the next, then what the body reads besides.
    body: (step: i64[], condition: bool[], *values) -> (condition: bool[], *carried values, *results of the step).
    Results: the carried values after the last step, then the results of all steps, stacked along a new first axis.
    """
    if condition is not None:
        _require_condition(condition)
    if count is not None:
        require_dtype(count, DType.INT64)
    types = [value.type for value in values]
    if not 0 <= carried <= len(types):
        raise InvalidModelError(f"{carried} of {len(types)} values are carried")
    held = [widest(value.type, given) for value, given in zip(body.inputs[2:], types, strict=False)]
    made = result_types(body, [TensorType(DType.INT64, ()), TensorType(DType.BOOL, ()), *types])
    if len(made) < 1 + carried:
        raise InvalidModelError(f"the body makes {len(made)} values; a condition and {carried} values are needed")
    _require_condition(body.outputs[0])
    for place, (value, result) in enumerate(zip(body.inputs[2 : 2 + carried], made[1:], strict=False)):
        if not admits(value.type, result):
            raise InvalidModelError(f"carried value {place} is {value.type!r}, and {result!r} after a step")
    finals = tuple(widest(a, b) for a, b in zip(held[:carried], made[1:], strict=False))
    return (*finals, *(_stacked(each, Symbol(), 0) for each in made[1 + carried :]))


def _stacked(element: Type, steps: Dim, axis: int) -> Type:
    if not isinstance(element, TensorType):
        return element if isinstance(element, UnrankedType) else SequenceType(element)
    return element.with_shape((*element.shape[:axis], steps, *element.shape[axis:]))


@loop.reference
def _loop_reference(
    count: Array | None, condition: Array | None, *values: Array, body: RunBody, carried: int
) -> tuple[Array, ...]:
    most = None if count is None else int(count.reshape(()))
    going = condition is None or _holds(condition)
    held, captured = list(values[:carried]), values[carried:]
    rows: list[tuple[Array, ...]] = []
    step = 0
    while going and (most is None or step < most):
        if step >= MAX_LOOP_STEPS:
            raise UnsafeError(
                f"a loop has not ended after {MAX_LOOP_STEPS} steps", number=806, hint="does anything end it?"
            )
        made = body(np.asarray(step, np.int64), np.asarray(True), *held, *captured)
        going = _holds(made[0])
        held = list(made[1 : 1 + carried])
        rows.append(made[1 + carried :])
        step += 1
    if not rows:
        types = body.result_types(np.asarray(0, np.int64), np.asarray(True), *held, *captured)
        return (*held, *map(_empty, types[1 + carried :]))
    return (*held, *_stack(rows))


def _stack(rows: Sequence[tuple[Array, ...]]) -> list[Array]:
    """The results of all steps along a new first axis."""
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _empty(type: Type) -> Array:
    if not isinstance(type, TensorType):
        raise InvalidModelError("a loop of no steps has results of which not even the number of axes is known")
    return np.zeros((0, *(size if isinstance(size, int) else 0 for size in type.shape)), type.dtype.dtype)


loop.host("loops are compiled with the program that calls kernels, not as a kernel")
loop.no_gradient("gradients of control flow come with training")


@op
def scan(
    *values: Value,
    body: Graph,
    states: int,
    axes: tuple[int, ...],
    reversed_inputs: tuple[bool, ...],
    result_axes: tuple[int, ...],
    reversed_results: tuple[bool, ...],
) -> tuple[Type, ...]:
    """`body` for each slice of the scanned values, which have one size along their axes. (ONNX Scan)

    values: `states` values that each step hands to the next, a value for each of `axes` that is cut along it (from
    the end if `reversed_inputs`), then what the body reads besides.
    body: (*states, *slices, *rest) -> (*states, *results of the step).
    Results: the states after the last step, then the results of all steps stacked along `result_axes` (the last step
    first if `reversed_results`).
    """
    if not axes or states + len(axes) > len(values) or len(axes) != len(reversed_inputs):
        raise InvalidModelError(f"{len(values)} values for {states} states and {len(axes)} scanned values")
    scanned = values[states : states + len(axes)]
    steps = _steps(scanned, axes)
    slices = [
        value.tensor.with_shape(value.shape[:axis] + value.shape[axis + 1 :])
        for value, axis in zip(scanned, axes, strict=True)
    ]
    types = [value.type for value in values]
    made = result_types(body, [*types[:states], *slices, *types[states + len(axes) :]])
    if len(made) != states + len(result_axes) or len(result_axes) != len(reversed_results):
        raise InvalidModelError(f"the body makes {len(made)} values; {states} and {len(result_axes)} are needed")
    finals = tuple(widest(a, b) for a, b in zip(types[:states], made, strict=False))
    stacked = (_stacked(each, steps, axis) for each, axis in zip(made[states:], result_axes, strict=True))
    return (*finals, *stacked)


def _steps(scanned: Sequence[Value], axes: tuple[int, ...]) -> Dim:
    for value, axis in zip(scanned, axes, strict=True):
        require_axis(value, axis)
    steps = [value.shape[axis] for value, axis in zip(scanned, axes, strict=True)]
    for other in steps[1:]:
        if equal(steps[0], other) is False:
            raise InvalidModelError(f"scanned values have {steps[0]!r} and {other!r} slices")
    return next((size for size in steps if isinstance(size, int)), steps[0])


@scan.reference
def _scan_reference(
    *values: Array,
    body: RunBody,
    states: int,
    axes: tuple[int, ...],
    reversed_inputs: tuple[bool, ...],
    result_axes: tuple[int, ...],
    reversed_results: tuple[bool, ...],
) -> tuple[Array, ...]:
    held = list(values[:states])
    scanned = [
        np.flip(np.moveaxis(array, axis, 0), 0) if flipped else np.moveaxis(array, axis, 0)
        for array, axis, flipped in zip(values[states : states + len(axes)], axes, reversed_inputs, strict=True)
    ]
    captured = values[states + len(axes) :]
    if len({len(array) for array in scanned}) != 1:
        raise InvalidModelError(f"scanned values have {[len(array) for array in scanned]} slices")
    rows: list[tuple[Array, ...]] = []
    for step in range(len(scanned[0])):
        made = body(*held, *(np.array(array[step]) for array in scanned), *captured)
        held = list(made[:states])
        rows.append(made[states:])
    if rows:
        stacked = _stack(rows)
    else:
        slices = (np.zeros(array.shape[1:], array.dtype) for array in scanned)
        stacked = [_empty(type) for type in body.result_types(*held, *slices, *captured)[states:]]
    results = [
        np.ascontiguousarray(np.moveaxis(np.flip(array, 0) if flipped else array, 0, axis))
        for array, axis, flipped in zip(stacked, result_axes, reversed_results, strict=True)
    ]
    return (*held, *results)


scan.host("loops are compiled with the program that calls kernels, not as a kernel")
scan.no_gradient("gradients of control flow come with training")


@op
def assume_shape(x: Value, *, shape: tuple[Dim, ...]) -> TensorType:
    """`x`, which must have the shape when the graph runs. (xir's own: two branches of different ranks meet)

    x: any tensor, mostly of unknown rank; a size of `shape` that is a symbol may be any.
    """
    if not isinstance(x.type, TensorType | UnrankedType):
        raise InvalidModelError(f"a tensor is needed, got {x.type!r}")
    result = TensorType(x.type.dtype, shape)
    if not admits(result, x.type):
        raise InvalidModelError(f"{x.type!r} cannot have the shape of {result!r}")
    return result


@assume_shape.reference
def _assume_shape_reference(x: Array, *, shape: tuple[Dim, ...]) -> Array:
    sizes = zip(x.shape, shape, strict=False)
    if x.ndim != len(shape) or any(isinstance(size, int) and size != have for have, size in sizes):
        raise InvalidModelError(
            f"a tensor of {len(shape)} axes was expected here, got {list(x.shape)}: the branch that was taken makes "
            "another one than the rest of the graph was built for",
            number=OTHER_BRANCH,
        )
    return x


@assume_shape.gradient
def _assume_shape_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    return (dy,)


assume_shape.host("a check of what a branch has made; no element is touched")


def _require_condition(condition: Value) -> None:
    require_dtype(condition, DType.BOOL)
    sizes = condition.type.shape if isinstance(condition.type, TensorType) else ()
    if any(equal(size, 1) is False for size in sizes):
        raise InvalidModelError(f"a condition has one element, got {condition.type!r}")


def _holds(condition: Array) -> bool:
    if condition.size != 1:
        raise InvalidModelError(f"a condition has one element, got {condition.size}")
    return bool(condition.reshape(()))
