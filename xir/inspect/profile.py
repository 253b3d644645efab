"""What each kernel of a compiled model takes, against what the machine can do: times, FLOP/s, bytes/s, by layer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.llvm.watch import Span, Watch
from xir.backends.codegen.peaks import Peaks, measured_peaks
from xir.backends.codegen.steps import Hosted, Repeat, Run, Step
from xir.errors import UsageError
from xir.inspect.flops import Flops
from xir.inspect.placement import HOST, MACHINE, layer_name, nodes_of
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, evaluate
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.types import TensorType
from xir.passes import optimize
from xir.reference.sizes import Arrival, Sizes
from xir.runtime.executable import Executable
from xir.runtime.program import Slot

WARM, REPEAT = 3, 20
"""Runs before those that are measured, and those."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """What a step took.

    Attributes:
        name: the layer to which its time counts: that of its node with the most operations.
        where: `machine code` or `host`.
        layers: all layers of which it computes something.
        operators: what it computes, in order.
        seconds: the median over the runs.
        least: the least over the runs.
        flops: floating-point operations.
        bytes: bytes of the buffers that it reads and writes, each once.
        runs: (begin, end) in each run, nanoseconds of CLOCK_MONOTONIC; the last run in the trace is the last one here.
    """

    name: str
    where: str
    layers: tuple[str, ...]
    operators: tuple[str, ...]
    seconds: float
    least: float
    flops: int
    bytes: int
    runs: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict[str, object]:
        """The step as plain data."""
        return {
            "name": self.name,
            "where": self.where,
            "layers": list(self.layers),
            "operators": list(self.operators),
            "seconds": self.seconds,
            "least": self.least,
            "flops": self.flops,
            "bytes": self.bytes,
            "flops_per_second": _rate(self.flops, self.seconds),
            "bytes_per_second": _rate(self.bytes, self.seconds),
        }


@dataclass(frozen=True, slots=True)
class LayerTime:
    """What a layer took: the steps that count to it, together."""

    name: str
    seconds: float
    flops: int
    bytes: int
    steps: int

    def to_dict(self) -> dict[str, object]:
        """The layer as plain data."""
        return {
            "name": self.name,
            "seconds": self.seconds,
            "flops": self.flops,
            "bytes": self.bytes,
            "flops_per_second": _rate(self.flops, self.seconds),
            "bytes_per_second": _rate(self.bytes, self.seconds),
            "steps": self.steps,
        }


@dataclass(frozen=True, slots=True)
class Profile:
    """What a compiled model takes.

    Attributes:
        model: its name.
        threads: at most so many worked on it.
        repeat: the runs that were measured.
        steps: the steps that ran, in order.
        seconds: a whole watched run, the median.
        plain: a whole run of the same model while nobody watches, the median.
        between: seconds of a watched run that no step takes, the median.
        peaks: what the machine can do.
    """

    model: str
    threads: int
    repeat: int
    steps: tuple[StepTime, ...]
    seconds: float
    plain: float
    between: float
    peaks: Peaks

    @property
    def total(self) -> float:
        """The medians of all steps and what is between them: a run that nothing else of the machine has met."""
        return sum(step.seconds for step in self.steps) + self.between

    @property
    def layers(self) -> tuple[LayerTime, ...]:
        """The layers, those that take longest first."""
        rows: dict[str, list[StepTime]] = {}
        for step in self.steps:
            rows.setdefault(step.name, []).append(step)
        found = [
            LayerTime(
                name,
                sum(step.seconds for step in steps),
                sum(step.flops for step in steps),
                sum(step.bytes for step in steps),
                len(steps),
            )
            for name, steps in rows.items()
        ]
        return tuple(sorted(found, key=lambda layer: -layer.seconds))

    def to_dict(self) -> dict[str, object]:
        """The profile as plain data, as `--json` prints it."""
        return {
            "model": self.model,
            "threads": self.threads,
            "repeat": self.repeat,
            "seconds": self.seconds,
            "unwatched_seconds": self.plain,
            "total_seconds": self.total,
            "between_seconds": self.between,
            "peaks": self.peaks.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def trace(self) -> dict[str, object]:
        """The runs as trace events, which chrome://tracing and Perfetto show (Trace Event Format, "X": complete).

        Times are microseconds from the first measured step on.
        """
        origin = min((begin for step in self.steps for begin, _ in step.runs), default=0)
        events: list[dict[str, object]] = [
            {"ph": "M", "name": "process_name", "pid": 1, "tid": 1, "args": {"name": self.model}}
        ]
        for step in self.steps:
            for begin, end in step.runs:
                events.append(
                    {
                        "ph": "X",
                        "name": step.name,
                        "cat": step.where,
                        "pid": 1,
                        "tid": 1,
                        "ts": (begin - origin) / 1e3,
                        "dur": (end - begin) / 1e3,
                        "args": {
                            "layers": list(step.layers),
                            "operators": list(step.operators),
                            "GFLOP/s": _rate(step.flops, (end - begin) / 1e9) / 1e9,
                            "GB/s": _rate(step.bytes, (end - begin) / 1e9) / 1e9,
                        },
                    }
                )
        return {"traceEvents": events, "displayTimeUnit": "ms"}


def profile(
    graph: Graph,
    feeds: Mapping[str, Array],
    *,
    threads: int | None = None,
    warm: int = WARM,
    repeat: int = REPEAT,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Profile:
    """Compiles a graph so that it notes when each step begins, and runs it.

    Args:
        graph: the model.
        feeds: arrays by the names of its inputs.
        threads: at most so many work on a run; None for as many as the process has processors.
        warm: runs before the measured ones.
        repeat: measured runs.
        tell: told what is being done.

    Raises:
        UsageError: if `repeat` is less than 1, or feeds do not fit.
        UnsupportedError: if the machine is no Linux on x86-64 with AVX2.
        MissingExtraError: if llvmlite is not installed.
    """
    if repeat < 1 or warm < 0:
        raise UsageError(f"{warm} runs to warm up and {repeat} to measure: expected at least 0 and 1")
    tell("measuring the machine", 0, 3)
    peaks = measured_peaks(threads)
    tell("compiling", 1, 3)
    watch = Watch()
    optimized = optimize(graph)
    tell("running", 2, 3)
    with compile_graph(optimized, threads=threads) as executable:
        plain = statistics.median(_runs(executable, feeds, warm, repeat))
    with compile_graph(optimized, threads=threads, watch=watch) as executable:
        rounds: list[list[Span]] = []
        taken = list(_runs(executable, feeds, warm, repeat, watch, rounds))
        within = [sum(span.end - span.begin for span in spans) / 1e9 for spans in rounds]
        between = statistics.median(max(whole - spent, 0.0) for whole, spent in zip(taken, within, strict=True))
        costs = _Costs(executable, _sizes(optimized, feeds, watch))
        steps = _steps(rounds, costs, optimized)
        whole = statistics.median(taken)
        return Profile(graph.name, executable.threads, repeat, steps, whole, plain, between, peaks)


def _runs(
    executable: Executable,
    feeds: Mapping[str, Array],
    warm: int,
    repeat: int,
    watch: Watch | None = None,
    rounds: list[list[Span]] | None = None,
) -> Iterator[float]:
    """The seconds of each measured run; what `watch` saw is appended to `rounds`."""
    for number in range(warm + repeat):
        if watch is not None:
            watch.clear()
        started = time.perf_counter()
        executable.run(None, feeds)
        seconds = time.perf_counter() - started
        if number >= warm:
            if watch is not None and rounds is not None:
                rounds.append(watch.spans())
            yield seconds


def _sizes(graph: Graph, feeds: Mapping[str, Array], watch: Watch) -> Mapping[Symbol, Dim]:
    """What symbolic sizes were."""
    sizes = Sizes()
    sizes.learn(
        [
            Arrival(f"input {name!r}", value.type, feeds[name].shape)
            for name, value in zip(graph.input_names, graph.inputs, strict=True)
            if isinstance(value.type, TensorType)
        ]
    )
    return {**watch.sizes, **sizes.known}


class _Costs:
    """What steps work on."""

    def __init__(self, executable: Executable, sizes: Mapping[Symbol, Dim]) -> None:
        self._slots: Sequence[Slot] = executable.program.slots
        self._sizes = sizes
        self._flops = Flops(sizes)

    def flops(self, step: Step) -> int:
        """Its operations."""
        if isinstance(step, Repeat):
            return self._times(step) * sum(map(self.flops, step.body))
        return sum(map(self.of, nodes_of(step)))

    def of(self, node: Node) -> int:
        """The operations of a node."""
        return self._flops.of(node)

    def bytes(self, step: Step) -> int:
        """The bytes of its buffers; of those of other types than tensors nothing is known."""
        match step:
            case Repeat():
                return self._times(step) * sum(map(self.bytes, step.body))
            case Run(_, slots):
                return sum(map(self._held, dict.fromkeys(slots)))
            case Hosted(_, inputs, outputs):
                return sum(map(self._held, dict.fromkeys(slot for slot in (*inputs, *outputs) if slot is not None)))
            case _:
                return 0

    def _times(self, loop: Repeat) -> int:
        """The steps of a loop; 1 where conditions decide."""
        return 1 if loop.steps is None else self._flops.size(loop.steps)

    def _held(self, slot: int) -> int:
        held = self._slots[slot]
        total = 0 if held.dtype is None else held.dtype.dtype.itemsize
        for dim in held.shape:
            size = evaluate(dim, self._sizes)
            total *= size if isinstance(size, int) else 0
        return total


def _steps(rounds: Sequence[Sequence[Span]], costs: _Costs, graph: Graph) -> tuple[StepTime, ...]:
    """The steps of all runs, each once, in the order in which they first ran."""
    found: dict[int, list[Span]] = {}
    for spans in rounds:
        for span in spans:
            found.setdefault(id(span.step), []).append(span)
    return tuple(_step(spans, costs, graph) for spans in found.values())


def _step(spans: Sequence[Span], costs: _Costs, graph: Graph) -> StepTime:
    step = spans[0].step
    nodes = nodes_of(step)
    heaviest = max(nodes, key=costs.of, default=None)
    taken = [(span.end - span.begin) / 1e9 for span in spans]
    return StepTime(
        layer_name(heaviest, graph) if heaviest is not None else "(copy)",
        HOST if isinstance(step, Hosted) else MACHINE,
        tuple(dict.fromkeys(layer_name(node, graph) for node in nodes)),
        tuple(node.op.name for node in nodes) or ("copy",),
        statistics.median(taken),
        min(taken),
        costs.flops(step),
        costs.bytes(step),
        tuple((span.begin, span.end) for span in spans),
    )


def _rate(amount: int, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0
