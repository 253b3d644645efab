"""Inputs made up from a seed, the same on every machine."""

from __future__ import annotations

import numpy as np

from xir.errors import UsageError
from xir.ir.constant import Array
from xir.ir.dims import Symbol, evaluate, symbols_of
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType
from xir.limits import element_count

_DEFAULT_SIZE = 2


def random_inputs(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """One array for each input of the graph.

    Floating-point inputs are standard normal, integers lie in [0, 10) (NumPy's PCG64 with `seed`), bools are even odds.
    A symbolic size becomes the smallest multiple of its divisor that is at least 2 and within its range.

    Raises:
        UsageError: if an input is no tensor of known rank, or holds text.
    """
    generator = np.random.default_rng(seed)
    sizes: dict[Symbol, int] = {}
    made: dict[str, Array] = {}
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        type = value.type
        if not isinstance(type, TensorType) or type.dtype is DType.STRING:
            raise UsageError(f"no inputs can be made up for {name!r}: {type!r}", hint="give them with --feed")
        shape: list[int] = []
        for dim in type.shape:
            for symbol in symbols_of(dim):
                sizes.setdefault(symbol, default_size(symbol))
            size = evaluate(dim, sizes)
            shape.append(size if isinstance(size, int) else 0)
        element_count(shape, what=f"input {name!r}")
        made[name] = _random(generator, type.dtype, tuple(shape))
    return made


def default_size(symbol: Symbol) -> int:
    """The size that stands in for a symbol when nobody tells."""
    wanted = max(symbol.minimum, _DEFAULT_SIZE)
    size = -(-wanted // symbol.divisor) * symbol.divisor
    return size if symbol.maximum is None else min(size, symbol.maximum)


def _random(generator: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Array:
    target = dtype.dtype
    if dtype is DType.BOOL:
        return generator.integers(0, 2, shape).astype(target)
    if dtype.is_integer:
        return generator.integers(0, min(10, 1 << (dtype.bits - 1)), shape).astype(target)
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(target)
    return generator.standard_normal(shape).astype(target)
