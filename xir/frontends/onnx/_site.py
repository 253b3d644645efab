"""What a handler sees of one ONNX node: its attributes, checked, and what is known of its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from xir.frontends._bodies import Body
from xir.frontends._operands import Knowledge, Operands
from xir.frontends.onnx._frame import BuildBody, InlineBody
from xir.frontends.onnx._value_types import TypeTable
from xir.frontends.onnx.model import AttributeValue, OnnxGraph, OnnxNode, SparseTensor, Tensor, TypeInfo
from xir.frontends.onnx.tensors import TensorStore
from xir.ir.constant import Constant
from xir.ir.types import Type

T = TypeVar("T")


@dataclass(slots=True)
class Scope(Knowledge):
    """What all nodes of one import share.

    Attributes:
        store: makes constants of tensors.
        types: makes types of what the file says.
    """

    store: TensorStore
    types: TypeTable


class Site(Operands):
    """One node of the file, as its handler sees it.

    Every attribute must be asked for: one that no handler knows is an error, never dropped.

    Attributes:
        node: the node as it stands in the file.
        opset: the version of its operator set.
        scope: what all nodes share.
        build_body: makes a closed graph of a body; `body` says it in one word.
        inline_body: builds the nodes of a body without inputs as nodes of the graph around.
    """

    __slots__ = ("_asked", "build_body", "inline_body", "node", "opset", "scope")

    def __init__(
        self, node: OnnxNode, opset: int, scope: Scope, build_body: BuildBody, inline_body: InlineBody
    ) -> None:
        """The site of `node` in a model whose operator set is `opset`."""
        self.build_body = build_body
        self.inline_body = inline_body
        self.node = node
        self.opset = opset
        super().__init__(scope)
        self.scope = scope
        self._asked: set[str] = set()

    def _take(self, name: str, kind: str) -> AttributeValue:
        self._asked.add(name)
        held = self.node.attributes.get(name)
        if held is None:
            return None
        if held.kind != kind:
            self.invalid(f"attribute {name!r} is {held.kind}, expected {kind}")
        return held.value

    def has(self, name: str) -> bool:
        """Whether the attribute is given."""
        return name in self.node.attributes

    def integer(self, name: str, default: int | None = None) -> int:
        """An INT attribute; raises InvalidModelError where it is missing and has no default."""
        value = self._take(name, "INT")
        return value if isinstance(value, int) else self._default(name, default)

    def real(self, name: str, default: float | None = None) -> float:
        """A FLOAT attribute; raises InvalidModelError where it is missing and has no default."""
        value = self._take(name, "FLOAT")
        return value if isinstance(value, float) else self._default(name, default)

    def flag(self, name: str, default: bool) -> bool:
        """An INT attribute that is 0 or 1."""
        return bool(self.integer(name, int(default)))

    def text(self, name: str, default: str | None = None) -> str:
        """A STRING attribute; raises InvalidModelError where it is missing and has no default."""
        value = self._take(name, "STRING")
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        return self._default(name, default)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """A STRING attribute that is one of `choices`."""
        value = self.text(name, default)
        if value not in choices:
            self.invalid(f"attribute {name!r} is {value!r}, expected one of {', '.join(choices)}")
        return value

    def integers(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """An INTS attribute; raises InvalidModelError where it is missing and has no default."""
        value = self._take(name, "INTS")
        if isinstance(value, tuple):
            return tuple(item for item in value if isinstance(item, int))
        return self._default(name, default)

    def reals(self, name: str) -> tuple[float, ...] | None:
        """A FLOATS attribute, or None."""
        value = self._take(name, "FLOATS")
        return tuple(float(item) for item in value if isinstance(item, float)) if isinstance(value, tuple) else None

    def strings(self, name: str) -> tuple[str, ...] | None:
        """A STRINGS attribute, or None."""
        value = self._take(name, "STRINGS")
        if not isinstance(value, tuple):
            return None
        return tuple(item.decode("utf-8", "surrogateescape") for item in value if isinstance(item, bytes))

    def tensor(self, name: str) -> Constant | None:
        """A TENSOR attribute (or SPARSE_TENSOR), or None."""
        held = self.node.attributes.get(name)
        if held is not None and isinstance(held.value, SparseTensor):
            self._asked.add(name)
            return self.scope.store.dense(held.value)
        value = self._take(name, "TENSOR")
        return self.scope.store.constant(value) if isinstance(value, Tensor) else None

    def graph(self, name: str) -> OnnxGraph:
        """A GRAPH attribute as it stands in the file; raises InvalidModelError where it is missing."""
        value = self._take(name, "GRAPH")
        if not isinstance(value, OnnxGraph):
            self.invalid(f"attribute {name!r} is missing")
        return value

    def body(self, name: str, types: Sequence[Type | None] = ()) -> Body:
        """A GRAPH attribute as a closed graph.

        Args:
            name: of the attribute.
            types: of the body's inputs, as far as the node's operands tell them; what the file says serves else.
        """
        return self.build_body(self.graph(name), types)

    def type_info(self, name: str) -> TypeInfo | None:
        """A TYPE_PROTO attribute, or None."""
        value = self._take(name, "TYPE_PROTO")
        return value if isinstance(value, TypeInfo) else None

    def ignore(self, *names: str) -> None:
        """Passes over attributes that change nothing in the result (storage hints, training alone)."""
        self._asked.update(names)

    def _default(self, name: str, default: T | None) -> T:
        if default is None:
            self.invalid(f"attribute {name!r} is missing")
        return default

    def unknown(self) -> tuple[str, ...]:
        """Attributes that nobody asked for."""
        return tuple(name for name in self.node.attributes if name not in self._asked)
