"""How much memory a run of the reference holds at once, told from the shapes before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence

from xir.errors import UnsafeError
from xir.ir.dims import Dim, Symbol, evaluate, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.limits import GIBI
from xir.reference.inputs import Least, default_size, default_sizes

MAX_RUN_BYTES = 2 * GIBI
"""Bytes of arrays that a run on made-up inputs may hold at once. VGG-16 at 224 x 224 holds 26 MB, PSPNet at 713 x 713
about 0.5 GB; a declared shape is not worth more memory than a laptop has."""

_STRING_BYTES = 64
"""Bytes that an element of text is counted with: a Python string takes 50 and more."""


def peak_bytes(graph: Graph, least: Least | None = None) -> int:
    """The largest number of bytes that inputs and results hold at once while the nodes run in their order.

    Sizes that are not known count as `random_inputs` would make them. Weights are not counted: they
    are mapped.
    """
    sizes = default_sizes(graph, least)
    last = {value: index for index, node in enumerate(graph.nodes) for value in node.inputs if value is not None}
    kept = frozenset(graph.outputs)
    held = {value: bytes_of(value, sizes) for value in graph.inputs}
    total = sum(held.values())
    peak = total
    for index, node in enumerate(graph.nodes):
        for value in node.outputs:
            held[value] = bytes_of(value, sizes)
            total += held[value]
        peak = max(peak, total)
        read = (value for value in node.inputs if value is not None)
        for done in dict.fromkeys((*read, *node.outputs)):
            if done in held and last.get(done, index) == index and done not in kept:
                total -= held.pop(done)
    return peak


def bytes_of(value: Value, sizes: dict[Symbol, Dim]) -> int:
    """Bytes of one value; symbols that are not in `sizes` yet get their default there."""
    type = value.type
    if not isinstance(type, TensorType):
        return 0
    count = 1
    for dim in type.shape:
        for symbol in symbols_of(dim):
            sizes.setdefault(symbol, default_size(symbol))
        size = evaluate(dim, sizes)
        count *= max(size, 0) if isinstance(size, int) else 1
    return count * (type.dtype.dtype.itemsize if type.dtype.bits else _STRING_BYTES)


def check_memory(graph: Graph, *, what: str, limit: int = MAX_RUN_BYTES) -> None:
    """Refuses to run a graph on made-up inputs that needs more than `limit` bytes at once.

    Args:
        graph: the model.
        what: what the run is for, in words.
        limit: in bytes.

    Raises:
        UnsafeError: the shapes need more.
    """
    needed = peak_bytes(graph)
    if needed > limit:
        raise UnsafeError(
            f"{what} needs {needed / GIBI:.1f} GiB for intermediate results; at most {limit / GIBI:.1f} GiB are taken",
            number=810,
            hint="give a smaller --input NAME=f32[...]; convert can do without verification: --no-verify",
        )


def check_held(*sides: Sequence[Value]) -> None:
    """Refuses to keep so many results for a comparison layer by layer that they pass `MAX_RUN_BYTES`.

    Args:
        sides: the values that are kept on each side.

    Raises:
        UnsafeError: they need more.
    """
    sizes: dict[Symbol, Dim] = {}
    needed = sum(bytes_of(value, sizes) for side in sides for value in side)
    if needed > MAX_RUN_BYTES:
        raise UnsafeError(
            f"comparing every layer holds {needed / GIBI:.1f} GiB; at most {MAX_RUN_BYTES / GIBI:.1f} GiB are taken",
            number=810,
            hint="give a smaller --input NAME=f32[...], or compare a part with --output",
        )
