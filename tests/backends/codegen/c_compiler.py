"""Kernels through the system's C compiler: many functions in one shared object, called through ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from xir.backends.codegen.c.kernel import c_file, size_symbols
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, evaluate
from xir.kernel.grammar import Kernel

FLAGS = (
    "-std=c11",
    "-O2",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-fwrapv",
    "-shared",
    "-fPIC",
    "-Wall",
    "-Werror",
)
"""No fused multiply-add and no assumption about overflow: the bits are those of the interpreter."""

UNUSED = ("-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-maybe-uninitialized")
"""What a kernel binds and does not use is no mistake of the emitter."""

GUARD = 64
"""Bytes around each array that a kernel may not touch."""


class Library:
    """A shared object of kernels, by name."""

    def __init__(self, kernels: Mapping[str, Kernel], folder: Path, flags: Sequence[str] = FLAGS) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler `cc`: C kernels are not compiled")
        self.kernels = kernels
        source, self.path = folder / "kernels.c", folder / "kernels.so"
        source.write_text(c_file(list(kernels.items())))
        command = [compiler, *flags, *UNUSED, str(source), "-o", str(self.path), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr[:4000]
        self.library = ctypes.CDLL(str(self.path))

    def run(self, name: str, inputs: Sequence[Array], sizes: Mapping[Symbol, Dim] | None = None) -> tuple[Array, ...]:
        """The kernel's outputs; fails where it wrote beside them."""
        kernel, known = self.kernels[name], sizes or {}
        held = [_guarded(array) for array in inputs]
        for buffer in kernel.outputs:
            shape = tuple(int(evaluate(dim, known)) for dim in buffer.shape)  # type: ignore[arg-type]  # all are known
            held.append(_guarded(np.full(shape, 85, np.uint8).astype(buffer.dtype.dtype)))
        values = np.array([known[symbol] for symbol in size_symbols(kernel)] or [0], np.int64)
        pointers = [ctypes.c_void_p(memory.ctypes.data + GUARD) for memory, _ in held]
        self.library[name](*pointers, ctypes.c_void_p(values.ctypes.data))
        for memory, array in held:
            end = GUARD + array.nbytes
            assert (memory[:GUARD] == 0xA5).all()
            assert (memory[end:] == 0xA5).all(), "the kernel wrote beside an array"
        return tuple(array for _, array in held[len(inputs) :])


def _guarded(array: Array) -> tuple[np.ndarray, Array]:
    memory = np.full(array.nbytes + 2 * GUARD, 0xA5, np.uint8)
    inside = memory[GUARD : GUARD + array.nbytes].view(array.dtype).reshape(array.shape)
    inside[...] = array
    return memory, inside
