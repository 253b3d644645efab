"""Exported programs end to end, made without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.archives import Member, archive_bytes, torch_archive
from tests.frontends.torch.pickles.checkpoints import Stored, storage, zip_bytes
from tests.frontends.torch.pickles.checkpoints import tensor as saved_tensor
from tests.frontends.torch.programs import leaf, meta, node, program, size, tensor, write
from xir.errors import InvalidModelError, UnsupportedError, UsageError
from xir.frontends.load import load_model, recognize
from xir.frontends.options import LoadOptions
from xir.frontends.type_spec import parse_type

W = np.arange(12, dtype=np.float32).reshape(3, 4) / 10
BATCH = "Symbol('s0', positive=True, integer=True)"
X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
TRACE = """File "/src/net.py", line 7, in forward
    y = self.f(x)
  File "/lib/site-packages/torch/nn/modules/linear.py", line 134, in forward
    return F.linear(input)
  File "<eval_with_key>.5", line 9, in forward
    pass"""


def linear(**changes):
    """`relu(x @ W.T)` with a symbolic batch."""
    stack = "L__self__,,net.Net;L__self__f,f.0@1,torch.nn.modules.linear.Linear"
    told = {"nn_module_stack": stack, "stack_trace": TRACE}
    made = {
        "inputs": {"p_w": meta("float32", (3, 4)), "x": meta("float32", (BATCH, 4))},
        "nodes": [
            node("aten.linear.default", [tensor("x"), tensor("p_w")], "linear", metadata=told),
            node("aten.relu.default", [tensor("linear")], "relu"),
        ],
        "outputs": [tensor("relu")],
        "weights": {"p_w": "f.0.weight"},
        "ranges": {"s0": (1, 64)},
    }
    return program(**{**made, **changes})


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "model.pt2", linear(), {"f.0.weight": W})


def simple(tmp_path, nodes, outputs, *, inputs=None, **changes):
    """The model of these calls on x: f32[2,3]."""
    held = {"x": meta("float32", (2, 3))} if inputs is None else inputs
    weights = changes.pop("arrays", {})
    return write(tmp_path / "m.pt2", program(held, nodes, outputs, **changes), weights)


def call(name, *numbers, result, **changes):
    """A call of Python's own function; numbers, or names of them."""
    given = [{"as_sym_int": {"as_name": each}} if isinstance(each, str) else {"as_int": each} for each in numbers]
    kind = "as_sym_bool" if name.endswith(("eq", "ge", "lt", "gt", "le", "ne")) else "as_sym_int"
    made = node("x", given, [{kind: {"as_name": result}}], **changes)
    return {**made, "target": name}


def test_a_program_with_a_symbolic_batch_runs(path):
    graph = xir.load(path)
    assert recognize(str(path)).name == "pt2"
    assert (graph.input_names, graph.output_names) == (("x",), ("relu",))
    batch = graph.inputs[0].shape[0]
    assert (repr(batch), batch.minimum, batch.maximum) == ("s0", 1, 64)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    np.testing.assert_allclose(xir.run(graph, {"x": x})["relu"], np.maximum(x @ W.T, 0), rtol=1e-5)


def test_weights_are_mapped_and_named_as_in_the_model(path):
    graph = xir.load(path)
    (weight,) = graph.parameters
    assert graph.name_of(weight.value) == "f.0.weight"
    assert weight.trainable
    assert not isinstance(weight.constant.data, np.ndarray)


def test_nodes_know_their_module_and_line(path):
    linear_node = next(each for each in xir.load(path).nodes if each.op.name == "matmul")
    (source,) = linear_node.source
    assert (source.layer, source.kind, source.path) == ("linear", "aten.linear.default", ("f", "0"))
    assert source.location == "/src/net.py:7"


def test_a_person_may_give_other_types(path):
    loaded = load_model(str(path), LoadOptions(inputs={"x": parse_type("f32[7,4]")}))
    assert (loaded.format, loaded.layers, loaded.metadata) == ("pt2", 2, {"torch_version": "2.13.0"})
    assert loaded.graph.outputs[0].shape == (7, 3)
    with pytest.raises(UsageError, match="has no inputs"):
        load_model(str(path), LoadOptions(inputs={"y": parse_type("f32[7,4]")}))


def test_all_operators_that_are_not_known_are_told_at_once(tmp_path):
    nodes = [
        node("mine.one.default", [tensor("x")], "a"),
        node("aten.relu.default", [tensor("a")], "b"),
        node("mine.two.default", [tensor("x")], "c"),
    ]
    with pytest.raises(UnsupportedError, match=r"2 of 3 nodes .*mine\.one.*mine\.two"):
        xir.load(simple(tmp_path, nodes, [tensor("b"), tensor("c")]))


def test_outputs_are_named_by_the_tree(tmp_path):
    tree = {
        "type": "builtins.dict",
        "context": '["loss", "rest"]',
        "children_spec": [leaf(), {"type": "builtins.tuple", "context": "null", "children_spec": [leaf(), leaf()]}],
    }
    nodes = [node("aten.relu.default", [tensor("x")], "r")]
    outputs = [tensor("r"), tensor("x"), {"as_int": 3}]
    graph = xir.load(simple(tmp_path, nodes, outputs, out_spec=tree))
    assert graph.output_names == ("loss", "rest.0", "rest.1")
    made = xir.run(graph, {"x": X})
    assert made["rest.1"] == 3
    np.testing.assert_array_equal(made["rest.0"], X)


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ({"type": "collections.OrderedDict", "context": '["a"]', "children_spec": [leaf()]}, ("a",)),
        ({"type": "collections.defaultdict", "context": '[null, ["a"]]', "children_spec": [leaf()]}, ("a",)),
        ({"type": "collections.namedtuple", "context": '"Out"', "children_spec": [leaf()]}, ("first",)),
        ({"type": "builtins.list", "context": "null", "children_spec": [leaf()]}, ("r",)),
        ({"type": "mine.Class", "context": "{}", "children_spec": [leaf()]}, ("r",)),
        ({"type": "mine.Output", "context": '["logits"]', "children_spec": [leaf()]}, ("logits",)),
        ({"type": "mine.Cache", "context": '[["keys"], [null]]', "children_spec": [leaf()]}, ("keys",)),
        ({"type": "builtins.dict", "context": '["a", "b"]', "children_spec": [leaf()]}, ("r",)),
    ],
)
def test_trees_of_outputs(tmp_path, tree, names):
    text = program(
        {"x": meta("float32", (2, 3))}, [node("aten.relu.default", [tensor("x")], "r")], [tensor("r")], out_spec=tree
    )
    text["graph_module"]["treespec_namedtuple_fields"] = {"Out": {"field_names": ["first"]}}
    assert xir.load(write(tmp_path / "m.pt2", text)).output_names == names


def test_what_cannot_be_read_or_checked_is_told(tmp_path):
    tree = {"type": "builtins.dict", "context": "[", "children_spec": [leaf()]}
    text = program(
        {"x": meta("float32", (2, 3))}, [node("aten.relu.default", [tensor("x")], "r")], [tensor("r")], out_spec=tree
    )
    text["guards_code"] = ["L['x'].size()[0] <= 4", "L['flag'] == True"]
    loaded = load_model(str(write(tmp_path / "m.pt2", text)))
    assert loaded.graph.output_names == ("r",)
    assert len(loaded.notes) == 2
    assert "out_spec" in loaded.notes[0]
    assert loaded.notes[1] == "1 guards of the program are not checked: L['flag'] == True"


def test_constants_in_and_out(tmp_path):
    nodes = [node("aten.mul.Tensor", [tensor("x"), {"as_float": "Infinity"}], "m")]
    outputs = [tensor("m"), {"as_int": 3}, {"as_bool": True}, {"as_float": 2.5}, {"as_none": True}, {"as_string": "s"}]
    text = program({"x": meta("float32", (2, 3))}, nodes, outputs)
    text["graph_module"]["graph"]["inputs"].append({"as_string": "mean"})
    specs = text["graph_module"]["signature"]["input_specs"]
    specs.append({"constant_input": {"name": "mode", "value": {"as_string": "mean"}}})
    loaded = load_model(str(write(tmp_path / "m.pt2", text)))
    assert loaded.graph.output_names == ("m", "output_1", "output_2", "output_3")
    made = xir.run(loaded.graph, {"x": X})
    assert [made[f"output_{place}"].item() for place in (1, 2, 3)] == [3, True, 2.5]
    assert [note.split(":")[0] for note in loaded.notes] == [
        "input 'mode' is always 'mean'",
        "output 'output_4' is left out",
        "output 'output_5' is left out",
    ]


WRITES = [
    node("aten.add_.Tensor", [tensor("b_n"), {"as_int": 1}], "add_"),
    node("aten.mul.Tensor", [tensor("x"), tensor("add_")], "y"),
]
STATE = {"b_n": meta("float32", (1,)), "x": meta("float32", (2, 3))}
BUFFER = {"weights": {"b_n": "count"}, "kinds": {"b_n": "buffer"}, "arrays": {"count": np.array([5], np.float32)}}


def test_a_buffer_that_is_written_is_state(tmp_path):
    loaded = load_model(str(simple(tmp_path, WRITES, [tensor("y")], inputs=STATE, **BUFFER)))
    graph = loaded.graph
    assert (graph.input_names, graph.output_names) == (("x", "count"), ("y", "count.new"))
    assert not graph.parameters
    held = {name: np.array(constant.array()) for name, constant in loaded.state.items()}
    for step in (6, 7):
        made = xir.run(graph, {"x": X, **held})
        held = {"count": made["count.new"]}
        np.testing.assert_array_equal(made["y"], X * step)


def test_a_buffer_that_the_signature_says_is_written_is_state(tmp_path):
    nodes = [
        node("aten.add.Tensor", [tensor("b_n"), {"as_int": 1}], "add"),
        node("aten.mul.Tensor", [tensor("x"), tensor("add")], "y"),
    ]
    specs = [
        {"buffer_mutation": {"arg": {"name": "add"}, "buffer_name": "count"}},
        {"user_output": {"arg": tensor("y")}},
    ]
    made = simple(tmp_path, nodes, [tensor("add"), tensor("y")], inputs=STATE, output_specs=specs, **BUFFER)
    loaded = load_model(str(made))
    assert (loaded.graph.input_names, loaded.graph.output_names) == (("x", "count"), ("y", "count.new"))
    assert list(loaded.state) == ["count"]


def test_an_input_that_is_written_is_an_output_too(tmp_path):
    nodes = [
        node("aten.add_.Tensor", [tensor("x"), {"as_int": 1}], "add_"),
        node("aten.mul.Tensor", [tensor("add_"), {"as_int": 2}], "y"),
    ]
    made = xir.run(xir.load(simple(tmp_path, nodes, [tensor("y")])), {"x": X})
    np.testing.assert_array_equal(made["x.new"], X + 1)
    np.testing.assert_array_equal(made["y"], (X + 1) * 2)


def test_the_signature_may_say_that_an_input_is_written(tmp_path):
    nodes = [node("aten.add.Tensor", [tensor("x"), {"as_int": 1}], "add")]
    specs = [
        {"user_input_mutation": {"arg": {"name": "add"}, "user_input_name": "x"}},
        {"user_output": {"arg": tensor("add")}},
    ]
    graph = xir.load(simple(tmp_path, nodes, [tensor("add"), tensor("add")], output_specs=specs))
    assert graph.output_names == ("add", "x.new")


def sized(nodes, tmp_path, outputs=None, **changes):
    """A program of x: f32[s0,3], whose batch is called n."""
    first = node("aten.sym_size.int", [tensor("x"), {"as_int": 0}], [{"as_sym_int": {"as_name": "n"}}])
    held = {"x": meta("float32", (BATCH, 3))}
    return simple(tmp_path, [first, *nodes], outputs or [tensor("x")], inputs=held, **changes)


def test_sizes_are_computed_with(tmp_path):
    nodes = [
        call("_operator.mul", "n", 2, result="twice"),
        call("torch.sym_max", "twice", 5, result="larger"),
        node("torch.sym_sum", [{"as_ints": [1, 2]}], [{"as_sym_int": {"as_name": "three"}}]),
        call("torch.sym_sum", "larger", "three", -3, result="most"),
        node("aten.mul.Tensor", [tensor("x"), {"as_sym_int": {"as_name": "most"}}], "y"),
    ]
    outputs = [tensor("y"), {"as_sym_int": {"as_name": "twice"}}]
    graph = xir.load(sized(nodes, tmp_path, outputs))
    made = xir.run(graph, {"x": np.ones((4, 3), np.float32)})
    assert made["twice"] == 8
    np.testing.assert_array_equal(made["y"], np.full((4, 3), 8))


@pytest.mark.parametrize(
    ("comparison", "other", "constraints"),
    [
        ("_operator.eq", 6, ["s0 == 6"]),
        ("_operator.ge", 6, ["max(6, s0) == s0"]),
        ("_operator.le", 6, ["max(6, s0) == 6"]),
        ("_operator.gt", 6, ["max(7, s0) == s0"]),
        ("_operator.lt", 6, ["max(6, s0 + 1) == 6"]),
        ("_operator.ge", 0, []),
        ("_operator.ne", 6, []),
    ],
)
@pytest.mark.filterwarnings("ignore:1 assertions are left out")
def test_assertions_of_sizes_become_constraints(tmp_path, comparison, other, constraints):
    condition = {"as_sym_bool": {"as_name": "c"}}
    nodes = [
        call(comparison, "n", other, result="c"),
        node("aten._assert_scalar.default", [condition, {"as_string": "told"}], []),
    ]
    graph = xir.load(sized(nodes, tmp_path))
    assert [repr(each).partition(" (")[0] for each in graph.constraints] == constraints


@pytest.mark.parametrize("condition", [{"as_bool": False}, {"as_int": 0}])
def test_an_assertion_that_never_holds_is_refused(tmp_path, condition):
    nodes = [node("aten._assert_scalar.default", [condition, {"as_string": "told"}], [])]
    with pytest.raises(InvalidModelError, match="never holds: told"):
        xir.load(sized(nodes, tmp_path))


def test_assertions_of_elements_are_left_out_aloud(tmp_path):
    nodes = [
        node("aten.item.default", [tensor("k")], [{"as_sym_int": {"as_name": "i"}}]),
        call("_operator.ge", "i", 0, result="c"),
        node("aten._assert_scalar.default", [{"as_sym_bool": {"as_name": "c"}}, {"as_string": "u0 >= 0"}], []),
        node("aten.mul.Tensor", [tensor("x"), {"as_sym_int": {"as_name": "i"}}], "y"),
    ]
    inputs = {"x": meta("float32", (2, 3)), "k": meta("int64", (1,))}
    loaded = load_model(str(simple(tmp_path, nodes, [tensor("y")], inputs=inputs)))
    assert loaded.notes == ("1 assertions are left out: u0 >= 0",)
    made = xir.run(loaded.graph, {"x": X, "k": np.array([4])})
    np.testing.assert_array_equal(made["y"], X * 4)


def test_metadata_of_tensors_is_compared(tmp_path):
    def asserting(dtype, sizes):
        arguments = [tensor("x"), {"as_ints": sizes}, {"as_none": True}, {"as_scalar_type": dtype}]
        return [node("aten._assert_tensor_metadata.default", arguments, [])]

    xir.load(simple(tmp_path, asserting(7, [2, 3]), [tensor("x")]))
    for dtype, sizes in ((8, [2, 3]), (7, [2, 4]), (7, [2])):
        with pytest.raises(InvalidModelError, match="asserts"):
            xir.load(simple(tmp_path, asserting(dtype, sizes), [tensor("x")]))


def test_a_number_may_be_an_input(tmp_path):
    nodes = [node("aten.mul.Tensor", [tensor("x"), {"as_sym_int": {"as_name": "k"}}], "y")]
    text = program({"x": meta("float32", (2, 3))}, nodes, [tensor("y")], sym_int_values={"k": size("s7")})
    text["graph_module"]["graph"]["inputs"].append({"as_sym_int": {"as_name": "k"}})
    spec = {"user_input": {"arg": {"as_sym_int": {"as_name": "k"}}}}
    text["graph_module"]["signature"]["input_specs"].append(spec)
    graph = xir.load(write(tmp_path / "m.pt2", text))
    assert graph.input_names == ("x", "k")
    np.testing.assert_array_equal(xir.run(graph, {"x": X, "k": np.array(3)})["y"], X * 3)


def test_a_size_that_the_run_finds_out_is_a_number_too(tmp_path):
    number = {"as_sym_int": {"as_name": "k"}}
    nodes = [
        node("aten.nonzero.default", [tensor("x")], "places"),
        node("aten.sym_size.int", [tensor("places"), {"as_int": 0}], [number]),
        node("aten.mul.Tensor", [tensor("x"), number], "y"),
    ]
    made = xir.run(xir.load(simple(tmp_path, nodes, [tensor("y"), number])), {"x": X})
    assert made["k"] == np.count_nonzero(X)
    np.testing.assert_array_equal(made["y"], X * np.count_nonzero(X))


def test_functions_that_are_still_transformed_are_refused(tmp_path):
    nodes = [{**node("x", [], []), "target": "torch._functorch.predispatch._vmap_increment_nesting"}]
    with pytest.raises(UnsupportedError, match="vmap") as raised:
        xir.load(simple(tmp_path, nodes, [tensor("x")]))
    assert raised.value.problems[0].hint == "call export.run_decompositions() first"


def test_results_of_several_and_of_lists(tmp_path):
    several = [tensor("v"), tensor("i")]
    pieces = [{"as_tensors": [{"name": "a"}, {"name": "b"}]}]
    nodes = [
        node("aten.max.dim", [tensor("x"), {"as_int": 1}], several),
        node("aten.split_with_sizes.default", [tensor("x"), {"as_ints": [1, 1]}], pieces),
    ]
    graph = xir.load(simple(tmp_path, nodes, [tensor("v"), tensor("b")]))
    made = xir.run(graph, {"x": X})
    np.testing.assert_array_equal(made["v"], X.max(1))
    np.testing.assert_array_equal(made["b"], X[1:])


def test_weights_with_strides_and_in_shared_storages(tmp_path):
    storage_ = np.arange(6, dtype=np.float32)
    changes = {
        "a": {"path_name": "weight_0", "is_param": True, "use_pickle": False,
              "tensor_meta": meta("float32", (3, 2), strides=[size(1), size(3)])},
        "b": {"path_name": "weight_0", "is_param": False, "use_pickle": False,
              "tensor_meta": meta("float32", (2,), storage_offset=size(4))},
    }  # fmt: skip
    text = program(
        {"p_a": meta("float32", (3, 2)), "b_b": meta("float32", (2,))},
        [node("aten.add.Tensor", [tensor("p_a"), tensor("b_b")], "y")],
        [tensor("y")],
        weights={"p_a": "a", "b_b": "b"},
        kinds={"b_b": "buffer"},
    )
    path = write(tmp_path / "m.pt2", text, {"x": storage_}, changes=changes)
    (made,) = xir.run(xir.load(path), {}).values()
    np.testing.assert_array_equal(made, storage_.reshape(2, 3).T + storage_[4:])


def saved(array):
    """What `torch.save({"w": array})` writes."""
    held = storage("0", Stored("FloatStorage", array.tobytes(), array.size))
    return zip_bytes(
        {"f.0.weight": saved_tensor(held, array.shape)}, {"0": Stored("FloatStorage", array.tobytes(), array.size)}
    )


@pytest.mark.parametrize("suffix", ["pt", "json"])
def test_older_archives(tmp_path, suffix):
    members = {
        "version": b"8.2",
        "serialized_exported_program.json": json.dumps(linear()).encode(),
        f"serialized_state_dict.{suffix}": saved(W),
        f"serialized_constants.{suffix}": b"",
        "serialized_example_inputs.pt": b"",
    }
    path = tmp_path / "old.pt2"
    path.write_bytes(archive_bytes([Member(name, data) for name, data in members.items()]))
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(xir.run(xir.load(path), {"x": x})["relu"], x @ W.T, rtol=1e-5)


def test_archives_with_saved_weights(tmp_path):
    members = {
        "models/net.json": json.dumps(linear()).encode(),
        "data/weights/net.pt": saved(W),
        "data/constants/net.pt": b"",
        "archive_format": b"pt2",
    }
    path = tmp_path / "m.pt2"
    path.write_bytes(torch_archive(members))
    graph = xir.load(path)
    assert graph.name == "net"
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(xir.run(graph, {"x": x})["relu"], x @ W.T, rtol=1e-5)


FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", ["net", "norm_core", "steps"])
@pytest.mark.filterwarnings("ignore:the model has state")
def test_programs_that_torch_wrote(name):
    """What torch 2.13 wrote and computed (make_fixtures.py): two runs, the second with the state of the first."""
    loaded = load_model(str(FIXTURES / f"{name}.pt2"))
    state = {key: held.array() for key, held in loaded.state.items()}
    for told in json.loads((FIXTURES / f"{name}.json").read_text()):
        values = zip(loaded.graph.input_names, loaded.graph.inputs, told["inputs"], strict=False)
        feeds = {key: np.asarray(array, value.dtype.dtype) for key, value, array in values}
        made = xir.run(loaded.graph, feeds | state)
        for expected, (key, array) in zip(told["outputs"], made.items(), strict=False):
            np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-6, err_msg=key)
        state = {key: made[f"{key}.new"] for key in state}
    assert all(node.source for node in loaded.graph.nodes)
    assert all(source.location or source.kind == "output" for node in loaded.graph.nodes for source in node.source)
