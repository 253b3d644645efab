"""Ahead of time: a graph to an object file that needs neither Python nor xir, its weights inside or beside it.

LLVM makes the object with as many zeros as there are bytes of weights, in a section of their own; the weights are then
written in the zeros' place, so that they are never text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xir.backends.codegen.ahead._elf import sections
from xir.backends.codegen.ahead._entry import ALONE, HEADER_BYTES, WEIGHTS_SECTION, Layout, entry_text, supported_text
from xir.backends.codegen.ahead._header import header_text
from xir.backends.codegen.engine import Machine, machine_for, object_code
from xir.backends.codegen.llvm.meet import MEET
from xir.backends.codegen.llvm.module import Module
from xir.backends.codegen.lowering.lower import expand, lower
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.made import ready
from xir.backends.codegen.steps import Arm, Branch, Hosted, Step, is_native, reads, writes
from xir.errors import Problem, UnsupportedError
from xir.files import OutputFile
from xir.ir.constant import Constant
from xir.ir.dims import symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.types import TensorType
from xir.runtime.memory import ALIGNMENT, Life, plan
from xir.runtime.program import Port

MAX_EMBEDDED = 1_900_000_000
"""Bytes of weights in an object: its code reaches 2 GiB around it (System V ABI for AMD64, "small code model")."""
MAGIC = b"xir-w\0\0\1"
"""What a file of weights begins with; the SHA-256 of the weights follows, then zeros."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A model that was compiled ahead of time.

    Attributes:
        code: the object, zeros where its weights belong.
        header: the C header.
        weights: the weights, in the order in which they lie.
        weight_bytes: bytes of all of them, with what lies between.
        identity: what the file of weights begins with; None if they lie in the object.
        memory: bytes of a model beside its weights.
    """

    code: bytes
    header: str
    weights: tuple[Constant, ...]
    weight_bytes: int
    identity: bytes | None
    memory: int

    def write_object(self, file: OutputFile) -> None:
        """Writes the object with its weights."""
        if self.identity is not None:
            file.write(self.code)
            return
        section = next(each for each in sections(self.code) if each.name == WEIGHTS_SECTION)
        view = memoryview(self.code)
        file.write(view[: section.start])
        for part in _parts(self.weights):
            file.write(part)
        file.write(view[section.start + self.weight_bytes :])

    def write_weights(self, file: OutputFile) -> None:
        """Writes the file of weights."""
        file.write(self.identity or b"")
        for part in _parts(self.weights):
            file.write(part)


def compile_ahead(graph: Graph, name: str, *, cpu: str, beside: bool, exact: bool = False) -> Ahead:
    """An object and its header.

    Args:
        graph: what is computed; its sizes are known.
        name: what the functions' names begin with, a C identifier.
        cpu: `x86-64-v3`, `x86-64-v4` or `native`.
        beside: whether the weights come into a file of their own.
        exact: whether sums are taken product by product (`lower`).

    Raises:
        UnsupportedError: if sizes are not known, if there are layers that only the reference computes, or too many
            weights for an object.
        UsageError: if the processor is not known.
        MissingExtraError: if llvmlite is not installed.
    """
    machine = machine_for(cpu)
    _check_types(graph)
    lowered = lower(expand(graph, exact=exact), machine, exact=exact)
    _check_native(lowered)
    inputs = tuple(Port(graph.name_of(value), value.type, lowered.slot(value)) for value in graph.inputs)
    named = zip(graph.output_names, lowered.outputs, strict=True)
    outputs = tuple(Port(given, value.type, lowered.slot(value)) for given, value in named)
    layout, weights = _layout(lowered, inputs, outputs)
    if not beside and layout.weight_bytes > MAX_EMBEDDED:
        raise UnsupportedError(
            f"{layout.weight_bytes} bytes of weights are too many for an object, which holds {MAX_EMBEDDED}",
            hint="--weights beside",
        )
    identity = _identity(weights) if beside else None
    text = _text(lowered, layout, machine, name, identity)
    return Ahead(
        object_code(text, machine),
        header_text(name, inputs, outputs, beside, machine.cpu),
        weights,
        layout.weight_bytes,
        identity,
        layout.bytes,
    )


def _text(lowered: Lowered, layout: Layout, machine: Machine, name: str, identity: bytes | None) -> str:
    module = Module(machine)
    stretch = module.stretch(lowered.steps) if lowered.steps else None
    sizes = [size for size in module.sizes if isinstance(size, int)]
    if len(sizes) != len(module.sizes):
        raise UnsupportedError("the code needs sizes that are not known")
    entry = entry_text(name, layout, sizes, stretch, identity)
    return "\n".join([module.text().replace(MEET, ALONE), supported_text(machine.lanes), entry])


def _check_types(graph: Graph) -> None:
    """Refuses inputs whose sizes are not known, and what is no tensor."""
    options: list[str] = []
    unknown: dict[str, None] = {}
    problems: list[Problem] = []
    for value in graph.inputs:
        name = graph.name_of(value)
        if not isinstance(value.type, TensorType):
            problems.append(Problem("Input", (name,), f"{value.type} is no tensor of known rank"))
        elif symbols := [str(symbol) for dim in value.type.shape for symbol in symbols_of(dim)]:
            problems.append(Problem("Input", (name,), f"{value.type} has sizes that are not known"))
            options.append(f"--input '{name}={value.type}'")
            unknown.update(dict.fromkeys(symbols))
    if problems:
        listed = "; ".join(f"{problem.layers[0]!r}: {problem.reason}" for problem in problems)
        raise UnsupportedError(
            f"ahead of time every size is known, but {listed}",
            problems=tuple(problems),
            hint=f"{' '.join(options)} with numbers for {', '.join(unknown)}"
            if options
            else "xir.compile runs such models",
        )


def _check_native(lowered: Lowered) -> None:
    """Refuses what only the reference computes, all of it at once."""
    if is_native(lowered.steps):
        return
    kinds: dict[str, list[str]] = {}
    for node in _hosted(lowered.steps):
        kinds.setdefault(node.op.name, []).append(_layer(node))
    problems = tuple(
        Problem(kind, tuple(layers), "there is no machine code for it, only the reference")
        for kind, layers in kinds.items()
    )
    listed = "; ".join(f"{each.kind} ({', '.join(map(repr, each.layers))})" for each in problems)
    raise UnsupportedError(
        f"ahead of time all is machine code, but these run by the reference: {listed}",
        problems=problems,
        hint="xir.compile runs them, with Python; xir extract cuts a model in front of them",
    )


def _layer(node: Node) -> str:
    return node.source[0].layer if node.source else node.op.name


def _hosted(steps: Sequence[Step]) -> Iterator[Node]:
    pending = list(reversed(steps))
    while pending:
        match pending.pop():
            case Hosted(node):
                yield node
            case Branch(_, _, Arm(then), Arm(otherwise), _):
                pending += reversed([*then, *otherwise])
            case _:
                pass


def _layout(lowered: Lowered, inputs: Sequence[Port], outputs: Sequence[Port]) -> tuple[Layout, tuple[Constant, ...]]:
    """Where everything lies, and the weights in their order."""
    moments = [(*reads(step), *writes(step)) for step in lowered.steps]
    made = {slot for step in lowered.steps for slot in writes(step)}
    touched = dict.fromkeys((*(slot for moment in moments for slot in moment), *(port.slot for port in outputs)))
    given = {port.slot for port in inputs}
    constants = [slot for slot in sorted(touched) if slot in lowered.constants]
    direct, copies = _answers(outputs, given | set(constants), lowered)
    fixed = given | set(constants) | direct
    spans: dict[int, tuple[int, int]] = {}
    for moment, slots in enumerate(moments):
        for slot in slots:
            if slot in made and slot not in fixed:
                spans[slot] = (spans.get(slot, (moment, moment))[0], moment)
    planned = plan({slot: Life(_bytes(lowered, slot), *span) for slot, span in spans.items()})
    weights, end = dict[int, int](), 0
    for slot in constants:
        weights[slot] = -(-end // ALIGNMENT) * ALIGNMENT
        end = weights[slot] + lowered.constants[slot].nbytes
    empty = {port.slot for port in (*inputs, *outputs) if not _bytes(lowered, port.slot)} - set(constants)
    fault = next((slot for slot in lowered.faults if slot in made), None)
    layout = Layout(
        len(lowered.slots),
        planned.bytes,
        {slot: place for slot, place in planned.offsets.items() if slot not in empty},
        weights,
        end,
        tuple(None if port.slot in empty else port.slot for port in inputs),
        tuple(None if port.slot in empty else port.slot for port in outputs),
        copies,
        tuple(sorted(empty)),
        fault,
    )
    return layout, tuple(ready(lowered.constants[slot]) for slot in constants)


def _answers(outputs: Sequence[Port], held: set[int], lowered: Lowered) -> tuple[set[int], dict[int, int]]:
    """The slots that are made where the caller wants them, and the bytes of the outputs that are copied."""
    direct: set[int] = set()
    copies: dict[int, int] = {}
    for number, port in enumerate(outputs):
        size = _bytes(lowered, port.slot)
        if port.slot not in held and port.slot not in direct:
            direct.add(port.slot)
        elif size:
            copies[number] = size
    return direct, copies


def _bytes(lowered: Lowered, slot: int) -> int:
    """Bytes of a slot.

    Raises:
        UnsupportedError: if its sizes are not known.
    """
    held = lowered.slots[slot]
    if held.dtype is None:
        raise UnsupportedError("a buffer holds something that is no tensor")
    count = held.dtype.dtype.itemsize
    for size in held.shape:
        if not isinstance(size, int):
            raise UnsupportedError(f"a buffer has a size that is not known: {size}")
        count *= size
    return count


def _parts(weights: Sequence[Constant]) -> Iterator[memoryview | bytes]:
    """The bytes of the weights and of what lies between them."""
    end = 0
    for constant in weights:
        yield bytes(-end % ALIGNMENT)
        array = np.ascontiguousarray(constant.array())
        yield array.reshape(-1).view(np.uint8).data if array.size else b""
        end += -end % ALIGNMENT + constant.nbytes


def _identity(weights: Sequence[Constant]) -> bytes:
    digest = hashlib.sha256()
    for part in _parts(weights):
        digest.update(part)
    return (MAGIC + digest.digest()).ljust(HEADER_BYTES, b"\0")
