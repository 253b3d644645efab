"""Cases of layers, matrices, cells, images, quantised numbers and strings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.tensorflow.cases import Case, Fixed, fixed, real, whole


def _layers() -> Iterator[Case]:
    x = real(2, 5, 6, 4)
    conv = {"strides": [1, 2, 1, 1], "padding": "SAME"}
    yield Case("Conv2D", "Conv2D", (x, real(3, 2, 4, 3, seed=9)), conv)
    yield Case(
        "Conv2D dilated",
        "Conv2D",
        (x, real(2, 2, 4, 3)),
        {"strides": [1, 1, 1, 1], "padding": "VALID", "dilations": [1, 2, 2, 1]},
    )
    yield Case("Conv2D grouped", "Conv2D", (x, real(2, 2, 2, 4)), {"strides": [1, 1, 1, 1], "padding": "SAME"})
    explicit = {"strides": [1, 2, 2, 1], "padding": "EXPLICIT", "explicit_paddings": [0, 0, 1, 2, 0, 1, 0, 0]}
    yield Case("Conv2D explicit", "Conv2D", (x, real(3, 3, 4, 2)), explicit)
    yield Case(
        "Conv3D", "Conv3D", (real(1, 3, 4, 4, 2), real(2, 2, 2, 2, 3)), {"strides": [1, 1, 2, 1, 1], "padding": "SAME"}
    )
    depthwise = {"strides": [1, 2, 2, 1], "padding": "SAME"}
    yield Case("DepthwiseConv2dNative", "DepthwiseConv2dNative", (x, real(3, 3, 4, 2)), depthwise)
    back = {"strides": [1, 2, 2, 1], "padding": "SAME"}
    yield Case(
        "Conv2DBackpropInput", "Conv2DBackpropInput", (fixed([1, 5, 6, 2]), real(3, 3, 2, 4), real(1, 3, 3, 4)), back
    )
    yield Case(
        "Conv2DBackpropInput valid",
        "Conv2DBackpropInput",
        (fixed([1, 8, 8, 2]), real(3, 3, 2, 4), real(1, 3, 3, 4)),
        {**back, "padding": "VALID"},
    )
    for padding, size in (("SAME", 6), ("VALID", 7)):
        late = (np.array([1, size, size, 2], np.int32), real(3, 3, 2, 4), real(1, 3, 3, 4))
        yield Case(f"Conv2DBackpropInput late {padding}", "Conv2DBackpropInput", late, {**back, "padding": padding})
    yield Case(
        "Conv3DBackpropInputV2",
        "Conv3DBackpropInputV2",
        (fixed([1, 4, 4, 4, 2]), real(2, 2, 2, 2, 3), real(1, 2, 2, 2, 3)),
        {"strides": [1, 2, 2, 2, 1], "padding": "SAME"},
    )


def _fused() -> Iterator[Case]:
    x, w, b = real(1, 4, 5, 3), real(3, 2, 3, 4, seed=9), real(4)
    conv = {"strides": [1, 1, 1, 1], "padding": "SAME", "num_args": 1, "TArgs": ["DT_FLOAT"], "leakyrelu_alpha": 0.3}
    for after in ("", "Relu", "Relu6", "Elu", "LeakyRelu"):
        names = ["BiasAdd", after] if after else ["BiasAdd"]
        yield Case(f"_FusedConv2D {after}", "_FusedConv2D", (x, w, b), {**conv, "fused_ops": names})
    norm = {
        **conv,
        "num_args": 4,
        "num_host_args": 0,
        "TArgs": ["DT_FLOAT"] * 4,
        "fused_ops": ["FusedBatchNorm", "Relu"],
    }
    statistics = (real(4), real(4, seed=3), real(4, seed=5), real(4, low=0.5))
    yield Case("_FusedConv2D norm", "_FusedConv2D", (x, w, *statistics), {**norm, "epsilon": 0.01})
    for after in ("Relu", "Tanh", "Sigmoid", "GeluExact", "GeluApproximate"):
        matrices = (real(3, 4), real(4, 2), real(2))
        yield Case(f"_FusedMatMul {after}", "_FusedMatMul", matrices, {"fused_ops": ["BiasAdd", after]})
    depthwise = {"strides": [1, 1, 1, 1], "padding": "SAME", "fused_ops": ["BiasAdd", "Relu6"]}
    yield Case("_FusedDepthwise", "_FusedDepthwiseConv2dNative", (x, real(3, 2, 3, 2), real(6)), depthwise)


def _pools() -> Iterator[Case]:
    x = real(2, 5, 6, 4)
    pool = {"ksize": [1, 3, 2, 1], "strides": [1, 2, 1, 1], "padding": "SAME"}
    yield Case("MaxPool", "MaxPool", (x,), pool)
    yield Case("AvgPool", "AvgPool", (x,), pool)
    pool3 = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 1, 2, 2, 1], "padding": "SAME"}
    yield Case("MaxPool3D", "MaxPool3D", (real(1, 3, 4, 5, 2),), pool3)
    yield Case("AvgPool3D", "AvgPool3D", (real(1, 3, 4, 5, 2),), {**pool3, "padding": "VALID"})
    yield Case("MaxPoolV2", "MaxPoolV2", (x, fixed([1, 2, 2, 1]), fixed([1, 2, 2, 1])), {"padding": "VALID"})
    argmax = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    yield Case("MaxPoolWithArgmax", "MaxPoolWithArgmax", (x,), argmax, (0, 1))
    yield Case("MaxPoolWithArgmax batch", "MaxPoolWithArgmax", (x,), {**argmax, "include_batch_in_index": True}, (1,))


def _products() -> Iterator[Case]:
    x = real(2, 5, 6, 4)
    yield Case("BiasAdd", "BiasAdd", (x, real(4)))
    yield Case("BiasAdd first", "BiasAdd", (x, real(5)), {"data_format": "NCHW"})
    yield Case("BiasAddV1", "BiasAddV1", (x, real(4)))
    yield Case("MatMul", "MatMul", (real(3, 2), real(4, 3)), {"transpose_a": True, "transpose_b": True})
    for kind in ("BatchMatMul", "BatchMatMulV2"):
        yield Case(kind, kind, (real(2, 3, 4), real(2, 5, 4)), {"adj_y": True})
    yield Case("BatchMatMulV2 broadcast", "BatchMatMulV2", (real(2, 1, 4, 3), real(5, 4, 2)), {"adj_x": True})
    yield Case("BatchMatMulV3", "BatchMatMulV3", (real(3, 4), real(2, 4, 2)), {"Tout": "DT_FLOAT"})
    yield Case("Einsum", "Einsum", (real(2, 3, 4), real(4, 5)), {"equation": "abc,cd->adb"})
    norm = (x, real(4, low=0.5), real(4), real(4, seed=3), real(4, low=0.5, seed=4))
    for kind in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
        yield Case(
            kind, kind, norm, {"is_training": False, "U": "DT_FLOAT"} if kind[-1] != "m" else {"is_training": False}
        )
    none = fixed([], "float32")
    yield Case("FusedBatchNormV3 training", "FusedBatchNormV3", (*norm[:3], none, none), {"U": "DT_FLOAT"}, (0, 1, 2))
    yield Case("LRN", "LRN", (x,), {"depth_radius": 1, "bias": 1.5, "alpha": 0.7, "beta": 0.6})
    yield Case(
        "SoftmaxCrossEntropyWithLogits",
        "SoftmaxCrossEntropyWithLogits",
        (real(3, 4), real(3, 4, low=0, high=1)),
        {},
        (0, 1),
    )
    yield Case(
        "SparseSoftmaxCrossEntropyWithLogits",
        "SparseSoftmaxCrossEntropyWithLogits",
        (real(3, 4), whole(3, low=0, high=4)),
        {},
        (0, 1),
    )


def _matrices() -> Iterator[Case]:
    x = real(2, 3, 4)
    yield Case("MatrixDiag", "MatrixDiag", (real(2, 3),))
    yield Case("MatrixDiagPart", "MatrixDiagPart", (x,))
    yield Case("MatrixSetDiag", "MatrixSetDiag", (x, real(2, 3)))
    yield Case("MatrixSetDiag tall", "MatrixSetDiag", (real(2, 4, 3), real(2, 3)))
    main, free = fixed(0), fixed(-1)
    for version in ("V2", "V3"):
        yield Case(f"MatrixDiag{version}", f"MatrixDiag{version}", (real(2, 3), main, free, free, fixed(7, "float32")))
        yield Case(f"MatrixDiagPart{version}", f"MatrixDiagPart{version}", (x, main, fixed(0, "float32")))
        yield Case(f"MatrixSetDiag{version}", f"MatrixSetDiag{version}", (x, real(2, 3), main))
    yield Case("MatrixBandPart", "MatrixBandPart", (x, fixed(1), fixed(-1)))
    yield Case("MatrixBandPart upper", "MatrixBandPart", (x, fixed(-1), fixed(0)))
    yield Case("Diag", "Diag", (real(2, 3),))
    yield Case("DiagPart", "DiagPart", (real(2, 3, 2, 3),))
    yield Case("MatrixDeterminant", "MatrixDeterminant", (real(2, 3, 3),))
    yield Case("LogMatrixDeterminant", "LogMatrixDeterminant", (real(2, 3, 3),), {}, (0, 1))


def _decompositions() -> Iterator[Case]:
    x = real(2, 3, 3)
    positive = np.matmul(x, np.swapaxes(x, 1, 2)) + np.eye(3, dtype=np.float32)
    yield Case("Cholesky", "Cholesky", (positive,))
    yield Case("MatrixInverse", "MatrixInverse", (positive,))
    yield Case(
        "MatrixInverse adjoint",
        "MatrixInverse",
        (real(4, 4, seed=5) + 3 * np.eye(4, dtype=np.float32),),
        {"adjoint": True},
    )
    yield Case("Svd", "Svd", (Fixed(x),), {"compute_uv": False})
    yield Case("Svd vectors", "Svd", (real(2, 4, 3),), {}, (0,))
    yield Case("Svd full", "Svd", (real(3, 5),), {"full_matrices": True}, (0,))
    yield Case("SelfAdjointEigV2", "SelfAdjointEigV2", (x,), {}, (0,))
    yield Case("SelfAdjointEigV2 values", "SelfAdjointEigV2", (x,), {"compute_v": False}, (0,))


def _cells() -> Iterator[Case]:
    x, cell, hidden = real(2, 3), real(2, 4), real(2, 4, seed=3)
    w, b = real(7, 16, low=-1, high=1), real(16)
    watch = (real(4), real(4, seed=4), real(4, seed=6))
    every = (0, 1, 2, 3, 4, 5, 6)
    yield Case(
        "LSTMBlockCell",
        "LSTMBlockCell",
        (x, cell, hidden, w, *watch, b),
        {"use_peephole": True, "cell_clip": 0.4},
        every,
    )
    steps = (fixed(2, "int64"), real(3, 2, 3), cell, hidden, w, *watch, b)
    yield Case("BlockLSTM", "BlockLSTM", steps, {"forget_bias": 0.5, "cell_clip": -1.0}, (1, 6))
    yield Case("BlockLSTMV2", "BlockLSTMV2", (fixed(3, "int64"), *steps[1:]), {}, (1, 6))
    gru = (x, hidden, real(7, 8, low=-1, high=1), real(7, 4, low=-1, high=1), real(8), real(4))
    yield Case("GRUBlockCell", "GRUBlockCell", gru, {}, (0, 1, 2, 3))


def _images() -> Iterator[Case]:
    x = real(2, 4, 5, 3, low=0, high=9)
    for kind in ("ResizeNearestNeighbor", "ResizeBilinear", "ResizeBicubic"):
        for name, flags in (
            ("", {}),
            (" corners", {"align_corners": True}),
            (" centres", {"half_pixel_centers": True}),
        ):
            # TensorFlow takes cubic weights from a table of 1,024 places (resize_bicubic_op.cc, kTableSize).
            tolerance = 1e-2 if kind == "ResizeBicubic" else 2e-5
            yield Case(f"{kind} larger{name}", kind, (x, fixed([7, 11])), flags, tolerance=tolerance)
            yield Case(f"{kind} smaller{name}", kind, (x, fixed([3, 2])), flags, tolerance=tolerance)
    boxes = fixed([[0, 0, 1, 1], [0.1, 0.2, 0.7, 1.3], [0.9, 0.9, 0.1, 0.2]], "float32")
    for method in ("bilinear", "nearest"):
        crop = {"method": method, "extrapolation_value": 2.0}
        yield Case(f"CropAndResize {method}", "CropAndResize", (x, boxes, fixed([0, 1, 1]), fixed([3, 4])), crop)
    corners = np.array(
        [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 50, 1, 51]],
        np.float32,
    )
    scores = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)
    yield Case("NonMaxSuppression", "NonMaxSuppression", (corners, scores, fixed(3)), {"iou_threshold": 0.5})
    half, least = fixed(0.5, "float32"), fixed(0.4, "float32")
    yield Case("NonMaxSuppressionV2", "NonMaxSuppressionV2", (corners, scores, fixed(5), half))
    yield Case("NonMaxSuppressionV3", "NonMaxSuppressionV3", (corners, scores, fixed(5), half, least))
    yield Case(
        "NonMaxSuppressionV4",
        "NonMaxSuppressionV4",
        (corners, scores, fixed(5), half, least),
        {"pad_to_max_output_size": True},
        (0, 1),
    )
    bare = (corners, scores, fixed(5), half, least)
    yield Case("NonMaxSuppressionV4 bare", "NonMaxSuppressionV4", bare, {}, (0, 1))
    none = np.where(scores < 0.7, -np.inf, scores).astype(np.float32)
    yield Case("NonMaxSuppressionV2 below all", "NonMaxSuppressionV2", (corners, none, fixed(5), half))
    nothing = (corners, none, fixed(5), half, fixed(-np.inf, "float32"))
    yield Case("NonMaxSuppressionV4 below all", "NonMaxSuppressionV4", nothing, {}, (0, 1))
    yield Case("AdjustContrastv2", "AdjustContrastv2", (x, real(low=1)))


def _quantised() -> Iterator[Case]:
    numbers = whole(8, low=0, high=256)
    ends = (fixed(-1.3, "float32"), fixed(2.1, "float32"))
    for mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        for type, shift in (("DT_QUINT8", 0), ("DT_QINT8", -128)):
            array = Fixed(numbers + shift, type)
            yield Case(f"Dequantize {mode} {type}", "Dequantize", (array, *ends), {"mode": mode})
    yield Case(
        "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxArgs", (real(9, low=-8, high=8),), {"min": -3.0, "max": 5.0}
    )
    yield Case(
        "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVars", (real(9), *ends), {"num_bits": 4, "narrow_range": True}
    )
    channels = (fixed([-1, -0.5], "float32"), fixed([1, 2], "float32"))
    yield Case("FakeQuantWithMinMaxVarsPerChannel", "FakeQuantWithMinMaxVarsPerChannel", (real(4, 2), *channels))
    for version in ("V2", "V4"):
        kind = f"QuantizeAndDequantize{version}"
        yield Case(kind, kind, (real(9), *ends), {"range_given": True, "num_bits": 5})


def cases_layers() -> Iterator[Case]:
    """All of them."""
    for family in (
        _layers,
        _fused,
        _pools,
        _products,
        _matrices,
        _decompositions,
        _cells,
        _images,
        _quantised,
    ):
        yield from family()
