"""One run of a module, call by call: for modules that torch.export does not take.

Calls of ATen operators are seen below autograd (torch/utils/_python_dispatch.py). What they compute from the inputs
must not come back into Python: a branch on it would be decided for all inputs by the one that is run. Such a place is
refused with its line. Sizes are those of the run.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import FrameType
from typing import NoReturn, TypeAlias, cast

from xir.errors import UnsupportedError
from xir.frontends.torch._trace import line_of
from xir.frontends.torch.live.arguments import ArgumentReader
from xir.frontends.torch.live.objects import LiveModule, LiveTensor, torch_module
from xir.frontends.torch.live.packed import Longest, Packs, memory_of
from xir.frontends.torch.live.tensors import constant_of, info_of
from xir.frontends.torch.program import (
    Argument,
    Body,
    Input,
    Names,
    Node,
    Output,
    Program,
    Reference,
    TensorInfo,
    Weight,
)
from xir.limits import MAX_INLINED_NODES

_ESCAPES = frozenset({"numpy", "tolist", "__array__", "__dlpack__"})
"""Methods of tensors that hand elements to Python without a call of an operator."""


def trace(module: LiveModule, items: Sequence[object], named: Mapping[str, object]) -> Program:
    """The program of one run.

    Args:
        module: what is run, without gradients; its buffers are as before afterwards.
        items: its arguments by place.
        named: its arguments by name.

    Raises:
        UnsupportedError: elements of what is computed from the inputs come back into Python.
    """
    torch, tree = torch_module(), torch_module("torch.utils._pytree")
    recorder = _Recorder(type(module).__name__)
    with torch.no_grad():
        kept = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
        given, shown = tree.tree_map(recorder.copied, (tuple(items), dict(named))), _names(module, items, named)
        recorder.enter(shown, _leaves(given), module)
        try:
            with recorder.watching():
                made: object = module.forward(*given[0], **given[1])
        finally:
            for buffer, elements in kept:
                buffer.copy_(elements)
    return recorder.program(_leaves(made), str(torch.__version__))


def _names(module: LiveModule, items: Sequence[object], named: Mapping[str, object]) -> list[str]:
    """What the leaves of the arguments are called."""
    bound = inspect.signature(module.forward).bind(*items, **named)
    found: list[str] = []
    for name, item in bound.arguments.items():
        count = len(_leaves(item))
        found += [name] if count == 1 else [f"{name}_{place}" for place in range(count)]
    return found


_Arguments: TypeAlias = tuple[tuple[Argument, ...], Mapping[str, Argument]]
"""What a call is given by place and by name."""


def _leaves(items: object) -> Sequence[object]:
    """What stands in lists, tuples and dictionaries."""
    return cast("Sequence[object]", torch_module("torch.utils._pytree").tree_leaves(items))


class _Recorder:
    """Keeps the calls of one run."""

    def __init__(self, name: str) -> None:
        self._name = name
        torch = torch_module()
        self._tensor = cast("type[object]", torch.Tensor)
        self._tags = torch.Tag
        self._argument = ArgumentReader(self._referred).argument
        self._names: dict[int, str] = {}
        self._alive: list[object] = []
        self._fed: set[int] = set()  # memory, for what is written through one view shows in all
        self._packs = Packs()
        self._is_whole = False  # inside of a call whose parts are not kept
        self._inputs: list[Input] = []
        self._weights: dict[str, Weight] = {}
        self._tensors: dict[str, TensorInfo] = {}
        self._nodes: list[Node] = []

    def copied(self, item: object) -> object:
        """An argument that the run may write."""
        return cast("LiveTensor", item).detach().clone() if isinstance(item, self._tensor) else item

    def enter(self, names: Sequence[str], leaves: Sequence[object], module: LiveModule) -> None:
        """Names inputs and weights."""
        for name, leaf in zip(names, leaves, strict=True):
            if isinstance(leaf, self._tensor):
                self._know(leaf, name)
                self._fed.add(memory_of(leaf))
                self._inputs.append(Input(name, "user"))
            else:
                self._inputs.append(Input(name, "user", "", (self._argument(leaf),)))
        for target, tensor in module.named_parameters():
            self._weigh(tensor, target, "parameter")
        for target, tensor in module.named_buffers():
            self._weigh(tensor, target, "buffer")

    def _know(self, tensor: object, name: str, *, is_packed: bool = False) -> None:
        self._names[id(tensor)] = name
        self._alive.append(tensor)  # or its address could become another's
        if not is_packed:
            self._tensors[name] = info_of(cast("LiveTensor", tensor))

    def _weigh(self, tensor: LiveTensor, target: str, role: str) -> str:
        name = f"{role}:{target}"
        self._know(tensor, name)
        self._inputs.append(Input(name, "parameter" if role == "parameter" else "buffer", target))
        held = tensor if role == "parameter" else tensor.detach().clone()
        self._weights[target] = Weight(constant_of(held, f"weight {target!r}"), role == "parameter")
        return name

    def _referred(self, item: object) -> Argument:
        """What stands for a tensor; one that no call has made is a constant."""
        if not isinstance(item, self._tensor):
            return None
        name = self._names.get(id(item))
        return Reference(name or self._weigh(cast("LiveTensor", item), f"constant_{len(self._names)}", "constant"))

    def watching(self) -> AbstractContextManager[object]:
        """A context in which calls are kept."""
        recorder, stack = self, ExitStack()

        def dispatched(_: object, func: Callable[..., object], types: object, args: Sequence[object] = (),
                       kwargs: Mapping[str, object] | None = None) -> object:  # fmt: skip
            return recorder.call(func, args, kwargs or {})

        def called(_: object, func: Callable[..., object], types: object, args: Sequence[object] = (),
                   kwargs: Mapping[str, object] | None = None) -> object:  # fmt: skip
            here = inspect.currentframe()
            return recorder.function(func, args, kwargs or {}, None if here is None else here.f_back)

        below = cast("type[object]", torch_module("torch.utils._python_dispatch").TorchDispatchMode)
        above = cast("type[object]", torch_module("torch.overrides").TorchFunctionMode)
        modes = (
            type("Above", (above,), {"__torch_function__": called}),
            type("Below", (below,), {"__torch_dispatch__": dispatched}),
        )
        for mode in modes:
            stack.enter_context(cast("AbstractContextManager[object]", mode()))
        return stack

    def is_fed(self, items: object) -> bool:
        """Whether a tensor among these depends on what is fed."""
        return any(memory_of(each) in self._fed for each in self._tensors_in(items))

    def _tensors_in(self, items: object) -> list[object]:
        return [leaf for leaf in _leaves(items) if isinstance(leaf, self._tensor)]

    def refuse(self) -> NoReturn:
        """Raises UnsupportedError for the line of the model that is being run."""
        place = line_of("".join(traceback.format_stack()[:-2]).replace(__file__, "torch/"))
        raise UnsupportedError(
            f"{place}: what is computed from the inputs becomes a number of Python, which may differ from run to run",
            hint="write the branch as torch.where or torch.cond, or leave it to torch.compile(backend='xir')",
        )

    def function(
        self, func: Callable[..., object], items: Sequence[object], named: Mapping[str, object], frame: FrameType | None
    ) -> object:
        """Does a call of a function or method, before it becomes calls of operators; `frame` calls it."""
        if getattr(func, "__name__", "") in _ESCAPES and self.is_fed(items):
            self.refuse()
        kind = self._packs.whole(func, items, named)
        if kind is not None:
            return self._packed(kind, func, items, named)
        made = func(*items, **named)
        operands = (*items, *named.values())
        if not self._packs.tells_size(func, operands):
            return made
        if not (isinstance(made, int) and self._packs.is_padding(operands, frame)):
            self.refuse()
        return Longest(made)

    def _packed(
        self, kind: str, func: Callable[..., object], items: Sequence[object], named: Mapping[str, object]
    ) -> object:
        """Does a call on packed sequences and keeps it whole."""
        fed, arguments = self.is_fed((items, named)), self._read(self._packs.arguments(items), named)
        self._is_whole = True
        try:
            made = func(*items, **named)
        finally:
            self._is_whole = False
        tensors = self._tensors_in(made)
        self._keep(kind, arguments, made, self._packs.note(kind, tensors))
        if fed:
            self._fed.update(map(memory_of, tensors))
        return made

    def call(self, func: Callable[..., object], items: Sequence[object], named: Mapping[str, object]) -> object:
        """Does a call of an operator and keeps it."""
        if self._is_whole:
            return func(*items, **named)
        tags, kind = cast("Sequence[object]", getattr(func, "tags", ())), str(func)
        fed = self.is_fed((items, named)) and not self._packs.is_number_of_sequences(kind, items)
        if fed and (self._tags.data_dependent_output in tags or self._has_open_sizes(tags, items)):
            self.refuse()
        arguments, read = self._read(items, named), self._tensors_in((items, named))
        made = func(*items, **named)
        if fed and any(isinstance(leaf, bool | int | float) for leaf in _leaves(made)):
            self.refuse()
        self._keep(kind, arguments, made)
        tensors = self._tensors_in(made)
        self._packs.spread(read, tensors)
        if fed:
            is_writing = bool(getattr(getattr(func, "_schema", None), "is_mutable", False))
            self._fed.update(map(memory_of, [*tensors, *(read if is_writing else ())]))
        return made

    def _read(self, items: Sequence[object], named: Mapping[str, object]) -> _Arguments:
        """What a call is given, before it writes."""
        by_name = {name: self._argument(item) for name, item in named.items()}
        return tuple(self._argument(item) for item in items), by_name

    def _keep(self, kind: str, arguments: _Arguments, made: object, packed: int = 0) -> None:
        """Keeps a call and what it made; of so many results no run but this one has the sizes."""
        if len(self._nodes) >= MAX_INLINED_NODES:
            raise UnsupportedError(f"a run makes more than {MAX_INLINED_NODES} calls", hint="unroll less")
        name = f"{kind.split('.')[1]}_{len(self._nodes)}"
        results = tuple(self._result(leaf, name, place, place < packed) for place, leaf in enumerate(_leaves(made)))
        lines = "".join(traceback.format_stack()[:-2]).replace(__file__, "torch/")
        several = isinstance(made, tuple | list)
        self._nodes.append(Node(name, kind, *arguments, results if several else results[0], (), lines))

    def _has_open_sizes(self, tags: Sequence[object], items: Sequence[object]) -> bool:
        """Whether the sizes of what a call makes depend on elements; those of an index only where it is a mask."""
        if self._tags.dynamic_output_shape not in tags:
            return False
        indices = cast("Sequence[object]", items[1]) if len(items) == 2 and isinstance(items[1], list | tuple) else None
        masks = ("torch.bool", "torch.uint8")
        return indices is None or any(str(getattr(index, "dtype", "")) in masks for index in indices)

    def _result(self, leaf: object, name: str, place: int, is_packed: bool) -> Names:
        if not isinstance(leaf, self._tensor) or id(leaf) in self._names:  # it was written in place
            return None
        own = f"{name}.{place}" if place else name
        self._know(leaf, own, is_packed=is_packed)
        return own

    def program(self, leaves: Sequence[object], version: str) -> Program:
        """What was kept, with these outputs."""
        outputs = tuple(Output(self._argument(leaf), "user") for leaf in leaves)
        body = Body(
            tuple(Reference(input_.name) for input_ in self._inputs),
            tuple(self._nodes),
            tuple(output.argument for output in outputs),
            tensors=self._tensors,
        )
        return Program(self._name, self._name, body, tuple(self._inputs), outputs, self._weights, version=version)
