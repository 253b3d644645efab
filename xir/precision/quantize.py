"""Post-training quantisation: static, dynamic, or of the weights alone, with the error of every layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from xir.errors import UsageError
from xir.ir.constant import Array
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.training import without_training
from xir.ir.types import TensorType
from xir.ir.weights import bytes_in_file, weights_of
from xir.precision.calibration import RandomSamples, Samples, samples_of
from xir.precision.dynamic import Unscaled
from xir.precision.integers import Scale
from xir.precision.layer_errors import LayerError, Pair, layer_errors, layer_name, measure
from xir.precision.plan import plan_static
from xir.precision.prepare import with_gemms
from xir.precision.ranges import Range, ranges_of
from xir.precision.readers import seen_end
from xir.precision.settings import Method, Mode, Quantization, WeightType
from xir.precision.sites import WEIGHTED, sites
from xir.precision.static import Integers, Loose, layer_in_integers, quantize_static


@dataclass(frozen=True, slots=True)
class QuantizedLayer:
    """What became of a layer with weights.

    Attributes:
        name: the layer of the source.
        op: its operator.
        quantized: whether it has integer weights now.
        reason: why it has not, else empty.
        own: its error on exact operands: what its own integers do; None where that was not measured.
        total: the error of its results in the quantised model, with what the layers before it did; behind the function
            (relu, hard_swish, sigmoid ...) that alone reads them, which decides what of them matters.
    """

    name: str
    op: str
    quantized: bool
    reason: str
    own: LayerError | None
    total: LayerError | None

    def to_dict(self) -> dict[str, object]:
        """The layer as plain data."""
        return {
            "name": self.name,
            "op": self.op,
            "quantized": self.quantized,
            "reason": self.reason,
            "own": self.own.to_dict() if self.own else None,
            "total": self.total.to_dict() if self.total else None,
        }


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What a quantisation did, and what it cost.

    Attributes:
        settings: how it was done.
        layers: every layer that has weights.
        outputs: the error of each output of the model.
        samples: how many samples (or batches) were seen.
        made_up: whether they were made up, so that ranges and errors are those of noise.
        bytes_before: the weights' bytes before.
        bytes_after: and after.
        notes: what a person should know.
    """

    settings: Quantization
    layers: tuple[QuantizedLayer, ...]
    outputs: tuple[LayerError, ...]
    samples: int
    made_up: bool
    bytes_before: int
    bytes_after: int
    notes: tuple[str, ...] = ()

    @property
    def quantized(self) -> int:
        """How many layers have integer weights now."""
        return sum(layer.quantized for layer in self.layers)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data."""
        settings = self.settings
        return {
            "version": 1,
            "mode": settings.mode,
            "weights": settings.weights,
            "per_channel": settings.per_channel,
            "symmetric": settings.symmetric,
            "method": settings.method if settings.mode == "static" else None,
            "max_error": settings.limit,
            "samples": self.samples,
            "made_up": self.made_up,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "notes": list(self.notes),
            "outputs": [output.to_dict() for output in self.outputs],
            "layers": [layer.to_dict() for layer in self.layers],
        }


@dataclass(frozen=True, slots=True)
class QuantizationResult:
    """A quantised model, and what that cost."""

    graph: Graph
    report: QuantizationReport


def quantize(
    graph: Graph,
    calibration: Iterable[Mapping[str, ArrayLike]] | None = None,
    *,
    mode: Mode = "static",
    weights: WeightType = "int8",
    per_channel: bool = True,
    symmetric: bool = False,
    method: Method = "mse",
    exclude: Sequence[str] = (),
    max_error: float | None = None,
    settings: Quantization | None = None,
    made_up: Samples | None = None,
) -> QuantizationResult:
    """The graph with integer weights, and with integers between its layers where `mode` is static.

    Args:
        graph: the model; what `xir.optimize` leaves has batch norms folded, which quantises better.
        calibration: inputs by name, one sample or batch after the other, held one at a time; None makes them up, which
            the report says.
        mode: see `Quantization`, like everything that follows.
        weights: see there.
        per_channel: see there.
        symmetric: see there.
        method: see there.
        exclude: see there.
        max_error: see there; None for its default.
        settings: everything at once, instead of the words before.
        made_up: the samples where there is no calibration, instead of four from seed 0.

    Raises:
        UsageError: for words that contradict each other, unknown layers, or calibration without samples.
        InvalidModelError: if the model cannot compute on a sample.
    """
    plain = Quantization(mode, weights, per_channel, symmetric, method, exclude=tuple(exclude), max_error=max_error)
    chosen = settings or plain
    graph = without_training(graph, "its weights are no integers")
    samples = (made_up or RandomSamples(graph)) if calibration is None else samples_of(calibration)
    work = _Work(with_gemms(graph) if chosen.mode == "static" else graph, chosen, samples, calibration is None)
    return work.static() if chosen.mode == "static" else work.unscaled()


class _Work:
    """One quantisation, step by step."""

    def __init__(self, graph: Graph, settings: Quantization, samples: Samples, made_up: bool) -> None:
        self.graph, self.settings, self.samples, self.made_up = graph, settings, samples, made_up
        self.left = _excluded(graph, settings.exclude)
        self.own: dict[Node, LayerError] = {}
        self.shifts: dict[Node, Array] = {}
        self.count = 0

    def static(self) -> QuantizationResult:
        """Ranges, then each layer alone, then those that may become integers together.

        Rounding a weight moves the mean of what it makes, by much the same in every sample; the bias takes it back
        (Nagel et al. 2019, Data-Free Quantization through Weight Equalization and Bias Correction, section 4.2).
        """
        plan = plan_static(self.graph, self.left)
        wanted = dict.fromkeys(plan.scale_of(value) for value in plan.values)
        ranges, self.count = ranges_of(self.graph, wanted, self.samples, self.settings)
        integers = Integers(self.graph, plan, ranges, self.settings)
        self._measure_alone(integers)
        if self._leave_inexact():
            plan = plan_static(self.graph, self.left)
            more = dict.fromkeys(plan.scale_of(value) for value in plan.values)
            integers = Integers(self.graph, plan, self._more_ranges(more, ranges), self.settings)
        integers.shift.update(self.shifts)
        made = quantize_static(self.graph, integers)
        return self._result(made.graph, made.pairs, {node for node, held in plan.nodes.items() if held})

    def _more_ranges(self, values: Iterable[Value], ranges: dict[Value, Range]) -> dict[Value, Range]:
        """The ranges with those of values that only the new plan has."""
        missing = [value for value in values if value not in ranges]
        if missing:
            ranges = {**ranges, **ranges_of(self.graph, missing, self.samples, self.settings)[0]}
        return ranges

    def unscaled(self) -> QuantizationResult:
        """Dynamic, or weights alone: each layer is measured in the whole, and those beyond the limit are left."""
        work = Unscaled(self.graph, self.settings, self.left)
        result = work.run()
        alone = _alone_unscaled(self.graph, work)
        errors = layer_errors(self.graph, alone.parameters, alone.pairs, self.samples)
        self.own = dict(zip(alone.nodes, errors, strict=True))
        self.count = sum(1 for _ in self.samples)
        if self._leave_inexact():
            work = Unscaled(self.graph, self.settings, self.left)
            result = work.run()
        return self._result(result, work.pairs, set(work.nodes))

    def _measure_alone(self, integers: Integers) -> None:
        """The error of each layer on exact operands, and what its biases could take back of it."""
        alone = _Alone()
        for node, held in integers.plan.nodes.items():
            if held:
                alone.add(self.graph, node, integers)
        wanted = self.settings.correct_bias
        biased = [pair for pair in alone.pairs if wanted and pair.op in ("conv", "gemm")]
        errors, shifts = measure(self.graph, alone.loose.parameters, alone.pairs, self.samples, biased)
        self.own = dict(zip(alone.nodes, errors, strict=True))
        made = {pair.exact: shift for pair, shift in zip(biased, shifts, strict=True)}
        self.shifts = {node: made[node.outputs[0]] for node in alone.nodes if node.outputs[0] in made}

    def _leave_inexact(self) -> bool:
        """Leaves the layers whose own error is beyond the limit; whether there are any."""
        found = False
        for node, error in self.own.items():
            if error.relative > self.settings.limit or not error.finite:
                self.left[node] = f"its own error {error.relative:.3g} is beyond the limit of {self.settings.limit:g}"
                found = True
        return found

    def _result(self, graph: Graph, pairs: Sequence[Pair], done: set[Node]) -> QuantizationResult:
        ends = [
            Pair(name, "output", before, after)
            for name, before, after in zip(self.graph.output_names, self.graph.outputs, graph.outputs, strict=True)
            if isinstance(before.type, TensorType) and before.type.dtype.is_floating
        ]
        errors = layer_errors(self.graph, graph.parameters, [*pairs, *ends], self.samples)
        total = {pair.exact: error for pair, error in zip(pairs, errors, strict=False)}
        layers = tuple(self._layer(node, total, done) for node in self.graph.nodes if node.op.name in WEIGHTED)
        held = tuple(layer for layer in layers if layer is not None)
        before, after = (sum(map(bytes_in_file, weights_of(each))) for each in (self.graph, graph))
        report = QuantizationReport(
            self.settings, held, errors[len(pairs) :], self.count, self.made_up, before, after, self._notes(held)
        )
        return QuantizationResult(graph, report)

    def _layer(self, node: Node, total: Mapping[Value, LayerError], done: set[Node]) -> QuantizedLayer | None:
        if not sites(node, self.graph.constant_of):
            return None
        quantized = node in done
        reason = "" if quantized else self.left.get(node, "this mode leaves it in float")
        return QuantizedLayer(
            layer_name(self.graph, node),
            node.op.name,
            quantized,
            reason,
            self.own.get(node),
            total.get(seen_end(self.graph, node.outputs[0]), total.get(node.outputs[0])),
        )

    def _notes(self, layers: Sequence[QuantizedLayer]) -> tuple[str, ...]:
        notes: list[str] = []
        if self.made_up:
            notes.append("the samples were made up: ranges and errors are those of noise; give real ones to calibrate")
        notes += [f"{each.name} ({each.op}) stays in float: {each.reason}" for each in layers if "limit" in each.reason]
        if not any(layer.quantized for layer in layers):
            notes.append("nothing was quantised")
        return tuple(notes)


def _excluded(graph: Graph, names: Sequence[str]) -> dict[Node, str]:
    """The nodes of the layers that a person names.

    Raises:
        UsageError: if there is no such layer.
    """
    found: dict[Node, str] = {}
    seen: set[str] = set()
    for node in graph.nodes:
        mine = {source.layer for source in node.source} | {layer_name(graph, node), graph.name_of(node.outputs[0])}
        hit = [name for name in names if name in mine]
        if hit:
            found[node] = "asked for"
            seen.update(hit)
    missing = [name for name in names if name not in seen]
    if missing:
        raise UsageError(f"there is no layer {missing[0]!r} to exclude", hint="xir inspect names them")
    return found


class _Alone:
    """Layers in integers, each on the exact operands of the model in float."""

    def __init__(self) -> None:
        self.loose, self.nodes, self.pairs = Loose(), list[Node](), list[Pair]()
        self.parameters: Sequence[Parameter] = self.loose.parameters

    def add(self, graph: Graph, node: Node, integers: Integers) -> None:
        """The integer side of a layer of a static plan."""

        def operand(old: Value, new: Value) -> Value:
            scale: Scale | None = integers.scales.get(old)
            return new if scale is None else integers.there_and_back(new, scale)

        made = layer_in_integers(node, node, integers, self.loose, operand)
        self.nodes.append(node)
        self.pairs.append(Pair(layer_name(graph, node), node.op.name, node.outputs[0], made.outputs[0]))


def _alone_unscaled(graph: Graph, work: Unscaled) -> _Alone:
    """The same of dynamic and weights alone."""
    alone = _Alone()
    for node in graph.nodes:
        if node in work.nodes:
            made = work.made(node, sites(node, graph.constant_of), alone.loose)
            alone.nodes.append(node)
            alone.pairs.append(Pair(layer_name(graph, node), node.op.name, node.outputs[0], made[0]))
    return alone
