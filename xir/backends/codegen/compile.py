"""The compiler: a graph to something that can be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from xir.backends.codegen import steps as steps_of_program
from xir.backends.codegen.engine import Code, assemble, host, native
from xir.backends.codegen.llvm.meet import team_for
from xir.backends.codegen.llvm.module import Module
from xir.backends.codegen.llvm.watch import Watch
from xir.backends.codegen.lowering.known import with_known_sizes
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.made import Weight, ready
from xir.backends.codegen.lowering.products.tune import Tuner
from xir.backends.codegen.lowering.work import work
from xir.backends.codegen.steps import Branch, Hosted, kernels, reads, writes
from xir.backends.codegen.stored import symbols_in
from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Shape, Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.reference.execute import run_node
from xir.runtime import program
from xir.runtime.executable import Executable
from xir.runtime.processors import thread_count
from xir.runtime.program import HostCall, Port, Program, Slot, Step


def compile_graph(
    graph: Graph,
    *,
    threads: int | None = None,
    exact: bool = False,
    tune: bool = False,
    watch: Watch | None = None,
    specialize: bool = False,
) -> Executable:
    """Machine code for this processor.

    Args:
        graph: what is computed.
        threads: at most so many work on a call; None for as many as the process has processors. The results do not
            depend on it.
        exact: sums are taken product by product; no algorithm with fewer products takes their place.
        tune: tiles are measured here and the fastest taken; the results are the same bits.
        watch: for profiles: it notes when each step begins, of one call at a time.
        specialize: whether sizes that are met again and again get code of their own in the background, where the
            graph has symbols.

    Raises:
        UsageError: if `threads` is no whole number from 1 on.
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
    """
    count = thread_count(threads)
    program = compiled(graph, exact=exact, tune=tune, watch=watch).in_memory()
    if watch is not None or not symbols_in(graph.inputs):
        return Executable(program, team_for(count), count)

    def make(known: Mapping[Symbol, Dim], go_on: Callable[[], None]) -> Program:
        return specialized(graph, program, known, go_on, exact=exact, tune=tune)

    return Executable(program, team_for(count), count, make, watching=specialize)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a graph was compiled to.

    Attributes:
        program: the program, without its constants.
        weights: {slot: its elements} for these.
        graph: the graph whose nodes the program mentions.
    """

    program: Program
    weights: dict[int, Weight]
    graph: Graph

    def in_memory(self, after: Callable[[Weight], None] = lambda weight: None) -> Program:
        """The program with its weights, packed in memory; `after` is called with each that was packed."""
        constants: dict[int, Constant] = {}
        for slot, weight in self.weights.items():
            constants[slot] = ready(weight)
            after(weight)
        return replace(self.program, constants=constants)


def compiled(graph: Graph, *, exact: bool = False, tune: bool = False, watch: Watch | None = None) -> Compiled:
    """A program and its weights, which are packed when they are written; see `compile_graph` for the rest."""
    expanded = expand(graph, exact=exact)
    lowered = _lowered(expanded, exact, tune)
    return _assembled(graph, expanded, lowered, Module(host(), watch))


def specialized(
    graph: Graph,
    program: Program,
    known: Mapping[Symbol, Dim],
    go_on: Callable[[], None] = lambda: None,
    *,
    exact: bool = False,
    tune: bool = False,
) -> Program:
    """A program for sizes that are known: other machine code, the same slots, weights and bits.

    Args:
        graph: what was compiled.
        program: the program for symbols that was made of it; its weights are shared.
        known: the sizes.
        go_on: is called now and then; it may raise to give up.
        exact: as it was compiled.
        tune: as it was compiled.

    Raises:
        InvalidModelError: if the graph is not what the program was made of.
    """
    expanded = expand(graph, exact=exact)
    go_on()
    lowered = _lowered(expanded, exact, tune)
    if _told(lowered.slots, known) != _told(program.slots, known):
        raise InvalidModelError(f"the graph {graph.name!r} is not the one that was compiled")
    module = Module(host())
    made = _assembled(graph, expanded, with_known_sizes(lowered, known, go_on), module, go_on)
    return replace(made.program, constants={slot: program.constants[slot] for slot in made.weights})


def _told(slots: Sequence[Slot], known: Mapping[Symbol, Dim]) -> list[tuple[DType | None, list[Dim | None]]]:
    """What buffers are, as far as known sizes tell: others have symbols of their own in each lowering."""
    return [
        (slot.dtype, [size if known.keys() >= set(symbols_of(size)) else None for size in slot.shape]) for slot in slots
    ]


def _lowered(expanded: Graph, exact: bool, tune: bool) -> Lowered:
    machine = host()
    return lower(expanded, machine, exact=exact, pick=Tuner(machine).choose if tune else None)


def _assembled(
    graph: Graph, expanded: Graph, lowered: Lowered, module: Module, go_on: Callable[[], None] = lambda: None
) -> Compiled:
    """The program of what a graph was lowered to."""
    places = {node: place for place, node in enumerate(expanded.nodes)}
    pieces = _pieces(lowered, module, lowered.steps, places)
    go_on()
    code = assemble(module.text(), module.machine)
    if module.watch is not None:
        module.watch.open(code)
    steps = tuple(piece(code) for piece in pieces)
    inputs = tuple(_port(graph.name_of(value), value, lowered) for value in graph.inputs)
    outputs = tuple(
        _port(name, value, lowered) for name, value in zip(graph.output_names, lowered.outputs, strict=True)
    )
    sizes, constraints = tuple(module.sizes), graph.constraints
    found = Program(graph.name, tuple(lowered.slots), steps, inputs, outputs, {}, sizes, constraints, code)
    touched = sorted(_touched(steps, outputs))
    weights = {slot: lowered.constants[slot] for slot in touched if slot in lowered.constants}
    return Compiled(found, weights, expanded)


Piece = Callable[[Code], Step]
"""A step of the runtime, as soon as there is machine code."""


def _pieces(
    lowered: Lowered, module: Module, steps: Sequence[steps_of_program.Step], places: Mapping[Node, int]
) -> list[Piece]:
    """What steps are at run time: what needs no Python is put together."""
    pieces: list[Piece] = []
    stretch: list[steps_of_program.Step] = []
    for step in [*steps, None]:
        if step is not None and not isinstance(step, Hosted | Branch):
            stretch.append(step)
            continue
        if stretch:
            pieces.append(_native(lowered, module, stretch))
            stretch = []
        if isinstance(step, Hosted):
            pieces.append(_hosted(step, module.watch, places.get(step.node)))
        elif step is not None:
            pieces.append(_branch(lowered, module, step, places))
    return pieces


def _touched(steps: Sequence[Step], outputs: Sequence[Port]) -> set[int]:
    """The slots that anything reads: a weight that was packed is not held twice."""
    found = {port.slot for port in outputs}
    for step in steps:
        found.update(step.slots)
    return found


def _port(name: str, value: Value, lowered: Lowered) -> Port:
    return Port(name, value.type, lowered.slot(value))


def _native(lowered: Lowered, module: Module, steps: Sequence[steps_of_program.Step]) -> Piece:
    name = module.stretch(steps)
    written = dict.fromkeys(slot for step in steps for slot in writes(step))
    moments = tuple(tuple(dict.fromkeys((*reads(step), *writes(step)))) for step in steps)
    done = work(kernels(steps), module.machine.lanes)
    fault = next((slot for slot in lowered.faults if slot in written), None)
    return lambda code: native(code, name, moments, tuple(written), work=done, fault=fault)


def _branch(lowered: Lowered, module: Module, step: Branch, places: Mapping[Node, int]) -> Piece:
    arms = [(_pieces(lowered, module, arm.steps, places), arm) for arm in (step.then, step.otherwise)]
    results = tuple((slot, value.type) for slot, value in zip(step.results, step.node.outputs, strict=True))
    condition = step.node.inputs[0]
    sizes = condition.shape if condition is not None else ()

    def branch(code: Code) -> Step:
        then, otherwise = (
            program.Arm(tuple(piece(code) for piece in pieces), arm.results, arm.constraints) for pieces, arm in arms
        )
        return program.Branch(step.node.op.name, (step.condition, sizes), then, otherwise, results)

    return branch


def _hosted(step: Hosted, watch: Watch | None, place: int | None) -> Piece:
    read = tuple(
        None if slot is None or value is None else (slot, value.shape if isinstance(value.type, TensorType) else ())
        for slot, value in zip(step.inputs, step.node.inputs, strict=True)
    )
    call = hosted(step.node, read, step.outputs, place)
    if watch is not None:
        call = replace(call, run=watch.timed(step, call.run))
    return lambda code: call


def hosted(
    node: Node, inputs: tuple[tuple[int, Shape] | None, ...], outputs: tuple[int, ...], place: int | None
) -> HostCall:
    """The step of a node that runs by its reference; the rest is as in `HostCall`."""
    check = node.op.name == "assume_shape"
    return HostCall(node.op.name, lambda arrays, sizes: run_node(node, arrays, sizes), inputs, outputs, place, check)
