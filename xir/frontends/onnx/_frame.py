"""Names and what they stand for, in one graph of a file: the main graph, a body, or a call of a function.

Bodies read values of the graphs around them; bodies of ours capture nothing, so each such value becomes an input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from xir.frontends._bodies import Body
from xir.frontends.onnx.model import Attribute, OnnxGraph, OnnxNode
from xir.ir.dims import Symbol
from xir.ir.graph import Parameter
from xir.ir.node import Value
from xir.ir.types import TensorType, Type


@dataclass(slots=True, eq=False)
class Frame:
    """One graph while it is built.

    Attributes:
        opsets: {domain: version} of its nodes.
        depth: how many bodies and calls are around it.
        parent: of a body, the graph around it.
        bindings: of a call, the attributes that it gives the function; bodies inside have them too.
        calls: the calls around it, by their nodes' names.
        functions: the functions that are being expanded.
        values: {name: what it stands for}.
        lost: names of results that could not be built.
        parameters: the weights that stand in it.
        captured: {value of the graph around: the input that stands for it}.
        is_inline: whether its nodes become nodes of the graph around, so that nothing is captured.
    """

    opsets: Mapping[str, int]
    depth: int = 0
    parent: Frame | None = None
    bindings: Mapping[str, Attribute] | None = None
    calls: tuple[str, ...] = ()
    functions: tuple[tuple[str, str], ...] = ()
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    lost: set[str] = field(default_factory=set[str])
    parameters: list[Parameter] = field(default_factory=list[Parameter])
    captured: dict[Value, Value] = field(default_factory=dict[Value, Value])
    is_inline: bool = False

    def inner(self, *, is_inline: bool = False) -> Frame:
        """The frame of a body in this one."""
        return Frame(self.opsets, self.depth + 1, self, self.bindings, self.calls, self.functions, is_inline=is_inline)

    def is_lost(self, name: str) -> bool:
        """Whether `name` stands for something that could not be built."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.values or name in frame.lost:
                return name in frame.lost
            frame = frame.parent
        return False

    def find(self, name: str, enter: Callable[[Value], Value]) -> Value | None:
        """What `name` stands for; `enter` makes the inputs of the bodies through which it is reached."""
        inside: list[Frame] = []
        frame: Frame | None = self
        while frame is not None and name not in frame.values:
            inside.append(frame)
            frame = frame.parent
        if frame is None:
            return None
        value = frame.values[name]
        for body in reversed(inside):
            value = body.values[name] = value if body.is_inline else body.capture(value, enter)
        return value

    def name_with(self, symbol: Symbol) -> str | None:
        """The name of a tensor of the graphs around that has an axis of the size `symbol`."""
        frame = self.parent
        while frame is not None:
            for name, value in frame.values.items():
                if isinstance(value.type, TensorType) and symbol in value.type.shape and name not in self.values:
                    return name
            frame = frame.parent
        return None

    def capture(self, value: Value, enter: Callable[[Value], Value]) -> Value:
        """The input of this body that stands for a value of the graph around it."""
        if value not in self.captured:
            self.captured[value] = enter(value)
        return self.captured[value]

    def resolved(self, node: OnnxNode) -> OnnxNode:
        """The node with the attributes that the call around it gives; those that no call gives are left out."""
        if self.bindings is None or not any(attribute.reference for attribute in node.attributes.values()):
            return node
        attributes: dict[str, Attribute] = {}
        for name, attribute in node.attributes.items():
            given = self.bindings.get(attribute.reference) if attribute.reference else attribute
            if given is not None:
                attributes[name] = Attribute(name, given.kind, given.value, given.reference)
        return OnnxNode(
            node.name, node.kind, node.domain, node.inputs, node.outputs, attributes, node.metadata, node.order
        )


BuildBody = Callable[[OnnxGraph, Sequence[Type | None]], Body]
"""(the body in the file, the types of its inputs as far as the operands tell them) -> the body built."""

InlineBody = Callable[[OnnxGraph], tuple[Value, ...]]
"""A body without inputs -> its results, its nodes being nodes of the graph around."""
