"""Graphs as text that `xir.text.parser` reads back to the same graphs; the grammar stands there.

The text depends on the graph alone: nodes in topological order, nameless values and symbols numbered, sizes in
normal form, every attribute present, numbers exact.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.dims import Dim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.source import Source
from xir.ir.training import TrainingStep
from xir.ir.types import DType
from xir.limits import check_nesting
from xir.ops import definition
from xir.text._literals import elements_text, strings_of
from xir.text._strings import label, quote, quote_bytes
from xir.text._symbols import SymbolNames
from xir.text.weights import StoredWeights, is_inline, plan_weights

VERSION = 1
"""The version of the textual form; a reader refuses others."""

_NAN_BITS = struct.pack("<d", math.nan)


def print_graph(graph: Graph, *, weights: StoredWeights | None = None) -> str:
    """The graph as text; constants of more than 64 elements stand as name and SHA-256.

    Raises:
        InvalidModelError: the graph breaks rules G1, G2, G4 or G5 of `xir.ir.verify`, so no text could say it.
        UnsafeError: bodies nest more than 100 deep.
    """
    return print_graphs((graph,), weights=weights)


def print_graphs(graphs: Iterable[Graph], *, weights: StoredWeights | None = None) -> str:
    """Several graphs in one text; raises as `print_graph`."""
    listed = tuple(graphs)
    stored = plan_weights(listed) if weights is None else weights
    pieces = [f"xir {VERSION}\n"]
    if stored.file is not None:
        pieces.append(f"weights {quote(stored.file)}\n")
    for graph in listed:
        names = SymbolNames(graph)
        _GraphPrinter(graph, names, stored, pieces, 1).print(names.declarations())
        pieces.append("\n")
    return "".join(pieces)


class _GraphPrinter:
    """Prints one graph or body; `pieces` gets its text, from `graph` to the closing brace."""

    def __init__(self, graph: Graph, names: SymbolNames, stored: StoredWeights, pieces: list[str], depth: int) -> None:
        check_nesting(depth, what="a body of the graph")
        self.graph = graph
        self.names = names
        self.stored = stored
        self.pieces = pieces
        self.depth = depth
        self.labels = self._labels()

    def _labels(self) -> dict[Value, str]:
        """The token of every value: its name, else the number that `Graph.name_of` gives it too."""
        graph = self.graph
        leaves = [*graph.inputs, *(parameter.value for parameter in graph.parameters)]
        if any(value.node is not None for value in leaves):
            raise InvalidModelError(f"G2: an input or parameter of graph {graph.name!r} is made by a node")
        values = [*leaves, *(value for node in graph.nodes for value in node.outputs)]
        taken = {graph.names[value] for value in values if value in graph.names}
        labels: dict[Value, str] = {}
        number = 0
        for value in values:
            if value in labels:
                raise InvalidModelError(f"G2: graph {graph.name!r} has {graph.name_of(value)!r} as an input twice")
            name = graph.names.get(value)
            if name is None:
                while str(number) in taken:
                    number += 1
                labels[value] = f"%{number}"
                number += 1
            else:
                labels[value] = label(name)
        if len(set(labels.values())) != len(values):
            raise InvalidModelError(f"G5: a value name of graph {graph.name!r} stands twice")
        return labels

    def _label(self, value: Value | None) -> str:
        if value is None:
            return "_"
        if value not in self.labels:
            raise InvalidModelError(f"G1: graph {self.graph.name!r} reads a value that nothing makes: {value!r}")
        return self.labels[value]

    def print(self, declarations: Iterable[str] = ()) -> None:
        """Adds the text of the graph."""
        graph, indent = self.graph, "  " * self.depth
        self.pieces.append(f"graph {quote(graph.name)} {{\n")
        self.pieces += [f"{indent}{declaration}\n" for declaration in declarations]
        self.pieces += [f"{indent}input {self._typed(value)}\n" for value in graph.inputs]
        self.pieces += [f"{indent}{self._parameter(parameter)}\n" for parameter in graph.parameters]
        for constraint in graph.constraints:
            sides = f"{self.names.dim(constraint.left)} == {self.names.dim(constraint.right)}"
            self.pieces.append(f"{indent}constraint {sides} {quote(constraint.reason)}\n")
        for node in graph.nodes:
            self.pieces.append(indent)
            self._node(node)
            self.pieces.append("\n")
        for name, value in zip(graph.output_names, graph.outputs, strict=True):
            self.pieces.append(f"{indent}output {quote(name)} = {self._label(value)}\n")
        for step in graph.training:
            self._training(step)
        self.pieces.append("  " * (self.depth - 1) + "}")

    def _training(self, step: TrainingStep) -> None:
        indent = "  " * self.depth
        self.pieces.append(f"{indent}training {{\n")
        for what, part, bindings in step.parts:
            if part is not None:
                self.pieces.append(f"{indent}  {what} ")
                _GraphPrinter(part, self.names, self.stored, self.pieces, self.depth + 2).print()
                self.pieces.append("\n")
            self.pieces += [f"{indent}  {what} {quote(weight)} = {quote(output)}\n" for weight, output in bindings]
        self.pieces.append(f"{indent}}}\n")

    def _typed(self, value: Value) -> str:
        return f"{self.labels[value]}: {self.names.type(value.type)}"

    def _parameter(self, parameter: Parameter) -> str:
        value, constant = parameter.value, parameter.constant
        if value.type != constant.type:
            name = self.graph.name_of(value)
            raise InvalidModelError(f"G4: {name!r} is {value.type!r}, its data {constant.type!r}")
        frozen = "" if parameter.trainable else " frozen"
        return f"parameter {self.labels[value]} = {self._constant(constant)}{frozen}"

    def _node(self, node: Node) -> None:
        results = ", ".join(self._typed(value) for value in node.outputs)
        operands = ", ".join(self._label(value) for value in node.inputs)
        self.pieces.append(f"{results} = {node.op.name}({operands})")
        opening = " {"
        for name in definition(node).kinds:
            self.pieces.append(f"{opening}{name}=")
            self._attribute(node.attributes[name])
            opening = ", "
        if opening == ", ":
            self.pieces.append("}")
        self.pieces += [f" {_source(source)}" for source in node.source]

    def _attribute(self, attribute: Attribute) -> None:
        """Adds an attribute's value; bodies and the items of tuples by recursion, as deep as the signature is."""
        if isinstance(attribute, Graph):
            _GraphPrinter(attribute, self.names, self.stored, self.pieces, self.depth + 1).print()
        elif isinstance(attribute, tuple):
            self.pieces.append("[")
            for index, item in enumerate(attribute):
                if index:
                    self.pieces.append(", ")
                self._attribute(item)
            self.pieces.append("]")
        else:
            self.pieces.append(self._plain(attribute))

    def _plain(self, attribute: bool | float | str | DType | Dim | Constant | None) -> str:
        match attribute:
            case None:
                return "none"
            case bool():
                return "true" if attribute else "false"
            case float():
                return _float(attribute)
            case str():
                return quote(attribute)
            case DType():
                return str(attribute)
            case Constant():
                return self._constant(attribute)
            case _:
                return self.names.dim(attribute)

    def _constant(self, constant: Constant) -> str:
        head = f"{constant.dtype}[{','.join(map(str, constant.shape))}]"
        if not is_inline(constant):
            name, digest = self.stored.entries[constant]
            return f"{head} weight({quote(name)}, {quote(digest)})"
        if constant.dtype is DType.STRING:
            texts = [quote(word) if isinstance(word, str) else quote_bytes(word) for word in strings_of(constant)]
        else:
            texts = elements_text(constant)
        if constant.dtype in (DType.COMPLEX64, DType.COMPLEX128):
            texts = [f"({real}, {imaginary})" for real, imaginary in zip(texts[::2], texts[1::2], strict=True)]
        return f"{head}({', '.join(texts)})"


def _float(number: float) -> str:
    """The shortest decimal that reads back to `number`; a NaN with an unusual payload stands as its bits."""
    if not math.isnan(number):
        return repr(number)
    bits = struct.pack("<d", number)
    return "nan" if bits == _NAN_BITS else f"0x{int.from_bytes(bits, 'little'):016x}"


def _source(source: Source) -> str:
    parts = [quote(source.framework), quote(source.file), quote(source.layer)]
    if source.kind:
        parts.append(quote(source.kind))
    if source.path:
        parts.append(f"path=[{', '.join(map(quote, source.path))}]")
    if source.module is not None:
        parts.append(f"module={quote(source.module)}")
    if source.location is not None:
        parts.append(f"location={quote(source.location)}")
    if source.order:
        parts.append(f"order={source.order}")
    if source.layout is not None:
        parts.append(f"layout=[{', '.join(map(str, source.layout))}]")
    return f"source({', '.join(parts)})"
