"""Comparing two models: the same inputs into both, every output against its partner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from xir.errors import UsageError
from xir.ir.constant import Array, Constant
from xir.ir.graph import Graph
from xir.ir.types import TensorType
from xir.reference import made_up_inputs, random_inputs
from xir.verification.causes import likely_cause
from xir.verification.certificate import Certificate, LayerDifference, versions, worst
from xir.verification.compare import ATOL, BOX_COLUMNS, RTOL, Difference, compare, compare_boxes, tensors_of
from xir.verification.drawn import drawn_outputs, drawn_values
from xir.verification.layers import Pair, pair_layers, values_of
from xir.verification.memory import check_held, check_memory
from xir.verification.nodes import compare_nodes, is_quantized
from xir.verification.runners import OnnxRuntimeRunner, ReferenceRunner, Runner
from xir.verification.trial import workable_sizes

SEEDS = (0, 1, 2)
Align = Mapping[str, tuple[int, ...]]


def verify_runners(
    a: Graph,
    b: Runner,
    *,
    names: tuple[str, str],
    feeds: Mapping[str, Array] | None = None,
    seeds: Sequence[int] = SEEDS,
    align: Align | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    layers_of: Graph | None = None,
    progress: Callable[[int, int], None] | None = None,
    state: Mapping[str, Constant] | None = None,
) -> Certificate:
    """Compares graph `a`, run by the reference, with `b`; inputs and outputs pair by name, else by position.

    Args:
        a: the first model, whose inputs are made up from `seeds` unless `feeds` gives them.
        b: the second model.
        names: what to call the two in the certificate.
        feeds: the inputs of `a` by name.
        seeds: of made-up inputs.
        align: {input or output name of `a`: permutation that brings a's axes to b's order}.
        rtol: relative tolerance.
        atol: absolute tolerance.
        layers_of: the second model as a graph, to compare layer by layer (by the reference on both sides).
        progress: told how many of the inputs are compared, and how many there are.
        state: what inputs of `a` begin with in the first of several rounds.

    Raises:
        UsageError: if they do not have as many inputs or outputs, `align` names none, or `a` fails on made-up inputs.
        UnsafeError: if made-up inputs need more than `MAX_RUN_BYTES`, or `b` does not end (`FOREIGN_SECONDS`).
    """
    inputs = _pair_names("inputs", a.input_names, b.input_names)
    outputs = _pair_names("outputs", a.output_names, b.output_names)
    align = _checked_align(a, align or {})
    layers = None if layers_of is None else _Layers(a, layers_of, (rtol, atol))
    found = _Found(outputs, (_box_outputs(a), _free_outputs(a, b)), align, (rtol, atol))
    for given in _rounds(a, layers_of, feeds, seeds, progress, state or {}):
        other = {inputs.get(name, name): _aligned(array, align.get(name)) for name, array in given.items()}
        _check_shapes(b, other, names, {partner: name for name, partner in inputs.items()})
        started = time.perf_counter()
        with made_up_inputs() if feeds is None else nullcontext():
            expected = ReferenceRunner(a).run(given) if layers is None else layers.compare(given, other)
        actual = b.run(other, peer_seconds=time.perf_counter() - started)
        found.add(other, expected, actual)
    certificate = Certificate(
        *names,
        (ReferenceRunner.runtime, b.runtime),
        () if feeds is not None else tuple(seeds),
        rtol,
        atol,
        tuple(worst(differences) for differences in found.differences.values()),
        *((layers.found(), tuple(layers.unpaired)) if layers is not None else ((), ())),
        versions(),
        tuple(name for name, seen in found.dull.items() if seen.constant),
        drawn=tuple(sorted(found.drawn)),
    )
    return certificate if certificate.passed else replace(certificate, nodes=found.agreeing_nodes(a, b))


class _Found:
    """What was found of each output so far.

    Attributes:
        boxes: outputs that are sets of boxes.
        free: outputs that random numbers decide, which the other side draws its own way.
        drawn: those of them that differ.
        rounds: what went into the second side, and what should have come out, by its names.
    """

    def __init__(
        self,
        outputs: Mapping[str, str],
        kinds: tuple[set[str], frozenset[str]],
        align: Align,
        tolerance: tuple[float, float],
    ) -> None:
        """Nothing is found yet; `kinds`: the outputs that are boxes, and those that are free."""
        self.outputs, self.align = outputs, align
        self.boxes, self.free = kinds
        self.rtol, self.atol = tolerance
        self.differences: dict[str, list[Difference]] = {name: [] for name in outputs}
        self.dull = {name: _Dull() for name in outputs}
        self.drawn: set[str] = set()
        self.rounds: list[tuple[Mapping[str, Array], Mapping[str, Array]]] = []

    def add(self, fed: Mapping[str, Array], expected: Mapping[str, Array], actual: Mapping[str, Array]) -> None:
        """Compares the results of one more run."""
        wanted = {partner: _aligned(expected[name], self.align.get(name)) for name, partner in self.outputs.items()}
        self.rounds.append((fed, wanted))
        for name, partner in self.outputs.items():
            self.dull[name].add(expected[name])
            how = compare_boxes if name in self.boxes else compare
            difference = how(name, wanted[partner], actual[partner], rtol=self.rtol, atol=self.atol)
            if name in self.free and difference.reason is None and not difference.equal:
                self.drawn.add(name)
                difference = Difference(name, difference.shape)
            self.differences[name].append(difference)

    def agreeing_nodes(self, a: Graph, b: Runner) -> int:
        """How many results of nodes agree one by one, if all do; 0 unless onnxruntime runs a quantised model."""
        if not (isinstance(b, OnnxRuntimeRunner) and b.file is not None and is_quantized(a)):
            return 0
        found = [compare_nodes(b.file, *each, self.rtol, self.atol) for each in self.rounds]
        agree = all(each.equal for differences in found for each in differences)
        return len(found[0]) - len(self.outputs) if agree and found[0] else 0


class _Dull:
    """Whether an output has been one number, or empty, so far."""

    def __init__(self) -> None:
        self.seen: Array | None = None
        self.elements = 0
        self.varies = False

    def add(self, result: object) -> None:
        """Looks at one more result, at each tensor of a sequence or a map."""
        for array in tensors_of(result):
            self._add(array)

    def _add(self, array: Array) -> None:
        self.elements += max(array.size, 1)
        if self.varies or not array.size:
            return
        flat = array.reshape(-1)
        self.seen = flat[:1].copy() if self.seen is None else self.seen
        kept = {"equal_nan": True} if flat.dtype.kind in "fc" else {}
        self.varies = not np.array_equal(flat, np.broadcast_to(self.seen, flat.shape), **kept)

    @property
    def constant(self) -> bool:
        """True where there was more than one element to see, and all were the same."""
        return self.elements > 1 and not self.varies


def _rounds(
    a: Graph,
    layers_of: Graph | None,
    feeds: Mapping[str, Array] | None,
    seeds: Sequence[int],
    progress: Callable[[int, int], None] | None,
    state: Mapping[str, Constant],
) -> Iterator[Mapping[str, Array]]:
    """The inputs of each round: those that are given, or made up from the seeds if their run fits into memory."""
    if feeds is None:
        for graph in (a,) if layers_of is None else (a, layers_of):
            check_memory(graph, what="the comparison")
    least = workable_sizes(a, seeds[0]) if feeds is None and seeds else None
    total = 1 if feeds is not None else len(seeds)
    for done in range(total):
        if progress is not None:
            progress(done, total)
        begun = {name: constant.array() for name, constant in state.items()} if total > 1 and not done else {}
        yield feeds if feeds is not None else {**random_inputs(a, seeds[done], least=least), **begun}


class _Layers:
    """The layers that two graphs share, compared on one set of inputs after the other.

    Inside a net nothing keeps numbers near one. A sum whose terms cancel is as inexact as its largest term, so the
    absolute tolerance of a layer is that of its largest element (Higham, Accuracy and Stability, section 4.2).
    """

    def __init__(self, a: Graph, b: Graph, tolerance: tuple[float, float]) -> None:
        self.a, self.b = a, b
        self.rtol, self.atol = tolerance
        pairs, self.unpaired = pair_layers(a, b)
        drawn = drawn_values(a)
        self.pairs = [pair for pair in pairs if pair.a not in drawn]
        self.unpaired += [pair.name for pair in pairs if pair.a in drawn]
        self.differences: list[list[Difference]] = [[] for _ in self.pairs]
        self.atols: dict[Pair, float] = {}
        check_held([pair.a for pair in self.pairs], [pair.b for pair in self.pairs])

    def compare(self, a_feeds: Mapping[str, Array], b_feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        """Compares every pair and returns the first side's outputs."""
        held_a, outputs = values_of(self.a, {pair.a for pair in self.pairs}, a_feeds)
        held_b, _ = values_of(self.b, {pair.b for pair in self.pairs}, self._named(b_feeds))
        for pair, differences in zip(self.pairs, self.differences, strict=True):
            atol = self.atol * max(1.0, _largest(held_a[pair.a]))
            theirs = _aligned(held_b[pair.b], pair.perm)
            differences.append(compare(pair.name, held_a[pair.a], theirs, rtol=self.rtol, atol=atol))
            self.atols[pair] = max(self.atols.get(pair, 0.0), atol)
        return outputs

    def _named(self, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        """The feeds by the graph's own names, which a runtime may spell differently."""
        if set(feeds) == set(self.b.input_names):
            return feeds
        return dict(zip(self.b.input_names, feeds.values(), strict=True))

    def found(self) -> tuple[LayerDifference, ...]:
        """Each pair's worst difference, with the likely cause where there is one."""
        result: list[LayerDifference] = []
        for pair, differences in zip(self.pairs, self.differences, strict=True):
            difference = worst(differences)
            cause = None if difference.equal else likely_cause(pair, self.a, self.b)
            result.append(LayerDifference(pair.a_words, pair.b_words, difference, self.atols[pair], cause))
        return tuple(result)


def _largest(array: Array) -> float:
    """The largest magnitude of the finite elements, 0 where there are none or they are no numbers."""
    if array.dtype.kind in "OUST":
        return 0.0
    magnitudes = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
    return float(magnitudes.max(initial=0.0, where=np.isfinite(magnitudes)))


def _pair_names(what: str, a: Sequence[str], b: Sequence[str]) -> dict[str, str]:
    if len(a) != len(b):
        raise UsageError(f"the models have {len(a)} and {len(b)} {what}: {list(a)} and {list(b)}")
    if set(a) == set(b):
        return {name: name for name in a}
    return dict(zip(a, b, strict=True))


def _check_shapes(b: Runner, feeds: Mapping[str, Array], names: tuple[str, str], ours: Mapping[str, str]) -> None:
    """Refuses to feed the second model what it cannot take, before its runtime says so in its own words.

    Raises:
        UsageError: the two models take other shapes.
    """
    for name, shape in zip(b.input_names, b.input_shapes, strict=True):
        fed = feeds.get(name)
        given = fed.shape if isinstance(fed, np.ndarray) else None
        if shape is None or given is None or _fits(given, shape):
            continue
        wanted = ",".join("?" if size is None else str(size) for size in shape)
        got = ",".join(map(str, given))
        perm = next((p for p in _LAYOUTS.get(len(given), ()) if _fits(tuple(given[axis] for axis in p), shape)), None)
        mine = ours.get(name, name)
        if perm is not None:
            hint = f"another layout of the axes is told by --align {mine}={','.join(map(str, perm))}"
        else:
            hint = f"another size by --input {mine}=TYPE (of the first model), another layout by --align {mine}=AXES"
        raise UsageError(f"{names[1]} takes {name!r} as [{wanted}], {names[0]} gives [{got}]", hint=hint)


_LAYOUTS: Mapping[int, tuple[tuple[int, ...], ...]] = {
    3: ((0, 2, 1), (1, 2, 0), (2, 0, 1)),
    4: ((0, 2, 3, 1), (0, 3, 1, 2)),
    5: ((0, 2, 3, 4, 1), (0, 4, 1, 2, 3)),
}
"""{rank: permutations that bring channels to the end and back}, to be proposed."""


def _fits(given: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(given) == len(shape) and all(b is None or a == b for a, b in zip(given, shape, strict=True))


def _checked_align(a: Graph, align: Align) -> Align:
    ranks = {
        name: value.type.rank
        for name, value in (
            *zip(a.input_names, a.inputs, strict=True),
            *zip(a.output_names, a.outputs, strict=True),
        )
        if isinstance(value.type, TensorType)
    }
    for name, perm in align.items():
        if name not in ranks:
            raise UsageError(f"--align {name}: neither an input nor an output; known are {list(ranks)}")
        if sorted(perm) != list(range(ranks[name])):
            raise UsageError(f"--align {name}={list(perm)}: expected a permutation of {ranks[name]} axes")
    return align


def _aligned(array: Array, perm: tuple[int, ...] | None) -> Array:
    return array if perm is None else np.ascontiguousarray(array.transpose(perm))


def _free_outputs(a: Graph, b: Runner) -> frozenset[str]:
    return frozenset() if b.draws_alike else drawn_outputs(a)


def _box_outputs(graph: Graph) -> set[str]:
    return {
        name
        for name, value in zip(graph.output_names, graph.outputs, strict=True)
        if value.node is not None and value.node.op.name == "detection_output" and value.shape[-1] == BOX_COLUMNS
    }
