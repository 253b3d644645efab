"""The loop IR: nests of loops over typed buffers, small enough that one screen holds its grammar.

    Kernel    = Kernel(name, inputs: Buffer*, outputs: Buffer*, body: Statement*)
    Buffer    = Buffer(name, dtype, shape: Dim*, space: global | shared | register)

    Statement = For(axis: Axis, extent: Dim, kind: serial | unrolled | vector | parallel | block | thread | warp, body)
              | If(condition: Scalar, then: Statement*, otherwise: Statement*)
              | Let(variable: Variable, value: Scalar)
              | Store(buffer, indices: Scalar*, value, mask: Scalar | None, width)
              | Accumulate(buffer, indices: Scalar*, function: add | mul | min | max, value, mask, atomic)
              | Allocate(buffer)
              | Barrier
              | AsyncCopy(target: Region, source: Region, group)
              | Wait(group)
              | Prefetch(buffer, indices: Scalar*)
              | TileMultiply(target: Region, left: Region, right: Region, transpose_left, transpose_right)
    Region    = Region(buffer, starts: Scalar*, sizes: int*)

    Scalar    = Const(value: bool | int | float | Dim, dtype)
              | Load(buffer, indices: Scalar*, mask: Scalar | None)
              | Axis(name)                              an i64, from 0 to its loop's extent
              | Variable(name, dtype)                   what a Let bound
              | Apply(function, arguments: Scalar*)     see FUNCTIONS
              | Cast(value: Scalar, dtype)
              | Bits(value: Scalar, dtype)              the same bits read as another type of that width
              | Select(condition: Scalar, then: Scalar, otherwise: Scalar)

Meaning:
    For        serial and unrolled iterations run one after another; the others may run in any order or at once.
    Let        the variable is known to the statements after it, in the same list and inside them.
    Store      does nothing where `mask` is false. `width`: how many neighbours an emitter may store at once; a hint.
    Accumulate `buffer[indices] = function(buffer[indices], value)`; `atomic` when iterations that run at once meet.
    Allocate   a fresh buffer with undefined elements, for the statements after it: one for each iteration of all loops
               around it. So registers stand inside the thread loops, shared memory between block and thread loops.
    Barrier    all iterations of the innermost loops that run at once come here before any goes on.
    AsyncCopy  the target's elements are defined after the Wait for the group, not before. Sizes are equal.
    Prefetch   computes nothing: the element, which is in the buffer, is read soon.
    TileMultiply  target += left @ right over the last two axes; sums have the target's type. Other sizes are 1.
    Load       zero where `mask` is false; nothing is read there.
    Apply      operands have one type. No value traps. f16 and bf16 are computed in f32 and rounded once.
               Integers wrap around: -MIN, abs(MIN) and MIN / -1 are MIN. `div` of integers truncates toward zero and
               `rem` is what it leaves (of floats C's fmod); `floor_div` rounds down and `mod` is what it leaves (of
               floats Python's %); all four answer 0 where an integer is divided by 0. `floor_div` and all that work
               on bits are for integers, `pow` for floats.
               `shift_left` and `shift_right` by less than 0 or by the width and more push every bit out: 0, or -1
               where a negative number moves right; `shift_right` of a signed type is arithmetic.
               `min` and `max` answer NaN when an operand is NaN (of -0 and 0 either); `round` is half to even;
               `sign` is -1, 0 or 1, and NaN of NaN.
               `scale(x, k)`, for f32 and f64, is x * 2**k, rounded once; 1/2 <= |x| <= 2, and k is whole, from -160
               to 128 (f64: -1100 to 1024); NaN where an operand is.
               `fma(a, b, c)`, for f32 and f64, is a * b + c, rounded once.
               `dot4`, for i32 alone, adds four products to its first operand: those of the bytes of the second,
               read as u8, with the bytes of the third, read as i8.
    Cast       integers wrap around; numbers to bool ask whether they are not 0 (NaN is not). Floats to integers
               truncate toward zero into i32 (to i8, i16, i32, u8, u16) or i64 (to the others), where NaN and what
               does not fit become the lowest number, and then wrap around; to u64, from 2**63 on, 2**63 is taken off
               before and put on after. Numbers become floats rounded to nearest, half to even; bf16 comes from f32.

Every name is made by a builder: no text of a model is in a kernel. Loops, lets and buffers never shadow each other.
Reductions that carry several values (arg-max, online softmax) keep each in a register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from xir.ir.dims import Dim, Shape
from xir.ir.types import DType

Space: TypeAlias = Literal["global", "shared", "register"]
LoopKind: TypeAlias = Literal["serial", "unrolled", "vector", "parallel", "block", "thread", "warp"]
SEQUENTIAL: tuple[LoopKind, ...] = ("serial", "unrolled")
"""The kinds of loops whose iterations run one after another."""

WIDTHS = (1, 2, 4, 8, 16)
"""How many elements one store may write."""

Combine: TypeAlias = Literal["add", "mul", "min", "max"]

# Number of operands, and whether the result is a truth value (else it has the operands' type).
FUNCTIONS: Mapping[str, tuple[int, bool]] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "rem", "floor_div", "mod"), (2, False)),
    **dict.fromkeys(("pow", "min", "max", "scale"), (2, False)),
    **dict.fromkeys(("bit_and", "bit_or", "bit_xor", "shift_left", "shift_right"), (2, False)),
    **dict.fromkeys(("and", "or", "xor"), (2, True)),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), (2, True)),
    **dict.fromkeys(("not", "is_nan", "is_inf"), (1, True)),
    **dict.fromkeys(("neg", "abs", "sign", "exp", "log", "sqrt", "floor", "ceil", "round", "trunc"), (1, False)),
    **dict.fromkeys(("erf", "tanh", "bit_not"), (1, False)),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh"), (1, False)),
    **dict.fromkeys(("asinh", "acosh", "atanh"), (1, False)),
    **dict.fromkeys(("dot4", "fma"), (3, False)),
}
"""{function: (number of operands, whether it answers a bool)}."""

INTEGER_FUNCTIONS = frozenset({"floor_div", "bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right"})
"""The functions of integers alone."""


@dataclass(frozen=True, slots=True, repr=False)
class Buffer:
    """Memory for a tensor of known rank, in row-major order."""

    name: str
    dtype: DType
    shape: Shape
    space: Space = "global"


@dataclass(frozen=True, slots=True, repr=False)
class Const:
    """A number of type `dtype`; a symbolic size stands for its value at run time."""

    value: bool | float | Dim
    dtype: DType


@dataclass(frozen=True, slots=True, repr=False)
class Load:
    """The element of `buffer` at `indices` (one i64 an axis), or zero where `mask` is false."""

    buffer: Buffer
    indices: tuple[Scalar, ...]
    mask: Scalar | None = None

    @property
    def dtype(self) -> DType:
        """The buffer's element type."""
        return self.buffer.dtype


@dataclass(frozen=True, slots=True, repr=False)
class Axis:
    """The counter of a loop."""

    name: str

    @property
    def dtype(self) -> DType:
        """Counters are i64."""
        return DType.INT64


@dataclass(frozen=True, slots=True, repr=False)
class Variable:
    """What a Let bound."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True, repr=False)
class Apply:
    """A function of FUNCTIONS, applied."""

    function: str
    arguments: tuple[Scalar, ...]

    @property
    def dtype(self) -> DType:
        """Bool for comparisons and logic, else the operands' type."""
        return DType.BOOL if FUNCTIONS[self.function][1] else self.arguments[0].dtype


@dataclass(frozen=True, slots=True, repr=False)
class Cast:
    """`value` as another type; see the grammar for what does not fit."""

    value: Scalar
    dtype: DType


@dataclass(frozen=True, slots=True, repr=False)
class Bits:
    """The bits of `value` read as `dtype`, a number type that is as wide; neither is bool."""

    value: Scalar
    dtype: DType


@dataclass(frozen=True, slots=True, repr=False)
class Select:
    """`then` where `condition` holds, else `otherwise`; both are computed."""

    condition: Scalar
    then: Scalar
    otherwise: Scalar

    @property
    def dtype(self) -> DType:
        """The type of both sides."""
        return self.then.dtype


Scalar: TypeAlias = Const | Load | Axis | Variable | Apply | Cast | Bits | Select


@dataclass(frozen=True, slots=True, repr=False)
class For:
    """A loop of `axis` over [0, extent)."""

    axis: Axis
    extent: Dim
    kind: LoopKind
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, repr=False)
class If:
    """Runs `then` where `condition` holds, else `otherwise`."""

    condition: Scalar
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Let:
    """Names a value."""

    variable: Variable
    value: Scalar


@dataclass(frozen=True, slots=True, repr=False)
class Store:
    """Writes one element."""

    buffer: Buffer
    indices: tuple[Scalar, ...]
    value: Scalar
    mask: Scalar | None = None
    width: int = 1


@dataclass(frozen=True, slots=True, repr=False)
class Accumulate:
    """Combines one element with a value."""

    buffer: Buffer
    indices: tuple[Scalar, ...]
    function: Combine
    value: Scalar
    mask: Scalar | None = None
    atomic: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Allocate:
    """Makes a shared or register buffer."""

    buffer: Buffer


@dataclass(frozen=True, slots=True, repr=False)
class Barrier:
    """Brings iterations that run at once together."""


@dataclass(frozen=True, slots=True, repr=False)
class Region:
    """A box of a buffer: `sizes` elements along each axis, from `starts` on."""

    buffer: Buffer
    starts: tuple[Scalar, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True, repr=False)
class AsyncCopy:
    """Starts copying a box into another; `Wait(group)` ends it."""

    target: Region
    source: Region
    group: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Wait:
    """Waits until every copy of the group that was started has landed."""

    group: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Prefetch:
    """Says that an element is read soon; a hint."""

    buffer: Buffer
    indices: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, repr=False)
class TileMultiply:
    """`target += left @ right` on matrices, as matrix units compute it."""

    target: Region
    left: Region
    right: Region
    transpose_left: bool = False
    transpose_right: bool = False


Statement: TypeAlias = (
    For | If | Let | Store | Accumulate | Allocate | Barrier | AsyncCopy | Wait | Prefetch | TileMultiply
)


@dataclass(frozen=True, slots=True, repr=False)
class Kernel:
    """One function over buffers: reads `inputs`, writes `outputs`, which may not overlap."""

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    body: tuple[Statement, ...]
