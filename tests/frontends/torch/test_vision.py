"""torchvision's operators of regions against loops written after its kernels (torchvision/csrc/ops/cpu)."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy

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


def aligned_in_steps(x, rois, scale, zeros, ratio):
    """quantized/cpu/qroi_align_kernel.cpp, which knows one image."""
    corners = (rois.astype(np.float32) - zeros[1])[:, 1:] * np.float32(scale) * SCALE - 0.5
    made = np.zeros((len(rois), x.shape[1], HIGH, WIDE), np.float32)
    for n, (left, top, right, bottom) in enumerate(corners):
        rows, columns = (
            (first + (np.arange(count * ratio) + 0.5) * (last - first) / count / ratio).reshape(count, ratio)
            for first, last, count in ((top, bottom, HIGH), (left, right, WIDE))
        )
        for c, i, j in np.ndindex(*made.shape[1:]):
            plane = x[0, c].astype(np.float32) - zeros[0]
            made[n, c, i, j] = np.mean([[sample(plane, y, at) for at in columns[j]] for y in rows[i]])
    return np.clip(np.round(made) + zeros[0], *((0, 255) if x.dtype == np.uint8 else (-128, 127))).astype(x.dtype)


def called(name, arrays, *items):
    """The result of an operator of these tensors, by the reference and compiled."""
    values = [Value(TensorType(dtype_from_numpy(array.dtype), array.shape)) for array in arrays]
    made = Caller(OPERATORS, Scope()).call(f"torchvision.{name}", [*map(Tensor, values), *items], {})
    graph = Graph("g", tuple(values), (made.value,))
    feeds = dict(zip(graph.input_names, arrays, strict=True))
    return next(iter(xir.run(graph, feeds).values())), np.asarray(xir.compile(graph).run(None, feeds)[0])


@pytest.mark.parametrize(("dtype", "zeros"), [(np.uint8, (100, 20)), (np.int8, (-3, -100))])
def test_regions_of_quantised_images(dtype, zeros):
    r, low = np.random.default_rng(2), -128 if dtype is np.int8 else 0
    x = r.integers(low, low + 256, (1, 3, 9, 11)).astype(dtype)
    first = r.integers(0, 60, (6, 2))
    rois = np.concatenate([r.integers(0, 9, (6, 1)), first, first + r.integers(1, 50, (6, 2))], 1) + zeros[1] - 5
    rois, rest = rois.astype(dtype), (0.7, zeros[0], 0.5, zeros[1], float(SCALE), HIGH, WIDE, 2, True)
    for made in called("qroi_align", [x, rois], *rest):
        assert made.dtype == dtype
        wanted = aligned_in_steps(x, rois, 0.5, zeros, 2)
        assert np.abs(made.astype(int) - wanted).max() <= 1  # a sum near the middle of two steps
        assert (made == wanted).mean() > 0.99
    with pytest.raises(InvalidModelError, match="of one image"):
        called("qroi_align", [np.repeat(x, 2, 0), rois], *rest)


def test_quantised_boxes_are_suppressed_by_their_whole_numbers():
    r = np.random.default_rng(3)
    first = r.integers(0, 60, (40, 2))
    boxes = np.concatenate([first, first + r.integers(5, 60, (40, 2))], 1).astype(np.uint8)
    scores, kept = r.permutation(200)[:40].astype(np.uint8), []
    for place in np.argsort(-scores.astype(int)):
        shared = [np.maximum(0, np.minimum(boxes[place, 2:], boxes[k, 2:]).astype(int)
                             - np.maximum(boxes[place, :2], boxes[k, :2])).prod() for k in kept]  # fmt: skip
        sizes = (boxes[:, 2:].astype(int) - boxes[:, :2]).prod(1)
        if all(s / (sizes[place] + sizes[k] - s) <= 0.3 for s, k in zip(shared, kept, strict=True)):
            kept.append(int(place))
    for made in called("qnms", [boxes, scores], 0.3):
        assert made.tolist() == kept
    assert 3 < len(kept) < 40


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
