"""The body of a `forward`: one line a node, sizes and weights fetched where they are first needed."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from xir.backends.export.torch._form import Argument, Block, Layer, Say
from xir.backends.export.torch._helpers import NEEDS
from xir.backends.export.torch._literals import dtype_text, number_text, string_text, type_text
from xir.backends.export.torch._names import Names, identifier, local_name
from xir.errors import UnsupportedError
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol, evaluate, symbols_of, to_text
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType

_WIDTH = 96
"""Columns of a line up to which a comment with the result's shape stands behind it."""

Said = Say | Layer | Block


class Weights(Protocol):
    """What a body asks for its weights."""

    def of(self, value: Value) -> str | None:
        """The attribute that holds a weight or literal, or None for any other value."""
        ...

    def layer(self, node: Node, layer: Layer) -> str | None:
        """The attribute that holds a layer, or None where it is to be said otherwise."""
        ...


def arguments_of(said: Say | Layer) -> Iterator[Argument]:
    """Everything that an answer mentions, but for a layer's own weights."""
    pending: list[Argument] = list(said.arguments if isinstance(said, Say) else said.operands)
    while pending:
        item = pending.pop()
        if isinstance(item, Say):
            pending += item.arguments
        elif isinstance(item, tuple | list):
            pending += item
        else:
            yield item


def sized_places(values: Iterable[Value]) -> Iterator[tuple[Symbol, Value, int]]:
    """Where sizes that are symbols can be read off: (symbol, value, axis)."""
    for value in values:
        if isinstance(value.type, TensorType):
            for axis, size in enumerate(value.type.shape):
                if isinstance(size, Symbol):
                    yield size, value, axis


class Code:
    """The lines of one function."""

    def __init__(self, weights: Weights, said: Mapping[Node, Said], device: str, in_block: bool = False) -> None:
        """No lines yet.

        Args:
            weights: the module around.
            said: what each node says; nodes that have nothing to say stand in the others.
            device: the code of the device on which new tensors are made.
            in_block: whether names and shapes of the model are left out, which differ where the code is the same.
        """
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        self.names = Names()
        self.device = device
        self._weights, self._said = weights, said
        self._held: dict[Value, str] = {}
        self._places: dict[Symbol, tuple[Value, int]] = {}
        self._sizes: ChainMap[Symbol, str] = ChainMap({})
        self._indent = "        "
        self._in_block = in_block

    def line(self, text: str) -> None:
        """One more line."""
        self.lines.append(self._indent + text)

    def enter(self) -> None:
        """What follows stands in a block: sizes that are read there are not known behind it."""
        self._indent += "    "
        self._sizes = self._sizes.new_child()

    def leave(self) -> None:
        """The block ends."""
        self._indent = self._indent[:-4]
        self._sizes = self._sizes.parents

    def bind(self, value: Value, name: str) -> None:
        """`name` holds the value."""
        self._held[value] = name
        for symbol, _, axis in sized_places((value,)):
            self._places.setdefault(symbol, (value, axis))

    def fresh(self, wanted: str) -> str:
        """A new name."""
        return self.names.new(wanted)

    def name(self, value: Value, graph: Graph) -> str:
        """A new name for a result, which holds it from now on."""
        given = "" if self._in_block else local_name(graph.names.get(value, ""))
        wanted = given or (value.node.op.name if value.node is not None else "x")
        found = self.names.new(wanted)
        self.bind(value, found)
        return found

    def read(self, value: Value) -> str:
        """The code of a value that is there already."""
        held = self._held.get(value)
        if held is not None:
            return held
        attribute = self._weights.of(value)
        if attribute is None:
            raise KeyError(f"{value!r} is read before it is made")
        return f"self.{attribute}"

    def size(self, dim: Dim) -> str:
        """The code of a size; sizes that are symbols are read off a tensor first."""
        if isinstance(dim, int):
            return str(dim)
        named: dict[Symbol, Dim] = {symbol: Symbol(self._symbol(symbol)) for symbol in symbols_of(dim)}
        return to_text(evaluate(dim, named))

    def _symbol(self, symbol: Symbol) -> str:
        found = self._sizes.get(symbol)
        if found is None:
            place = self._places.get(symbol)
            if place is None:
                raise UnsupportedError(f"the size {symbol!r} cannot be read off any tensor")
            value, axis = place
            wanted = identifier(symbol.name or "").lower() or "size"
            found = self.names.new(wanted)
            self.line(f"{found} = {self.read(value)}.shape[{axis}]")
            self._sizes[symbol] = found
        return found

    def text(self, item: Argument) -> str:
        """The code of an argument."""
        match item:
            case Value():
                return self.read(item)
            case Say():
                if item.helper:
                    self.helpers |= {item.helper, *NEEDS.get(item.helper, ())}
                return item.template.format(*map(self.text, item.arguments), device=self.device)
            case Symbol() | Quotient() | Extremum() | Polynomial():
                return self.size(item)
            case tuple():
                return f"({', '.join(map(self.text, item))}{',' if len(item) == 1 else ''})"
            case list():
                return f"[{', '.join(map(self.text, item))}]"
            case _:
                return _literal(item)

    def nodes(self, graph: Graph, nodes: Sequence[Node]) -> None:
        """The lines of the nodes that have something to say."""
        from xir.backends.export.torch._flow import write_flow

        for node in nodes:
            said = self._said.get(node)
            if isinstance(said, Block):
                write_flow(self, graph, node, said)
            elif said is not None:
                self._statement(graph, node, said)

    def call(self, graph: Graph, attribute: str, inputs: Sequence[Value], result: Value) -> None:
        """The line of a block."""
        given = ", ".join(map(self.read, inputs))
        found = local_name(graph.names.get(result, "")) or attribute.lower()
        found = self.names.new(found)
        self.line(f"{found} = self.{attribute}({given})")
        self.bind(result, found)

    def _statement(self, graph: Graph, node: Node, said: Say | Layer) -> None:
        code = self._expression(node, said)
        names = [self.name(value, graph) for value in node.outputs]
        left = ", ".join(names) + ("," if _is_plural(node) and len(names) == 1 else "")
        line = f"{left} = {code}"
        shapes = (
            ", ".join(type_text(value.type) for value in node.outputs) if len(names) == 1 and not self._in_block else ""
        )
        if shapes and len(self._indent) + len(line) + len(shapes) + 4 <= _WIDTH:
            line = f"{line}  # {shapes.partition('[')[2].rstrip(']') or 'scalar'}"
        self.line(line)

    def _expression(self, node: Node, said: Say | Layer) -> str:
        if isinstance(said, Say):
            return self.text(said)
        attribute = self._weights.layer(node, said)
        if attribute is None:
            return self.text(said.otherwise)
        return f"self.{attribute}({', '.join(map(self.text, said.operands))})"


def _literal(item: DType | complex | str | None) -> str:
    match item:
        case DType():
            return dtype_text(item)
        case None:
            return "None"
        case str():
            return string_text(item)
        case _:
            return number_text(item)


def _is_plural(node: Node) -> bool:
    from xir.ops import definition

    return definition(node).plural
