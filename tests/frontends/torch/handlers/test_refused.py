"""Calls that torch refuses, or that no graph can say."""

from __future__ import annotations

import pytest

from tests.frontends.torch.handlers.answer import built
from tests.frontends.torch.handlers.call import Example, call, fixed, real, whole
from xir.errors import InvalidModelError, UnsupportedError, XirError

REFUSED = (
    (fixed("nextafter", whole(3), whole(3)), InvalidModelError, "the number next to one of i64"),
    (fixed("frexp.Tensor", whole(3)), InvalidModelError, "mantissa and exponent of i64"),
    (fixed("quantile.scalar", real(3), 0.5, interpolation="best"), InvalidModelError, "interpolation='best'"),
    (fixed("segment_reduce", real(3), "middle", lengths=whole(2)), UnsupportedError, "segments by 'middle'"),
    (fixed("segment_reduce", real(3), "sum", lengths=whole(2, 2)), UnsupportedError, "segments of several axes"),
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
