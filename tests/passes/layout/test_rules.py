"""Every rule tells the truth: an operator in another layout computes what it does in its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest

from tests.passes.helpers import Net
from tests.passes.layout.samples import FIXED, SAMPLES
from xir.ir.builder import apply
from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ops.shape import reshape, transpose
from xir.passes.layout._perms import Perm
from xir.passes.layout._rules import EXACT, RESULT, RULES, Laid
from xir.reference import random_inputs, run

MAX_PERMUTED = 5


def _asked(node: Node) -> Iterator[Laid]:
    """The answers of a node's rule for all orders of the axes of its operands and of its results."""
    rule = RULES[node.op.name]
    operands = {place: value for place, value in enumerate(node.inputs) if value is not None}
    for place, value in (*operands.items(), (RESULT, node.outputs[0])):
        for perm in permutations(range(value.rank)) if value.rank <= MAX_PERMUTED else [(1, 0, *range(2, value.rank))]:
            laid = rule(node, place, perm)
            if laid is not None:
                assert _agrees(laid, place, perm)
                yield laid


def _agrees(laid: Laid, place: int, perm: Perm) -> bool:
    return (laid.results[0] if place == RESULT else laid.operands[place]) in (perm, None)


def _moved(node: Node, laid: Laid) -> list[Value]:
    """The node's results, computed in another layout and brought back."""
    operands: list[Value | None] = []
    for place, (value, perm) in enumerate(zip(node.inputs, laid.operands, strict=True)):
        moved = value if value is None or perm is None else transpose(value, perm=perm)
        operands.append(reshape(moved, shape=laid.shapes[place]) if moved and place in laid.shapes else moved)
    made = apply(node.op, tuple(operands), {**node.attributes, **laid.changed})
    return [
        transpose(value, perm=tuple(int(axis) for axis in np.argsort(perm)))
        for value, perm in zip(made.outputs, laid.results, strict=True)
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_rules_tell_the_truth(name: str) -> None:
    net = Net()
    made = SAMPLES[name](net)
    node = (made if isinstance(made, Value) else made[0]).node
    assert node is not None
    answers = list(dict.fromkeys(_asked(node)))
    assert bool(answers) is (name not in FIXED)
    moved = [value for laid in answers for value in _moved(node, laid)]
    graph = net.graph(*node.outputs, *moved)
    with np.errstate(all="ignore"):
        results: list[Array] = list(run(graph, random_inputs(graph)).values())
    count = len(node.outputs)
    for index, got in enumerate(results[count:]):
        wanted = results[index % count]
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        if node.op.name in EXACT:
            assert got.tobytes() == wanted.tobytes()
        else:  # sums of at most 20 numbers near 1, in another order
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_every_rule_has_a_sample() -> None:
    nodes = [SAMPLES[name](Net()) for name in SAMPLES]
    made = (each if isinstance(each, Value) else each[0] for each in nodes)
    assert {value.node.op.name for value in made if value.node is not None} == set(RULES)
