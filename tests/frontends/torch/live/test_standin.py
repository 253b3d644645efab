"""The reader of live models on a stand-in of torch."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

import xir
from tests.frontends.torch.live import standin
from tests.frontends.torch.live.standin import HigherOrder, Module, Node, Number, Operator, Tag, Tensor, call
from xir.errors import InvalidModelError, MissingExtraError, UnsupportedError, UsageError
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions
from xir.frontends.torch.importer import import_program
from xir.frontends.torch.live.exported import read_exported
from xir.frontends.torch.live.graphs import FxReader
from xir.frontends.torch.live.objects import torch_module
from xir.frontends.torch.live.tensors import array_of, constant_of, dtype_of, info_of, tensor_of
from xir.frontends.torch.live.traced import read_traced
from xir.ir.types import DType, TensorType

X = np.arange(6, dtype=np.float32).reshape(2, 3)
ADD, RELU, NEG = (
    Operator("aten.add.Tensor", lambda x, y: Tensor(x.array + y.array)),
    Operator("aten.relu.default"),
    None,
)


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch)


def graph_of(*nodes: Node, **attributes: object) -> SimpleNamespace:
    return SimpleNamespace(graph=SimpleNamespace(nodes=nodes), **attributes)


def placed(name: str, value: object) -> Node:
    return Node("placeholder", name, meta={"val": value})


def made(name: str, target: object, *items: object, value: object = None, **named: object) -> Node:
    stack = {"a": ("L['self'].block.0@1", "Block")}
    meta = {"val": value, "nn_module_stack": stack, "stack_trace": 'File "net.py", line 3, in forward'}
    return Node("call_function", name, target, items, named, meta)


def output(*items: object) -> Node:
    return Node("output", "output", args=(items,))


def spec(kind: str, target: str | None = None, **argument: object) -> SimpleNamespace:
    return SimpleNamespace(kind=SimpleNamespace(name=kind), arg=SimpleNamespace(**argument), target=target)


def exported(nodes: tuple[Node, ...], inputs: object, outputs: object, **more: object) -> standin.ExportedProgram:
    held: dict[str, object] = {"constants": {}, "state_dict": {}, "range_constraints": {}, **more}
    signature = SimpleNamespace(input_specs=inputs, output_specs=outputs)
    return standin.ExportedProgram(graph_module=graph_of(*nodes), graph_signature=signature, **held)


def tree(context: object = None, *children: object) -> SimpleNamespace:
    """A container of a class of a person's own, or a leaf."""
    return SimpleNamespace(type=dict if children else None, context=context, children=lambda: children)


def small() -> standin.ExportedProgram:
    x, w, size = placed("x", Tensor(X)), placed("w", Tensor(X)), placed("k", 3)
    x.meta["val"].shape = (Number("s0"), 3)
    w.meta["val"].shape = (1, 3)
    total = made("sum", ADD, x, w)
    return exported(
        (x, w, size, total, output(total, 3)),
        [spec("USER_INPUT", name="x"), spec("PARAMETER", "weight", name="w"), spec("USER_INPUT", name="k", value=3)],
        [spec("USER_OUTPUT", name="sum"), spec("USER_OUTPUT", name="", value=3)],
        state_dict={"weight": Tensor(X[:1], grad=True)},
        range_constraints={"s0": SimpleNamespace(lower=1, upper="int_oo")},
        call_spec=SimpleNamespace(out_spec=tree(["a", "b"], tree(None, tree()), tree())),
        _guards_code=["L['x'].size()[0] != 1"],
    )


def test_an_exported_program() -> None:
    with pytest.warns(UserWarning, match="always 3"):
        graph = xir.load(small())
    assert graph.output_names[0] == "a.0"
    np.testing.assert_array_equal(xir.run(graph, {"x": X})["a.0"], X + X[:1])
    places = {(each.path, each.location) for node in graph.nodes for each in node.source if each.kind == str(ADD)}
    assert places == {(("block", "0"), "net.py:3")}
    assert graph.parameters[0].constant.array().__array_interface__["data"] == (X.__array_interface__["data"][0], True)


@pytest.mark.parametrize(
    ("inputs", "outputs", "error"),
    [
        ([spec("STRANGE", name="x")], [], UnsupportedError),
        ([], [spec("STRANGE", name="x")], UnsupportedError),
        ([], [spec("USER_OUTPUT", name="", value=[1])], InvalidModelError),
    ],
)
def test_signatures_that_are_refused(inputs: list[object], outputs: list[object], error: type[Exception]) -> None:
    with pytest.raises(error):
        read_exported(exported((output(),), inputs, outputs), "net")


def test_arguments_of_every_kind() -> None:
    x = placed("x", Tensor(X))
    inner = Node("get_attr", "body", "inner")
    items = ((x, [1, None]), {"a": 2.0}, standin.Dtype("torch.float32"), standin.Format("torch.contiguous_format"))
    node = made("y", HigherOrder(), *items, standin.Device("cpu:0"), ADD, inner, value=True)
    plain = made("z", max, x, value=Number("s0"))
    body = graph_of(placed("b", Tensor(X)), Node("output", "output", args=(None,)))
    reader = FxReader(graph_of(x, inner, node, plain, output(node), inner=body))
    read = reader.body()
    call_, other = read.nodes
    assert (call_.target, other.target) == ("higher_order.cond", "builtins.max")
    assert call_.items[2:5] == (DType.FLOAT32, "contiguous_format", "cpu")
    assert read.quantities == {"y": True, "z": "s0"}
    assert not read.is_single


@pytest.mark.parametrize(
    "nodes",
    [
        (Node("call_module", "m", "m"),),
        (made("y", ADD, object()),),
        (placed("x", Tensor(X, layout="torch.sparse_coo")),),
        (placed("x", Tensor(X, dtype="torch.complex32")),),
        (Node("get_attr", "body", "inner"),),
    ],
)
def test_graphs_that_are_refused(nodes: tuple[Node, ...]) -> None:
    inner = graph_of(Node("get_attr", "c", "held"), held=Tensor(X))
    with pytest.raises(UnsupportedError):
        FxReader(graph_of(*nodes, output(), inner=inner)).body()


def test_a_traced_graph() -> None:
    ranges = {"s0": SimpleNamespace(lower=2, upper=9)}
    n, m, two = placed("n", Number("s0", ranges=ranges)), placed("m", Number("s1")), placed("two", 2)
    x, w, c = placed("x", Tensor(X)), placed("w", Tensor(X)), Node("get_attr", "c", "held")
    x.meta["val"].shape = (Number("s0"), 3)
    y = made("y", ADD, x, c, value=Tensor(np.zeros((3, 2), np.float32).T))
    z = made("z", ADD, y, w)
    graph = graph_of(n, m, two, x, w, c, y, z, output(y, z), held=Tensor(X))
    traced = read_traced(graph, "net", {4: Tensor(X)})
    assert [(feed.place, feed.by_size, feed.order) for feed in traced.feeds] == [(1, True, (0,)), (3, False, (0, 1))]
    assert traced.orders == ((1, 0), None)
    assert traced.program.ranges == {"s0": (2, 9)}


@pytest.mark.parametrize(
    ("x", "order"),
    [
        (X.T, (1, 0)),
        (X, (0, 1)),
        (X[:, ::2], (0, 1)),
        (np.broadcast_to(X[0], (2, 3)), (0, 1)),
        (np.zeros((2, 1, 3), np.float32).T, (2, 1, 0)),
    ],
)
def test_inputs_that_are_dense_go_in_as_they_lie(x: np.ndarray, order: tuple[int, ...]) -> None:
    fed = placed("x", Tensor(x))
    once = made("y", RELU, fed, value=Tensor(np.maximum(x, 0)))
    traced = read_traced(graph_of(fed, once, output(once, once)), "net", {})
    assert traced.feeds[0].order == order
    results = xir.run(import_program(traced.program).graph, {traced.program.inputs[0].name: x.transpose(order)})
    for array, axes in zip(results.values(), traced.orders, strict=True):
        np.testing.assert_array_equal(array, np.maximum(x, 0).transpose(axes))


@pytest.mark.parametrize("value", [1.5, Number("2*s0"), None])
def test_numbers_that_no_size_tells(value: object) -> None:
    with pytest.raises(UnsupportedError):
        read_traced(graph_of(placed("n", value), output()), "net", {})


def test_a_size_that_no_formula_says() -> None:
    traced = read_traced(graph_of(placed("n", 2), made("y", ADD, 1, 2), output()), "net", {})
    traced.program.body.quantities.pop("n")
    with pytest.raises(UnsupportedError):
        import_program(traced.program)


def test_elements_are_shared() -> None:
    assert array_of(Tensor(X), "x") is X
    assert not constant_of(Tensor(X), "x").array().flags.writeable
    assert dtype_of("torch.bfloat16") is DType.BFLOAT16
    assert tensor_of(X, DType.FLOAT32).array is X
    frozen = X.view()
    frozen.flags.writeable = False
    assert tensor_of(frozen, DType.FLOAT32).array is not frozen
    with pytest.raises(UsageError, match="meta"):
        array_of(Tensor(X, device="meta"), "x")
    with pytest.raises(UnsupportedError):
        info_of(Tensor(X, dtype="torch.qint8"))


def test_types_that_numpy_has_not() -> None:
    assert str(tensor_of(X.astype(ml_dtypes.bfloat16), DType.BFLOAT16).viewed) == "torch.bfloat16"


def test_torch_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError):
        torch_module()


@pytest.mark.parametrize(
    ("source", "named", "said"),
    [
        (5, {}, "loads no int"),
        (Module(), {}, "what it is called with"),
        (small(), {"example_inputs": (1,)}, "of its examples"),
        ("net.onnx", {"example_inputs": (1,)}, "of its inputs"),
    ],
)
def test_what_cannot_be_loaded(source: object, named: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        xir.load(source, **named)


SCALE = Operator("aten.mul.Scalar", lambda x, y: Tensor(x.array * y))
WRITE = Operator("aten.relu_.default", lambda x: x, writes=True)
ITEM = Operator("aten._local_scalar_dense.default", lambda x: 1.0, (Tag.data_dependent_output,))
INDEX = Operator("aten.index.Tensor", lambda x, i: Tensor(x.array[i[0].array]), (Tag.dynamic_output_shape,))
SORT = Operator("aten.sort.default", lambda x: (Tensor(np.sort(x.array)), Tensor(np.argsort(x.array))))


class Net(Module):
    """A module whose run is followed."""

    def __init__(self, rule) -> None:
        self.rule = rule
        self.state, self.weight = Tensor(X.copy()), Tensor(X.copy(), grad=True)

    def named_buffers(self):
        return [("state", self.state)]

    def named_parameters(self):
        return [("weight", self.weight)]

    def forward(self, x, *more):
        return self.rule(self, x, *more)


def test_an_exported_module(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch, export=lambda module, items, named, dynamic_shapes: small())
    with pytest.warns(UserWarning, match="always 3"):
        graph = xir.load(Net(None), example_inputs={"x": Tensor(X)}, outputs=["a.0"])
    assert graph.output_names == ("a.0",)


RECORDED = Path(__file__).parents[1] / "script" / "recorded"


class Scripted(Module):
    def forward(self, x, more=None):
        return call(ITEM, x)


def test_what_export_refuses_is_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch, script=lambda module: (RECORDED / "control.pt").read_bytes())
    held = np.load(RECORDED / "control.npz")
    x = held["in0"]
    with pytest.warns(UserWarning, match=r"no export; the graph is what torch\.jit\.script makes of it"):
        graph = xir.load(Scripted(), example_inputs={"x": Tensor(x)})
    loaded = load_model(str(RECORDED / "control.pt"), LoadOptions(inputs={"x": TensorType(DType.FLOAT32, x.shape)}))
    made = xir.run(graph, {"x": x, **{name: constant.array() for name, constant in loaded.state.items()}})
    np.testing.assert_allclose(next(iter(made.values())), held["out0"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("taken", [True, False])
def test_what_is_exported_and_not_read_is_scripted(monkeypatch: pytest.MonkeyPatch, taken: bool) -> None:
    def export(*_: object, **__: object) -> standin.ExportedProgram:
        return exported((output(),), [spec("STRANGE", name="x")], [])

    archive = (RECORDED / "control.pt").read_bytes() if taken else b""
    standin.install(monkeypatch, export, lambda module: archive)
    x = Tensor(np.load(RECORDED / "control.npz")["in0"])
    if taken:
        with pytest.warns(UserWarning, match=r"torch\.jit\.script makes of it"):
            assert xir.load(Scripted(), example_inputs=(x,)).input_names[0] == "x"
    else:
        with pytest.raises(UnsupportedError):
            xir.load(Scripted(), example_inputs=(x,))


def test_what_the_archive_does_not_take_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    standin.install(monkeypatch, script=lambda module: (RECORDED / "control.pt").read_bytes())
    more = {"a": [Tensor(X), (2, True)], "b": None}
    with pytest.raises(UnsupportedError, match=r"standin\.py:\d+: "):
        xir.load(Scripted(), example_inputs=(Tensor(X), more))


def test_one_run_is_followed() -> None:
    def rule(net, x, scale, pair):
        y = call(ADD, call(SCALE, x, scale), net.weight)
        call(WRITE, y)
        call(ITEM, Tensor(np.array(1.0)))
        values, places = call(SORT, call(ADD, y, Tensor(X + 1)))
        net.state.array[...] = 7
        return {"a": values, "b": [places, call(INDEX, x, [Tensor(np.array([1, 0]))]), 2]}

    net = Net(rule)
    with pytest.warns(UserWarning, match="one run of the module"):
        graph = xir.load(net, example_inputs=(Tensor(X - 2), -2.0, [Tensor(X), Tensor(X)]))
    assert graph.input_names == ("x", "more_1", "more_2")
    np.testing.assert_array_equal(net.state.array, X)
    results = xir.run(graph, dict.fromkeys(graph.input_names, X))
    wanted = np.maximum(X * -2 + X, 0) + X + 1
    for made_, right in zip(results.values(), (np.sort(wanted), np.argsort(wanted), X[[1, 0]]), strict=False):
        np.testing.assert_array_equal(made_, right)


@pytest.mark.parametrize(
    "rule",
    [
        lambda net, x: call(ITEM, x),
        lambda net, x: call(INDEX, x, [Tensor(X > 0)]),
        lambda net, x: x.tolist(),
        lambda net, x: x.unknown(),
    ],
)
def test_what_depends_on_elements_is_refused(rule: object) -> None:
    with pytest.raises(UnsupportedError, match=r"standin\.py:\d+: "):
        xir.load(Net(rule), example_inputs=(Tensor(X),))


def test_symbols_are_not_given_up() -> None:
    with pytest.raises(UnsupportedError, match="no export"):
        xir.load(Net(lambda net, x: x), example_inputs=(Tensor(X),), dynamic_shapes=({0: "n"},))
