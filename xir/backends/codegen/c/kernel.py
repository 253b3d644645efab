"""The C emitter: a kernel as one C11 function. Tests compile it; it keeps the loop IR honest beside the LLVM emitter.

A kernel becomes `void NAME(const T *in..., T *out..., const int64_t *sizes)`: its inputs, then its outputs, in their
order, then the values of `size_symbols(kernel)`. Every loop is a plain loop. A barrier divides the innermost loops
around it whose iterations run at once: the part before it runs for all of them, then the part behind it; what is bound
or allocated between the loops and the barrier gets one element for each iteration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xir.backends.codegen.c._prelude import PRELUDE
from xir.backends.codegen.c._scalars import (
    Names,
    applied,
    converted,
    loaded,
    memory_type,
    plain,
    rounded,
    stored,
    value_type,
)
from xir.errors import UnsupportedError
from xir.ir.dims import Dim, Symbol, product, symbols_of
from xir.kernel.grammar import (
    SEQUENTIAL,
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
from xir.kernel.verify import verify

__all__ = ["PRELUDE", "c_file", "c_function", "size_symbols"]

STACK_BYTES = 16_384
"""What is larger, or of a size that is known when the kernel runs, is allocated."""

_ELEMENT_BYTES = 8


def c_file(kernels: Sequence[tuple[str, Kernel]]) -> str:
    """A whole C file: the prelude and one function for each (name, kernel)."""
    return PRELUDE + "".join("\n" + c_function(kernel, name) for name, kernel in kernels)


def c_function(kernel: Kernel, name: str = "k") -> str:
    """The kernel as a C function, which needs the prelude before it.

    Raises:
        InvalidModelError: if the kernel breaks a rule of `xir.kernel.verify`, or a name is no plain identifier.
        UnsupportedError: if it computes with a type that C has not.
    """
    verify(kernel)
    writer = _Writer(Names({symbol: place for place, symbol in enumerate(size_symbols(kernel))}))
    parameters = [f"const {memory_type(b.dtype)} *restrict b_{plain(b.name)}" for b in kernel.inputs]
    parameters += [f"{memory_type(b.dtype)} *restrict b_{plain(b.name)}" for b in kernel.outputs]
    writer.open(f"void {plain(name)}({', '.join([*parameters, 'const int64_t *restrict sizes'])})")
    writer.line("(void)sizes;")
    writer.block(kernel.body)
    writer.close()
    return "\n".join(writer.lines) + "\n"


def size_symbols(kernel: Kernel) -> tuple[Symbol, ...]:
    """The symbols whose values a C kernel gets, in the order of `sizes`: as they first appear in it."""
    found: dict[Symbol, None] = {}
    for dim in _dims(kernel):
        found.update(dict.fromkeys(symbols_of(dim)))
    return tuple(found)


def _dims(kernel: Kernel) -> Iterator[Dim]:
    for buffer in (*kernel.inputs, *kernel.outputs):
        yield from buffer.shape
    for statement in _statements(kernel.body):
        match statement:
            case For():
                yield statement.extent
            case Allocate(buffer):
                yield from buffer.shape
            case _:
                pass
        for scalar in _scalars(statement):
            yield from _sizes_in(scalar)


def _statements(statements: Sequence[Statement]) -> Iterator[Statement]:
    pending = list(reversed(statements))
    while pending:
        statement = pending.pop()
        yield statement
        if isinstance(statement, For):
            pending += reversed(statement.body)
        elif isinstance(statement, If):
            pending += reversed((*statement.then, *statement.otherwise))


def _scalars(statement: Statement) -> tuple[Scalar, ...]:
    match statement:
        case If(condition, _, _):
            return (condition,)
        case Let(_, value):
            return (value,)
        case Store() | Accumulate():
            return (*statement.indices, statement.value, *(() if statement.mask is None else (statement.mask,)))
        case Prefetch(_, indices):
            return indices
        case AsyncCopy(target, source, _):
            return (*target.starts, *source.starts)
        case TileMultiply():
            return (*statement.target.starts, *statement.left.starts, *statement.right.starts)
        case For() | Allocate() | Barrier() | Wait():
            return ()


def _sizes_in(scalar: Scalar) -> Iterator[Dim]:
    pending = [scalar]
    while pending:
        match pending.pop():
            case Const(value, _):
                if not isinstance(value, bool | float):
                    yield value
            case Load(_, indices, mask):
                pending += [*reversed(indices), *(() if mask is None else (mask,))]
            case Apply(_, arguments):
                pending += reversed(arguments)
            case Cast(value, _) | Bits(value, _):
                pending.append(value)
            case Select(condition, then, otherwise):
                pending += [otherwise, then, condition]
            case Axis() | Variable():
                pass


def _has_barrier(statement: Statement) -> bool:
    return any(isinstance(inner, Barrier) for inner in _statements((statement,)))


def _is_divided(loop: For) -> bool:
    """Whether a barrier brings the iterations of the loop together: none of a block waits for another block."""
    if loop.kind in SEQUENTIAL or not _has_barrier(loop):
        return False
    return loop.kind not in ("block", "parallel") or _waits(loop.body)


def _waits(statements: Sequence[Statement]) -> bool:
    """Whether a barrier stands here or in sequential loops here."""
    pending = list(statements)
    while pending:
        statement = pending.pop()
        if isinstance(statement, Barrier):
            return True
        if isinstance(statement, For) and statement.kind in SEQUENTIAL:
            pending += statement.body
    return False


class _Writer:
    """The lines of one function."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.lines: list[str] = []
        self.depth = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def open(self, text: str) -> None:
        self.line(f"{text} {{" if text else "{")
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1
        self.line("}")

    def loop(self, name: str, extent: str) -> None:
        self.open(f"for (int64_t {name} = 0; {name} < {extent}; ++{name})")

    def block(self, statements: Sequence[Statement]) -> None:
        """Statements of one scope; what was allocated for it is freed at its end."""
        taken: list[str] = []
        for statement in statements:
            if isinstance(statement, Allocate):
                taken += self.allocate(statement.buffer)
            else:
                self.statement(statement)
        for name in taken:
            self.line(f"free({name});")

    def allocate(self, buffer: Buffer, lanes: Dim = 1) -> list[str]:
        """Makes a local array; answers its name where it must be freed."""
        name, kind = f"b_{plain(buffer.name)}", memory_type(buffer.dtype)
        return self.array(name, kind, product((lanes, *buffer.shape)))

    def array(self, name: str, kind: str, count: Dim) -> list[str]:
        if isinstance(count, int) and count * _ELEMENT_BYTES <= STACK_BYTES:
            self.line(f"{kind} {name}[{max(count, 1)}];")
            return []
        size = self.names.size(count)
        self.line(f"{kind} *{name} = ({kind} *)malloc((size_t)({size}) * sizeof({kind}) + 1);")
        self.line(f"if (!{name}) abort();")
        return [name]

    def statement(self, statement: Statement) -> None:
        match statement:
            case For() if _is_divided(statement):
                self.divided((statement,))
            case For(axis, extent, _, body):
                self.loop(f"a_{plain(axis.name)}", self.names.size(extent))
                self.block(body)
                self.close()
            case If():
                self.branch(statement)
            case Let(variable, value):
                self.bind(variable, value)
            case Store() | Accumulate():
                self.write(statement)
            case AsyncCopy() | Prefetch() | TileMultiply():
                self.move(statement)
            case Allocate() | Barrier() | Wait():
                pass  # allocations belong to their block; nothing runs at once here, and copies have landed

    def move(self, statement: AsyncCopy | Prefetch | TileMultiply) -> None:
        match statement:
            case Prefetch(buffer, indices):
                self.line(f"__builtin_prefetch(&{self.names.place(buffer, indices)}, 0, 2);")
            case AsyncCopy():
                self.copy(statement)
            case TileMultiply():
                self.tiles(statement)

    def branch(self, branch: If) -> None:
        self.open(f"if ({self.names.scalar(branch.condition)})")
        self.block(branch.then)
        self.close()
        if branch.otherwise:
            self.open("else")
            self.block(branch.otherwise)
            self.close()

    def bind(self, variable: Variable, value: Scalar) -> None:
        text = self.names.scalar(value)
        if plain(variable.name) in self.names.lanes:
            self.line(f"{self.names.scalar(variable)} = {text};")
        else:
            self.line(f"const {value_type(variable.dtype)} v_{variable.name} = {text};")

    def write(self, statement: Store | Accumulate) -> None:
        buffer = statement.buffer
        place, value = self.names.place(buffer, statement.indices), self.names.scalar(statement.value)
        self.open("" if statement.mask is None else f"if ({self.names.scalar(statement.mask)})")
        if isinstance(statement, Accumulate):
            self.line(f"{memory_type(buffer.dtype)} *const place = &{place};")
            value = applied(statement.function, [loaded("*place", buffer.dtype), value], buffer.dtype)
            place = "*place"
        self.line(f"{place} = {stored(value, buffer.dtype)};")
        self.close()

    def divided(self, loops: tuple[For, ...]) -> None:
        """Loops whose iterations run at once, and a barrier somewhere inside: each part of the body for all of them."""
        outer = dict(self.names.lanes)
        self.open("")
        taken = self.parts(loops, loops[-1].body)
        for name in taken:
            self.line(f"free({name});")
        self.close()
        self.names.lanes = outer

    def parts(self, loops: tuple[For, ...], statements: Sequence[Statement]) -> list[str]:
        """The parts between barriers; answers what must be freed."""
        taken: list[str] = []
        part: list[Statement] = []
        for statement in statements:
            if isinstance(statement, Allocate | Let):
                taken += self.spread(loops, statement)
            if not _has_barrier(statement):
                part += [] if isinstance(statement, Allocate) else [statement]
                continue
            self.part(loops, part)
            part = []
            if isinstance(statement, For):
                self.inner(loops, statement)
            elif not isinstance(statement, Barrier):
                raise UnsupportedError("C kernels cannot divide an If by a barrier")
        self.part(loops, part)
        return taken

    def inner(self, loops: tuple[For, ...], loop: For) -> None:
        """A loop with a barrier inside, in divided loops."""
        if loop.kind not in SEQUENTIAL:
            self.divided((*loops, loop))
            return
        self.loop(f"a_{plain(loop.axis.name)}", self.names.size(loop.extent))
        for name in self.parts(loops, loop.body):
            self.line(f"free({name});")
        self.close()

    def part(self, loops: tuple[For, ...], statements: Sequence[Statement]) -> None:
        if not statements:
            return
        for loop in loops:
            self.loop(f"a_{plain(loop.axis.name)}", self.names.size(loop.extent))
        self.block(statements)
        for _ in loops:
            self.close()

    def spread(self, loops: tuple[For, ...], statement: Allocate | Let) -> list[str]:
        """One element, or one buffer, for each iteration of the divided loops."""
        lane, count = "0", product(tuple(loop.extent for loop in loops))
        for loop in loops:
            axis = f"a_{plain(loop.axis.name)}"
            lane = axis if lane == "0" else f"({lane}) * {self.names.size(loop.extent)} + {axis}"
        if isinstance(statement, Allocate):
            self.names.lanes[plain(statement.buffer.name)] = lane
            return self.allocate(statement.buffer, count)
        name = plain(statement.variable.name)
        self.names.lanes[name] = lane
        return self.array(f"v_{name}", value_type(statement.variable.dtype), count)

    def box(self, region: Region, offsets: Sequence[str]) -> str:
        """The element of a region at the given offsets, which are C text."""
        name = plain(region.buffer.name)
        flat = self.names.lanes.get(name, "0")
        for start, offset, size in zip(region.starts, offsets, region.buffer.shape, strict=True):
            flat = f"({flat}) * {self.names.size(size)} + {self.names.scalar(start)} + {offset}"
        return f"b_{name}[{flat}]"

    def copy(self, statement: AsyncCopy) -> None:
        """At once: nobody may look at the target before the wait."""
        counters = [f"t_{axis}" for axis in range(len(statement.target.sizes))]
        for name, size in zip(counters, statement.target.sizes, strict=True):
            self.loop(name, str(size))
        self.line(f"{self.box(statement.target, counters)} = {self.box(statement.source, counters)};")
        for _ in counters:
            self.close()

    def tiles(self, statement: TileMultiply) -> None:
        """Sums in the target's value type, rounded when they are added."""
        target, dtype = statement.target, statement.target.buffer.dtype
        rows, columns = target.sizes[-2:]
        inner = statement.left.sizes[-2 if statement.transpose_left else -1]
        self.loop("t_m", str(rows))
        self.loop("t_n", str(columns))
        self.line(f"{value_type(dtype)} t_sum = 0;")
        self.loop("t_k", str(inner))
        left = self.factor(statement.left, ("t_k", "t_m") if statement.transpose_left else ("t_m", "t_k"), target)
        right = self.factor(statement.right, ("t_n", "t_k") if statement.transpose_right else ("t_k", "t_n"), target)
        product_text = f"({left} * {right})" if dtype.is_floating else applied("mul", [left, right], dtype)
        total = f"t_sum + {product_text}" if dtype.is_floating else applied("add", ["t_sum", product_text], dtype)
        self.line(f"t_sum = {total};")
        self.close()
        place = self.box(target, (*("0" for _ in target.sizes[:-2]), "t_m", "t_n"))
        total = applied("add", [loaded(place, dtype), rounded("t_sum", dtype)], dtype)
        self.line(f"{place} = {stored(total, dtype)};")
        self.close()
        self.close()

    def factor(self, region: Region, places: tuple[str, str], target: Region) -> str:
        """An element of a factor, in the type of the sums."""
        element = self.box(region, (*("0" for _ in region.sizes[:-2]), *places))
        return converted(loaded(element, region.buffer.dtype), region.buffer.dtype, target.buffer.dtype)
