"""A model in f16 or bf16: weights converted, casts where something stays in f32, and a report of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from xir.errors import InvalidModelError, UsageError, XirError
from xir.ir.builder import apply
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.training import without_training
from xir.ir.types import DType, TensorType, dtype_from_name
from xir.ir.walk import bodies
from xir.ir.weights import bytes_in_file, weights_of
from xir.ops.constant import constant
from xir.ops.elementwise import cast
from xir.precision.borders import narrow_borders
from xir.precision.calibration import RandomSamples, Samples, largest_values, samples_of
from xir.precision.kept import KEPT, WIDE, is_wide, reasons_to_stay
from xir.precision.layer_errors import LayerError, Pair, layer_errors, layer_name
from xir.precision.settings import Precision
from xir.precision.weights import ConvertedWeight, Overflow, convert_weight, limits_of
from xir.reference.inputs import Least

_NARROW = (DType.FLOAT16, DType.BFLOAT16)

_ALWAYS = {"constant": "", "if": "", "loop": "", "scan": "", "sequence_map": ""}
"""Operators that are not converted themselves: their readers, or the bodies' nodes, are."""


@dataclass(frozen=True, slots=True)
class PrecisionReport:
    """What became of a model in a narrower type.

    Attributes:
        dtype: f16 or bf16.
        converted: how many nodes compute in it.
        kept: {why: the layers that stay as they were}.
        weights: what the weights lost.
        casts: casts in the result that the model had not.
        bytes_before: the weights' bytes before.
        bytes_after: and after.
        layers: the error of each layer on the samples; empty where there were none.
        made_up: whether the samples were made up.
        failure: why the errors were not measured, else empty.
        largest: the largest magnitude of the outputs on the samples, 1 where there were none.
    """

    dtype: DType
    converted: int
    kept: Mapping[str, tuple[str, ...]]
    weights: tuple[ConvertedWeight, ...]
    casts: int
    bytes_before: int
    bytes_after: int
    layers: tuple[LayerError, ...] = ()
    made_up: bool = False
    failure: str = ""
    largest: float = 1.0

    @property
    def tolerances(self) -> tuple[float, float]:
        """The relative and absolute tolerance within which two runtimes agree on the result.

        Runtimes round where they like: some fuse operators, some compute in f32 between casts. 40 roundings of the
        type (2^-11 for f16, 2^-8 for bf16), as a deep net adds them up, of each number and of the largest one.
        """
        unit = 2.0**-11 if self.dtype is DType.FLOAT16 else 2.0**-8
        return 40 * unit, 40 * unit * max(1.0, self.largest)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know."""
        found: list[str] = []
        clamped = [weight.name for weight in self.weights if weight.clamped]
        if clamped:
            found.append(f"{self.clamped} weights became the largest {self.dtype}, in {', '.join(clamped[:3])}")
        if self.flushed:
            found.append(f"{self.flushed} weights became 0: they are below the least {self.dtype}")
        found += [self.failure] if self.failure else []
        lost = [layer.name for layer in self.layers if not layer.finite]
        if lost:
            found.append(f"{lost[0]} and {len(lost) - 1} more layers are not finite on the samples")
        return tuple(found)

    @property
    def clamped(self) -> int:
        """How many weights became the largest number of the type."""
        return sum(weight.clamped for weight in self.weights)

    @property
    def flushed(self) -> int:
        """How many weights became 0."""
        return sum(weight.flushed for weight in self.weights)

    @property
    def subnormal(self) -> int:
        """How many weights became subnormal numbers."""
        return sum(weight.subnormal for weight in self.weights)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data."""
        return {
            "version": 1,
            "dtype": str(self.dtype),
            "converted": self.converted,
            "kept": {reason: list(layers) for reason, layers in self.kept.items()},
            "casts": self.casts,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "clamped": self.clamped,
            "flushed": self.flushed,
            "subnormal": self.subnormal,
            "weights": [each.to_dict() for each in self.weights if each.clamped or each.flushed or each.subnormal],
            "layers": [layer.to_dict() for layer in self.layers],
            "made_up": self.made_up,
            "failure": self.failure,
        }


@dataclass(frozen=True, slots=True)
class PrecisionResult:
    """A model in a narrower type, and what that cost."""

    graph: Graph
    report: PrecisionReport


def to_precision(
    graph: Graph,
    dtype: DType | str,
    *,
    keep_io: bool = False,
    keep: Iterable[str] | None = None,
    overflow: Overflow = "keep",
) -> Graph:
    """The graph with its f32 and f64 numbers in f16 or bf16; see `narrowed` for the arguments and the report."""
    return narrowed(graph, dtype, keep_io=keep_io, keep=keep, overflow=overflow, measured=False).graph


def narrowed(
    graph: Graph,
    dtype: DType | str,
    *,
    keep_io: bool = False,
    keep: Iterable[str] | None = None,
    keep_layers: Iterable[str] = (),
    overflow: Overflow = "keep",
    samples: Iterable[Mapping[str, ArrayLike]] | None = None,
    measured: bool = True,
    least: Least | None = None,
) -> PrecisionResult:
    """The graph with its f32 and f64 numbers in f16 or bf16, and what that cost.

    Args:
        graph: the model, with static or symbolic sizes, which stay as they are.
        dtype: `f16` or `bf16`.
        keep_io: inputs and outputs keep their element types.
        keep: operators that stay in f32, instead of those of `KEPT`.
        keep_layers: layers of the source that stay in f32 as well.
        overflow: what becomes of weights that are too large: `keep` them and their readers in f32 (numbers beyond
            1e30 stand for infinity and become the type's largest one), `clamp` them, or `refuse` the model.
        samples: inputs by name, on which values that leave the type's range are found (their makers and readers stay
            in f32), and on which the error of each layer is measured.
        measured: without samples, measures on made-up ones, which decide nothing.
        least: the least sizes of made-up samples (`xir.verification.workable_sizes`).

    Raises:
        UsageError: for another type, unknown operators or layers, or samples that can be walked only once.
        InvalidModelError: if a weight overflows and that is refused.
    """
    chosen = dtype_from_name(dtype) if isinstance(dtype, str) else dtype
    if chosen not in _NARROW:
        raise UsageError(f"numbers become f16 or bf16, not {chosen}", hint="integers are the work of quantize")
    graph = without_training(graph, "its weights are wide")
    given = None if samples is None else samples_of(samples)
    kept = _kept_operators(keep)
    work = _Narrowing(graph, chosen, overflow, _staying(graph, kept, tuple(keep_layers), given, chosen), kept)
    inner = _named(rewrite(graph, work.replace), work.names)
    result = inner if keep_io else narrow_borders(inner, chosen)
    errors, failure = tuple[LayerError, ...](), ""
    if measured or given is not None:
        walked = RandomSamples(graph, least=least) if given is None else given
        errors, failure = _measured(graph, inner, work.pairs, walked, given is None)
    before, after = (sum(map(bytes_in_file, weights_of(each))) for each in (graph, result))
    report = PrecisionReport(
        chosen,
        work.converted,
        {reason: tuple(layers) for reason, layers in work.kept.items()},
        tuple(work.weights),
        _casts(result) - _casts(graph),
        before,
        after,
        errors,
        given is None and measured,
        failure,
        max((e.largest for p, e in zip(work.pairs, errors, strict=False) if p.exact in graph.outputs), default=1.0),
    )
    return PrecisionResult(result, report)


def narrowed_as(
    graph: Graph, precision: Precision, *, measured: bool = True, least: Least | None = None
) -> PrecisionResult:
    """What `narrowed` makes of the wishes of a conversion; without `measured`, of a model that is not run at all.

    Where no samples are given, the unknown sizes of made-up ones are at least those of `least`.
    """
    samples = precision.samples(graph) if precision.samples is not None and measured else None
    return narrowed(
        graph,
        precision.dtype,
        keep_io=precision.keep_io,
        keep=precision.keep,
        keep_layers=precision.keep_layers,
        overflow=precision.overflow,
        samples=samples,
        measured=measured,
        least=least,
    )


def _measured(
    graph: Graph, narrow: Graph, pairs: Sequence[Pair], samples: Samples, made_up: bool
) -> tuple[tuple[LayerError, ...], str]:
    """The error of each layer, and why it could not be measured on made-up samples.

    Raises:
        XirError: if the model cannot compute on samples that were given.
    """
    try:
        return layer_errors(graph, narrow.parameters, pairs, samples), ""
    except XirError as error:
        if not made_up:
            raise
        return (), f"the layers' errors were not measured: made-up samples do not fit the model ({error.message})"


def _casts(graph: Graph) -> int:
    return sum(node.op.name == "cast" for node in graph.nodes)


def _kept_operators(keep: Iterable[str] | None) -> Mapping[str, str]:
    """The operators that stay, with reasons.

    Raises:
        UsageError: if a name is no operator.
    """
    from xir.ops import table

    if keep is None:
        return KEPT
    names = tuple(keep)
    unknown = [name for name in names if name not in table()]
    if unknown:
        raise UsageError(f"there is no operator {unknown[0]!r} to keep", hint="`xir ops` names them all")
    return {name: KEPT.get(name, "asked for") for name in names}


def _mark_layers(graph: Graph, layers: Sequence[str], stay: dict[Node, str]) -> None:
    """Marks the nodes of the layers that a person names.

    Raises:
        UsageError: if there is no such layer.
    """
    seen: set[str] = set()
    for node in graph.nodes:
        mine = {source.layer for source in node.source} | {layer_name(graph, node)}
        hit = [layer for layer in layers if layer in mine]
        if hit:
            stay[node] = "asked for"
            seen.update(hit)
    missing = [layer for layer in layers if layer not in seen]
    if missing:
        raise UsageError(f"there is no layer {missing[0]!r}", hint="xir inspect names them")


def _staying(
    graph: Graph, kept: Mapping[str, str], layers: tuple[str, ...], given: Samples | None, dtype: DType
) -> dict[Node, str]:
    """{operator that stays in f32: why}."""
    stay = reasons_to_stay(graph, kept)
    _mark_layers(graph, layers, stay)
    if given is not None:
        _mark_overflowing(graph, given, dtype, stay)
    return stay


def _mark_overflowing(graph: Graph, samples: Samples, dtype: DType, stay: dict[Node, str]) -> None:
    """Marks what makes or reads numbers beyond the type's range."""
    most = limits_of(dtype)[0]
    large = {value for value, size in largest_values(graph, samples).items() if size > most}
    for node in graph.nodes:
        if any(value in large for value in (*node.inputs, *node.outputs) if value is not None):
            stay.setdefault(node, f"its numbers leave the range of {dtype} on the samples")


def _named(graph: Graph, names: Mapping[Value, str]) -> Graph:
    """The graph with names of narrow values, where the wide ones that had them are gone."""
    taken = set(graph.names.values())
    alive = {value for node in graph.nodes for value in node.outputs}
    more = {value: name for value, name in names.items() if value in alive and name not in taken}
    if not more or not graph.nodes:
        return graph
    return Graph(
        graph.name,
        graph.inputs,
        graph.outputs,
        graph.output_names,
        graph.parameters,
        {**graph.names, **more},
        graph.constraints,
    )


@dataclass(slots=True)
class _Room:
    """What belongs to one graph or body while it is rebuilt: its old nodes in order, and what was cast already."""

    nodes: Iterator[Node]
    stay: Mapping[Node, str]
    cast: dict[tuple[Value, DType], Value | None] = field(default_factory=dict[tuple[Value, DType], "Value | None"])


class _Narrowing:
    """The rewrite of one model.

    Every value keeps its type: a node in the narrow type is followed by a cast back, through which readers in the
    narrow type look, so that casts cancel as they are made, and those that nobody reads are not there.
    """

    def __init__(
        self, graph: Graph, dtype: DType, overflow: Overflow, stay: Mapping[Node, str], keep: Mapping[str, str]
    ) -> None:
        self.dtype, self.keep = dtype, keep
        self.overflow: Overflow = overflow
        self.converted = 0
        self.kept: dict[str, dict[str, None]] = {}
        self.weights: list[ConvertedWeight] = []
        self.pairs: list[Pair] = []
        self.names: dict[Value, str] = {}
        self._top, self._stay = graph, stay
        self._rooms: dict[Rewriter, _Room] = {}

    def replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        """The node in the narrow type, or None where it stays."""
        room = self._room(rewriter)
        old = next(room.nodes)
        made = self._narrow(old, node, room, rewriter)
        if made is not None:
            self.converted += 1
        if rewriter.graph is self._top:
            self._pair(old, node.outputs if made is None else made)
        return made

    def _room(self, rewriter: Rewriter) -> _Room:
        if rewriter not in self._rooms:
            graph = rewriter.graph
            stay = self._stay if graph is self._top else reasons_to_stay(graph, self.keep)
            self._rooms[rewriter] = _Room(iter(graph.nodes), stay)
        return self._rooms[rewriter]

    def _narrow(self, old: Node, node: Node, room: _Room, rewriter: Rewriter) -> tuple[Value, ...] | None:
        if node.op.name in _ALWAYS or any(True for _ in bodies(node)) or not any(is_wide(v) for v in node.inputs):
            return None
        values = (*node.inputs, *node.outputs)
        if any(value is not None and not isinstance(value.type, TensorType) for value in values):
            made: tuple[Value, ...] | str | None = "sequences and optionals keep their element type"
        elif old in room.stay:
            made = room.stay[old]
        elif node.op.name == "cast":
            made = self._recast(node)
        else:
            made = self._applied(node, room, rewriter)
        if isinstance(made, str):
            self.kept.setdefault(made, {})[layer_name(rewriter.graph, old)] = None
            return None
        return made

    def _applied(self, node: Node, room: _Room, rewriter: Rewriter) -> tuple[Value, ...] | str:
        """The results of the node on narrow operands, or why there are none."""
        operands: list[Value | None] = []
        for value in node.inputs:
            made = self._operand(value, room, rewriter) if is_wide(value) else value
            if made is None and value is not None:
                return f"it reads a weight that leaves the range of {self.dtype}"
            operands.append(made)
        try:
            applied = apply(node.op, tuple(operands), node.attributes)
        except InvalidModelError:
            return f"{node.op.name} has no {self.dtype}"
        return self._back(node, applied)

    def _back(self, node: Node, made: Node) -> tuple[Value, ...]:
        """The results in their old types."""
        results: list[Value] = []
        for before, after in zip(node.outputs, made.outputs, strict=True):
            same = before.dtype is after.dtype
            results.append(after if same else cast(after, dtype=before.dtype))
        return tuple(results)

    def _recast(self, node: Node) -> tuple[Value, ...] | None:
        """A cast between wide types gives back what it is given; others take the narrow number as it is."""
        (result,) = node.outputs
        value = node.inputs[0]
        if value is None:
            return None
        base = stripped(value)
        if result.dtype in _NARROW and base.dtype is result.dtype:
            return (base,)
        return None if base is value else (cast(base, dtype=result.dtype),)

    def _operand(self, value: Value | None, room: _Room, rewriter: Rewriter) -> Value | None:
        """A wide operand in the narrow type; None for a weight that must stay."""
        if value is None:
            return None
        base = stripped(value)
        if base.dtype is self.dtype:
            return base
        key = base, self.dtype
        if key not in room.cast:
            held = rewriter.constant_of(base)
            room.cast[key] = cast(base, dtype=self.dtype) if held is None else self._weight(base, held, rewriter)
        return room.cast[key]

    def _weight(self, value: Value, held: Constant, rewriter: Rewriter) -> Value | None:
        name = rewriter.name_of(value) or "a literal"
        converted = convert_weight(held, name, self.dtype, self.overflow)
        if converted is None:
            return None
        made, told = converted
        self.weights.append(told)
        if value.node is not None:
            return constant(value=made)
        return rewriter.parameter(made, name, trainable=rewriter.is_trainable(value))

    def _pair(self, old: Node, results: Sequence[Value]) -> None:
        """Remembers which value stands for which, and gives the narrow one the name."""
        graph = self._top
        for before, after in zip(old.outputs, results, strict=True):
            base = stripped(after) if is_wide(after) else after
            if before in graph.names and base is not after:
                self.names[base] = graph.names[before]
            if is_wide(before) and old.op.name not in ("constant", "broadcast") and before.index == 0:
                self.pairs.append(Pair(layer_name(graph, old), old.op.name, before, after))


def stripped(value: Value) -> Value:
    """What a cast from a narrower floating-point type was given: the same number."""
    while value.node is not None and value.node.op.name == "cast" and value.dtype in WIDE:
        given = value.node.inputs[0]
        exact = given is not None and given.dtype in (*_NARROW, *WIDE) and given.dtype.bits < value.dtype.bits
        if given is None or not exact:
            break
        value = given
    return value
