"""Archives whose operators are older than today's mean what they meant; and other methods than `forward`."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.cli.commands import call
from tests.frontends.torch.script.archives import net, write
from xir.errors import InvalidModelError, UnsupportedError, UsageError
from xir.frontends.load import load_model
from xir.frontends.options import LoadOptions
from xir.frontends.type_spec import parse_type

WHOLE, REAL = np.array([7, -7, 9], np.int64), np.array([7.0, -7.0, 9.0], np.float32)

CASES = {
    "whole by whole": ("return torch.div(x, 2)", WHOLE, 3, [3, -3, 4], "int64"),
    "whole by whole, today": ("return torch.div(x, 2)", WHOLE, 4, [3.5, -3.5, 4.5], "float32"),
    "whole by real": ("return torch.div(x, 2.)", WHOLE, 3, [3.5, -3.5, 4.5], "float32"),
    "real by whole": ("return torch.div(x, 2)", REAL, 3, [3.5, -3.5, 4.5], "float32"),
    "whole by tensor": ("return torch.div(x, torch.add(x, 1))", WHOLE, 3, [0, 1, 0], "int64"),
    "in place": ("y = torch.clone(x)\nz = torch.div_(y, 2)\nreturn y", WHOLE, 3, [3, -3, 4], "int64"),
    "into another": ("return torch.div(x, torch.add(x, 1), out=torch.clone(x))", WHOLE, 3, [0, 1, 0], "int64"),
    "into a real one": (
        "return torch.div(x, torch.mul(x, -2), out=torch.mul(x, 1.))", WHOLE, 3, [-0.5] * 3, "float32"),
    "rounded": ('return torch.div(x, 2, rounding_mode="floor")', WHOLE, 3, [3, -4, 4], "int64"),
    "full of whole numbers": ("return torch.full([3], 2)", WHOLE, 4, [2, 2, 2], "float32"),
    "full of whole numbers, by name": ("return torch.full([3], fill_value=2)", WHOLE, 4, [2, 2, 2], "float32"),
    "full of whole numbers, today": ("return torch.full([3], 2)", WHOLE, 5, [2, 2, 2], "int64"),
    "full of real numbers": ("return torch.full([3], 0.5)", WHOLE, 4, [0.5] * 3, "float32"),
    "full of a type": ("return torch.full([3], 2, dtype=4)", WHOLE, 4, [2, 2, 2], "int64"),
    "linspace": ("return torch.linspace(0, 99)", WHOLE, 7, [*range(100)], "float32"),
    "linspace, none": ("return torch.linspace(0, 99, None)", WHOLE, 7, [*range(100)], "float32"),
    "linspace, some": ("return torch.linspace(0, 4, 3)", WHOLE, 7, [0, 2, 4], "float32"),
    "linspace, by name": ("return torch.linspace(0, 4, steps=3)", WHOLE, 7, [0, 2, 4], "float32"),
    "logspace": ("return torch.logspace(0, 0)", WHOLE, 8, [1] * 100, "float32"),
    "gelu": ("return torch.gelu(torch.mul(x, 0.))", WHOLE, 9, [0, 0, 0], "float32"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_older_operators(case, tmp_path):
    body, x, version, expected, dtype = CASES[case]
    path = write(tmp_path, net(body, version=f"{version}\n".encode()))
    short = {"int64": "i64", "float32": "f32"}[x.dtype.name]
    graph = xir.load(path, inputs={"x": f"{short}[3]"})
    (made,) = xir.run(graph, {"x": x} if graph.inputs else {}).values()
    assert made.dtype.name == dtype
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    torch = pytest.importorskip("torch", reason="torch says what the archive means")
    answer = torch.jit.load(str(path))(torch.tensor(x)).numpy()
    assert answer.dtype == made.dtype
    np.testing.assert_allclose(made, answer, rtol=1e-6)


@pytest.mark.parametrize(
    ("version", "kind", "told"),
    [(b"11\n", UnsupportedError, "version 11, xir knows them up to 10"), (b"-1", InvalidModelError, "'-1', no number")],
)
def test_versions_that_nobody_knows(version, kind, told, tmp_path):
    with pytest.raises(kind, match=told):
        xir.load(write(tmp_path, net("return x", version=version)), inputs={"x": "f32[3]"})


TWICE = "  def twice(self: __torch__.Net,\n    x: Tensor,\n    by: int=2) -> Tensor:\n    return torch.mul(x, by)\n"


def test_another_method(tmp_path, capsys):
    path = write(tmp_path, net("return torch.neg(x)", more=TWICE))
    types = {"x": "f32[3]"}
    assert [node.op.name for node in xir.load(path, inputs=types).nodes] == ["neg"]
    graph = xir.load(path, inputs=types, method="twice")
    np.testing.assert_array_equal(xir.run(graph, {"x": REAL})["output"], 2 * REAL)
    done = call(capsys, "inspect", path, "--input", "x=f32[3]", "--method", "twice", "--json")
    assert [layer["kind"] for layer in done.document["layers"]] == ["aten.mul"]
    with pytest.raises(UsageError, match=r"no method 'other'; it has \['forward', 'twice'\]"):
        xir.load(path, inputs=types, method="other")


def test_the_version_is_told(tmp_path):
    path = write(tmp_path, net("return torch.neg(x)", version=b"4"))
    loaded = load_model(str(path), LoadOptions(inputs={"x": parse_type("f32[3]")}))
    assert loaded.metadata == {"operators_version": "4"}
