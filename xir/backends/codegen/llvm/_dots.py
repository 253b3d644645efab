"""Sums of four products of bytes in each lane, as LLVM instructions."""

from __future__ import annotations

from collections.abc import Sequence

from xir.backends.codegen.llvm.types import Function, Operand, wide
from xir.ir.types import DType

_PAIRS = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}
"""{lanes: the sum of two products of i16}."""


def dot4(function: Function, name: str, arguments: Sequence[Operand]) -> Operand:
    """The grammar's dot4.

    One instruction where the processor has it (VPDPBUSD). Elsewhere bytes become i16 and two products are summed in
    i32 (PMADDWD), which is exact; the sum of two products of bytes in i16 (PMADDUBSW) would saturate.
    """
    total, left, right = arguments
    lanes = total.lanes
    if function.multiplies_bytes and lanes in _PAIRS:
        bytes_ = wide("i8", lanes * 4)
        given = [(bytes_, function.let(f"bitcast {each.typed} to {bytes_}")) for each in (left, right)]
        text = function.call(f"llvm.x86.avx512.vpdpbusd.{lanes * 32}", total.type, [(total.type, total.text), *given])
        return Operand(text, DType.INT32, lanes)
    paired = lanes in _PAIRS and function.arch == "x86_64"
    parts = _pairs(function, left, right) if paired else _single(function, left, right)
    text = total.text
    for part in parts:
        text = function.let(f"add {total.type} {text}, {part}")
    return Operand(text, DType.INT32, lanes)


def _pairs(function: Function, left: Operand, right: Operand) -> list[str]:
    """The products of the even bytes, and of the odd ones, summed in pairs."""
    lanes = left.lanes
    words = wide("i16", lanes * 2)

    def every(count: int) -> str:
        return function.splat(Operand(str(count), DType.INT16), lanes * 2).text

    held = [function.let(f"bitcast {each.typed} to {words}") for each in (left, right)]
    moved = function.let(f"shl {words} {held[1]}, {every(8)}")
    even = (function.let(f"and {words} {held[0]}, {every(255)}"), function.let(f"ashr {words} {moved}, {every(8)}"))
    odd = tuple(
        function.let(f"{word} {words} {each}, {every(8)}") for word, each in zip(("lshr", "ashr"), held, strict=True)
    )
    return [function.call(_PAIRS[lanes], left.type, [(words, each) for each in pair]) for pair in (even, odd)]


def _single(function: Function, left: Operand, right: Operand) -> list[str]:
    """The four products, one after another."""
    type, lanes = left.type, left.lanes

    def every(count: int) -> str:
        return function.splat(Operand(str(count), DType.INT32), lanes).text

    made: list[str] = []
    for place in range(0, 32, 8):
        plain = function.let(f"lshr {type} {left.text}, {every(place)}")
        byte = function.let(f"and {type} {plain}, {every(255)}")
        high = function.let(f"shl {type} {right.text}, {every(24 - place)}")
        signed = function.let(f"ashr {type} {high}, {every(24)}")
        made.append(function.let(f"mul {type} {byte}, {signed}"))
    return made
