"""What a runtime has kernels for: its table, an operator and its versions in a line, and what the table cannot say.

A file that ONNX admits need not load: onnxruntime's CPU has no kernel for many pairs of an operator and an element type
(`bool` Where, any arithmetic in bf16). `tools/onnx_kernels.py` makes the tables.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Protocol, cast

from xir.backends.export.onnx._form import Answer, Call, Fixed, Operand, Refusal, Sizes, domain_version
from xir.backends.export.onnx.ort_limits import ORT_LIMITS, ORT_PIECES, Limit, Place
from xir.errors import FormatError
from xir.ir.node import Node, Value
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type, dtype_from_numpy

HEAD: Final = ["operator", "versions", "types"]

_WITHOUT_KERNELS: Final = frozenset(("Constant",))
"""Operators that no runtime computes: they become initialisers when a model is loaded."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel, or several that differ in nothing.

    Attributes:
        versions: (first, last) versions of the operator's wording; last is None where only the first is taken, for
            a runtime trusts no newer wording that may come (onnxruntime, core/framework/kernel_registry.cc).
        types: {constraint or operand, as ONNX's schema names it: the types that it may be}.
    """

    versions: tuple[tuple[int, int | None], ...]
    types: Mapping[str, frozenset[str]]

    def covers(self, since: int) -> bool:
        """Whether it is of the wording that counts since the version `since`."""
        return any(since == first or (last is not None and first <= since <= last) for first, last in self.versions)


@dataclass(frozen=True, slots=True)
class Kernels:
    """What one release of a runtime computes.

    Attributes:
        runtime: its name, for messages.
        table: {(domain, operator): its kernels}.
        inlines_functions: whether it computes an operator that it has no kernel for by the body that ONNX gives it.
        half_by_single: whether the runtime itself computes f16 in f32 where it has only a kernel of that.
        limits: {operator: what the table cannot tell: what a kernel does not compute, though it takes the types}.
        pieces: {operator of ours without a decomposition: what is written for it where it has no kernel}.
    """

    runtime: str
    table: Mapping[tuple[str, str], tuple[Kernel, ...]]
    inlines_functions: bool = False
    half_by_single: bool = False
    limits: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    pieces: Mapping[str, Callable[[Node], Answer]] = field(default_factory=dict[str, Callable[[Node], Answer]])

    def answer(self, node: Node, call: Call, place: Place) -> Answer:
        """`call` where the runtime computes it, a refusal with the reason where not, or what it computes instead."""
        if call.kind in _WITHOUT_KERNELS:
            return call
        limit = self.limits.get(call.kind)
        said = None if limit is None else limit(node, call, place)
        if isinstance(said, Refusal):
            return Refusal(said.reason, said.opset, self.runtime)
        if said is not None:
            return said
        lack = self._lack(node, call, place.opset)
        return call if lack is None else Refusal(f"{self.runtime} has no kernel for {lack}", runtime=self.runtime)

    def piece_by_piece(self, node: Node) -> Answer | None:
        """Simpler operators for one that has no decomposition of its own, or None."""
        made = self.pieces.get(node.op.name)
        return None if made is None else made(node)

    def inlines(self, call: Call, opset: int) -> bool:
        """Whether the runtime puts the operator's function body in its place, as ONNX has one and it has no kernel."""
        formals = _formals(call.kind, domain_version(call.domain, opset), call.domain)
        known = self.table.get((call.domain, call.kind), ())
        return self.inlines_functions and formals.is_function and not any(each.covers(formals.since) for each in known)

    def _lack(self, node: Node, call: Call, opset: int) -> str | None:
        """Which operator and types have no kernel, or None."""
        formals = _formals(call.kind, domain_version(call.domain, opset), call.domain)
        known = self.table.get((call.domain, call.kind), ())
        if not known:
            return call.kind
        kernels = [kernel for kernel in known if kernel.covers(formals.since)]
        if not kernels:
            return f"{call.kind} of opset {formals.since}"
        bound = tuple(_bound(node, call, formals))
        return None if self._computes(kernels, bound, call) else f"{call.kind} of {_refused(kernels, bound)}"

    def _computes(self, kernels: list[Kernel], bound: tuple[_Bound, ...], call: Call) -> bool:
        if any(all(each.fits(kernel) for each in bound) for kernel in kernels):
            return True
        if not self.half_by_single or not any(each.type == "f16" and each.is_operand for each in bound):
            return False
        single = [_Bound(each.names, each.type.replace("f16", "f32"), each.is_operand) for each in bound]
        named = any(name in call.attributes for name in ("dtype", "to", "output_dtype"))
        return not named and any(all(each.fits(kernel) for each in single) for kernel in kernels)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime that shall compute a node.

    Attributes:
        kernels: what it computes.
        place: where the node stands.
    """

    kernels: Kernels
    place: Place


@dataclass(frozen=True, slots=True)
class _Bound:
    """The type of one operand or result, and the names by which a kernel may constrain it."""

    names: tuple[str, str]
    type: str
    is_operand: bool

    def fits(self, kernel: Kernel) -> bool:
        return all(self.type in kernel.types[name] for name in self.names if name in kernel.types)


def _refused(kernels: list[Kernel], bound: tuple[_Bound, ...]) -> str:
    """The types that no kernel takes, else all of them, which none takes together."""
    alone = [each.type for each in bound if not any(each.fits(kernel) for kernel in kernels)]
    return " and ".join(dict.fromkeys(alone or [each.type for each in bound]))


@dataclass(frozen=True, slots=True)
class _Formals:
    """The (constraint, name) of each operand and result of an operator's wording, the last for all further ones."""

    since: int
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    is_function: bool


class _Bodies(Protocol):
    """What onnx's own stubs leave out of an operator's schema."""

    has_function: bool
    has_context_dependent_function: bool


@cache
def _formals(kind: str, version: int, domain: str) -> _Formals:
    from onnx import defs

    found = defs.get_schema(kind, version, domain)
    inputs, outputs = (tuple((each.type_str, each.name) for each in group) for group in (found.inputs, found.outputs))
    bodies = cast("_Bodies", found)
    is_function = bodies.has_function or bodies.has_context_dependent_function
    return _Formals(found.since_version, inputs, outputs, is_function)


def _bound(node: Node, call: Call, formals: _Formals) -> Iterator[_Bound]:
    for index, given in enumerate(call.inputs):
        text = _operand_type(given)
        if text is not None:
            yield _Bound(formals.inputs[min(index, len(formals.inputs) - 1)], text, True)
    places = range(len(node.outputs)) if call.places is None else call.places
    for value, place in zip(node.outputs, places, strict=True):
        text = _text_of(value.type)
        if text is not None:
            yield _Bound(formals.outputs[min(place, len(formals.outputs) - 1)], text, False)


def _operand_type(given: Operand) -> str | None:
    match given:
        case Value():
            return _text_of(given.type)
        case Fixed():
            return str(dtype_from_numpy(given.array.dtype))
        case Sizes():
            return str(DType.INT64)
        case None:
            return None


def _text_of(type: Type) -> str | None:
    """The type as the table writes it; None where it tells no rank."""
    match type:
        case TensorType(dtype):
            return str(dtype)
        case SequenceType(element):
            return _around("seq", element)
        case OptionalType(element):
            return _around("optional", element)
        case MapType(key, element):
            return f"map({key},{_text_of(element)})"
        case _:
            return None


def _around(kind: str, element: Type) -> str | None:
    text = _text_of(element)
    return None if text is None else f"{kind}({text})"


@cache
def ort_1_31() -> Kernels:
    """Onnxruntime 1.31 on the CPU: 1.31.1's own registry, which docs/OperatorKernels.md is made of.

    It inlines function bodies where it has no kernel (core/framework/graph_partitioner.cc), and computes f16 in f32 by
    itself (core/optimizer/insert_cast_transformer.cc).
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ort-1.31.tsv")
    return Kernels("onnxruntime 1.31", read_table(path), True, True, ORT_LIMITS, ORT_PIECES)


def read_table(path: str) -> dict[tuple[str, str], tuple[Kernel, ...]]:
    """A table of kernels: {(domain, operator): its kernels}.

    Raises:
        FormatError: a line is no operator, versions and types.
    """
    found: dict[tuple[str, str], tuple[Kernel, ...]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.reader(file, dialect="excel-tab"):
            if row == HEAD:
                continue
            if len(row) != 3:
                raise FormatError(f"expected an operator, versions and types; got {row}", file=path)
            domain, _, kind = row[0].rpartition(":")
            kernel = Kernel(tuple(map(_versions, row[1].split())), dict(map(_types, filter(None, row[2].split("; ")))))
            found[domain, kind] = (*found.get((domain, kind), ()), kernel)
    return found


def _versions(text: str) -> tuple[int, int | None]:
    first, _, last = text.rstrip("+").partition("-")
    return int(first), None if text.endswith("+") else int(last or first)


def _types(text: str) -> tuple[str, frozenset[str]]:
    name, _, types = text.partition("=")
    return name, frozenset(types.split())
