"""Every operator in the wordings and attributes that files have, against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import defs

from tests.frontends.onnx.models import One, i64, normal, saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import VERSIONS, import_onnx
from xir.frontends.onnx._versions import NEWEST, full_kind
from xir.reference import run

X = {"x": normal(2, 3, 5, 6)}
IMAGE = {"x": normal(1, 2, 7, 8, seed=3)}
LINE = {"x": normal(4, seed=1)}
F32 = np.float32


def scalar(value: float, dtype: type = np.float32) -> np.ndarray:
    return np.asarray(value, dtype)


def arithmetic() -> Iterator[One]:
    yield One("Add", 14, {"x": normal(2, 3, 4), "y": normal(3, 1, seed=2)}, note="both repeated")
    yield One("Add", 7, {"x": normal(2, 1, 4), "y": normal(1, 3, 1, seed=2)}, shapes={"x": ["n", 1, 4]})
    yield One("Sum", 13, {"x": normal(2, 3), "y": normal(3, seed=2), "z": normal(2, 1, seed=3)})
    yield One("Sum", 8, {"x": normal(2, 3)}, note="of one")
    yield One("Mean", 13, {"x": normal(2, 3), "y": normal(3, seed=2)})
    yield One("Max", 13, {"x": normal(2, 3), "y": normal(3, seed=2), "z": normal(1, seed=3)})
    yield One("Min", 8, {"x": normal(2, 3), "y": normal(3, seed=2)})
    yield One(
        "Pow", 15, {"x": np.abs(normal(2, 3)), "y": np.array([1, 2, 3], np.int64)}, note="exponent of its own type"
    )
    yield One("Mod", 13, {"x": np.array([-7, 7, -8], np.int64), "y": np.array([3, -3, 3], np.int64)})
    yield One("Mod", 13, {"x": normal(5), "y": normal(5, seed=2)}, attributes={"fmod": 1})
    yield One("Where", 16, {"c": np.array([True, False, True]), "x": normal(2, 3), "y": normal(1, seed=2)})
    yield One("Clip", 6, X, attributes={"min": -0.5, "max": 0.25}, note="by attributes")
    yield One("Clip", 6, X, attributes={"max": 0.25})
    yield One("Clip", 13, X, {"low": scalar(-0.5)})
    yield One("Clip", 13, X, {"high": scalar(0.5)}, ["x", "", "high"])
    yield One("Clip", 13, {**X, "low": scalar(-0.5), "high": scalar(0.3)}, note="bounds at run time")
    yield One("Cast", 13, X, attributes={"to": 7})
    yield One("Cast", 19, {"x": np.array([-1000.0, 0.3, 500.0], F32)}, attributes={"to": 17}, note="saturated")
    yield One("Dropout", 10, X, attributes={"ratio": 0.3})
    yield One("Dropout", 13, X, {"ratio": scalar(0.5), "mode": np.asarray(False)})
    yield One("IsInf", 10, {"x": np.array([1, -np.inf, np.inf], F32)}, attributes={"detect_negative": 0})


def constants() -> Iterator[One]:
    yield One("Constant", 13, {}, attributes={"value_float": 1.5})
    yield One("Constant", 13, {}, attributes={"value_int": 3})
    yield One("Constant", 13, {}, attributes={"value_ints": [3, 4]})
    yield One("Constant", 13, {}, attributes={"value_floats": [1.0, 2.0]})
    yield One("ConstantOfShape", 9, {}, {"shape": i64(2, 3)})
    yield One("ConstantOfShape", 20, {"shape": i64(2, 3)}, note="at run time")
    yield One("Range", 11, {}, {"a": scalar(2, np.int64), "b": scalar(11, np.int64), "c": scalar(3, np.int64)})
    yield One("Range", 11, {}, {"a": scalar(9, np.int64), "b": scalar(0, np.int64), "c": scalar(-2, np.int64)})
    yield One("Range", 11, {}, {"a": scalar(0.5), "b": scalar(3.0), "c": scalar(0.75)})
    yield One("Size", 13, X)
    yield One("Shape", 15, X, attributes={"start": 1, "end": -1})
    yield One("Shape", 15, X, attributes={"start": -9, "end": 99}, note="clamped")
    yield One("Shape", 15, X, attributes={"start": 3, "end": 1}, note="empty")


def activations() -> Iterator[One]:
    for kind, opset in (("LeakyRelu", 16), ("Elu", 6), ("Celu", 12), ("Selu", 6), ("HardSigmoid", 6), ("Gelu", 20)):
        yield One(kind, opset, X, note="defaults")
    yield One("ThresholdedRelu", 10, X)
    yield One("PRelu", 16, X, {"slope": normal(3, 1, 1, seed=4)})
    yield One("PRelu", 16, X, {"slope": normal(1, seed=4)})
    yield One("Gelu", 20, X, attributes={"approximate": "tanh"})
    yield One("Swish", 24, X, attributes={"alpha": 1.5})


def reductions() -> Iterator[One]:
    yield One("ReduceSum", 11, X, note="all axes")
    yield One("ReduceSum", 11, X, attributes={"axes": [-1, 1], "keepdims": 0})
    yield One("ReduceSum", 13, X, {"axes": i64(-1, 1)})
    yield One("ReduceSum", 13, X, note="all axes")
    for kind in ("ReduceSum", "ReduceMax", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
        opset = 13 if kind == "ReduceSum" else 18
        yield One(kind, opset, X, {"axes": i64()}, attributes={"noop_with_empty_axes": 1}, note="over nothing")
    yield One("ReduceLogSum", 13, {"x": np.abs(X["x"])}, attributes={"axes": [2]})
    yield One("ReduceLogSum", 18, {"x": np.abs(X["x"])}, {"axes": i64(2)})
    yield One("ReduceLogSum", 18, {"x": np.abs(X["x"])}, {"axes": i64()}, attributes={"noop_with_empty_axes": 1})
    yield One("CumSum", 14, X, {"axis": scalar(-2, np.int64)}, attributes={"exclusive": 1, "reverse": 1})
    yield One("CumSum", 11, X, {"axis": np.array([1], np.int32)})
    yield One("ArgMax", 13, X, attributes={"axis": -1})
    yield One("ArgMin", 11, X, attributes={"keepdims": 0})
    yield One("TopK", 11, X, {"k": i64(3)}, attributes={"axis": -2}, outputs=2)
    yield One("TopK", 11, {**X, "k": i64(2)}, attributes={"largest": 0}, outputs=2, note="k at run time")


def shapes() -> Iterator[One]:
    yield One("Reshape", 14, X, {"s": i64(0, -1, 6)})
    yield One("Reshape", 14, X, {"s": i64(0, -1)}, shapes={"x": ["n", 3, 5, 6]})
    yield One("Reshape", 13, {**X, "s": i64(0, 15, -1)}, note="0 and -1 at run time")
    yield One("Reshape", 13, {**LINE, "s": i64(0, 2, -1)[1:]}, note="fewer axes than sizes at run time")
    yield One("Reshape", 14, {"x": normal(0, 3), "s": i64(3, 0)}, attributes={"allowzero": 1}, note="empty at run time")
    yield One("Reshape", 14, {"x": normal(0, 3)}, {"s": i64(3, 0)}, attributes={"allowzero": 1})
    yield One("Flatten", 13, X, attributes={"axis": 2})
    yield One("Flatten", 11, X, attributes={"axis": -1})
    yield One("Flatten", 9, X, attributes={"axis": 0})
    yield One("Squeeze", 11, {"x": normal(1, 3, 1)}, attributes={"axes": [0, -1]})
    yield One("Squeeze", 13, {"x": normal(1, 3, 1)}, {"axes": i64(-1)})
    yield One("Squeeze", 13, {"x": normal(1, 3, 1)}, note="all")
    yield One("Unsqueeze", 11, LINE, attributes={"axes": [0, -1]})
    yield One("Unsqueeze", 13, LINE, {"axes": i64(1, 2)})
    yield One("Expand", 13, {"x": normal(3, 1)}, {"s": i64(2, 1, 4)})
    yield One("Expand", 13, {"x": normal(3, 4)}, {"s": i64(1)}, note="nothing to do")
    yield One("Expand", 13, {"x": normal(3, 1), "s": i64(2, 3, 4)}, note="at run time")
    yield One("Transpose", 13, X, note="turned round")
    yield One("Concat", 13, {"x": normal(2, 3), "y": normal(2, 1, seed=2)}, attributes={"axis": -1})
    yield One("Split", 11, X, attributes={"axis": 1}, outputs=3, note="equal pieces")
    yield One("Split", 11, X, attributes={"axis": -1, "split": [1, 5]}, outputs=2)
    yield One("Split", 13, X, {"s": i64(2, 4)}, attributes={"axis": 3}, outputs=2)
    yield One("Split", 18, X, attributes={"axis": 2, "num_outputs": 3}, outputs=3, note="a smaller last piece")
    yield One("Tile", 13, {"x": normal(2, 3)}, {"r": i64(2, 3)})
    yield One("Tile", 13, {"x": normal(2, 3), "r": i64(2, 3)}, note="at run time")
    yield One("DepthToSpace", 9, {"x": normal(1, 8, 2, 3)}, attributes={"blocksize": 2})
    yield One("DepthToSpace", 13, {"x": normal(1, 8, 2, 3)}, attributes={"blocksize": 2, "mode": "CRD"})
    yield One("SpaceToDepth", 13, {"x": normal(1, 2, 4, 6)}, attributes={"blocksize": 2})


def slices_and_pads() -> Iterator[One]:
    yield One("Slice", 9, X, attributes={"starts": [1, -3], "ends": [2, 99], "axes": [0, 3]})
    yield One("Slice", 13, X, {"s": i64(-1, -2), "e": i64(-99, 0), "a": i64(3, 2), "t": i64(-1, -1)}, note="backward")
    yield One("Slice", 13, X, {"s": i64(4), "e": i64(1), "a": i64(3), "t": i64(-2)}, note="backward by two")
    yield One("Slice", 13, X, {"s": i64(1, 0, 2), "e": i64(2, 3, 5)}, note="first axes")
    yield One("Slice", 13, {**X, "s": i64(1), "e": i64(-1)}, {"a": i64(3)}, note="at run time")
    yield One("Slice", 10, {**X, "e": i64(3)}, {"s": i64(1), "a": i64(2)}, ["x", "s", "e", "a"], note="end at run time")
    yield One("Slice", 13, X, {"s": i64(3), "e": i64(1), "a": i64(3)}, note="nothing left")
    yield One("Pad", 2, X, attributes={"pads": [0, 0, 1, 0, 0, 0, 0, 2], "value": 0.5})
    yield One("Pad", 11, X, {"p": i64(0, 0, 1, 1, 0, 0, 2, 0)}, attributes={"mode": "reflect"})
    yield One("Pad", 13, X, {"p": i64(0, 0, -1, 1, 0, 0, 2, -2), "v": scalar(0.5)}, note="negative")
    yield One("Pad", 13, {**X, "p": i64(0, 0, 1, 1, 0, 0, 2, 0)}, note="at run time")
    yield One("Pad", 18, X, {"p": i64(1, 2), "a": i64(-1)}, ["x", "p", "", "a"], attributes={"mode": "edge"})
    yield One("Pad", 19, X, {"p": i64(0, 0, 1, 1, 0, 0, 2, 0)}, attributes={"mode": "wrap"})


def indexing() -> Iterator[One]:
    yield One("Gather", 13, X, {"i": i64(-1, 0)}, attributes={"axis": -1})
    yield One(
        "GatherElements", 13, {"x": normal(3, 4)}, {"i": np.array([[0, -1], [1, 2]], np.int64)}, attributes={"axis": 1}
    )
    yield One(
        "GatherND", 13, {"x": normal(2, 3, 4)}, {"i": np.array([[1], [0]], np.int64)}, attributes={"batch_dims": 1}
    )
    for reduction, opset in (("none", 11), ("add", 16), ("mul", 16), ("max", 18), ("min", 18)):
        yield One(
            "ScatterElements",
            opset,
            {"x": normal(3, 4)},
            {"i": np.array([[1, 0, 2, 1]], np.int64), "u": normal(1, 4, seed=5)},
            attributes={"axis": 0} if reduction == "none" else {"axis": 0, "reduction": reduction},
            note=reduction,
        )
    hot = {"i": np.array([[0, -1], [2, 7]], np.int64)}
    yield One("OneHot", 11, hot, {"d": scalar(3, np.int64), "v": np.array([0, 1], F32)})
    yield One(
        "OneHot", 11, hot, {"d": i64(3), "v": np.array([-1, 5], F32)}, attributes={"axis": 0}, note="other values"
    )
    yield One("OneHot", 9, {"i": np.array([0.0, 2.0], F32)}, {"d": scalar(3), "v": np.array([0, 1], F32)})
    yield One("Compress", 11, {**X, "c": np.array([True, False, True])}, attributes={"axis": -2})
    yield One("Compress", 9, {"x": normal(2, 3), "c": np.array([True, False, True])}, note="flat")


def products() -> Iterator[One]:
    yield One("MatMul", 13, {"x": normal(2, 1, 3, 4), "y": normal(5, 4, 2, seed=2)}, note="batches repeated")
    yield One("MatMul", 13, {"x": normal(4), "y": normal(5, 4, 2, seed=2)}, note="a row")
    yield One("MatMul", 13, {"x": normal(3, 4), "y": normal(4, seed=2)}, note="a column")
    yield One("MatMul", 13, {"x": normal(4), "y": normal(4, seed=2)}, note="two vectors")
    gemm = {"a": normal(4, 3), "b": normal(2, 4, seed=2)}
    for shape in ((2,), (3, 1), (), (3, 2)):
        attributes = {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}
        yield One("Gemm", 13, gemm, {"c": normal(*shape, seed=3)}, attributes=attributes, note=str(shape))
    yield One("Gemm", 11, {"a": normal(3, 4), "b": normal(4, 2, seed=2)})


def windows() -> Iterator[One]:
    weights = {"w": normal(4, 2, 3, 2, seed=4)}
    yield One("Conv", 11, IMAGE, weights, note="defaults")
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        yield One("Conv", 11, IMAGE, weights, attributes={"auto_pad": mode, "strides": [2, 2]}, note=mode)
    yield One(
        "Conv", 11, IMAGE, {**weights, "b": normal(4, seed=5)}, attributes={"dilations": [2, 1], "pads": [1, 0, 2, 1]}
    )
    back = {"w": normal(2, 3, 3, 3, seed=4)}
    yield One("ConvTranspose", 11, IMAGE, back, attributes={"strides": [2, 2], "output_padding": [1, 0]})
    yield One("ConvTranspose", 11, IMAGE, back, attributes={"strides": [2, 2], "output_shape": [15, 16]})
    yield One("ConvTranspose", 11, IMAGE, back, attributes={"strides": [2, 2], "auto_pad": "SAME_UPPER"})
    yield One("ConvTranspose", 11, IMAGE, back, attributes={"strides": [2, 2], "auto_pad": "SAME_LOWER"})
    for kind in ("MaxPool", "AveragePool"):
        for ceil_mode in (0, 1):
            attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": ceil_mode}
            yield One(kind, 11, IMAGE, attributes=attributes, note=f"ceil_mode {ceil_mode}")
        yield One(kind, 11, IMAGE, attributes={"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]})
        attributes = {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1}
        yield One(kind, 11, IMAGE, attributes=attributes, note="a last window outside")
    attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    yield One("AveragePool", 11, IMAGE, attributes=attributes, note="padding counts")
    attributes = {"kernel_shape": [2, 2], "dilations": [2, 2]}
    yield One("AveragePool", 19, IMAGE, attributes=attributes)
    yield One("MaxPool", 12, IMAGE, attributes={**attributes, "strides": [2, 1]}, outputs=2, note="indices")
    attributes = {"kernel_shape": [2, 2], "storage_order": 1}
    yield One("MaxPool", 12, IMAGE, attributes=attributes, outputs=2, note="indices, columns first")
    attributes = {"kernel_shape": [2, 2]}
    yield One(
        "MaxPool", 12, IMAGE, attributes=attributes, outputs=2, shapes={"x": [1, 2, "h", "w"]}, note="of any size"
    )
    yield One("LpPool", 11, IMAGE, attributes={"kernel_shape": [2, 2], "p": 1})
    yield One("LpPool", 11, IMAGE, attributes={"kernel_shape": [2, 2]})
    for kind in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        yield One(kind, 2 if kind == "GlobalLpPool" else 1, IMAGE)
    for p in (1, 3):
        yield One("GlobalLpPool", 2, IMAGE, attributes={"p": p}, note=f"p = {p}")


def normalizations() -> Iterator[One]:
    four = {name: np.abs(normal(3, seed=seed)) for seed, name in enumerate(("s", "b", "m", "v"))}
    yield One("BatchNormalization", 15, X, four)
    yield One("BatchNormalization", 9, X, four, attributes={"momentum": 0.8, "epsilon": 0.01})
    yield One("BatchNormalization", 7, X, four)
    yield One("InstanceNormalization", 6, X, {"s": normal(3), "b": normal(3, seed=2)})
    yield One("LayerNormalization", 17, X, {"s": normal(6)}, attributes={"axis": -1})
    yield One("LayerNormalization", 17, X, {"s": normal(5, 6), "b": normal(5, 6, seed=2)}, attributes={"axis": 2})
    yield One(
        "GroupNormalization",
        21,
        {"x": normal(2, 4, 3)},
        {"s": normal(4), "b": normal(4, seed=2)},
        attributes={"num_groups": 2},
    )
    yield One("LRN", 13, X, attributes={"size": 3})
    yield One("LRN", 1, X, attributes={"size": 3, "alpha": 0.1, "beta": 0.5, "bias": 2.0})
    yield One("MeanVarianceNormalization", 13, X)
    yield One("MeanVarianceNormalization", 9, X, attributes={"axes": [2, 3]})
    yield One("LpNormalization", 1, X)
    yield One("LpNormalization", 1, X, attributes={"axis": 1, "p": 1})
    for kind in ("Softmax", "LogSoftmax"):
        yield One(kind, 11, X, note="flattened")
        yield One(kind, 11, X, attributes={"axis": -1})
        yield One(kind, 11, {"x": normal(2, 5, 1, 1)}, note="one axis left")
        yield One(kind, 13, X, attributes={"axis": 1})


def resizing() -> Iterator[One]:
    up = {"scales": np.array([1, 1, 2, 1.5], F32)}
    yield One("Upsample", 9, IMAGE, up, attributes={"mode": "nearest"})
    yield One("Upsample", 9, IMAGE, {"scales": np.array([1, 1, 2, 2], F32)}, attributes={"mode": "linear"})
    yield One("Upsample", 7, IMAGE, attributes={"mode": "nearest", "scales": [1.0, 1.0, 2.0, 2.0]})
    yield One("Upsample", 9, IMAGE, {"scales": np.ones(4, F32)}, note="nothing to do")
    yield One("Resize", 10, IMAGE, up)
    roi = {"roi": np.zeros(0, F32)}
    yield One("Resize", 11, IMAGE, {**roi, **up}, attributes={"mode": "linear"})
    empty = {**roi, "scales": np.zeros(0, F32), "sizes": i64(1, 2, 9, 5)}
    yield One(
        "Resize", 11, IMAGE, empty, attributes={"mode": "cubic", "coordinate_transformation_mode": "align_corners"}
    )
    names = ["x", "", "", "sizes"]
    for mode in ("floor", "ceil", "round_prefer_ceil"):
        attributes = {"nearest_mode": mode, "coordinate_transformation_mode": "asymmetric"}
        yield One("Resize", 13, IMAGE, {"sizes": i64(1, 2, 9, 5)}, names, attributes)
    yield One("Resize", 18, IMAGE, {"sizes": i64(9, 5)}, names, {"axes": [2, 3], "mode": "linear"})
    yield One("Resize", 13, IMAGE, {"sizes": i64(1, 4, 9, 5)}, names, note="of channels too")
    yield One(
        "Resize", 13, {**IMAGE, "sizes": i64(1, 2, 9, 5)}, {}, names, {"mode": "linear"}, note="sizes at run time"
    )
    fed = {**IMAGE, "scales": np.array([1, 1, 2, 0.5], F32)}
    yield One("Resize", 13, fed, {}, ["x", "", "scales"], {"mode": "cubic"}, note="scales at run time")
    yield One("Resize", 10, fed, note="scales at run time")
    yield One("Upsample", 9, {**fed, "scales": np.array([1, 1, 2, 3], F32)}, note="scales at run time")
    yield One("Upsample", 9, IMAGE, {"s": np.array([2, 1, 1, 1], F32)}, note="of the first axis")
    for policy in ("not_larger", "not_smaller"):
        words = {"keep_aspect_ratio_policy": policy, "axes": [3, 2]}
        yield One("Resize", 18, IMAGE, {"sizes": i64(9, 5)}, names, words, note=policy)
        yield One("Resize", 18, {**IMAGE, "sizes": i64(9, 5)}, {}, names, words, note=f"{policy} at run time")
    crop = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.0, "mode": "linear"}
    region = np.array([0, 0, 0.2, 0.1, 1, 1, 1.1, 0.6], F32)
    fed = {**IMAGE, "roi": region, "sizes": i64(1, 2, 4, 6)}
    yield One("Resize", 13, fed, {}, ["x", "roi", "", "sizes"], crop, note="a region at run time")
    yield One("Resize", 13, IMAGE, {"roi": region, "sizes": i64(1, 2, 4, 6)}, ["x", "roi", "", "sizes"], crop)
    nearest = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
    yield One("Resize", 11, IMAGE, {**empty, "sizes": i64(1, 2, 11, 4)}, attributes=nearest)
    yield One("Resize", 18, IMAGE, {"scales": np.array([2, 0.5], F32)}, ["x", "", "scales"], {"axes": [2, 3]})


def detectors() -> Iterator[One]:
    rois = np.array([[0, 0, 0, 5, 4], [0, 1, 2, 6, 6]], F32)
    yield One("MaxRoiPool", 1, IMAGE, {"r": rois}, attributes={"pooled_shape": [2, 2], "spatial_scale": 0.5})
    boxes, batch = rois[:, 1:] / 2, i64(0, 0)
    for opset, words in ((10, {}), (16, {}), (16, {"coordinate_transformation_mode": "output_half_pixel"})):
        attributes = {"output_height": 2, "output_width": 3, "sampling_ratio": 2, **words}
        yield One("RoiAlign", opset, IMAGE, {"r": boxes, "b": batch}, attributes=attributes)
    corners = np.sort(np.random.default_rng(0).uniform(0, 1, (1, 6, 2, 2)).astype(F32), axis=2).reshape(1, 6, 4)
    scores = np.random.default_rng(1).uniform(0, 1, (1, 2, 6)).astype(F32)
    limits = {"most": i64(3), "overlap": scalar(0.3), "score": scalar(0.2)}
    yield One("NonMaxSuppression", 11, {"boxes": corners, "scores": scores}, limits)
    yield One("NonMaxSuppression", 10, {"boxes": corners, "scores": scores}, {"most": i64(2)})
    yield One("NonMaxSuppression", 11, {"boxes": corners, "scores": scores}, note="none asked for")
    fed = {"boxes": corners, "scores": scores, **limits}
    yield One("NonMaxSuppression", 11, fed, attributes={"center_point_box": 1}, note="limits at run time")


FAMILIES = (
    arithmetic,
    constants,
    activations,
    reductions,
    shapes,
    slices_and_pads,
    indexing,
    products,
    windows,
    normalizations,
    resizing,
    detectors,
)
CASES = [case for family in FAMILIES for case in family()]


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_operator_computes_what_onnxruntime_does(case: One, tmp_path: Path) -> None:
    import onnxruntime

    path = saved(case.model(), tmp_path)
    got = run(import_onnx(path), case.feeds)
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for have, raw in zip(got.values(), session.run(None, dict(case.feeds)), strict=True):
        want = np.asarray(raw)
        want = want.view(have.dtype) if want.dtype == np.uint8 and have.dtype.itemsize == 1 else want
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), rtol=1e-4, atol=1e-5)


REFUSED: list[tuple[One, type[XirError], str]] = [
    (One("Relu", 14, X, attributes={"slope": 0.5}), UnsupportedError, "unknown attributes 'slope'"),
    (One("Relu", 14, {"x": normal(2), "y": normal(2)}), InvalidModelError, "takes 1 inputs, got 2"),
    (One("Add", 14, {"x": normal(2, 3), "y": normal(4)}), InvalidModelError, "do not broadcast"),
    (One("Gelu", 19, X), UnsupportedError, "opset 19 is older than opset 20"),
    (One("Concat", 13, X, attributes={"axis": 4}), InvalidModelError, "axis 4 does not exist"),
    (One("Concat", 13, X), InvalidModelError, "'axis' is missing"),
    (One("Concat", 13, X, attributes={"axis": 1.5}), InvalidModelError, "is FLOAT, expected INT"),
    (One("Reshape", 14, X, {"s": i64(-1, -1)}), InvalidModelError, "two sizes -1"),
    (One("Reshape", 14, LINE, {"s": i64(4, 0)}), InvalidModelError, "copied from an axis"),
    (One("Reshape", 14, {"x": normal(0, 3)}, {"s": i64(0, -1)}), InvalidModelError, "cannot be told"),
    (One("Reshape", 14, X, {"s": i64(7, 2)}), InvalidModelError, "numbers of elements differ"),
    (One("Mod", 13, {"x": normal(2), "y": normal(2)}), InvalidModelError, "fmod must be 1"),
    (One("Cast", 13, X, attributes={"to": 99}), InvalidModelError, "no element type 99"),
    (One("ConstantOfShape", 9, {}, {"s": i64(-2)}), InvalidModelError, "sizes are >= 0"),
    (One("Gelu", 20, X, attributes={"approximate": "sine"}), InvalidModelError, "expected one of none, tanh"),
    (One("ReduceSum", 11, X, attributes={"axes": [0, -4]}), InvalidModelError, "name one axis twice"),
    (One("Slice", 13, X, {"s": i64(0), "e": i64(2), "a": i64(3), "t": i64(0)}), InvalidModelError, "step of 0"),
    (One("Slice", 13, X, {"s": i64(0), "e": i64(2, 3), "a": i64(3)}), InvalidModelError, "1 starts, 2 ends"),
    (One("Squeeze", 13, X, {"a": i64(0)}), InvalidModelError, "is not 1"),
    (One("Split", 18, X, attributes={"axis": 3, "num_outputs": 0}), InvalidModelError, "0 pieces"),
    (One("Flatten", 13, X, attributes={"axis": 9}), InvalidModelError, "axis 9"),
    (One("Pad", 13, X, {"p": i64(1, 2)}), InvalidModelError, "2 pads"),
    (One("Pad", 18, X, {"p": i64(1), "a": i64(1)}, ["x", "p", "", "a"]), InvalidModelError, "1 pads for 1 axes"),
    (One("Range", 11, {}, {"a": scalar(1), "b": scalar(2), "c": scalar(0)}), InvalidModelError, "steps of 0"),
    (One("MatMul", 13, {"x": scalar(1), "y": normal(2)}), InvalidModelError, "a scalar"),
    (One("Gemm", 13, {"a": normal(3), "b": normal(3, 2)}), InvalidModelError, "matrices are needed"),
    (One("Gemm", 13, {"a": normal(3, 2), "b": normal(2, 2)}, {"c": normal(5)}), InvalidModelError, "broadcast"),
    (
        One("Conv", 11, X, {"w": normal(2, 3, 3, 3)}, attributes={"kernel_shape": [2, 2]}),
        InvalidModelError,
        "kernel_shape",
    ),
    (One("Conv", 11, X, {"w": normal(2, 3, 3)}), InvalidModelError, "as many axes"),
    (One("Conv", 11, X, {"w": normal(2, 3, 3, 3)}, attributes={"strides": [0, 1]}), InvalidModelError, "positive"),
    (One("Conv", 11, X, {"w": normal(2, 3, 3, 3)}, attributes={"pads": [1, 1]}), InvalidModelError, "'pads' has 2"),
    (One("Conv", 11, X, {"w": normal(2, 3, 3, 3)}, attributes={"strides": [1]}), InvalidModelError, "'strides' has 1"),
    (One("Conv", 11, {**X, "w": normal(2, 3, 3, 3)}, shapes={"w": [2, 3, "k", 3]}), UnsupportedError, "window"),
    (One("MaxPool", 11, LINE, attributes={"kernel_shape": [2]}), InvalidModelError, r"\[N, C, spatial"),
    (One("MaxPool", 11, X, attributes={"kernel_shape": [2]}), InvalidModelError, "does not fit"),
    (One("LpNormalization", 1, X, attributes={"p": 3}), InvalidModelError, "expected 1 or 2"),
    (One("LayerNormalization", 17, X, {"s": normal(6)}, attributes={"stash_type": 7}), InvalidModelError, "is 7"),
    (One("Resize", 13, IMAGE), InvalidModelError, "either scales or sizes"),
    (
        One(
            "Resize",
            13,
            IMAGE,
            {"s": i64(1, 2, 9, 5)},
            ["x", "", "", "s"],
            {"coordinate_transformation_mode": "tf_crop_and_resize"},
        ),
        InvalidModelError,
        "need a roi",
    ),
    (One("Upsample", 9, IMAGE, {"s": np.array([1, 1], F32)}), InvalidModelError, "scales"),
    (
        One("MaxRoiPool", 1, IMAGE, {"r": normal(1, 5)}, attributes={"pooled_shape": [2]}),
        InvalidModelError,
        "expected 2",
    ),
    (One("Clip", 13, X, {"low": normal(2)}), InvalidModelError, "expected one"),
]


@pytest.mark.parametrize(("case", "kind", "text"), REFUSED, ids=[f"{i}-{case}" for i, (case, *_) in enumerate(REFUSED)])
def test_refusals_name_the_node_and_the_cause(case: One, kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text) as caught:
        import_onnx(saved(case.model(), tmp_path))
    if kind is InvalidModelError:
        assert (caught.value.source.layer, caught.value.source.kind) == ("node", case.kind)
    else:
        assert isinstance(caught.value, UnsupportedError)
        assert caught.value.problems[0].layers == ("node",)


def test_handlers_name_every_wording_up_to_the_newest_version() -> None:
    known: dict[str, list[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        if not schema.deprecated and schema.since_version <= NEWEST.get(schema.domain, 0):
            known.setdefault(full_kind(schema.domain, schema.name), []).append(schema.since_version)
    for kind in VERSIONS.kinds():
        named = VERSIONS.since(kind)
        if kind.startswith("com.microsoft."):
            assert named == (1,), kind
            continue
        own = sorted({*known.get(kind, []), *OTHER_WORDINGS.get(kind, ())})
        assert list(named) == [since for since in own if since >= named[0]], kind


OTHER_WORDINGS = {
    "GroupNormalization": (18,),  # onnx.defs calls it deprecated, but defines it
    "LayerNormalization": (1,),  # onnxruntime adds it to ONNX's own set (core/graph/contrib_ops/contrib_defs.cc)
    "SimplifiedLayerNormalization": (1,),  # likewise
}
