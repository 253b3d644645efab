"""What is known before the run of small integer tensors: the sizes that models compute from shapes.

Exporters write `Reshape(x, Concat(Gather(Shape(x), 0), [-1]))`; followed through, that is a plain shape again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Shape, bounds, equal, floor_divide, maximum, minimum
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType

Elements: TypeAlias = NDArray[np.object_]
"""Sizes in the shape of a tensor."""

MAX_FOLLOWED = 64
"""Elements of a tensor that is followed: shapes are short."""

_INTEGERS = (DType.INT64, DType.INT32, DType.BOOL)


@dataclass(slots=True)
class Contents:
    """The known contents of values, each an array of sizes in the value's shape.

    Attributes:
        constants: weights by their values.
        outer: {input of a body: the value of the graph around that it stands for}.
    """

    constants: Mapping[Value, Constant]
    outer: dict[Value, Value] = field(default_factory=dict[Value, Value])
    _known: dict[Value, Elements | None] = field(default_factory=dict["Value", "Elements | None"])

    def of(self, value: Value) -> Shape | None:
        """The elements of a tensor of sizes, in order, as far as they are formulas of known symbols, or None."""
        pending = [value]
        while pending:
            current = pending[-1]
            if current in self._known:
                pending.pop()
                continue
            missing = [operand for operand in self._followed(current) if operand not in self._known]
            if missing:
                pending += missing
                continue
            pending.pop()
            self._known[current] = self._compute(current)
        found = self._known[value]
        return None if found is None else tuple(found.reshape(-1).tolist())

    def _followed(self, value: Value) -> list[Value]:
        if value in self.outer and _is_small(value):
            return [self.outer[value]]
        node = value.node
        if node is None or not _is_small(value) or node.op.name not in _RULES:
            return []
        return [operand for operand in node.inputs if operand is not None]

    def _compute(self, value: Value) -> Elements | None:
        if not _is_small(value):
            return None
        node = value.node
        constant = self.constants.get(value)
        if value in self.outer:
            return self._known.get(self.outer[value])
        if node is not None and node.op.name == "constant":
            literal = node.attributes["value"]
            constant = literal if isinstance(literal, Constant) else None
        if constant is not None:
            return _elements([int(item) for item in constant.array().reshape(-1).tolist()], constant.shape)
        if node is None or node.op.name not in _RULES:
            return None
        if node.op.name == "shape_of":
            return _elements(node.inputs[0].shape) if node.inputs[0] is not None else None
        operands = [self._known.get(operand) for operand in node.inputs if operand is not None]
        known = [operand for operand in operands if operand is not None]
        if len(known) != len(operands):
            return None
        try:
            found = _piece(value, node, known) if node.op.name == "split" else _RULES[node.op.name](node, known)
        except (InvalidModelError, IndexError, ValueError):
            return None
        return found if found is not None and found.shape == value.shape and _is_held(found) else None


def _elements(items: Sequence[Dim], shape: Sequence[Dim] | None = None) -> Elements:
    array = np.empty(len(items), object)
    array[:] = items
    return array if shape is None else array.reshape([size for size in shape if isinstance(size, int)])


def _is_small(value: Value) -> bool:
    type = value.type
    if not isinstance(type, TensorType) or type.dtype not in _INTEGERS:
        return False
    return isinstance(type.elements, int) and type.elements <= MAX_FOLLOWED


def _is_held(found: Elements) -> bool:
    """Whether every number is one of 64 bits: the run would wrap others around, and squares of squares never end."""
    return all(not isinstance(item, int) or -(1 << 63) <= item < 1 << 63 for item in found.reshape(-1).tolist())


Rule = Callable[[Node, list[Elements]], "Elements | None"]


def _each(combine: Callable[..., Dim | None]) -> Rule:
    """The rule of an operator that works element by element."""

    def rule(node: Node, known: list[Elements]) -> Elements | None:
        found = [combine(*items) for items in zip(*(each.reshape(-1).tolist() for each in known), strict=True)]
        sure = [item for item in found if item is not None]
        return _elements(sure, known[0].shape) if len(sure) == len(found) else None

    return rule


def _divide(a: Dim, b: Dim) -> Dim | None:
    """Division truncates: known where both are known, or rounding down is the same."""
    if isinstance(a, int) and isinstance(b, int):
        return None if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    low_a, low_b = bounds(a)[0], bounds(b)[0]
    if low_a is None or low_a < 0 or low_b is None or low_b < 1:
        return _exact(a, b)
    return floor_divide(a, b)


def _exact(a: Dim, b: Dim) -> Dim | None:
    """The quotient where the remainder has been taken off: `(a - a % b) / b`."""
    if not isinstance(b, int) or b < 1:
        return None
    quotient = floor_divide(a, b)
    return quotient if quotient * b == a else None


def _remainder(a: Dim, b: Dim) -> Dim | None:
    if b == 0:
        return None
    return a - b * floor_divide(a, b)


def _gathered(node: Node, known: list[Elements]) -> Elements | None:
    source, indices = known
    axis = _whole(node, "axis")
    size = source.shape[axis]
    if not all(isinstance(index, int) and -size <= index < size for index in indices.reshape(-1).tolist()):
        return None
    return np.asarray(np.take(source, indices.astype(np.int64), axis), object)


def _whole(node: Node, name: str) -> int:
    value = node.attributes[name]
    return value if isinstance(value, int) else 0


def _wholes(node: Node, name: str) -> tuple[int, ...]:
    value = node.attributes[name]
    items = value if isinstance(value, tuple) else ()
    whole = tuple(item for item in items if isinstance(item, int))
    if len(whole) != len(items):
        raise InvalidModelError(f"{name} is not known")
    return whole


def _piece(value: Value, node: Node, known: list[Elements]) -> Elements | None:
    """The output of a `split` that `value` is."""
    sizes = _wholes(node, "sizes")
    first = sum(sizes[: value.index])
    return known[0].take(range(first, first + sizes[value.index]), _whole(node, "axis"))


def _joined(node: Node, known: list[Elements]) -> Elements | None:
    return np.concatenate(known, _whole(node, "axis"))


def _same(node: Node, known: list[Elements]) -> Elements | None:
    return known[0]


def _shape(node: Node) -> list[int]:
    return [size for size in node.outputs[0].shape if isinstance(size, int)]


def _sliced(node: Node, known: list[Elements]) -> Elements | None:
    if len(known) != 1:
        return None
    result = known[0]
    ranges = (_wholes(node, name) for name in ("axes", "starts", "stops", "steps"))
    for axis, *ends in zip(*ranges, strict=True):
        result = result[(slice(None),) * axis + (slice(*ends),)]
    return result


def _reduced(combine: Callable[[Dim, Dim], Dim]) -> Rule:
    def rule(node: Node, known: list[Elements]) -> Elements | None:
        if len(known) != 1 or len(_wholes(node, "axes")) != known[0].ndim or not known[0].size:
            return None
        first, *rest = known[0].reshape(-1).tolist()
        for size in rest:
            first = combine(first, size)
        return _elements([first], _shape(node))

    return rule


def _cast(node: Node, known: list[Elements]) -> Elements | None:
    if node.outputs[0].dtype is not DType.BOOL:
        return known[0]
    return _each(_is_nonzero)(node, known)


def _truth(answer: bool | None) -> Dim | None:
    return None if answer is None else int(answer)


def _differs(a: Dim, b: Dim) -> Dim | None:
    same = equal(a, b)
    return None if same is None else int(not same)


def _is_nonzero(size: Dim) -> Dim | None:
    return _differs(size, 0)


def _is_less(a: Dim, b: Dim) -> Dim | None:
    low, high = bounds(a - b)
    if high is not None and high < 0:
        return 1
    return 0 if low is not None and low >= 0 else None


def _negated(answer: Dim | None) -> Dim | None:
    return 1 - answer if isinstance(answer, int) else None


def _chosen(condition: Dim, a: Dim, b: Dim) -> Dim | None:
    return (a if condition else b) if isinstance(condition, int) else None


def _counted(node: Node, known: list[Elements]) -> Elements | None:
    shape, axis = _shape(node), _whole(node, "axis")
    return np.moveaxis(
        np.broadcast_to(np.arange(shape[axis]).astype(object), (*shape[:axis], *shape[axis + 1 :], shape[axis])),
        -1,
        axis,
    )


def _plus(a: Dim, b: Dim) -> Dim:
    return a + b


def _minus(a: Dim, b: Dim) -> Dim:
    return a - b


def _times(a: Dim, b: Dim) -> Dim:
    return a * b


def _opposite(a: Dim) -> Dim:
    return -1 * a


def _same_size(a: Dim, b: Dim) -> Dim | None:
    return _truth(equal(a, b))


def _is_greater(a: Dim, b: Dim) -> Dim | None:
    return _is_less(b, a)


def _is_at_most(a: Dim, b: Dim) -> Dim | None:
    return _negated(_is_less(b, a))


def _is_at_least(a: Dim, b: Dim) -> Dim | None:
    return _negated(_is_less(a, b))


_RULES: Mapping[str, Rule] = {
    "shape_of": _same,
    "identity": _same,
    "cast": _cast,
    "iota": _counted,
    "reshape": lambda node, known: known[0].reshape(_shape(node)),
    "broadcast": lambda node, known: np.broadcast_to(known[0], _shape(node)),
    "transpose": lambda node, known: known[0].transpose(_wholes(node, "perm")),
    "reverse": lambda node, known: np.flip(known[0], _wholes(node, "axes")),
    "concat": _joined,
    "gather": _gathered,
    "slice": _sliced,
    "split": _same,
    "select": _each(_chosen),
    "add": _each(_plus),
    "sub": _each(_minus),
    "mul": _each(_times),
    "div": _each(_divide),
    "mod": _each(_remainder),
    "neg": _each(_opposite),
    "minimum": _each(minimum),
    "maximum": _each(maximum),
    "equal": _each(_same_size),
    "not_equal": _each(_differs),
    "less": _each(_is_less),
    "greater": _each(_is_greater),
    "less_equal": _each(_is_at_most),
    "greater_equal": _each(_is_at_least),
    "logical_not": _each(_negated),
    "logical_and": _each(_times),
    "logical_or": _each(maximum),
    "reduce_prod": _reduced(_times),
    "reduce_sum": _reduced(_plus),
}
