"""Sizes that elements decide: masks, branches over them, parts written and resized, on the reference and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import Made, net, script_bytes, write
from xir.errors import UnsupportedError
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions
from xir.frontends.type_spec import parse_type

X = np.array([[1, -2, 3], [4, 5, -6]], np.float32)


def results(path, x, **more):
    """What the reference and the compiled graph make of one input."""
    graph = xir.load(path, inputs={"x": f"f32{list(x.shape)}"}, **more)
    (reference,) = xir.run(graph, {"x": x}).values()
    (compiled,) = xir.compile(graph).run(None, {"x": x})
    np.testing.assert_allclose(compiled, reference, rtol=1e-6, atol=1e-6)
    return reference


CASES = {
    "what literals decide is known": (
        """
        _0 = torch.max(torch.tensor(torch.size(x)))
        n = int(torch.item(torch.mul(torch.to(_0, 6), 0.5)))
        for i in range(n):
          x = torch.mul(x, 2)
        return x
        """,
        X * 2,
    ),
    "one mask selects parts of one size": (
        """
        m = torch.gt(x, 2.)
        a = torch.index(x, annotate(List[Optional[Tensor]], [m]))
        b = torch.index(torch.neg(x), annotate(List[Optional[Tensor]], [m]))
        return torch.add(torch.mul(a, 3), b)
        """,
        2 * X[X > 2],
    ),
    "a branch over the size of what two masks select": (
        """
        a = torch.index(x, annotate(List[Optional[Tensor]], [torch.gt(x, 2.)]))
        b = torch.index(x, annotate(List[Optional[Tensor]], [torch.lt(x, 0.)]))
        ab = torch.cat([a, b])
        a = x
        b = x
        if torch.eq(torch.numel(ab), 0):
          y = torch.zeros([0], dtype=6)
        else:
          y = torch.mul(ab, torch.add(torch.max(ab), 1.))
        return y
        """,
        np.concatenate([X[X > 2], X[X < 0]]) * 6,
    ),
    "a part between bounds that only the run knows is written": (
        """
        a = int(torch.item(torch.select(torch.select(x, 0, 0), 0, 0)))
        y = torch.zeros([4], dtype=6)
        _0 = torch.copy_(torch.slice(y, 0, a, torch.add(a, 2)), torch.slice(torch.select(x, 0, 1), 0, a))
        _1 = torch.fill_(torch.slice(y, 0, torch.neg(a)), 7.)
        return y
        """,
        np.array([0, 5, -6, 7], np.float32),
    ),
    "resized to a size that only the run knows": (
        """
        n = int(torch.item(torch.max(x)))
        y = torch.upsample_linear1d(torch.unsqueeze(x, 0), [n], False, annotate(Optional[List[float]], None))
        return y
        """,
        np.array([[[1, -0.2, -2, 1, 3], [4, 4.4, 5, -1.6, -6]]], np.float32),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_code(tmp_path, case):
    body, expected = CASES[case]
    np.testing.assert_allclose(results(write(tmp_path, net(body)), X), expected, rtol=1e-6)


def test_what_literals_decide_needs_no_loop(tmp_path):
    body, _ = CASES["what literals decide is known"]
    graph = xir.load(write(tmp_path, net(body)), inputs={"x": "f32[2,3]"})
    assert "loop" not in {node.op.name for node in graph.nodes}


RESHAPED = """
    y = torch.index(x, annotate(List[Optional[Tensor]], [torch.gt(torch.select(x, 1, 0), LIMIT)]))
    n = torch.size(y, 0)
    if torch.gt(n, 0):
      z = torch.reshape(y, [n, 2, 2])
    else:
      z = y
    return torch.reshape(torch.neg(z), [-1, 2])
"""


@pytest.mark.parametrize(("limit", "rows"), [("0.", 2), ("9.", 0)])
def test_an_empty_tensor_takes_the_rank_of_the_other_branch(tmp_path, limit, rows):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = write(tmp_path, net(RESHAPED.replace("LIMIT", limit)))
    np.testing.assert_array_equal(results(path, x), -x[1 : 1 + rows].reshape(-1, 2))


def test_two_ranks_of_what_may_have_elements_are_refused(tmp_path):
    body = """
        if bool(torch.gt(torch.sum(x), 0.)):
          y = torch.reshape(x, [6])
        else:
          y = x
        return torch.neg(y)
    """
    with pytest.raises(UnsupportedError, match="which only the run decides"):
        xir.load(write(tmp_path, net(body)), inputs={"x": "f32[2,3]"})


OBJECTS = """
    class Pair:
      first : Tensor
      count : int
      def __init__(self: __torch__.Pair,
        first: Tensor,
        count: int) -> NoneType:
        self.first = first
        self.count = count
        return None
      def scaled(self: __torch__.Pair) -> Tensor:
        first = self.first
        count = self.count
        return torch.mul(first, count)
    class Net(Module):
      __parameters__ = []
      __buffers__ = []
      def forward(self: __torch__.Net,
        x: Tensor) -> Tensor:
        pair = __torch__.Pair.__new__(__torch__.Pair)
        _0 = (pair).__init__(x, 3, )
        return (pair).scaled()
"""


def test_code_makes_objects(tmp_path):
    path = write(tmp_path, script_bytes(Made("__torch__.Net"), {"__torch__": OBJECTS}))
    np.testing.assert_array_equal(results(path, X), 3 * X)


def test_what_no_result_depends_on_is_no_state(tmp_path):
    body = """
        if self.has_warned:
          pass
        else:
          self.has_warned = True
        calls = self.calls
        self.calls = torch.add(calls, 1)
        return torch.mul(x, calls)
    """
    path = write(tmp_path, net(body, attributes={"has_warned": False, "calls": 4}))
    loaded = load_model(str(path), LoadOptions(inputs={"x": parse_type("f32[2]")}))
    assert loaded.graph.output_names == ("output", "calls.new")
    assert list(loaded.state) == ["calls"]
    assert any("'has_warned' is left out" in note for note in loaded.notes)


def test_the_last_row_of_open_sizes_goes_with_all_of_them(tmp_path):
    """A size of 1, where there is a row: `x[-1:]` (timm's Fourier embedding of positions)."""
    graph = xir.load(write(tmp_path, net("return torch.div(x, torch.slice(x, 0, -1))")), inputs={"x": "f32[n,3]"})
    for x in (X, X[:1], np.tile(X, (3, 1))):
        for run in (xir.run, lambda graph, feeds: dict(enumerate(xir.compile(graph).run(None, feeds)))):
            (made,) = run(graph, {"x": x}).values()
            np.testing.assert_array_equal(made, x / x[-1:])
