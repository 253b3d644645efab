"""Smaller variants of a case, one at a time: fewer outputs, bypassed operators, smaller sizes, simpler numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters
from xir.ir.types import TensorType
from xir.surgery.fingerprint import is_literal
from xir.surgery.names import readers_of
from xir.surgery.subset import Case, same_type

Make = Callable[[], Case]

SIZES = (1, 2, 3, 4, 5, 7, 8, 16, 32)
"""Sizes that are tried before the half: those of the smallest windows, and of a block of vector registers."""


def with_outputs(case: Case, places: Sequence[int]) -> Case:
    """The case with only the outputs at some places, and what they need."""
    graph = case.graph
    kept = replace(
        graph,
        outputs=tuple(graph.outputs[place] for place in places),
        output_names=tuple(graph.output_names[place] for place in places),
    )
    return _tidy(kept, case.feeds)


def _tidy(graph: Graph, feeds: Mapping[str, Array]) -> Case:
    """The case without inputs and weights that nothing reads, and without names of what is gone."""
    graph = drop_unused_parameters(graph)
    readers = readers_of(graph, graph.inputs)
    inputs = tuple(value for value in graph.inputs if value in readers or value in graph.outputs)
    alive = {*inputs, *(p.value for p in graph.parameters), *(value for node in graph.nodes for value in node.outputs)}
    names = {value: name for value, name in graph.names.items() if value in alive}
    tidied = replace(graph, inputs=inputs, names=names)
    return Case(tidied, {graph.name_of(value): feeds[graph.name_of(value)] for value in inputs})


def bypasses(case: Case) -> Iterator[tuple[str, Make]]:
    """Each operator, the last first, replaced by an operand of its result's type."""
    for place, node in reversed(list(enumerate(case.graph.nodes))):
        if is_literal(node) or len(node.outputs) != 1:
            continue
        for index, operand in enumerate(node.inputs):
            if operand is not None and same_type(operand, node.outputs[0]):
                yield f"{node.op.name} bypassed", _bypass(case, place, index)
                break


def _bypass(case: Case, place: int, index: int) -> Make:
    def make() -> Case:
        order = iter(range(len(case.graph.nodes)))

        def replaced(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
            operand = node.inputs[index] if next(order) == place else None
            return None if operand is None else (operand,)

        return _tidy(Rewriter(case.graph).run(replaced), case.feeds)

    return make


def smaller_sizes(case: Case) -> Iterator[tuple[str, Make]]:
    """Each size of an input or a weight, the largest first, made smaller: everywhere, then only as the first axis."""
    shapes = [array.shape for array in case.tensors.values()]
    shapes += [parameter.constant.shape for parameter in case.graph.parameters]
    for size in sorted({size for shape in shapes for size in shape if size > 1}, reverse=True):
        smaller = [each for each in dict.fromkeys((*SIZES, size // 2)) if each < size]
        for less in smaller:
            for axis in (None, 0):
                for attributes in (True, False):
                    where = "" if axis is None else f" of axis {axis}"
                    yield f"size {size} -> {less}{where}", _Shrink(case, size, less, axis, attributes)


@dataclass(frozen=True, slots=True)
class _Shrink:
    """A case with `less` for `size` on the axes of inputs and weights, and in attributes where these are told to."""

    case: Case
    size: int
    less: int
    axis: int | None
    attributes: bool

    def __call__(self) -> Case:
        """The smaller case.

        Raises:
            InvalidModelError: if an operator does not take the new sizes.
        """
        graph = self.case.graph
        feeds = dict(self.case.feeds) | {name: self._cut(array) for name, array in self.case.tensors.items()}
        leaves: dict[Value, Value] = {}
        for name, value in zip(graph.input_names, graph.inputs, strict=True):
            if isinstance(value.type, TensorType) and feeds[name] is not self.case.feeds[name]:
                leaves[value] = Value(value.type.with_shape(feeds[name].shape))
        parameters = [self._weight(parameter, leaves) for parameter in graph.parameters]
        built = Rewriter(graph).run(self._replaced, leaves=leaves)
        return Case(replace(built, parameters=tuple(parameters)), feeds)

    def _cut(self, array: Array) -> Array:
        hit = [n == self.size and self.axis in (None, place) for place, n in enumerate(array.shape)]
        cuts = tuple(slice(self.less) if each else slice(None) for each in hit)
        return np.ascontiguousarray(array[cuts]) if any(hit) else array

    def _weight(self, parameter: Parameter, leaves: dict[Value, Value]) -> Parameter:
        array = parameter.constant.array()
        cut = self._cut(array)
        if cut is array:
            return parameter
        constant = constant_of(cut)
        leaves[parameter.value] = Value(constant.type)
        return Parameter(leaves[parameter.value], constant, parameter.trainable)

    def _replaced(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if not self.attributes:
            return None
        changed = {name: self._sized(value) for name, value in node.attributes.items()}
        return None if changed == node.attributes else apply(node.op, node.inputs, changed).outputs

    def _sized(self, attribute: Attribute) -> Attribute:
        if not isinstance(attribute, tuple):
            return attribute
        return tuple(self.less if type(item) is int and item == self.size else item for item in attribute)


def simpler_numbers(case: Case) -> Iterator[tuple[str, Make]]:
    """Inputs and weights made zeros, then ones, then rounded: all together, then each."""
    names = [name for name, array in case.tensors.items() if array.dtype.kind in "fiu"]
    weights = [place for place, p in enumerate(case.graph.parameters) if p.constant.array().dtype.kind in "fiu"]
    groups: list[tuple[str, list[str], list[int]]] = []
    if len(names) + len(weights) > 1:
        groups.append(("all numbers", names, weights))
    groups += [(f"input {name!r}", [name], []) for name in names]
    groups += [(f"weight {case.graph.name_of(case.graph.parameters[place].value)!r}", [], [place]) for place in weights]
    ways: tuple[tuple[str, Callable[[Array], Array]], ...] = (("0", _zeros), ("1", _ones), ("rounded", _rounded))
    for words, some, places in groups:
        for how, simple in ways:
            yield f"{words} {how}", _simplify(case, some, places, simple)


def _zeros(array: Array) -> Array:
    return np.zeros_like(array)


def _ones(array: Array) -> Array:
    return np.ones_like(array)


def _rounded(array: Array) -> Array:
    return array if array.dtype.kind != "f" else np.rint(array.astype(np.float64)).astype(array.dtype)


def _simplify(case: Case, names: Sequence[str], places: Sequence[int], simple: Callable[[Array], Array]) -> Make:
    def make() -> Case:
        feeds = {name: simple(array) if name in names else array for name, array in case.feeds.items()}
        parameters = tuple(
            replace(each, constant=constant_of(simple(each.constant.array()))) if place in places else each
            for place, each in enumerate(case.graph.parameters)
        )
        return Case(replace(case.graph, parameters=parameters), feeds)

    return make


def is_simpler(new: Case, old: Case) -> bool:
    """Whether a change of numbers changed any."""
    same = all(np.array_equal(array, old.feeds[name]) for name, array in new.feeds.items())
    pairs = zip(new.graph.parameters, old.graph.parameters, strict=True)
    return not (same and all(np.array_equal(a.constant.array(), b.constant.array()) for a, b in pairs))
