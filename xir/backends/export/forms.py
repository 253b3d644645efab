"""Tables of forms: how each operator is said in a target, a family a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeAlias, TypeVar

from xir.ir.node import Value
from xir.ops import OpDef

AnyOp: TypeAlias = "OpDef[..., Value] | OpDef[..., tuple[Value, ...]]"
FormT = TypeVar("FormT")
"""What a target's form is: it looks at one node and answers how it is said."""


class Table(Generic[FormT]):
    """A family's table: operator -> form. A second form of one operator raises."""

    __slots__ = ("_table",)

    def __init__(self, *parts: Self) -> None:
        """An empty table, or the union of `parts`; raises TypeError where two have one operator."""
        self._table: dict[str, FormT] = {}
        for part in parts:
            for name, form in part._table.items():
                self._enter(name, form)

    def _enter(self, name: str, form: FormT) -> None:
        if name in self._table:
            raise TypeError(f"operator {name!r} has two forms")
        self._table[name] = form

    def of(self, *operators: AnyOp) -> Callable[[FormT], FormT]:
        """Enters the decorated function as the form of each operator; raises TypeError where one has one."""

        def enter(form: FormT) -> FormT:
            for operator in operators:
                self._enter(operator.name, form)
            return form

        return enter

    def get(self, name: str) -> FormT | None:
        """The form of the operator `name`, or None."""
        return self._table.get(name)

    def names(self) -> tuple[str, ...]:
        """Every operator that has a form, in alphabetical order."""
        return tuple(sorted(self._table))
