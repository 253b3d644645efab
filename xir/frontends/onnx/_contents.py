"""What is known before the run of small integer tensors: the sizes that models compute from shapes.

Exporters write `Reshape(x, Concat(Gather(Shape(x), 0), [-1]))`; followed through, that is a plain shape again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xir.errors import InvalidModelError
from xir.ir.constant import Constant
from xir.ir.dims import Dim, Shape, bounds, equal, floor_divide, maximum, minimum
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType

MAX_FOLLOWED = 64
"""Elements of a tensor that is followed: shapes are short."""

_INTEGERS = (DType.INT64, DType.INT32, DType.BOOL)


@dataclass(slots=True)
class Contents:
    """The known contents of values; scalars are tuples of one.

    Attributes:
        constants: weights by their values.
        outer: {input of a body: the value of the graph around that it stands for}.
    """

    constants: Mapping[Value, Constant]
    outer: dict[Value, Value] = field(default_factory=dict[Value, Value])
    _known: dict[Value, Shape | None] = field(default_factory=dict[Value, Shape | None])

    def of(self, value: Value) -> Shape | None:
        """The elements of a vector or scalar of sizes as far as they are formulas of known symbols, or None."""
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
        return self._known[value]

    def _followed(self, value: Value) -> list[Value]:
        if value in self.outer and _is_small(value):
            return [self.outer[value]]
        node = value.node
        if node is None or not _is_small(value) or node.op.name not in _RULES:
            return []
        return [operand for operand in node.inputs if operand is not None]

    def _compute(self, value: Value) -> Shape | None:
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
            return tuple(int(item) for item in constant.array().reshape(-1).tolist())
        if node is None or node.op.name not in _RULES:
            return None
        if node.op.name == "shape_of":
            return node.inputs[0].shape if node.inputs[0] is not None else None
        operands = [self._known.get(operand) for operand in node.inputs if operand is not None]
        known = [operand for operand in operands if operand is not None]
        if len(known) != len(operands):
            return None
        try:
            return _RULES[node.op.name](node, known)
        except (InvalidModelError, IndexError):
            return None


def _is_small(value: Value) -> bool:
    type = value.type
    if not isinstance(type, TensorType) or type.dtype not in _INTEGERS or type.rank > 1:
        return False
    return not type.shape or (isinstance(type.shape[0], int) and type.shape[0] <= MAX_FOLLOWED)


Rule = Callable[[Node, list[Shape]], Shape | None]


def _pairwise(combine: Callable[[Dim, Dim], Dim | None]) -> Rule:
    def rule(node: Node, known: list[Shape]) -> Shape | None:
        found = [combine(a, b) for a, b in zip(known[0], known[1], strict=True)]
        sure = tuple(item for item in found if item is not None)
        return sure if len(sure) == len(found) else None

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


def _gathered(node: Node, known: list[Shape]) -> Shape | None:
    source, indices = known
    chosen: list[Dim] = []
    for index in indices:
        if not isinstance(index, int) or not -len(source) <= index < len(source):
            return None
        chosen.append(source[index])
    return tuple(chosen)


def _joined(node: Node, known: list[Shape]) -> Shape | None:
    return tuple(size for part in known for size in part)


def _same(node: Node, known: list[Shape]) -> Shape | None:
    return known[0]


def _repeated(node: Node, known: list[Shape]) -> Shape | None:
    size = node.outputs[0].shape
    wanted = size[0] if size else 1
    if len(known[0]) == wanted:
        return known[0]
    return known[0] * wanted if isinstance(wanted, int) and len(known[0]) == 1 else None


def _sliced(node: Node, known: list[Shape]) -> Shape | None:
    if len(known) != 1:
        return None
    ranges = [node.attributes[name] for name in ("starts", "stops", "steps")]
    numbers = [item[0] for item in ranges if isinstance(item, tuple) and len(item) == 1 and isinstance(item[0], int)]
    return known[0][slice(*numbers)] if len(numbers) == 3 else None


def _product(node: Node, known: list[Shape]) -> Shape | None:
    result: Dim = 1
    for size in known[0]:
        result = result * size
    return (result,)


def _total(node: Node, known: list[Shape]) -> Shape | None:
    result: Dim = 0
    for size in known[0]:
        result = result + size
    return (result,)


def _cast(node: Node, known: list[Shape]) -> Shape | None:
    if node.outputs[0].dtype is not DType.BOOL:
        return known[0]
    return _pairwise(_differs)(node, [known[0], (0,) * len(known[0])])


def _truth(answer: bool | None) -> Dim | None:
    return None if answer is None else int(answer)


def _differs(a: Dim, b: Dim) -> Dim | None:
    same = equal(a, b)
    return None if same is None else int(not same)


def _is_less(a: Dim, b: Dim) -> Dim | None:
    low, high = bounds(a - b)
    if high is not None and high < 0:
        return 1
    return 0 if low is not None and low >= 0 else None


def _negated(answer: Dim | None) -> Dim | None:
    return 1 - answer if isinstance(answer, int) else None


def _chosen(node: Node, known: list[Shape]) -> Shape | None:
    conditions, x, y = known
    if not all(isinstance(condition, int) for condition in conditions):
        return None
    return tuple(a if condition else b for condition, a, b in zip(conditions, x, y, strict=True))


def _counted(node: Node, known: list[Shape]) -> Shape | None:
    size = node.outputs[0].shape[0] if node.outputs[0].rank else 1
    return tuple(range(size)) if isinstance(size, int) else None


_RULES: Mapping[str, Rule] = {
    "shape_of": _same,
    "identity": _same,
    "cast": _cast,
    "iota": _counted,
    "select": _chosen,
    "equal": _pairwise(lambda a, b: _truth(equal(a, b))),
    "not_equal": _pairwise(_differs),
    "less": _pairwise(_is_less),
    "greater": _pairwise(lambda a, b: _is_less(b, a)),
    "less_equal": _pairwise(lambda a, b: _negated(_is_less(b, a))),
    "greater_equal": _pairwise(lambda a, b: _negated(_is_less(a, b))),
    "logical_not": lambda node, known: _pairwise(lambda a, b: _negated(a))(node, [known[0], known[0]]),
    "logical_and": _pairwise(lambda a, b: a * b),
    "logical_or": _pairwise(maximum),
    "neg": lambda node, known: tuple(-1 * size for size in known[0]),
    "reshape": lambda node, known: known[0],
    "broadcast": _repeated,
    "concat": _joined,
    "gather": _gathered,
    "slice": _sliced,
    "reverse": lambda node, known: known[0][::-1] if node.attributes["axes"] else known[0],
    "add": _pairwise(lambda a, b: a + b),
    "sub": _pairwise(lambda a, b: a - b),
    "mul": _pairwise(lambda a, b: a * b),
    "div": _pairwise(_divide),
    "mod": _pairwise(_remainder),
    "minimum": _pairwise(minimum),
    "maximum": _pairwise(maximum),
    "reduce_prod": _product,
    "reduce_sum": _total,
}
