"""Large results past the caches: a line that is stored whole need not be read, nor push out others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xir.backends.codegen.llvm.types import element_bytes
from xir.ir.dims import floor_divide, multiply, product
from xir.kernel._affine import affine
from xir.kernel.grammar import Kernel, Scalar
from xir.kernel.walk import loads

STREAMED = 1 << 25
"""Bytes of a result from which on it is stored past the caches: 32 MiB, a last cache or a worker's share of one."""

LINE = 64
"""Bytes of a cache line; such stores want whole ones (Intel optimization manual, 9.4.1.2, "streaming stores")."""

FENCE = "llvm.x86.sse.sfence"
"""What makes these stores come before later ones, on x86-64."""


def streamed(kernel: Kernel) -> Iterator[str]:
    """The results of a kernel that are large and that it does not read."""
    read = {load.buffer.name for load in loads(kernel.body)}
    for buffer in kernel.outputs:
        size = product(buffer.shape)
        if isinstance(size, int) and size * element_bytes(buffer.dtype) >= STREAMED and buffer.name not in read:
            yield buffer.name


def begins_line(indices: Sequence[Scalar], axis: str | None, lanes: int) -> bool:
    """Whether a flat place is a multiple of `lanes` elements wherever the vector loop's axis is one."""
    found = affine(indices[0]) if len(indices) == 1 else None
    if found is None:
        return False
    steps = [count for name, count in found.coefficients.items() if name != axis]
    return all(multiply(floor_divide(each, lanes), lanes) == each for each in (found.constant, *steps))
