"""Sums of products of bytes, four products at a time: neighbours along the sum as one word of 32 bits.

Processors sum four products of unsigned with signed bytes in each lane of a vector (`dot4`). What is read besides the
weights lies with the summed axis innermost, so four neighbours are a word of its memory; the weights' words are made
when they are packed. Sums in i32 wrap around, so their order changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from xir.backends.codegen.lowering.products.pack import plain
from xir.backends.codegen.lowering.products.sums import Contraction
from xir.backends.codegen.lowering.stage import slot_of
from xir.ir.dims import Dim, floor_divide, multiply
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel._affine import Affine, affine
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Apply, Axis, Buffer, Cast, For, Load, Scalar, Store

WORD = 4
"""Bytes of a word."""


def in_words(found: Contraction, constants: frozenset[str]) -> Contraction | None:
    """The sum with four products at a time, or None where it is none of u8 with weights of i8 that lies so.

    Args:
        found: the sum, its loops as they are cut (`prepared`).
        constants: names of the buffers that hold weights.
    """
    factors = [each for each in map(_bytes, found.factors) if each is not None]
    pair = sorted(factors, key=lambda each: each.buffer.name in constants)
    if len(pair) != 2 or [each.buffer.dtype for each in pair] != [DType.UINT8, DType.INT8]:
        return None
    left, right = pair
    loop = next((each for each in found.reduced if _step(left, each) == 1), None)
    if loop is None or not isinstance(loop.extent, int) or loop.extent % WORD or found.update.mask is not None:
        return None
    step, word = _step(right, loop), _word(left, loop)
    known = left.buffer.name not in constants and right.buffer.name in constants
    if word is None or not known or not isinstance(step, int) or step < 1:
        return None
    fourth = {loop.axis.name: build.apply("mul", loop.axis, build.index(WORD))}
    value = Apply("dot4", (Load(found.carried, ()), word, substitute(right, fourth)))
    others = tuple(each for each in found.reduced if each is not loop)
    reduced = (*others, replace(loop, extent=loop.extent // WORD))
    return replace(found, reduced=reduced, update=Store(found.carried, (), value), together=step)


def _bytes(factor: Scalar) -> Load | None:
    """The bytes that a factor is in i32, or None."""
    held = plain(factor)
    once = isinstance(factor, Cast) and factor.value is held and factor.dtype is DType.INT32
    return held if once and isinstance(held, Load) and held.mask is None and len(held.indices) == 1 else None


def _step(load: Load, loop: For) -> Dim:
    form = affine(load.indices[0])
    return 0 if form is None else form.coefficients.get(loop.axis.name, 0)


def _word(load: Load, loop: For) -> Load | None:
    """The word that begins at a byte, in a view of the buffer as words; None where not every word is one."""
    form = affine(load.indices[0])
    if form is None:
        return None
    others = {name: step for name, step in form.coefficients.items() if name != loop.axis.name}
    parts = {name: _fourth(step) for name, step in others.items()}
    constant, size = _fourth(form.constant), _fourth(load.buffer.shape[0])
    known = {name: part for name, part in parts.items() if part is not None}
    if len(known) != len(parts) or constant is None or size is None:
        return None
    buffer = Buffer(f"w{slot_of(load.buffer)}", DType.INT32, (size,))
    return Load(buffer, (_scalar(Affine(constant, {**known, loop.axis.name: 1})),))


def _fourth(dim: Dim) -> Dim | None:
    """A quarter of a size, where it is whole."""
    part = floor_divide(dim, WORD)
    return part if multiply(part, WORD) == dim else None


def _scalar(form: Affine) -> Scalar:
    total: Scalar = build.index(form.constant)
    for name, step in form.coefficients.items():
        term = Axis(name) if step == 1 else build.apply("mul", Axis(name), build.index(step))
        total = term if total == build.index(0) else build.apply("add", total, term)
    return total
