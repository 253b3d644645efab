"""Samples: the inputs on which a model is measured, and the ranges of its values on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from xir.errors import UsageError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.precision.kept import is_wide
from xir.precision.weights import largest_of
from xir.reference import random_inputs, run
from xir.reference.inputs import Least

RANDOM_SAMPLES = 4
"""Made-up samples where none are given."""


class Samples(Protocol):
    """Inputs by name, one sample (or batch) after the other; the same again each time that it is walked."""

    def __iter__(self) -> Iterator[Mapping[str, ArrayLike]]:
        """Walks the samples from the first on."""
        ...


class RandomSamples:
    """Made-up inputs, which show that a model runs, and little of the ranges that real ones have."""

    def __init__(self, graph: Graph, seed: int = 0, count: int = RANDOM_SAMPLES, least: Least | None = None) -> None:
        """`count` samples of `graph` from `seed` on, their unknown sizes at least those of `least`."""
        self.graph, self.seed, self.count, self.least = graph, seed, count, least

    def __iter__(self) -> Iterator[Mapping[str, ArrayLike]]:
        """Makes the samples one by one."""
        for number in range(self.count):
            yield random_inputs(self.graph, self.seed + number, least=self.least)


def samples_of(given: Iterable[Mapping[str, ArrayLike]]) -> Samples:
    """What was given, if it can be walked more than once.

    Raises:
        UsageError: if it is an iterator, which ends with its first walk.
    """
    if isinstance(given, Iterator):
        raise UsageError(
            "calibration walks the samples several times, and an iterator ends with the first",
            hint="give a list, or an object whose __iter__ starts again",
        )
    return given


def largest_values(graph: Graph, samples: Samples) -> dict[Value, float]:
    """The largest finite magnitude of each floating-point input and result of a graph over the samples."""
    found: dict[Value, float] = {}

    def see(value: Value, array: object) -> None:
        if is_wide(value) and isinstance(array, np.ndarray):
            found[value] = max(found.get(value, 0.0), largest_of(cast("Array", array)))

    def observe(node: Node, results: tuple[Array, ...]) -> None:
        for value, array in zip(node.outputs, results, strict=True):
            see(value, array)

    for sample in samples:
        for name, value in zip(graph.input_names, graph.inputs, strict=True):
            if name in sample:
                see(value, np.asarray(sample[name]))
        run(graph, sample, observe=observe)
    return found
