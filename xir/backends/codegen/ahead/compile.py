"""Ahead of time: a graph to an object file that needs neither Python nor xir, its weights inside or beside it.

LLVM leaves room for the weights, in a section of zeros that takes no bytes in the object; they are then written behind
the object and the section is told that its data lie there. So they are never text, and never in memory twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.backends.codegen.ahead._elf import filled
from xir.backends.codegen.ahead._entry import SECTION, declared, entry_text, exported
from xir.backends.codegen.ahead._header import header_text
from xir.backends.codegen.ahead._model import model_bytes
from xir.backends.codegen.ahead._processors import Processor, processors_of
from xir.backends.codegen.ahead._program import Shared, Version, version_of
from xir.backends.codegen.ahead._sizes import symbols_in
from xir.backends.codegen.ahead._weights import Weights
from xir.backends.codegen.engine import object_code
from xir.backends.codegen.llvm.module import joined
from xir.backends.codegen.lowering.lower import expand
from xir.errors import Problem, UnsupportedError
from xir.files import OutputFile
from xir.ir.dims import Dim, product
from xir.ir.graph import Graph
from xir.ir.types import TensorType
from xir.runtime.memory import ALIGNMENT, Life, plan
from xir.runtime.program import Port

MAX_EMBEDDED = 1_900_000_000
"""Bytes of weights in an object: its code reaches 2 GiB around it (System V ABI for AMD64, "small code model")."""
FILLED = ".rodata.xir.data"
"""The section of the weights, as soon as they are there."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A model that was compiled ahead of time.

    Attributes:
        code: the object, without its weights.
        header: the C header.
        shared: what all versions of its code have in common.
        weights: the weights, of all versions.
        memory: bytes of a model beside its weights, for the version that takes most; None where sizes decide it.
    """

    code: bytes
    header: str
    shared: Shared
    weights: Weights
    memory: int | None

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions that the header declares."""
        return exported(self.shared)

    def write_object(self, file: OutputFile) -> None:
        """Writes the object with its weights."""
        if self.shared.beside:
            file.write(self.code)
            return
        file.write(filled(self.code, SECTION, FILLED, ALIGNMENT))
        for part in self.weights.parts():
            file.write(part)
        file.write(bytes(max(ALIGNMENT - self.weights.size, 0)))

    def write_weights(self, file: OutputFile) -> None:
        """Writes the file of weights."""
        file.write(self.shared.identity or b"")
        for part in self.weights.parts():
            file.write(part)


def compile_ahead(graph: Graph, name: str, *, cpu: str, beside: bool, exact: bool = False) -> Ahead:
    """An object and its header.

    Args:
        graph: what is computed; sizes may be symbols, which the caller gives in every call.
        name: what the functions' names begin with, a C identifier.
        cpu: names of `_processors.CPUS`, with commas between them; the program takes the best that it can run.
        beside: whether the weights come into a file of their own.
        exact: whether sums are taken product by product (`lower`).

    Raises:
        UnsupportedError: if an input is no tensor, if there are layers that only the reference computes, or too many
            weights for an object.
        UsageError: if a processor is not known.
        MissingExtraError: if llvmlite is not installed.
    """
    processors = processors_of(cpu)
    _check_types(graph)
    expanded, weights = expand(graph, exact=exact), Weights()
    versions = [version_of(expanded, each, f"v{n}_", exact, weights) for n, each in enumerate(processors)]
    if not beside and weights.size > MAX_EMBEDDED:
        raise UnsupportedError(
            f"{weights.size} bytes of weights are too many for an object, which holds {MAX_EMBEDDED}",
            hint="--weights beside",
        )
    shared = _shared(graph, expanded, name, processors, weights, beside)
    text = joined([each.module for each in versions], declared(shared)) + entry_text(shared, versions)
    code = object_code(text, processors[0].machine.arch, exported(shared))
    return Ahead(code, header_text(shared), shared, weights, _memory(versions, shared))


def _shared(
    graph: Graph, expanded: Graph, name: str, processors: Sequence[Processor], weights: Weights, beside: bool
) -> Shared:
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    identity, sums = weights.marks() if beside else (None, b"")
    return Shared(
        name,
        tuple(Port(graph.name_of(value), value.type, number) for number, value in enumerate(graph.inputs)),
        tuple(Port(named, value.type, number) for number, (named, value) in enumerate(outputs)),
        symbols_in(graph),
        tuple(dict.fromkeys((*graph.constraints, *expanded.constraints))),
        tuple(processors),
        identity,
        sums,
        weights.size,
    )


def _memory(versions: Sequence[Version], shared: Shared) -> int | None:
    """Bytes of a model beside its weights, as far as they are known."""
    found: list[int] = []
    for version in versions:
        lives: dict[int, Life] = {}
        for each in version.planned:
            count: Dim = each.item * product(each.shape)
            if not isinstance(count, int):
                return None
            lives[each.slot] = Life(count, *each.life)
        found.append(plan(lives).bytes + model_bytes(version, len(shared.symbols)))
    return max(found)


def _check_types(graph: Graph) -> None:
    """Refuses inputs that are no tensors of known rank."""
    problems = tuple(
        Problem("Input", (graph.name_of(value),), f"{value.type} is no tensor of known rank")
        for value in graph.inputs
        if not isinstance(value.type, TensorType)
    )
    if problems:
        listed = "; ".join(f"{problem.layers[0]!r}: {problem.reason}" for problem in problems)
        raise UnsupportedError(f"C programs give tensors, but {listed}", problems=problems, hint="xir.compile runs it")
