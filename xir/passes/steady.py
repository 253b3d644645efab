"""What does not change from step to step, or from branch to branch, is computed once, around the body; all bit-exact.

A value that a loop hands on as it got it is captured instead. Of what depends on captured values alone, a loop's body
keeps what may fail (a loop may have no step), grows with its operands' unknown sizes, or costs nothing. A branch keeps
what the other one does not compute too, and the graph around neither: it may not be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from xir.errors import InvalidModelError
from xir.ir.builder import apply, sourced
from xir.ir.constraints import collecting
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, evaluate_attribute, rewrite
from xir.ir.source import Sources, unite
from xir.ir.types import DType, TensorType
from xir.ir.walk import all_graphs
from xir.ops.control import admits_always
from xir.passes._bodies import (
    Kept,
    Layout,
    bodies_of,
    everything,
    layout_of,
    learn,
    narrowed,
    rebuilt,
    symbols_in,
)
from xir.passes._elementwise import BINARY, UNARY
from xir.passes._pipeline import Pass, Trace
from xir.passes.common import attribute_key

_EACH_ALONE = frozenset({each.name for each in (*UNARY, *BINARY)} | {"select"})
"""Operators that compute each element alone; only of whole numbers some of them can fail."""

_DIVIDING = frozenset({"div", "mod", "pow"})
"""Operators that have no result for some whole numbers."""

_OF_KNOWN_SIZES = frozenset({
    "concat", "conv", "gemm", "group_norm", "instance_norm", "layer_norm", "log_softmax", "matmul", "reduce_mean",
    "reduce_sum", "rms_norm", "slice", "softmax", "transpose",
})  # fmt: skip
"""Operators that cannot fail where the sizes of all that they read and make are known."""

_FREE = frozenset({"broadcast", "constant", "identity", "reshape", "shape_of"})
"""Operators that compute nothing: they stay where they are read."""

MAY_FAIL = "it may fail where the loop has no step"
OPEN = "its sizes are not known, or only assumed to fit"


@dataclass(slots=True)
class _Outside:
    """What a body computes of captured values alone, and how the graph around says that.

    Attributes:
        known: {value of the body: the same in the graph around}, filled as far as it is needed.
        sizes: {symbol of the body: its size}.
        nodes: the nodes that may be computed around, in order; all they need is `known` or made by one before.
        sources: of nodes that stand for others too.
    """

    known: dict[Value, Value] = field(default_factory=dict[Value, Value])
    sizes: dict[Symbol, Dim] = field(default_factory=dict[Symbol, Dim])
    nodes: dict[Node, None] = field(default_factory=dict[Node, None])
    sources: dict[Node, Sources] = field(default_factory=dict[Node, Sources])

    def gives(self, value: Value | None) -> bool:
        """Whether the graph around can say the value."""
        return value is None or value in self.known or (value.node is not None and value.node in self.nodes)

    def says(self, node: Node) -> bool:
        """Whether it knows all that the node needs."""
        open_sizes = symbols_in(node.attributes.values())
        return all(map(self.gives, node.inputs)) and all(symbol in self.sizes for symbol in open_sizes)


def _outside(node: Node, layout: Layout, body: Graph) -> _Outside:
    """What a body captures."""
    found = _Outside()
    for place in range(layout.captured, len(node.inputs) - layout.before):
        inside, outside = body.inputs[place], cast("Value", node.inputs[place + layout.before])
        if isinstance(inside.type, TensorType) and admits_always(inside.type, outside.type):
            found.known[inside] = outside
            learn(inside, outside, found.sizes)
    return found


def _made(value: Value, outside: _Outside, around: Node) -> Value:
    """The value as nodes of the graph around; they stand for the layers of both."""
    waiting = [value]
    while waiting:
        current = waiting[-1]
        node = current.node
        if current in outside.known or node is None:
            waiting.pop()
            continue
        missing = [each for each in node.inputs if each is not None and each not in outside.known]
        if missing:
            waiting += missing
            continue
        attributes = {name: evaluate_attribute(each, outside.sizes) for name, each in node.attributes.items()}
        inputs = tuple(None if each is None else outside.known[each] for each in node.inputs)
        with sourced(*unite((around.source, outside.sources.get(node, node.source)))):
            results = apply(node.op, inputs, attributes).outputs
        for old, new in zip(node.outputs, results, strict=True):
            outside.known[old] = new
    return outside.known[value]


def _crossing(body: Graph, roots: Mapping[Node, None]) -> list[Value]:
    """The results of `roots` that the rest of the body reads, in order."""
    found: dict[Value, None] = {}
    seen: set[Node] = set()
    waiting = list(reversed(body.outputs))
    while waiting:
        value = waiting.pop()
        node = value.node
        if node is None:
            continue
        if node in roots:
            found[value] = None
        elif node not in seen:
            seen.add(node)
            waiting += [each for each in reversed(node.inputs) if each is not None]
    return list(found)


def _reading(body: Graph, taken: Mapping[Value, Value]) -> Graph:
    """The body with inputs in the place of some results of nodes."""
    order: Iterator[Node] = iter(body.nodes)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        old = next(order)
        if not any(value in taken for value in old.outputs):
            return None
        return tuple(taken.get(before, after) for before, after in zip(old.outputs, node.outputs, strict=True))

    return Rewriter(body).run(replace)


def _built(values: Sequence[Value], outside: _Outside, around: Node) -> list[Value] | None:
    """The values in the graph around, or None where that would assume something of sizes."""
    try:
        with collecting() as assumed:
            made = [_made(value, outside, around) for value in values]
    except InvalidModelError:  # a body that contradicts what is known around it, and so never runs
        return None
    fit = all(admits_always(old.type, new.type) for old, new in zip(values, made, strict=True))
    return made if fit and not tuple(assumed) else None


def hoist_steady(graph: Graph, trace: Trace) -> Graph:
    """The graph whose loops, scans and maps do not compute again what each step computes alike."""

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        layout = layout_of(node)
        if layout is None or node.op.name == "if" or _never_runs(node, rewriter):
            return None
        (body,) = bodies_of(node, layout).values()
        outside = _outside(node, layout, body)
        _note_steady(body, outside, trace)
        values = _crossing(body, {each: None for each in outside.nodes if each.op.name not in _FREE})
        made = _built(values, outside, node) if values else None
        if made is None:
            for value in values:
                trace.miss("hoist_steady", OPEN, cast("Node", value.node))
            return None
        trace.fire("hoist_steady", len(values))
        inside = [Value(value.type) for value in values]
        added = tuple(zip(inside, made, strict=True))
        changed = _reading(body, dict(zip(values, inside, strict=True)))
        kept = everything(node, layout, added)
        return rebuilt(node, layout, {"body": narrowed(changed, layout, kept)}, kept).outputs

    return rewrite(graph, replace)


def _never_runs(node: Node, rewriter: Rewriter) -> bool:
    """Whether a loop is known to have no step."""
    if node.op.name != "loop":
        return False
    count, condition = (None if each is None else rewriter.constant_of(each) for each in node.inputs[:2])
    return any(held is not None and not held.array().reshape(-1)[0] > 0 for held in (count, condition))


def _note_steady(body: Graph, outside: _Outside, trace: Trace) -> None:
    """Notes the nodes that a loop may compute beforehand, and why others are not."""
    for node in body.nodes:
        if node.op.name == "constant":
            outside.nodes[node] = None
        elif node.inputs and outside.says(node) and any(value is not None for value in node.inputs):
            why = _unsafe(node)
            if why is None:
                outside.nodes[node] = None
            else:
                trace.miss("hoist_steady", why, node)


def _unsafe(node: Node) -> str | None:
    """Why a node may fail where all it reads is there, or None."""
    values = [value for value in (*node.inputs, *node.outputs) if value is not None]
    if node.op.has_effect or any(not isinstance(value.type, TensorType) for value in values):
        return MAY_FAIL
    if any(value.dtype is DType.STRING for value in values):
        return MAY_FAIL
    if node.op.name in _EACH_ALONE:
        whole = any(value.dtype.is_integer for value in values)
        return MAY_FAIL if whole and node.op.name in _DIVIDING else None
    if node.op.name in _FREE:
        return MAY_FAIL if any(value is not None for value in node.inputs[1:]) else None
    if node.op.name not in _OF_KNOWN_SIZES:
        return MAY_FAIL
    return None if all(value.tensor.static_shape is not None for value in values) else OPEN


Key = Hashable
"""The same for the same value: that of the graph around where it is there, else the number of what computes it."""


def _whole(node: Node, operands: Sequence[Key], sizes: Mapping[Symbol, Dim]) -> Key:
    attributes = ((name, attribute_key(evaluate_attribute(value, sizes))) for name, value in node.attributes.items())
    return node.op.name, tuple(operands), tuple(attributes)


def _keys(body: Graph, outside: _Outside, there: Mapping[Key, Value], numbers: dict[Key, int]) -> dict[Value, Key]:
    """Keys of all that a body computes of captured values alone.

    Args:
        body: the body.
        outside: what it captures; gets the nodes that compute of that alone.
        there: what the graph around computes.
        numbers: those of other computations, the same for all bodies that are compared.
    """
    keys: dict[Value, Key] = dict(outside.known.items())
    for node in body.nodes:
        if not outside.says(node) or node.op.has_effect:
            continue
        outside.nodes[node] = None
        whole = _whole(node, [None if value is None else keys[value] for value in node.inputs], outside.sizes)
        for value in node.outputs:
            one: Key = (whole, value.index)
            if node.op.name != "constant":
                one = there[one] if one in there else numbers.setdefault(one, len(numbers))
            keys[value] = one
    return keys


def share_with_branches(graph: Graph, trace: Trace) -> Graph:
    """The graph whose branches do not compute what both do, or what is there already."""
    known: dict[Rewriter, dict[Key, Value]] = {}

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        there = known.setdefault(rewriter, {})
        if node.op.name != "if":
            if not node.op.has_effect:
                whole = _whole(node, [_operand(value) for value in node.inputs], {})
                there.update(((whole, value.index), value) for value in node.outputs)
            return None
        shared = _shared(node, there)
        if shared is not None:
            trace.fire("share_with_branches")
        return shared

    return rewrite(graph, replace) if _has_branches(graph) else graph


def _has_branches(graph: Graph) -> bool:
    return any(node.op.name == "if" for each in all_graphs(graph) for node in each.nodes)


def _operand(value: Value | None) -> Key:
    """An operand as `_keys` says it: literals by what they hold."""
    if value is None or value.node is None or value.node.op.name != "constant":
        return value
    return (_whole(value.node, (), {}), 0)


@dataclass(slots=True)
class _Branch:
    """A branch: its body, what it captures, keys of what it computes of that alone."""

    body: Graph
    outside: _Outside
    keys: dict[Value, Key]

    def roots(self, chosen: Callable[[Key], bool]) -> dict[Node, None]:
        """Its nodes whose results are all chosen."""
        worth = (node for node in self.outside.nodes if node.op.name not in ("broadcast", "constant"))
        return {node: None for node in worth if all(chosen(self.keys[value]) for value in node.outputs)}


def _shared(node: Node, there: Mapping[Key, Value]) -> Sequence[Value] | None:
    """The `if` that captures what is computed around it, or None where nothing is."""
    layout = cast("Layout", layout_of(node))
    branches: list[_Branch] = []
    numbers: dict[Key, int] = {}
    for body in bodies_of(node, layout).values():
        outside = _outside(node, layout, body)
        branches.append(_Branch(body, outside, _keys(body, outside, there, numbers)))
    common = set(branches[0].keys.values()) & set(branches[1].keys.values())
    _unite_sources(branches, common)
    crossing = [
        _crossing(each.body, each.roots(lambda key: key in common or isinstance(key, Value))) for each in branches
    ]
    taken: dict[Key, Value] = {}
    for each, values in zip(branches, crossing, strict=True):
        new = [value for value in values if each.keys[value] not in taken]
        made = _built([value for value in new if not isinstance(each.keys[value], Value)], each.outside, node)
        if made is None:
            return None
        results = iter(made)
        for value in new:
            key = each.keys[value]
            taken[key] = key if isinstance(key, Value) else next(results)
    fits = all(
        admits_always(value.type, taken[each.keys[value]].type)
        for each, values in zip(branches, crossing, strict=True)
        for value in values
    )
    return _capturing(node, layout, branches, crossing, taken) if taken and fits else None


def _unite_sources(branches: Sequence[_Branch], common: Collection[Key]) -> None:
    """What several branches compute stands for the layers of all of them."""
    found: dict[Key, list[Sources]] = {}
    keyed = [(each, node, each.keys[node.outputs[0]]) for each in branches for node in each.outside.nodes]
    for _, node, key in keyed:
        found.setdefault(key, []).append(node.source)
    for each, node, key in keyed:
        if key in common:
            each.outside.sources[node] = unite(found[key])


def _capturing(
    node: Node,
    layout: Layout,
    branches: Sequence[_Branch],
    crossing: Sequence[Sequence[Value]],
    taken: dict[Key, Value],
) -> Sequence[Value]:
    bodies: dict[str, Graph] = {}
    kept = everything(node, layout)
    for name, each, values in zip(layout.bodies, branches, crossing, strict=True):
        types = {each.keys[value]: value.type for value in values}
        inside = {key: Value(types.get(key, result.type)) for key, result in taken.items()}
        kept = everything(node, layout, [(inside[key], result) for key, result in taken.items()])
        changed = _reading(each.body, {value: inside[each.keys[value]] for value in values})
        bodies[name] = narrowed(changed, layout, kept)
    return rebuilt(node, layout, bodies, kept).outputs


def keep_steady(graph: Graph, trace: Trace) -> Graph:
    """The graph whose loops capture what no step changes, and whose branches do not hand on what both would."""

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        layout = layout_of(node)
        if layout is None:
            return None
        bodies = list(bodies_of(node, layout).values())
        handed = _handed_on(node, layout, bodies)
        if not handed:
            return None
        trace.fire("keep_steady", len(handed))
        if not layout.carried:
            return [handed.get(place, value) for place, value in enumerate(node.outputs)]
        moved = {place + layout.own: None for place in handed}
        places = [place for place in range(layout.own, len(node.inputs) - layout.before) if place not in moved]
        results = tuple(place for place in range(len(node.outputs)) if place not in handed)
        kept = Kept((*places, *moved), results, layout.carried - len(moved), layout.pieces)
        if not results:
            return tuple(handed.values())
        made = rebuilt(node, layout, {"body": narrowed(bodies[0], layout, kept)}, kept).outputs
        others = dict(zip(results, made, strict=True))
        return [handed[place] if place in handed else others[place] for place in range(len(node.outputs))]

    return rewrite(graph, replace)


def _handed_on(node: Node, layout: Layout, bodies: Sequence[Graph]) -> dict[int, Value]:
    """{result: the operand that it is, whatever the steps or the branches do}."""
    found: dict[int, Value] = {}
    captured = {value: place for place, value in enumerate(bodies[0].inputs) if place >= layout.captured}
    for result, value in enumerate(node.outputs):
        ends = [body.outputs[result + layout.ahead] for body in bodies]
        if result < layout.carried:
            place = result + layout.own
        elif node.op.name == "if" and ends[0] in captured:
            place = captured[ends[0]]
        else:
            continue
        operand = cast("Value", node.inputs[place + layout.before])
        same = all(end is body.inputs[place] for end, body in zip(ends, bodies, strict=True))
        if same and admits_always(value.type, operand.type):
            found[result] = operand
    return found


KEEP = Pass("keep_steady", "what no step changes, and no branch, is captured", keep_steady)
HOIST = Pass("hoist_steady", "what each step computes alike is computed before the loop", hoist_steady)
SHARE = Pass("share_with_branches", "what both branches compute is computed before them", share_with_branches)
