"""`torch.compile(model, backend="xir")`: graphs of TorchDynamo and AOTAutograd run as machine code of xir.

TorchDynamo cuts a model into graphs, AOTAutograd makes each of them ATen operators without writes, and of a graph that
is trained one forwards and one backwards; what writes inputs and shows parts of them is AOTAutograd's to undo. Here a
graph becomes a callable: `torch_parts` cuts out the calls that xir does not know and those that draw random numbers,
which PyTorch runs. torch finds `backend` by the entry point `torch_dynamo_backends`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import cast

from xir.backends.codegen.cached import compile_optimized
from xir.errors import UnsupportedError, UsageError, XirError
from xir.frontends.torch.importer import import_program
from xir.frontends.torch.live.objects import FxModule, FxNode, LiveTensor, torch_module
from xir.frontends.torch.live.traced import Traced, read_traced
from xir.integrations.torch_parts import Part, draws, split
from xir.integrations.torch_recurrent import use_loops
from xir.integrations.torch_rules import rules
from xir.integrations.torch_runner import Boxed, runner
from xir.ir.graph import Graph

MAX_FROZEN = 4
"""How many sets of weights get code of their own, one after the other, before a graph takes its weights as inputs."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say of `torch.compile(model, backend="xir", options={...})`.

    Attributes:
        strict: raises where xir cannot compile a call, instead of leaving it to PyTorch with a warning.
        threads: at most so many work on a call.
        freeze: whether the weights of a graph that is not trained become part of its code. That they are the same
            tensors and were not written is checked on every call by torch's counts of writes, which see neither
            `tensor.data` nor arrays that share the memory.
    """

    strict: bool = False
    threads: int | None = None
    freeze: bool = True


def backend(module: FxModule, inputs: Sequence[object], *, options: Mapping[str, object] | None = None) -> object:
    """A callable that computes a graph of TorchDynamo.

    Calls of operators that xir does not know are run by PyTorch; a warning names them.

    Args:
        module: the graph.
        inputs: what it is called with.
        options: see `Options`.

    Raises:
        UsageError: an option is not known, or tensors do not lie in the processor's memory.
        UnsupportedError: a call cannot be compiled and `strict` is set.
    """
    chosen = _chosen(options or {})
    use_loops(module)
    common, compilers = torch_module("torch._dynamo.backends.common"), torch_module("functorch.compile")

    def trained(graph: FxModule, _: Sequence[object]) -> Boxed:
        return _boxed(_compiled(graph, chosen, {}))

    def used(graph: FxModule, given: Sequence[object]) -> Boxed:
        weights = _weights(inputs) if chosen.freeze and len(given) == len(inputs) else {}
        return _boxed(_Frozen(graph, chosen, weights) if weights else _compiled(graph, chosen, {}))

    aot = common.aot_autograd(
        fw_compiler=trained,
        inference_compiler=used,
        partition_fn=compilers.min_cut_rematerialization_partition,
        decompositions=rules(),
    )
    return cast("object", aot(module, inputs))


def _chosen(options: Mapping[str, object]) -> Options:
    known = {field.name for field in fields(Options)}
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(f"the backend xir does not know the options {unknown}", hint=f"it knows {sorted(known)}")
    strict, threads, freeze = options.get("strict", False), options.get("threads"), options.get("freeze", True)
    if not isinstance(strict, bool) or not isinstance(freeze, bool) or not isinstance(threads, int | None):
        raise UsageError(f"strict and freeze are yes or no, threads is a number; got {dict(options)}")
    return Options(strict, threads, freeze)


def _boxed(run: Boxed) -> Boxed:
    """A function of which AOTAutograd knows how it takes arguments (torch/_functorch/_aot_autograd/utils.py)."""

    def boxed(arguments: list[object]) -> Sequence[object]:
        return run(arguments)

    vars(boxed)["_boxed_call"] = True
    return boxed


def _weights(inputs: Sequence[object]) -> dict[int, LiveTensor]:
    """The inputs that are the same tensors on every call, by number, without those that the graph writes."""
    context = torch_module("torch._guards").TracingContext.try_get()
    told = None if context is None else context.fw_metadata
    if told is None:
        return {}
    written = frozenset(cast("Sequence[int]", told.mutated_inp_runtime_indices))
    places = cast("Sequence[int]", told.static_input_indices)
    found = {place: cast("LiveTensor", inputs[place]) for place in places if place not in written}
    return {place: tensor for place, tensor in found.items() if _writes(tensor) >= 0}


def _writes(tensor: LiveTensor) -> int:
    """How often a tensor was written; -1 for those that inference_mode made, which do not count it."""
    return -1 if tensor.is_inference() else int(getattr(tensor, "_version", -1))


class _Frozen:
    """A graph whose weights are part of its code, as long as they stay what they were."""

    def __init__(self, graph: FxModule, options: Options, weights: Mapping[int, LiveTensor]) -> None:
        self._graph = graph
        self._options = options
        self._weights = weights
        self._left = MAX_FROZEN
        self._run: Boxed = self._for(weights)

    def _for(self, weights: Mapping[int, LiveTensor]) -> Boxed:
        """What runs the graph with these weights."""
        self._weights = weights
        self._left -= 1
        kept: Mapping[int, LiveTensor] = weights if self._left >= 0 else {}
        self._seen = [(place, tensor, _writes(tensor)) for place, tensor in kept.items()]
        return _compiled(self._graph, self._options, kept)

    def __call__(self, arguments: list[object]) -> Sequence[object]:
        for place, tensor, writes in self._seen:
            if arguments[place] is not tensor or getattr(tensor, "_version", -1) != writes:
                self._run = self._for({each: cast("LiveTensor", arguments[each]) for each in self._weights})
                break
        return self._run(arguments)


def _compiled(graph: FxModule, options: Options, weights: Mapping[int, LiveTensor]) -> Boxed:
    """What runs a graph.

    Args:
        graph: its calls are ATen operators.
        options: what a person said.
        weights: inputs that become part of the code, by number.

    Raises:
        UsageError: a tensor does not lie in the processor's memory.
        UnsupportedError: xir cannot compile a call and `options.strict` is set.
    """
    _check_devices(graph)
    random = [node for node in graph.graph.nodes if draws(node)]
    refused: dict[FxNode, str] = {}
    with torch_module("torch.utils._python_dispatch")._disable_current_modes():  # weights are no fake tensors
        while True:
            parts = split(graph, {*random, *refused})
            found = [_prepared(part, graph, weights) for part in parts]
            refusals = {node: why for each in found if isinstance(each, dict) for node, why in each.items()}
            if not refusals:
                break
            refused |= refusals
            _check_strict(refused, options)
        steps = [_step(each, options) for each in found if not isinstance(each, dict)]
    if refused:
        warnings.warn(f"PyTorch runs what xir cannot compile: {_told(refused)}", stacklevel=2)
    return _Sequence(graph, parts, steps)


def _check_devices(graph: FxModule) -> None:
    for node in graph.graph.nodes:
        device = getattr(getattr(node.meta.get("val"), "device", None), "type", "cpu")
        if device != "cpu":
            raise UsageError(
                f"{node.name!r} is a tensor on the device {device}; the backend xir computes on the processor",
                hint="move the model and its inputs to 'cpu', or use another backend",
            )


def _told(refused: Mapping[FxNode, str]) -> str:
    """Which calls and why; each reason once."""
    calls: dict[str, list[str]] = {}
    for node, why in refused.items():
        calls.setdefault(why, []).append(str(node.target))
    return "; ".join(f"{', '.join(dict.fromkeys(targets))} ({len(targets)}x): {why}" for why, targets in calls.items())


def _check_strict(refused: Mapping[FxNode, str], options: Options) -> None:
    if refused and options.strict:
        raise UnsupportedError(f"xir cannot compile {_told(refused)}", hint="without strict PyTorch runs these calls")


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A part before it is machine code; one that PyTorch runs has no graph."""

    part: Part
    read: tuple[Traced, Graph] | None


def _prepared(part: Part, graph: FxModule, weights: Mapping[int, LiveTensor]) -> _Prepared | dict[FxNode, str]:
    """A part as a graph, or which calls stand against that and why."""
    if not part.is_compiled:
        return _Prepared(part, None)
    places = {node: place for place, node in enumerate(_placeholders(graph))}
    frozen = {place: weights[places[node]] for place, node in enumerate(part.inputs) if places.get(node, -1) in weights}
    try:
        traced = read_traced(part.module, "compiled", frozen)
        return _Prepared(part, (traced, import_program(traced.program).graph))
    except XirError as error:
        several = error.problems if isinstance(error, UnsupportedError) else ()
        reasons = [(problem.reason, layer) for problem in several for layer in problem.layers]
        reasons += [] if error.source.layer is None else [(error.message, error.source.layer)]
        layers = [(why, layer.partition("/")[0]) for why, layer in reasons]  # calls in bodies are `call/inner`
        named = {part.calls[layer]: why for why, layer in layers if layer in part.calls}
        return named or dict.fromkeys(part.calls.values(), error.message)


def _placeholders(graph: FxModule) -> list[FxNode]:
    return [node for node in graph.graph.nodes if node.op == "placeholder"]


def _step(prepared: _Prepared, options: Options) -> Boxed:
    """What runs a part; PyTorch does where the compiler cannot and may be left out."""
    forward = cast("Boxed", torch_module("functorch.compile").make_boxed_func(prepared.part.module.forward))
    if prepared.read is None:
        return forward
    traced, graph = prepared.read
    try:
        return runner(traced, compile_optimized(graph, threads=options.threads))
    except XirError as error:
        refused = dict.fromkeys(prepared.part.calls.values(), error.message)
        _check_strict(refused, options)
        warnings.warn(f"PyTorch runs what xir cannot compile: {_told(refused)}", stacklevel=2)
        return forward


class _Sequence:
    """Runs the parts of a graph one after the other; what nothing reads any more is let go."""

    def __init__(self, graph: FxModule, parts: Sequence[Part], steps: Sequence[Boxed]) -> None:
        nodes = [*graph.graph.nodes]
        slots = {node: slot for slot, node in enumerate(_placeholders(graph))}
        for part in parts:
            for node in part.outputs:
                slots[node] = len(slots)
        constants = {node: _attribute(graph, str(node.target)) for node in nodes if node.op == "get_attr"}
        results = cast("Sequence[object]", nodes[-1].args[0])
        self._results = [(slots.get(cast("FxNode", each), -1), each) for each in results]
        self._results = [(slot, constants.get(cast("FxNode", each), each)) for slot, each in self._results]
        self._blank: list[object] = [None] * len(slots)
        kept = {slot for slot, _ in self._results}
        last = {slots[node]: number for number, part in enumerate(parts) for node in part.inputs}
        self._steps = [
            (
                run,
                [slots[node] for node in part.inputs],
                [slots[node] for node in part.outputs],
                [slot for slot, when in last.items() if when == number and slot not in kept],
            )
            for number, (run, part) in enumerate(zip(steps, parts, strict=True))
        ]

    def __call__(self, arguments: list[object]) -> list[object]:
        """The results of the graph; the list of arguments is empty then."""
        held = self._blank.copy()
        held[: len(arguments)] = arguments
        arguments.clear()
        for run, reads, writes, done in self._steps:
            given = [held[slot] for slot in reads]
            for slot in done:
                held[slot] = None
            for slot, made in zip(writes, run(given), strict=True):
                held[slot] = made
        return [constant if slot < 0 else held[slot] for slot, constant in self._results]


def _attribute(graph: FxModule, path: str) -> object:
    value: object = graph
    for part in path.split("."):
        value = getattr(value, part)
    return value
