"""The range of each value over the samples: least and largest, and a histogram where the method asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xir.errors import UsageError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops._windows import integer_limits
from xir.precision.calibration import Samples
from xir.precision.integers import scale_of
from xir.precision.readers import Floats, Sight, View, sight_of
from xir.precision.settings import Quantization
from xir.reference import run

BINS = 2048
"""Bins of a histogram (as TensorRT's and onnxruntime's calibrators have)."""

_STEPS = 64
"""Candidates for the end of a range, from all of it down to 1/64."""

_LEVELS = 128
"""Levels that half the range of 8 bits has (Migacz, 8-bit Inference with TensorRT, 2017)."""

Range = tuple[float, float]
See = Callable[[Value, Array], None]


@dataclass(slots=True)
class _Extremes:
    """Least and largest number that was seen."""

    low: float = np.inf
    high: float = -np.inf

    def add(self, array: Array) -> None:
        finite = array[np.isfinite(array)]
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))


def ranges_of(
    graph: Graph, wanted: Iterable[Value], samples: Samples, settings: Quantization
) -> tuple[dict[Value, Range], int]:
    """The range of each wanted value, and the number of samples; memory is that of one sample's run.

    Raises:
        UsageError: if there are no samples, or a value was never seen with a finite number.
    """
    extremes = {value: _Extremes() for value in wanted}
    count = _walk(graph, samples, extremes, lambda value, array: extremes[value].add(array))
    if not count:
        raise UsageError("there is no sample to calibrate with", hint="give at least one set of inputs")
    # A branch that no sample took, or an empty result, tells nothing: 0 alone is its range.
    plain = {value: (seen.low, seen.high) if seen.low <= seen.high else (0.0, 0.0) for value, seen in extremes.items()}
    if settings.method == "minmax":
        return plain, count
    histograms = {value: np.zeros(BINS) for value in plain}
    seen = {value: sight_of(graph, value) for value in plain}

    def see(value: Value, array: Array) -> None:
        low, high = plain[value]
        if high > low:
            histograms[value] += _histogram(array, plain[value], seen[value] if settings.method == "mse" else None)

    _walk(graph, samples, extremes, see)
    return {value: _narrowed(plain[value], histograms[value], settings, seen[value].views) for value in plain}, count


def _histogram(array: Array, ends: Range, sight: Sight | None) -> Floats:
    """How many numbers lie in each bin; each counts as much as its channel does for the readers."""
    finite = np.isfinite(array)
    weights = None if sight is None else sight.weights_like(array)
    return np.asarray(
        np.histogram(array[finite], BINS, ends, weights=None if weights is None else weights[finite])[0], np.float64
    )


def _walk(graph: Graph, samples: Samples, wanted: Mapping[Value, object], see: See) -> int:
    count = 0
    inputs = [(name, value) for name, value in zip(graph.input_names, graph.inputs, strict=True) if value in wanted]

    def observe(node: Node, results: tuple[Array, ...]) -> None:
        for value, array in zip(node.outputs, results, strict=True):
            if value in wanted:
                see(value, array)

    for sample in samples:
        for name, value in inputs:
            if name in sample:
                see(value, np.asarray(sample[name]))
        run(graph, sample, observe=observe)
        count += 1
    return count


def _narrowed(whole: Range, histogram: NDArray[np.float64], settings: Quantization, seen: Sequence[View]) -> Range:
    low, high = whole
    if not high > low or not histogram.any():
        return whole
    match settings.method:
        case "percentile":
            return _percentile(whole, histogram, settings.percentile)
        case "entropy":
            return _entropy(whole, histogram)
        case _:
            return _least_loss(whole, histogram, settings, seen)


def _percentile(whole: Range, histogram: NDArray[np.float64], percent: float) -> Range:
    """The range without the outermost numbers on either side, as many as the percentile leaves out."""
    low, high = whole
    share = np.cumsum(histogram) / histogram.sum()
    tail = (1 - percent / 100) / 2
    edges = np.linspace(low, high, BINS + 1)
    first = int(np.searchsorted(share, tail, side="right"))
    last = int(np.searchsorted(share, 1 - tail, side="left"))
    return min(float(edges[min(first, BINS - 1)]), 0.0), max(float(edges[min(last, BINS - 1) + 1]), 0.0)


def _least_loss(whole: Range, histogram: NDArray[np.float64], settings: Quantization, seen: Sequence[View]) -> Range:
    """The range whose integers move what readers see least in the mean of squares; each end is tried on its own.

    A second round starts from what the first one found, in finer steps.
    """
    low, high = whole
    edges = np.linspace(low, high, BINS + 1)
    used = histogram > 0
    centers, counts = ((edges[:-1] + edges[1:]) / 2)[used], histogram[used]
    loss = _Loss(centers, counts, settings.activation_type, seen)
    best = min(low, 0.0), max(high, 0.0)
    for _ in range(2):
        for side in (1, 0):
            end = best[side]
            tried = [_replaced(best, side, end * step / _STEPS) for step in range(_STEPS, 0, -1)]
            best = min(tried, key=loss.of)
    return best


def _replaced(ends: Range, side: int, end: float) -> Range:
    return (ends[0], end) if side else (end, ends[1])


class _Loss:
    """How far integers move what readers see of numbers, as a part of its size."""

    def __init__(self, centers: Floats, counts: Floats, dtype: DType, views: Sequence[View]) -> None:
        self.centers, self.counts, self.dtype = centers, counts, dtype
        exact = [view(centers) for view in views]
        signals = [float((counts * each**2).sum()) or 1.0 for each in exact]
        self.seen = tuple(zip(views, exact, signals, strict=True))

    def of(self, ends: Range) -> float:
        """The noise of the range `ends` over the signal, each the sum of squares, summed over the readers."""
        found = scale_of(*ends, self.dtype)
        whole = np.clip(np.rint(self.centers / found.scale) + found.zero_point, *integer_limits(found.dtype))
        held, half = (whole - found.zero_point) * found.scale, found.scale / 2
        total = 0.0
        for view, exact, signal in self.seen:
            moved = (view(held) - exact) ** 2
            # Inside one step the error is that of rounding, a twelfth of the square of what the step becomes, which
            # bins finer than a step would understate.
            rounding = (view(self.centers + half) - view(self.centers - half)) ** 2 / 12
            total += float((self.counts * np.maximum(moved, rounding)).sum()) / signal
        return total


def _entropy(whole: Range, histogram: NDArray[np.float64]) -> Range:
    """The range whose 128 levels tell least from the numbers as they are (Kullback and Leibler; Migacz 2017).

    Magnitudes are compared; the ends are cut to the magnitude that is found.
    """
    low, high = whole
    most = max(-low, high)
    edges = np.linspace(low, high, BINS + 1)
    magnitudes = np.abs((edges[:-1] + edges[1:]) / 2)
    folded = np.histogram(magnitudes, BINS, (0.0, most), weights=histogram)[0]
    best, threshold = np.inf, most
    for end in range(_LEVELS, BINS + 1, 8):
        divergence = _divergence(folded, end)
        if divergence < best:
            best, threshold = divergence, most * end / BINS
    return max(low, -threshold), min(high, threshold)


def _divergence(folded: NDArray[np.float64], end: int) -> float:
    kept = folded[:end].copy()
    exact = kept.copy()
    exact[-1] += folded[end:].sum()
    places = np.arange(end) * _LEVELS // end
    used = kept > 0
    totals = np.bincount(places, kept, _LEVELS)
    counts = np.bincount(places, used, _LEVELS)
    mean = np.divide(totals, counts, out=np.zeros(_LEVELS), where=counts > 0)
    approximate = np.where(used, mean[places], 0.0)
    p, q = exact / exact.sum(), approximate / max(float(approximate.sum()), 1.0)
    both = (p > 0) & (q > 0)
    missing = (p > 0) & (q <= 0)
    return float((p[both] * np.log(p[both] / q[both])).sum() + 10.0 * p[missing].sum())
