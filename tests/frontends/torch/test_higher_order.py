"""Branches, loops and wrappers of exported programs, made without torch."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import xir
from tests.frontends.torch.programs import graph, meta, node, program, tensor, write
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch.autocast import FLOAT32, LOWER, WIDEST

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
F32 = meta("float32", (2, 3))
W = np.arange(6, dtype=np.float32).reshape(3, 2) / 7 + 1
EPSILON = {"as_float": 1e-5}
BATCH = "Symbol('s0', positive=True, integer=True)"


def body(inputs, nodes, outputs, **changes):
    """A body as an argument; inputs and outputs are names of tensors."""
    made = graph([tensor(name) for name in inputs], nodes, [tensor(name) for name in outputs], **changes)
    return {"as_graph": {"name": "body", "graph": made}}


def casting(enabled, device="cpu"):
    """The settings of wrap_with_autocast: device, type, whether it is on, whether casts are kept."""
    return [{"as_string": device}, {"as_scalar_type": 13}, enabled, {"as_none": True}]


def tensors(*names):
    return {"as_tensors": [{"name": name} for name in names]}


def loaded(tmp_path, nodes, outputs=("y",), inputs=None):
    held = {"x": F32, "p": meta("bool", ())} if inputs is None else inputs
    return xir.load(write(tmp_path / "m.pt2", program(held, nodes, [tensor(name) for name in outputs])))


PLUS = body(["a"], [node("aten.add.Tensor", [tensor("a"), {"as_int": 1}], "r")], ["r"])
TWICE = body(["a"], [node("aten.mul.Tensor", [tensor("a"), {"as_int": 2}], "r")], ["r"])
TUPLE = {"is_hop_single_tensor_return": False}


def test_a_branch_is_taken_at_run_time(tmp_path):
    made = loaded(tmp_path, [node("higher_order.cond", [tensor("p"), PLUS, TWICE, tensors("x")], "y", **TUPLE)])
    assert [each.op.name for each in made.nodes] == ["if"]
    for condition, expected in ((True, X + 1), (False, X * 2)):
        np.testing.assert_array_equal(xir.run(made, {"x": X, "p": np.array(condition)})["y"], expected)


def test_sources_of_a_body_name_the_call_around(tmp_path):
    told = {"nn_module_stack": "a,,Net;b,blocks.3,Block", "stack_trace": 'File "/src/m.py", line 4, in forward'}
    arguments = [tensor("p"), PLUS, TWICE, tensors("x")]
    made = loaded(tmp_path, [node("higher_order.cond", arguments, "y", name="c", metadata=told, **TUPLE)])
    (source,) = made.nodes[0].attributes["then_body"].nodes[-1].source
    assert (source.layer, source.path, source.location) == ("c/r", ("blocks", "3"), "/src/m.py:4")


def test_a_known_condition_leaves_one_branch(tmp_path):
    made = loaded(tmp_path, [node("higher_order.cond", [{"as_bool": False}, PLUS, TWICE, tensors("x")], "y", **TUPLE)])
    np.testing.assert_array_equal(xir.run(made, {"x": X, "p": np.array(True)})["y"], X * 2)


def test_a_branch_reads_the_sizes_around_it(tmp_path):
    inputs = {"x": meta("float32", (BATCH, 3)), "p": meta("bool", ())}
    ones = body(
        ["a"],
        [
            node("aten.sym_size.int", [tensor("a"), {"as_int": 0}], [{"as_sym_int": {"as_name": "n"}}]),
            node("aten.mul.Tensor", [tensor("a"), {"as_sym_int": {"as_name": "n"}}], "r"),
        ],
        ["r"],
    )
    made = loaded(
        tmp_path, [node("higher_order.cond", [tensor("p"), ones, PLUS, tensors("x")], "y", **TUPLE)], inputs=inputs
    )
    np.testing.assert_array_equal(xir.run(made, {"x": X, "p": np.array(True)})["y"], X * 2)


def test_a_size_is_handed_to_a_branch(tmp_path):
    inputs = {"x": meta("float32", (BATCH, 3)), "p": meta("bool", ()), "z": meta("float32", ())}
    size = {"as_sym_int": {"as_name": "n"}}
    full = [node("aten.mul.Tensor", [tensor("a"), {"as_sym_int": {"as_name": "k"}}], "r")]
    then = {
        "as_graph": {"name": "b", "graph": graph([tensor("a"), {"as_sym_int": {"as_name": "k"}}], full, [tensor("r")])}
    }
    nodes = [
        node("aten.sym_size.int", [tensor("x"), {"as_int": 0}], [size]),
        node("aten.ones_like.default", [tensor("z")], "o"),
    ]
    given = {"as_string_to_argument": {"a": tensor("o"), "k": size}}
    with pytest.raises(InvalidModelError, match="a list is needed"):
        loaded(tmp_path, [*nodes, node("higher_order.cond", [tensor("p"), then, then, given], "y")], inputs=inputs)


def test_a_loop_runs_as_long_as_its_condition_holds(tmp_path):
    goes = body(
        ["i", "a"], [node("aten.lt.Scalar", [tensor("i"), {"as_int": 3}], "r")], ["r"], is_single_tensor_return=True
    )
    step = body(
        ["i", "a"],
        [
            node("aten.add.Tensor", [tensor("i"), {"as_int": 1}], "j"),
            node("aten.mul.Tensor", [tensor("a"), {"as_int": 2}], "b"),
        ],
        ["j", "b"],
    )
    inputs = {"x": F32, "i": meta("int64", ())}
    nodes = [node("higher_order.while_loop", [goes, step, tensors("i", "x"), tensors()], [tensor("j"), tensor("y")])]
    made = loaded(tmp_path, nodes, ("j", "y"), inputs)
    for first, times in ((0, 8), (2, 2), (5, 1)):
        results = xir.run(made, {"x": X, "i": np.array(first)})
        np.testing.assert_array_equal(results["y"], X * times)
        assert results["j"] == max(first, 3)


def test_a_scan_carries_a_state(tmp_path):
    step = body(
        ["c", "a"],
        [
            node("aten.add.Tensor", [tensor("c"), tensor("a")], "s"),
            node("aten.mul.Tensor", [tensor("c"), {"as_int": 2}], "r"),
        ],
        ["s", "r"],
    )
    inputs = {"x": meta("float32", (BATCH, 3)), "c": meta("float32", (3,))}
    nodes = [node("higher_order.scan", [step, tensors("c"), tensors("x"), tensors()], [tensor("s"), tensor("y")])]
    made = loaded(tmp_path, nodes, ("s", "y"), inputs)
    results = xir.run(made, {"x": X, "c": np.ones(3, np.float32)})
    np.testing.assert_array_equal(results["s"], 1 + X.sum(0))
    np.testing.assert_array_equal(results["y"], [np.full(3, 2), 2 + 2 * X[0]])


def test_a_body_is_mapped(tmp_path):
    add = body(["a", "b"], [node("aten.add.Tensor", [tensor("a"), tensor("b")], "r")], ["r"])
    inputs = {"x": F32, "c": meta("float32", (3,))}
    made = loaded(
        tmp_path, [node("higher_order.map_impl", [add, tensors("x"), tensors("c")], "y", **TUPLE)], ("y",), inputs
    )
    np.testing.assert_array_equal(xir.run(made, {"x": X, "c": np.ones(3, np.float32)})["y"], X + 1)


def test_running_results(tmp_path):
    add = body(["a", "b"], [node("aten.add.Tensor", [tensor("a"), tensor("b")], "r")], ["r"])
    nodes = [node("higher_order.associative_scan", [add, tensors("x"), tensors()], "y", **TUPLE)]
    made = loaded(tmp_path, nodes, ("y",), {"x": F32})
    np.testing.assert_array_equal(xir.run(made, {"x": X})["y"], np.cumsum(X, 0))


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("wrap_with_set_grad_enabled", [{"as_bool": False}, PLUS, tensor("x")]),
        (
            "wrap_with_autocast",
            [*casting({"as_bool": False}), PLUS, tensor("x")],
        ),
        ("tag_activation_checkpoint", [PLUS, tensor("x")]),
        ("invoke_subgraph", [PLUS, {"as_string": "id"}, tensor("x")]),
        ("strict_mode", [PLUS, tensors("x")]),
    ],
)
def test_what_only_wraps_calls(tmp_path, target, arguments):
    made = loaded(tmp_path, [node(f"higher_order.{target}", arguments, "y", **TUPLE)], ("y",), {"x": F32})
    np.testing.assert_array_equal(xir.run(made, {"x": X})["y"], X + 1)


ON, OFF = {"as_bool": True}, {"as_bool": False}
NARROW = W.astype(ml_dtypes.bfloat16)
ROUNDED = (X.astype(ml_dtypes.bfloat16).astype(np.float32) @ NARROW.astype(np.float32)).astype(ml_dtypes.bfloat16)
SIZES = {"as_ints": [2]}
WIDE = NARROW.astype(np.float64)
NORMED = ((WIDE - WIDE.mean(1, keepdims=True)) / np.sqrt(WIDE.var(1, keepdims=True) + 1e-5) + 1) * np.float64(
    [0.7, -0.7]
)
NORMED = NORMED.astype(ml_dtypes.bfloat16)


@pytest.mark.parametrize(
    ("region", "target", "arguments", "expected"),
    [
        (ON, "aten.mm.default", [tensor("x"), tensor("w")], ROUNDED),
        (OFF, "aten.mm.default", [tensor("x"), tensor("w")], X @ W),
        (ON, "aten.mm.default", [tensor("d"), tensor("d")], np.float64([[9, 9], [9, 9]])),
        (ON, "aten.add.Tensor", [tensor("x"), tensor("x")], X + X),
        (ON, "aten.cat.default", [tensors("n", "w")], np.concatenate([NARROW.astype(np.float32), W])),
        (ON, "aten.stack.default", [tensors("n")], NARROW[None]),
        (ON, "aten.mse_loss.default", [tensor("n"), tensor("n")], np.float32(0)),
        (ON, "aten.layer_norm.default", [tensor("n"), SIZES, tensor("b"), tensor("b")], NORMED),
        (ON, "aten.native_layer_norm.default", [tensor("n"), SIZES, tensor("b"), tensor("b"), EPSILON], NORMED),
        (ON, "aten.group_norm.default", [tensor("n"), {"as_int": 1}, tensor("b"), tensor("b")], NORMED),
    ],
)
def test_operators_cast_as_in_autocast(tmp_path, region, target, arguments, expected):
    """The casts of AutocastCPU (aten/src/ATen/autocast_mode.cpp)."""
    names = ["x", "w", "n", "d", "b"]
    results = [tensor("r"), tensor("r1"), tensor("r2")] if "native" in target else "r"
    inner = body(names, [node(target, arguments, results)], ["r"])
    arguments = [*casting(region), inner, *map(tensor, names)]
    held = {"x": F32, "w": meta("float32", (3, 2)), "n": meta("bfloat16", (3, 2)), "d": meta("float64", (2, 2))}
    held["b"] = meta("float32", (2,))
    made = loaded(tmp_path, [node("higher_order.wrap_with_autocast", arguments, "y", **TUPLE)], ("y",), held)
    fed = {"x": X, "w": W, "n": NARROW, "d": np.full((2, 2), 3 / np.sqrt(2)), "b": np.float32([0.7, -0.7])}
    result = xir.run(made, {name: fed[name] for name in made.input_names})["y"]
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result.astype(np.float64), expected.astype(np.float64), rtol=1e-6, atol=1e-6)


def test_a_region_ends_where_another_begins(tmp_path):
    product = body(["a", "b"], [node("aten.mm.default", [tensor("a"), tensor("b")], "r")], ["r"])
    inside = [*casting(OFF), product, tensor("a"), tensor("b")]
    calls = [
        node("higher_order.wrap_with_autocast", inside, "q", **TUPLE),
        node("aten.mm.default", [tensor("a"), tensor("b")], "r"),
    ]
    around = [*casting(ON), body(["a", "b"], calls, ["q", "r"]), tensor("x"), tensor("w")]
    nodes = [
        node("higher_order.wrap_with_autocast", around, [tensor("q"), tensor("r")]),
        node("aten.mm.default", [tensor("x"), tensor("w")], "s"),
    ]
    made = xir.run(loaded(tmp_path, nodes, ("q", "r", "s"), {"x": F32, "w": meta("float32", (3, 2))}), {"x": X, "w": W})
    assert [made[name].dtype for name in "qrs"] == [np.float32, ml_dtypes.bfloat16, np.float32]


def test_the_lists_of_autocast_are_those_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    registered = {
        name.removeprefix("aten::")
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(name, "AutocastCPU")
    }
    known = LOWER | FLOAT32 | WIDEST
    listed = {name if name in known else name.partition(".")[0] for name in registered}
    assert listed == known


def test_a_body_whose_result_is_no_tuple(tmp_path):
    single = body(["a"], [node("aten.relu.default", [tensor("a")], "r")], ["r"], is_single_tensor_return=True)
    made = loaded(tmp_path, [node("higher_order.wrap", [single, tensor("x")], "y")], ("y",), {"x": F32})
    np.testing.assert_array_equal(xir.run(made, {"x": X})["y"], np.maximum(X, 0))


WRITING = body(["a"], [node("aten.add_.Tensor", [tensor("a"), {"as_int": 1}], "r")], ["r"])
LOST = body(["a"], [node("mine.op.default", [tensor("a")], "r")], ["r"])


@pytest.mark.parametrize(
    ("target", "arguments", "error", "told"),
    [
        ("cond", [tensor("p"), PLUS, TWICE], InvalidModelError, "takes 4 arguments"),
        ("cond", [tensor("p"), tensor("x"), TWICE, tensors("x")], InvalidModelError, "a body is needed"),
        ("cond", [tensor("p"), PLUS, TWICE, tensors("x", "x")], InvalidModelError, "takes 1 values, it gets 2"),
        ("cond", [tensor("p"), WRITING, TWICE, tensors("x")], UnsupportedError, "writes its input"),
        ("cond", [tensor("p"), LOST, TWICE, tensors("x")], UnsupportedError, "y/r"),
        ("scan", [PLUS, tensors(), tensors(), tensors()], UnsupportedError, "a scan of nothing"),
        ("while_loop", [PLUS, PLUS, tensors("x"), tensors()], InvalidModelError, "cannot take the shape"),
        ("wrap_with_autocast", [*casting({"as_bool": True}, "cuda"), PLUS, tensor("x")], UnsupportedError, "casts"),
        ("auto_functionalized", [{"as_operator": "torch.ops.mine.op.default"}], UnsupportedError, "mine.op"),
        ("nothing", [], UnsupportedError, "does not know"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, target, arguments, error, told):
    with pytest.raises(error, match=told):
        loaded(tmp_path, [node(f"higher_order.{target}", arguments, "y", name="y", **TUPLE)])


def test_bodies_in_bodies_are_bounded(tmp_path):
    inner = PLUS
    for _ in range(45):
        inner = body(["a"], [node("higher_order.wrap", [inner, tensor("a")], "r", **TUPLE)], ["r"])
    with pytest.raises(xir.XirError, match="nested deeper than 40"):
        loaded(tmp_path, [node("higher_order.wrap", [inner, tensor("x")], "y", **TUPLE)])


PAD = node(
    "aten._pad_packed_sequence.default",
    [tensor("a"), tensor("b"), {"as_bool": True}, {"as_float": 7.0}, {"as_int": 3}],
    [tensor("r"), tensor("l")],
)


def packed(tmp_path, *nodes):
    """A program that packs x [2, 3, 1] with lengths n and calls `nodes` with data and counts."""
    inputs = {"x": meta("float32", (2, 3, 1)), "n": meta("int64", (2,)), "p": meta("bool", ())}
    pack = node(
        "aten._pack_padded_sequence.default",
        [tensor("x"), tensor("n"), {"as_bool": True}],
        [tensor("data"), tensor("counts")],
    )
    return loaded(tmp_path, [pack, *nodes], inputs=inputs)


def test_packed_sequences_in_a_branch_keep_their_lengths(tmp_path):
    twice = node("aten.mul.Tensor", [tensor("r"), {"as_int": 2}], "s")
    branches = body(["a", "b"], [PAD], ["r"]), body(["a", "b"], [PAD, twice], ["s"])
    arguments = [tensor("p"), *branches, tensors("data", "counts")]
    made = packed(tmp_path, node("higher_order.cond", arguments, "y", **TUPLE))
    x, expected = np.ones((2, 3, 1), np.float32), np.asarray([[1, 1, 1], [1, 7, 7]], np.float32)[..., None]
    for condition, factor in ((True, 1), (False, 2)):
        fed = {"x": x, "n": np.asarray([3, 1]), "p": np.asarray(condition)}
        np.testing.assert_array_equal(xir.run(made, fed)["y"], expected * factor)


def test_packed_sequences_that_a_branch_makes_are_refused(tmp_path):
    both = body(["a", "b"], [], ["a"])
    with pytest.raises(UnsupportedError, match="packed sequences or nested tensors that a branch or loop makes"):
        packed(tmp_path, node("higher_order.cond", [tensor("p"), both, both, tensors("data", "counts")], "y", **TUPLE))
