"""The weights of two graphs, tensor by tensor: the same, changed, renamed, added, removed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.surgery.fingerprint import is_literal
from xir.verification.compare import compare

CHUNK_BYTES = 1 << 22
"""Bytes that are compared at once."""


@dataclass(frozen=True, slots=True)
class WeightChange:
    """What became of one tensor.

    Attributes:
        a: its name in the first model, None where it is not there.
        b: its name in the second model, None where it is not there.
        a_type: element type and shape in the first model, in words.
        b_type: the same of the second model.
        max_absolute: the largest |a - b|; None where the two cannot be subtracted.
        max_relative: the largest |a - b| / |a| over elements that are not 0; None likewise.
        changed_elements: elements that differ; None likewise.
        changed_bytes: bytes that differ; all of them where types differ or one side is absent.
    """

    a: str | None
    b: str | None
    a_type: str | None
    b_type: str | None
    max_absolute: float | None = None
    max_relative: float | None = None
    changed_elements: int | None = None
    changed_bytes: int = 0

    @property
    def kind(self) -> str:
        """`added`, `removed`, `renamed`, `changed`, or `renamed, changed`."""
        if self.a is None or self.b is None:
            return "added" if self.a is None else "removed"
        words = ["renamed"] if self.a != self.b else []
        return ", ".join(words + (["changed"] if self.changed_bytes or self.a_type != self.b_type else []))

    def to_dict(self) -> dict[str, object]:
        """The change as plain data."""
        return {
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
            "a_type": self.a_type,
            "b_type": self.b_type,
            "max_absolute": self.max_absolute,
            "max_relative": self.max_relative,
            "changed_elements": self.changed_elements,
            "changed_bytes": self.changed_bytes,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Weight:
    """One tensor of one side: a parameter, or a literal, which may have no name."""

    name: str | None
    words: str
    constant: Constant

    @property
    def type(self) -> str:
        return repr(self.constant.type)


def compare_weights(
    a: Graph, b: Graph, pairs: Iterable[tuple[Node, Node]], path: str = ""
) -> tuple[list[WeightChange], int]:
    """The tensors that differ, in the first graph's order, then the new ones; and how many are the same.

    Tensors pair by name, if their types agree; then by their content (SHA-256); then by where the paired nodes read
    them; then by name alone.

    Args:
        a: the first graph.
        b: the second graph.
        pairs: the nodes that are partners.
        path: where the graphs stand in their models, before every name.
    """
    first, second = _weights_of(a, path), _weights_of(b, path)
    partners = _Partners(list(first.values()), list(second.values()))
    partners.by(lambda weight: None if weight.name is None else (weight.name, weight.type))
    shared = {w.type for w in partners.left_a()} & {w.type for w in partners.left_b()}
    partners.by(lambda weight: (weight.type, weight.constant.digest()) if weight.type in shared else None)
    for node, other in pairs:
        for x, y in zip(node.inputs, other.inputs, strict=False):
            if x is not None and y is not None and x in first and y in second:
                partners.add(first[x], second[y])
    partners.by(lambda weight: weight.name)
    changes: list[WeightChange] = []
    same = 0
    for weight in first.values():
        change = _change(weight, partners.forward.get(weight))
        if change is None:
            same += 1
        else:
            changes.append(change)
    changes += [WeightChange(None, w.words, None, w.type, changed_bytes=w.constant.nbytes) for w in partners.left_b()]
    return changes, same


def _weights_of(graph: Graph, path: str) -> dict[Value, _Weight]:
    """The tensors of a graph, each value once."""
    found: dict[Value, _Weight] = {}
    for parameter in graph.parameters:
        own = path + graph.name_of(parameter.value)
        found[parameter.value] = _Weight(own, own, parameter.constant)
    for node in graph.nodes:
        held = node.attributes.get("value")
        if is_literal(node) and isinstance(held, Constant):
            value = node.outputs[0]
            name = graph.names.get(value)
            words = path + (name or f"literal {graph.name_of(value)}")
            found[value] = _Weight(None if name is None else path + name, words, held)
    return found


class _Partners:
    """Pairs of tensors, each in one pair at the most."""

    def __init__(self, a: Sequence[_Weight], b: Sequence[_Weight]) -> None:
        self.a, self.b = a, b
        self.forward: dict[_Weight, _Weight] = {}
        self.taken: set[_Weight] = set()

    def left_a(self) -> list[_Weight]:
        return [weight for weight in self.a if weight not in self.forward]

    def left_b(self) -> list[_Weight]:
        return [weight for weight in self.b if weight not in self.taken]

    def add(self, a: _Weight, b: _Weight) -> None:
        if a not in self.forward and b not in self.taken:
            self.forward[a] = b
            self.taken.add(b)

    def by(self, key: Callable[[_Weight], Hashable]) -> None:
        """Pairs what is left and has the same key, which is not None, in order."""
        waiting: dict[Hashable, list[_Weight]] = {}
        for weight in reversed(self.left_b()):
            held = key(weight)
            if held is not None:
                waiting.setdefault(held, []).append(weight)
        for weight in self.left_a():
            queue = waiting.get(key(weight))
            if queue:
                self.add(weight, queue.pop())


def _change(a: _Weight, b: _Weight | None) -> WeightChange | None:
    """What happened to a tensor; None where nothing did. Literals without a name have no names to differ in."""
    if b is None:
        return WeightChange(a.words, None, a.type, None, changed_bytes=a.constant.nbytes)
    a_words = b.words if a.name is None else a.words
    b_words = a_words if b.name is None else b.words
    if a.type != b.type:
        return WeightChange(a_words, b_words, a.type, b.type, changed_bytes=max(a.constant.nbytes, b.constant.nbytes))
    changed = _changed_bytes(a.constant, b.constant)
    if not changed:
        return None if a_words == b_words else WeightChange(a_words, b_words, a.type, b.type, 0.0, 0.0, 0)
    if a.constant.dtype is DType.STRING:
        elements = int(np.sum(a.constant.array() != b.constant.array()))
        return WeightChange(a_words, b_words, a.type, b.type, changed_elements=elements, changed_bytes=changed)
    found = compare(a_words, a.constant.array(), b.constant.array(), rtol=0.0, atol=0.0)
    return WeightChange(
        a_words,
        b_words,
        a.type,
        b.type,
        found.max_absolute,
        found.max_relative,
        max(found.mismatches, 1),
        changed,
    )


def _changed_bytes(a: Constant, b: Constant) -> int:
    """How many bytes differ, piece by piece; of text the bytes of the pieces that do."""
    if a.data is b.data:
        return 0
    if a.dtype is DType.STRING:
        pieces = zip_longest(a.chunks(), b.chunks(), fillvalue=b"")
        return sum(max(len(x), len(y)) for x, y in pieces if bytes(x) != bytes(y))
    flat = [np.ascontiguousarray(each.array()).reshape(-1).view(np.uint8) for each in (a, b)]
    total = 0
    for start in range(0, flat[0].size, CHUNK_BYTES):
        x, y = (each[start : start + CHUNK_BYTES] for each in flat)
        total += int(np.count_nonzero(x != y))
    return total
