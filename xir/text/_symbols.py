"""How the symbols of a graph are called in its text: their own names, or numbers that depend on the graph alone."""

from __future__ import annotations

from collections.abc import Iterator

from xir.errors import InvalidModelError
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Symbol, evaluate, symbols_of, to_text
from xir.ir.graph import Graph
from xir.ir.node import Attribute
from xir.ir.types import MapType, OptionalType, SequenceType, TensorType, Type
from xir.limits import check_nesting
from xir.text._strings import symbol_token


class SymbolNames:
    """The symbols of a graph and its bodies, in the order in which the text declares them.

    Symbols stand in the order in which they first appear as a whole size; those that only appear inside formulas
    follow, ordered by the formulas that they appear in.

    Attributes:
        tokens: {symbol: its token in formulas}.
    """

    def __init__(self, graph: Graph) -> None:
        """Collects and numbers the symbols.

        Raises:
            InvalidModelError: if two symbols of one name differ in what is known about them.
            UnsafeError: if bodies nest deeper than the text form can say.
        """
        self.tokens: dict[Symbol, str] = {}
        self._named: dict[str, Symbol] = {}
        self._quoted: dict[Symbol, Dim] = {}
        self._count = 0
        formulas = list(_formulas(graph))
        waiting: dict[Symbol, list[tuple[int, Dim]]] = {}
        for position, formula in enumerate(formulas):
            if isinstance(formula, Symbol):
                self._add(formula)
                continue
            for symbol in symbols_of(formula):
                if symbol.name is not None:
                    self._add(symbol)
                else:
                    waiting.setdefault(symbol, []).append((position, formula))
        left = [symbol for symbol in waiting if symbol not in self.tokens]
        for symbol in sorted(left, key=lambda symbol: self._signature(symbol, waiting[symbol])):
            self._add(symbol)

    def _signature(self, symbol: Symbol, uses: list[tuple[int, Dim]]) -> tuple[object, ...]:
        marked = {**self.tokens, symbol: "?!"}
        limits = (symbol.minimum, -1 if symbol.maximum is None else symbol.maximum, symbol.divisor)
        return (limits, [(position, to_text(formula, marked)) for position, formula in uses])

    def _add(self, symbol: Symbol) -> None:
        if symbol.name is not None:
            known = self._named.setdefault(symbol.name, symbol)
            if _limits(known) != _limits(symbol):
                raise InvalidModelError(
                    f"size {symbol.name!r} is declared with {_limits(known)} and with {_limits(symbol)} "
                    "(minimum, maximum, divisor)",
                    hint="symbols of one name are one symbol: give them the same limits, or different names",
                )
        if symbol in self.tokens:
            return
        if symbol.name is not None:
            token = self.tokens[symbol] = symbol_token(symbol.name)
            if token != symbol.name:
                self._quoted[symbol] = Symbol(
                    token, minimum=symbol.minimum, maximum=symbol.maximum, divisor=symbol.divisor
                )
        else:
            self.tokens[symbol] = f"?{self._count}"
            self._count += 1

    def declarations(self) -> Iterator[str]:
        """One declaration a symbol: `symbol N {minimum=1, divisor=32}`, defaults left out."""
        for symbol, token in self.tokens.items():
            limits: list[str] = []
            if symbol.minimum:
                limits.append(f"minimum={symbol.minimum}")
            if symbol.maximum is not None:
                limits.append(f"maximum={symbol.maximum}")
            if symbol.divisor != 1:
                limits.append(f"divisor={symbol.divisor}")
            yield f"symbol {token}" + (f" {{{', '.join(limits)}}}" if limits else "")

    def dim(self, dim: Dim) -> str:
        """A size as text."""
        if isinstance(dim, int):
            return str(dim)
        return to_text(evaluate(dim, self._quoted) if self._quoted else dim, self.tokens)

    def type(self, type: Type) -> str:
        """A type as text: `f32[N,3,?0]`."""
        closing: list[str] = []
        while isinstance(type, SequenceType | OptionalType | MapType):
            closing.append(_opening(type))
            type = type.element
        if isinstance(type, TensorType):
            inner = f"{type.dtype}[{','.join(self.dim(dim) for dim in type.shape)}]"
        else:
            inner = f"{type.dtype}[*]"
        return "".join(closing) + inner + ">" * len(closing)


def _opening(type: SequenceType | OptionalType | MapType) -> str:
    match type:
        case SequenceType():
            return "sequence<"
        case OptionalType():
            return "optional<"
        case MapType(key):
            return f"map<{key}, "


def _limits(symbol: Symbol) -> tuple[int, int | None, int]:
    return symbol.minimum, symbol.maximum, symbol.divisor


def _formulas(graph: Graph) -> Iterator[Dim]:
    """Every symbolic size of the graph and its bodies, in the order in which the text gives them."""
    stack: list[Iterator[Dim | Graph]] = [_parts(graph)]
    while stack:
        part = next(stack[-1], None)
        if part is None:
            stack.pop()
        elif isinstance(part, Graph):
            check_nesting(len(stack) + 1, what="a body of the graph")
            stack.append(_parts(part))
        else:
            yield part


def _parts(graph: Graph) -> Iterator[Dim | Graph]:
    for value in (*graph.inputs, *(parameter.value for parameter in graph.parameters)):
        yield from _type_parts(value.type)
    for constraint in graph.constraints:
        for dim in (constraint.left, constraint.right):
            if not isinstance(dim, int):
                yield dim
    for node in graph.nodes:
        for value in node.outputs:
            yield from _type_parts(value.type)
        for attribute in node.attributes.values():
            yield from _attribute_parts(attribute)
    for step in graph.training:
        yield from step.graphs


def _type_parts(type: Type) -> Iterator[Dim]:
    while isinstance(type, SequenceType | OptionalType | MapType):
        type = type.element
    if isinstance(type, TensorType):
        yield from (dim for dim in type.shape if not isinstance(dim, int))


def _attribute_parts(attribute: Attribute) -> Iterator[Dim | Graph]:
    pending = [attribute]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending += reversed(item)
        elif isinstance(item, Symbol | Quotient | Extremum | Polynomial | Graph):
            yield item
