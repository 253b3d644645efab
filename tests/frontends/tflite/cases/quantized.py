"""Quantised operators: 8 and 16 bits, one scale or one for each channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.models import Case, Fed, Held, Out, Q, single

LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
SCALES = {"int8": Q(0.05, 3), "uint8": Q(0.05, 120), "int16": Q(0.0005, 0)}
RESULTS = {"int8": Q(0.08, -5), "uint8": Q(0.08, 100), "int16": Q(0.001, 0)}


def stored(real: np.ndarray, dtype: str, q: Q) -> np.ndarray:
    """Real numbers as integers."""
    low, high = LIMITS[dtype]
    return np.clip(np.round(real / np.asarray(q.scale)) + q.zero, low, high).astype(dtype)


def _fed(real: np.ndarray, dtype: str) -> Fed:
    return Fed(stored(real, dtype, SCALES[dtype]), SCALES[dtype])


def _out(dtype: str) -> list[Out]:
    return [Out(dtype, RESULTS[dtype])]


def _elementwise(dtype: str) -> list[Case]:
    x, y = spread(3, 8), spread(3, 8, seed=1)
    made = [
        single(
            kind,
            _fed(x, dtype),
            _fed(y, dtype),
            options={table: {"fused_activation_function": "RELU"}},
            results=_out(dtype),
            name=dtype,
        )
        for kind, table in (("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions"))
    ]
    fixed = {"int8": Q(1 / 256, -128), "uint8": Q(1 / 256), "int16": Q(1 / 32768)}
    made.append(single("LOGISTIC", _fed(x, dtype), results=[Out(dtype, fixed[dtype])], name=dtype))
    made.append(
        single(
            "SOFTMAX",
            _fed(x, dtype),
            options={"SoftmaxOptions": {"beta": 1.0}},
            results=[Out(dtype, fixed[dtype])],
            name=dtype,
        )
    )
    tanh = {"int8": Q(1 / 128), "uint8": Q(1 / 128, 128), "int16": Q(1 / 32768)}
    case = single("TANH", _fed(x, dtype), results=[Out(dtype, tanh[dtype])], name=dtype)
    # LiteRT's tanh of 16 bits interpolates a table: it is 2 steps of 2^-15 from the number itself.
    made.append(replace(case, steps=2) if dtype == "int16" else case)
    made.append(single("QUANTIZE", Fed(x), results=_out(dtype), name=dtype))
    made.append(single("QUANTIZE", _fed(x, dtype), results=_out(dtype), name=f"{dtype} again"))
    made.append(single("DEQUANTIZE", _fed(x, dtype), name=dtype))
    made.append(
        single(
            "LEAKY_RELU", _fed(x, dtype), options={"LeakyReluOptions": {"alpha": 0.3}}, results=_out(dtype), name=dtype
        )
    )
    return made


def _narrow(dtype: str) -> list[Case]:
    x, y = spread(3, 8), spread(3, 8, seed=1)
    made = [
        single(kind, _fed(x, dtype), _fed(y, dtype), results=[Out("bool")], name=dtype)
        for kind in ("LESS", "GREATER_EQUAL")
    ]
    image = _fed(spread(1, 6, 6, 3), dtype)
    same = [Out(dtype, SCALES[dtype])]
    pool = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "filter_height": 3, "filter_width": 3}
    for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        made.append(single(kind, image, options={"Pool2DOptions": pool}, results=same, name=dtype))
    axes = Held(np.array([1, 2], np.int32))
    made.append(single("MEAN", image, axes, options={"ReducerOptions": {}}, results=_out(dtype), name=dtype))
    pads = Held(np.array([[0, 0], [1, 1], [0, 2], [0, 0]], np.int32))
    made.append(single("PAD", image, pads, results=same, name=dtype))
    made.append(
        single(
            "RESIZE_BILINEAR",
            image,
            Held(np.array([9, 7], np.int32)),
            options={"ResizeBilinearOptions": {"half_pixel_centers": True}},
            results=same,
            name=dtype,
        )
    )
    made.append(
        single(
            "CONCATENATION",
            _fed(x, dtype),
            Fed(stored(y, dtype, SCALES[dtype]), SCALES[dtype]),
            options={"ConcatenationOptions": {"axis": 1}},
            results=same,
            name=dtype,
        )
    )
    made.append(single("RESHAPE", _fed(x, dtype), Held(np.array([4, 6], np.int32)), results=same, name=dtype))
    made.append(single("HARD_SWISH", _fed(3 * x, dtype), results=_out(dtype), name=dtype))
    made.append(
        single(
            "RSQRT", Fed(stored(np.abs(x) + 0.5, dtype, SCALES[dtype]), SCALES[dtype]), results=_out(dtype), name=dtype
        )
        if dtype == "int8"
        else single("RELU", _fed(x, dtype), results=same, name=dtype)
    )
    made.append(
        single(
            "PRELU",
            _fed(x[None, None], dtype),
            Fed(stored(y[:1], dtype, SCALES[dtype]), SCALES[dtype]),
            results=_out(dtype),
            name=dtype,
        )
    )
    return made


def _weights(real: np.ndarray, axis: int) -> Held:
    """Weights of 8 bits with a scale for each channel."""
    scales = tuple(float(0.01 + 0.004 * index) for index in range(real.shape[axis]))
    shape = [-1 if index == axis else 1 for index in range(real.ndim)]
    q = np.clip(np.round(real / np.array(scales).reshape(shape)), -127, 127).astype(np.int8)
    return Held(q, Q(scales, 0, axis))


def _bias(real: np.ndarray, x: Q, weights: Held, dtype: str) -> Held:
    scales = weights.q.scale if isinstance(weights.q.scale, tuple) else (weights.q.scale,)
    both = tuple(float(np.float32(x.scale) * np.float32(scale)) for scale in scales)
    numbers = np.round(real / np.array(both)).astype("int64" if dtype == "int16" else "int32")
    told = tuple(1.5 * scale for scale in both)  # converters round it; LiteRT does not look at it
    return Held(numbers, Q(told if len(told) > 1 else told[0]))


def _products(dtype: str) -> list[Case]:
    made = []
    x = SCALES[dtype]
    wide = {"int8": Q(0.3, -5), "uint8": Q(0.3, 100), "int16": Q(0.002, 0)}
    out = [Out(dtype, wide[dtype])]
    image = _fed(spread(2, 6, 5, 3), dtype)
    if dtype == "uint8":
        q = Q(0.02, 110)
        kernel = Held(stored(spread(4, 3, 3, 3, seed=1), dtype, q), q)
        deep = Held(stored(spread(1, 3, 3, 6, seed=1), dtype, q), q)
        matrix = Held(stored(spread(5, 8, seed=1), dtype, q), q)
    else:
        kernel = _weights(spread(4, 3, 3, 3, seed=1), 0)
        deep = _weights(spread(1, 3, 3, 6, seed=1), 3)
        single_scale = Q(0.02)
        matrix = Held(stored(spread(5, 8, seed=1), "int8", single_scale), single_scale)
    for activation in ("NONE", "RELU6"):
        words = {"padding": "SAME", "stride_h": 2, "stride_w": 1, "fused_activation_function": activation}
        made.append(
            single(
                "CONV_2D",
                image,
                kernel,
                _bias(spread(4), x, kernel, dtype),
                options={"Conv2DOptions": words},
                results=out,
                name=f"{dtype} {activation}",
            )
        )
        made.append(
            single(
                "DEPTHWISE_CONV_2D",
                image,
                deep,
                _bias(spread(6), x, deep, dtype),
                options={"DepthwiseConv2DOptions": {**words, "stride_w": 2, "depth_multiplier": 2}},
                results=out,
                name=f"{dtype} {activation}",
            )
        )
        made.append(
            single(
                "FULLY_CONNECTED",
                _fed(spread(3, 8), dtype),
                matrix,
                _bias(spread(5), x, matrix, dtype),
                options={"FullyConnectedOptions": {"fused_activation_function": activation}},
                results=out,
                name=f"{dtype} {activation}",
            )
        )
    return made


def _transposed(dtype: str) -> list[Case]:
    kernel = _weights(spread(2, 3, 3, 3, seed=1), 0)
    words = {"TransposeConvOptions": {"padding": "SAME", "stride_h": 2, "stride_w": 2}}
    sizes = Held(np.array([1, 8, 6, 2], np.int32))
    image = _fed(spread(1, 4, 3, 3), dtype)
    out = [Out(dtype, Q(0.3, -5) if dtype == "int8" else Q(0.002))]
    bias = _bias(spread(2), SCALES[dtype], kernel, dtype)
    made = single("TRANSPOSE_CONV", sizes, kernel, image, bias, options=words, results=out, name=dtype)
    pool = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "filter_height": 3, "filter_width": 3}
    same = [Out(dtype, SCALES[dtype])]
    moved = single("MAX_POOL_2D", image, options={"Pool2DOptions": pool}, results=same, name=f"{dtype} again")
    return [made, moved]


def _widened() -> list[Case]:
    every = np.arange(-32768, 32768, 17, dtype=np.int16)
    return [
        single(
            "QUANTIZE",
            Fed(every, Q(scale, zero)),
            results=[Out("int32", result)],
            name=f"int16 as int32, {zero}, {result.zero}",
        )
        for scale, zero, result in (
            (0.0004943124, 0, Q(1.4901161e-07)),
            (1.5259022e-05, -32768, Q(3.051851e-05)),
            (0.001, 7, Q(1e-05, -90)),
        )
    ]


CASES = (
    tuple(
        case
        for dtype in ("int8", "uint8", "int16")
        for part in ((_elementwise, _products) if dtype == "int16" else (_elementwise, _narrow, _products))
        for case in part(dtype)
    )
    + tuple(case for dtype in ("int8", "int16") for case in _transposed(dtype))
    + tuple(_widened())
)
"""The cases of this family."""
