"""Hostile exported programs: mutated archives, and mutated JSON in archives that are right."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.frontends.archives import archive_bytes
from tests.frontends.torch.programs import graph, members, meta, node, program, size, tensor
from tests.hostile.case import Case, case
from tests.hostile.mutate import flips, splices, truncations

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 12, 99, 1 << 31, 1 << 62, -(1 << 63), 1 << 64, 10**30, 0.5, -1e300, "", "x",
    "NaN", "Infinity", "s0", "(((", "Symbol('s0')", "s0//0", [], {}, [[]], {"as_int": 3}, {"as_tensor": {"name": "x"}},
    {"as_none": True}, {"as_ints": [1, -1]}, {"as_ints": []}, {"as_sym_int": {"as_name": "x"}}, {"as_float": 2.0},
    {"as_bool": True}, {"as_string": "a"}, "as_tensor", "torch.ops.aten.relu.default", "torch.ops.aten.cat.default",
    "torch.ops.aten.view.default", "torch.ops.aten.index.Tensor", "torch.ops.higher_order.cond", "_operator.add",
)  # fmt: skip
"""What takes the place of a part."""


def base() -> tuple[dict, dict[str, np.ndarray]]:
    """A small program with a bit of everything: weights, state, symbols, a branch, numbers, assertions."""
    body = graph([tensor("a")], [node("aten.relu.default", [tensor("a")], "r")], [tensor("r")])
    branch = {"as_graph": {"name": "b", "graph": body}}
    number = {"as_sym_int": {"as_name": "n"}}
    sizes = {"as_sym_ints": [{"as_name": "n"}, {"as_int": 3}, {"as_int": 1}]}
    nodes = [
        node("aten.linear.default", [tensor("x"), tensor("p_w")], "l"),
        node("aten.add_.Tensor", [tensor("b_c"), {"as_int": 1}], "c"),
        node("aten.sym_size.int", [tensor("x"), {"as_int": 0}], [number]),
        node("aten.view.default", [tensor("l"), sizes], "v"),
        node("aten.gt.Scalar", [tensor("c"), {"as_int": 3}], "g"),
        node("higher_order.cond", [tensor("g"), branch, branch, {"as_tensors": [{"name": "v"}]}], [tensor("y")],
             is_hop_single_tensor_return=False),
        {**node("x", [number, {"as_int": 1}], [{"as_sym_bool": {"as_name": "q"}}]), "target": "_operator.ge"},
        node("aten._assert_scalar.default", [{"as_sym_bool": {"as_name": "q"}}, {"as_string": "n >= 1"}], []),
    ]  # fmt: skip
    batch = "Symbol('s0', positive=True, integer=True)"
    text = program(
        {"p_w": meta("float32", (3, 4)), "b_c": meta("float32", ()), "x": meta("float32", (batch, 4))},
        nodes,
        [tensor("y"), number],
        weights={"p_w": "f.weight", "b_c": "count"},
        kinds={"b_c": "buffer"},
        ranges={"s0": (1, 64)},
        sym_int_values={"n": size(batch)},
        out_spec={"type": "builtins.tuple", "context": "null", "children_spec": []},
    )
    return text, {"f.weight": np.ones((3, 4), np.float32), "count": np.zeros((), np.float32)}


def archives() -> Iterator[Case]:
    """Archives with damaged bytes."""
    content = archive_bytes(members(*base()))
    yield Case("whole", "m.pt2", {"m.pt2": content}, frozenset((0,)))
    places = [*range(min(len(content), 400)), *range(max(0, len(content) - 1200), len(content))]
    for title, changed in (
        *truncations(content, 40, 1),
        *flips(content, 100, 2, places=places),
        *flips(content, 60, 3),
        *splices(content, 60, 4),
    ):
        yield case(title, "m.pt2", changed)


def programs() -> Iterator[Case]:
    """Programs with one to three parts deleted, replaced, or put elsewhere."""
    draw = random.Random(5)
    whole, weights = base()
    for number in range(400):
        text = copy.deepcopy(whole)
        for _ in range(draw.choice((1, 1, 2, 3))):
            _mutate(text, draw)
        held = json.dumps(text).encode()
        yield case(f"program {number}", "m.pt2", archive_bytes(members(held, weights)))


def _mutate(text: dict, draw: random.Random) -> None:
    places = list(_places(text))
    *way, key = draw.choice(places)
    held = _at(text, way)
    what = draw.random()
    if what < 0.2:
        del held[key]
    elif what < 0.4:
        held[key] = copy.deepcopy(_at(text, draw.choice(places)))
    else:
        held[key] = copy.deepcopy(draw.choice(VALUES))


def _at(text: Any, way: Any) -> Any:
    for key in way:
        text = text[key]
    return text


def _places(value: Any, before: tuple = ()) -> Iterator[tuple]:
    """The ways to every part."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*before, key)
        yield from _places(part, (*before, key))
