"""Compiling with a memory: a program that was made before is read, its packed weights are mapped.

What decides a program is its key: the graph as text with the hashes of its weights, the options, the processor, the
versions of LLVM and NumPy, and the source of this library. Nothing of a program is executed but its object, which lies
in the cache of objects; all that is read is verified (`xir.runtime.store`). Without a cache, or where the disk is full,
weights are packed in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from xir.backends.codegen.engine import Machine, assembled, host, version
from xir.backends.codegen.llvm.meet import team_for
from xir.backends.codegen.stored import Operands, Plain, restored, stored, symbols_in
from xir.errors import FileError, InvalidModelError, UnsafeError, UnsupportedError
from xir.files import FileSlice
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType, dtype_from_name
from xir.runtime.cache import Cache, cache_folder, key_of
from xir.runtime.digests import digests
from xir.runtime.executable import Executable
from xir.runtime.hot import Make
from xir.runtime.processors import thread_count
from xir.runtime.program import HostCall, Program, every_step
from xir.runtime.resident import give_back
from xir.runtime.store import Entry, Store, Writer
from xir.text.printer import print_graph
from xir.text.weights import large_constants, plan_weights

if TYPE_CHECKING:
    from xir.backends.codegen.compile import Compiled
    from xir.backends.codegen.engine import Code
    from xir.backends.codegen.lowering.made import Weight


LLVM = "libllvmlite"
"""The library of the compiler."""
LARGE = 1 << 20
"""Bytes of a weight behind which the pages that it was packed from are given back."""


def compile_optimized(
    graph: Graph, *, threads: int | None = None, exact: bool = False, tune: bool = False, specialize: bool = True
) -> Executable:
    """A graph optimized and compiled, or read from the cache; the arguments are those of `xir.api.compile`.

    Raises:
        UsageError: if `threads` is no whole number from 1 on.
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
        FileError: if a file of weights has changed since it was opened.
    """
    count = thread_count(threads)
    options = _Options(exact, tune, host())
    folder = cache_folder("programs")
    key = None if folder is None else _key(graph, options)
    if folder is None or key is None:
        program = options.compiled(graph).in_memory(lambda weight: _forget(graph, weight))
    else:
        store = Store(folder)
        program = _read(store.get(key), graph, options) or _made(store, key, graph, options)
    made = Executable(program, team_for(count), count, _maker(program, graph, options), watching=specialize)
    give_back(LLVM)
    return made


def _maker(program: Program, graph: Graph, options: _Options) -> Make | None:
    """What makes code for sizes that are known; the compiler is loaded when it is used."""
    if not symbols_in(graph.inputs):
        return None

    def make(known: Mapping[Symbol, Dim], go_on: Callable[[], None]) -> Program:
        from xir.backends.codegen.compile import specialized
        from xir.passes import optimize

        exact, tune = options.exact, options.tune
        made = specialized(optimize(graph, exact=exact), program, known, go_on, exact=exact, tune=tune)
        give_back(LLVM)
        return made

    return make


@dataclass(frozen=True, slots=True)
class _Options:
    """What decides a program beside its graph."""

    exact: bool
    tune: bool
    machine: Machine

    def compiled(self, graph: Graph) -> Compiled:
        from xir.backends.codegen.compile import compiled
        from xir.passes import optimize

        return compiled(optimize(graph, exact=self.exact), exact=self.exact, tune=self.tune)

    def expanded(self, graph: Graph) -> Graph:
        """The graph whose nodes a program mentions."""
        from xir.backends.codegen.lowering.lower import expand
        from xir.passes import optimize

        return expand(optimize(graph, exact=self.exact), exact=self.exact)


def _key(graph: Graph, options: _Options) -> bytes | None:
    """What decides a program; None for graphs that have no text."""
    constants = dict.fromkeys(constant for _, constant in large_constants([graph]))
    hashes = digests(constants, Cache(cache_folder("digests")))
    try:
        text = print_graph(graph, weights=plan_weights([graph], hashes.__getitem__))
    except (InvalidModelError, UnsafeError):
        return None
    machine = options.machine
    told = f"exact={options.exact} tune={options.tune} lanes={machine.lanes} registers={machine.registers}"
    return key_of([text, told, machine.cpu, machine.features, version(), np.__version__, _source()])


@cache
def _source() -> str:
    """The hash of this library's source: another compiler makes other programs."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    paths = sorted(root.rglob("*.py"))
    if not paths:  # an archive: nothing that is stored will be found
        return os.urandom(32).hex()
    for path in paths:
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def _made(store: Store, key: bytes, graph: Graph, options: _Options) -> Program:
    """The program, compiled and stored; it is used as it was stored, so that its weights lie in one place."""
    _forget(graph)
    made = options.compiled(graph)
    try:
        written = _write(store, key, graph, made)
    except (FileError, UnsupportedError):  # the disk is full, or something in it is Python's own
        written = False
    entry = store.get(key) if written else None
    if entry is None:
        return made.in_memory(lambda weight: _forget(graph, weight))
    return replace(made.program, constants=_constants(_Head.read(entry), entry, graph))


def _forget(graph: Graph, packed: Weight | None = None) -> None:
    """Gives back the memory of weights that were only read to be packed, or hashed; they are still in their file."""
    for parameter in graph.parameters if packed is None or packed.nbytes >= LARGE else ():
        if isinstance(parameter.constant.data, FileSlice):
            parameter.constant.data.forget()


def _write(store: Store, key: bytes, graph: Graph, made: Compiled) -> bool:
    """Stores a program, or says that there is no room for it.

    Raises:
        FileError: if the disk refuses.
        UnsupportedError: if it has steps or weights that cannot be stored.
    """
    nodes = made.graph if _hosts(made.program) else None
    head = {
        "code": cast("Code", made.program.owner).key.hex(),
        "nodes": None if nodes is None else _nodes_digest(nodes),
        "program": stored(made.program, _symbols(graph, nodes)),
    }
    given = {place: number for number, each in enumerate(graph.parameters) for place in _place(each.constant)}
    with store.writer(key, sum(weight.nbytes for weight in made.weights.values())) as writer:
        if writer is None:
            return False
        constants: list[list[Plain]] = []
        for slot, weight in made.weights.items():
            constants.append([slot, *_stored_weight(weight, writer, given)])
            _forget(graph, weight)
        writer.head = json.dumps({**head, "constants": constants}).encode("ascii")
    return True


def _hosts(program: Program) -> bool:
    """Whether nodes run by their reference."""
    return any(isinstance(step, HostCall) for step in every_step(program.steps))


def _symbols(graph: Graph, nodes: Graph | None) -> tuple[Symbol, ...]:
    """The symbols that a program may mention: those of its inputs, and of what its nodes make if there are such."""
    values = () if nodes is None else (*nodes.inputs, *(value for node in nodes.nodes for value in node.outputs))
    return symbols_in((*graph.inputs, *values))


def _nodes_digest(graph: Graph) -> str:
    """What tells whether the nodes are those that a program mentions."""
    return key_of(map(repr, graph.nodes)).hex()


def _place(constant: Constant) -> Iterator[tuple[object, ...]]:
    """Where the elements lie, if that says all of them."""
    if isinstance(constant.data, FileSlice):
        yield constant.dtype, id(constant.data.file), constant.data.offset, constant.data.length
    elif constant.nbytes and constant.data.flags.c_contiguous:
        yield constant.dtype, constant.data.__array_interface__["data"][0], constant.nbytes


def _stored_weight(weight: Weight, writer: Writer, given: Mapping[tuple[object, ...], int]) -> list[Plain]:
    """Where a weight lies: in a parameter of the graph, or in the data, to which it is written."""
    type = weight.type
    told: list[Plain] = [str(type.dtype), *(type.static_shape or ())]
    if isinstance(weight, Constant):
        for place in _place(weight):
            if place in given:
                return ["given", given[place], *told]
    if type.dtype is DType.STRING:
        raise UnsupportedError("texts cannot be mapped")
    start = writer.place()
    for piece in weight.pieces() if not isinstance(weight, Constant) else (weight.array(),):
        if piece.size:
            writer.write(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)
    return ["data", start, *told]


@dataclass(frozen=True, slots=True)
class _Head:
    """The head of an entry.

    Attributes:
        code: the key of the object.
        nodes: the digest of the nodes that the program mentions; None if it mentions none.
        program: the program.
        constants: [slot, `data` or `given`, where, dtype, size..] of each constant.
    """

    code: bytes
    nodes: str | None
    program: dict[str, Plain]
    constants: list[tuple[int, str, int, str, tuple[int, ...]]]

    @classmethod
    def read(cls, entry: Entry) -> _Head:
        found = cast("dict[str, Plain]", json.loads(entry.head))
        constants = [
            (int(slot), str(kind), int(place), str(dtype), tuple(map(int, shape)))
            for slot, kind, place, dtype, *shape in cast("list[tuple[int, ...]]", found["constants"])
        ]
        nodes = found["nodes"]
        program = cast("dict[str, Plain]", found["program"])
        return cls(bytes.fromhex(str(found["code"])), None if nodes is None else str(nodes), program, constants)


def _constants(head: _Head, entry: Entry, graph: Graph) -> dict[int, Constant]:
    found: dict[int, Constant] = {}
    for slot, kind, place, dtype, shape in head.constants:
        type = TensorType(dtype_from_name(dtype), shape)
        if kind == "given":
            found[slot] = graph.parameters[place].constant.reshaped(shape)
        else:
            size = prod(shape) * type.dtype.dtype.itemsize
            found[slot] = Constant(type, entry.data.slice(place, size))
    return found


def _read(entry: Entry | None, graph: Graph, options: _Options) -> Program | None:
    """The program of an entry; None if it or its object is not there."""
    if entry is None:
        return None
    head = _Head.read(entry)
    code = assembled(head.code, options.machine)
    nodes = None if head.nodes is None else options.expanded(graph)
    if code is None or (nodes is not None and _nodes_digest(nodes) != head.nodes):
        return None

    def host(place: int, inputs: Operands, outputs: tuple[int, ...]) -> HostCall:
        from xir.backends.codegen.compile import hosted

        return hosted((nodes or graph).nodes[place], inputs, outputs, place)

    program = restored(head.program, _symbols(graph, nodes), code, host)
    return replace(program, constants=_constants(head, entry, graph))
