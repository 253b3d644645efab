"""Examples of convolution in every direction."""

from __future__ import annotations

from collections.abc import Iterator

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.conv import col2im, conv, conv_transpose, im2col

ONES = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "input_dilation": (1, 1), "groups": 1}


def cases() -> Iterator[Case]:
    yield from _conv()
    yield from _conv_transpose()
    windows = {"window": (2, 3), "strides": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)}
    yield case(im2col, normal(2, 2, 5, 6), **windows)
    yield case(col2im, normal(2, 12, 3, 4), **windows, spatial=(5, 6))


def _conv() -> Iterator[Case]:
    x, w, bias = normal(2, 3, 5, 6), normal(4, 3, 3, 2), normal(4)
    yield case(conv, x, w, bias, **ONES)
    strided = ONES | {"strides": (2, 3), "padding": ((2, 1), (0, 3))}
    yield case(conv, x, w, None, **strided).noted("strides that leave a rest")
    yield case(conv, x, w, bias, **(ONES | {"dilation": (2, 3), "padding": ((1, 2), (1, 1))})).noted("dilated")
    yield case(conv, x, w, bias, **(ONES | {"input_dilation": (2, 3), "strides": (3, 2)})).noted("input dilated")
    yield case(conv, x, w, None, **(ONES | {"padding": ((-1, 1), (2, -2))})).noted("negative padding")
    grouped = ONES | {"groups": 2, "strides": (2, 1)}
    yield case(conv, normal(2, 4, 5, 5), normal(6, 2, 2, 2), normal(6), **grouped).noted("groups")
    yield case(conv, normal(1, 3, 4, 4), normal(6, 1, 3, 3), None, **(ONES | {"groups": 3})).noted("depthwise")
    yield case(conv, x, normal(4, 3, 1, 1), bias, **ONES).noted("pointwise")
    line = {"strides": (2,), "padding": ((1, 0),), "dilation": (1,), "input_dilation": (1,), "groups": 1}
    yield case(conv, normal(1, 2, 7), normal(3, 2, 3), None, **line).noted("one axis")
    yield case(conv, normal(1, 3, 5, 6, dtype=DType.FLOAT64), w.astype("float64"), None, **ONES)
    for dtype in (DType.FLOAT16, DType.BFLOAT16):
        yield case(conv, normal(1, 2, 4, 4, dtype=dtype), normal(2, 2, 3, 3, dtype=dtype), None, **ONES)


def _conv_transpose() -> Iterator[Case]:
    plain = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "output_padding": (0, 0), "groups": 1}
    x, w, bias = normal(1, 4, 3, 4), normal(4, 2, 3, 2), normal(2)
    yield case(conv_transpose, x, w, bias, **plain)
    cut = {"strides": (2, 3), "padding": ((1, 0), (0, 2)), "output_padding": (1, 2)}
    yield case(conv_transpose, x, w, None, **(plain | cut)).noted("strides, padding, output padding")
    yield case(conv_transpose, x, w, normal(4), **(plain | {"groups": 2, "dilation": (2, 3)})).noted("groups, dilated")
