"""The text of one LLVM function while it is written: instructions, blocks, and values of the loop IR's types.

Every identifier is made here from a counter, so no text of a model can stand in a module.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xir.ir.types import DType

_REGISTERS = {
    DType.BOOL: "i1",
    DType.FLOAT16: "half",
    DType.BFLOAT16: "float",  # rounded after every step: x86 has no arithmetic on it
    DType.FLOAT32: "float",
    DType.FLOAT64: "double",
    **{
        dtype: f"i{dtype.bits}"
        for dtype in (
            DType.INT8,
            DType.INT16,
            DType.INT32,
            DType.INT64,
            DType.UINT8,
            DType.UINT16,
            DType.UINT32,
            DType.UINT64,
        )
    },
}
"""{element type: the LLVM type of its values}."""

_MEMORY = {DType.BOOL: "i8", DType.BFLOAT16: "i16"}
"""Where a value in memory has another LLVM type than in a register."""


def is_compiled(dtype: DType) -> bool:
    """Whether machine code computes with this element type."""
    return dtype in _REGISTERS


def register_type(dtype: DType) -> str:
    """The LLVM type of one value."""
    return _REGISTERS[dtype]


def memory_type(dtype: DType) -> str:
    """The LLVM type of one element in memory."""
    return _MEMORY.get(dtype, _REGISTERS[dtype])


def element_bytes(dtype: DType) -> int:
    """Bytes of one element in memory."""
    return max(dtype.bits // 8, 1)


def wide(kind: str, lanes: int) -> str:
    """The LLVM type of `lanes` values of a scalar type."""
    return kind if lanes == 1 else f"<{lanes} x {kind}>"


@dataclass(frozen=True, slots=True)
class Operand:
    """A value: its text, its element type, and its lanes (1 for a scalar)."""

    text: str
    dtype: DType
    lanes: int = 1

    @property
    def kind(self) -> str:
        """The LLVM type of one lane."""
        return _REGISTERS[self.dtype]

    @property
    def type(self) -> str:
        """The LLVM type."""
        return wide(self.kind, self.lanes)

    @property
    def typed(self) -> str:
        """Type and text, as an operand of most instructions."""
        return f"{self.type} {self.text}"

    @property
    def is_literal(self) -> bool:
        """Whether the text is a number and no name."""
        return not self.text.startswith(("%", "<"))

    @property
    def is_number(self) -> bool:
        """Whether it is a number that is written down, the same in every lane; not NaN."""
        return not self.text.startswith("%") and "NaN" not in self.text


@dataclass(slots=True)
class Lines:
    """Instructions of one function; stack memory is reserved in its first block.

    Attributes:
        lines: the instructions so far.
        reserved: those of the first block.
        block: the block that is being written.
    """

    lines: list[str] = field(default_factory=list[str], init=False)
    reserved: list[str] = field(default_factory=list[str], init=False)
    block: str = field(default="start", init=False)
    _count: int = field(default=0, init=False)

    def fresh(self, letter: str = "v") -> str:
        """A new name, without its sign."""
        self._count += 1
        return f"{letter}{self._count}"

    def let(self, instruction: str) -> str:
        """The name of an instruction's result."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {instruction}")

    def at(self, label: str) -> None:
        """Begins a block; the one before must have ended."""
        self.lines.append(f"{label}:")
        self.block = label

    def reserve(self, type: str, align: int = 16) -> str:
        """Stack memory for the whole call, at a multiple of so many bytes."""
        name = "%" + self.fresh("m")
        self.reserved.append(f"  {name} = alloca {type}, align {align}")
        return name

    def body(self) -> str:
        """All blocks."""
        return "\n".join(["begin:", *self.reserved, "  br label %start", "start:", *self.lines])


@dataclass(slots=True)
class Function(Lines):
    """One function of a kernel, which returns nothing.

    Attributes:
        arch: the architecture, whose instructions may be called by name.
        multiplies_bytes: whether the processor sums products of bytes in one instruction.
        scales: whether it has an instruction for x * 2^k (VSCALEF of AVX-512).
        declared: {intrinsic: its declaration} of those that are called.
    """

    arch: str = "x86_64"
    multiplies_bytes: bool = False
    scales: bool = False
    declared: dict[str, str] = field(default_factory=dict[str, str])

    def call(self, name: str, result: str, arguments: list[tuple[str, str]], flags: str = "") -> str:
        """Calls an intrinsic, which is declared; answers the result's name."""
        types = ", ".join(kind for kind, _ in arguments)
        self.declared[name] = f"declare {result} @{name}({types})"
        given = ", ".join(f"{kind} {text}" for kind, text in arguments)
        if result == "void":
            self.do(f"call void @{name}({given})")
            return ""
        return self.let(f"call {flags}{result} @{name}({given})")

    def splat(self, value: Operand, lanes: int) -> Operand:
        """The value in every lane."""
        if value.lanes == lanes:
            return value
        if value.is_literal:
            return Operand("<" + ", ".join([value.typed] * lanes) + ">", value.dtype, lanes)
        type = wide(value.kind, lanes)
        first = self.let(f"insertelement {type} poison, {value.typed}, i32 0")
        mask = wide("i32", lanes)
        text = self.let(f"shufflevector {type} {first}, {type} poison, {mask} zeroinitializer")
        return Operand(text, value.dtype, lanes)

    def text(self, name: str, parameters: str, attributes: str) -> str:
        """The whole definition."""
        return f"define void @{name}({parameters}) {attributes} {{\n{self.body()}\n}}\n"
