"""Kernels as text, for people: one statement a line, loops indented."""

from __future__ import annotations

from collections.abc import Iterator

from xir.ir.dims import to_text
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

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floor_div": "//", "mod": "%", "and": "and", "or": "or"} | {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "bit_and": "&",
    "bit_or": "|",
    "bit_xor": "^",
    "shift_left": "<<",
    "shift_right": ">>",
}


def kernel_text(kernel: Kernel) -> str:
    """The whole kernel."""
    inputs, outputs = (", ".join(map(_buffer, buffers)) for buffers in (kernel.inputs, kernel.outputs))
    lines = [f"kernel {kernel.name}({inputs}) -> ({outputs}):"]
    lines += [f"    {line}" for statement in kernel.body for line in _lines(statement)]
    return "\n".join(lines) + "\n"


def _buffer(buffer: Buffer) -> str:
    return f"{buffer.name}: {buffer.dtype}[{','.join(map(to_text, buffer.shape))}]"


def _block(statements: tuple[Statement, ...]) -> Iterator[str]:
    for statement in statements:
        yield from (f"    {line}" for line in _lines(statement))


def _lines(statement: Statement) -> Iterator[str]:
    match statement:
        case For(axis, extent, kind, body):
            yield f"for {axis.name} in {to_text(extent)} {kind}:"
            yield from _block(body)
        case If(condition, then, otherwise):
            yield f"if {scalar_text(condition)}:"
            yield from _block(then)
            if otherwise:
                yield "else:"
                yield from _block(otherwise)
        case _:
            yield _line(statement)


def _line(
    statement: Let | Store | Accumulate | Allocate | Barrier | AsyncCopy | Wait | Prefetch | TileMultiply,
) -> str:
    match statement:
        case Let(variable, value):
            return f"let {variable.name}: {variable.dtype} = {scalar_text(value)}"
        case Store() | Accumulate():
            return _write(statement)
        case Allocate(buffer):
            return f"allocate {buffer.space} {_buffer(buffer)}"
        case Barrier():
            return "barrier"
        case AsyncCopy(target, source, group):
            return f"copy {_region(target)} = {_region(source)} group {group}"
        case Wait(group):
            return f"wait group {group}"
        case Prefetch(buffer, indices):
            return f"prefetch {buffer.name}[{_list(indices)}]"
        case TileMultiply():
            return _tiles(statement)


def _tiles(statement: TileMultiply) -> str:
    left, right = _region(statement.left), _region(statement.right)
    left += ".T" if statement.transpose_left else ""
    right += ".T" if statement.transpose_right else ""
    return f"{_region(statement.target)} += {left} @ {right}"


def _write(statement: Store | Accumulate) -> str:
    place = f"{statement.buffer.name}[{_list(statement.indices)}]"
    guard = "" if statement.mask is None else f" where {scalar_text(statement.mask)}"
    value = scalar_text(statement.value)
    if isinstance(statement, Store):
        width = "" if statement.width == 1 else f" width {statement.width}"
        return f"{place} = {value}{guard}{width}"
    atomic = " atomic" if statement.atomic else ""
    return f"{place} = {statement.function}({place}, {value}){guard}{atomic}"


def _list(scalars: tuple[Scalar, ...]) -> str:
    return ", ".join(map(scalar_text, scalars))


def _region(region: Region) -> str:
    parts = (f"{scalar_text(start)}:+{size}" for start, size in zip(region.starts, region.sizes, strict=True))
    return f"{region.buffer.name}[{', '.join(parts)}]"


def scalar_text(scalar: Scalar) -> str:
    """A scalar on one line."""
    match scalar:
        case Const(value, dtype):
            text = repr(value) if isinstance(value, bool | float) else to_text(value)
            return text if str(dtype) in ("i64", "bool", "f32") else f"{dtype}({text})"
        case Axis(name) | Variable(name, _):
            return name
        case Load(buffer, indices, mask):
            guard = "" if mask is None else f" where {scalar_text(mask)}"
            return f"{buffer.name}[{_list(indices)}{guard}]"
        case Apply(function, (left, right)) if function in _SIGNS:
            return f"({scalar_text(left)} {_SIGNS[function]} {scalar_text(right)})"
        case Apply(function, arguments):
            return f"{function}({_list(arguments)})"
        case Cast(value, dtype):
            return f"{dtype}({scalar_text(value)})"
        case Bits(value, dtype):
            return f"bits {dtype}({scalar_text(value)})"
        case Select(condition, then, otherwise):
            return f"({scalar_text(then)} if {scalar_text(condition)} else {scalar_text(otherwise)})"
