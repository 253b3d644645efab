"""Pictures: every box once, arrows downward, names escaped, large graphs in little work."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from xir.inspect.layout import place
from xir.inspect.picture import picture_of, shown, to_dot
from xir.inspect.svg import text, to_svg
from xir.ir.builder import sourced
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import DType, TensorType
from xir.ops.activation import relu
from xir.ops.elementwise import add

HOSTILE = '"]; evil [label="\\N<script>&\n\0\ud800'


def chain(length, name="x"):
    x = Value(TensorType(DType.FLOAT32, (2,)))
    y = x
    for number in range(length):
        with sourced(Source("caffe", "f", f"{name}{number}", "ReLU", order=number)):
            y = relu(y)
    return Graph("g", (x,), (add(x, y),), ("out",), names={x: name})


def test_boxes_and_arrows():
    picture = picture_of(chain(2))
    assert [box.kind for box in picture.boxes] == ["input", "node", "node", "node", "output"]
    assert [(arrow.start, arrow.end) for arrow in picture.arrows] == [(0, 1), (1, 2), (0, 3), (2, 3), (3, 4)]


def test_layers_are_longest_paths_and_boxes_do_not_touch():
    places = place([50.0] * 5, [(0, 1), (0, 2), (0, 3), (1, 4), (0, 4)], 10)
    assert [spot.layer for spot in places] == [0, 1, 1, 1, 2]
    centers = sorted(spot.center for spot in places if spot.layer == 1)
    assert [b - a for a, b in pairwise(centers)] == [60.0, 60.0]


def test_nothing_is_drawn_of_nothing():
    assert place([], [], 1) == []


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
    assert svg.count("<rect ") == 8003
    assert "NaN" not in svg
