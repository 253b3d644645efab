"""The graph with every node in its layout, and the transposes that are left; names and sources stay true."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.source import Source, Sources, unite
from xir.ops.constant import constant
from xir.ops.index import gather
from xir.ops.shape import reshape, shape_of, transpose
from xir.passes.layout._perms import Perm, between, compose, identity, inverse
from xir.passes.layout._rules import Laid
from xir.passes.layout._web import Reader, Web


def rebuild(web: Web) -> Graph:
    """The graph as the states of the web say."""
    return _Rebuild(web).run()


class _Rebuild:
    """One rebuild; what stands for an old value is stored as the web says, and transposed where somebody asks."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.held: dict[Value, tuple[Value, Perm]] = {}
        self.views: dict[tuple[Value, Perm], Value] = {}
        self.ends = _ends(web)
        self.outputs = frozenset(web.graph.outputs)
        self.turned: dict[Value, list[Value]] = {}
        for turned, (root, _) in web.roots.items():
            self.turned.setdefault(root, []).append(turned)

    def run(self) -> Graph:
        graph = self.web.graph
        made = Rewriter(graph).run(self._replace)
        return dataclasses.replace(made, names=self._names(made))

    def _replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value]:
        old = rewriter.current
        if old is None:
            raise TypeError("nothing is being rebuilt")
        if old.outputs[0] in self.web.roots:
            return (self._view(*self.web.roots[old.outputs[0]], rewriter),)
        if node.op is shape_of:
            return (self._sizes(old, rewriter),)
        laid = self.web.states.get(old)
        made = node if laid is None else self._laid(old, node, laid, rewriter)
        made = _sourced(made, unite((self._own_sources(old), *self._absorbed(old))))
        results: list[Value] = []
        for value, new in zip(old.outputs, made.outputs, strict=True):
            if value in self.web.readers:
                self.held[value] = new, self.web.stored(value)
                new = self._view(value, identity(value.rank), rewriter)
            results.append(new)
        return results

    def _laid(self, old: Node, new: Node, laid: Laid, rewriter: Rewriter) -> Node:
        operands: list[Value | None] = []
        for place, (value, own) in enumerate(zip(old.inputs, laid.operands, strict=True)):
            if value is None or own is None:
                operands.append(new.inputs[place])
                continue
            root, perm = self.web.root(value)
            view = self._view(root, compose(perm, own), rewriter)
            operands.append(reshape(view, shape=laid.shapes[place]) if place in laid.shapes else view)
        return apply(old.op, tuple(operands), {**new.attributes, **laid.changed})

    def _stored(self, value: Value, rewriter: Rewriter) -> tuple[Value, Perm]:
        return self.held.get(value) or (rewriter.new[value], identity(value.rank))

    def _view(self, value: Value, wanted: Perm, rewriter: Rewriter) -> Value:
        """What stands for `transpose(value, wanted)`, made once."""
        new, held = self._stored(value, rewriter)
        if held == wanted:
            return new
        if (value, wanted) not in self.views:
            self.views[value, wanted] = transpose(new, perm=between(held, wanted))
        return self.views[value, wanted]

    def _sizes(self, old: Node, rewriter: Rewriter) -> Value:
        """The sizes of what is stored, in the order that is asked for: nothing need move for that."""
        (value,) = old.inputs
        if value is None:
            raise TypeError("shape_of has an operand")
        root, perm = self.web.root(value)
        new, held = self._stored(root, rewriter)
        order = between(held, perm)
        sizes = shape_of(new)
        if order == identity(len(order)):
            return sizes
        return gather(sizes, constant(value=constant_of(np.array(order, np.int64))), axis=0)

    def _own_sources(self, old: Node) -> Sources:
        """The node's sources, which say how the layer's result is stored now.

        The result of a layer may be a transpose of what the node makes: a convolution with channels last ends so.
        """
        if len(old.outputs) != 1 or old.outputs[0] not in self.web.readers:
            return old.source
        value = old.outputs[0]
        stored = self.web.stored(value)
        return tuple(self._source(source, value, stored) for source in old.source)

    def _absorbed(self, old: Node) -> Iterator[Sources]:
        """The sources of transposes that are gone: their reader stands for them, of an output the node that makes it.

        Those that belong to the layer of what they transpose, or of their reader, say nothing new.
        """
        for place, value in enumerate(old.inputs):
            if value in self.web.roots:
                root, perm = self.web.roots[value]
                if self.web.wanted(Reader(old, place, perm)) == self.web.stored(root):
                    yield from _foreign(_chain(value, root), (old, root.node))
        for value in old.outputs:
            for turned in self.turned.get(value, ()):
                if turned in self.outputs and self.web.roots[turned][1] == self.web.stored(value):
                    yield from _foreign(_chain(turned, value), (old,))

    def _source(self, source: Source, value: Value, stored: Perm) -> Source:
        end = self.ends.get((value, source.framework, source.file, source.layer))
        perm, layout = (identity(len(stored)), source.layout) if end is None else end
        ours = compose(inverse(perm), stored)
        if layout is not None and len(layout) == len(ours):
            ours = compose(layout, ours)
        return dataclasses.replace(source, layout=None if ours == identity(len(ours)) else ours)

    def _names(self, made: Graph) -> dict[Value, str]:
        """The names of the graph, and those of values that are stored in another layout now."""
        alive = {value for node in made.nodes for value in node.outputs}
        names = dict(made.names)
        taken = set(names.values()) | set(made.output_names)
        graph = self.web.graph
        for value, (new, _) in self.held.items():
            called = [graph.names.get(value), *(graph.names.get(each) for each in self.turned.get(value, ()))]
            name = next((each for each in called if each is not None and each not in taken), None)
            if name is not None and new in alive and new not in names:
                names[new] = name
                taken.add(name)
        return names


End = tuple[Perm, "Perm | None"]


def _ends(web: Web) -> dict[tuple[Value, str, str, str], End]:
    """{value, framework, file, layer: the transpose of the value with which the layer ends, and its own layout}."""
    return {
        (root, source.framework, source.file, source.layer): (perm, source.layout)
        for turned, (root, perm) in web.roots.items()
        for source in (() if turned.node is None else turned.node.source)
    }


def _chain(value: Value, root: Value) -> Iterator[Sources]:
    """The sources of the transposes between a value and the one that it is a transpose of."""
    while value is not root and value.node is not None and value.node.inputs[0] is not None:
        yield value.node.source
        value = value.node.inputs[0]


def _foreign(chain: Iterable[Sources], nodes: Iterable[Node | None]) -> Iterator[Sources]:
    """The sources of other layers than those of the nodes."""
    own = {(each.file, each.layer) for node in nodes if node is not None for each in node.source}
    for sources in chain:
        yield tuple(each for each in sources if (each.file, each.layer) not in own)


def _sourced(node: Node, sources: Sources) -> Node:
    if sources == node.source:
        return node
    return Node(node.op, node.inputs, node.attributes, tuple(value.type for value in node.outputs), sources)
