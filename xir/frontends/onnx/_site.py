"""What a handler sees of one ONNX node: its attributes, checked, and what is known of its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends._bodies import Body
from xir.frontends._contents import Contents
from xir.frontends.onnx._frame import BuildBody, InlineBody
from xir.frontends.onnx._value_types import TypeTable
from xir.frontends.onnx.model import AttributeValue, OnnxGraph, OnnxNode, SparseTensor, Tensor, TypeInfo
from xir.frontends.onnx.tensors import TensorStore
from xir.ir.broadcasting import join, needs_broadcast
from xir.ir.constant import Array, Constant
from xir.ir.dims import Dim, Shape, equal
from xir.ir.node import Value
from xir.ir.types import Type
from xir.ops.shape import broadcast

T = TypeVar("T")


@dataclass(slots=True)
class Scope:
    """What all nodes of one import share.

    Attributes:
        contents: what is known of small integer tensors.
        store: makes constants of tensors.
        constants: weights by their values.
        types: makes types of what the file says.
    """

    contents: Contents
    store: TensorStore
    constants: dict[Value, Constant]
    types: TypeTable
    _broadcasts: dict[tuple[Value, Shape], Value] = field(default_factory=dict[tuple[Value, Shape], Value])

    def broadcast(self, value: Value, shape: Shape) -> Value:
        """`value` repeated to `shape`; one node for all that ask the same, itself where nothing is to repeat."""
        if not needs_broadcast(value.shape, shape):
            return value
        key = (value, shape)
        if key not in self._broadcasts:
            self._broadcasts[key] = broadcast(value, shape=shape)
        return self._broadcasts[key]

    def constant_of(self, value: Value) -> Constant | None:
        """The elements of a weight or literal, or None."""
        if value.node is None:
            return self.constants.get(value)
        literal = value.node.attributes.get("value") if value.node.op.name == "constant" else None
        return literal if isinstance(literal, Constant) else None


class Site:
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
        self.scope = scope
        self._asked: set[str] = set()

    def refuse(self, reason: str, hint: str | None = None) -> NoReturn:
        """Raises UnsupportedError: xir has no operator that does this."""
        raise UnsupportedError(reason, hint=hint)

    def invalid(self, message: str) -> NoReturn:
        """Raises InvalidModelError: the node contradicts ONNX's rules."""
        raise InvalidModelError(message)

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

    def sizes(self, value: Value) -> Shape | None:
        """The elements of an operand of sizes, as far as they are known before the run, else None."""
        return self.scope.contents.of(value)

    def numbers(self, value: Value, what: str) -> tuple[int, ...]:
        """The elements of an operand that must be known numbers (axes, steps).

        Raises:
            UnsupportedError: they are computed at run time.
        """
        found = self.sizes(value)
        known = () if found is None else tuple(size for size in found if isinstance(size, int))
        if found is None or len(known) != len(found):
            self.refuse(f"{what} that are computed at run time", "fold them into constants first")
        return known

    def array(self, value: Value, what: str) -> Array:
        """The elements of an operand that must be a constant.

        Raises:
            UnsupportedError: they are computed at run time.
        """
        constant = self.scope.constant_of(value)
        if constant is None:
            self.refuse(f"{what} that is computed at run time", "fold it into a constant first")
        return constant.array()

    def scalar(self, value: Value, what: str) -> float:
        """The one element of an operand that must be a constant."""
        array = self.array(value, what)
        if array.size != 1:
            self.invalid(f"{what} has {array.size} elements, expected one")
        return float(array.reshape(-1).astype("float64")[0])

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front; negative ones count from the end."""
        if not -rank <= axis < rank:
            self.invalid(f"axis {axis} does not exist among {rank}")
        return axis + rank if axis < 0 else axis

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Axes counted from the front, each once."""
        counted = tuple(self.axis(axis, rank) for axis in axes)
        if len(set(counted)) != len(counted):
            self.invalid(f"axes {list(axes)} name one axis twice")
        return counted

    def aligned(self, *values: Value) -> tuple[Value, ...]:
        """The operands, each repeated to the shape that all broadcast to."""
        shape = join([value.shape for value in values])
        return tuple(self.scope.broadcast(value, shape) for value in values)

    def repeated(self, value: Value, shape: Shape) -> Value:
        """The operand repeated to `shape` (ONNX's unidirectional broadcasting)."""
        joined = join([value.shape, shape])
        if len(joined) != len(shape) or any(equal(m, n) is False for m, n in zip(joined, shape, strict=True)):
            self.invalid(f"{value.type!r} does not broadcast to {list(shape)}")
        return self.scope.broadcast(value, shape)


def known(sizes: Shape) -> tuple[int, ...] | None:
    """The sizes when all of them are numbers, else None."""
    numbers = tuple(size for size in sizes if isinstance(size, int))
    return numbers if len(numbers) == len(sizes) else None


def product_of(sizes: Sequence[Dim]) -> Dim:
    """The product of sizes."""
    result: Dim = 1
    for size in sizes:
        result = result * size
    return result
