"""Kernels of the loop IR as LLVM functions: a structural walker of statements.

What scalars mean stands in `_scalars` and `_casts`, how memory is read and written in `_memory`.

One function serves one phase of a kernel (a statement of its body; all workers meet between phases):

    void phase(ptr buffer0, ptr buffer1, ..., ptr sizes, i64 from, i64 to)

`from` and `to` bound the iterations of the outermost parallel loops, counted in row-major order over all of them.
`sizes` holds the values of the symbolic sizes that the kernel mentions, in the order of `Phase.sizes`.

A vector loop becomes iterations over groups of lanes, then over narrower ones of what is left. Inside, every
scalar that depends on the loop's axis is a vector; loads of neighbours are one load, loads of one place are spread.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.llvm._casts import converted, reinterpreted
from xir.backends.codegen.llvm._interleaved import INTERLEAVED, is_interleaved
from xir.backends.codegen.llvm._memory import Memory, Place
from xir.backends.codegen.llvm._scalars import apply
from xir.backends.codegen.llvm._squares import square_of, transposed
from xir.backends.codegen.llvm._streams import FENCE, streamed
from xir.backends.codegen.llvm._values import literal
from xir.backends.codegen.llvm.types import Function, Operand, element_bytes, memory_type, wide
from xir.errors import UnsupportedError
from xir.ir.dims import Dim, product
from xir.ir.types import DType
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
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
    Scalar,
    Select,
    Statement,
    Store,
    Variable,
)

ATTRIBUTES = "nounwind"
NEAR = 512 << 10
"""Bytes that stay near from one run of a kernel to the next, whatever the order: half a second cache."""
UNROLLED = 16
"""Groups of lanes of one vector loop that are written one after another, where a register buffer is met."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A function that is written.

    Attributes:
        text: its definition, with `@` + `NAME` where its name goes.
        declared: what it calls, {name: declaration}.
        sizes: the symbolic sizes that it reads.
        iterations: how many iterations its outermost parallel loops have.
        turns: whether it also runs them the other way round.
    """

    text: str
    declared: dict[str, str]
    sizes: tuple[Dim, ...]
    iterations: Dim
    turns: bool = False


NAME = "$name$"


def phases(kernel: Kernel, machine: Machine, *, again: bool = False) -> Iterator[Phase]:
    """The functions of a kernel, in the order in which they run.

    Args:
        kernel: a kernel that `xir.kernel.verify` accepts and whose loops are scheduled.
        machine: the processor.
        again: whether the kernel runs again and again. Then, where it goes by more than stays near, its functions also
            run from the last iteration to the first, called with `from` behind `to`.

    Raises:
        UnsupportedError: if the kernel needs what a processor has not.
    """
    turns = again and sum(_bytes(buffer) for buffer in kernel.inputs) > NEAR
    whole = any(isinstance(statement, Let | Allocate) for statement in kernel.body)
    for group in [kernel.body] if whole else [(statement,) for statement in kernel.body]:
        out = Function(arch=machine.arch, multiplies_bytes=machine.multiplies_bytes, scales=machine.lanes == 16)
        large = frozenset(streamed(kernel)) if machine.arch == "x86_64" else frozenset[str]()
        yield _Writer(kernel, machine.lanes, out=out, streamed=large).phase(group, turns)


def _chain(statements: Sequence[Statement]) -> tuple[list[For], tuple[Statement, ...]]:
    """The loops around everything that workers share, outermost first, and what is inside of them."""
    chain: list[For] = []
    body = tuple(statements)
    while len(body) == 1 and isinstance(body[0], For) and body[0].kind in ("parallel", "block"):
        chain.append(body[0])
        body = body[0].body
    return chain, body


def _bytes(buffer: Buffer) -> int:
    """The bytes of a buffer, none of one whose size only the run knows."""
    size = product(buffer.shape)
    return element_bytes(buffer.dtype) * size if isinstance(size, int) else 0


@dataclass(slots=True)
class _Writer(Memory):
    """Writes one function."""

    kernel: Kernel
    width: int

    def phase(self, statements: Sequence[Statement], turns: bool) -> Phase:
        buffers = (*self.kernel.inputs, *self.kernel.outputs)
        for number, buffer in enumerate(buffers):
            self.places[buffer.name] = Place(f"%a{number}", buffer.shape)
        chain, body = _chain(statements)
        if chain:
            self.shared(chain, body, turns)
        else:
            self.once(body)
        if self.asked:
            self.out.call(FENCE, "void", [])
        self.out.do("ret void")
        given = ", ".join(f"ptr noalias %a{number}" for number in range(len(buffers)))
        parameters = ", ".join(part for part in (given, "ptr noalias %sizes, i64 %from, i64 %to") if part)
        text = self.out.text(NAME, parameters, ATTRIBUTES)
        iterations = product(tuple(loop.extent for loop in chain))
        return Phase(text, self.out.declared, tuple(self.sizes), iterations, turns and bool(chain))

    # Statements

    def shared(self, chain: Sequence[For], body: Sequence[Statement], turns: bool) -> None:
        """The parallel loops around everything become one loop over the part of a worker."""
        start, end, back = Operand("%from", DType.INT64), Operand("%to", DType.INT64), ""
        if turns:
            back = self.out.let("icmp sgt i64 %from, %to")
            low = self.out.let(f"select i1 {back}, i64 %to, i64 %from")
            high = self.out.let(f"select i1 {back}, i64 %from, i64 %to")
            start, end = Operand(low, DType.INT64), Operand(high, DType.INT64)
        with self.counted(start, end, guarded=True) as flat:
            rest = flat
            if turns:
                total = self.out.let(f"add i64 {start.text}, {end.text}")
                other = self.out.let(f"sub i64 {total}, {flat.text}")
                last = self.out.let(f"sub i64 {other}, 1")
                rest = Operand(self.out.let(f"select i1 {back}, i64 {last}, i64 {flat.text}"), DType.INT64)
            for loop in reversed(chain[1:]):
                extent = self.size(loop.extent)
                self.names[loop.axis.name] = Operand(self.out.let(f"urem i64 {rest.text}, {extent.text}"), DType.INT64)
                rest = Operand(self.out.let(f"udiv i64 {rest.text}, {extent.text}"), DType.INT64)
            self.names[chain[0].axis.name] = rest
            self.block(body)

    def once(self, body: Sequence[Statement]) -> None:
        """Statements without a parallel loop belong to the worker that begins at 0."""
        mine, done = self.out.fresh("b"), self.out.fresh("b")
        first = self.out.let("icmp slt i64 %from, %to")
        self.out.do(f"br i1 {first}, label %{mine}, label %{done}")
        self.out.at(mine)
        self.block(body)
        self.out.do(f"br label %{done}")
        self.out.at(done)

    @contextmanager
    def counted(self, start: Operand, end: Operand, *, step: int = 1, guarded: bool = False) -> Generator[Operand]:
        """A loop around what is written inside; the operand counts. `guarded`: it may have no iteration."""
        out = self.out
        head, last = out.fresh("b"), out.fresh("b")
        if guarded:
            some = out.let(f"icmp slt i64 {start.text}, {end.text}")
            out.do(f"br i1 {some}, label %{head}, label %{last}")
        else:
            out.do(f"br label %{head}")
        before = out.block
        out.at(head)
        counter, following = "%" + out.fresh("i"), "%" + out.fresh("i")
        mark = len(out.lines)
        yield Operand(counter, DType.INT64)
        out.do(f"{following} = add nuw nsw i64 {counter}, {step}")
        more = out.let(f"icmp slt i64 {following}, {end.text}")
        out.do(f"br i1 {more}, label %{head}, label %{last}")
        out.lines.insert(mark, f"  {counter} = phi i64 [ {start.text}, %{before} ], [ {following}, %{out.block} ]")
        out.at(last)

    def block(self, statements: Sequence[Statement]) -> None:
        names, places = dict(self.names), dict(self.places)
        for statement in statements:
            self.statement(statement)
        self.names, self.places = names, places

    def statement(self, statement: Statement) -> None:
        match statement:
            case For():
                self.loop(statement)
            case If():
                self.branch(statement)
            case Let(variable, value):
                self.names[variable.name] = self.scalar(value)
            case Store(buffer, indices, value, mask):
                self.store(buffer, indices, self.scalar(value), mask)
            case Accumulate():
                self.accumulate(statement)
            case Allocate(buffer):
                self.allocate(buffer)
            case Prefetch(buffer, indices):
                self.prefetch(buffer, indices)
            case Barrier() if self.lanes == 1:
                raise UnsupportedError("a kernel with barriers is no processor's")
            case _:
                raise UnsupportedError(f"a processor has no {type(statement).__name__}")

    def loop(self, loop: For) -> None:
        if loop.kind == "vector" and self.lanes == 1:
            self.vector_loop(loop)
            return
        if loop.kind == "unrolled" and self.lanes == 1 and (found := square_of(loop, self.width)) is not None:
            self.square(loop, *found)
            return
        if loop.kind == "unrolled" and isinstance(loop.extent, int):
            for count in range(loop.extent):
                self.names[loop.axis.name] = literal(count, DType.INT64)
                self.block(loop.body)
            return
        extent = self.size(loop.extent)
        if extent.text == "0":
            return
        guarded = not (extent.is_literal and int(extent.text) > 0)
        with self.counted(literal(0, DType.INT64), extent, guarded=guarded) as counter:
            self.names[loop.axis.name] = counter
            self.block(loop.body)

    def square(self, loop: For, inner: For, store: Store, turned: Sequence[Load]) -> None:
        """A square: what is read along the outer loop is turned before it is stored along the inner one."""
        names, self.lanes = (loop.axis.name, inner.axis.name), self.width
        columns: dict[Load, list[Operand]] = {}
        for load in turned:
            rows: list[Operand] = []
            self.axis = names[0]
            for place in range(self.width):
                self.names[names[0]], self.names[names[1]] = literal(0, DType.INT64), literal(place, DType.INT64)
                rows.append(self.out.splat(self.load(load), self.width))
            columns[load] = transposed(self.out, rows)
        self.axis = names[1]
        for place in range(self.width):
            self.names[names[0]], self.names[names[1]] = literal(place, DType.INT64), literal(0, DType.INT64)
            self.known = {load: column[place] for load, column in columns.items()}
            self.block((store,))
        self.axis, self.lanes, self.known = None, 1, {}

    def vector_loop(self, loop: For) -> None:
        """Groups of lanes, wide ones first; of what is left of a known size narrower ones, or else single elements."""
        extent, start = self.size(loop.extent), literal(0, DType.INT64)
        for lanes in self.widths(loop):
            if extent.is_literal:
                end = literal(int(extent.text) // lanes * lanes, DType.INT64)
            else:
                end = extent if lanes == 1 else Operand(self.out.let(f"and i64 {extent.text}, {-lanes}"), DType.INT64)
            if start.text != end.text:
                self.axis, self.lanes = (loop.axis.name, lanes) if lanes > 1 else (None, 1)
                self.groups(loop, start, end, lanes)
            start = end
        self.axis, self.lanes = None, 1

    def widths(self, loop: For) -> tuple[int, ...]:
        """The lanes of the groups of a vector loop, in the order in which they are tried."""
        wide = (INTERLEAVED * self.width,) if is_interleaved(loop, self.touches_registers(loop.body)) else ()
        narrow = (self.width >> n for n in range(1, self.width.bit_length())) if isinstance(loop.extent, int) else (1,)
        return (*wide, self.width, *narrow)

    def groups(self, loop: For, start: Operand, end: Operand, lanes: int) -> None:
        """The groups of one width, from a place to another."""
        name, known = loop.axis.name, start.is_literal and end.is_literal
        count = (int(end.text) - int(start.text)) // lanes if known else 0
        if known and count <= (UNROLLED if self.touches_registers(loop.body) else 1):
            for place in range(int(start.text), int(end.text), lanes):
                self.names[name] = literal(place, DType.INT64)
                self.block(loop.body)
            return
        with self.counted(start, end, step=lanes, guarded=not known) as counter:
            self.names[name] = counter
            self.block(loop.body)

    def touches_registers(self, body: Sequence[Statement]) -> bool:
        """Whether stores go to registers that lie around the loop, so that unrolling lets them stay registers."""
        stored = [each.buffer for each in body if isinstance(each, Store | Accumulate)]
        return any(each.space != "global" and each.shape != () and each.name in self.places for each in stored)

    def branch(self, branch: If) -> None:
        condition = self.scalar(branch.condition)
        if condition.lanes > 1:
            self.masked_branch(branch, condition)
            return
        then, other, done = (self.out.fresh("b") for _ in range(3))
        self.out.do(f"br i1 {condition.text}, label %{then}, label %{other}")
        for label, body in ((then, branch.then), (other, branch.otherwise)):
            self.out.at(label)
            self.block(body)
            self.out.do(f"br label %{done}")
        self.out.at(done)

    def masked_branch(self, branch: If, condition: Operand) -> None:
        around = self.mask
        for holds, body in ((condition, branch.then), (apply(self.out, "not", [condition]), branch.otherwise)):
            if body:
                self.mask = holds if around is None else apply(self.out, "and", [around, holds])
                self.block(body)
        self.mask = around

    def allocate(self, buffer: Buffer) -> None:
        count = 1
        for size in buffer.shape:
            if not isinstance(size, int):
                raise UnsupportedError("a processor's registers need known sizes")
            count *= size
        kind = wide(memory_type(buffer.dtype), self.lanes)
        pointer = self.out.reserve(f"[{count} x {kind}]" if count > 1 else kind, 64)
        self.places[buffer.name] = Place(pointer, buffer.shape, self.lanes)

    # Scalars

    def scalar(self, scalar: Scalar) -> Operand:
        match scalar:
            case Const():
                return self.const(scalar)
            case Axis(name):
                return self.counter(name)
            case Variable(name):
                return self.names[name]
            case Apply(function, arguments):
                return apply(self.out, function, [self.scalar(argument) for argument in arguments])
            case Cast(value, dtype):
                return converted(self.out, self.scalar(value), dtype)
            case Bits(value, dtype):
                return reinterpreted(self.out, self.scalar(value), dtype)
            case Select():
                return self.select(scalar)
            case Load():
                return self.known[scalar] if scalar in self.known else self.load(scalar)

    def const(self, const: Const) -> Operand:
        if isinstance(const.value, bool | int | float):
            return literal(const.value, const.dtype)
        return converted(self.out, self.size(const.value), const.dtype)

    def counter(self, name: str) -> Operand:
        """A loop's counter as a value: one a lane for the vector loop's."""
        first = self.names[name]
        if name != self.axis or self.lanes == 1:
            return first
        numbers = ", ".join(f"i64 {lane}" for lane in range(self.lanes))
        spread = self.out.splat(first, self.lanes)
        return Operand(self.out.let(f"add nsw {spread.typed}, <{numbers}>"), DType.INT64, self.lanes)

    def select(self, scalar: Select) -> Operand:
        condition, then, otherwise = (self.scalar(part) for part in (scalar.condition, scalar.then, scalar.otherwise))
        lanes = max(condition.lanes, then.lanes, otherwise.lanes)
        parts = [self.out.splat(part, lanes) for part in (then, otherwise)]
        if condition.lanes < lanes:
            condition = self.out.splat(condition, lanes)
        text = self.out.let(f"select {condition.typed}, {parts[0].typed}, {parts[1].typed}")
        return Operand(text, then.dtype, lanes)
