"""Pictures: every box once, arrows downward, names escaped, large graphs in little work."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import declare, layer
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import LoadOptions
from xir.inspect import layout as layout_module
from xir.inspect.coordinates import centers_of
from xir.inspect.layout import Arc, place
from xir.inspect.picture import picture_of, shown, to_dot
from xir.inspect.svg import CHARACTERS, draw, text, to_svg
from xir.ir.builder import sourced
from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.elementwise import add
from xir.ops.shape import reshape, shape_of, transpose

HOSTILE = '"]; evil [label="\\N<script>&\n\0\ud800'


def chain(length, name="x"):
    x = Value(TensorType(DType.FLOAT32, (2,)))
    y = x
    for number in range(length):
        with sourced(Source("caffe", "f", f"{name}{number}", "ReLU", order=number)):
            y = relu(y)
    return Graph("g", (x,), (add(x, y),), ("out",), names={x: name})


def net(folder: Path, body: str) -> Graph:
    path = folder / "net.prototxt"
    path.write_text(declare({"data": (1, 4, 8, 8)}) + body)
    return load_caffe(str(path), LoadOptions()).graph


BLOCK = (
    layer("bn", "BatchNorm", "data", "bn")
    + layer("scale", "Scale", "bn", "scale", "scale_param { bias_term: true }")
    + layer("relu", "ReLU", "scale", "relu")
    + layer("conv", "Convolution", "relu", "conv", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }")
    + layer("prelu", "PReLU", "conv", "prelu")
    + layer("sum", "Eltwise", "prelu data", "sum")
)


def test_boxes_and_arrows():
    picture = picture_of(chain(2))
    assert [box.kind for box in picture.boxes] == ["input", "node", "node", "node", "output"]
    assert [(arrow.start, arrow.end) for arrow in picture.arrows] == [(0, 1), (1, 2), (0, 3), (2, 3), (3, 4)]


def test_a_box_is_a_layer_and_weights_have_none(tmp_path: Path):
    boxes = picture_of(net(tmp_path, BLOCK)).boxes
    assert [box.lines[0] for box in boxes] == ["data", "bn", "scale", "relu", "conv", "prelu", "sum", "sum"]
    assert boxes[4].lines == ("conv", "Convolution", "f32[1,4,8,8]", "weights [4,4,3,3] [4]")
    assert boxes[2].lines == ("scale", "Scale", "f32[1,4,8,8]", "weights [4] [4]")
    assert boxes[3].lines == ("relu", "ReLU", "f32[1,4,8,8]")


def test_arithmetic_on_sizes_and_weights_of_other_formats_has_no_box():
    x, w = Value(TensorType(DType.FLOAT32, (2, 3))), Value(TensorType(DType.FLOAT32, (3, 2)))

    def at(name, kind, order):
        return sourced(Source("onnx", "f", name, kind, order=order))

    with at("sizes", "Shape", 0):
        sizes = shape_of(x)
    with at("twice", "Add", 1):
        sizes = add(sizes, sizes)
    with at("turned", "Transpose", 2):
        turned = transpose(w, perm=(1, 0))
    with at("sum", "Add", 3):
        total = add(x, turned)
    with at("reshaped", "Reshape", 4):
        reshaped = reshape(total, sizes, shape=(3, 2))
    parameter = Parameter(w, constant_of(np.ones((3, 2), np.float32)), True)
    graph = Graph("g", (x,), (reshaped,), ("out",), (parameter,), {x: "x"})
    boxes = picture_of(graph).boxes
    assert [box.lines[0] for box in boxes] == ["x", "sum", "reshaped", "out"]
    assert boxes[1].lines[3] == "weights [2,3]"


def test_results_of_weights_alone_are_drawn():
    w = Value(TensorType(DType.FLOAT32, (3,)))
    with sourced(Source("onnx", "f", "node", "Relu")):
        y = relu(w)
    graph = Graph("g", (), (y,), ("out",), (Parameter(w, constant_of(np.ones(3, np.float32)), True),))
    assert [box.lines[0] for box in picture_of(graph).boxes] == ["node", "out"]


def test_layers_that_read_each_other_fall_into_nodes():
    x = Value(TensorType(DType.FLOAT32, (2,)))
    y = x
    for order in (0, 1, 0):
        with sourced(Source("caffe", "f", f"l{order}", "Made", order=order)):
            y = relu(y)
    with sourced(Source("caffe", "f", "l2", "Made", order=2)):
        y = relu(relu(y))
    boxes = picture_of(Graph("g", (x,), (y,), ("out",), names={x: "x"})).boxes
    assert [box.lines[0] for box in boxes] == ["x", "l0", "l1", "l0", "l2", "out"]


def test_arrows_are_labelled_where_a_box_makes_several_things(tmp_path: Path):
    graph = net(
        tmp_path,
        layer("cut", "Slice", "data", "a b", "slice_param { axis: 1 slice_point: 1 }")
        + layer("ra", "ReLU", "a", "ra")
        + layer("rb", "ReLU", "b", "rb"),
    )
    labels = {(arrow.start, arrow.end): arrow.label for arrow in picture_of(graph).arrows}
    assert labels == {(0, 1): "", (1, 2): "f32[1,1,8,8]", (1, 3): "f32[1,3,8,8]", (2, 4): "", (3, 5): ""}
    assert to_svg(picture_of(graph)).count('class="flow"') == 2
    assert 'label="f32[1,3,8,8]"' in to_dot(picture_of(graph))


def test_layers_are_longest_paths_and_boxes_do_not_touch():
    made = place([50.0] * 5, [Arc(0, 1), Arc(0, 2), Arc(0, 3), Arc(1, 4), Arc(0, 4)], 10)
    assert made.layers == (0, 1, 1, 1, 2)
    taken = sorted((*((made.centers[box], 25.0) for box in (1, 2, 3)), (made.trunks[0].stops[0], 5.0)))
    assert all(b - half - (a + other) >= 10 - 1e-6 for (a, other), (b, half) in pairwise(taken))


def test_what_reads_nothing_stands_above_its_reader():
    assert place([9.0] * 4, [Arc(0, 1), Arc(1, 2), Arc(3, 2)], 5).layers == (0, 1, 2, 1)


def test_arrows_of_one_origin_share_their_way():
    arcs = [*(Arc(n, n + 1) for n in range(6)), Arc(0, 4), Arc(0, 6), Arc(0, 5, "other")]
    made = place([9.0] * 7, arcs, 5)
    assert [len(trunk.stops) for trunk in made.trunks] == [4, 5] or [len(t.stops) for t in made.trunks] == [5, 4]
    assert made.branches[6] == made.branches[7] != made.branches[8]


def test_lines_are_untangled():
    made = place([9.0] * 6, [Arc(0, 5), Arc(1, 4), Arc(2, 3)], 5)
    order = sorted(range(3), key=lambda box: made.centers[box])
    assert sorted(range(3, 6), key=lambda box: made.centers[box]) == [5 - box for box in order]


def test_a_line_runs_straight():
    centers = centers_of([[0], [1, 2], [3]], [[], [0], [0], [1, 2]], [[1, 2], [3], [3], []], [50.0, 50, 10, 50], 10, 4)
    assert centers[0] == pytest.approx(centers[3])


def random_net(folder: Path, seed: int) -> Graph:
    """Sums of earlier results, near and far."""
    rng = np.random.default_rng(seed)
    body, names = "", ["data"]
    for number in range(40):
        picked = dict.fromkeys(names[-int(i)] for i in rng.integers(1, len(names) + 1, 2))
        kind = "Eltwise" if len(picked) > 1 else "ReLU"
        body += layer(f"l{number}", kind, " ".join(picked), f"l{number}")
        names.append(f"l{number}")
    return net(folder, body)


def points_along(x1, y1, x2, y2):
    """Points of the curve that `svg` draws between two points (cubic, upright at both ends)."""
    for step in range(21):
        t = step / 20
        yield x1 + (x2 - x1) * (3 * t * t - 2 * t**3), y1 + (y2 - y1) * (1.5 * t - 1.5 * t * t + t**3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stops", [40_000, 3])
def test_no_line_runs_behind_a_box(seed: int, stops: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layout_module, "MAX_STOPS", stops)
    drawing = draw(picture_of(random_net(tmp_path, seed)))
    for line in (*drawing.trunks, *drawing.arrows):
        for (x1, y1), (x2, y2) in pairwise(line):
            for x, y in points_along(x1, y1, x2, y2):
                inside = [
                    box for box in drawing.boxes
                    if box[0] + 0.1 < x < box[0] + box[2] - 0.1 and box[1] + 0.1 < y < box[1] + box[3] - 0.1
                ]  # fmt: skip
                assert not inside, (x, y)


@pytest.mark.parametrize("seed", range(2))
def test_boxes_do_not_touch_and_their_text_fits(seed: int, tmp_path: Path):
    picture = picture_of(random_net(tmp_path, seed))
    drawing = draw(picture)
    for (ax, ay, aw, ah), (bx, by, bw, bh) in combinations(drawing.boxes, 2):
        assert ax + aw < bx or bx + bw < ax or ay + ah < by or by + bh < ay
    for box, (_, _, width, _) in zip(picture.boxes, drawing.boxes, strict=True):
        assert all(len(line) * size < width for line, size in zip(box.lines, CHARACTERS, strict=False))


def test_a_drawing_of_real_layers_is_small(tmp_path: Path):
    drawing = draw(picture_of(net(tmp_path, BLOCK)))
    assert drawing.right - drawing.left < 300
    assert drawing.bottom < 800


def test_the_arrow_s_mark_is_not_on_itself():
    svg = to_svg(picture_of(chain(1)))
    style = svg[svg.index("<style>") : svg.index("</style>")]
    assert "path" not in style
    assert "marker" not in style


def test_nothing_is_drawn_of_nothing():
    assert place([], [], 1).layers == ()
    assert to_svg(picture_of(Graph("g", (), (), ()))).count("<rect") == 1


def test_hostile_names_in_dot():
    dot = to_dot(picture_of(chain(1, HOSTILE)))
    assert "\ud800" not in dot
    for line in dot.splitlines()[1:-1]:
        assert re.fullmatch(r'[^"]*("(?:[^"\\]|\\[\\"n])*"[^"]*)*', line), line


def test_hostile_names_in_svg():
    svg = to_svg(picture_of(chain(1, HOSTILE)))
    tree = ElementTree.fromstring(svg)
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} == {
        "svg", "title", "style", "defs", "marker", "path", "g", "rect", "text",
    }  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), [("a<b>&", "a&lt;b&gt;&amp;"), ("\0\ud800", "��"), ("ä\n", "ä\n")])
def test_text_of_xml(given, kept):
    assert text(given) == kept


def test_long_names_are_cut():
    assert len(shown("n" * 100)) == 40


def test_a_graph_of_8000_nodes_is_drawn():
    svg = to_svg(picture_of(chain(8000)))
    assert svg.count("<rect ") == 8004
    assert "NaN" not in svg
