"""A graph with what to feed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.ops.cases import AnyOp
from tests.ops.evaluate import placeholders
from xir.ir.constant import Array
from xir.ir.constraints import collecting
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import Type


@dataclass(frozen=True)
class Sample:
    """A random graph.

    Attributes:
        graph: the graph.
        feeds: what to feed it, by input name.
    """

    graph: Graph
    feeds: dict[str, Array]

    @property
    def operators(self) -> tuple[str, ...]:
        """The names of its operators, those of bodies too, in order."""
        found: dict[str, None] = {}
        waiting = [self.graph]
        while waiting:
            for node in waiting.pop().nodes:
                found[node.op.name] = None
                waiting += [body for body in node.attributes.values() if isinstance(body, Graph)]
        return tuple(found)


def one_application(
    op: AnyOp, types: Sequence[Type | None], attributes: Mapping[str, object]
) -> tuple[Graph, list[str | None]]:
    """A graph of one operator on fresh inputs of these types, and the inputs' names; it checks what it assumes.

    Raises:
        XirError: the operator does not take them.
    """
    values = placeholders(*([None] * len(types)), types=types)
    with collecting() as assumed:
        made = op(*values, **attributes)
    outputs = (made,) if isinstance(made, Value) else tuple(made)
    names = [None if value is None else f"x{index}" for index, value in enumerate(values)]
    labels = {value: name for value, name in zip(values, names, strict=True) if value is not None and name is not None}
    inputs = tuple(labels)
    results = tuple(f"y{index}" for index in range(len(outputs)))
    return Graph("one", inputs, outputs, results, names=labels, constraints=tuple(assumed)), names
