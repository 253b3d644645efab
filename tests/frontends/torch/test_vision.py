"""torchvision's operators of regions against loops written after its kernels (torchvision/csrc/ops/cpu)."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

SCALE, HIGH, WIDE = np.float32(0.4), 3, 2
X = np.random.default_rng(0).standard_normal((2, 12, 9, 11)).astype(np.float32)


def regions():
    """Regions of two images, some of them partly outside."""
    r = np.random.default_rng(1)
    corner, extent = r.uniform(-4, 30, (8, 2)), r.uniform(0.5, 25, (8, 2))
    return np.concatenate([r.integers(0, 2, (8, 1)), corner, corner + extent], 1).astype(np.float32)


def away(x):
    return int(np.floor(abs(x) + 0.5) * np.sign(x))


def span(first, last, cell, cells, least, most, extra):
    """The places of a cell between two rounded corners, held between 0 and `most`."""
    step = np.float32(max(last - first + extra, least)) / np.float32(cells)
    ends = int(np.floor(np.float32(cell) * step)) + first, int(np.ceil(np.float32(cell + 1) * step)) + first
    return slice(*(min(max(end, 0), most) for end in ends))


def cells(rois, channels):
    for n, (image, *corners) in enumerate(rois):
        left, top, right, bottom = (np.float32(each) * SCALE for each in corners)
        for c in range(channels):
            for i in range(HIGH):
                for j in range(WIDE):
                    yield (n, c, i, j), int(image), (left, top, right, bottom)


def pooled(rois):
    made = np.zeros((len(rois), 12, HIGH, WIDE), np.float32)
    for place, image, corners in cells(rois, 12):
        left, top, right, bottom = map(away, corners)
        rows = span(top, bottom, place[2], HIGH, 1, X.shape[2], 1)
        columns = span(left, right, place[3], WIDE, 1, X.shape[3], 1)
        made[place] = X[image, place[1], rows, columns].max(initial=-np.inf)
    return np.where(np.isinf(made), 0, made)


def pooled_by_position(rois):
    made = np.zeros((len(rois), 2, HIGH, WIDE), np.float32)
    for place, image, corners in cells(rois, 2):
        left, top, right, bottom = map(away, corners)
        rows = span(top, bottom, place[2], HIGH, 1, X.shape[2] - 1, 0)
        columns = span(left, right, place[3], WIDE, 1, X.shape[3] - 1, 0)
        channel = (place[1] * HIGH + place[2]) * WIDE + place[3]
        part = X[image, channel, rows, columns]
        made[place] = part.mean() if part.size else 0
    return made


def sample(plane, y, x):
    """The plane at a point: 0 more than one element outside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    i, j = int(y), int(x)
    below, right = min(i + 1, height - 1), min(j + 1, width - 1)
    upper = plane[i, j] * (1 - x + j) + plane[i, right] * (x - j)
    lower = plane[below, j] * (1 - x + j) + plane[below, right] * (x - j)
    return upper * (1 - y + i) + lower * (y - i)


def aligned_by_position(rois, ratio):
    made = np.zeros((len(rois), 2, HIGH, WIDE), np.float32)
    for place, image, corners in cells(rois, 2):
        left, top, right, bottom = (corner - 0.5 for corner in corners)
        steps = (bottom - top) / HIGH, (right - left) / WIDE
        counts = [ratio if ratio > 0 else int(np.ceil(step)) for step in steps]
        channel = (place[1] * HIGH + place[2]) * WIDE + place[3]
        points = [
            start + (cell + (np.arange(count) + 0.5) / count) * step
            for start, cell, step, count in zip((top, left), place[2:], steps, counts, strict=True)
        ]
        made[place] = np.mean([[sample(X[image, channel], y, x) for x in points[1]] for y in points[0]])
    return made


CASES = {
    "roi_pool": ((), pooled),
    "ps_roi_pool": ((), pooled_by_position),
    "ps_roi_align with a ratio": ((2,), lambda rois: aligned_by_position(rois, 2)),
    "ps_roi_align without": ((-1,), lambda rois: aligned_by_position(rois, -1)),
}


@pytest.mark.parametrize("case", CASES)
def test_regions(case):
    more, truth = CASES[case]
    rois = regions()
    x, r = (Value(TensorType(DType.FLOAT32, array.shape)) for array in (X, rois))
    items = [Tensor(x), Tensor(r), float(SCALE), HIGH, WIDE, *more]
    made, places = Caller(OPERATORS, Scope()).call(f"torchvision.{case.split()[0]}", items, {})
    outputs = [each.value for each in (made, places) if each is not None]
    graph = Graph("g", (x, r), tuple(outputs), ("made", "places")[: len(outputs)], (), {x: "x", r: "r"})
    feeds = {"x": X, "r": rois}
    for results in (list(xir.run(graph, feeds).values()), xir.compile(graph).run(None, feeds)):
        np.testing.assert_allclose(results[0], truth(rois), rtol=1e-4, atol=1e-5)
        if len(results) > 1:
            np.testing.assert_array_equal(results[1], np.broadcast_to(np.arange(12).reshape(2, 3, 2), (8, 2, 3, 2)))
