"""The table of operators: records of arguments, arguments that a handler does not get."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from xir.frontends.torch.call import Call, Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.operators import Operators


@dataclass(frozen=True)
class Span:
    start: int
    stop: int = 9


def called(text: str, *items: object, **named: object) -> object:
    """What a handler gets that takes a span and does not get `seed`."""
    operators = Operators("aten")

    @operators.op(text, "seed(int start, int seed) -> int", records=(Span,), unused=("seed",))
    def handler(call: Call, *arguments: object) -> object:
        return arguments

    return Caller({"aten": operators}, Scope()).call("aten.span.default", items, named)


@pytest.mark.parametrize(
    ("text", "items", "given"),
    [
        ("span(int start, int stop) -> int", (1, 2), (Span(1, 2),)),
        ("span(int a, int stop, int b, int start) -> int", (1, 2, 3, 4), (1, Span(4, 2), 3)),
        ("span(int a, int start, int seed) -> int", (1, 2, 3), (1, Span(2, 9))),
    ],
)
def test_a_record_stands_where_its_first_argument_stands(text: str, items: tuple[int, ...], given: tuple[object, ...]):
    assert called(text, *items) == given


def test_a_record_needs_its_arguments():
    with pytest.raises(TypeError, match=r"Span needs \['start'\], the schema has \['stop'\]"):
        called("span(int stop) -> int")


def test_what_is_not_used_is_an_argument():
    with pytest.raises(TypeError, match=r"no schema has \['speed'\]"):
        Operators("aten").op("span(int start, int stop) -> int", unused=("speed",))


def shape(handler: Callable[..., object]) -> tuple[int, set[str]]:
    """How many parameters a handler has, and those besides the call that it does not read."""
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(handler))).body
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    names = [*inspect.signature(handler).parameters]
    return len(names), set(names[1:]) - read


def test_handlers_read_what_they_take():
    """What has no meaning here is named in `unused`, arguments that belong together are a record."""
    handlers = {handler for table in OPERATORS.values() for _, handler in table.items()}
    shapes = {f"{handler.__module__}.{handler.__qualname__}": shape(handler) for handler in handlers}
    assert {name: count for name, (count, _) in shapes.items() if count > 7} == {}
    assert {name: unread for name, (_, unread) in shapes.items() if unread} == {}
