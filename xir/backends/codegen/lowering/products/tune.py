"""Tiles chosen by measurement: where the cost model (`contraction`) would guess, the clock decides.

Only the tiles of a sum of products are chosen so, and a sum is taken in the same order in every tile: whatever is
chosen, the results are the same bits. Choices are remembered by kernel and processor, so a kernel is measured once.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, prod

import numpy as np

from xir.backends.codegen.engine import Machine, assemble
from xir.backends.codegen.llvm.module import Module
from xir.backends.codegen.math.expand import expand_kernel
from xir.backends.codegen.math.multiply_add import multiply_add
from xir.backends.codegen.steps import Run
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.kernel.grammar import Buffer, Kernel
from xir.kernel.printer import kernel_text
from xir.runtime.cache import Cache, cache_folder, key_of

ROUNDS = 5
"""Rounds in which every variant runs; the shortest of each counts, as what else the machine does only adds."""
SECONDS = 0.002
"""What the runs of one variant in a round take at least, or one run."""
GAIN = 0.03
"""The share by which a variant has to be faster than the one that the cost model takes: less is noise."""
MAX_BYTES = 1 << 28
"""Kernels on more memory than this are not measured."""


@dataclass(slots=True)
class Tuner:
    """Chooses among variants of a kernel.

    Attributes:
        machine: the processor, which is this one.
        cache: what was chosen before, also by other processes.
        known: {key of a kernel: the number of its variant}.
    """

    machine: Machine
    cache: Cache = field(default_factory=lambda: Cache(cache_folder("tuning")))
    known: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def choose(self, kernel: Kernel, variants: Sequence[Kernel]) -> int:
        """The number of the fastest variant.

        Args:
            kernel: what all variants compute.
            variants: at least one; the first is what would be taken without measuring.
        """
        key = key_of([self.machine.cpu, self.machine.features, *map(_text, (kernel, *variants))])
        if key not in self.known:
            self.known[key] = self._remembered(key, len(variants))
        if self.known[key] < 0:
            self.known[key] = _fastest(_seconds(variants, self.machine)) if _measurable(variants) else 0
            self.cache.put(key, bytes([self.known[key]]))
        return self.known[key]

    def _remembered(self, key: bytes, count: int) -> int:
        held = self.cache.get(key)
        return held[0] if held is not None and len(held) == 1 and held[0] < count else -1


def _fastest(seconds: Sequence[float]) -> int:
    best = min(range(len(seconds)), key=seconds.__getitem__)
    return best if seconds[best] < seconds[0] * (1 - GAIN) else 0


def _text(kernel: Kernel) -> str:
    """The kernel's text, its buffers called by their places, so that layers that are alike are one kernel."""
    text = kernel_text(replace(kernel, name="k"))
    for number, buffer in enumerate((*kernel.inputs, *kernel.outputs)):
        text = text.replace(f"{buffer.name}:", f"b{number}:").replace(f"{buffer.name}[", f"b{number}[")
    return text


def _buffers(kernels: Iterable[Kernel]) -> list[Buffer]:
    return list(dict.fromkeys(buffer for kernel in kernels for buffer in (*kernel.inputs, *kernel.outputs)))


def _measurable(variants: Sequence[Kernel]) -> bool:
    """Whether there is a choice, all sizes are known and the buffers are small enough."""
    total = 0
    for buffer in _buffers(variants):
        shape = [size for size in buffer.shape if isinstance(size, int)]
        if len(shape) < len(buffer.shape):
            return False
        total += prod(shape) * buffer.dtype.dtype.itemsize
    return len(variants) > 1 and total <= MAX_BYTES


def _seconds(variants: Sequence[Kernel], machine: Machine) -> list[float]:
    """The shortest run of each variant, on one thread and numbers that are made up."""
    buffers = _buffers(variants)
    arrays = {buffer: _made(buffer) for buffer in buffers}
    table = np.array([array.ctypes.data for array in arrays.values()], np.uint64)
    places: Mapping[Buffer, int] = {buffer: place for place, buffer in enumerate(buffers)}
    module = Module(machine)
    runs = [
        Run(multiply_add(expand_kernel(each)), tuple(places[b] for b in (*each.inputs, *each.outputs)), ())
        for each in variants
    ]
    names = [module.stretch([run]) for run in runs]
    sizes = np.array([size if isinstance(size, int) else 0 for size in module.sizes], np.int64)
    code = assemble(module.text(), machine)
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2, ctypes.c_void_p)
    calls = [prototype(code.address(name)) for name in names]
    best = [inf] * len(calls)
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            spent = 0.0
            while spent < SECONDS:
                started = time.perf_counter()
                call(table.ctypes.data, sizes.ctypes.data, 0, 1, None)
                taken = time.perf_counter() - started
                spent, best[number] = spent + taken, min(best[number], taken)
    return best


def _made(buffer: Buffer) -> Array:
    """Ones for numbers that are multiplied, zeros for all others: an index of zero is one."""
    shape = tuple(size for size in buffer.shape if isinstance(size, int))
    return np.ones(shape, np.float32) if buffer.dtype is DType.FLOAT32 else np.zeros(shape, buffer.dtype.dtype)
