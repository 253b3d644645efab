"""The rules that every kernel keeps; an error cites the number of the rule.

Rules:
    K1  every buffer that is used is an input, an output, or allocated around; names differ; inputs are not written.
    K2  every axis and variable is bound around; nothing shadows.
    K3  types: values have their buffer's type, indices are i64 and as many as axes, conditions and masks are bool,
        the operands of a function have one type; functions and widths are of the grammar.
    K4  an index that is affine stays inside its buffer for all iterations, where no mask or If guards it.
    K5  iterations that run at once do not write one element: an index of every unguarded Store and every Accumulate
        that is not atomic moves with each such loop around it, unless the buffer is made inside that loop.
    K6  a barrier stands in no If, and each AsyncCopy is followed by a Wait for its group.
    K7  regions have a start and a size an axis; tiles are matrices that fit together.
    K8  scalars and statements are nested at most MAX_DEPTH deep; a scalar has at most MAX_PARTS parts.
    K9  iterations that run at once do not read what another one writes: an index of every unguarded Load of an output
        moves with each such loop around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from xir.errors import InvalidModelError
from xir.ir.dims import Dim, add, bounds, multiply, subtract
from xir.ir.types import DType
from xir.kernel._affine import affine
from xir.kernel.grammar import (
    FUNCTIONS,
    INTEGER_FUNCTIONS,
    SEQUENTIAL,
    WIDTHS,
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
    Scalar,
    Select,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)

MAX_DEPTH = 200
"""Levels of scalars and of statements inside each other; a fused kernel has tens."""

MAX_PARTS = 10_000
"""Parts of one scalar, those that stand in several places counted each time."""


@dataclass(slots=True)
class _Scope:
    """What the statements of one block may use."""

    buffers: dict[str, Buffer]
    outputs: frozenset[str]
    axes: dict[str, For] = field(default_factory=dict[str, For])
    variables: dict[str, DType] = field(default_factory=dict[str, DType])
    made_at: dict[str, int] = field(default_factory=dict[str, int])
    guarded: bool = False
    depth: int = 0

    def inner(self, guarded: bool = False) -> _Scope:
        """The scope of a block inside."""
        return _Scope(
            dict(self.buffers),
            self.outputs,
            dict(self.axes),
            dict(self.variables),
            dict(self.made_at),
            self.guarded or guarded,
            self.depth + 1,
        )

    def taken(self, name: str) -> bool:
        """Whether the name stands for something already."""
        return name in self.buffers or name in self.axes or name in self.variables


def verify(kernel: Kernel) -> None:
    """Checks every rule.

    Raises:
        InvalidModelError: at the first rule that is broken.
    """
    scope = _Scope({}, frozenset(buffer.name for buffer in kernel.outputs))
    for buffer in (*kernel.inputs, *kernel.outputs):
        _check(not scope.taken(buffer.name), f"K1: two buffers of {kernel.name} are called {buffer.name}")
        _check(buffer.space == "global", f"K1: {buffer.name} is passed to {kernel.name}, so it must be global")
        scope.buffers[buffer.name] = buffer
    _block(kernel.body, scope)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise InvalidModelError(message)


def _block(statements: tuple[Statement, ...], scope: _Scope) -> None:
    _check(scope.depth <= MAX_DEPTH, f"K8: statements are nested more than {MAX_DEPTH} deep")
    for place, statement in enumerate(statements):
        _statement(statement, scope)
        if isinstance(statement, AsyncCopy):
            waits = any(isinstance(later, Wait) and later.group == statement.group for later in statements[place:])
            _check(waits, f"K6: nothing waits for the copies of group {statement.group}")


def _statement(statement: Statement, scope: _Scope) -> None:
    match statement:
        case For() | If():
            _nested(statement, scope)
        case Let(variable, value):
            _check(not scope.taken(variable.name), f"K2: {variable.name} is bound twice")
            _check(_scalar(value, scope) is variable.dtype, f"K3: {variable.name} is no {value.dtype}")
            scope.variables[variable.name] = variable.dtype
        case Store() | Accumulate():
            _write(statement, scope)
        case Allocate(buffer):
            _check(not scope.taken(buffer.name), f"K1: {buffer.name} stands for two things")
            _check(buffer.space != "global", f"K1: {buffer.name} is allocated in a kernel, so it cannot be global")
            scope.buffers[buffer.name] = buffer
            scope.made_at[buffer.name] = len(scope.axes)
        case Prefetch(buffer, indices):
            _access(buffer, indices, None, scope)
        case Barrier():
            _check(not scope.guarded, "K6: a barrier stands in an If")
        case AsyncCopy() | TileMultiply() | Wait():
            _move(statement, scope)


def _nested(statement: For | If, scope: _Scope) -> None:
    if isinstance(statement, If):
        _check(_scalar(statement.condition, scope) is DType.BOOL, "K3: the condition of an If is no bool")
        _block(statement.then, scope.inner(guarded=True))
        _block(statement.otherwise, scope.inner(guarded=True))
        return
    _check(not scope.taken(statement.axis.name), f"K2: axis {statement.axis.name} is bound twice")
    inner = scope.inner()
    inner.axes[statement.axis.name] = statement
    _block(statement.body, inner)


def _write(statement: Store | Accumulate, scope: _Scope) -> None:
    buffer = statement.buffer
    _access(buffer, statement.indices, statement.mask, scope)
    _check(
        buffer.space != "global" or buffer.name in scope.outputs, f"K1: {buffer.name} is an input and cannot be written"
    )
    got = _scalar(statement.value, scope)
    _check(got is buffer.dtype, f"K3: {buffer.name} holds {buffer.dtype}, the value is {got}")
    if isinstance(statement, Store):
        _check(statement.width in WIDTHS, f"K3: a store cannot be {statement.width} wide, only {WIDTHS}")
    atomic = isinstance(statement, Accumulate) and statement.atomic
    if not atomic and not scope.guarded and statement.mask is None:
        _check_races("K5", "write", buffer, statement.indices, scope)


def _read(load: Load, scope: _Scope) -> None:
    _access(load.buffer, load.indices, load.mask, scope)
    if load.buffer.name in scope.outputs and load.mask is None and not scope.guarded:
        _check_races("K9", "write and read", load.buffer, load.indices, scope)


def _check_races(rule: str, done: str, buffer: Buffer, indices: tuple[Scalar, ...], scope: _Scope) -> None:
    used = {axis.name for index in indices for axis in _axes(index)}
    named = any(isinstance(part, Variable) for index in indices for part in _parts(index))
    if any(loop.extent == 0 for loop in scope.axes.values()):
        return  # nothing is written
    for place, (name, loop) in enumerate(scope.axes.items()):
        together = loop.kind not in SEQUENTIAL and loop.extent != 1
        outside = scope.made_at.get(buffer.name, 0) <= place
        if together and outside and name not in used and not named:
            told = f"iterations of {name} ({loop.kind}) {done} the same element of {buffer.name}"
            raise InvalidModelError(f"{rule}: {told}")


def _access(buffer: Buffer, indices: tuple[Scalar, ...], mask: Scalar | None, scope: _Scope) -> None:
    _check(scope.buffers.get(buffer.name) == buffer, f"K1: {buffer.name} is neither passed nor allocated")
    _check(len(indices) == len(buffer.shape), f"K3: {buffer.name} has {len(buffer.shape)} axes, not {len(indices)}")
    for index in indices:
        _check(_scalar(index, scope) is DType.INT64, f"K3: an index of {buffer.name} is no i64")
    if mask is not None:
        _check(_scalar(mask, scope) is DType.BOOL, f"K3: a mask of {buffer.name} is no bool")
    elif not scope.guarded:
        for axis, (index, size) in enumerate(zip(indices, buffer.shape, strict=True)):
            _check_bounds(index, size, 1, f"{buffer.name} along axis {axis}", scope)


def _check_bounds(index: Scalar, size: Dim, count: int, what: str, scope: _Scope) -> None:
    form = affine(index)
    if form is None:
        return
    low = high = form.constant
    for name, factor in form.coefficients.items():
        reach = multiply(factor, subtract(scope.axes[name].extent, 1))
        least, most = bounds(factor)
        if least is not None and least >= 0:
            high = add(high, reach)
        elif most is not None and most <= 0:
            low = add(low, reach)
        else:
            return
    lowest, highest = bounds(low)[1], bounds(subtract(add(high, count), size))[0]
    fits = (lowest is None or lowest >= 0) and (highest is None or highest <= 0)
    _check(fits, f"K4: an index of {what} reaches from {low!r} to {high!r}, the size is {size!r}")


def _move(statement: AsyncCopy | TileMultiply | Wait, scope: _Scope) -> None:
    if isinstance(statement, Wait):
        return
    for region in (
        (statement.target, statement.source)
        if isinstance(statement, AsyncCopy)
        else (statement.target, statement.left, statement.right)
    ):
        _region(region, scope)
    written = statement.target.buffer
    _check(written.space != "global" or written.name in scope.outputs, f"K1: {written.name} is an input")
    if isinstance(statement, AsyncCopy):
        same = statement.source.buffer.dtype is written.dtype
        _check(same and statement.target.sizes == statement.source.sizes, "K7: a copy changes type or sizes")
        return
    m, n = _matrix(statement.target, False)
    rows, inner = _matrix(statement.left, statement.transpose_left)
    other, columns = _matrix(statement.right, statement.transpose_right)
    fits = (rows, inner, columns) == (m, other, n)
    _check(fits, f"K7: tiles of {rows}x{inner} and {other}x{columns} do not make {m}x{n}")


def _region(region: Region, scope: _Scope) -> None:
    rank = len(region.buffer.shape)
    _check(len(region.sizes) == rank == len(region.starts), f"K7: a region of {region.buffer.name} needs {rank} sizes")
    _check(min(region.sizes, default=1) >= 1, f"K7: a region of {region.buffer.name} is empty")
    known = scope.buffers.get(region.buffer.name) == region.buffer
    _check(known, f"K1: {region.buffer.name} is neither passed nor allocated")
    for start, count, size in zip(region.starts, region.sizes, region.buffer.shape, strict=True):
        _check(_scalar(start, scope) is DType.INT64, f"K3: a start in {region.buffer.name} is no i64")
        if not scope.guarded:
            _check_bounds(start, size, count, f"a region of {region.buffer.name}", scope)


def _matrix(region: Region, transposed: bool) -> tuple[int, int]:
    sizes = list(region.sizes)
    fits = len(sizes) >= 2 and all(size == 1 for size in sizes[:-2])
    _check(fits, f"K7: the region {sizes} of {region.buffer.name} is no matrix")
    rows, columns = sizes[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _scalar(scalar: Scalar, scope: _Scope) -> DType:
    """Checks the scalar and everything in it, and answers its type."""
    pending: list[tuple[Scalar, int]] = [(scalar, 0)]
    count = 0
    while pending:
        part, depth = pending.pop()
        count += 1
        _check(count <= MAX_PARTS, f"K8: a scalar has more than {MAX_PARTS} parts: bind what stands twice with a Let")
        _check(depth <= MAX_DEPTH, f"K8: a scalar is nested more than {MAX_DEPTH} deep")
        pending += [(inner, depth + 1) for inner in _operands(part)]
    return _typed(scalar, scope)


def _typed(scalar: Scalar, scope: _Scope) -> DType:
    match scalar:
        case Const() | Cast():
            for inner in _operands(scalar):
                _typed(inner, scope)
        case Axis(name):
            _check(name in scope.axes, f"K2: axis {name} is not bound")
        case Variable(name, dtype):
            _check(scope.variables.get(name) is dtype, f"K2: no {dtype} is bound to {name}")
        case Load():
            _read(scalar, scope)
        case Apply(function, arguments):
            _check(function in FUNCTIONS, f"K3: there is no function {function!r}")
            types = [_typed(argument, scope) for argument in arguments]
            fits = len(types) == FUNCTIONS[function][0] and len(set(types)) == 1
            fits = fits and _suits(function, types[0])
            _check(fits, f"K3: {function} does not apply to {', '.join(map(str, types))}")
        case Bits(value, dtype):
            held = _typed(value, scope)
            fits = held.bits == dtype.bits and DType.BOOL not in (held, dtype)
            _check(fits, f"K3: the bits of {held} are none of {dtype}")
        case Select(condition, then, otherwise):
            types = [_typed(part, scope) for part in (condition, then, otherwise)]
            fits = types[0] is DType.BOOL and types[1] is types[2]
            _check(fits, f"K3: a select cannot choose between {types[1]} and {types[2]} by {types[0]}")
    return scalar.dtype


def _suits(function: str, dtype: DType) -> bool:
    """Whether a function of the grammar is defined for a type."""
    if function == "dot4":
        return dtype is DType.INT32
    if function in ("scale", "fma"):
        return dtype in (DType.FLOAT32, DType.FLOAT64)
    if function in INTEGER_FUNCTIONS:
        return dtype.is_integer
    if function in ("and", "or", "xor", "not"):
        return dtype is DType.BOOL
    return dtype.is_floating or function != "pow"


def _operands(scalar: Scalar) -> Sequence[Scalar]:
    match scalar:
        case Const() | Axis() | Variable():
            return ()
        case Load(_, indices, mask):
            return (*indices, *(() if mask is None else (mask,)))
        case Apply(_, arguments):
            return arguments
        case Cast(value, _) | Bits(value, _):
            return (value,)
        case Select(condition, then, otherwise):
            return condition, then, otherwise


def _parts(scalar: Scalar) -> Iterator[Scalar]:
    pending = [scalar]
    while pending:
        part = pending.pop()
        yield part
        pending += _operands(part)


def _axes(scalar: Scalar) -> Iterator[Axis]:
    yield from (part for part in _parts(scalar) if isinstance(part, Axis))
