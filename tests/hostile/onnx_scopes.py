"""ONNX files whose bodies and functions reach too far: names that hide names, nests, calls of other operator sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.caffe.encoding import field_bytes
from tests.hostile.case import ANY, REFUSALS, Case
from tests.hostile.onnx_files import OPSET, model, value

MOST = 2**63 - 1
HUGE = 2**62

Made = tuple[str, bytes, bool | None]
"""(name, file, whether it is refused; None: either)."""


def scopes() -> Iterator[Case]:
    """All of them."""
    for name, data, refused in (*_shadows(), *_branches(), *_functions(), *_loops(), *_scans(), *_nests()):
        endings = {True: REFUSALS, False: frozenset((0,)), None: ANY}[refused]
        yield Case(name, "m.onnx", {"m.onnx": data}, endings)


def _graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "b", list(inputs), list(outputs), list(weights))


def _node(kind: str, inputs: str, outputs: str) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), outputs.split())


def _ones(name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(4, np.float32), name)


def _if(branch: onnx.GraphProto, *after: onnx.NodeProto, before: Sequence[onnx.NodeProto] = ()) -> bytes:
    choose = helper.make_node("If", ["c"], ["r"], then_branch=branch, else_branch=branch)
    tail = list(after) or [_node("Identity", "r", "y")]
    inputs = [value("x", [4]), value("c", [], TensorProto.BOOL)]
    return model([*before, choose, *tail], inputs, [value("y", None)]).SerializeToString()


def _shadows() -> Iterator[Made]:
    """Names inside a body that stand around it, too: onnx IR.md demands that names are unique across all of them."""
    z = value("z", [4])
    a = [_node("Abs", "x", "a")]
    yield "a body's result hides an input", _if(_graph([_node("Neg", "x", "x"), _node("Abs", "x", "z")], [], [z])), None
    yield "a body's result hides a result", _if(_graph([_node("Neg", "x", "a")], [], [value("a", [4])]), before=a), None
    yield "a body's weight hides an input", _if(_graph([_node("Neg", "x", "z")], [], [z], [_ones("x")])), None
    yield "a body reads what comes later", _if(_graph([_node("Neg", "y", "z")], [], [z])), True
    yield "a body reads the result of its own node", _if(_graph([_node("Neg", "r", "z")], [], [z])), True
    yield "a body reads a name from the other body", _other_body(), True
    yield (
        "what a body makes is read outside",
        _if(_graph([_node("Neg", "x", "z")], [], [z]), _node("Abs", "z", "y")),
        True,
    )
    yield "a body gives a name of the graph around", _if(_graph([], [], [value("x", [4])])), False
    yield "a body gives nothing", _if(_graph([_node("Neg", "x", "z")], [], [])), True
    yield "a body makes its result twice", _if(_graph([_node("Neg", "x", "z"), _node("Abs", "x", "z")], [], [z])), True
    yield (
        "a body in a circle",
        _if(_graph([_node("Add", "x q", "p"), _node("Neg", "p", "q")], [], [value("q", [4])])),
        True,
    )
    yield "a branch with inputs", _if(_graph([_node("Neg", "z", "w")], [z], [value("w", [4])])), True
    yield (
        "a body whose weights have one name",
        _if(_graph([_node("Neg", "w", "z")], [], [z], [_ones("w"), _ones("w")])),
        True,
    )


def _other_body() -> bytes:
    first = _graph([_node("Neg", "x", "z")], [], [value("z", [4])])
    second = _graph([_node("Abs", "z", "u")], [], [value("u", [4])])
    choose = helper.make_node("If", ["c"], ["y"], then_branch=first, else_branch=second)
    return model([choose], [value("x", [4]), value("c", [], 9)], [value("y", None)]).SerializeToString()


def _branches() -> Iterator[Made]:
    """Branches that do not give the same."""
    one = _graph([_node("Neg", "x", "z")], [], [value("z", [4])])
    cast = helper.make_node("Cast", ["x"], ["z"], to=TensorProto.INT64)
    unlike: dict[str, tuple[onnx.GraphProto, bool | None]] = {
        "another type": (_graph([cast], [], [value("z", [4], 7)]), True),
        "another rank": (_graph([_node("Unsqueeze", "x a", "z")], [], [value("z", [1, 4])], [_axes()]), None),
        "another number of results": (_graph([_node("Neg", "x", "z")], [], [value("z", [4])] * 2), True),
        "a sequence": (_graph([_node("SequenceConstruct", "x", "z")], [], [onnx.ValueInfoProto(name="z")]), True),
    }
    for name, (other, refused) in unlike.items():
        choose = helper.make_node("If", ["c"], ["y"], then_branch=one, else_branch=other)
        made = model([choose], [value("x", [4]), value("c", [], 9)], [value("y", None)])
        yield f"branches of {name}", made.SerializeToString(), refused
    for name, condition in (
        ("a number", value("c", [], 1)),
        ("many", value("c", [3], 9)),
        ("none", value("c", [0], 9)),
    ):
        choose = helper.make_node("If", ["c"], ["y"], then_branch=one, else_branch=one)
        made = model([choose], [value("x", [4]), condition], [value("y", None)])
        yield f"a condition that is {name}", made.SerializeToString(), True


def _axes() -> onnx.TensorProto:
    return numpy_helper.from_array(np.array([0]), "a")


def _functions() -> Iterator[Made]:
    """Functions whose operator sets, names or attributes contradict those of the model."""
    x, y, own = value("x", [4]), value("y", [4]), helper.make_opsetid("own", 1)
    call = helper.make_node("f", ["x"], ["y"], domain="own")

    def made(function: onnx.FunctionProto, node: onnx.NodeProto = call, *more: onnx.FunctionProto) -> bytes:
        held = model([node], [x], [y], functions=[function, *more], opsets=[OPSET, own])
        return held.SerializeToString()

    def function(*nodes: onnx.NodeProto, sets: Sequence[onnx.OperatorSetIdProto] = (OPSET, own)) -> onnx.FunctionProto:
        return helper.make_function("own", "f", ["x"], ["y"], list(nodes), list(sets))

    relu, old = _node("Relu", "x", "y"), helper.make_opsetid("", 9)
    clip = helper.make_node("Clip", ["x"], ["y"], min=0.0, max=1.0)
    yield "a function of an older operator set", made(function(clip, sets=[old])), None
    yield "a newer wording in an older operator set", made(function(clip)), True
    yield "a function of one operator set twice", made(function(relu, sets=[OPSET, old])), True
    yield "a function of no operator sets", made(function(relu, sets=[])), None
    yield (
        "a function of an unknown operator set",
        made(function(relu, sets=[OPSET, helper.make_opsetid("evil", 1)])),
        None,
    )
    evil = helper.make_node("g", ["x"], ["y"], domain="evil")
    yield "a function that calls an unknown domain", made(function(evil)), True
    yield "a function in ONNX's own domain", _standard(), None
    twice = function(relu)
    twice.attribute.extend(["a", "a"])
    yield "a function of one attribute twice", made(twice), True
    both = function(relu)
    both.attribute.append("a")
    both.attribute_proto.append(helper.make_attribute("a", 1))
    yield "an attribute with and without a default", made(both), True
    needs = function(helper.make_node("Relu", ["x"], ["y"]))
    needs.attribute.append("a")
    yield "a call without the attribute", made(needs), None
    yield (
        "a call with an unknown attribute",
        made(function(relu), helper.make_node("f", ["x"], ["y"], domain="own", a=1)),
        True,
    )
    many = helper.make_node("f", ["x", "x", "x"], ["y"], domain="own")
    yield "a call with too many operands", made(function(relu), many), True
    more = helper.make_node("f", ["x"], ["y", "z"], domain="own")
    yield "a call with too many results", made(function(relu), more), True
    refers = helper.make_node("LeakyRelu", ["x"], ["y"])
    refers.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.INTS, ref_attr_name="a"))
    held = function(refers)
    held.attribute.append("a")
    node = helper.make_node("f", ["x"], ["y"], domain="own", a="text")
    yield "an attribute of another type than it is referred to", made(held, node), True
    loose = onnx.NodeProto()
    loose.CopyFrom(refers)
    yield "a reference outside a function", model([loose], [x], [y]).SerializeToString(), True


def _standard() -> bytes:
    """A function that calls itself Relu."""
    function = helper.make_function("", "Relu", ["x"], ["y"], [_node("Neg", "x", "y")], [OPSET])
    made = model([_node("Relu", "x", "y")], [value("x", [4])], [value("y", [4])], functions=[function])
    return made.SerializeToString()


def _loops() -> Iterator[Made]:
    """Loops whose body does not fit, and counts that are none."""
    inputs = [value("i", [], 7), value("go", [], 9), value("a", [4])]
    outputs = [value("went", [], 9), value("b", [4])]
    went = _node("Identity", "go", "went")

    def made(body: onnx.GraphProto, count: np.ndarray | None, operands: str = "x", results: str = "y") -> bytes:
        weights = [] if count is None else [numpy_helper.from_array(count, "n")]
        names = ["n" if count is not None else "", "", *operands.split()]
        node = helper.make_node("Loop", names, results.split(), body=body)
        return model([node], [value("x", [4])], [value("y", None)], weights).SerializeToString()

    right = _graph([went, _node("Neg", "a", "b")], inputs, outputs)
    for steps in (HUGE, MOST, -MOST - 1):
        yield f"a loop of {steps} steps over a tensor", made(right, np.array(steps)), False
    wrong: dict[str, np.ndarray] = {
        "a table": np.zeros((2, 2), np.int64),
        "a float": np.array(3.0, np.float32),
        "text": np.array("3", object),
    }
    for name, count in wrong.items():
        yield f"a loop whose count is {name}", made(right, count), True
    yield "a loop without an end", made(right, None), False
    yield "a loop whose body takes nothing", made(_graph([], [], []), np.array(3)), True
    yield "a loop whose body takes less", made(_graph([went], inputs[:2], outputs[:1]), np.array(3)), True
    grown = _graph([went, helper.make_node("Concat", ["a", "a"], ["b"], axis=0)], inputs, outputs)
    yield "a loop that doubles what it carries", made(grown, np.array(60)), None
    cast = helper.make_node("Cast", ["a"], ["b"], to=7)
    yield "a loop that changes a type", made(_graph([went, cast], inputs, outputs), np.array(3)), True
    number = helper.make_node("Cast", ["go"], ["went"], to=1)
    yield (
        "a loop whose condition is a number",
        made(_graph([number, _node("Neg", "a", "b")], inputs, outputs), np.array(3)),
        True,
    )
    stacked = _graph([went, _node("Neg", "a", "b"), _node("Neg", "a", "s")], inputs, [*outputs, value("s", [4])])
    for steps in (0, HUGE):
        yield f"a loop that stacks {steps} results", made(stacked, np.array(steps), results="v y"), None


def _scans() -> Iterator[Made]:
    """Scans over nothing, over tensors of two lengths, over more operands than there are."""
    body = _graph(
        [_node("Add", "s e", "t"), _node("Neg", "e", "o")],
        [value("s", [2]), value("e", [2])],
        [value("t", [2]), value("o", [2])],
    )

    def made(length: int | str, *, count: int = 1, body: onnx.GraphProto = body, **words: Any) -> bytes:
        node = helper.make_node("Scan", ["x", "l"], ["u", "y"], body=body, num_scan_inputs=count, **words)
        return model([node], [value("x", [2]), value("l", [length, 2])], [value("y", None)]).SerializeToString()

    yield "a scan of zero steps", made(0), False
    yield "a scan of unknown length", made("n"), False
    yield "a scan of 2^62 steps", made(HUGE), None
    for count in (0, 2, 3, -1, 1 << 40, MOST, -MOST - 1):
        yield f"a scan of {count} operands", made(3, count=count), None if count in (0, 2) else True
    for axis in (2, -3, 7, MOST):
        yield f"a scan along axis {axis}", made(3, scan_input_axes=[axis]), True
        yield f"a scan that stacks along axis {axis}", made(3, scan_output_axes=[axis]), True
    for direction in (2, -1, MOST):
        yield f"a scan in direction {direction}", made(3, scan_input_directions=[direction]), True
        yield f"a scan that stacks in direction {direction}", made(3, scan_output_directions=[direction]), True
    yield "a scan with more axes than operands", made(3, scan_input_axes=[0, 0, 0]), True
    yield "a scan of an empty body", made(3, body=_graph([], [], [])), True
    two = helper.make_node("Scan", ["l", "m"], ["y"], num_scan_inputs=2, body=_pairs())
    inputs = [value("l", [3, 2]), value("m", [4, 2])]
    yield "a scan of tensors of two lengths", model([two], inputs, [value("y", None)]).SerializeToString(), True


def _pairs() -> onnx.GraphProto:
    return _graph([_node("Add", "a b", "c")], [value("a", [2]), value("b", [2])], [value("c", [2])])


def _nests() -> Iterator[Made]:
    """Bodies in bodies of every operator that has some, and chains of calls, deeper than anybody needs."""
    for depth in (3, 30, 60, 1000):
        for name, kind, attribute, info in (
            ("loops", b"Loop", b"body", _LOOP),
            ("scans", b"Scan", b"body", b""),
            ("maps of sequences", b"SequenceMap", b"body", b""),
            ("branches", b"If", b"then_branch", b""),
        ):
            yield f"{depth} {name} in one another, unfinished", _nest(depth, kind, attribute, info), True
    for depth in (10, 38, 60, 500, 5000):
        yield f"{depth} functions that call one another", _calls(depth), depth > 39


_LOOP = b"".join(
    field_bytes(11, value(name, [], kind).SerializeToString()) for name, kind in (("i", 7), ("go", 9), ("a", 1))
)


def _nest(depth: int, kind: bytes, attribute: bytes, inputs: bytes) -> bytes:
    """Written by hand: protobuf's own writer ends at 100 levels."""
    output = field_bytes(12, field_bytes(1, b"z"))
    graph = field_bytes(1, field_bytes(1, b"x") + field_bytes(2, b"z") + field_bytes(4, b"Relu")) + output
    for _ in range(depth):
        held = field_bytes(5, field_bytes(1, attribute) + field_bytes(6, graph) + b"\xa0\x01\x05")
        node = field_bytes(1, b"x") + field_bytes(2, b"z") + field_bytes(4, kind) + held
        graph = field_bytes(1, node) + field_bytes(2, b"g") + inputs + output
    info = field_bytes(11, value("x", [2]).SerializeToString())
    return b"\x08\x0a" + field_bytes(7, graph + info) + field_bytes(8, b"\x10\x15")


def _calls(depth: int) -> bytes:
    own, functions = helper.make_opsetid("own", 1), []
    for level in range(depth):
        last = level == depth - 1
        node = _node("Relu", "x", "y") if last else helper.make_node(f"f{level + 1}", ["x"], ["y"], domain="own")
        functions.append(helper.make_function("own", f"f{level}", ["x"], ["y"], [node], [OPSET, own]))
    call = helper.make_node("f0", ["x"], ["y"], domain="own")
    held = model([call], [value("x", [4])], [value("y", [4])], functions=functions, opsets=[OPSET, own])
    return held.SerializeToString()
