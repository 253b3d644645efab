"""`ceil_mode` as padding, for sizes that are numbers and symbols."""

from __future__ import annotations

from itertools import product

import pytest

from xir.frontends.overhang import with_overhang
from xir.ir.dims import Dim, Symbol, evaluate, floor_divide, to_text


def pooled(size: int, window: int, stride: int, pads: tuple[int, int], gap: int) -> int:
    """PyTorch's count of windows (aten/src/ATen/native/Pool.h, pooling_output_shape_pad_lr)."""
    room = size + sum(pads) - gap * (window - 1) - 1
    count = (room + stride - 1) // stride + 1
    return count - 1 if (count - 1) * stride >= size + pads[0] else count


def windows(size: Dim, window: int, stride: int, pads: tuple[int, int], gap: int) -> Dim:
    """The count that the padding gives."""
    before, after = with_overhang(size, window, stride, pads, gap)
    return floor_divide(size + before + after - (window - 1) * gap - 1, stride) + 1


@pytest.mark.parametrize(("window", "stride", "gap"), [*product((1, 2, 3), (1, 2, 3, 5), (1, 2))])
def test_windows_are_counted_as_pytorch_does(window: int, stride: int, gap: int) -> None:
    symbol = Symbol("h")
    for before, after in product((0, 1), (0, 1)) if window > 1 else [(0, 0)]:  # at most half a window, says PyTorch
        formula = windows(symbol, window, stride, (before, after), gap)
        for size in range((window - 1) * gap + 1, 24):
            wanted = pooled(size, window, stride, (before, after), gap)
            assert windows(size, window, stride, (before, after), gap) == wanted
            assert evaluate(formula, {symbol: size}) == wanted


def test_formulas_stay_short_over_many_layers() -> None:
    size: Dim = Symbol("h")
    for _ in range(12):
        size = windows(size, 3, 2, (0, 0), 1)
    assert to_text(size) == "h//4096"
