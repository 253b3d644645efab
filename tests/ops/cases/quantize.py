"""Examples of quantisation, and of products of quantised numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.ops.packed import packed_matmul
from xir.ops.quantize import dequantize, dynamic_quantize, quantize
from xir.ops.quantize_product import conv_integer, matmul_integer, quantized_conv, quantized_matmul

INTEGERS = (
    DType.INT8,
    DType.UINT8,
    DType.INT16,
    DType.UINT16,
    DType.INT4,
    DType.UINT4,
    DType.INT2,
    DType.UINT2,
)
FLOATS8 = (DType.FLOAT8E4M3FN, DType.FLOAT8E4M3FNUZ, DType.FLOAT8E5M2, DType.FLOAT8E5M2FNUZ)
NARROW = (*FLOATS8, DType.FLOAT4E2M1, DType.FLOAT6E2M3, DType.FLOAT6E3M2)
REAL = (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)
X = np.array([[-1000.0, -2.5, -1.5, -0.25, 0.0, 0.5], [0.75, 1.25, 2.5, 3.5, 100.0, 60000.0]])


def of(dtype: DType, *values: float) -> Array:
    return np.asarray(values[0] if len(values) == 1 else values).astype(dtype.dtype)


def drawn(dtype: DType, *shape: int, seed: int = 0) -> Array:
    low, high = (-128, 128) if dtype.is_signed else (0, 256)
    return np.random.default_rng([seed, *shape]).integers(low, high, shape).astype(dtype.dtype)


def _packed() -> Iterator[Case]:
    for bits, block, blocks in ((4, 16, 3), (8, 4, 2), (4, 32, 1)):
        rows = block * blocks
        words = drawn(DType.UINT8, rows * bits // 8, 5).reshape(-1, 4, 5).transpose(0, 2, 1)
        held = np.ascontiguousarray(words).view(np.int32).reshape(-1, 5)
        scale = np.abs(normal(blocks, 5)) / 16
        yield case(packed_matmul, normal(3, rows), held, scale, bits=bits, block=block)
        yield case(packed_matmul, normal(1, rows), held, scale, normal(blocks, 5), bits=bits, block=block)


def cases() -> Iterator[Case]:
    for dtype in (*INTEGERS, *NARROW):
        for real in REAL:
            x, scale = X.astype(real.dtype), of(real, 0.5)
            yield case(quantize, x, scale, of(dtype, 1.0), dtype=dtype)
            yield case(quantize, x, scale, dtype=dtype, saturate=False).noted(str(dtype))
        yield from _reaches(dtype)
    yield case(quantize, np.array([[-1000, 3], [5, 100000]], np.int32), of(DType.FLOAT32, 2.0), dtype=DType.INT8)
    yield case(quantize, np.array([7, -7, 6], np.int32), of(DType.INT32, 2), dtype=DType.INT8)
    for real in REAL:
        yield case(quantize, X.astype(np.float32), of(DType.FLOAT16, 0.3), dtype=DType.UINT8, precision=real)
    yield case(quantize, normal(4, dtype=DType.FLOAT16), of(DType.FLOAT8E8M0, 0.25), dtype=DType.INT8)
    yield case(quantize, of(DType.FLOAT32, 2.5), np.ones(1, np.float32), np.array([3], np.int8), dtype=DType.INT8)
    yield from _back()
    for x in (normal(3, 4), np.abs(normal(3, 4)), -np.abs(normal(5)), normal()):
        yield case(dynamic_quantize, np.asarray(x)).differenced()
    for x in (np.zeros((2, 2), np.float32), np.zeros((0, 2), np.float32)):
        yield case(dynamic_quantize, x).differenced().noted("of nothing")
    yield from _products()
    yield from _convolutions()
    yield from _packed()


def _reaches(dtype: DType) -> Iterator[Case]:
    """One number, one for each place of an axis, one for each block along it."""
    x = normal(3, 5)
    zeros = of(dtype, 0.0, 1.0, 1.0)
    yield case(quantize, x, of(DType.FLOAT32, 0.1, 0.2, 0.3), zeros, dtype=dtype, axis=0).noted("by axis")
    scales = np.abs(normal(3, 3, away=0.1))
    yield case(quantize, x, scales, dtype=dtype, axis=1, block=2).noted("by block")
    stored = of(dtype, 1.0, 0.0, 1.0)
    spread = np.stack([stored, stored, stored, stored], axis=1)
    yield case(dequantize, spread, of(DType.FLOAT32, 0.1, 0.2, 0.3), zeros, dtype=DType.FLOAT32).differenced()
    blocks = np.abs(normal(3, 2, away=0.1))
    points = np.stack([stored, stored], axis=1)
    yield case(dequantize, spread, blocks, points, dtype=DType.FLOAT32, axis=1, block=2).differenced()


def _back() -> Iterator[Case]:
    for real in REAL:
        for made in REAL:
            x = np.array([[-128, 0, 127]], np.int8)
            yield case(dequantize, x, of(real, 0.3), np.array(5, np.int8), dtype=made).differenced()
    yield case(dequantize, np.array([1 << 30, -5], np.int32), of(DType.FLOAT32, 0.5), dtype=DType.FLOAT32).differenced()
    x = np.array([60000, 0], np.uint16)
    yield case(dequantize, x, of(DType.FLOAT16, 0.1), np.array(7, np.uint16), dtype=DType.FLOAT16).differenced()
    power = of(DType.FLOAT8E8M0, 0.25)
    yield case(dequantize, of(DType.FLOAT4E2M1, 1.5, -6.0), power, dtype=DType.FLOAT32).differenced()


def _products() -> Iterator[Case]:
    a, b = drawn(DType.UINT8, 2, 3, 4), drawn(DType.INT8, 2, 4, 5)
    zero, zeros = of(DType.UINT8, 100), drawn(DType.INT8, 5)
    yield case(matmul_integer, a, b)
    yield case(matmul_integer, a, b, zero, np.array([-3], np.int8))
    yield case(matmul_integer, a[0], b[0], drawn(DType.UINT8, 3), zeros).noted("a zero point a row")
    yield case(matmul_integer, a, b, drawn(DType.UINT8, 2, 3, 1), drawn(DType.INT8, 2, 1, 5)).noted(
        "a zero point a row, in batches"
    )
    for real in REAL:
        one, two, three = of(real, 0.02), of(real, 0.03), of(real, 0.9)
        yield case(quantized_matmul, a, one, zero, b, two, of(DType.INT8, 3), three, of(DType.UINT8, 128))
    scales = np.abs(normal(5, away=0.5)) / 100
    rows = np.abs(normal(3, away=0.5)).astype(np.float32)
    words = (a[0], rows / 50, drawn(DType.UINT8, 3), b[0], scales, zeros, rows, drawn(DType.INT8, 3))
    yield case(quantized_matmul, *words).noted("rows and columns").differenced()
    tall = np.abs(normal(2, 3, 1, away=0.5)).astype(np.float32)
    wide = np.abs(normal(2, 1, 5, away=0.5)).astype(np.float32) / 50
    points = (drawn(DType.UINT8, 2, 3, 1), drawn(DType.INT8, 2, 1, 5), drawn(DType.INT8, 2, 3, 1))
    batches = (a, tall / 50, points[0], b, wide, points[1], tall, points[2])
    yield case(quantized_matmul, *batches).noted("in batches").differenced()
    for dtype in FLOATS8:
        x, y = (normal(3, 4) * 4).astype(dtype.dtype), normal(4, 2).astype(dtype.dtype)
        one, zero8 = of(DType.FLOAT32, 0.5), of(dtype, 0.0)
        yield case(quantized_matmul, x, one, zero8, y, one, zero8, one, zero8).differenced()


def _convolutions() -> Iterator[Case]:
    words = {"strides": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 1}
    plain = {"strides": (1,), "padding": ((1, 1),), "dilation": (1,), "groups": 2}
    x, w = drawn(DType.UINT8, 1, 2, 5, 6), drawn(DType.INT8, 3, 2, 2, 2)
    zeros = drawn(DType.INT8, 3)
    yield case(conv_integer, x, w, **words)
    yield case(conv_integer, x, w, of(DType.UINT8, 7), of(DType.INT8, -3), **words)
    yield case(conv_integer, x, w, np.array([7], np.uint8), zeros, **words).noted("a zero point a channel")
    yield case(conv_integer, drawn(DType.INT8, 2, 4, 5), drawn(DType.UINT8, 4, 2, 3), **plain).noted("groups")
    cut = {**words, "padding": ((-1, 0), (0, 2))}
    yield case(conv_integer, x, w, of(DType.UINT8, 7), **cut).noted("cut")
    first = (
        x,
        of(DType.FLOAT32, 0.05),
        of(DType.UINT8, 120),
        w,
        of(DType.FLOAT32, 0.02),
        of(DType.INT8, 0),
        of(DType.FLOAT32, 0.4),
        of(DType.UINT8, 100),
    )
    yield case(quantized_conv, *first, **words).differenced()
    scales = np.abs(normal(3, away=0.5)).astype(np.float32) / 50
    bias = np.array([1000, -2000, 0], np.int32)
    second = (
        x,
        of(DType.FLOAT32, 0.05),
        of(DType.UINT8, 120),
        w,
        scales,
        np.zeros(3, np.int8),
        of(DType.FLOAT32, 0.4),
        of(DType.UINT8, 100),
        bias,
    )
    yield case(quantized_conv, *second, **words).differenced().noted("by channel")
    yield case(quantized_conv, *second, **cut).differenced().noted("cut")
