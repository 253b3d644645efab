"""Lines of an archive's code and the author's lines that they were made of."""

from __future__ import annotations

import pickle

import pytest

import xir
from tests.frontends.torch.script.archives import Made, script_bytes, write
from xir.errors import UnsafeError
from xir.frontends.torch.script.origins import origins
from xir.frontends.torch.script.sources import class_of

CODE = b"def f(x):\n  y = a(x)\n  return b(y)\n"
TEXTS = ("", "def f(x):\n", "  return b(\n", "    a(x))\n", "net.py")


def ranged(offset, start, text=(1, 2, 3), file=4, first=7):
    return offset, ((list(text), file, first), start, start + 1), 0


def tabled(*records):
    return "FORMAT_WITH_STRING_TABLE", TEXTS, records


CASES = {
    "texts in a table": (tabled(ranged(12, 26), ranged(23, 12)), {2: "net.py:9", 3: "net.py:8"}),
    "texts as they are": ([(12, (("def f(x):\n  return b(\n", "net.py", 7), 12, 13))], {2: "net.py:8"}),
    "the first of a line counts": (tabled(ranged(12, 0), ranged(16, 26)), {2: "net.py:7"}),
    "one without a file is passed over": (tabled(ranged(12, 0, file=0), ranged(16, 26)), {2: "net.py:9"}),
    "what the table lacks": (tabled(ranged(12, 0, text=(99, -1)), ranged(23, 0, file=99)), {2: "net.py:7"}),
    "no records": ((), {}),
    "no table": ("FORMAT", {}),
    "no record": ((7, (1,), (1, 2), (1, (2, 3, 4)), (1, ((1, 2), 3, 4)), (1, ((1, 2, "x"), 3, 4))), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_lines(case):
    records, found = CASES[case]
    assert origins(records, CODE) == found


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("__torch__.Net", "Net"),
        ("__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d", "torch.nn.modules.conv.Conv2d"),
    ],
)
def test_classes_have_their_own_names(kind, name):
    assert class_of(kind) == name


TORCHS = "/lib/site-packages/torch/nn/part.py"
FORWARD = (
    "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  part : __torch__.Part\n"
    "  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n"
    "    part = self.part\n    return (part).forward(x, )\n"
    "class Part(Module):\n  __parameters__ = []\n  __buffers__ = []\n"
    "  def forward(self: __torch__.Part,\n    x: Tensor) -> Tensor:\n    return torch.neg(x)\n"
)


@pytest.mark.parametrize(
    ("call", "inner", "told"),
    [
        ("net.py", "part.py", "part.py:3"),
        ("net.py", TORCHS, "net.py:3"),
        ("/lib/site-packages/torch/net.py", TORCHS, f"{TORCHS}:3"),
        ("", TORCHS, f"{TORCHS}:3"),
        ("net.py", "", "net.py:3"),
        ("", "", "code/__torch__.py, line 14"),
    ],
)
def test_the_author_s_own_line_comes_before_torch_s(tmp_path, call, inner, told):
    places = [(FORWARD.index("    return"), call), (FORWARD.rindex("    return"), inner)]
    records = [(place, (("a line\n", file, 3), 0, 1), 0) for place, file in places]
    data = {"code/__torch__.py.debug_pkl": pickle.dumps(tuple(records), protocol=2)}
    model = Made("__torch__.Net", {"part": Made("__torch__.Part")})
    graph = xir.load(write(tmp_path, script_bytes(model, {"__torch__": FORWARD}, **data)), inputs={"x": "f32[2]"})
    (source,) = graph.nodes[0].source
    assert (source.location, source.path, source.module) == (told, ("part",), "Part")


def test_a_map_of_lines_runs_no_code(tmp_path):
    evil = pickle.dumps(print, protocol=2)
    data = script_bytes(Made("__torch__.Net", {"part": Made("__torch__.Part")}), {"__torch__": FORWARD},
                        **{"code/__torch__.py.debug_pkl": evil})  # fmt: skip
    with pytest.raises(UnsafeError, match="print"):
        xir.load(write(tmp_path, data), inputs={"x": "f32[2]"})
