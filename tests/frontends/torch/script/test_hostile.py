"""Archives that lie, run wild or ask for too much: one clear error, in bounded time."""

from __future__ import annotations

import time

import numpy as np
import pytest

import xir
from tests.frontends.torch.pickles.written import call, whole
from tests.frontends.torch.script.archives import Made, net, script_bytes, write
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError, XirError
from xir.frontends.torch.script import interpreter

METHODS = """
  def again(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return (self).again(x, )
"""

CODE = {
    "an endless loop": ("while True:\n  pass\nreturn x", UnsafeError, "steps"),
    "an endless loop of calls": ("h = x\nwhile True:\n  h = torch.add(h, 1)\nreturn h", UnsafeError, "operators|steps"),
    "a huge range": ("for i in range(999999999999):\n  pass\nreturn x", None, None),
    "ranges in ranges": (
        "n = 0\nfor i in range(9999):\n  for j in range(9999):\n    n = torch.add(n, j)\nreturn x",
        UnsafeError,
        "steps",
    ),
    "recursion": ("return (self).again(x, )", UnsafeError, "call each other"),
    "lists that double": (
        "a = [x]\nfor i in range(60):\n  a = torch.add(a, a)\nreturn torch.cat(a)",
        UnsafeError,
        "steps",
    ),
    "lists times a number": ("a = torch.mul([1], 99999999999)\nreturn x", UnsafeError, "steps"),
    "lists in lists": ("a = [x]\nfor i in range(60):\n  a = [a, a]\nreturn a", UnsafeError, "steps"),
    "text that doubles": (
        'a = "aaaaaaaaaaaaaaaa"\nfor i in range(60):\n  a = torch.add(a, a)\nreturn x',
        UnsafeError,
        "steps",
    ),
    "numbers that grow": ("n = 3\nfor i in range(90):\n  n = torch.mul(n, n)\nreturn x", InvalidModelError, "64 bits"),
    "a variable that is not there": ("return y", InvalidModelError, "no variable 'y'"),
    "a function that is not there": ("return __torch__.f(x)", InvalidModelError, "no '__torch__.f'"),
    "a constant that is not there": ("return CONSTANTS.c7", InvalidModelError, "no constant"),
    "an attribute that is not there": ("return self.w", InvalidModelError, "no attribute 'w'"),
    "an operator that is not there": ("return torch.explode(x)", UnsupportedError, "aten.explode"),
    "an operator of somebody's own": ("return ops.mine.f(x)", UnsupportedError, "mine.f"),
    "an import": ('return torch.__import__("os")', UnsupportedError, "__import__"),
    "what Python has": ('return eval("1")', InvalidModelError, "no variable 'eval'"),
    "attributes of Python's": ("return x.__class__", InvalidModelError, "no attribute '__class__'"),
    "attributes of methods": ("return self.forward.__globals__", InvalidModelError, "no attribute"),
    "a tuple of too many": ("a, b, = (x, x, x)\nreturn a", InvalidModelError, "3 values are taken apart into 2"),
    "an item that is not there": ("return [x][1]", InvalidModelError, "no item 1 among 1"),
    "a list in itself": ("a = [x]\n_0 = torch.append(a, a)\nreturn a", UnsafeError, None),
    "an exception": ('ops.prim.RaiseException("no, thanks", "ValueError")\nreturn x', InvalidModelError, "no, thanks"),
    "division by zero": ("n = torch.div(1, 0)\nreturn x", InvalidModelError, "1, 0"),
    "shapes that do not go with each other": (
        "return torch.view(x, [7, 7])",
        XirError,
        "code/__torch__.py, line 6|aten.view",
    ),
    "a loop that changes its list": (
        "a = [x]\nwhile bool(torch.gt(torch.sum(a[0]), 0)):\n  _0 = torch.pop(a)\nreturn x",
        XirError,
        "",
    ),
    "deep expressions": ("return " + "torch.neg(" * 120 + "x" + ")" * 120, UnsafeError, "nested"),
    "nothing that is returned": ("_0 = x", None, None),
}


@pytest.mark.parametrize("case", CODE)
def test_code_that_runs_wild(tmp_path, case, monkeypatch):
    monkeypatch.setattr(interpreter, "MAX_STEPS", 20_000)
    monkeypatch.setattr(interpreter, "MAX_UNROLLED_NODES", 300)
    body, kind, said = CODE[case]
    path = write(tmp_path, net(body, more=METHODS))
    before = time.process_time()
    if kind is None:
        xir.load(path, inputs={"x": "f32[2,3]"})
    else:
        with pytest.raises(kind, match=said):
            xir.load(path, inputs={"x": "f32[2,3]"})
    assert time.process_time() - before < 30  # endless without its limit


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.jit._pickle.build_tensor_from_id", "__main__.X"])
def test_names_in_the_pickle_run_nothing(tmp_path, name):
    module, _, short = name.rpartition(".")
    data = script_bytes(
        Made("__torch__.Net", {"a": call(module, short, "echo")}), {"__torch__": "class Net(Module):\n  pass\n"}
    )
    with pytest.raises(UnsafeError, match=name):
        xir.load(write(tmp_path, data), inputs={"x": "f32[1]"})


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"data.pkl": whole(3)}, "in place of a module"),
        ({"data.pkl": b"\x80\x02"}, "ends early"),
        ({"constants.pkl": whole(call("os", "getcwd"))}, "os.getcwd"),
        ({"code/__torch__.py": b"class Net(Module:\n"}, "line 1"),
        ({"code/__torch__.py": b"\xff\xfe"}, "UTF-8"),
        ({"code/__torch__.py": b"class Other(Module):\n  pass\n"}, "no method 'forward'"),
        ({"code/__torch__.py": b"import os\nx = os.system\n"}, "no method 'forward'"),
    ],
)
def test_members_that_lie(tmp_path, members, said):
    data = script_bytes(Made("__torch__.Net", {"w": np.zeros(2, np.float32)}), {"__torch__": ""}, **members)
    with pytest.raises(XirError, match=said):
        xir.load(write(tmp_path, data), inputs={"x": "f32[1]"})


def test_a_storage_that_ends_early(tmp_path):
    data = script_bytes(
        Made("__torch__.Net", {"w": np.zeros(2, np.float32)}), {"__torch__": ""}, **{"data/0": b"\0" * 4}
    )
    with pytest.raises(InvalidModelError, match="has 4 bytes"):
        xir.load(write(tmp_path, data), inputs={"x": "f32[1]"})


def test_numbers_for_what_is_none(tmp_path):
    path = write(tmp_path, net("return x"))
    with pytest.raises(UsageError, match="'x' is no number"):
        xir.load(path, inputs={"x": 3})


def test_all_unknown_operators_are_told_at_once(tmp_path):
    path = write(tmp_path, net("a = torch.one(x)\nb = torch.relu(a)\nc = torch.two(x)\nreturn torch.add(b, c)"))
    with pytest.raises(UnsupportedError, match=r"aten\.one x1 .*aten\.two x1"):
        xir.load(path, inputs={"x": "f32[2]"})
