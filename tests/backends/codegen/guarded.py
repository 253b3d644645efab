"""Programs whose every buffer lies against pages that nobody may touch: whoever reads or writes outside is killed.

`python -m tests.backends.codegen.guarded FIRST STEP` runs every STEP-th case from FIRST on, says on standard error
which one comes next, and prints as a line of JSON what is wrong with any of them. What one does not survive is the
last that it said (`test_guard_pages.py`).
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from tests.backends.codegen.borders import border_samples
from tests.fuzz.differences import difference
from tests.fuzz.sample import Sample
from tests.ops.cases import Case, all_cases
from tests.ops.test_table import graph_of, has_batch
from xir.backends.codegen.compile import compile_graph
from xir.errors import XirError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.types import TensorType
from xir.reference import run
from xir.reference.sizes import Sizes
from xir.runtime.call import Call, contiguous
from xir.runtime.executable import Executable
from xir.runtime.memory import Plan
from xir.runtime.program import Program, Stretch
from xir.runtime.team import Team

Side = Literal["begin", "end"]
"""Which end of a buffer lies against the forbidden page."""

FRESH = 0xA5
"""The bytes of memory that nobody has written."""

_LIBRARY = ctypes.CDLL(None, use_errno=True)
_NOTHING = 0
_MAPPED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


@dataclass
class Guards:
    """Memory between forbidden pages, until `free`.

    Attributes:
        side: which end of each array lies against such a page.
        pages: what is mapped.
    """

    side: Side
    pages: list[tuple[int, int]] = field(default_factory=list)

    def array(self, like: Array, *, filled: bool, constant: bool = False) -> Array:
        """An array of that type and shape, with its elements if `filled`; `constant` ones cannot be written."""
        page = mmap.PAGESIZE
        room = -(-max(like.nbytes, 1) // page) * page
        start = _map(room + 2 * page)
        self.pages.append((start, room + 2 * page))
        first = start + page
        ctypes.memset(first, FRESH, room)
        place = first if self.side == "begin" else first + room - like.nbytes
        raw = np.frombuffer((ctypes.c_uint8 * like.nbytes).from_address(place), np.uint8)
        made = raw.view(like.dtype).reshape(like.shape) if like.nbytes else np.empty_like(like)
        if filled:
            made[...] = like
        _protect(start, page, _NOTHING)
        _protect(first + room, page, _NOTHING)
        if constant:
            _protect(first, room, mmap.PROT_READ)
        return made

    def free(self) -> None:
        """Unmaps everything; no array of it may be used any more."""
        for start, count in self.pages:
            _LIBRARY.munmap(ctypes.c_void_p(start), ctypes.c_size_t(count))
        self.pages = []


def _map(count: int) -> int:
    _LIBRARY.mmap.restype = ctypes.c_void_p
    start = _LIBRARY.mmap(None, ctypes.c_size_t(count), mmap.PROT_READ | mmap.PROT_WRITE, _MAPPED, -1, ctypes.c_long(0))
    if start in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap")
    return int(start)


def _protect(start: int, count: int, rights: int) -> None:
    if _LIBRARY.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(count), rights):
        raise OSError(ctypes.get_errno(), "mprotect")


class GuardedCall(Call):
    """A call that has every buffer for itself between forbidden pages; inputs and constants cannot be written."""

    def __init__(self, program: Program, guards: Guards) -> None:
        """A call of the program."""
        self.guards = guards
        constants = {slot: contiguous(constant.array()) for slot, constant in program.constants.items()}
        super().__init__(
            program,
            {
                slot: array if array.dtype.hasobject else guards.array(array, filled=True, constant=True)
                for slot, array in constants.items()
            },
            1,
        )

    def memory(self, table: Array) -> Array:
        """A table between the pages."""
        return self.guards.array(table, filled=True)

    def hold(self, slot: int, array: Array) -> None:
        """Moves what a slot holds between the pages; inputs cannot be written from then on."""
        if self.program.slots[slot].dtype is not None and isinstance(array, np.ndarray) and not array.dtype.hasobject:
            array = self.guards.array(array, filled=True, constant=slot in self.fed_slots)
        super().hold(slot, array)

    def planned(self, sizes: Sizes) -> Plan:
        """No buffer shares a block with others."""
        return Plan({}, 0)

    def native(self, stretch: Stretch, team: Team | None) -> None:
        """Runs a stretch; what an earlier stretch wrote stays where it is."""
        for slot in stretch.writes:
            shape, dtype = self.shape(self.program.slots[slot].shape), self.program.slots[slot].dtype
            if dtype is not None and shape is not None and slot not in self.arrays:
                self.hold(slot, np.zeros(shape, dtype.dtype))
        stretch.entry(self.frame.address, self.measured.address, 0, 1, 0)


def guarded_run(executable: Executable, feeds: Mapping[str, Array], side: Side) -> dict[str, object]:
    """The outputs of a program between forbidden pages."""
    guards = Guards(side)
    try:
        call = GuardedCall(executable.program, guards)
        fed = [np.array(feeds[port.name], order="C") for port in executable.program.inputs]
        made = call.run(tuple(array.shape for array in fed), fed, {}, None)
        names = [port.name for port in executable.program.outputs]
        return {name: np.array(array) for name, array in zip(names, made, strict=True)}
    finally:
        guards.free()


def is_tensors(graph: Graph) -> bool:
    """Whether all that goes in and comes out is tensors of numbers."""
    return all(isinstance(value.type, TensorType) for value in (*graph.inputs, *graph.outputs))


def samples() -> Iterator[tuple[str, Callable[[], Sample | None]]]:
    """What makes every example of the operator table, with known sizes and with a batch of unknown size, and borders.

    None is made where an example has something else than tensors, or its operator needs to know the size.
    """
    for name, sample in border_samples():
        yield name, lambda sample=sample: sample
    for number, case in enumerate(each for each in all_cases() if each.is_plain):
        for batch in (None, Symbol("N")) if has_batch(case) else (None,):
            yield f"{number}-{case}{'-batch' if batch else ''}", partial(_example, case, batch)


def _example(case: Case, batch: Symbol | None) -> Sample | None:
    try:
        graph, feeds = graph_of(case, batch=batch)
        run(graph, feeds)
    except XirError:  # the operator needs to know this size, and says so
        return None
    return Sample(graph, feeds) if is_tensors(graph) else None


def wrong(sample: Sample) -> dict[str, str]:
    """{side and output: how it differs} of a program between forbidden pages and the same one elsewhere."""
    compiled = compile_graph(sample.graph, threads=1)
    want = dict(zip(sample.graph.output_names, compiled.run(None, sample.feeds), strict=True))
    found: dict[str, str] = {}
    for side in ("begin", "end"):
        have = guarded_run(compiled, sample.feeds, side)
        differing = {name: difference(want[name], have[name], bits=True) for name in want}
        found.update({f"{side} {name}": how for name, how in differing.items() if how is not None})
    return found


def main(arguments: Sequence[str]) -> None:
    """Runs the cases from a number on, each or every so many-th of them."""
    first, step = map(int, arguments)
    for number, (name, make) in enumerate(samples()):
        if number < first or number % step:
            continue
        os.write(2, f"{number} {name}\n".encode())
        sample = make()
        found = {} if sample is None else wrong(sample)
        if found:
            print(json.dumps([name, found]), flush=True)
    os.write(2, b"done\n")


if __name__ == "__main__":
    main(sys.argv[1:])
