"""What rules about formulas share: numbers that are the same everywhere, products taken apart, who reads what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from ml_dtypes import finfo

from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType

SMALL_BYTES = 64 * 1024
"""Constants up to this size are looked into."""

MAX_FACTORS = 8
"""How many multiplications are taken apart: formulas of activations have fewer."""

CLOSE_UNITS = 8
"""How many units in the last place a constant of a model may lie from the number that it stands for: the constants
of formulas are rounded once or twice before they are written."""


def made_by(value: Value | None, *names: str) -> Node | None:
    """The node that makes `value`, where its operator is one of `names`."""
    node = None if value is None else value.node
    return node if node is not None and node.op.name in names else None


def bare(value: Value) -> Value:
    """What a broadcast to a known shape repeats, any other value itself."""
    node = made_by(value, "broadcast")
    return value if node is None or node.inputs[1] is not None else cast("Value", node.inputs[0])


def scalar(value: Value | None, rewriter: Rewriter) -> float | None:
    """The number that all elements of a floating constant are, which may be repeated; else None."""
    if value is None:
        return None
    held = rewriter.constant_of(bare(value))
    if held is None or not held.dtype.is_floating or held.nbytes > SMALL_BYTES or not held.elements:
        return None
    array = held.array().reshape(-1)
    first = float(array[0])
    same = array.tobytes() == np.broadcast_to(array[:1], array.shape).tobytes()
    return first if same else None


def close(number: float, wanted: float, dtype: DType) -> bool:
    """Whether a constant of the type `dtype` stands for `wanted`."""
    limits = cast("Callable[[object], np.finfo[np.float64]]", finfo)(dtype.dtype)  # it has no types of its own
    unit = float(limits.eps)
    return abs(number - wanted) <= CLOSE_UNITS * unit * abs(wanted)


@dataclass(slots=True)
class Product:
    """A product of values and one number.

    Attributes:
        values: the values that are no constants, in order.
        factor: the product of all constants.
        nodes: the multiplications, divisions and negations.
    """

    values: list[Value] = field(default_factory=list[Value])
    factor: float = 1.0
    nodes: list[Node] = field(default_factory=list[Node])


def product_of(value: Value, rewriter: Rewriter, *, root: bool = False) -> Product:
    """`value` as a product: multiplications and negations that nothing else reads, divisions by constants, taken apart.

    Args:
        value: the result.
        rewriter: the rebuild that is going on.
        root: `value` itself is taken apart even where it has several readers.
    """
    found = Product()
    waiting = [value]
    while waiting:
        current = waiting.pop(0)
        node = made_by(current, "mul", "div", "neg")
        single = rewriter.uses(current) == 1 or (root and current is value)
        if node is None or not single or len(found.nodes) == MAX_FACTORS or not _take(node, found, waiting, rewriter):
            found.values.append(current)
    return found


def _take(node: Node, found: Product, waiting: list[Value], rewriter: Rewriter) -> bool:
    if node.op.name == "neg":
        found.factor = -found.factor
        found.nodes.append(node)
        waiting[:0] = [cast("Value", node.inputs[0])]
        return True
    first, second = (cast("Value", each) for each in node.inputs)
    numbers = (scalar(first, rewriter), scalar(second, rewriter))
    if node.op.name == "div":
        if numbers[1] is None or numbers[1] == 0 or numbers[0] is not None:
            return False
        found.factor /= numbers[1]
    else:
        for number in numbers:
            found.factor *= 1.0 if number is None else number
    found.nodes.append(node)
    waiting[:0] = [each for each, number in zip((first, second), numbers, strict=True) if number is None]
    return True


def with_number(value: Value | None, kind: str, rewriter: Rewriter) -> tuple[Node, Value, float] | None:
    """A node of the commutative operator `kind` with one constant operand: it, the other operand, the number."""
    node = made_by(value, kind)
    if node is None:
        return None
    for place in (1, 0):
        number = scalar(node.inputs[place], rewriter)
        if number is not None:
            return node, cast("Value", node.inputs[1 - place]), number
    return None


def private(nodes: Sequence[Node], rewriter: Rewriter) -> bool:
    """Whether nothing but `nodes` reads the results of all of them but the first."""
    chosen = list(dict.fromkeys(nodes))
    return all(
        rewriter.uses(value) == sum(_reads(node, value) for node in chosen)
        for made in chosen[1:]
        for value in made.outputs
    )


def _reads(node: Node, value: Value) -> int:
    return sum(each is value for each in node.inputs)


def same_values(values: Iterable[Value], wanted: Iterable[Value]) -> bool:
    """Whether both have the same values, in any order."""
    left, right = list(values), list(wanted)
    return len(left) == len(right) and all(
        sum(each is value for each in left) == sum(each is value for each in right) for value in left
    )
