"""What a handler sees of one call: who calls, what is known, and the steps that many operators share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NoReturn, cast

import numpy as np

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.frontends._folding import Folding
from xir.frontends.torch.promotion import result_type
from xir.frontends.torch.tensor import Computed, Number
from xir.ir.broadcasting import join, needs_broadcast
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import (
    Dim,
    Extremum,
    Polynomial,
    Quotient,
    Shape,
    Symbol,
    SymbolicDim,
    bounds,
    subtract,
    symbols_of,
)
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.limits import MAX_FOLDED_BYTES, MAX_UNROLLED_NODES, check_size
from xir.ops import elementwise
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.finding import nonzero
from xir.ops.shape import broadcast, concat, reshape, shape_of, slice_

COMPLEX = {DType.COMPLEX64: DType.FLOAT32, DType.COMPLEX128: DType.FLOAT64}
"""{complex type: that of its parts}."""

MAX_FOLDED = 1024
"""Elements of a tensor that is followed before the run: numbers that decide how code goes on are few."""

RAGGED = frozenset(
    (
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "_pad_packed_sequence",
        "_transformer_encoder_layer_fwd",
        "to_padded_tensor",
        "dim",
    )
)
"""Operators that take tensors of `Scope.ragged`."""


@dataclass(slots=True)
class Scope:
    """What all calls of one import share.

    Attributes:
        constants: the weights that nothing writes, by their values.
        sizes: tensors that hold a size, by the size.
        axes: tensors that have an axis of a size that only the run finds out, by the size: (tensor, axis).
        left_out: assertions that no graph can make, as the program words them.
        parts: the real and imaginary parts of complex tensors.
        nonzeros: the coordinates of what is not 0 in a tensor: one node for all that ask, so that they have one size.
        draws: how many seeds were given out.
        ragged: tensors that stand for sequences of lengths of their own, as wide as the longest may be: the lengths,
            i64 [N] (packed ones, [T, N, ...]) or where elements are kept, bool [N, T] (nested ones, [N, T, ...]).
    """

    constants: dict[Value, Constant] = field(default_factory=dict["Value", "Constant"])
    sizes: dict[Dim, Value] = field(default_factory=dict["Dim", "Value"])
    axes: dict[Symbol, tuple[Value, int]] = field(default_factory=dict["Symbol", "tuple[Value, int]"])
    left_out: list[str] = field(default_factory=list[str])
    parts: dict[Value, tuple[Value, Value]] = field(default_factory=dict[Value, tuple[Value, Value]])
    nonzeros: dict[Value, Value] = field(default_factory=dict[Value, Value])
    draws: int = 0
    ragged: dict[Value, Value] = field(default_factory=dict[Value, Value])
    _folding: Folding = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is folded yet."""
        self._folding = Folding(self._given, MAX_FOLDED)

    def inside(self) -> Scope:
        """The scope of a body that reads the tensors of this one as they are."""
        return Scope(self.constants, dict(self.sizes), dict(self.axes), self.left_out, ragged=dict(self.ragged))

    def refuse_ragged(self, values: Iterable[Value]) -> None:
        """Raises UnsupportedError where a value that a branch or loop makes has lengths, which it would lose."""
        if any(value in self.ragged for value in values):
            raise UnsupportedError(
                "packed sequences or nested tensors that a branch or loop makes", hint="pad them before it ends"
            )

    def seed(self) -> int:
        """A seed that no other call gets; a program gives the same numbers on every run."""
        self.draws += 1
        return self.draws

    def note_axes(self, value: Value) -> None:
        """Remembers which tensor tells a size that only the run finds out: the node that makes it must be there."""
        for axis, size in enumerate(value.shape if isinstance(value.type, TensorType) else ()):
            if isinstance(size, Symbol) and size.name is None:
                self.axes.setdefault(size, (value, axis))

    def measured(self) -> Iterator[Value]:
        """Tensors that hold a size, or have an axis of a size that only the run finds out."""
        yield from self.sizes.values()
        yield from (value for value, _ in self.axes.values())

    def nonzero(self, value: Value) -> Value:
        """The coordinates of what is not 0, i64 [axes, how many]."""
        if value not in self.nonzeros:
            self.nonzeros[value] = nonzero(value)
        return self.nonzeros[value]

    def constant_of(self, value: Value) -> Constant | None:
        """The elements of a weight or literal, or of a small tensor that depends on such alone; None for others."""
        return self._folding.constant_of(value)

    def _given(self, value: Value) -> Constant | None:
        if value.node is None:
            return self.constants.get(value)
        literal = value.node.attributes.get("value") if value.node.op.name == "constant" else None
        return literal if isinstance(literal, Constant) else None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operator.

    Attributes:
        kind: the operator with its overload (`aten.add.Tensor`).
        scope: what all calls share.
    """

    kind: str
    scope: Scope

    def refuse(self, reason: str, hint: str | None = None) -> NoReturn:
        """Raises UnsupportedError: xir has no operator that does this."""
        raise UnsupportedError(reason, hint=hint)

    def invalid(self, message: str) -> NoReturn:
        """Raises InvalidModelError: PyTorch would refuse the call, too."""
        raise InvalidModelError(message)

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front; a tensor without axes takes 0 and -1 (torch `maybe_wrap_dim`)."""
        least = max(rank, 1)
        if not -least <= axis < least:
            self.invalid(f"axis {axis} does not exist among {rank}")
        return axis + least if axis < 0 else axis

    def axes(self, axes: Sequence[int] | None, rank: int) -> tuple[int, ...]:
        """Axes counted from the front in ascending order; all of them where none are named (None, or an empty list)."""
        if not axes:
            return tuple(range(rank))
        counted = tuple(sorted(self.axis(axis, rank) for axis in axes))
        if len(set(counted)) != len(counted):
            self.invalid(f"axes {list(axes)} name one axis twice")
        return counted if rank else ()

    def literal(self, number: object, dtype: DType) -> Value:
        """A literal, a number or an array of them, of `dtype`."""
        return constant(value=constant_of(np.asarray(number).astype(dtype.dtype)))

    def bounded(self, elements: int) -> int:
        """The number of elements of a literal that a call says by numbers alone.

        Raises:
            UnsafeError: they take more memory than folding may.
        """
        check_size(8 * elements, MAX_FOLDED_BYTES, what=f"a literal of {elements} elements")
        return elements

    def several(self, count: int) -> int:
        """The number of results of one call.

        Raises:
            UnsafeError: they are more nodes than a graph may unroll into.
        """
        if count > MAX_UNROLLED_NODES:
            raise UnsafeError(f"{count} results of one call; at most {MAX_UNROLLED_NODES} are taken", number=806)
        return count

    def scalar(self, number: Number, dtype: DType) -> Value:
        """A number as a tensor of `dtype` without axes."""
        if isinstance(number, Computed):
            return self.cast(number.value, dtype)
        if isinstance(number, SymbolicDim):
            return self.cast(self._size(number), dtype)
        if isinstance(number, complex) and dtype not in (DType.COMPLEX64, DType.COMPLEX128):
            self.invalid(f"the complex number {number} in place of one of {dtype}")
        return self.literal(number, dtype)

    def _size(self, size: Dim) -> Value:
        """A size that has symbols, as i64[]: computed from numbers of the run, or read off a tensor of that size."""
        if size not in self.scope.sizes:
            known = all(symbol in self.scope.sizes or symbol in self.scope.axes for symbol in symbols_of(size))
            self.scope.sizes[size] = self._formula(size) if known else self._length(size)
        return self.scope.sizes[size]

    def _formula(self, size: Dim) -> Value:
        """The value of a formula of symbols whose values are known."""
        match size:
            case int():
                return self.literal(size, DType.INT64)
            case Symbol() if size in self.scope.sizes:
                return self.scope.sizes[size]
            case Symbol():
                value, axis = self.scope.axes[size]
                cut = slice_(shape_of(value), axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,))
                return reshape(cut, shape=())
            case Quotient(numerator, denominator):
                x, y = self._formula(numerator), self._formula(denominator)
                return elementwise.div(elementwise.sub(x, elementwise.mod(x, y, floored=True)), y)
            case Extremum(kind, operands):
                choose = elementwise.minimum if kind == "min" else elementwise.maximum
                return reduce(choose, (self._formula(operand) for operand in operands))
            case Polynomial():
                terms = ((monomial, self.literal(count, DType.INT64)) for monomial, count in size.terms.items())
                factors = (
                    [count, *(self._formula(a) for a, power in held for _ in range(power))] for held, count in terms
                )
                return reduce(elementwise.add, (reduce(elementwise.mul, each) for each in factors))

    def _length(self, size: Dim) -> Value:
        """A size read off a tensor of that size."""
        least, _ = bounds(size)
        if least is None:
            self.refuse(f"the number {size!r}, of any sign, in place of a tensor")
        made = size_value(subtract(size, min(least, 0)), DType.INT64)
        return made if least >= 0 else elementwise.add(made, self.literal(least, DType.INT64))

    def filled(self, number: Number, dtype: DType, shape: Shape) -> Value:
        """A number everywhere in a tensor of `dtype` and `shape`."""
        return self.repeated(self.scalar(number, dtype), shape)

    def known_shape(self, sizes: Sequence[Number]) -> Shape:
        """Sizes that are known, or formulas of symbols.

        Raises:
            UnsupportedError: one of them is computed in the run.
        """
        shape: list[Dim] = []
        for size in sizes:
            if isinstance(size, Computed | float | complex):
                self.refuse("a size that is computed in the run")
            shape.append(size)
        return tuple(shape)

    def shape(self, sizes: Sequence[Number]) -> tuple[Shape, Value | None]:
        """Sizes as an operator takes them: what is known of them, and all of them as i64[n] where one is computed."""
        if not any(self.is_computed(size) for size in sizes):
            return self.known_shape(sizes), None
        known = tuple(Symbol() if isinstance(size, Computed) or size == -1 else size for size in sizes)
        lines = (reshape(self.scalar(size, DType.INT64), shape=(1,)) for size in sizes)
        return self.known_shape(known), concat(*lines, axis=0)

    def is_computed(self, size: Number) -> bool:
        """Whether a size is a number of the run, or a formula of such, that no tensor of the graph has."""
        if not isinstance(size, SymbolicDim):
            return isinstance(size, Computed)
        return any(symbol.name is None and symbol in self.scope.sizes for symbol in symbols_of(size))

    def flat_to(self, value: Value, shape: Shape) -> Value:
        """The elements in another shape, the value itself where it has it."""
        return value if value.shape == shape else reshape(value, shape=shape)

    def computed(self, value: Value) -> Computed:
        """A number that only the run knows, from a tensor of one element."""
        return Computed(self.flat_to(value, ()))

    def cast(self, value: Value, dtype: DType) -> Value:
        """The value in `dtype`, itself where it is of it."""
        return value if value.dtype is dtype else elementwise.cast(value, dtype=dtype)

    def promoted(self, *operands: Value | Number, floating: bool = False) -> tuple[Value, ...]:
        """The operands in the type that PyTorch computes in, repeated to the shape that all broadcast to.

        Args:
            operands: tensors and numbers.
            floating: whether integers become the default real type first (division, sqrt, exp, ...).
        """
        dtype = result_type(operands)
        if floating and not (dtype.is_floating or dtype in COMPLEX):
            dtype = DType.FLOAT32
        return self.aligned(*(self.tensor(operand, dtype) for operand in operands))

    def tensor(self, operand: Value | Number, dtype: DType) -> Value:
        """A tensor or number as a tensor of `dtype`."""
        return self.cast(operand, dtype) if isinstance(operand, Value) else self.scalar(operand, dtype)

    def joined(self, real: Value, imaginary: Value) -> Value:
        """The complex tensor of two parts, f32 or f64."""
        dtype = DType.COMPLEX128 if real.dtype is DType.FLOAT64 else DType.COMPLEX64
        if (real.dtype, real.shape) != (imaginary.dtype, imaginary.shape) or COMPLEX[dtype] is not real.dtype:
            self.refuse(f"complex numbers of {real.type!r} and {imaginary.type!r}")
        value = Value(TensorType(dtype, real.shape))
        self.scope.parts[value] = real, imaginary
        return value

    def parts(self, value: Value) -> tuple[Value, Value]:
        """The real and the imaginary part of a complex tensor."""
        if value not in self.scope.parts:
            held, dtype = self.array(value, "a complex tensor"), COMPLEX[value.dtype]
            self.scope.parts[value] = self.literal(held.real, dtype), self.literal(held.imag, dtype)
        return self.scope.parts[value]

    def paired(self, value: Value) -> Value:
        """A complex tensor [...] as its parts, [..., 2]."""
        shape = (*value.shape, 1)
        return concat(*(reshape(part, shape=shape) for part in self.parts(value)), axis=value.rank)

    def result(self, made: object) -> Value:
        """What another operator's handler has made, where that is one tensor.

        Raises:
            UnsupportedError: it is not.
        """
        held = getattr(made, "value", made)
        if not isinstance(held, Value):
            self.refuse("several results, or a number, in place of a tensor")
        return held

    def real(self, value: Value) -> Value:
        """The value as a real number: integers and bool become the default real type."""
        wanted = value.dtype.is_floating or value.dtype in COMPLEX
        return value if wanted else self.cast(value, DType.FLOAT32)

    def aligned(self, *values: Value) -> tuple[Value, ...]:
        """The operands, each repeated to the shape that all broadcast to."""
        shape = join([value.shape for value in values])
        return tuple(self.repeated(value, shape) for value in values)

    def repeated(self, value: Value, shape: Shape) -> Value:
        """The operand repeated to `shape`, itself where nothing is to repeat."""
        return broadcast(value, shape=shape) if needs_broadcast(value.shape, shape) else value

    def number(self, number: object) -> Value:
        """A number as a tensor without axes: bool, i64 or f64."""
        if isinstance(number, Computed):
            return number.value
        if isinstance(number, bool):
            return self.literal(number, DType.BOOL)
        return self.scalar(cast("Number", number), DType.FLOAT64 if isinstance(number, float) else DType.INT64)

    def repeated_like(self, value: Value, other: Value) -> Value:
        """The operand repeated to the shape of a tensor, which tells the sizes that only the run finds out."""
        shape = other.shape
        if not any(symbol.name is None for size in shape for symbol in symbols_of(size)):
            return self.repeated(value, shape)
        return broadcast(value, shape_of(other), shape=shape) if needs_broadcast(value.shape, shape) else value

    def array(self, value: Value, what: str) -> Array:
        """The elements of a tensor that must be a constant.

        Raises:
            UnsupportedError: they are computed in the run.
        """
        held = self.scope.constant_of(value)
        if held is None:
            self.refuse(f"{what} that is computed in the run", "make it a constant of the model")
        return held.array()

    def known_integer(self, number: Number | None, what: str) -> int:
        """A number that must be known and whole.

        Raises:
            UnsupportedError: it has symbols or is computed in the run.
        """
        if not isinstance(number, int):
            self.refuse(f"{what} that is not known before the run")
        return int(number)
