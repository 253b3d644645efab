"""`torch.compile(model, backend="xir")`: graphs of TorchDynamo and AOTAutograd run as machine code of xir.

TorchDynamo cuts a model into graphs, AOTAutograd makes each of them ATen operators without writes, and of a graph that
is trained one forwards and one backwards; what writes inputs and shows parts of them is AOTAutograd's to undo. Here a
graph becomes a callable. torch finds `backend` by the entry point `torch_dynamo_backends`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias, cast

import numpy as np

from xir.backends.codegen.cached import compile_optimized
from xir.errors import UsageError, XirError
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.importer import import_program
from xir.frontends.torch.live.objects import FxModule, LiveTensor, torch_module
from xir.frontends.torch.live.tensors import array_of, tensor_of
from xir.frontends.torch.live.traced import Traced, read_traced
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.runtime.executable import Executable

Boxed: TypeAlias = Callable[[list[object]], Sequence[object]]
"""Takes its arguments in a list, which it empties, so that they can be freed before it returns."""

MAX_FROZEN = 4
"""How many sets of weights get code of their own, one after the other, before a graph takes its weights as inputs."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say of `torch.compile(model, backend="xir", options={...})`.

    Attributes:
        strict: raises where xir cannot compile a graph, instead of leaving it to PyTorch with a warning.
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

    A graph with operators that xir does not know is run by PyTorch; a warning names them.

    Args:
        module: the graph.
        inputs: what it is called with.
        options: see `Options`.

    Raises:
        UsageError: an option is not known.
        XirError: a graph cannot be compiled and `strict` is set.
    """
    chosen = _chosen(options or {})
    common, compilers = torch_module("torch._dynamo.backends.common"), torch_module("functorch.compile")

    def plain(graph: FxModule) -> Boxed:
        return _compiled(graph, chosen, {})

    def trained(graph: FxModule, _: Sequence[object]) -> Boxed:
        return _made(graph, chosen, lambda: plain(graph))

    def used(graph: FxModule, given: Sequence[object]) -> Boxed:
        weights = _weights(inputs) if chosen.freeze and len(given) == len(inputs) else {}
        return _made(graph, chosen, lambda: _Frozen(graph, chosen, weights) if weights else plain(graph))

    aot = common.aot_autograd(
        fw_compiler=trained,
        inference_compiler=used,
        partition_fn=compilers.min_cut_rematerialization_partition,
        decompositions=_decompositions(),
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


def _made(graph: FxModule, options: Options, make: Callable[[], Boxed]) -> Boxed:
    """What runs a graph: machine code, or PyTorch where that cannot be and may be left out."""
    compilers = torch_module("functorch.compile")
    try:
        return _boxed(make())
    except XirError as error:
        if options.strict:
            raise
        warnings.warn(f"PyTorch runs a graph that xir cannot compile: {error}", stacklevel=2)
        return cast("Boxed", compilers.make_boxed_func(graph.forward))


def _decompositions() -> dict[object, object]:
    """Rules of torch that take apart the operators that xir does not know."""
    rules = cast("Mapping[object, object]", torch_module("torch._decomp").core_aten_decompositions())
    return {operator: rule for operator, rule in rules.items() if not _is_known(str(operator))}


def _is_known(operator: str) -> bool:
    namespace, _, name = operator.partition(".")
    table = OPERATORS.get(namespace)
    return table is not None and table.operator(name) is not None


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
            if arguments[place] is not tensor or _writes(tensor) != writes:
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
        XirError: xir cannot compile it.
    """
    with torch_module("torch.utils._python_dispatch")._disable_current_modes():  # weights are no fake tensors
        traced = read_traced(graph, "compiled", weights)
    executable = compile_optimized(import_program(traced.program).graph, threads=options.threads)
    return _Runner(traced, executable)


class _Runner:
    """Calls machine code with tensors; nothing is copied where they lie as the code reads and torch expects them."""

    def __init__(self, traced: Traced, executable: Executable) -> None:
        self._traced = traced
        self._executable = executable
        ports = executable.get_inputs()
        self._fed = [(place, by_size, port.name) for (place, by_size), port in zip(traced.feeds, ports, strict=True)]
        self._made = [
            (place, number, traced.orders[number], executable.get_outputs()[number].type)
            for place, number in traced.results.items()
        ]
        self._count = len(traced.results) + len(traced.through) + len(traced.constants)

    def __call__(self, arguments: list[object]) -> list[object]:
        """The results of the graph; the list of arguments is empty then."""
        arrays = [
            np.empty(cast("int", arguments[place]), np.bool_)
            if by_size
            else array_of(cast("LiveTensor", arguments[place]), name)
            for place, by_size, name in self._fed
        ]
        results: list[object] = [None] * self._count
        for place, argument in self._traced.through.items():
            results[place] = arguments[argument]
        for place, constant in self._traced.constants.items():
            results[place] = constant
        arguments.clear()
        made = self._executable(*arrays)
        for place, number, order, dtype in self._made:
            results[place] = (
                made[number].item() if order is None or dtype is None else _laid(made[number], dtype, order)
            )
        return results


def _laid(array: Array, dtype: DType, order: tuple[int, ...]) -> LiveTensor:
    """The array as a tensor whose strides fall in this order of its axes."""
    if order == tuple(range(array.ndim)):
        return tensor_of(array, dtype)
    back = tuple(order.index(axis) for axis in range(array.ndim))
    return tensor_of(np.ascontiguousarray(array.transpose(order)), dtype).permute(back)
