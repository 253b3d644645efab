"""The compiler: a graph to something that can be called."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

from xir.backends.codegen.engine import Code, assemble, host
from xir.backends.codegen.lower import Lowered, expand, lower
from xir.backends.codegen.module import Hosted, Module, Run
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.reference.execute import run_node
from xir.reference.sizes import Sizes
from xir.runtime.executable import Executable
from xir.runtime.program import Entry, HostCall, Port, Program, Step, Stretch


def compile_graph(graph: Graph) -> Executable:
    """Machine code for this processor.

    Raises:
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
    """
    machine = host()
    lowered = lower(expand(graph), machine)
    module = Module(machine)
    pieces: list[tuple[str, list[Run]] | Hosted] = []
    stretch: list[Run] = []
    for step in [*lowered.steps, None]:
        if isinstance(step, Run):
            stretch.append(step)
            continue
        if stretch:
            pieces.append((module.stretch(stretch), stretch))
            stretch = []
        if step is not None:
            pieces.append(step)
    code = assemble(module.text(), machine)
    steps = tuple(_hosted(piece) if isinstance(piece, Hosted) else _native(code, *piece) for piece in pieces)
    return Executable(_program(graph, lowered, module, steps, code))


def _program(graph: Graph, lowered: Lowered, module: Module, steps: tuple[Step, ...], code: Code) -> Program:
    inputs = tuple(_port(graph.name_of(value), value, lowered) for value in graph.inputs)
    outputs = tuple(
        _port(name, value, lowered) for name, value in zip(graph.output_names, lowered.outputs, strict=True)
    )
    return Program(
        graph.name,
        tuple(lowered.slots),
        steps,
        inputs,
        outputs,
        {slot: lowered.constants[slot] for slot in sorted(_touched(steps, outputs)) if slot in lowered.constants},
        tuple(module.sizes),
        graph.constraints,
        code,
    )


def _touched(steps: Sequence[Step], outputs: Sequence[Port]) -> set[int]:
    """The slots that anything reads: a weight that was packed is not held twice."""
    found = {port.slot for port in outputs}
    for step in steps:
        found.update(step.slots if isinstance(step, Stretch) else (each[0] for each in step.inputs if each))
    return found


def _port(name: str, value: Value, lowered: Lowered) -> Port:
    return Port(name, value.type, lowered.slot(value))


def _native(code: Code, name: str, runs: Sequence[Run]) -> Stretch:
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2, ctypes.c_void_p)
    entry: Entry = prototype(code.address(name))
    touched = dict.fromkeys(slot for run in runs for slot in run.slots)
    written = dict.fromkeys(slot for run in runs for slot in run.slots[len(run.kernel.inputs) :])
    return Stretch(entry, tuple(touched), tuple(written))


def _hosted(step: Hosted) -> HostCall:
    read = tuple(
        None if slot is None or value is None else (slot, value.shape if isinstance(value.type, TensorType) else ())
        for slot, value in zip(step.inputs, step.node.inputs, strict=True)
    )
    return HostCall(step.node.op.name, _reference(step.node), read, step.outputs)


def _reference(node: Node) -> Callable[[Sequence[Array | None], Sizes], tuple[Array, ...]]:
    return lambda arrays, sizes: run_node(node, arrays, sizes)
