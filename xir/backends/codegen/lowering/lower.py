"""Graphs to programs: layer operators come apart into those that have a lowering, and those become kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.llvm.types import is_compiled
from xir.backends.codegen.lowering.attention.found import attended
from xir.backends.codegen.lowering.attention.weights import is_weights, softmax_of_rows
from xir.backends.codegen.lowering.flow import CONTROL, controlled
from xir.backends.codegen.lowering.fusion.fuse import fuse
from xir.backends.codegen.lowering.layout import VIEWS, channels_last, is_view, padded_before, zeros_around
from xir.backends.codegen.lowering.loops import along_first, as_scan
from xir.backends.codegen.lowering.lowered import Arranged, Lowered
from xir.backends.codegen.lowering.precision.halves import widened
from xir.backends.codegen.lowering.precision.integers import without_zero_points
from xir.backends.codegen.lowering.precision.narrow import narrow
from xir.backends.codegen.lowering.precision.quantized import in_integers
from xir.backends.codegen.lowering.products.contraction import Pick, tiled
from xir.backends.codegen.lowering.products.panels import panel_kernel
from xir.backends.codegen.lowering.products.sums import Border
from xir.backends.codegen.lowering.resizing import tabled
from xir.backends.codegen.lowering.schedules.schedule import schedule
from xir.backends.codegen.lowering.stage import Stage, name_of, slot_of, staged
from xir.backends.codegen.lowering.weights import parted
from xir.backends.codegen.lowering.winograd.convolution import winograd
from xir.backends.codegen.math.expand import expand_kernel
from xir.backends.codegen.math.multiply_add import multiply_add
from xir.backends.codegen.steps import Branch, Choose, Hosted, Repeat, Run, Step, reads
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.dims import Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import TensorType
from xir.kernel.grammar import Kernel
from xir.kernel.signature import signature
from xir.ops import definition
from xir.ops._gates import rolled

MAX_EXPANSIONS = 64
"""How often operators may come apart into others; real ones need three."""

PREPARED: Mapping[str, Callable[[Node, Rewriter], Sequence[Value] | None]] = {
    "conv": lambda node, rewriter: padded_before(node),
    "conv_integer": without_zero_points,
    "matmul_integer": without_zero_points,
    "scan": lambda node, rewriter: along_first(node),
    "loop": as_scan,
    "resize": lambda node, rewriter: tabled(node),
}
"""{operator: what takes its place, or None}: other forms of operators, which the compiler does better with."""


WHOLE: Mapping[str, Callable[[Node], Kernel]] = {"softmax": softmax_of_rows}
"""{operator: its kernel} of operators that come apart in other places than those where this is of use."""


def expand(graph: Graph, *, exact: bool = False) -> Graph:
    """The graph with every operator come apart that has pieces and no lowering of its own.

    Args:
        graph: what is computed.
        exact: layers between dequantised operands stay in floats, and attention stays three steps.
    """

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        rules = definition(node)
        if node.op.name in PREPARED:
            return PREPARED[node.op.name](node, rewriter)
        if node.op.name in WHOLE and not exact and rewriter.current and is_weights(rewriter.graph, rewriter.current):
            return None
        if rules.lower_rule is not None or rules.decompose_rule is None or node.op.name in VIEWS:
            return None
        try:
            with rolled():
                made = rules.decompose_rule(*node.inputs, **node.attributes)
        except UnsupportedError:  # its pieces depend on what is known at run time: the host runs it
            return None
        return (made,) if isinstance(made, Value) else tuple(made)

    graph = graph if exact else in_integers(graph)
    for _ in range(MAX_EXPANSIONS):
        expanded = rewrite(graph, replace)
        if expanded is graph:
            return parted(graph)
        graph = expanded
    raise InvalidModelError("operators come apart without end")


def lower(graph: Graph, machine: Machine, *, exact: bool = False, pick: Pick | None = None) -> Lowered:
    """The program of a graph whose operators have come apart (`expand`).

    Args:
        graph: what is computed.
        machine: the processor.
        exact: sums are taken product by product; no algorithm with fewer products takes their place.
        pick: chooses among tiles; without it a cost model does.
    """
    made = Lowered(outputs=graph.outputs, exact=exact, pick=pick)
    for value in graph.inputs:
        made.slot(value)
    made.steps.extend(_steps(made, graph, machine))
    return made


def _steps(made: Lowered, graph: Graph, machine: Machine) -> tuple[Step, ...]:
    """What a graph, or a body whose inputs have slots, does."""
    for parameter in graph.parameters:
        made.constants[made.slot(parameter.value)] = parameter.constant
    made.kernels.update(_kernels(graph, made.reasons))
    layouts = channels_last(graph, made.kernels.keys())
    made.layouts.update((made.slot(value), layout) for value, layout in layouts.items())
    items = _items(made, graph, machine)
    kept = {made.slot(value) for value in graph.outputs}
    kept.update(slot for item in items if not isinstance(item, Stage) for slot in reads(item))
    held = frozenset(kept)
    steps: list[Step] = []
    for item in fuse(items, held, None if made.exact else lambda each: attended(each, held, made, machine)):
        if isinstance(item, Stage):
            steps.extend(_runs(made, item, machine))
        elif isinstance(item, Hosted | Repeat | Choose | Branch):
            steps.append(item)
            if isinstance(item, Hosted):
                made.hosted.append(item.node)
    return tuple(steps)


def _runs(made: Lowered, stage: Stage, machine: Machine) -> list[Run]:
    """The stage, its loops arranged for the processor and its weights packed; what packs other operands before it."""
    known = tuple((slot in made.constants, made.borders.get(slot)) for slot in stage.reads)
    key = signature(stage.kernel), known
    first = made.arranged.get(key)
    if first is None:
        first = made.arranged[key] = _arranged(made, stage, machine)
    slots = dict(zip((*first.stage.reads, *first.stage.writes), (*stage.reads, *stage.writes), strict=True))
    packed = {each.target.name: made.pack(each, slots[slot_of(each.source)]) for each in first.packings}
    runs: list[Run] = []
    for panel, kernel in first.panels:
        packed[panel.target.name] = made.fresh(TensorType(panel.target.dtype, panel.target.shape))
        runs.append(Run(kernel, (slots[slot_of(panel.source)], packed[panel.target.name]), stage.nodes))
    reads = [packed[b.name] if b.name in packed else slots[slot_of(b)] for b in first.kernel.inputs]
    return [*runs, Run(first.kernel, (*reads, *stage.writes), stage.nodes)]


def _arranged(made: Lowered, stage: Stage, machine: Machine) -> Arranged:
    constants = frozenset(name_of(slot) for slot in made.constants)
    borders = {name_of(slot): made.borders[slot] for slot in stage.reads if slot in made.borders}
    found = tiled(stage.kernel, machine, constants, borders, made.pick)
    if found is None:
        return Arranged(stage, multiply_add(expand_kernel(schedule(stage.kernel, machine.lanes))))
    packings = tuple(each for each in found.packings if each.source.name in constants)
    panels = tuple(
        (each, schedule(panel_kernel(each), machine.lanes)) for each in found.packings if each not in packings
    )
    return Arranged(stage, multiply_add(expand_kernel(found.kernel)), packings, panels)


def _items(made: Lowered, graph: Graph, machine: Machine) -> list[Stage | Step]:
    """What each node does, in order; constants and views do nothing."""
    items: list[Stage | Step] = []
    for number, node in enumerate(graph.nodes):
        literal = graph.constant_of(node.outputs[0])
        _note_border(made, node)
        if literal is not None:
            made.constants[made.slot(node.outputs[0])] = literal
        elif is_view(node) and node in made.kernels and node.inputs[0] is not None:
            made.numbers[node.outputs[0]] = made.slot(node.inputs[0])
        elif node in made.kernels and (stages := _by_hand(made, node, number, machine)) is not None:
            items.extend(stages)
        elif node in made.kernels:
            slots = [made.slot(value) for value in (*node.inputs, *node.outputs) if value is not None]
            numbers = {slot: known for slot in slots if (known := made.number(slot)) is not None}
            items.append(staged(made.kernels[node], slots, node, number, made.layouts, numbers))
        elif (step := controlled(made, node, lambda scope, body: _steps(scope, body, machine))) is not None:
            items.append(step)
        else:
            inputs = tuple(None if value is None else made.slot(value) for value in node.inputs)
            items.append(Hosted(node, inputs, tuple(map(made.slot, node.outputs)), made.reasons[node]))
    return items


def _note_border(made: Lowered, node: Node) -> None:
    """Notes the zeros that a node puts around its operand, unless sums are taken product by product."""
    sides = zeros_around(node)
    if sides is not None and node in made.kernels and not made.exact:
        y = node.outputs[0]
        slot = made.slot(y)
        order = made.layouts.get(slot, tuple(range(y.rank)))
        made.borders[slot] = Border(tuple(y.shape[axis] for axis in order), tuple(sides[axis] for axis in order))


def _by_hand(made: Lowered, node: Node, number: int, machine: Machine) -> list[Stage] | None:
    """The stages of a node that has other ones than its kernel."""
    return winograd(made, node, number, machine) or narrow(made, node, number, machine) or widened(made, node, number)


def _kernels(graph: Graph, reasons: dict[Node, str]) -> Iterator[tuple[Node, Kernel]]:
    """The nodes that machine code computes, with their kernels; `reasons` is told why it does not compute the others.

    Sizes that nothing before a node tells are known only when it has run, so the host runs it.
    """
    told = {symbol for value in graph.inputs for symbol in _symbols(value)}
    for node in graph.nodes:
        made = {symbol for value in node.outputs for symbol in _symbols(value)}
        found = _kernel(node, late=not made <= told)
        if isinstance(found, Kernel):
            yield node, found
        else:
            reasons[node] = found
        told |= made


def _symbols(value: Value) -> Iterator[Symbol]:
    if isinstance(value.type, TensorType):
        for dim in value.type.shape:
            yield from symbols_of(dim)


def _kernel(node: Node, *, late: bool) -> Kernel | str:
    """The kernel of a node, or why the host runs it.

    Args:
        node: what is computed.
        late: whether it makes sizes that nothing before it tells.
    """
    values = [value for value in (*node.inputs, *node.outputs) if value is not None]
    strange = next((value.type for value in values if not isinstance(value.type, TensorType)), None)
    if strange is not None:
        return f"works on {strange}, which is no tensor of known axes"
    foreign = next((value.dtype for value in values if not is_compiled(value.dtype)), None)
    if foreign is not None:
        return f"works on elements of the type {foreign}"
    if node.op.name in CONTROL:
        return "its body has steps of the host, or sizes that change from step to step"
    if late:
        return "the sizes of its result are known only when it has run"
    rules = definition(node)
    if node.op.name in WHOLE:
        return WHOLE[node.op.name](node)
    if rules.lower_rule is None:
        if rules.decompose_rule is None:
            return "has no lowering to loops"
        return "its pieces depend on numbers that only the run knows"
    try:
        return rules.lower_rule(node)
    except UnsupportedError as error:  # what it does depends on numbers that only the run knows
        return error.message
