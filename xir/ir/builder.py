"""Building nodes: type inference, and the source that new nodes carry."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from xir.errors import XirError
from xir.ir.constraints import is_collecting, placed
from xir.ir.node import Attribute, Node, Op, Value
from xir.ir.source import Source, Sources, unite

_current: ContextVar[Sources] = ContextVar("xir_source", default=())


@contextmanager
def sourced(*sources: Source) -> Generator[None]:
    """Nodes built inside carry `sources`; an XirError raised inside names the first of them."""
    token = _current.set(unite([sources]))
    try:
        yield
    except XirError as error:
        if sources:
            error.located(sources[0].where)
        raise
    finally:
        _current.reset(token)


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
