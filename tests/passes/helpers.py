"""Small graphs for the tests of passes, and the one check that every law must pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.source import Source, unite
from xir.ir.types import DType, TensorType, UnrankedType
from xir.ir.verify import compatible, verify
from xir.ops.constant import constant
from xir.ops.conv import conv
from xir.passes import Trace
from xir.passes._pattern import Match, Rule
from xir.passes._pipeline import apply_rules, first_replacement
from xir.reference import random_inputs, run

F32, F64, I32 = DType.FLOAT32, DType.FLOAT64, DType.INT32
SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -1e38)
SLACK = 8
"""Roundings besides those of the sums: of weights, biases, factors and statistics, on both sides."""


class Net:
    """A graph under construction."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.parameters: list[Parameter] = []
        self.names: dict[Value, str] = {}

    def input(self, *shape: Dim, dtype: DType = F32) -> Value:
        value = Value(TensorType(dtype, shape))
        self.names[value] = f"x{len(self.inputs)}"
        self.inputs.append(value)
        return value

    def weight(self, *shape: int, name: str = "", low: float = -2.0, dtype: DType = F32) -> Value:
        """Numbers from `low` to 2, the same for the same place in the net."""
        generator = np.random.default_rng(len(self.parameters))
        return self.held(generator.uniform(low, 2.0, shape).astype(dtype.dtype), name)

    def held(self, array: Array, name: str = "") -> Value:
        constant_ = constant_of(array)
        value = Value(constant_.type)
        self.names[value] = name or f"w{len(self.parameters)}"
        self.parameters.append(Parameter(value, constant_))
        return value

    def graph(self, *outputs: Value) -> Graph:
        """The graph, each node with a layer of its own as its source."""
        names = tuple(f"out{index}" for index in range(len(outputs)))
        graph = Graph("test", tuple(self.inputs), outputs, names, tuple(self.parameters), self.names)
        return with_layers(graph)


def with_layers(graph: Graph) -> Graph:
    """The graph with each node made by a layer of its own: `relu_3` is the fourth node."""
    place = {node: index for index, node in enumerate(graph.nodes)}
    order = iter(place.values())

    def offered(node: Node, rewriter: Rewriter) -> Sequence[Value]:
        index = next(order)
        source = Source("test", "test.net", f"{node.op.name}_{index}", node.op.name, order=index)
        types = tuple(value.type for value in node.outputs)
        return Node(node.op, node.inputs, node.attributes, types, (source,)).outputs

    return Rewriter(graph).run(offered)


def literal(*numbers: float, dtype: DType = F32) -> Value:
    return constant(value=constant_of(np.array(numbers), dtype))


def convolved(x: Value, w: Value, b: Value | None = None, *, pad: int = 0, groups: int = 1, gaps: int = 1) -> Value:
    """A convolution over two spatial axes."""
    padding = ((pad, pad), (pad, pad))
    return conv(x, w, b, strides=(1, 1), padding=padding, dilation=(1, 1), input_dilation=(gaps, gaps), groups=groups)


def operators(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


@dataclass(frozen=True)
class Example:
    """A graph for a rule.

    Attributes:
        rule: the rule's name.
        build: makes the outputs.
        left: the operators that are left when the rule fires; None for a near miss.
        reason: why a near miss is none; the empty string where nobody wants to hear of it.
        label: what is special about it.
        bound: how many halves of a unit in the last place of the largest number the results may lie apart, where it is
            not sums of products that round.
    """

    rule: str
    build: Callable[[Net], Value | tuple[Value, ...]]
    left: str | None
    reason: str = ""
    label: str = ""
    bound: float | None = None

    def graph(self) -> Graph:
        net = Net()
        made = self.build(net)
        return net.graph(*([made] if isinstance(made, Value) else made))


def check_law(rule: Rule, graph: Graph, bound: float | None = None) -> Graph:
    """The graph with `rule` applied, once it is sure that the rule keeps everything that it must keep."""
    trace = Trace()
    after = apply_rules(graph, (rule,), trace)
    assert trace.fired.get(rule.name, 0) > 0, f"{rule.name} does not fire; near misses: {trace.misses}"
    assert list(trace.fired) == [rule.name]
    verify(after)
    assert (after.input_names, after.output_names) == (graph.input_names, graph.output_names)
    for got, wanted in zip(after.outputs, graph.outputs, strict=True):  # a size, or the rank, may be known at last
        if isinstance(wanted.type, UnrankedType):
            assert got.dtype is wanted.type.dtype
        else:
            assert compatible(got.type, wanted.type)
    _check_sources(rule, graph)
    for seed in range(3):
        _check_numbers(rule, graph, after, _feeds(graph, seed), bound)
    if rule.exact:
        _check_numbers(rule, graph, after, _special(_feeds(graph, 3)))
    return after


def check_miss(rule: Rule, graph: Graph, reason: str) -> None:
    """The rule leaves the graph alone, and says why, naming the layer."""
    trace = Trace()
    after = apply_rules(graph, (rule,), trace)
    assert after is graph
    assert not trace.fired
    if not reason:
        assert not trace.misses
        return
    assert list(trace.misses) == [(rule.name, reason)]
    layers = {node.source[0].layer for node in graph.nodes if node.op.name in rule.roots}
    assert set(trace.misses[rule.name, reason]) <= layers


def _check_sources(rule: Rule, graph: Graph) -> None:
    """What a rule builds stands for all the layers that it replaces, and for no other."""
    known: set[Value] = set()

    def offered(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        known.update(value for value in (*node.inputs, *rewriter.new.values()) if value is not None)
        found = rule.match(node, rewriter)
        if not isinstance(found, Match):
            return None
        made = first_replacement((rule,), node, rewriter, Trace())
        assert made is not None
        for value in made:
            if value not in known:
                assert value.node is not None
                assert value.node.source == unite(each.source for each in found.nodes)
        return made

    rewrite(graph, offered)


def _check_numbers(
    rule: Rule, before: Graph, after: Graph, feeds: dict[str, Array], bound: float | None = None
) -> None:
    """The same bits, or the same but for what rounding explains."""
    with np.errstate(all="ignore"):
        wanted, got = run(before, feeds), run(after, feeds)
        assert list(wanted) == list(got)
        bounds = {} if rule.exact or bound is not None else rounding_bounds(before, feeds)
    for name, array in wanted.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        if rule.exact:
            assert got[name].tobytes() == array.tobytes(), f"{rule.name} changes bits: {array} became {got[name]}"
        else:
            allowed = bounds[name] if bound is None else units(bound, [*wanted.values(), *feeds.values()], array)
            off = np.abs(got[name].astype(np.float64) - array.astype(np.float64))
            assert (off <= allowed).all(), f"{rule.name} is off by {off.max()}, at most {np.max(allowed)}"


def units(bound: float, numbers: Sequence[Array], like: Array) -> Array:
    """`bound` halves of a unit in the last place, in the type of `like`, of the largest of `numbers` and 1."""
    largest = max(1.0, *(float(np.abs(array).max()) for array in numbers))
    return np.asarray(bound * float(np.finfo(like.dtype).eps) / 2 * largest)


def rounding_bounds(graph: Graph, feeds: dict[str, Array]) -> dict[str, Array]:
    """How far two ways to round the sums of products of `graph` can lie apart.

    A sum of n products, each of which took part in at most r roundings, is off by at most (n + r) * u times the sum of
    the products' magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), u half a unit
    in the last place. The magnitudes come from the same graph with every number made positive, means negative, as they
    are subtracted. Both ways may be off by that much, in opposite directions.
    """
    terms = max((parameter.constant.elements for parameter in graph.parameters), default=0)

    def grown(name: str, constant: Constant) -> Constant:
        array = constant.array()
        return constant_of(-np.abs(array) if "mean" in name else np.abs(array))

    parameters = tuple(
        replace(parameter, constant=grown(graph.name_of(parameter.value), parameter.constant))
        for parameter in graph.parameters
    )
    positive = Graph(
        graph.name, graph.inputs, graph.outputs, graph.output_names, parameters, graph.names, graph.constraints
    )
    magnitudes = run(positive, {name: np.abs(array) for name, array in feeds.items()})
    made: dict[str, Array] = {}
    for name, array in magnitudes.items():
        unit = float(np.finfo(array.dtype).eps) / 2
        made[name] = 2 * (terms + SLACK) * unit * np.abs(array.astype(np.float64))
    return made


def _feeds(graph: Graph, seed: int) -> dict[str, Array]:
    return random_inputs(graph, seed)


def _special(feeds: dict[str, Array]) -> dict[str, Array]:
    """The same with numbers in front that are easily got wrong."""
    made: dict[str, Array] = {}
    for name, array in feeds.items():
        flat = array.reshape(-1).copy()
        if flat.dtype.kind == "f":
            count = min(len(SPECIAL), flat.size)
            with np.errstate(over="ignore"):
                flat[:count] = SPECIAL[:count]
        made[name] = flat.reshape(array.shape)
    return made
