"""How far the results of every layer moved: two versions of a graph run side by side, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xir.ir.constant import Array
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops import elementwise, reduce
from xir.reference import run

MEASURED = 4
"""Samples (or batches) on which errors are measured, the first ones: the two sides of a run cost twice a run each, and
the mean over all elements of a layer hardly changes after a few pictures."""

_STATISTICS = 5
"""Numbers that are kept of each pair."""


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far one layer's results are from those in full precision, over all samples.

    Attributes:
        name: the layer of the source.
        op: the operator that ends it.
        max_absolute: the largest |exact - narrow|.
        relative: |exact - narrow| / |exact|, both Euclidean norms over all elements.
        sqnr: the signal-to-noise ratio in dB, -20 log10(relative); infinite where nothing moved.
        cosine: the cosine of the angle between the two.
        largest: the largest |exact|.
        finite: False where the narrow results hold NaN or infinities that the exact ones do not.
    """

    name: str
    op: str
    max_absolute: float
    relative: float
    sqnr: float
    cosine: float
    largest: float
    finite: bool = True

    def to_dict(self) -> dict[str, object]:
        """The error as plain data."""
        return {
            "name": self.name,
            "op": self.op,
            "max_absolute": self.max_absolute,
            "relative": self.relative,
            "sqnr": self.sqnr,
            "cosine": self.cosine,
            "largest": self.largest,
            "finite": self.finite,
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """Two values that stand for one result: in full precision, and narrow."""

    name: str
    op: str
    exact: Value
    narrow: Value


def layer_name(graph: Graph, node: Node) -> str:
    """What a person calls a node: the last layer that it stands for, else its result's name."""
    return node.source[-1].layer if node.source else graph.name_of(node.outputs[0])


def layer_errors(
    exact: Graph, parameters: Sequence[Parameter], pairs: Sequence[Pair], samples: Iterable[Mapping[str, ArrayLike]]
) -> tuple[LayerError, ...]:
    """The error of each pair over the first `MEASURED` samples; see `measure`."""
    return measure(exact, parameters, pairs, samples)[0]


def measure(
    exact: Graph,
    parameters: Sequence[Parameter],
    pairs: Sequence[Pair],
    samples: Iterable[Mapping[str, ArrayLike]],
    shifted: Sequence[Pair] = (),
) -> tuple[tuple[LayerError, ...], list[Array]]:
    """The error of each pair over the first `MEASURED` samples, and the mean shifts of the channels of some.

    Both sides hang on the inputs of `exact`, so that one run computes both; what a pair leaves behind are five sums,
    which the run itself computes in f64: no result outlives its readers.

    Args:
        exact: the model in full precision.
        parameters: the weights of the narrow side.
        pairs: what to compare.
        samples: the inputs, by name.
        shifted: pairs [N, C, ...] for which the mean of exact - narrow in each channel is wanted too.

    Returns:
        The errors, and the shifts, f64[C] each.
    """
    if not pairs:
        return (), []
    outputs: list[Value] = []
    for pair in pairs:
        outputs += _statistics(pair)
    outputs += [_shift(pair) for pair in shifted]
    names = tuple(str(number) for number in range(len(outputs)))
    single = names[: len(pairs) * _STATISTICS]
    both = _both(exact, parameters, tuple(outputs), names)
    sums = np.zeros((len(pairs), _STATISTICS))
    shifts: list[NDArray[np.float64]] = []
    count = 0
    for sample in islice(samples, MEASURED):
        found = run(both, sample)
        fresh = np.array([float(found[name]) for name in single]).reshape(len(pairs), _STATISTICS)
        sums[:, :3] += fresh[:, :3]
        sums[:, 3:] = np.maximum(sums[:, 3:], fresh[:, 3:])
        means = [np.nan_to_num(found[name].astype(np.float64), posinf=0.0, neginf=0.0) for name in names[len(single) :]]
        shifts = [a + b for a, b in zip(shifts, means, strict=True)] if count else means
        count += 1
    errors = tuple(_error(pair, row) for pair, row in zip(pairs, sums, strict=True))
    return errors, [np.asarray(total / count) for total in shifts]


def _both(exact: Graph, parameters: Sequence[Parameter], outputs: tuple[Value, ...], names: tuple[str, ...]) -> Graph:
    """One graph of both sides."""
    known = {parameter.value for parameter in exact.parameters}
    added = tuple(parameter for parameter in parameters if parameter.value not in known)
    held = {value: exact.names[value] for value in exact.inputs if value in exact.names}
    return Graph(exact.name, exact.inputs, outputs, names, (*exact.parameters, *added), held, exact.constraints)


def _shift(pair: Pair) -> Value:
    axes = tuple(axis for axis in range(pair.exact.rank) if axis != 1)
    return reduce.reduce_mean(elementwise.sub(pair.exact, pair.narrow), axes=axes, keep_dims=False)


def _statistics(pair: Pair) -> tuple[Value, ...]:
    """The sums of noise, signal and product, and the largest noise and signal, each f64[]."""
    exact, narrow = (elementwise.cast(value, dtype=DType.FLOAT64) for value in (pair.exact, pair.narrow))
    noise = elementwise.sub(exact, narrow)
    axes = tuple(range(exact.rank))

    def total(x: Value) -> Value:
        return reduce.reduce_sum(x, axes=axes, keep_dims=False)

    def most(x: Value) -> Value:
        return reduce.reduce_max(elementwise.abs_(x), axes=axes, keep_dims=False)

    squares = (elementwise.mul(a, b) for a, b in ((noise, noise), (exact, exact), (exact, narrow)))
    return (*(total(square) for square in squares), most(noise), most(exact))


def _error(pair: Pair, row: Array) -> LayerError:
    noise, signal, product, most, largest = (float(number) for number in row)
    finite = math.isfinite(noise)
    relative = ratio(noise, signal)
    # |narrow|^2 = |exact|^2 - 2 exact (exact - narrow) + |exact - narrow|^2, and exact * narrow is known.
    other = 2 * product - signal + noise
    cosine = product / math.sqrt(signal * other) if finite and signal > 0 and other > 0 else float(noise == 0)
    return LayerError(
        pair.name, pair.op, most, relative, decibels(relative), min(max(cosine, -1.0), 1.0), largest, finite
    )


def ratio(noise: float, signal: float) -> float:
    """The relative error of two sums of squares; infinite where noise is not finite, or there is no signal."""
    if not math.isfinite(noise):
        return math.inf
    if noise == 0:
        return 0.0
    return math.sqrt(noise / signal) if signal > 0 else math.inf


def decibels(relative: float) -> float:
    """A relative error as a signal-to-noise ratio in dB."""
    if relative == 0:
        return math.inf
    return -20 * math.log10(relative) if math.isfinite(relative) else -math.inf
