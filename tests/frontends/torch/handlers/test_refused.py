"""Calls that torch refuses, or that no graph can say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontends.torch.handlers.answer import built
from tests.frontends.torch.handlers.call import Example, call, fixed, real, whole
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.ir.types import DType

Q = "quantized_decomposed"
BYTES = whole(3).astype(np.int8)
I16 = (-128, 127, DType.INT16)

REFUSED = (
    (fixed("nextafter", whole(3), whole(3)), InvalidModelError, "the number next to one of i64"),
    (fixed("frexp.Tensor", whole(3)), InvalidModelError, "mantissa and exponent of i64"),
    (fixed("quantile.scalar", real(3), 0.5, interpolation="best"), InvalidModelError, "interpolation='best'"),
    (fixed("segment_reduce", real(3), "middle", lengths=whole(2)), UnsupportedError, "segments by 'middle'"),
    (fixed("segment_reduce", real(3), "sum", lengths=whole(2, 2)), UnsupportedError, "segments of several axes"),
    (fixed("segment_reduce", real(3), "sum"), UnsupportedError, "either lengths or offsets"),
    (fixed(f"{Q}.dequantize_per_tensor.default", BYTES, 0.1, 3, 0, 255, DType.UINT8), InvalidModelError, "of u8"),
    (fixed(f"{Q}.dequantize_per_channel.default", BYTES, real(3), None, 0, *I16), InvalidModelError, "of i16"),
    (
        fixed(f"{Q}.quantize_per_tensor.default", real(3), 0.1, 3, 0, 255, DType.INT8),
        InvalidModelError,
        "255 is beyond",
    ),
    (fixed(f"{Q}.choose_qparams.tensor", real(3), -1, 255, 0.1, DType.UINT8), InvalidModelError, "-1 is beyond u8"),
    (fixed("polygamma", -1, real(3)), InvalidModelError, "derivative number -1"),
    (fixed("linalg_matrix_norm", real(3, 3), 5), InvalidModelError, "the norm 5 of a matrix"),
)


@pytest.mark.parametrize(("example", "error", "words"), REFUSED, ids=[each[0].kind for each in REFUSED])
def test_refused(example: Example, error: type[XirError], words: str) -> None:
    with pytest.raises(error, match=words):
        built(example)


def test_symbols_for_sizes_of_what_is_factored_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="the size of a matrix to be inverted"):
        built(call("pinverse", real(3, 3)), symbolic=True)
