"""Graphs of torch.fx whose calls are ATen operators, as bodies of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xir.errors import UnsupportedError
from xir.frontends.torch._trace import parts_of
from xir.frontends.torch.live.arguments import ArgumentReader
from xir.frontends.torch.live.objects import FxModule, FxNode, LiveTensor, SymbolicNumber, torch_module
from xir.frontends.torch.live.tensors import formula, info_of
from xir.frontends.torch.program import (
    Argument,
    Body,
    Node,
    Quantity,
    Reference,
    Subgraph,
    TensorInfo,
)
from xir.limits import MAX_CALLS, check_nesting


class FxReader:
    """Reads one graph.

    Attributes:
        constants: {name: tensor} of what the graph reads from its module.
    """

    def __init__(self, module: FxModule, depth: int = 1) -> None:
        """Will read the graph of `module`, `depth` deep among bodies."""
        check_nesting(depth, what="the program", limit=MAX_CALLS)
        torch, fx = torch_module(), torch_module("torch.fx")
        operators = torch_module("torch._ops")
        self._node = cast("type[object]", fx.Node)
        self._tensor = cast("type[object]", torch.Tensor)
        self._symbolic = tuple(cast("type[object]", each) for each in (torch.SymInt, torch.SymFloat, torch.SymBool))
        self._operator = cast("type[object]", operators.OpOverload)
        self._higher = cast("type[object]", operators.HigherOrderOperator)
        self._argument = ArgumentReader(self._referred).argument
        self._module = module
        self._depth = depth
        self._bodies: dict[str, Subgraph] = {}
        self._tensors: dict[str, TensorInfo] = {}
        self._quantities: dict[str, Quantity] = {}
        self.constants: dict[str, LiveTensor] = {}

    def body(self) -> Body:
        """The calls.

        Raises:
            UnsupportedError: a call is of no operator, or an argument of no kind that a program has.
            UnsafeError: bodies are nested too deep.
        """
        inputs: list[Argument] = []
        nodes: list[Node] = []
        outputs: list[Argument] = []
        single = False
        for node in self._module.graph.nodes:
            self._describe(node)
            match node.op:
                case "placeholder":
                    inputs.append(Reference(node.name))
                case "get_attr":
                    self._attribute(node)
                case "output":
                    single = not isinstance(node.args[0], tuple | list)
                    made = cast("Sequence[object]", (node.args[0],) if single else node.args[0])
                    outputs = [self._argument(item) for item in made]
                case "call_function":
                    nodes.append(self._call(node))
                case kind:
                    raise UnsupportedError(
                        f"{node.name!r} is a {kind} of {node.target!r}, no call of an operator",
                        hint="give example_inputs, so that torch.export can take it apart",
                    )
        read = [Reference(name) for name in self.constants]
        return Body((*inputs, *read), tuple(nodes), tuple(outputs), single, self._tensors, self._quantities)

    def _describe(self, node: FxNode) -> None:
        """Keeps what tracing noted of the node's value."""
        value = node.meta.get("val")
        if isinstance(value, self._tensor):
            tensor = cast("LiveTensor", value)
            if node.op == "placeholder" or str(tensor.layout) == "torch.strided":
                self._tensors[node.name] = info_of(tensor)
        elif isinstance(value, self._symbolic):
            self._quantities[node.name] = formula(cast("SymbolicNumber", value))
        elif isinstance(value, bool | int | float):
            self._quantities[node.name] = value

    def _attribute(self, node: FxNode) -> None:
        value: object = self._module
        for part in str(node.target).split("."):
            value = getattr(value, part)
        if isinstance(value, self._tensor):
            if self._depth > 1:
                raise UnsupportedError(f"a body reads the tensor {node.target!r} of its module", hint="pass it in")
            self.constants[node.name] = cast("LiveTensor", value)
        else:
            inner = FxReader(cast("FxModule", value), self._depth + 1)
            self._bodies[node.name] = Subgraph(str(node.target), inner.body())

    def _call(self, node: FxNode) -> Node:
        items = tuple(self._argument(item) for item in node.args)
        named = {name: self._argument(item) for name, item in node.kwargs.items()}
        trace = node.meta.get("stack_trace")
        return Node(
            node.name,
            self._target(node.target),
            items,
            named,
            node.name,
            *_module(node.meta.get("nn_module_stack")),
            trace if isinstance(trace, str) else "",
        )

    def _target(self, target: object) -> str:
        """What is called, as archives of torch.export name it."""
        if isinstance(target, self._operator):
            return str(target)
        name = str(getattr(target, "__name__", target))
        if isinstance(target, self._higher):
            return f"higher_order.{name}"
        return f"{getattr(target, '__module__', '')}.{name}"

    def _referred(self, item: object) -> Argument:
        if not isinstance(item, self._node):
            return None
        name = cast("FxNode", item).name
        return self._bodies.get(name, Reference(name))


def _module(stack: object) -> tuple[tuple[str, ...], str | None]:
    """The names of the modules around a call and the class of the innermost one.

    They stand in `nn_module_stack`: {key: (path, class)}, outermost first.
    """
    entries = [*cast("Mapping[str, Sequence[object]]", stack).values()] if isinstance(stack, Mapping) else []
    if not entries:
        return (), None
    path, kind = (*entries[-1], None)[:2]
    if isinstance(kind, type):
        return parts_of(str(path)), f"{kind.__module__}.{kind.__qualname__}"
    return parts_of(str(path)), kind if isinstance(kind, str) else None
