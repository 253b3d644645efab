"""The table of handlers: one handler a kind, merged by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xir.frontends._handlers import Handlers

Handler = Callable[[int], int]


def _double(x: int) -> int:
    return 2 * x


def _table(*kinds: str) -> Handlers[Handler]:
    table: Handlers[Handler] = Handlers("test")
    table.layer(*kinds)(_double)
    return table


def test_handler_is_found_by_each_of_its_kinds() -> None:
    table = _table("b", "a")
    assert table.get("a") is _double
    assert table.get("b") is _double
    assert table.get("c") is None
    assert table.kinds() == ("a", "b")
    assert list(table) == ["a", "b"]
    assert "a" in table
    assert len(table) == 2


def test_second_handler_of_a_kind_is_refused_and_both_are_named() -> None:
    table = _table("a")
    with pytest.raises(TypeError, match=r"'a' has two handlers, .*_double and .*_double"):
        table.add("a", _double)


def test_merge_takes_all_kinds_and_refuses_duplicates() -> None:
    merged = Handlers("test", _table("a"), _table("b"))
    assert merged.merge(_table("c")).kinds() == ("a", "b", "c")
    with pytest.raises(TypeError, match="'b' has two handlers"):
        merged.merge(_table("b"))
