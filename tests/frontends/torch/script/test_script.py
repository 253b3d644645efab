"""Models of TorchScript end to end, made without torch."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import Made, net, script_bytes, write
from xir.errors import UnsupportedError, UsageError
from xir.frontends.load import load_model, recognize
from xir.frontends.options import LoadOptions
from xir.frontends.type_spec import parse_type, split_specs

W = np.arange(12, dtype=np.float32).reshape(3, 4) / 10

NET = """
    class Net(Module):
      __parameters__ = []
      __buffers__ = []
      training : bool
      fc : __torch__.torch.nn.modules.linear.Linear
      __annotations__["0"] = __torch__.torch.nn.modules.linear.Linear
      def forward(self: __torch__.Net,
        input: Tensor) -> Tensor:
        fc = self.fc
        _0 = (fc).forward(input, )
        return torch.relu(_0)
"""
LINEAR = """
    class Linear(Module):
      __parameters__ = ["weight", ]
      __buffers__ = []
      weight : Tensor
      def forward(self: __torch__.torch.nn.modules.linear.Linear,
        argument_1: Tensor) -> Tensor:
        weight = self.weight
        y = torch.linear(argument_1, weight)
        return y
"""
FILES = {"__torch__": NET, "__torch__.torch.nn.modules.linear": LINEAR}


def linear(**members):
    layer = Made("__torch__.torch.nn.modules.linear.Linear", {"weight": W})
    return script_bytes(Made("__torch__.Net", {"training": False, "fc": layer}), FILES, **members)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path, linear())


def test_a_model_with_a_symbolic_batch_runs(path):
    assert recognize(str(path)).name == "torchscript"
    graph = xir.load(path, inputs={"input": "f32[N,4]"})
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    np.testing.assert_allclose(xir.run(graph, {"input": x})["output"], np.maximum(x @ W.T, 0), rtol=1e-5)


def test_weights_are_mapped_and_named_as_in_the_model(path):
    graph = xir.load(path, inputs={"input": "f32[2,4]"})
    (weight,) = graph.parameters
    assert graph.name_of(weight.value) == "fc.weight"
    assert weight.trainable
    assert not isinstance(weight.constant.data, np.ndarray)


def test_every_node_tells_its_module_and_line(path):
    graph = xir.load(path, inputs={"input": "f32[2,4]"})
    sources = {(source.layer, source.kind, source.path) for node in graph.nodes for source in node.source}
    assert sources == {("fc.y", "aten.linear", ("fc",)), ("relu", "aten.relu", ())}
    lines = {source.location for node in graph.nodes for source in node.source}
    assert lines == {"code/__torch__.py, line 12", "code/__torch__/torch/nn/modules/linear.py, line 9"}


def test_without_a_shape_the_error_says_what_to_type(path):
    with pytest.raises(UsageError, match=r"does not tell what the model's inputs are \(input\)") as caught:
        xir.load(path)
    assert "--input input=f32[" in (caught.value.hint or "")


def test_unknown_inputs_are_refused(path):
    with pytest.raises(UsageError, match="no input 'y'"):
        xir.load(path, inputs={"input": "f32[2,4]", "y": 3})


def test_numbers_are_for_formats_that_have_some(tmp_path):
    (tmp_path / "a.xir").write_text('xir 1\ngraph "g" () -> () {}\n')
    with pytest.raises(UsageError, match="no inputs that are numbers: sr=16000"):
        load_model(str(tmp_path / "a.xir"), LoadOptions(numbers={"sr": 16000}))


def test_types_and_numbers_that_people_write():
    types, numbers = split_specs({"x": "f32[1]", "a": "16000", "b": "-0.5", "c": "true", "d": 3, "e": "1e-3"})
    assert types == {"x": parse_type("f32[1]")}
    assert numbers == {"a": 16000, "b": -0.5, "c": True, "d": 3, "e": 0.001}


X = np.array([[1, -2, 3], [4, 5, -6]], np.float32)
"""What the cases below are run with."""

CASES = {
    "lists and loops of known lengths": (
        """
        outs = annotate(List[Tensor], [])
        h = x
        for i in range(3):
          _0 = torch.eq(torch.remainder(i, 2), 0)
          if _0:
            _1 = torch.append(outs, torch.mul(h, i))
          else:
            h = torch.add(h, 1)
        return torch.cat(outs, 1)
        """,
        np.concatenate([X * 0, (X + 1) * 2], 1),
    ),
    "dictionaries": (
        """
        d = annotate(Dict[str, Tensor], {"a": x})
        _0 = torch._set_item(d, "b", torch.neg(d["a"]))
        if torch.__contains__(d, "b"):
          y = d["b"]
        else:
          y = x
        return torch.add(y, torch.len(d))
        """,
        2 - X,
    ),
    "tuples are taken apart": (
        """
        values, places = torch.max(x, 1)
        _0 = (values, 3)
        a, b, = _0
        return torch.mul(a, b)
        """,
        X.max(1) * 3,
    ),
    "writes through a view": (
        """
        y = torch.clone(x)
        row = torch.select(y, 0, 1)
        _0 = torch.mul_(row, 10)
        return y
        """,
        np.stack([X[0], X[1] * 10]),
    ),
    "a branch that the elements decide": (
        """
        _0 = bool(torch.gt(torch.sum(x), 4))
        if _0:
          y = torch.mul(x, 2)
          n = 1
        else:
          y = torch.neg(x)
          n = 5
        return torch.add(y, n)
        """,
        X * 2 + 1,
    ),
    "the other branch": (
        """
        y = torch.clone(x)
        if bool(torch.lt(torch.sum(x), 4)):
          _0 = torch.fill_(y, 0.)
        else:
          _1 = torch.add_(torch.select(y, 1, 0), 100)
        return y
        """,
        X + np.array([100, 0, 0], np.float32),
    ),
    "branches in branches": (
        """
        s = torch.sum(x)
        if bool(torch.gt(s, 0)):
          if bool(torch.gt(s, 100)):
            y = x
          else:
            y = torch.add(x, s)
        else:
          y = torch.sub(x, s)
        return y
        """,
        X + 5,
    ),
    "a while loop that the elements decide": (
        """
        h = x
        n = 0
        _0 = bool(torch.gt(torch.sum(h), 1))
        while _0:
          h0 = torch.div(h, 2)
          n0 = torch.add(n, 1)
          h, n = h0, n0
          _0 = bool(torch.gt(torch.sum(h0), 1))
        return torch.add(h, n)
        """,
        X / 8 + 3,
    ),
    "a loop whose steps the elements decide": (
        """
        n = int(torch.select(torch.select(x, 0, 0), 0, 2))
        h = torch.clone(x)
        outs = annotate(List[Tensor], [])
        for i in range(n):
          _0 = torch.add_(h, i)
          _1 = torch.append(outs, torch.mul(h, 1))
        return torch.stack(outs)
        """,
        np.stack([X, X + 1, X + 3]),
    ),
    "an exception that the elements decide is noted": (
        """
        if bool(torch.lt(torch.sum(x), 0)):
          ops.prim.RaiseException("negative", "builtins.ValueError")
        else:
          pass
        return x
        """,
        X,
    ),
    "text, optionals and what is an instance of what": (
        """
        y = annotate(Optional[Tensor], None)
        if torch.__isnot__(y, None):
          z = unchecked_cast(Tensor, y)
        else:
          _0 = torch.format("{} and {}", "a", 2)
          if torch.eq(_0, "a and 2"):
            z = torch.add(x, torch.len(_0))
          else:
            z = x
        if isinstance(z, Tensor):
          r = z
        else:
          r = x
        return r
        """,
        X + 7,
    ),
    "tensors of numbers": (
        """
        _0 = torch.tensor([[1, 2, 3]], dtype=6)
        _1 = torch.tensor(torch.size(x))
        return torch.add(torch.mul(x, _0), torch.sum(_1))
        """,
        X * np.array([1, 2, 3], np.float32) + 5,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_code(tmp_path, case):
    body, expected = CASES[case]
    graph = xir.load(write(tmp_path, net(body)), inputs={"x": "f32[2,3]"})
    np.testing.assert_allclose(xir.run(graph, {"x": X})["output"], expected, rtol=1e-6)


STATEFUL = """
    count = self.count
    self.count = torch.add(count, 1)
    total = self.total
    _0 = torch.add_(total, x)
    last = self.last
    self.last = x
    return torch.add(torch.mul(total, count), last)
"""


def test_what_a_run_changes_is_an_input_and_an_output(tmp_path):
    attributes = {"count": 2, "total": np.ones(3, np.float32), "last": np.zeros(3, np.float32)}
    path = write(tmp_path, net(STATEFUL, attributes=attributes))
    loaded = load_model(str(path), LoadOptions(inputs={"x": parse_type("f32[3]")}))
    graph = loaded.graph
    assert graph.input_names == ("x", "total", "last", "count")
    assert set(graph.output_names) == {"output", "total.new", "last.new", "count.new"}
    state = {name: constant.array() for name, constant in loaded.state.items()}
    assert {name: value.tolist() for name, value in state.items()} == {
        "count": 2, "total": [1, 1, 1], "last": [0, 0, 0]
    }  # fmt: skip
    x, outputs = np.array([1, 2, 3], np.float32), []
    for _ in range(2):
        made = xir.run(graph, {"x": x, **state})
        outputs.append(made["output"])
        state = {name: made[f"{name}.new"] for name in state}
    np.testing.assert_array_equal(outputs, [(1 + x) * 2, (1 + 2 * x) * 3 + x])
    assert state["count"] == 4


def test_a_number_that_is_said_is_no_input(tmp_path):
    body = """
        if torch.eq(sr, 8000):
          y = torch.neg(x)
        else:
          y = torch.mul(x, sr)
        return y
    """
    path = write(tmp_path, net(body, "x: Tensor,\n    sr: int"))
    said = xir.load(path, inputs={"x": "f32[3]", "sr": 8000})
    assert said.input_names == ("x",)
    open = xir.load(path, inputs={"x": "f32[3]"})
    x = np.ones(3, np.float32)
    assert open.input_names == ("x", "sr")
    np.testing.assert_array_equal(xir.run(said, {"x": x})["output"], -x)
    for rate, expected in ((8000, -x), (3, 3 * x)):
        made = xir.run(open, {"x": x, "sr": np.asarray(rate, np.int64)})
        np.testing.assert_array_equal(made["output"], expected)


PACKED = """
        data, counts = torch._pack_padded_sequence(x, n, True)
        y = torch.zeros([2, 3, 1])
        for i in range(int(torch.max(n))):
          {body}
          y = torch.add(y, z)
        return y
"""


def test_packed_sequences_in_a_loop_keep_their_lengths(tmp_path):
    body = PACKED.format(body="z, l = torch._pad_packed_sequence(data, counts, True, 7., 3)")
    graph = xir.load(write(tmp_path, net(body, "x: Tensor,\n    n: Tensor")), inputs={"x": "f32[2,3,1]", "n": "i64[2]"})
    made = xir.run(graph, {"x": np.ones((2, 3, 1), np.float32), "n": np.asarray([3, 1])})["output"]
    np.testing.assert_array_equal(made[..., 0], [[3, 3, 3], [3, 21, 21]])


def test_packed_sequences_that_a_loop_makes_are_refused(tmp_path):
    body = """
        data, counts = torch._pack_padded_sequence(x, n, True)
        for i in range(int(torch.max(n))):
          data, counts = torch._pack_padded_sequence(x, n, True)
        z, l = torch._pad_packed_sequence(data, counts, True, 7., 3)
        return z
    """
    path = write(tmp_path, net(body, "x: Tensor,\n    n: Tensor"))
    with pytest.raises(UnsupportedError, match="packed sequences or nested tensors that a branch or loop makes"):
        xir.load(path, inputs={"x": "f32[2,3,1]", "n": "i64[2]"})


def test_the_device_of_packed_sequences_is_told(tmp_path):
    """torch.nn.utils.rnn.PackedSequence refuses sizes that lie elsewhere than on the processor."""
    body = """
        if torch.ne(ops.prim.type(ops.prim.device(x)), "cpu"):
          ops.prim.RaiseException("elsewhere")
        else:
          pass
        return torch.neg(x)
    """
    graph = xir.load(write(tmp_path, net(body, "x: Tensor")), inputs={"x": "f32[2]"})
    np.testing.assert_array_equal(xir.run(graph, {"x": np.ones(2, np.float32)})["output"], [-1, -1])


def test_nested_tensors_are_told_apart(tmp_path):
    body = """
        made = torch._nested_tensor_from_mask(x, kept, False)
        if ops.prim.is_nested(made):
          y = torch.to_padded_tensor(made, 7., torch.size(x))
        else:
          y = x
        if ops.prim.is_nested(x):
          z = x
        else:
          z = torch.neg(y)
        return z
    """
    path = write(tmp_path, net(body, "x: Tensor,\n    kept: Tensor"))
    graph = xir.load(path, inputs={"x": "f32[1,3,1]", "kept": "bool[1,3]"})
    made = xir.run(graph, {"x": np.ones((1, 3, 1), np.float32), "kept": np.asarray([[True, True, False]])})["output"]
    np.testing.assert_array_equal(made[..., 0], [[-1, -1, -7]])


HINT = """
    def _detect_is_causal_mask(mask: Optional[Tensor],
        is_causal: Optional[bool]=None,
        size: Optional[int]=None) -> bool:
      mask0 = unchecked_cast(Tensor, mask)
      return bool(torch.all(torch.eq(mask0, 0.)))
"""


@pytest.mark.parametrize(("said", "wanted"), [("None", 0), ("True", 1), ("False", 0)])
def test_whether_a_mask_is_the_causal_one_is_a_hint(tmp_path, said, wanted):
    """torch.nn.Transformer gives attention the mask as well: nothing depends on its elements being looked at."""
    body = f"""
        hint = __torch__.torch.nn.modules.transformer._detect_is_causal_mask
        if hint(x, {said}, 3):
          y = 1
        else:
          y = 0
        return torch.mul(x, y)
    """
    code = {"code/__torch__/torch/nn/modules/transformer.py": dedent(HINT).encode()}
    path = write(tmp_path, net(body, "x: Tensor", **code))
    graph = xir.load(path, inputs={"x": "f32[2]"})
    assert "if" not in {node.op.name for node in graph.nodes}
    np.testing.assert_array_equal(xir.run(graph, {"x": np.ones(2, np.float32)})["output"], [wanted] * 2)


def test_complex_results_are_their_parts(tmp_path):
    path = write(tmp_path, net("return torch.view_as_complex(x)"))
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(xir.run(xir.load(path, inputs={"x": "f32[3,2]"}), {"x": x})["output"], x)
