"""Blocks that repeat: runs of nodes that say the same one after the other become one class with several instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xir.backends.export.torch._code import Code, Said, arguments_of
from xir.backends.export.torch._form import Argument, Block, Layer, Say
from xir.backends.export.torch._module import Module
from xir.backends.export.torch._names import identifier
from xir.errors import UnsupportedError
from xir.ir.dims import Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType

LEAST_NODES = 3
"""Nodes of a block: fewer are read as quickly where they stand."""

MOST_NODES = 160
"""Nodes of a block; a period that is longer is not looked for."""

MOST_STEPS = 6000
"""Nodes of a graph in which repetitions are looked for: the search is quadratic."""

_MOST_INPUTS = 4
"""Values that a block takes."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of nodes, written as a submodule.

    Attributes:
        nodes: the run.
        inputs: the values that it takes.
        result: the value that it makes.
        module: what holds its weights.
        text: the lines of the class behind its name: runs of the same text are instances of one class.
        helpers: functions of `_helpers` that it calls.
        name: what its sources are called.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    result: Value
    module: Module
    text: tuple[str, ...]
    helpers: frozenset[str]
    name: str


def find_blocks(graph: Graph, said: Mapping[Node, Said]) -> list[list[Instance]]:
    """The instances of each class, at least two a class, in the order of the graph."""
    steps = [node for node in graph.nodes if node in said]
    if len(steps) > MOST_STEPS:
        return []
    readers = _readers(graph, said)
    marks = [_mark(said[node]) for node in steps]
    found: list[list[Instance]] = []
    pending = [(0, len(steps))]
    while pending:
        start, stop = pending.pop()
        best = _longest_repetition(marks, start, stop)
        if best is None:
            continue
        first, period, count = best
        runs = [steps[at : at + period] for at in range(first, first + period * count, period)]
        made = [_instance(graph, said, run, readers) for run in _aligned(runs, steps, first, stop, readers)]
        groups: dict[tuple[str, ...], list[Instance]] = {}
        for each in made:
            if each is not None:
                groups.setdefault(each.text, []).append(each)
        found += [group for group in groups.values() if len(group) > 1]
        pending += [(start, first), (first + period * count, stop)]
    place = {node: at for at, node in enumerate(steps)}
    return sorted(found, key=lambda group: place[group[0].nodes[0]])


def _readers(graph: Graph, said: Mapping[Node, Said]) -> dict[Value, set[Node | None]]:
    """Who reads a value; None stands for the graph's outputs."""
    readers: dict[Value, set[Node | None]] = {}
    for node, answer in said.items():
        for value in reads(node, answer):
            readers.setdefault(value, set()).add(node)
    for value in graph.outputs:
        readers.setdefault(value, set()).add(None)
    return readers


def reads(node: Node, answer: Said) -> list[Value]:
    """The values that a node reads, its weights too, each once and in order."""
    if isinstance(answer, Block):
        return [value for value in node.inputs if value is not None]
    values = [item for item in arguments_of(answer) if isinstance(item, Value)]
    if isinstance(answer, Layer):
        values += [value for value, _ in answer.weights.values()]
        values += [item for item in arguments_of(answer.otherwise) if isinstance(item, Value)]
    return list(dict.fromkeys(values))


def _mark(answer: Said) -> object:
    """What is the same for nodes that say the same of other values."""
    match answer:
        case Layer():
            return (answer.kind, _plain(answer.arguments), tuple((k, _plain(v)) for k, v in answer.keywords.items()))
        case Say():
            return _plain(answer)
        case _:
            return object()


def _plain(item: Argument) -> object:
    match item:
        case Say():
            return (item.template, item.helper, *map(_plain, item.arguments))
        case tuple() | list():
            return tuple(map(_plain, item))
        case int() | float() | str() | None | DType():
            return (type(item).__name__, repr(item))
        case _:
            return None


def _longest_repetition(marks: Sequence[object], start: int, stop: int) -> tuple[int, int, int] | None:
    """(first, period, count) of the repetition that covers most, the shortest period of equal ones."""
    best: tuple[int, int, int] | None = None
    covered = 0
    for period in range(LEAST_NODES, min(MOST_NODES, (stop - start) // 2) + 1):
        length = 0
        for at in range(start, stop - period + 1):
            if at + period < stop and marks[at] == marks[at + period]:
                length += 1
                continue
            count = length // period + 1
            if count > 1 and count * period > covered:
                best, covered = (at - length, period, count), count * period
            length = 0
    return best


def _aligned(
    runs: list[list[Node]], steps: Sequence[Node], first: int, stop: int, readers: Mapping[Value, set[Node | None]]
) -> list[list[Node]]:
    """The runs, moved to where the fewest values go from one into the next."""
    period, count = len(runs[0]), len(runs)

    def moved(by: int) -> list[list[Node]]:
        kept = count if first + by + count * period <= stop else count - 1
        return [list(steps[first + by + at * period : first + by + (at + 1) * period]) for at in range(kept)]

    def crossing(by: int) -> tuple[int, int]:
        return max((len(_results(run, readers)) for run in moved(by)), default=period), by

    return moved(min((by for by in range(period) if len(moved(by)) > 1), key=crossing))


def _results(run: Sequence[Node], readers: Mapping[Value, set[Node | None]]) -> list[Value]:
    inside: set[Node | None] = set(run)
    return [value for node in run for value in node.outputs if readers.get(value, set()) - inside]


def _instance(
    graph: Graph, said: Mapping[Node, Said], run: Sequence[Node], readers: Mapping[Value, set[Node | None]]
) -> Instance | None:
    """The run as a submodule, or None where it makes several values, takes many, or shares weights."""
    results = _results(run, readers)
    inside: set[Node | None] = set(run)
    made = {value for node in run for value in node.outputs}
    taken = [value for value in dict.fromkeys(v for node in run for v in reads(node, said[node])) if value not in made]
    weights = [value for value in taken if graph.constant_of(value) is not None]
    inputs = [value for value in taken if value not in set(weights)]
    shared = any(value.node is None and readers[value] - inside for value in weights)
    known = {symbol for value in graph.inputs for symbol in _symbols(value)}
    if any(not known.issuperset(_symbols(value)) for value in made):
        return None
    if len(results) != 1 or not 0 < len(inputs) <= _MOST_INPUTS or shared or not weights:
        return None
    layers = [node.source[0].layer if node.source else "" for node in run]
    module = Module(graph, said, common=_folder(layers))
    code = Code(module, said, "", in_block=True)
    names = [code.fresh("x") for _ in inputs]
    for value, name in zip(inputs, names, strict=True):
        code.bind(value, name)
    code.device = f"{names[0]}.device"
    try:
        code.nodes(graph, run)
    except (UnsupportedError, KeyError):
        return None
    code.line(f"return {code.read(results[0])}")
    text = [
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        {line}" for line in module.lines),
        "",
        f"    def forward({', '.join(['self', *names])}):",
        *code.lines,
    ]
    name = identifier(_folder(layers)) or "block"
    return Instance(tuple(run), tuple(inputs), results[0], module, tuple(text), frozenset(code.helpers), name)


def _symbols(value: Value) -> set[Symbol]:
    shape = value.type.shape if isinstance(value.type, TensorType) else ()
    return {symbol for size in shape for symbol in symbols_of(size)}


def _folder(layers: Sequence[str]) -> str:
    """What the names of all layers begin with, up to a separator."""
    named = [layer for layer in layers if layer]
    low, high = min(named, default=""), max(named, default="")
    common = next((low[:at] for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), low)
    end = max(common.rfind(mark) for mark in "/._")
    return common[: end + 1]
