"""Made-up inputs that operators demand something of: regions, indices, labels, lengths, also behind moves and casts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xir.errors import InvalidModelError, UsageError
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.constant import identity
from xir.ops.elementwise import cast
from xir.ops.index import embedding, gather, gather_elements, gather_nd, one_hot, scatter_elements
from xir.ops.loss import accuracy, hinge_loss, multinomial_logistic_loss, softmax_cross_entropy
from xir.ops.places import scatter_nd
from xir.ops.proposal import proposal
from xir.ops.psroi import psroi_pool
from xir.ops.rnn import rnn
from xir.ops.roi import roi_align, roi_pool
from xir.ops.shape import reshape, slice_, transpose
from xir.reference import made_up_inputs, random_inputs, run

F32, I64, I32 = DType.FLOAT32, DType.INT64, DType.INT32
N = Symbol("N")
Given = dict[str, np.ndarray]


def graph_of(build: Callable[..., Value | tuple[Value, ...]], **types: TensorType) -> Graph:
    values = {name: Value(type) for name, type in types.items()}
    made = build(*values.values())
    outputs = made if isinstance(made, tuple) else (made,)
    names = {value: name for name, value in values.items()}
    return Graph("g", tuple(values.values()), outputs, tuple(f"y{n}" for n in range(len(outputs))), (), names)


def f32(*shape):
    return TensorType(F32, shape)


def i64(*shape):
    return TensorType(I64, shape)


def pooled(x, rois):
    return roi_pool(x, rois, pooled=(2, 2), spatial_scale=0.5)


def aligned(x, rois):
    boxes = slice_(rois, axes=(1,), starts=(1,), stops=(5,), steps=(1,))
    images = reshape(slice_(rois, axes=(1,), starts=(0,), stops=(1,), steps=(1,)), shape=(rois.shape[0],))
    return roi_align(
        x, boxes, cast(images, dtype=I64), pooled=(2, 2), spatial_scale=0.5, sampling_ratio=2, mode="avg",
        half_pixel=False,
    )  # fmt: skip


def regions_inside(rois: np.ndarray, images: int, width: float, height: float) -> bool:
    image, left, top, right, bottom = rois.astype(np.float64).T
    ordered = np.all(left <= right) and np.all(top <= bottom)
    inside = np.all(left >= 0) and np.all(top >= 0) and np.all(right <= width) and np.all(bottom <= height)
    return bool(ordered and inside and set(image.tolist()) <= set(range(images)) and np.ptp(right - left) > 0)


@pytest.mark.parametrize(
    "build",
    [
        pooled,
        aligned,
        lambda x, rois: pooled(x, identity(rois)),
        lambda x, rois: pooled(x, transpose(reshape(transpose(rois, perm=(1, 0)), shape=(5, 40)), perm=(1, 0))),
        lambda x, rois: psroi_pool(x, rois, spatial_scale=0.5, output_channels=1, group_size=2),
    ],
    ids=["pool", "align", "identity", "moved", "position-sensitive"],
)
def test_regions_lie_inside_the_picture(build) -> None:
    graph = graph_of(build, x=f32(3, 4, 6, 9), rois=f32(40, 5))
    made = random_inputs(graph, 3)
    assert regions_inside(made["rois"], 3, 16, 10)
    assert set(made["rois"][:, 0].tolist()) == {0, 1, 2}
    assert np.any(run(graph, made)["y0"])


def classes(x, labels):
    return softmax_cross_entropy(x, labels, axis=1, ignore_label=None, normalization="full")


INDICES = [
    ("gather", lambda x, i: gather(x, i, axis=1), f32(40, 3), i64(50), 3),
    ("one index", lambda x, i: gather(x, i, axis=1), f32(40, 1), i64(), 1),
    ("gather_elements", lambda x, i: gather_elements(x, i, axis=0), f32(2, 3), i64(40, 3), 2),
    ("gather_nd", lambda x, i: gather_nd(x, i), f32(2, 2, 3), i64(60, 2), 2),
    ("gather_nd in batches", lambda x, i: gather_nd(x, i, batch_axes=1), f32(20, 2, 3), i64(20, 4, 1), 2),
    ("embedding", lambda x, i: embedding(i, x), f32(4, 3), i64(7, 9), 4),
    ("one_hot", lambda x, i: (x, one_hot(i, depth=3, axis=1, dtype=F32)), f32(1), i64(50), 3),
    ("labels", classes, f32(50, 4), f32(50), 4),
    ("accuracy", lambda x, i: accuracy(x, i, axis=1), f32(50, 4), f32(50), 4),
    ("hinge", lambda x, i: hinge_loss(x, i, norm="l1"), f32(50, 2, 2), f32(50), 4),
    ("logistic", multinomial_logistic_loss, f32(50, 4), f32(50, 1), 4),
    ("behind a cast", lambda x, i: embedding(cast(i, dtype=I64), x), f32(4, 3), f32(50), 4),
    ("small type", lambda x, i: gather(x, cast(i, dtype=I64), axis=0), f32(900), TensorType(DType.INT8, (999,)), 128),
    ("two readers", lambda x, i: (gather(x, i, axis=0), gather(x, i, axis=1)), f32(9, 3), i64(50), 3),
]


@pytest.mark.parametrize(
    ("build", "x", "i", "count"), [case[1:] for case in INDICES], ids=[case[0] for case in INDICES]
)
def test_indices_lie_within_their_axis(build, x, i, count) -> None:
    graph = graph_of(build, x=x, i=i)
    made = random_inputs(graph)
    assert set(made["i"].reshape(-1).tolist()) == set(range(count)) or made["i"].max() <= count - 1 > 100
    assert run(graph, made)


@pytest.mark.parametrize("how", ["scatter_elements", "scatter_nd"])
def test_indices_of_updates(how) -> None:
    def build(x, i, u):
        if how == "scatter_nd":
            return scatter_nd(x, i, u, reduction="none")
        return scatter_elements(x, i, u, axis=0, reduction="add")

    shapes = ((40, 1), (40,)) if how == "scatter_nd" else ((3,), (3,))
    made = random_inputs(graph_of(build, x=f32(3), i=i64(*shapes[0]), u=f32(*shapes[1])))
    assert set(made["i"].reshape(-1).tolist()) <= {0, 1, 2}


def test_only_the_elements_that_are_read_as_indices_change() -> None:
    def build(x, i):
        row = reshape(slice_(i, axes=(0,), starts=(1,), stops=(2,), steps=(1,)), shape=(50,))
        return gather(x, cast(row, dtype=I64), axis=0), cast(i, dtype=DType.FLOAT64)

    made = random_inputs(graph_of(build, x=f32(2), i=f32(2, 50)), 1)["i"]
    assert set(made[1].tolist()) == {0.0, 1.0}
    assert len(set(made[0].tolist())) == 50


def test_lengths_are_steps_of_the_sequence() -> None:
    def build(x, w, r, lengths):
        return rnn(x, w, r, None, lengths, direction="forward", functions=(("tanh", 0.0, 0.0),), clip=None)[0]

    types = {"x": f32(3, 50, 2), "w": f32(1, 4, 2), "r": f32(1, 4, 4), "lengths": TensorType(I32, (50,))}
    assert set(random_inputs(graph_of(build, **types))["lengths"].tolist()) == {1, 2, 3}


def test_what_a_proposal_is_told_of_the_picture() -> None:
    def build(scores, deltas, info):
        return proposal(
            scores, deltas, info, feature_stride=16, base_size=16, ratios=(1.0,), scales=(8.0,), pre_nms_top_n=6,
            post_nms_top_n=3, nms_threshold=0.7, min_size=16.0,
        )[0]  # fmt: skip

    graph = graph_of(build, scores=f32(1, 2, 5, 7), deltas=f32(1, 4, 5, 7), info=f32(1, 6))
    assert random_inputs(graph)["info"].tolist() == [[80, 112, 1, 1, 1, 1]]


def test_sizes_that_only_the_run_tells() -> None:
    graph = graph_of(lambda x, rois: pooled(x, rois), x=f32(N, 4, 6, 9), rois=f32(N * 20, 5))
    assert regions_inside(random_inputs(graph)["rois"], 2, 16, 10)


def test_other_inputs_stay_what_they_were() -> None:
    plain = graph_of(lambda x, i: (identity(x), identity(i)), x=f32(4), i=i64(3))
    graph = graph_of(lambda x, i: gather(x, i, axis=0), x=f32(4), i=i64(3))
    assert np.array_equal(random_inputs(plain, 5)["x"], random_inputs(graph, 5)["x"])
    assert np.array_equal(random_inputs(graph, 5)["i"], random_inputs(graph, 5)["i"])


def test_a_failure_on_made_up_inputs_says_so() -> None:
    with (
        pytest.raises(UsageError, match="made-up inputs, which are probably at fault: broken") as caught,
        made_up_inputs(),
    ):
        raise InvalidModelError("broken")
    assert "--feed" in (caught.value.hint or "")
