"""Building nodes: type inference, and the source that new nodes carry."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from xir.errors import XirError
from xir.ir.constraints import is_collecting, placed
from xir.ir.node import Attribute, Node, Op, Value
from xir.ir.source import Source, Sources, unite

_current: ContextVar[Sources] = ContextVar("xir_source", default=())


class sourced:  # a context manager reads as a verb
    """Nodes built inside carry `sources`; an XirError raised inside names the first of them.

    A class and not a generator: a rewrite enters it for every node.
    """

    __slots__ = ("_sources", "_token")

    def __init__(self, *sources: Source) -> None:
        """Nothing happens before it is entered."""
        self._sources = sources

    def __enter__(self) -> None:
        """From here on nodes carry the sources."""
        self._token = _current.set(unite([self._sources]) if len(self._sources) > 1 else self._sources)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Locates an error of ours; the sources of before are current again."""
        if isinstance(error, XirError) and self._sources:
            error.located(self._sources[0].where)
        _current.reset(self._token)


def apply(op: Op, inputs: tuple[Value | None, ...], attributes: Mapping[str, Attribute]) -> Node:
    """A node of `op`, its output types inferred, its source the current one.

    Raises:
        InvalidModelError: if the operands or attributes do not fit the operator.
    """
    source = _current.get()
    if not is_collecting():
        return Node(op, inputs, attributes, op.infer(inputs, attributes), source)
    with placed(f"{op.name} of {source[0]}" if source else op.name):
        return Node(op, inputs, attributes, op.infer(inputs, attributes), source)
