"""What values hold before the run: those that depend on weights and literals alone.

Models compute sizes, permutations and conditions in the graph. A value is found on demand, by the reference, and what
was found once stays known; large values on the way are computed again, so that they do not fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xir.errors import XirError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import product
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import definition
from xir.ops.random import DRAWING
from xir.reference.execute import run_node
from xir.reference.sizes import Sizes, symbols_in

KEPT_ELEMENTS = 1024
"""Elements of a value that stays known where nobody asked for it."""


class Folding:
    """What the values of one import hold, as far as it is known."""

    def __init__(self, given: Callable[[Value], Constant | None], largest: int) -> None:
        """Nothing is found yet.

        Args:
            given: the elements of weights, literals and what else is known, or None.
            largest: how many elements a value may have that is followed.
        """
        self._given, self._largest = given, largest
        self._found: dict[Value, Constant | None] = {}
        self._sizes = Sizes()

    def constant_of(self, value: Value) -> Constant | None:
        """The elements of a value; None where the run decides them, or they are too many."""
        given = self._given(value)
        if given is not None:
            return given
        walked: list[Value] = []
        pending = [value]
        while pending:
            current = pending[-1]
            missing = () if current in self._found else self._missing(current)
            if missing:
                pending += missing
                continue
            pending.pop()
            walked.append(current)
        for each in walked:
            held = self._found.get(each)
            if each is not value and held is not None and held.elements > KEPT_ELEMENTS:
                self._found.pop(each)
        return self._found[value]

    def _missing(self, value: Value) -> Sequence[Value]:
        """What must be found before a value; nothing once it is found."""
        held = self._given(value) if self._fits(value) else None
        node = value.node
        if held is not None or node is None or not self._is_followed(node):
            self._found[value] = held
            return ()
        operands = [operand for operand in node.inputs if operand is not None]
        if any(operand in self._found and self._found[operand] is None for operand in operands):
            self._found[value] = None
            return ()
        missing = [operand for operand in operands if operand not in self._found]
        if not missing:
            self._compute(node)
        return missing

    def _fits(self, value: Value) -> bool:
        """Whether a value may be looked at: its elements are few, or only the computation tells how many."""
        elements = product(value.shape) if isinstance(value.type, TensorType) else self._largest + 1
        return not isinstance(elements, int) or elements <= self._largest

    def _is_followed(self, node: Node) -> bool:
        """Whether a node gives the same in every run, and may be computed."""
        if node.op.has_effect or node.op.name in DRAWING or definition(node).kept_reason is not None:
            return False
        return all(map(self._fits, node.outputs))

    def _compute(self, node: Node) -> None:
        """Finds all results of a node whose operands are known, and with them what tells its sizes."""
        self._found.update(dict.fromkeys(node.outputs))
        if any(symbol not in self._sizes.known for symbol in symbols_in(node.attributes)):
            return
        try:
            results = run_node(node, [self._array(operand) for operand in node.inputs], self._sizes)
        except XirError:
            return  # the run says it, with the node's place
        for output, result in zip(node.outputs, results, strict=True):
            if result.size <= self._largest:
                self._found[output] = constant_of(result, None if output.dtype is DType.STRING else output.dtype)

    def _array(self, operand: Value | None) -> Array | None:
        held = None if operand is None else self._found[operand]
        return None if held is None else held.array()
