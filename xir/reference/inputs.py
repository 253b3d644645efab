"""Inputs made up from a seed, the same on every machine."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np

from xir.errors import InvalidModelError, UsageError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, evaluate, symbols_of
from xir.ir.graph import Graph
from xir.ir.types import DType, MapType, OptionalType, SequenceType, TensorType, Type
from xir.limits import element_count
from xir.reference.agreement import agreeing
from xir.reference.demands import fitted

DEFAULT_SIZE = 2
"""What an unknown size becomes where nothing needs more."""

Least = Mapping[Symbol, int]
"""The least sizes of some symbols."""

MAX_GROWN = 65_536
"""The largest size that a symbol grows to: models of sequences look at ten thousand places around each (SpliceAI)."""


def random_inputs(graph: Graph, seed: int = 0, *, least: Least | None = None) -> dict[str, Array]:
    """One array for each input of the graph; sequences are lists of two, maps dicts of two.

    Floating-point inputs are standard normal, integers lie in [0, 10) (NumPy's PCG64 with `seed`), bools are even odds,
    text is of up to eight letters, digits and spaces.
    A symbolic size becomes the smallest multiple of its divisor that is at least 2 (or what `least` says), within
    its range, and large enough for what the graph computes and assumes of it (`default_sizes`). What an operator
    demands of an input (regions inside a picture, indices within an axis, labels, lengths) is met
    (`xir.reference.demands`).

    Raises:
        UsageError: if the number of axes of an input is not known.
    """
    generator = np.random.default_rng(seed)
    sizes = default_sizes(graph, least)
    made = {
        name: _made(generator, value.type, sizes, name)
        for name, value in zip(graph.input_names, graph.inputs, strict=True)
    }
    plain = zip(graph.input_names, graph.inputs, strict=True)
    tensors = {name: made[name] for name, value in plain if isinstance(value.type, TensorType)}
    return made | fitted(graph, tensors, sizes, generator)


_ELEMENTS = 2
"""Elements of a made-up sequence or map."""


def _made(generator: np.random.Generator, type: Type, sizes: Mapping[Symbol, Dim], name: str) -> Array:
    """One input, as the runtime holds it (a sequence as a list, a map as a dict); an optional one is there.

    Raises:
        UsageError: if the number of axes is not known.
    """
    match type:
        case TensorType():
            inner = {symbol: default_size(symbol) for dim in type.shape for symbol in symbols_of(dim)}
            known = (evaluate(dim, {**inner, **sizes}) for dim in type.shape)
            shape = tuple(size if isinstance(size, int) else 0 for size in known)
            element_count(shape, what=f"input {name!r}")
            return _random(generator, type.dtype, shape)
        case OptionalType(element):
            return _made(generator, element, sizes, name)
        case SequenceType(element):
            return cast("Array", [_made(generator, element, sizes, name) for _ in range(_ELEMENTS)])
        case MapType(key, element):
            keys = ["a", "b"] if key is DType.STRING else range(_ELEMENTS)
            return cast("Array", {each: _made(generator, element, sizes, name) for each in keys})
        case _:
            raise UsageError(
                f"no inputs can be made up for {name!r}: {type!r}",
                hint="give its axes by --input NAME=TYPE, or data by --feed; convert can do without: --no-verify",
            )


@contextmanager
def made_up_inputs() -> Generator[None]:
    """Says of a failure in the block that the inputs of the run were made up, so that they may be at fault.

    Raises:
        UsageError: instead of an InvalidModelError.
    """
    try:
        yield
    except InvalidModelError as error:
        raise UsageError(
            f"the model cannot compute on made-up inputs, which are probably at fault: {error}",
            hint="give real ones: --feed NAME=FILE.npy (verify, run); convert can do without: --no-verify",
        ) from error


def default_sizes(graph: Graph, least: Least | None = None) -> dict[Symbol, Dim]:
    """The sizes that stand in for the symbols of a graph's inputs and values when nobody tells.

    Each begins with its `default_size`, or with what `least` says. Where a value of the graph would then be empty (a
    window of 3 on 2 pixels), the symbols of that value grow step by step until it is not, or until MAX_GROWN: then it
    stays empty. Sizes that the graph assumes to be equal become equal, where trying finds how
    (`xir.reference.agreement`).
    """
    dims = dict.fromkeys(dim for type in _types(graph) for dim in type.shape if not isinstance(dim, int))
    symbols = dict.fromkeys(symbol for dim in dims for symbol in symbols_of(dim))
    sizes: dict[Symbol, Dim] = {symbol: default_size(symbol) for symbol in symbols}
    sizes |= {symbol: default_size(symbol, size) for symbol, size in (least or {}).items()}
    for dim in dims:
        _grow(dim, sizes)
    known = _symbols_in(value.type.shape for value in graph.inputs if isinstance(value.type, TensorType))
    given = {symbol: sizes[symbol] for symbol in known}
    return sizes | agreeing(graph.constraints, given)


def long_symbols(graph: Graph) -> tuple[Symbol, ...]:
    """The symbols of the inputs' axes but for the first of several, which is the batch as a rule."""
    shapes = [value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)]
    batches = {symbol for shape in shapes if len(shape) > 1 for symbol in symbols_of(shape[0])}
    behind = _symbols_in(shape if len(shape) == 1 else shape[1:] for shape in shapes)
    return tuple(symbol for symbol in behind if symbol not in batches)


def _symbols_in(shapes: Iterable[Sequence[Dim]]) -> dict[Symbol, None]:
    return dict.fromkeys(symbol for shape in shapes for dim in shape for symbol in symbols_of(dim))


def _types(graph: Graph) -> Iterator[TensorType]:
    values = (*graph.inputs, *(value for node in graph.nodes for value in node.outputs))
    return (value.type for value in values if isinstance(value.type, TensorType))


def _grow(dim: Dim, sizes: dict[Symbol, Dim]) -> None:
    """Makes the symbols of `dim` larger until it is at least 1; where no step helps, leaves them."""
    mine = tuple(dict.fromkeys(symbols_of(dim)))
    trial = dict(sizes)
    while mine:
        size = evaluate(dim, trial)
        if not isinstance(size, int) or size >= 1:
            sizes.update(trial)
            return
        grown = {symbol: _next_size(symbol, trial[symbol]) for symbol in mine}
        if any(size == trial[symbol] for symbol, size in grown.items()):
            return
        trial.update(grown)


def _next_size(symbol: Symbol, size: Dim) -> Dim:
    """The next larger size that the symbol takes, about an eighth larger, or the same where there is none."""
    steps = 1 + size // (8 * symbol.divisor) if isinstance(size, int) else 1
    grown = size + steps * symbol.divisor
    limit = MAX_GROWN if symbol.maximum is None else min(symbol.maximum, MAX_GROWN)
    return grown if isinstance(grown, int) and grown <= limit else size


def default_size(symbol: Symbol, least: int = DEFAULT_SIZE) -> int:
    """The size that stands in for a symbol when nobody tells and nothing needs more."""
    wanted = max(symbol.minimum, least)
    size = -(-wanted // symbol.divisor) * symbol.divisor
    return size if symbol.maximum is None else min(size, symbol.maximum)


def _random(generator: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Array:
    target = dtype.dtype
    if dtype is DType.STRING:
        return _text(generator, shape)
    if dtype is DType.BOOL:
        return generator.integers(0, 2, shape).astype(target)
    if dtype.is_integer:
        return generator.integers(0, min(10, 1 << (dtype.bits - 1)), shape).astype(target)
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(target)
    return generator.standard_normal(shape).astype(target)


_LETTERS = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 éß語"
"""What made-up text consists of: letters of both cases, digits, spaces, and some that take more than a byte."""

_LONGEST = 8
"""The most characters of a made-up text."""


def _text(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    made = np.empty(shape, object)
    flat = made.reshape(-1)
    for index in range(flat.size):
        letters = generator.integers(0, len(_LETTERS), int(generator.integers(0, _LONGEST + 1)))
        flat[index] = "".join(_LETTERS[letter] for letter in letters.tolist())
    return made
