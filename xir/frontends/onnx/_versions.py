"""Handlers by operator and version: `Softmax-13` is the wording of Softmax that opset 13 brought.

A handler names every version that it implements, so an operator that a later opset redefines is not read with the
wrong semantics: the greatest version up to the model's opset decides, as ONNX says (docs/Versioning.md), and a test
holds the table against onnx.defs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.ir.node import Value

Result = Value | Sequence[Value]
Handler = Callable[..., Result]
"""(site, *operands) -> the outputs."""

NEWEST_OPSET = 28
"""The newest version of ONNX's own operator set whose wordings the handlers know."""

NEWEST: Mapping[str, int] = {
    "": NEWEST_OPSET,
    "ai.onnx.ml": 5,
    "ai.onnx.preview": 1,
    "ai.onnx.preview.training": 1,
    "com.microsoft": 1,
}
"""The operator sets that have handlers, and the newest version of each that they know (onnx docs/Versioning.md)."""


def full_kind(domain: str, kind: str) -> str:
    """An operator's name with that of its operator set: `Softmax`, `ai.onnx.ml.Scaler`."""
    return f"{domain}.{kind}" if domain else kind


def versions(kind: str, *since: int, domain: str = "") -> tuple[str, ...]:
    """The keys of `kind` of the operator set `domain` for each of the versions `since`."""
    return tuple(f"{full_kind(domain, kind)}-{version}" for version in since)


@dataclass(frozen=True, slots=True)
class Entry:
    """A handler and how many operands it takes.

    Attributes:
        since: the opset of the wording.
        handler: the function.
        least: operands that must be there.
        most: operands that may be there; None for any number.
        gaps: operands that may be absent before others that are there; None where any may.
    """

    since: int
    handler: Handler
    least: int
    most: int | None
    gaps: int | None

    def fits(self, count: int) -> bool:
        """Whether `count` operands may be given."""
        return self.least <= count and (self.most is None or count <= self.most)

    @property
    def wanted(self) -> str:
        """How many operands it takes, in words."""
        if self.most is None:
            return f"{self.least} or more"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


class Versions:
    """The handlers of all versions of all operators."""

    __slots__ = ("_table",)

    def __init__(self, handlers: Handlers[Handler]) -> None:
        """Sorts the table by operator."""
        self._table: dict[str, list[Entry]] = {}
        for key, handler in handlers.items():
            kind, _, since = key.rpartition("-")
            self._table.setdefault(kind, []).append(_entry(int(since), handler))
        for entries in self._table.values():
            entries.sort(key=lambda entry: entry.since)

    def get(self, kind: str, opset: int) -> Entry | None:
        """The handler of `kind` (see `full_kind`) at `opset`: that of the newest wording up to it."""
        found = [entry for entry in self._table.get(kind, ()) if entry.since <= opset]
        return found[-1] if found else None

    def since(self, kind: str) -> tuple[int, ...]:
        """The versions of `kind` that have handlers."""
        return tuple(entry.since for entry in self._table.get(kind, ()))

    def kinds(self) -> tuple[str, ...]:
        """Every operator that has a handler, in alphabetical order."""
        return tuple(sorted(self._table))


def _entry(since: int, handler: Handler) -> Entry:
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    least = sum(p.default is p.empty for p in positional)
    variadic = next((p for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if variadic is None:
        return Entry(since, handler, least, len(positional), len(positional))
    return Entry(since, handler, least, None, None if "None" in str(variadic.annotation) else len(positional))


__all__ = ["NEWEST", "NEWEST_OPSET", "Entry", "Handler", "Result", "Site", "Versions", "full_kind", "versions"]
