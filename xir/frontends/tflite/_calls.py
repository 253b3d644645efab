"""An operator's call of its handler: integers that stand for real numbers are read before it and written after it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.frontends.tflite._pairs import COMPLEX, paired, part
from xir.frontends.tflite._quantized import quantization_of, real, stored
from xir.frontends.tflite.model import Quantization, TfliteTensor
from xir.frontends.tflite.site import Argument, Handle, Handler, Results, Site
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops import elementwise

Storage = Literal["real", "moved", "raw", "complex"]
"""What a handler gets of quantised tensors: real numbers; the integers where all are quantised alike (it only moves
elements), else real numbers; or always the integers. "complex" ones know complex numbers, which are pairs."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A handler and what it gets of quantised tensors.

    Attributes:
        handler: the handler.
        storage: what it gets.
        takes_parts: whether it takes the parts of complex numbers one after the other: it compares no elements.
    """

    handler: Handler
    storage: Storage
    takes_parts: bool = False

    def fits(self, count: int) -> bool:
        """Whether the handler takes so many operands."""
        parameters = [*inspect.signature(self.handler).parameters.values()][1:]
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
            return count >= len(parameters) - 1
        least = sum(parameter.default is parameter.empty for parameter in parameters)
        return least <= count <= len(parameters)

    def takes_none(self, count: int) -> tuple[bool, ...]:
        """Of each operand, whether it may be left out."""
        parameters = [*inspect.signature(self.handler).parameters.values()][1:]
        fixed = [p.default is not p.empty for p in parameters if p.kind is not p.VAR_POSITIONAL]
        return (*fixed[:count], *(True,) * (count - len(fixed)))


def called(entry: Entry, site: Site, operands: Sequence[Argument | None]) -> tuple[Argument, ...]:
    """What the handler makes of an operator, in the types that the file gives its results.

    Raises:
        InvalidModelError: the operands do not go with the operator.
        UnsupportedError: it has options that nobody knows.
    """
    tensors = (*site.operands, *site.results)
    while operands and operands[-1] is None:
        operands = operands[:-1]
    if not entry.fits(len(operands)):
        raise InvalidModelError(f"{len(operands)} operands are given")
    for operand, may_miss in zip(operands, entry.takes_none(len(operands)), strict=True):
        if operand is None and not may_miss:
            raise InvalidModelError("an operand is left out that must be there")
    are_complex = [each is not None and each.dtype in COMPLEX for each in tensors]
    in_parts = entry.storage != "complex" and any(are_complex)
    if in_parts and not (entry.takes_parts and all(are_complex[len(site.operands) :])):
        raise UnsupportedError("complex numbers")
    is_real = entry.storage == "real" or (entry.storage == "moved" and not _alike(site))
    if is_real:
        operands = [_real(operand, tensor) for operand, tensor in zip(operands, site.operands, strict=False)]
    handled = _in_parts if in_parts else _handled
    results = handled(entry.handler, site, operands)
    made = (results,) if isinstance(results, Value | Handle) else results
    unknown = site.unknown()
    if unknown:
        raise UnsupportedError(f"the options {', '.join(repr(name) for name in unknown)}")
    wanted = len(site.results)
    if wanted > len(made):
        raise UnsupportedError(f"{wanted} results are asked for, {len(made)} are made")
    return tuple(_settled(result, tensor, is_real) for result, tensor in zip(made, site.results, strict=False))


def _in_parts(handler: Handler, site: Site, operands: Sequence[Argument | None]) -> Results:
    """What a handler that moves elements makes of complex numbers: of their parts, one after the other."""
    is_pair = [tensor is not None and tensor.dtype in COMPLEX for tensor in site.operands]
    sides: list[Sequence[Argument]] = []
    for index in (0, 1):
        parts = [
            part(x, index) if pair and isinstance(x, Value) else x for x, pair in zip(operands, is_pair, strict=False)
        ]
        made = _handled(handler, site, parts)
        sides.append((made,) if isinstance(made, Value | Handle) else made)
    return [paired(*both) for both in zip(*sides, strict=True) if all(isinstance(each, Value) for each in both)]


def _handled(handler: Handler, site: Site, operands: Sequence[Argument | None]) -> Results:
    """Handlers take operands apart by the ranks that TFLite gives them; one of another rank ends here."""
    try:
        return handler(site, *operands)
    except (ValueError, IndexError, OverflowError, ZeroDivisionError, AttributeError) as error:
        types = ", ".join(repr(v.type) for v in operands[:8] if isinstance(v, Value))
        raise InvalidModelError(f"the options do not go with the operands ({types}): {error}") from error
    except MemoryError as error:
        raise UnsafeError("asks for more memory than there is", number=806) from error


def _alike(site: Site) -> bool:
    """Whether all quantised tensors of an operator are quantised in one way, by one scale."""
    found: set[Quantization] = set()
    for tensor in (*site.operands, *site.results):
        quantization = quantization_of(tensor)
        if quantization is not None and tensor is not None and tensor.dtype not in ("INT32", "INT64"):
            found.add(Quantization(quantization.scales, quantization.zero_points, 0))
    return not found or (len(found) == 1 and len(next(iter(found)).scales) == 1)


def _real(operand: Argument | None, tensor: TfliteTensor | None) -> Argument | None:
    return real(operand, quantization_of(tensor)) if isinstance(operand, Value) else operand


def _settled(result: Argument, tensor: TfliteTensor | None, is_real: bool) -> Argument:
    """The result in the element type that the file declares."""
    if tensor is None or not isinstance(result, Value) or not isinstance(result.type, TensorType):
        return result
    if tensor.dtype in COMPLEX:
        return result
    declared = dtype_of(tensor)
    if is_real and result.dtype.is_floating:
        result = stored(result, quantization_of(tensor), declared)
    if result.dtype is declared:
        return result
    if result.dtype.is_integer and declared.is_integer:
        return elementwise.cast(result, dtype=declared)
    raise InvalidModelError(f"a result is declared {declared}, the operator makes {result.dtype}")
