"""Loads and stores of kernels as LLVM instructions: one place, a row, or any places.

Where an element lies is computed as that of the first lane and the step to the next lane's; from the step follows
which instruction serves all lanes at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from xir.backends.codegen.llvm._scalars import apply
from xir.backends.codegen.llvm._streams import LINE, begins_line
from xir.backends.codegen.llvm._values import literal
from xir.backends.codegen.llvm.types import Function, Operand, element_bytes, memory_type, register_type, wide
from xir.errors import UnsupportedError
from xir.ir.dims import Dim
from xir.ir.types import DType
from xir.kernel.grammar import Accumulate, Apply, Axis, Buffer, Const, Load, Scalar


@dataclass(frozen=True, slots=True)
class Place:
    """Where a buffer lies, and whether each lane of the vector loop has its own (`lanes` > 1)."""

    pointer: str
    shape: tuple[Dim, ...]
    lanes: int = 1


@dataclass(slots=True, kw_only=True)
class Memory(ABC):
    """The part of a function's writer that knows where values lie; what a scalar is, its heir knows.

    Attributes:
        out: the function that is written.
        names: {loop or variable: its value}; a vector loop's is that of the first lane.
        places: {buffer: where it lies}.
        sizes: {symbolic size: the register that holds it}.
        axis: the vector loop around, if there is one.
        lanes: its lanes, or 1.
        mask: the lanes that take part in the branches around; None for all.
        known: loads whose values are there already.
        streamed: the buffers that are stored past the caches.
        asked: {buffer: whether it begins at a cache line} for those.
    """

    out: Function = field(default_factory=Function)
    names: dict[str, Operand] = field(default_factory=dict[str, Operand])
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    sizes: dict[Dim, str] = field(default_factory=dict[Dim, str])
    axis: str | None = None
    lanes: int = 1
    mask: Operand | None = None
    known: dict[Load, Operand] = field(default_factory=dict[Load, Operand])
    streamed: frozenset[str] = frozenset()
    asked: dict[str, str] = field(default_factory=dict[str, str])

    @abstractmethod
    def scalar(self, scalar: Scalar) -> Operand:
        """The value of a scalar expression."""

    # Sizes and positions

    def size(self, dim: Dim) -> Operand:
        """A size; a symbolic one is read from the table, once."""
        if isinstance(dim, int):
            return literal(dim, DType.INT64)
        if dim not in self.sizes:
            name, number = "%" + self.out.fresh("s"), len(self.sizes)
            self.out.reserved.append(f"  {name}p = getelementptr i64, ptr %sizes, i64 {number}")
            self.out.reserved.append(f"  {name} = load i64, ptr {name}p, align 8, !invariant.load !0")
            self.sizes[dim] = name
        return Operand(self.sizes[dim], DType.INT64)

    def i64(self, word: str, left: Operand, right: Operand) -> Operand:
        """Arithmetic on positions; what is known is computed at once."""
        if left.is_literal and right.is_literal:
            a, b = int(left.text), int(right.text)
            return literal({"add": a + b, "sub": a - b, "mul": a * b}[word], DType.INT64)
        if word == "mul" and "1" in (left.text, right.text):
            return right if left.text == "1" else left
        if word == "mul" and "0" in (left.text, right.text):
            return literal(0, DType.INT64)
        if word == "add" and "0" in (left.text, right.text):
            return right if left.text == "0" else left
        return Operand(self.out.let(f"{word} nsw i64 {left.text}, {right.text}"), DType.INT64)

    # Memory

    def flat(self, shape: Sequence[Dim], indices: Sequence[Scalar]) -> tuple[Operand, Operand | None]:
        """The place of an element in row-major order: that of the first lane, and the step to the next lane's.

        A step of None says that the lanes lie anywhere, and the place is a vector.
        """
        stride: Operand = literal(1, DType.INT64)
        base, step = literal(0, DType.INT64), literal(0, DType.INT64)
        for index, size in zip(reversed(indices), reversed(shape), strict=True):
            split = self.split(index)
            if split is None:
                return self.scattered(shape, indices), None
            base = self.i64("add", base, self.i64("mul", split[0], stride))
            step = self.i64("add", step, self.i64("mul", split[1], stride))
            stride = self.i64("mul", stride, self.size(size))
        return base, step

    def scattered(self, shape: Sequence[Dim], indices: Sequence[Scalar]) -> Operand:
        """The places of all lanes."""
        total: Operand | None = None
        for index, size in zip(indices, shape, strict=True):
            part = self.scalar(index)
            if total is not None:
                part = apply(self.out, "add", [apply(self.out, "mul", [total, self.size(size)]), part])
            total = part
        return self.out.splat(literal(0, DType.INT64) if total is None else total, self.lanes)

    def split(self, index: Scalar) -> tuple[Operand, Operand] | None:
        """An index as (that of the first lane, the step between lanes), or None where lanes lie anywhere."""
        match index:
            case Axis(name):
                step = 1 if name == self.axis and self.lanes > 1 else 0
                return self.names[name], literal(step, DType.INT64)
            case Const(value, DType.INT64) if not isinstance(value, float):
                return self.size(value), literal(0, DType.INT64)
            case Apply("add" | "sub" as word, (left, right)):
                a, b = self.split(left), self.split(right)
                return None if a is None or b is None else (self.i64(word, a[0], b[0]), self.i64(word, a[1], b[1]))
            case Apply("mul", (left, right)):
                a, b = self.split(left), self.split(right)
                if a is None or b is None or not (a[1].text == "0" or b[1].text == "0"):
                    return None
                (one, moving), (factor, _) = (a, b) if b[1].text == "0" else (b, a)
                return self.i64("mul", one, factor), self.i64("mul", moving, factor)
            case _:
                found = self.scalar(index)
                return (found, literal(0, DType.INT64)) if found.lanes == 1 else None

    def address(self, buffer: Buffer, place: Operand) -> str:
        held = self.places[buffer.name]
        if place.text == "0":
            return held.pointer
        kind = wide(memory_type(buffer.dtype), held.lanes)
        return self.out.let(f"getelementptr inbounds {kind}, ptr {held.pointer}, i64 {place.text}")

    def combined(self, mask: Scalar | None) -> Operand | None:
        """The lanes that take part: those of the mask and of the branches around."""
        given = None if mask is None else self.scalar(mask)
        if given is None or self.mask is None:
            return given if self.mask is None else self.mask
        return apply(self.out, "and", [self.mask, given])

    def load(self, load: Load) -> Operand:
        buffer = load.buffer
        mask = self.combined(load.mask)
        place, step = self.flat(buffer.shape, load.indices)
        if self.places[buffer.name].lanes > 1:
            raw = self.read(buffer, self.address(buffer, place), self.lanes)
            return self.chosen(raw, mask)
        if step is not None and step.text == "0" and (mask is None or mask.lanes == 1):
            return self.load_one(buffer, place, mask)
        if step is not None and step.text == "1":
            return self.load_row(buffer, place, mask)
        return self.gather(buffer, place, step, mask)

    def chosen(self, value: Operand, mask: Operand | None) -> Operand:
        """The value, or zero where the mask is false."""
        if mask is None:
            return value
        zero = self.out.splat(literal(0, value.dtype), value.lanes)
        mask = self.out.splat(mask, value.lanes) if value.lanes > 1 else mask
        text = self.out.let(f"select {mask.typed}, {value.typed}, {zero.typed}")
        return Operand(text, value.dtype, value.lanes)

    def load_one(self, buffer: Buffer, place: Operand, mask: Operand | None) -> Operand:
        if mask is not None:  # the first element is read where nothing may be, unless there is none
            place = Operand(self.out.let(f"select {mask.typed}, i64 {place.text}, i64 0"), DType.INT64)
        return self.chosen(self.read(buffer, self.address(buffer, place), 1), mask)

    def load_row(self, buffer: Buffer, place: Operand, mask: Operand | None) -> Operand:
        pointer = self.address(buffer, place)
        if mask is None:
            return self.read(buffer, pointer, self.lanes)
        kind, type = memory_type(buffer.dtype), wide(memory_type(buffer.dtype), self.lanes)
        flags = self.out.splat(mask, self.lanes)
        text = self.out.call(
            f"llvm.masked.load.v{self.lanes}{_letter(kind)}.p0",
            type,
            [
                ("ptr", pointer),
                ("i32", str(element_bytes(buffer.dtype))),
                (flags.type, flags.text),
                (type, "zeroinitializer"),
            ],
        )
        return self.widened(buffer.dtype, text, self.lanes)

    def gather(self, buffer: Buffer, place: Operand, step: Operand | None, mask: Operand | None) -> Operand:
        """Lane by lane."""
        result = self.out.splat(literal(0, buffer.dtype), self.lanes).text
        type = wide(register_type(buffer.dtype), self.lanes)
        for lane in range(self.lanes):
            where = self.of_lane(place, step, lane)
            flag = None if mask is None else self.lane(mask, lane)
            one = self.load_one(buffer, where, flag)
            result = self.out.let(f"insertelement {type} {result}, {one.typed}, i32 {lane}")
        return Operand(result, buffer.dtype, self.lanes)

    def of_lane(self, place: Operand, step: Operand | None, lane: int) -> Operand:
        if step is None:
            return self.lane(place, lane)
        return self.i64("add", place, self.i64("mul", step, literal(lane, DType.INT64)))

    def lane(self, value: Operand, lane: int) -> Operand:
        """One lane of a value."""
        if value.lanes == 1:
            return value
        return Operand(self.out.let(f"extractelement {value.typed}, i32 {lane}"), value.dtype)

    def read(self, buffer: Buffer, pointer: str, lanes: int) -> Operand:
        kind = wide(memory_type(buffer.dtype), lanes)
        align = element_bytes(buffer.dtype)
        return self.widened(buffer.dtype, self.out.let(f"load {kind}, ptr {pointer}, align {align}"), lanes)

    def widened(self, dtype: DType, text: str, lanes: int) -> Operand:
        """What was read from memory as a value."""
        kind = wide(memory_type(dtype), lanes)
        if dtype is DType.BOOL:
            text = self.out.let(f"trunc {kind} {text} to {wide('i1', lanes)}")
        elif dtype is DType.BFLOAT16:
            whole, sixteen = wide("i32", lanes), self.out.splat(Operand("16", DType.INT32), lanes).text
            long = self.out.let(f"zext {kind} {text} to {whole}")
            moved = self.out.let(f"shl {whole} {long}, {sixteen}")
            text = self.out.let(f"bitcast {whole} {moved} to {wide('float', lanes)}")
        return Operand(text, dtype, lanes)

    def narrowed(self, value: Operand) -> tuple[str, str]:
        """(type, text) of a value as memory holds it."""
        kind = wide(memory_type(value.dtype), value.lanes)
        if value.dtype is DType.BOOL:
            return kind, self.out.let(f"zext {value.typed} to {kind}")
        if value.dtype is DType.BFLOAT16:
            whole = wide("i32", value.lanes)
            sixteen = self.out.splat(Operand("16", DType.INT32), value.lanes).text
            raw = self.out.let(f"bitcast {value.typed} to {whole}")
            high = self.out.let(f"lshr {whole} {raw}, {sixteen}")
            return kind, self.out.let(f"trunc {whole} {high} to {kind}")
        return kind, value.text

    def prefetch(self, buffer: Buffer, indices: Sequence[Scalar]) -> None:
        """Has the line of an element fetched into the second cache; of a vector's, that of its first lane."""
        place, _ = self.flat(buffer.shape, indices)
        hint = [("i32", "0"), ("i32", "2"), ("i32", "1")]  # read, from the second cache on, data
        self.out.call("llvm.prefetch.p0", "void", [("ptr", self.address(buffer, place)), *hint])

    def store(self, buffer: Buffer, indices: Sequence[Scalar], value: Operand, mask: Scalar | None) -> None:
        flags = self.combined(mask)
        place, step = self.flat(buffer.shape, indices)
        if self.places[buffer.name].lanes > 1:
            self.keep(buffer, self.address(buffer, place), self.out.splat(value, self.lanes), flags)
        elif step is not None and step.text == "0" and value.lanes == 1 and (flags is None or flags.lanes == 1):
            self.guarded(flags, lambda: self.write(buffer, self.address(buffer, place), value))
        elif step is not None and step.text == "1":
            value = self.out.splat(value, self.lanes)
            if flags is None and buffer.name in self.streamed and begins_line(indices, self.axis, self.lanes):
                self.stream(buffer, self.address(buffer, place), value)
            else:
                self.store_row(buffer, place, value, flags)
        else:
            for lane in range(self.lanes):
                where = self.of_lane(place, step, lane)
                flag = None if flags is None else self.lane(flags, lane)
                self.guarded(flag, self.writer(buffer, where, self.lane(value, lane)))

    def stream(self, buffer: Buffer, pointer: str, value: Operand) -> None:
        """Stores lanes past the caches, if the buffer begins at a line."""
        lines, others, done = (self.out.fresh("b") for _ in range(3))
        kind, text = self.narrowed(value)
        self.out.do(f"br i1 {self.lined(buffer)}, label %{lines}, label %{others}")
        least = element_bytes(buffer.dtype)
        most = min(LINE, value.lanes * least)
        for label, how in ((lines, f"align {most}, !nontemporal !1"), (others, f"align {least}")):
            self.out.at(label)
            self.out.do(f"store {kind} {text}, ptr {pointer}, {how}")
            self.out.do(f"br label %{done}")
        self.out.at(done)

    def lined(self, buffer: Buffer) -> str:
        """Whether a buffer begins at a cache line; it is asked once."""
        if buffer.name not in self.asked:
            name = self.asked[buffer.name] = "%" + self.out.fresh("l")
            self.out.reserved += [
                f"  {name}a = ptrtoint ptr {self.places[buffer.name].pointer} to i64",
                f"  {name}b = and i64 {name}a, {LINE - 1}",
                f"  {name} = icmp eq i64 {name}b, 0",
            ]
        return self.asked[buffer.name]

    def writer(self, buffer: Buffer, place: Operand, value: Operand) -> Callable[[], None]:
        return lambda: self.write(buffer, self.address(buffer, place), value)

    def guarded(self, flag: Operand | None, act: Callable[[], None]) -> None:
        """Does something where a flag holds."""
        if flag is None:
            act()
            return
        then, done = self.out.fresh("b"), self.out.fresh("b")
        self.out.do(f"br i1 {flag.text}, label %{then}, label %{done}")
        self.out.at(then)
        act()
        self.out.do(f"br label %{done}")
        self.out.at(done)

    def keep(self, buffer: Buffer, pointer: str, value: Operand, mask: Operand | None) -> None:
        """Stores into registers that each lane has of its own."""
        if mask is not None:
            old = self.read(buffer, pointer, self.lanes)
            mask = self.out.splat(mask, self.lanes)
            text = self.out.let(f"select {mask.typed}, {value.typed}, {old.typed}")
            value = replace(value, text=text)
        self.write(buffer, pointer, value)

    def write(self, buffer: Buffer, pointer: str, value: Operand) -> None:
        kind, text = self.narrowed(value)
        self.out.do(f"store {kind} {text}, ptr {pointer}, align {element_bytes(buffer.dtype)}")

    def store_row(self, buffer: Buffer, place: Operand, value: Operand, mask: Operand | None) -> None:
        pointer = self.address(buffer, place)
        if mask is None:
            self.write(buffer, pointer, value)
            return
        kind, text = self.narrowed(value)
        flags = self.out.splat(mask, self.lanes)
        self.out.call(
            f"llvm.masked.store.v{self.lanes}{_letter(memory_type(buffer.dtype))}.p0",
            "void",
            [(kind, text), ("ptr", pointer), ("i32", str(element_bytes(buffer.dtype))), (flags.type, flags.text)],
        )

    def accumulate(self, statement: Accumulate) -> None:
        if statement.atomic:
            raise UnsupportedError("atomic updates are no processor's yet")
        buffer, value = statement.buffer, self.scalar(statement.value)
        place, step = self.flat(buffer.shape, statement.indices)
        lanes_apart = self.places[buffer.name].lanes > 1 or (step is not None and step.text == "1")
        if self.lanes == 1 or lanes_apart:
            old = self.scalar(Load(buffer, statement.indices, statement.mask))
            lanes = max(old.lanes, value.lanes)
            made = apply(self.out, statement.function, [self.out.splat(old, lanes), self.out.splat(value, lanes)])
            self.store(buffer, statement.indices, made, statement.mask)
            return
        flags = self.combined(statement.mask)
        for lane in range(self.lanes):
            self.guarded(
                None if flags is None else self.lane(flags, lane), self.adder(statement, place, step, value, lane)
            )

    def adder(
        self, statement: Accumulate, place: Operand, step: Operand | None, value: Operand, lane: int
    ) -> Callable[[], None]:
        def add() -> None:
            pointer = self.address(statement.buffer, self.of_lane(place, step, lane))
            old = self.read(statement.buffer, pointer, 1)
            made = apply(self.out, statement.function, [old, self.lane(value, lane)])
            self.write(statement.buffer, pointer, made)

        return add


def _letter(kind: str) -> str:
    return {"half": "f16", "float": "f32", "double": "f64"}.get(kind, kind)
