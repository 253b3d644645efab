"""A node's call of its handler or of a function of the file, checked on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xir.errors import InvalidModelError, UnsafeError
from xir.frontends.onnx._frame import Frame
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Entry
from xir.frontends.onnx.model import OnnxFunction, OnnxNode
from xir.ir.node import Value


def handled(entry: Entry, site: Site, operands: Sequence[Value | None]) -> Value | Sequence[Value]:
    """What the handler makes of a node.

    Handlers take operands apart by the ranks that ONNX gives them; one of another rank, and a number that no array
    holds, end here.
    """
    try:
        return entry.handler(site, *operands)
    except (ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
        types = ", ".join("nothing" if value is None else repr(value.type) for value in operands[:_SHOWN])
        raise InvalidModelError(f"the attributes do not go with the operands ({types}): {error}") from error
    except MemoryError as error:
        raise UnsafeError("asks for more memory than there is", number=806) from error


_SHOWN = 8
"""Operands that a message shows."""


def given(entry: Entry, operands: Sequence[Value | None]) -> Sequence[Value | None]:
    """The operands up to the last one that is there, as many as the handler takes."""
    while operands and operands[-1] is None:
        operands = operands[:-1]
    if not entry.fits(len(operands)) or None in operands[: entry.least]:
        raise InvalidModelError(f"takes {entry.wanted} inputs, got {len(operands)}")
    if entry.gaps is not None and None in operands[entry.gaps :]:
        raise InvalidModelError(f"input {operands.index(None, entry.gaps)} is absent, but must be there")
    return operands


def check_call(node: OnnxNode, function: OnnxFunction, operands: Sequence[Value | None], frame: Frame) -> None:
    """Checks that a node calls a function as it is made.

    Raises:
        InvalidModelError: it calls itself, or gets operands or attributes that it does not have.
    """
    if (function.domain, function.name) in frame.functions:
        raise InvalidModelError(f"function {function.name!r} calls itself")
    if len(operands) > len(function.inputs):
        raise InvalidModelError(f"takes {len(function.inputs)} inputs, got {len(operands)}")
    for name in node.attributes:
        if name not in function.attributes and name not in function.defaults:
            raise InvalidModelError(f"function {function.name!r} has no attribute {name!r}")


def without(node: OnnxNode, absent: set[str]) -> OnnxNode:
    """A function's node without the operands that the call leaves out."""
    if not any(name in absent for name in node.inputs):
        return node
    return replace(node, inputs=tuple("" if name in absent else name for name in node.inputs))
